# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# experiment_report.py - from an experiment's CSV to its report: Markdown with
# figures by gnuplot. Every number and every sentence follows from the CSV; the
# same CSV gives the same report to the byte.
#
#   1. Reading     2. Statistics     3. Measures of a run     4. Claims
#   5. Tables      6. Figures        7. The report
import collections
import copy
import csv
import functools
import math
import os
import re
import statistics
import subprocess

NAMES = {"dense": "dense", "ste": "STE", "sr-ste": "SR-STE",
         "t-sr-ste": "T-SR-STE", "step": "STEP", "s-ste": "S-STE"}
COLORS = {"dense": "#000000", "ste": "#D55E00", "sr-ste": "#E69F00",
          "t-sr-ste": "#009E73", "step": "#CC79A7", "s-ste": "#0072B2"}

# The program's CSV, a line per step.
MEASURES = ("step", "train_bpb", "lr", "flip_rate", "val_bpb", "beta", "before",
            "after", "frozen", "predicted", "predicted_map")
# What this experiment writes in front of them and, on a run's last line, after.
RUN_COLUMNS = ("stage", "method", "variant", "peak_lr", "decay", "seed", "size")
END_COLUMNS = ("status", "cpu_seconds", "wall_seconds")
# What all runs have in common stands above, a line each; these are numbers.
HEAD = "# sste experiment 1"
# S-STE's scale by another rule, which keeps the weights' absolute sum.
SCALE, SCALED = "beta equal-l1", "S-STE with beta equal-l1"
# SR-STE's with the decay of its paper.
PUBLISHED = "decay as published"
# The variant for flips and descents, which follow the learning rate.
MATCHED = "at the rate of s-ste"
NUMBERS = ("steps", "layers", "heads", "width", "context", "batch", "micro",
           "corpus_bytes", "cpus", "jobs", "runs")
WORDS = ("corpus", "corpus_sha256", "program_sha256", "machine", "products")

# ---- 1. Reading --------------------------------------------------------------


class Unreadable(Exception):
    """No experiment's CSV, or one that cannot be drawn."""


class Run:
    """One training. lines: its measures, NaN where there is none."""

    def __init__(self, row):
        self.stage, self.method, self.variant, self.size = (
            row[c] for c in ("stage", "method", "variant", "size"))
        self.rate, self.seed = float(row["peak_lr"]), int(row["seed"])
        self.decay = float(row["decay"]) if row["decay"] else None
        self.lines, self.status, self.cpu = [], None, 0.0

    def column(self, name):
        """(step, value) wherever there is a value."""
        at = MEASURES.index(name)
        return [(line[0], line[at]) for line in self.lines
                if not math.isnan(line[at])]

    def loss(self):
        """Bits per byte on the held-out text, infinite if it diverged."""
        values = self.column("val_bpb")
        return values[-1][1] if self.status == 0 and values else math.inf


class Experiment:
    """facts: what all runs have in common; runs: all of one size; sizes: the
    experiments of the others."""

    def __init__(self, path):
        self.facts, self.runs, named = {}, [], {}
        try:
            with open(path, encoding="utf-8", newline="") as file:
                self.read(file, named)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise Unreadable("%s is damaged: %s" % (path, error)) from None
        ended = sum(run.status is not None for run in self.runs)
        if ended != self.facts["runs"]:
            raise Unreadable("%s is damaged: it has %d whole runs of %d" % (
                path, ended, self.facts["runs"]))
        self.cpu = sum(run.cpu for run in self.runs)
        self.sizes = [self.at(size) for size in dict.fromkeys(
            run.size for run in self.runs if run.size)]
        self.runs = [run for run in self.runs if not run.size]
        for x in (self, *self.sizes):
            if not x.complete():
                raise Unreadable("%s is damaged: a method without its sweep or "
                                 "its seeds" % path)

    def at(self, size):
        """The part of one size, such as 'width 32'."""
        x = copy.copy(self)
        x.facts = self.facts | {"width": int(size.split(" ")[1])}
        x.runs = [run for run in self.runs if run.size == size]
        return x

    def complete(self):
        """Whether each method has a sweep and seeds, and there is one."""
        stages = {(r.method, r.stage, r.variant) for r in self.runs}
        return self.runs and all(
            {(method, "rate", ""), (method, "seeds", "")} <= stages
            for method in self.methods())

    def read(self, file, named):
        line = file.readline()
        if line.rstrip() != HEAD:
            raise ValueError("it does not begin with '%s'" % HEAD)
        while (line := file.readline()).startswith("# "):
            key, value = line[2:].rstrip("\n").split(": ", 1)
            self.facts[key] = int(value) if key in NUMBERS else value
        if not {*NUMBERS, *WORDS} <= self.facts.keys():
            raise ValueError("its head lacks lines")
        if min(self.facts[name] for name in NUMBERS) < 1:
            raise ValueError("its head has a number below 1")
        columns = line.rstrip("\n").split(",")
        if columns != [*RUN_COLUMNS, *MEASURES, *END_COLUMNS]:
            raise ValueError("its columns are others")
        for row in csv.DictReader(file, columns):
            if None in row or None in row.values():
                raise ValueError("a line of more or fewer columns")
            key = tuple(row[c] for c in RUN_COLUMNS)
            if row["method"] not in NAMES or not re.fullmatch(
                    "[a-z0-9 .,-]*", "".join(key)) or not re.fullmatch(
                        "(width [1-9][0-9]*)?", row["size"]):
                raise ValueError("a run of a strange name")
            if key not in named:
                named[key] = Run(row)
                self.runs.append(named[key])
            run = named[key]
            if row["step"]:
                run.lines.append([float(row[c]) if row[c] else math.nan
                                  for c in MEASURES])
            if row["status"]:
                run.status, run.cpu = int(row["status"]), float(
                    row["cpu_seconds"])

    def methods(self):
        return [m for m in NAMES if any(r.method == m for r in self.runs)]

    def sweep(self, method):
        """The runs that chose the method's learning rate and decay."""
        return [r for r in self.runs if r.method == method and not r.variant
                and r.stage in ("rate", "decay")]

    def best(self, method):
        return min(self.sweep(method), key=Run.loss)

    def seeds(self, method, variant=""):
        """Seed: run, at the method's best learning rate and decay, without the
        run that these were chosen by."""
        return {r.seed: r for r in self.runs
                if (r.method, r.variant) == (method, variant)
                and r.stage not in ("rate", "decay")}

    def variants(self, method):
        return list(dict.fromkeys(
            r.variant for r in self.runs
            if r.method == method and r.stage == "ablation"))


def one_rate(x):
    """That at which flips and descents are compared: S-STE's best."""
    anchor = next(m for m in ("s-ste", "dense", *x.methods())
                  if m in x.methods())
    return x.best(anchor).rate


def matched(x, method):
    """Its seeds at that rate, if it has such."""
    same = x.best(method).rate == one_rate(x)
    return x.seeds(method, "" if same else MATCHED)


def at_one_rate(x, method):
    """Those, or the ones at its own rate."""
    return matched(x, method) or x.seeds(method)


# ---- 2. Statistics -----------------------------------------------------------

# The mean of n values, their standard deviation, the mean's standard error.
Estimate = collections.namedtuple("Estimate", "mean sd se n")


def estimate(values):
    """All NaN if one value is not finite; SD and SE of one value are, too."""
    values = list(values)
    n = len(values)
    if n == 0 or not all(map(math.isfinite, values)):
        return Estimate(math.nan, math.nan, math.nan, n)
    sd = statistics.stdev(values) if n > 1 else math.nan
    return Estimate(statistics.fmean(values), sd, sd / math.sqrt(n), n)


def paired(runs, others, measure):
    """measure(run) - measure(other), over the seeds that both have."""
    return estimate(measure(runs[seed]) - measure(others[seed])
                    for seed in runs if seed in others)


def chance(n, t):
    """How often the mean of n normal values around 0 is beyond t of its own
    standard errors: Student's t with n - 1 degrees, by the midpoint rule over
    the angle whose tangent is t / sqrt(n - 1)."""
    df, parts = n - 1, 4000
    angle = math.atan(t / math.sqrt(df))
    scale = math.exp(math.lgamma(n / 2) - math.lgamma(df / 2)) / math.sqrt(
        math.pi)
    inside = sum(math.cos(angle * (i + 0.5) / parts)**(df - 1)
                 for i in range(parts)) * angle / parts
    return max(0.0, 1 - 2 * scale * inside)


@functools.lru_cache
def student(n):
    """The t that chance passes once in twenty, by bisection."""
    low, high = 1.0, 16.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = ((middle, high) if chance(n, middle) > 0.05 else
                     (low, middle))
    return high


def margin(e):
    """Half of the 95 % interval of a mean, NaN for one value."""
    return student(e.n) * e.se if e.n > 1 else math.nan


def shown(e):
    """0 lies outside the 95 % interval."""
    return e.se > 0 and abs(e.mean) > margin(e)


def p_value(e):
    """How often chance alone takes the mean as far from 0; NaN if no SE."""
    return chance(e.n, abs(e.mean) / e.se) if e.se > 0 else math.nan


def holm(ps):
    """The largest of the p-values that are shown at once, so that chance alone
    passes any of them in one experiment of twenty (Holm 1979); 0 if none is."""
    ps, largest = sorted(p for p in ps if not math.isnan(p)), 0.0
    for left, p in zip(range(len(ps), 0, -1), ps):
        if p * left > 0.05:
            break
        largest = p
    return largest


def line_fit(x, y):
    """Slope of the least-squares line of y over x, and the correlation."""
    if len(x) < 2:
        return math.nan, math.nan
    mx, my = statistics.fmean(x), statistics.fmean(y)
    xx = sum((a - mx)**2 for a in x)
    yy = sum((b - my)**2 for b in y)
    xy = sum((a - mx) * (b - my) for a, b in zip(x, y))
    if xx == 0 or yy == 0:
        return math.nan, math.nan
    return xy / xx, xy / math.sqrt(xx * yy)


def ranks(values):
    """Their places in ascending order."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    places = [0] * len(values)
    for place, i in enumerate(order):
        places[i] = place
    return places


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


# ---- 3. Measures of a run ----------------------------------------------------


def mean_flips(run, since=0.0):
    """The flip rate's mean over the steps, from a share of them on."""
    rates = [rate for _, rate in run.column("flip_rate") if run.status == 0]
    rates = rates[int(since * len(rates)):]
    return statistics.fmean(rates) if rates else math.nan


def log_flips(run, since=0.0):
    flips = mean_flips(run, since)
    return math.log(flips) if flips > 0 else math.nan


def last_beta(run):
    """In units of the first."""
    betas = [beta for _, beta in run.column("beta") if run.status == 0]
    return betas[-1] / betas[0] if betas and betas[0] else math.nan


# The actual descent A, that with the mask frozen F, the predicted ones P, P'.
Descent = collections.namedtuple("Descent", "actual frozen predicted mapped")


WARM_UP = 0.1  # of the steps: the learning rate grows


def descents(run):
    """Of every probe whose measures are all finite. Without the warm-up's: a
    few of those would outweigh all others."""
    first, found = MEASURES.index("before"), []
    for line in run.lines if run.status == 0 else ():
        probe = line[first:]
        if line[0] > WARM_UP * run.lines[-1][0] and all(
                map(math.isfinite, probe)):
            before, after, frozen, predicted, mapped = probe
            found.append(Descent(before - after, before - frozen, predicted,
                                 mapped))
    return found


def share(run, event):
    found = [event(d) for d in descents(run)]
    return statistics.fmean(found) if found else math.nan


def rising(run):
    return share(run, lambda d: d.actual < 0)


def opposite(run):
    return share(run, lambda d: d.actual * d.frozen < 0)


def wrong(run):
    return share(run, lambda d: d.actual < 0 < d.frozen)


def saved(run):
    return share(run, lambda d: d.frozen < 0 < d.actual)


def mask_part(run):
    """How large A - F, the share of the mask's move, is beside F: medians."""
    found = descents(run)
    size = statistics.median(abs(d.frozen) for d in found) if found else 0.0
    return statistics.median(abs(d.actual - d.frozen)
                             for d in found) / size if size else math.nan


def fit(run, prediction="predicted", scale=list):
    """Of A over a prediction, after both were scaled: slope, correlation."""
    found = descents(run)
    return line_fit(scale([getattr(d, prediction) for d in found]),
                    scale([d.actual for d in found]))


def slope(run, prediction="predicted"):
    return fit(run, prediction)[0]


def correlation(run, prediction="predicted"):
    return fit(run, prediction)[1]


def rank_correlation(run):
    """Spearman's, which no few outliers decide."""
    return fit(run, scale=ranks)[1]


# ---- 4. Claims ---------------------------------------------------------------

# The difference that decides it: above 0 if `more` is so, below if `less` is;
# expected: which, where the paper finds it or its account suggests it, or None.
# text: the difference in words.
Claim = collections.namedtuple("Claim", "less more expected e text")


def pm(e, digits=4, sign=False):
    if e.n == 0 or math.isnan(e.mean):
        return "-"
    mean = "%+.*f" % (digits, e.mean) if sign else "%.*f" % (digits, e.mean)
    return mean if math.isnan(e.se) else "%s ± %.*f" % (mean, digits, e.se)


def ratio(e):
    """Of logarithms, as a factor and its 95 % interval."""
    if math.isnan(e.mean):
        return "-"
    if math.isnan(e.se):
        return "%.2f" % math.exp(e.mean)
    return "%.2f (%.2f to %.2f)" % tuple(
        math.exp(e.mean + k * margin(e)) for k in (0, -1, 1))


VERDICTS = ("Shown", "Shown, against what was expected",
            "Not shown, nor the opposite", "Not known")


def verdict(claim):
    """Which of the verdicts, and the sentence that goes with it."""
    e, expected = claim.e, getattr(claim, claim.expected or "less")
    if e.n == 0:
        return "Not known", expected + "; there are no such runs"
    if e.n == 1:
        return "Not known", expected + "; one seed does not tell"
    if math.isnan(e.mean):
        return "Not known", expected + (
            "; a run diverged, or measured nothing or none")
    if not shown(e):
        return "Not shown, nor the opposite", expected
    found = claim.more if e.mean > 0 else claim.less
    return VERDICTS[bool(claim.expected) and found != expected], found


def p_text(e, largest):
    """largest: what holm gave for all that e is one of."""
    p = p_value(e)
    return "p %s%s" % ("< 0.0001" if p < 1e-4 else "%.4f" % p,
                       " \\*" * (p <= largest))


def evidence(claim, largest):
    if math.isnan(claim.e.mean):
        return ""
    seeds = "%d seed%s" % (claim.e.n, "s"[claim.e.n == 1:])
    p = "" if math.isnan(p_value(claim.e)) else ", " + p_text(claim.e, largest)
    return " (%s; %s%s)" % (claim.text, seeds, p)


def claim_lines(claims, largest):
    """As they came out: first what is shown."""
    said = [(*verdict(claim), evidence(claim, largest)) for claim in claims]
    said.sort(key=lambda words: VERDICTS.index(words[0]))
    return ["- **%s**: %s%s." % words for words in said] + [""]


def main_claims(x):
    claims = [*loss_claims(x), *flip_claims(x)]
    return claims + [*descent_claims(x), *beta_claims(x)]


def all_claims(x):
    return [claim for at in (x, *x.sizes)
            for claim in (*main_claims(at), *scale_claims(at))]


def loss_claim(name, runs, others, when, other, expected):
    """The two are paired, so that dense's own loss cancels in a comparison of
    gaps to dense: the lower loss is the nearer one."""
    e = paired(runs, others, Run.loss)
    return Claim("%s%s's loss is lower than %s" % (when, name, other),
                 "%s%s's loss is higher than %s" % (when, name, other),
                 expected, e,
                 "the difference is %s bits per byte" % pm(e, 4, True))


def loss_claims(x):
    """As the methods are, with each variant that both have, and against each
    that only the other has."""
    if "s-ste" not in x.methods():
        return
    soft = ["", *x.variants("s-ste")]
    for other in x.methods():
        expected = "more" if other == "dense" else "less"
        for variant in ["", *x.variants(other)] if other != "s-ste" else ():
            both = variant in soft
            yield loss_claim(
                "S-STE", x.seeds("s-ste", variant if both else ""),
                x.seeds(other, variant),
                "with %s, " % variant if variant and both else "",
                NAMES[other] + ("'s" if both else "'s with " + variant),
                expected)


def scale_claims(x):
    """With S-STE's other scale, which is not the paper's."""
    if SCALE not in x.variants("s-ste"):
        return
    for other in ("dense", "ste", "sr-ste"):
        if other in x.methods():
            yield loss_claim(SCALED, x.seeds("s-ste", SCALE), x.seeds(other),
                             "", NAMES[other] + "'s", None)
    if {"dense", "ste"} <= set(x.methods()):
        for since, when in QUARTERS:
            yield nearer_claim(SCALED, x.seeds("s-ste", SCALE), x, since, when,
                               None)


# Flips are compared over the whole run and, as oscillation is what does not
# settle, over its last quarter.
QUARTERS = ((0.0, ""), (0.75, ", in the last quarter"))


def flip_claims(x):
    for since, when in QUARTERS if "dense" in x.methods() else ():
        yield from flip_claims_since(x, since, when)


def flips_over_dense(runs, x, since):
    """The logarithm of the factor, at S-STE's learning rate."""
    return paired(runs, matched(x, "dense"),
                  lambda run: log_flips(run, since))


def flip_claims_since(x, since, when):
    for method in ("ste", "sr-ste"):
        if method in x.methods():
            e = flips_over_dense(matched(x, method), x, since)
            yield Claim("%s flips less often than dense%s" % (
                            NAMES[method], when),
                        "%s flips more often than dense%s" % (
                            NAMES[method], when), "more", e,
                        "%s times as often" % ratio(e))
    if {"s-ste", "ste"} <= set(x.methods()):
        soft, hard = x.seeds("s-ste"), matched(x, "ste")
        yield nearer_claim("S-STE", soft, x, since, when, "less")
        e = paired(soft, hard, lambda run: log_flips(run, since))
        yield Claim("S-STE flips less often than STE" + when,
                    "S-STE flips more often than STE" + when, "less", e,
                    "%s times as often" % ratio(e))


def nearer_claim(name, soft, x, since, when, expected):
    """Whether S-STE's flip rate is nearer to dense's than STE's: the distances
    of the mean logarithms, whose signs are those of the means."""
    def over_dense(runs, seed):
        return log_flips(runs[seed], since) - log_flips(dense[seed], since)
    hard, dense = matched(x, "ste"), matched(x, "dense")
    seeds = [s for s in soft if s in hard and s in dense]
    ours, theirs = (math.copysign(1.0, estimate(
        over_dense(runs, s) for s in seeds).mean) for runs in (soft, hard))
    e = estimate(ours * over_dense(soft, s) - theirs * over_dense(hard, s)
                 for s in seeds)
    return Claim("%s's flip rate is nearer to dense's than STE's is%s" % (
                     name, when),
                 "%s's flip rate is further from dense's than STE's is%s" % (
                     name, when), expected, e,
                 "%s times dense's, STE's %s times; the distances of the "
                 "logarithms differ by %s" % (
                     ratio(flips_over_dense(soft, x, since)),
                     ratio(flips_over_dense(hard, x, since)), pm(e, 3, True)))


def descent_claims(x):
    """At one size only, as others have no probes."""
    if "s-ste" not in x.methods() or not pooled(x, "s-ste"):
        return

    def differ(measure, other):
        return paired(x.seeds("s-ste"), matched(x, other), measure)
    for other in ("dense", "ste"):
        if other in x.methods():
            e = differ(rank_correlation, other)
            yield Claim("S-STE's descent follows the predicted one less "
                        "closely than %s's" % NAMES[other],
                        "S-STE's descent follows the predicted one more "
                        "closely than %s's" % NAMES[other],
                        "less" if other == "dense" else "more", e,
                        "the rank correlations differ by " + pm(e, 3, True))
    if "ste" in x.methods():
        e = differ(lambda run: wrong(run) - saved(run), "ste")
        yield Claim("the mask's moves spoil fewer of S-STE's steps than of "
                    "STE's, net of those that they save",
                    "the mask's moves spoil more of S-STE's steps than of "
                    "STE's, net of those that they save", "less", e,
                    "the rates differ by " + pm(e, 3, True))


def beta_claims(x):
    again = x.seeds("s-ste", "beta every-step")
    if not again:
        return
    e = paired(again, x.seeds("s-ste"), Run.loss)
    yield Claim("recomputing beta at every step lowers the loss",
                "recomputing beta at every step raises the loss", "more", e,
                "the difference is %s bits per byte" % pm(e, 4, True))
    e = paired(again, x.seeds("s-ste"), log_flips)
    yield Claim("recomputing beta lowers the flip rate",
                "recomputing beta raises the flip rate", "more", e,
                "%s times as many flips" % ratio(e))
    e = estimate(math.log(last_beta(run)) for run in again.values())
    yield Claim("a recomputed beta falls", "a recomputed beta grows", "more",
                e, "at the end it is %s times the first" % ratio(e))


# ---- 5. Tables ---------------------------------------------------------------


def table(head, rows):
    """Markdown; the first column is text, the others are numbers."""
    lines = ["| %s |" % " | ".join(head),
             "| --- |%s" % (" ---: |" * (len(head) - 1))]
    return lines + ["| %s |" % " | ".join(row) for row in rows] + [""]


def loss_text(e, diverged):
    return pm(e) if not diverged else "diverged (%d of %d)" % (diverged, e.n)


def count_diverged(runs):
    return sum(run.status != 0 for run in runs.values())


def loss_table(x):
    rows = []
    for method in x.methods():
        runs, best = x.seeds(method), x.best(method)
        e = estimate(run.loss() for run in runs.values())
        row = [NAMES[method], "%g" % best.rate,
               "-" if best.decay is None else "%g" % best.decay, str(e.n),
               loss_text(e, count_diverged(runs)),
               "-" if math.isnan(e.sd) else "%.4f" % e.sd]
        for other in ("dense", "s-ste"):
            row.append("" if other == method or other not in x.methods() else
                       pm(paired(runs, x.seeds(other), Run.loss), 4, True))
        speed = estimate(x.facts["batch"] * x.facts["context"] *
                         len(run.lines) / run.cpu
                         for run in runs.values() if run.cpu > 0)
        rows.append(row + ["%.0f" % speed.mean if speed.n else "-"])
    return table(["method", "learning rate", "decay", "seeds", "loss ± SE",
                  "SD", "minus dense", "minus S-STE",
                  "tokens per CPU second, measures included"],
                 rows)


def rate_table(x, cell):
    """cell(run) for every method and learning rate of the sweep."""
    rates = sorted({r.rate for r in x.runs if r.stage == "rate"})
    rows = []
    for method in x.methods():
        swept = {r.rate: r for r in x.sweep(method) if r.stage == "rate"}
        rows.append([NAMES[method]] + [cell(swept[rate]) if rate in swept else
                                       "" for rate in rates])
    return table(["method"] + ["%g" % rate for rate in rates], rows)


def decay_table(x):
    rows = [[NAMES[r.method], "%g" % r.decay, "%g" % r.rate, loss_of(r)]
            for method in x.methods() for r in x.sweep(method)
            if len({s.decay for s in x.sweep(method)}) > 1
            and r.rate == x.best(method).rate]
    return table(["method", "decay", "learning rate", "loss"],
                 rows) if rows else []


def loss_of(run):
    return "%.4f" % run.loss() if run.status == 0 else "diverged"


def marked(e):
    """A difference, with a mark where it is shown."""
    return pm(e, 4, True) + " °" * shown(e)


def gap_table(x):
    """S-STE's loss minus the others', wherever all were validated."""
    rivals = [m for m in ("dense", "ste", "sr-ste") if m in x.methods()]
    soft = x.seeds("s-ste")
    steps = sorted(set.intersection(*(
        {step for step, _ in run.column("val_bpb")}
        for m in ["s-ste", *rivals] for run in x.seeds(m).values())))

    def at(step):
        return lambda run: dict(run.column("val_bpb"))[step]
    rows = [["%d" % step] + [marked(paired(soft, x.seeds(m), at(step)))
                             for m in rivals] for step in steps]
    return table(["step"] + ["minus " + NAMES[m] for m in rivals], rows)


def flip_table(x):
    rows = []
    for method in x.methods():
        runs = at_one_rate(x, method)
        row = [NAMES[method], "%g" % next(iter(runs.values())).rate]
        for since in (0.0, 0.75):
            e = estimate(1000 * mean_flips(r, since) for r in runs.values())
            row.append(pm(e, 3))
        for since in (0.0, 0.75):
            row.append(ratio(flips_over_dense(matched(x, method), x, since))
                       if "dense" in x.methods() and method != "dense" else "")
        rows.append(row)
    return table(["method", "learning rate", "flips per 1000 entries and step",
                  "in the last quarter", "all steps, times dense's",
                  "the last quarter, times dense's"], rows)


def flips_since(since):
    return lambda run: pm(estimate([1000 * mean_flips(run, since)]), 2)


def descent_table(x):
    rows = []
    for method in x.methods():
        runs = at_one_rate(x, method).values()
        probes = sum(len(descents(run)) for run in runs)
        if probes:
            rows.append([NAMES[method], str(probes)] + [
                pm(estimate(map(measure, runs)), 3) for measure in (
                    rank_correlation, correlation, slope,
                    lambda r: correlation(r, "mapped"),
                    lambda r: slope(r, "mapped"), rising)])
    return table(["method", "probes", "rank correlation of A and P",
                  "correlation", "slope", "correlation of A and P'", "slope",
                  "A < 0"], rows)


def frozen_table(x):
    rows = [[NAMES[method]] + [
        pm(estimate(map(measure, at_one_rate(x, method).values())), 3)
        for measure in (rising, opposite, wrong, saved, mask_part)]
            for method in x.methods()]
    return table(["method", "A < 0", "opposite signs", "F > 0 > A: spoilt",
                  "A > 0 > F: saved", "abs(A - F) / abs(F), medians"], rows)


RIVALS = (("dense", ""), ("ste", ""), ("sr-ste", ""), ("sr-ste", PUBLISHED))
RIVAL_NAMES = ["minus %s%s" % (NAMES[method], variant and ", " + variant)
               for method, variant in RIVALS]


def size_table(x):
    """The main comparison of every size beside the others."""
    rows = []
    for at in (x, *x.sizes):
        for variant in ("", SCALE):
            soft = at.seeds("s-ste", variant)
            rows.append([
                "width %d" % at.facts["width"], f"{parameters(at):,}",
                SCALED if variant else "S-STE", "%g" % one_rate(at),
                *(marked(paired(soft, at.seeds(*other), Run.loss))
                  for other in RIVALS),
                *(ratio(flips_over_dense(runs, at, 0.75))
                  for runs in (soft, matched(at, "ste")))])
            if not at.seeds("s-ste", SCALE):
                break
    return table(["size", "weights", "", "learning rate", *RIVAL_NAMES,
                  "flips, times dense's", "STE's, times dense's"], rows)


def change_table(x):
    """How far the differences are from those of the main size."""
    def gap(at, variant, other, seed):
        return (at.seeds("s-ste", variant)[seed].loss() -
                at.seeds(*other)[seed].loss())
    rows = []
    for at in x.sizes:
        for variant in ("", SCALE):
            row = []
            for other in RIVALS:
                seeds = [seed for seed in at.seeds("s-ste", variant) if all(
                    seed in runs for runs in (
                        x.seeds("s-ste", variant), at.seeds(*other),
                        x.seeds(*other)))]
                row.append(marked(estimate(
                    gap(at, variant, other, seed) - gap(x, variant, other, seed)
                    for seed in seeds)))
            if set(row) != {"-"}:
                rows.append(["width %d" % at.facts["width"],
                             SCALED if variant else "S-STE", *row])
    return table(["size", "", *RIVAL_NAMES], rows)


def beta_table(x):
    rows = []
    for name, variant in (("frozen", ""), ("every step", "beta every-step")):
        runs = x.seeds("s-ste", variant)
        rows.append(["beta " + name, str(len(runs)),
                     loss_text(estimate(r.loss() for r in runs.values()),
                               count_diverged(runs)),
                     pm(estimate(last_beta(r) for r in runs.values()), 3),
                     pm(estimate(1000 * mean_flips(r)
                                 for r in runs.values()), 3)])
    return table(["", "seeds", "loss ± SE", "last beta / first",
                  "flips per 1000"], rows)


def effect(e, largest):
    if math.isnan(e.mean) or math.isnan(e.se):
        return "not known"
    if not shown(e):
        return "not shown, " + p_text(e, largest)
    return ("worse, " if e.mean > 0 else "better, ") + p_text(e, largest)


def ablation_table(x):
    """Each variant beside the same method without it."""
    rows, bases = [], {m: x.seeds(m) for m in x.methods() if x.variants(m)}
    effects = {(m, v): paired(x.seeds(m, v), base, Run.loss)
               for m, base in bases.items() for v in x.variants(m)}
    largest = holm(map(p_value, effects.values()))
    for method in bases:
        for variant in ["", *x.variants(method)]:
            runs, e = x.seeds(method, variant), effects.get((method, variant))
            rows.append([NAMES[method] + (variant and ", " + variant),
                         str(len(runs)),
                         loss_text(estimate(r.loss() for r in runs.values()),
                                   count_diverged(runs)),
                         *(("", "") if e is None else (
                             pm(e, 4, True), effect(e, largest))),
                         pm(estimate(1000 * mean_flips(r)
                                     for r in runs.values()), 3)])
    return table(["", "seeds", "loss ± SE", "paired difference", "effect",
                  "flips per 1000"], rows)


# ---- 6. Figures --------------------------------------------------------------


class Figure:
    """A gnuplot script with its data, drawn as SVG or, where that would be
    large, as PNG. Data come first, then the commands, as gnuplot wants them."""

    def __init__(self, width, height, kind="svg"):
        self.data, self.kind = [], kind
        self.commands = [
            'set terminal %s noenhanced size %d,%d font "sans,%d" '
            'background rgb "white"' % (
                ("svg", width, height, 14) if kind == "svg" else
                ("pngcairo", width, height, 10)),
            "set encoding utf8", "set grid lc rgb '#DDDDDD' lt 1 lw 0.5",
            "set border lc rgb '#666666'", "set tics textcolor rgb 'black'",
            "set key noenhanced"]

    def block(self, rows):
        """The name of a data block; a blank row breaks its line."""
        name = "$d%d" % len(self.data)
        self.data.append("%s << EOD\n%s\nEOD" % (name, "\n".join(
            " ".join(x if isinstance(x, str) else "%.6g" % x for x in row)
            for row in rows)))
        return name

    def add(self, *commands):
        self.commands += commands

    def plot(self, parts):
        if parts:
            self.add("plot " + ", \\\n  ".join(parts))

    def draw(self, folder, name):
        """Its line in the report; none if there is nothing to see."""
        if not any(c.startswith("plot ") for c in self.commands):
            return []
        name += "." + self.kind
        path = os.path.join(folder, name)
        script = "\n".join([*self.data, *self.commands]) + "\n"
        try:
            done = subprocess.run(["gnuplot"], input=script.encode(),
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, check=False,
                                  env={**os.environ, "LC_ALL": "C.UTF-8"})
        except FileNotFoundError:
            raise Unreadable("gnuplot is missing; on Debian: apt-get install "
                             "-y gnuplot-nox") from None
        if done.returncode:
            raise Unreadable("gnuplot cannot draw %s: %s" % (
                path, done.stderr.decode().strip().replace("\n", " ")))
        with open(path, "wb") as file:
            file.write(done.stdout)
        return ["![%s](%s)" % (name, name), ""]


def pale(color):
    """For clouds of points: half opaque."""
    return "#80" + color[1:]


def curve(runs, name, bins):
    """Over each of so many equal parts of the run: (step at its middle, mean
    over the seeds, their least, their largest)."""
    columns = [column for run in runs if (column := run.column(name))]
    last = max((column[-1][0] for column in columns), default=0)
    parts = collections.defaultdict(list)
    for column in columns:
        own = collections.defaultdict(list)
        for step, value in column:
            own[min(bins - 1, int((step - 1) * bins / last))].append(value)
        for part, values in own.items():
            parts[part].append(statistics.fmean(values))
    return [((part + 0.5) * last / bins, statistics.fmean(means), min(means),
             max(means)) for part, means in sorted(parts.items())]


def band(block, style, color, title):
    """A curve's parts of a plot: its seeds' range, and their mean."""
    return ["%s using 1:3:4 with filledcurves fc rgb '%s' fs transparent solid "
            "0.15 noborder notitle" % (block, color),
            "%s using 1:2 with lines lw 2.5 %s lc rgb '%s' title '%s'" % (
                block, style, color, title)]


def loss_figure(x, folder):
    """Left the last losses, right the gap to dense as training goes on."""
    methods = [m for m in x.methods() if not count_diverged(x.seeds(m))]
    if not methods:
        return []
    f = Figure(1100, 440)
    tics = ", ".join('"%s" %d' % (NAMES[m], i) for i, m in enumerate(methods))
    f.add("set multiplot layout 1,2", "set xrange [-0.5:%g]"
          % (len(methods) - 0.5), "set xtics (%s)" % tics,
          "set title 'Validation loss: seeds, mean and 95 % interval'",
          "set ylabel 'bits per byte'", "unset key",
          "set offsets 0,0,graph 0.1,graph 0.1")
    parts = []
    for i, m in enumerate(methods):
        losses = [run.loss() for run in x.seeds(m).values()]
        e = estimate(losses)
        color = COLORS[m]
        parts.append("%s with points pt 7 ps 0.5 lc rgb '%s'" % (
            f.block([(i + 0.15, loss) for loss in losses]), pale(color)))
        parts.append("%s with yerrorbars pt 7 ps 0.9 lw 2 lc rgb '%s'" % (
            f.block([(i - 0.1, e.mean, 0 if math.isnan(e.se) else margin(e))]),
            color))
    f.plot(parts)
    f.add("set xrange [*:*]", "set xtics autofreq", "set xlabel 'step'",
          "set title 'Gap to dense, paired by seed, 95 % intervals'",
          "set key outside bottom center horizontal", "set offsets 0,0,0,0")
    curves = {m: gap_curve(x, m) for m in methods
              if m != "dense" and "dense" in methods}
    f.add("set yrange [%g:%g]" % gap_range(curves.values()))
    f.plot(["0 notitle lc rgb '#666666'"] + [
        "%s with yerrorlines pt 7 ps 0.5 lw 2 lc rgb '%s' title '%s'" % (
            f.block([(step + 0.008 * (i - 2) * x.facts["steps"], gap, two_se)
                     for step, gap, two_se in points]), COLORS[m], NAMES[m])
        for i, (m, points) in enumerate(curves.items()) if points])
    return f.draw(folder, "loss")


def gap_range(curves):
    """Of the later half's points and errors, and 0; the first validations of
    untrained models are far apart."""
    ends = [0.0]
    for points in curves:
        for _, gap, two_se in points[len(points) // 2:]:
            ends += [gap - two_se, gap + two_se]
    room = 0.1 * (max(ends) - min(ends)) or 1.0
    return min(ends) - room, max(ends) + room


def gap_curve(x, method):
    """(step, gap to dense, half of its 95 % interval)."""
    runs, dense = x.seeds(method), x.seeds("dense")
    pairs = [(dict(runs[s].column("val_bpb")), dict(dense[s].column("val_bpb")))
             for s in runs if s in dense]
    points = []
    for step in sorted(set().union(*(a.keys() & b.keys() for a, b in pairs))):
        e = estimate(a[step] - b[step] for a, b in pairs
                     if step in a and step in b)
        points.append((step, e.mean, 0 if math.isnan(e.se) else margin(e)))
    return points


def rate_figure(x, folder):
    f = Figure(700, 420)
    f.add("set logscale x 2", "set xlabel 'peak learning rate'",
          "set ylabel 'bits per byte'", "set key outside right",
          "set title 'Validation loss over the learning rate, one seed'")
    rates = sorted({r.rate for r in x.runs if r.stage == "rate"})
    f.add("set xtics (%s)" % ", ".join("%g" % rate for rate in rates),
          "set xrange [%g:%g]" % (rates[0] / 1.2, rates[-1] * 1.2))
    parts = []
    for m in x.methods():
        points = sorted((r.rate, r.loss()) for r in x.sweep(m)
                        if r.stage == "rate" and math.isfinite(r.loss()))
        if points:
            parts.append("%s with linespoints pt 7 ps 0.7 lw 2 lc rgb '%s' "
                         "title '%s'" % (f.block(points), COLORS[m], NAMES[m]))
    f.plot(parts)
    return f.draw(folder, "rates")


BINS = 40  # equal parts of a run, whose means a curve joins


def flip_figure(x, folder):
    f = Figure(900, 480)
    f.add("set logscale y", "set format y '10^{%L}'", "set xlabel 'step'",
          "set ylabel 'share of mask entries that a step flips' offset -1",
          "set title 'Flip rate of the magnitude mask'", "set key top right",
          "set terminal svg enhanced size 900,480 font 'sans,14' "
          "background rgb 'white'")
    parts = []
    for m in sorted(x.methods(), key=lambda m: m == "dense"):
        runs = at_one_rate(x, m)
        points = [p for p in curve(runs.values(), "flip_rate", BINS)
                  if min(p) > 0]
        if points:
            parts += band(f.block(points), "dt 2" if m == "dense" else "",
                          COLORS[m],
                          "dense, virtual" if m == "dense" else NAMES[m])
    f.plot(parts)
    return f.draw(folder, "flips")


def pooled(x, method):
    return [d for run in at_one_rate(x, method).values()
            for d in descents(run)]


def span(values):
    """Around the middle 90 %, and 0."""
    low, high = quantile(values, 0.05), quantile(values, 0.95)
    low, high = min(low, 0.0), max(high, 0.0)
    room = 0.05 * (high - low) or 1.0
    return low - room, high + room


def cloud_figure(x, folder, name, methods, over, title, labels):
    """A panel per method: the actual descent against another, in one scale."""
    clouds = {m: [(getattr(d, over), d.actual) for d in pooled(x, m)]
              for m in methods}
    clouds = {m: cloud for m, cloud in clouds.items() if cloud}
    if not clouds:
        return []
    across = span([p[0] for cloud in clouds.values() for p in cloud])
    up = span([p[1] for cloud in clouds.values() for p in cloud])
    columns = min(3, len(clouds))
    lines = -(-len(clouds) // columns)
    f = Figure(1100, 60 + 340 * lines, "png")
    f.add("set multiplot layout %d,%d title '%s'" % (lines, columns, title),
          "unset key", "set xlabel '%s'" % labels[0],
          "set ylabel '%s'" % labels[1], "set xtics %g" % tick(across),
          "set xrange [%g:%g]" % across, "set yrange [%g:%g]" % up)
    if over == "frozen":  # where the moved mask turns descent into ascent
        f.add("set object 1 rectangle from 0,%g to %g,0 fc rgb '#F5D5C5' "
              "fs solid noborder behind" % (up[0], across[1]))
    for m, cloud in clouds.items():
        inside = sum(across[0] <= a <= across[1] and up[0] <= b <= up[1]
                     for a, b in cloud)
        f.add("set title '%s (%d of %d)'" % (NAMES[m], inside, len(cloud)))
        f.plot(["x with lines lc rgb '#999999'", "0 lc rgb '#999999'",
                "%s with points pt 7 ps 0.4 lc rgb '%s'" % (
                    f.block(cloud), pale(COLORS[m]))])
    return f.draw(folder, name)


def tick(range_):
    """Four of them or fewer."""
    raw = (range_[1] - range_[0]) / 4
    power = 10.0**math.floor(math.log10(raw))
    return min(k * power for k in (1, 2, 5, 10) if k * power >= raw)


def distribution_figure(x, folder):
    f = Figure(800, 460, "png")
    everything = {m: sorted(d.actual for d in pooled(x, m))
                  for m in x.methods()}
    everything = {m: v for m, v in everything.items() if v}
    if not everything:
        return []
    f.add("set xrange [%g:%g]" % span([v for vs in everything.values()
                                       for v in vs]),
          "set yrange [0:1]", "set key bottom right",
          "set xlabel 'actual descent A of a step, nats'",
          "set ylabel 'share of steps with no more'",
          "set title 'Distribution of the actual descent'",
          "set arrow 1 from 0,0 to 0,1 nohead lc rgb '#666666'")
    f.plot(["%s with steps lw 2 %s lc rgb '%s' title '%s'" % (
        f.block([(v, (i + 1) / len(values)) for i, v in enumerate(values)]),
        "dt 2" if m == "dense" else "", COLORS[m], NAMES[m])
            for m, values in everything.items()])
    return f.draw(folder, "distribution")


def beta_figure(x, folder):
    f = Figure(1100, 400)
    f.add("set multiplot layout 1,2", "set xlabel 'step'",
          "set key outside bottom center horizontal")
    for column, title in (("beta", "Mean beta of the FFN layers"),
                          ("flip_rate", "Flip rate")):
        f.add("set title '%s'" % title)
        if column == "beta":
            f.add("set offsets 0,0,graph 0.05,graph 0.05")
        else:
            f.add("set offsets 0,0,0,0", "set logscale y",
                  "set format y '%.0e'")
        parts = []
        for variant, name, color in (
                ("", "beta frozen", COLORS["s-ste"]),
                ("beta every-step", "beta every step", COLORS["ste"])):
            points = curve(x.seeds("s-ste", variant).values(), column, BINS)
            if points:
                parts += band(f.block(points), "", color, name)
        f.plot(parts)
    return f.draw(folder, "beta")


def ablation_figure(x, folder):
    base, rows = x.seeds("s-ste"), []
    for variant in x.variants("s-ste"):
        e = paired(x.seeds("s-ste", variant), base, Run.loss)
        if math.isfinite(e.mean):
            rows.append((variant, e))
    if not rows:
        return []
    f = Figure(800, 90 + 32 * len(rows))
    f.add("unset key", "set yrange [%g:-0.5] " % (len(rows) - 0.5),
          "set ytics (%s)" % ", ".join('"%s" %d' % (name, i) for i, (name, _)
                                       in enumerate(rows)),
          "set xlabel 'bits per byte more than S-STE, paired by seed, 95 % "
          "intervals'",
          "set arrow 1 from 0,graph 0 to 0,graph 1 nohead lc rgb '#666666'",
          "set offsets graph 0.05,graph 0.05,0,0")
    f.plot(["%s with xerrorbars pt 7 ps 0.8 lw 2 lc rgb '%s'" % (
        f.block([(e.mean, i, 0 if math.isnan(e.se) else margin(e))]),
        COLORS["ste"] if shown(e) and e.mean > 0 else COLORS["t-sr-ste"]
        if shown(e) else "#777777") for i, (_, e) in enumerate(rows)])
    return f.draw(folder, "ablations")


# ---- 7. The report -----------------------------------------------------------


def parameters(x):
    """As examples/gpt.h lays them out."""
    C, T, L = (x.facts[name] for name in ("width", "context", "layers"))
    return C + L * (2 * C + 12 * C * C) + 256 * C + T * C


def setting(x):
    steps, tokens = x.facts["steps"], x.facts["batch"] * x.facts["context"]
    held_out = x.facts["corpus_bytes"] // 10
    weights = parameters(x)
    pruned = 8 * x.facts["layers"] * x.facts["width"]**2
    lines = [
        "- Model: a byte-level GPT of %d layers, width %d, %d heads, context "
        "%d: %s weights, %s of them (%.0f %%) in the FFN, which is what the "
        "methods prune." % (*(x.facts[n] for n in (
            "layers", "width", "heads", "context")), f"{weights:,}",
            f"{pruned:,}", 100 * pruned / weights),
        "- Training: %d steps of %s tokens in micro-batches of %d contexts, "
        "%s tokens a run: %.1f times the training text." % (
            steps, f"{tokens:,}", x.facts["micro"], f"{steps * tokens:,}",
            steps * tokens / (x.facts["corpus_bytes"] - held_out)),
        "- AdamW (0.9, 0.95), weight decay 0.1 on matrices, gradients clipped "
        "to norm 1, a tenth of the steps warm-up and a cosine to a tenth of "
        "the peak learning rate.",
        "- Text: %s, %s bytes, the last tenth held out; SHA-256 `%s`." % (
            x.facts["corpus"], f"{x.facts['corpus_bytes']:,}",
            x.facts["corpus_sha256"][:16]),
        "- Products of the FFN, of all sparse methods alike: `%s`; STEP's and "
        "T-SR-STE's dense steps have dense ones." % x.facts["products"],
        "- %d runs, %.0f CPU minutes; %d at a time on %s, %d CPU%s." % (
            x.facts["runs"], x.cpu / 60, x.facts["jobs"], x.facts["machine"],
            x.facts["cpus"], "s"[x.facts["cpus"] == 1:])]
    return lines + [""]


def method_of_statistics(claims):
    count = sum(not math.isnan(p_value(claim.e)) for claim in claims)
    return [
        "Losses are bits per byte over the whole held-out text, with the "
        "weights that the method multiplies with. Behind ± stands the standard "
        "error (SE) of a mean over seeds, in brackets behind a factor its "
        "95 %% interval; SD is the seeds' spread. Differences are paired, over "
        "the seeds that both have: both runs start from the same weights and "
        "see the same batches. *Shown* means that 0 lies outside the 95 %% "
        "interval "
        "of the mean difference, by Student's t over the seeds (of one text "
        "and one division of it): chance alone passes one comparison in "
        "twenty. \\* marks what is shown for all %d claims of this report at "
        "once, by Holm's correction, for which the smallest p must not be "
        "above %.4f. *Expected* is what the paper finds or its account "
        "suggests." % (count, 0.05 / max(1, count)), "",
        "Learning rates were chosen by the loss of seed 0, decays by that at "
        "the best rate of the first of them: another seed than those averaged, "
        "but the same held-out text. The standard errors do not hold how well "
        "one seed chooses; variants were not tuned again.", ""]


def edges(x):
    """What is best at the end of its grid."""
    rates = sorted({r.rate for r in x.runs if r.stage == "rate"})
    found = [NAMES[m] for m in x.methods() if len(rates) > 1
             and x.best(m).rate in (rates[0], rates[-1])]
    for m in x.methods():
        decays = sorted({r.decay for r in x.sweep(m) if r.decay is not None})
        if len(decays) > 1 and x.best(m).decay in (decays[0], decays[-1]):
            found.append(NAMES[m] + " (decay)")
    if not found:
        return ["Each best one lies inside its grid.", ""]
    return ["At its grid's edge, so that one beyond it may be better: %s."
            % ", ".join(found), ""]


def section_losses(x, folder):
    lines = ["## Validation loss", "", *loss_table(x), *loss_figure(x, folder)]
    if "s-ste" in x.methods():
        lines += ["S-STE's loss minus that of others as training goes on, at "
                  "fewer contexts before the last step; ° beyond its own "
                  "95 % interval, one of many:", "", *gap_table(x)]
    return lines


def section_rates(x, folder):
    return ["## Learning rates and decays", "", "Loss of seed 0:", "",
            *rate_table(x, loss_of), *decay_table(x), *edges(x),
            *rate_figure(x, folder)]


def rates_in_words(x):
    """Those of flips and descents."""
    others = ["%s %g" % (NAMES[m], rate) for m in x.methods() for rate in {
        run.rate for run in at_one_rate(x, m).values()} if rate != one_rate(x)]
    return "All have the learning rate %g here%s" % (
        one_rate(x), others and ", but " + ", ".join(others) or "")


def section_flips(x, folder):
    return ["## Flip rate", "",
            "The share of the FFN's mask entries that a step flips, of the "
            "mask of the two largest magnitudes in four: dense does not use "
            "it, nor do T-SR-STE and STEP in its dense steps, so theirs are "
            "virtual. %s, as it changes with the rate. What the paper calls "
            "oscillation is a rate that does not settle. The curves join means "
            "over the seeds and over %d equal parts of the run; bands span the "
            "seeds." % (rates_in_words(x), BINS),
            "", *flip_figure(x, folder), *flip_table(x),
            "Where the learning rates differ there is no factor above. At each "
            "of the sweep's, flips per 1000 entries and step of seed 0, over "
            "all steps and in the last quarter:", "",
            *rate_table(x, flips_since(0.0)), *rate_table(x, flips_since(0.75))]


def section_descent(x, folder):
    if not any(pooled(x, m) for m in x.methods()):
        return []
    return ["## Predicted and actual descent", "",
            "The paper's amount of descent (section 3, its figure 2), on one "
            "fixed batch of %d contexts of the training text, without FP8 and "
            "MVUE, at the flips' learning rates above. For step k's "
            "weights w_k, what the method makes of them S(w_k), and the "
            "gradient g_k at S(w_k): actual A = L(S(w_k)) - "
            "L(S(w_k+1)), predicted P = <g_k, w_k - w_k+1>, and through the "
            "map P' = <g_k, S(w_k) - S(w_k+1)>. A follows P' but for the "
            "loss's curvature, and P as far as S moves like w, which the "
            "straight-through gradient takes for granted. The paper's figures "
            "begin at step 1; here probes of the warm-up, the first tenth of "
            "the steps, are left out, as their descents would outweigh all "
            "others." % x.facts["micro"],
            "", *descent_table(x),
            *cloud_figure(x, folder, "descent", x.methods(), "predicted",
                          "Descent of a step, nats; the line is A = P",
                          ("predicted P", "actual A")),
            "In brackets the points in the picture, of all. Its range is that "
            "of the middle 90 % of all methods' points.", "",
            *distribution_figure(x, folder),
            "The rank correlation of A and P at each of the sweep's learning "
            "rates, seed 0:", "",
            *rate_table(x, lambda run: pm(estimate([rank_correlation(run)]),
                                          3))]


def section_frozen(x, folder):
    if not any(pooled(x, m) for m in x.methods()):
        return []
    return ["## Frozen masks", "",
            "The paper's incorrect descending directions (section 3, its "
            "figure 1, which has the hard mask). F is the descent of the same "
            "step with the pattern of step k: a hard mask stays as it is; of "
            "soft weights the same two are kept, less the same third, with "
            "the same signs. Where F > 0 > A the weights alone would have "
            "lowered the loss, and the pattern's move spoils the step; where A "
            "> 0 > F it saves one. A - F is what the move adds, which has to "
            "be small where the map is continuous. Dense has no pattern, so "
            "that F = A; "
            "T-SR-STE's is new every 40 steps, and STEP's and T-SR-STE's dense "
            "steps count as dense.", "",
            *frozen_table(x),
            *cloud_figure(x, folder, "frozen",
                          [m for m in x.methods() if m != "dense"], "frozen",
                          "Descent of a step, nats; shaded: spoilt steps",
                          ("mask frozen F", "actual A"))]


def section_beta(x, folder):
    if not x.seeds("s-ste", "beta every-step"):
        return []
    return ["## Beta: frozen or recomputed", "", *beta_table(x),
            *beta_figure(x, folder)]


def section_ablations(x, folder):
    if not any(map(x.variants, x.methods())):
        return []
    return ["## One thing changed", "",
            "At each method's best learning rate, paired with its own seeds; "
            "\\* as above, for this table alone.", "",
            *("- %s: %s." % legend for legend in LEGEND if any(
                legend[0] in variant for m in x.methods()
                for variant in x.variants(m))), "",
            *ablation_table(x), *ablation_figure(x, folder)]


LEGEND = (
    ("beta every-step", "the scale min-MSE, not frozen"),
    ("beta one", "no scale"),
    ("beta equal-l1", "the scale that keeps the sum of absolute weights, "
     "frozen"),
    ("gamma", "the threshold's place between the second smallest magnitude of "
     "four (0, the paper's) and the third (1, one weight of four is left)"),
    ("fp8", "products of E4M3FN forward and E5M2 backward"),
    ("mvue", "output gradients 2:4 by the minimum-variance estimator, or by "
     "the paper's approximate one of two draws"),
    ("e3m4", "forward in E3M4 with infinities, and e3m4fn without"),
    ("stochastic", "the sampled gradient rounded to FP8 at random"),
    ("decay as published", "the factor 0.0002"))


def section_sizes(x, largest):
    """What depends on the size."""
    if not x.sizes or not all({"s-ste", "ste", "sr-ste", "dense"} <=
                              set(at.methods()) for at in (x, *x.sizes)):
        return []
    lines = ["## Other sizes", "",
             "The same comparison in models of other widths, as long: S-STE's "
             "loss minus that of others, and flips in the last quarter, at "
             "S-STE's best learning rate; ° beyond its own 95 % interval, one "
             "of many.", "", *size_table(x),
             "How much larger these differences are than at width %d:"
             % x.facts["width"], "", *change_table(x)]
    for at in x.sizes:
        lines += ["### Width %d" % at.facts["width"], "",
                  *findings(at, largest), *loss_table(at),
                  *rate_table(at, loss_of), *decay_table(at), *edges(at)]
    return lines


def findings(x, largest):
    """What came out, then what did not."""
    lines = claim_lines(main_claims(x), largest)
    if scaled := [*scale_claims(x)]:
        lines += ["With the scale by equal L1, which was taken up after it had "
                  "come out best of the variants in an earlier run of this "
                  "experiment:", "", *claim_lines(scaled, largest)]
    return lines


def report(x, folder):
    claims = all_claims(x)
    largest = holm(p_value(claim.e) for claim in claims)
    lines = ["# 2:4 pre-training compared", "",
             "The comparison, the ablations and the diagnostics of *S-STE: "
             "Continuous Pruning Function for Efficient 2:4 Sparse "
             "Pre-training* (Hu, Zhu, Chen, NeurIPS 2024) in small.", "",
             *setting(x),
             "## What came out", "", *findings(x, largest),
             *method_of_statistics(claims)]
    for section in (section_losses, section_rates, section_flips,
                    section_descent, section_frozen, section_beta,
                    section_ablations):
        lines += section(x, folder)
    lines += section_sizes(x, largest)
    return "\n".join(lines).rstrip("\n") + "\n"


def write(path, folder):
    """The report of a CSV; its name."""
    x = Experiment(path)
    os.makedirs(folder, exist_ok=True)
    name = os.path.join(folder, "report.md")
    text = report(x, folder)
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    return name
