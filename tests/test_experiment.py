#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
"""Tests of examples/experiment.py and its report, with tests/fake_pretrain.py
in place of the trainer.

    pytest tests/test_experiment.py   or   python3 tests/test_experiment.py

What a report must say is computed here from the CSV, by other means.
"""
import collections
import contextlib
import csv
import dataclasses
import fcntl
import glob
import io
import json
import math
import os
import pathlib
import pty
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
import types
import unittest
import unittest.mock

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "examples"))
sys.dont_write_bytecode = True
import experiment  # noqa: E402
import experiment_report as report  # noqa: E402

# ---- A small experiment ------------------------------------------------------

REAL = {name: getattr(experiment, name) for name in
        ("METHODS", "DECAYS", "PRODUCTS", "VARIANTS", "SAVE_EVERY")}
PROBES = {given.probe_every for given in (experiment.FULL, experiment.QUICK)}
experiment.METHODS = ("s-ste", "ste", "sr-ste", "dense")
experiment.DECAYS = {"sr-ste": (20.0, 10.0, 5.0)}
experiment.PRODUCTS = {"fp8": "off", "mvue": "optimal"}
experiment.VARIANTS = {"s-ste": {"beta every-step": {"beta": "every-step"},
                                 "fp8": {"fp8": "on"},
                                 report.SCALE: {"beta": "equal-l1"}},
                       "sr-ste": {"fp8": {"fp8": "on"}, "none": {},
                                  "decay": {"decay": "0.5"},
                                  report.PUBLISHED: {"decay": "0.3"}}}
experiment.SAVE_EVERY = 7
experiment.QUICK = experiment.Settings(
    methods=experiment.METHODS, steps=20, layers=2, heads=4, width=64,
    context=64, batch=8, micro=2, rates=(0.002, 0.004), seeds=(1, 2, 3),
    variants=("beta every-step", "fp8", "decay"), probe_every=2)
RUNS = 4 * 2 + 2 + 4 * 3 + 4 * 3  # rates, decays, seeds, variants
RUNS_OF_ONE = 4 * 2 + 2 + 4 + 4  # of one seed
STUDENT = {2: 12.706, 3: 4.303, 5: 2.776, 10: 2.262}  # of n values, tables
SEEDS = ("1", "2", "3")
STEPS = experiment.QUICK.steps


@contextlib.contextmanager
def environment(**values):
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Place:
    """A folder with a corpus, a program, and what comes of them."""

    def __init__(self, folder):
        self.folder = folder
        self.corpus, self.program, self.out, self.log = (
            os.path.join(folder, name)
            for name in ("text", "pretrain", "out", "log"))
        with open(self.corpus, "w", encoding="ascii") as file:
            file.write("to be or not to be\n" * 100)
        text = (HERE / "fake_pretrain.py").read_text()
        with open(self.program, "w", encoding="ascii") as file:
            file.write(text.replace("/usr/bin/env python3",
                                    sys.executable + " -IS"))
        os.chmod(self.program, 0o755)

    def words(self, *more):
        return ["--quick", "--corpus", self.corpus, "--program", self.program,
                "--out", self.out, "--jobs", "2", *more]

    def run(self, *more, **env):
        return call(self.words(*more), FAKE_LOG=self.log, **env)

    def start(self, *more, **env):
        """The same in another process; its number."""
        child = os.fork()
        if child == 0:
            os._exit(self.run(*more, **env)[0])
        return child

    def begun(self):
        """The command lines of all runs so far."""
        return [line for line in self.logged() if line.startswith("begin")]

    def logged(self):
        if not os.path.exists(self.log):
            return []
        with open(self.log, encoding="utf-8") as file:
            return file.read().splitlines()

    def csv(self, name="experiment.csv"):
        """Its rows without those behind #."""
        with open(os.path.join(self.out, name), encoding="ascii",
                  newline="") as file:
            return list(csv.DictReader(x for x in file if x[0] != "#"))

    def read(self, name):
        with open(os.path.join(self.out, name), encoding="utf-8") as file:
            return file.read()


@contextlib.contextmanager
def place():
    with tempfile.TemporaryDirectory() as folder:
        yield Place(folder)


def call(words, **env):
    """main(): status, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with environment(**env), contextlib.redirect_stdout(out), \
            contextlib.redirect_stderr(err):
        status = experiment.main(words)
    for number, handler in zip(numbers, before):
        signal.signal(number, handler)
    return status, out.getvalue(), err.getvalue()


def status_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def wait_for(condition, what):
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("waited in vain for " + what)


def is_free(lock):
    with open(lock, encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def without_seconds(rows):
    return [{k: v for k, v in row.items() if not k.endswith("_seconds")}
            for row in rows]


def last_losses(rows):
    """(stage, method, variant, rate, decay, seed): last validation loss."""
    return {tuple(row[c] for c in report.RUN_COLUMNS[:6]):
            float(row["val_bpb"]) for row in rows if row["status"] == "0"}


def tables(text):
    """(head, {first cell of a row: its other cells}) of each, in their order.
    """
    found = []
    for block in text.split("\n\n"):
        lines = [line.strip("|").split("|") for line in block.split("\n")
                 if line.startswith("|")]
        if lines:
            cells = [[cell.strip() for cell in line] for line in lines]
            found.append((" ".join(cells[0]),
                          {row[0]: row[1:] for row in cells[2:]}))
    return found


def table_with(text, words):
    return next(rows for head, rows in tables(text) if words in head)


# ---- The grid ----------------------------------------------------------------


def test_whole():
    with place() as p:
        status, out, err = p.run(FAKE_DELAY="0.002")
        assert status == 0, err
        assert out == "report: %s/report.md\n" % p.out
        assert "%d of %d runs" % (RUNS, RUNS) in err.splitlines()[-1]
        check_rows(p.csv())
        check_commands(p.begun())
        check_side_by_side(p.logged())
        check_report(p)
        check_figures(p)
        check_regenerated(p)
        left = os.listdir(p.out + "/runs")
        assert {os.path.splitext(x)[1] for x in left} == {".csv", ".json"}

        # The same command again runs nothing, and says the same.
        before = [p.read("experiment.csv"), p.read("report.md")]
        begun = len(p.begun())
        assert p.run()[0] == 0 and len(p.begun()) == begun
        assert [p.read("experiment.csv"), p.read("report.md")] == before


def test_claims():
    """Every sentence and most cells of a report, of methods with other best
    learning rates than S-STE's: STE is run at that, too, STEP is not."""
    methods = dict.fromkeys(("dense", "ste", "sr-ste", "step", "s-ste"))
    with place() as p, unittest.mock.patch.object(experiment, "METHODS",
                                                  tuple(methods)):
        status, _, err = p.run("--rates", "0.004,0.016", "--methods",
                               ",".join(methods), FAKE_DELAY="0.002")
        assert status == 0, err
        rows, text = p.csv(), p.read("report.md")
    assert {row["peak_lr"] for row in rows if row["stage"] == "matched"} == {
        "0.004"}
    assert ("All have the learning rate 0.004 here, but STEP 0.016, as"
            in text)
    check_claims(rows, {"": text.split("## What came out")[1].split(
        "## Validation loss")[0]})
    check_gaps(rows, table_with(text, "step minus dense"))
    check_flip_table(rows, table_with(text, "times dense's"))
    check_sweep(rows, [found for head, found in tables(text)
                       if head == "method 0.004 0.016"])
    check_descents(rows, table_with(text, "correlation of A and P"))
    check_frozen(rows, table_with(text, "spoilt"))
    check_beta(rows, table_with(text, "last beta"))
    check_ablations(rows, table_with(text, "difference effect"))
    check_seconds(rows, table_with(text, "per CPU second"))


def test_probes():
    """They see each of the steps between two of T-SR-STE's masks."""
    assert all(math.gcd(40, every) == 1 for every in PROBES)


def test_real():
    """The trainer takes every option that the experiment gives, and says what
    the report needs."""
    program = HERE.parent / "build" / "examples" / "pretrain"
    if not program.exists():
        raise unittest.SkipTest("no build/examples/pretrain")
    tiny = dataclasses.replace(
        experiment.FULL, steps=20, layers=1, heads=2, width=8, context=8,
        batch=4, micro=2, rates=(0.01, 0.02), seeds=(1, 2),
        probe_every=2)
    with place() as p, unittest.mock.patch.multiple(
            experiment, QUICK=tiny, **REAL):
        status, _, err = p.run("--program", str(program))
        assert status == 0, err
        rows = p.csv()
        found = {(row["method"], row["variant"]) for row in rows}
        found -= {(method, report.MATCHED) for method in REAL["METHODS"]}
        assert found == {(m, v) for m in REAL["METHODS"]
                         for v in ["", *REAL["VARIANTS"].get(m, {})]}
        assert all(row["status"] == "0" for row in rows if int(row["step"]) ==
                   tiny.steps)
        assert all(bool(row["predicted"]) == (
            row["variant"] in ("", report.MATCHED) and
            int(row["step"]) % 2 == 0) for row in rows)
        text = p.read("report.md")
        assert "nan" not in text and text.count("](") == 8


def check_rows(rows):
    """Every line of every run that the plan asks for, and no other."""
    assert len(rows) == RUNS * STEPS
    losses = last_losses(rows)
    assert len(losses) == RUNS
    for (stage, method, variant, rate, decay, seed) in losses:
        others = [k for k in losses if k[1] == method]
        swept = {k: losses[k] for k in others if k[0] in ("rate", "decay")}
        best = min(swept, key=swept.get)
        assert (stage in ("rate", "decay")) == (seed == "0")
        assert stage in ("rate", "decay") or (rate, decay) == (
            best[3], "0.5" if variant == "decay" else best[4])
        assert bool(decay) == (method == "sr-ste")
        assert (stage == "ablation") == bool(variant)
        assert not variant or (
            variant in experiment.VARIANTS[method] and seed in "123")
        first = {k: v for k, v in swept.items() if k[0] == "rate"}
        assert stage != "decay" or (
            decay in ("10", "5") and rate == min(first, key=first.get)[3])
    by_stage = [key[0] for key in losses]
    assert [by_stage.count(s) for s in ("rate", "decay", "seeds", "ablation")
            ] == [8, 2, 12, 12]
    for row in rows:
        last = row["step"] == str(STEPS)
        assert bool(row["status"]) == bool(row["cpu_seconds"]) == last
    assert [r["step"] for r in rows[:STEPS]] == list(
        map(str, range(1, STEPS + 1)))


def check_commands(begun):
    assert len(begun) == len(set(begun)) == RUNS
    for line in begun:
        assert line.startswith("begin 1 "), "one thread each"
        assert "--sample 0" in line and "--save-every 7" in line
        assert "--steps 20" in line and "--width 64" in line
        dense, fp8_on = "--method dense" in line, "--fp8 on" in line
        assert ("--mvue optimal" in line) == (not dense)
        assert ("--fp8 off" in line) == (not dense and not fp8_on)
        assert ("--probe-every 2" in line) == (
            not fp8_on and "every-step" not in line and
            "--decay 0.5" not in line)
        assert ("--decay" in line) == ("--method sr-ste" in line)
        assert "--resume" not in line
    assert sum("--fp8 on" in line for line in begun) == 6


def check_side_by_side(lines):
    now = most = 0
    for line in lines:
        now += 1 if line.startswith("begin") else -1
        most = max(most, now)
    assert most == 2 and now == 0


def check_report(p):
    """Its numbers, by way of nothing that the report calls."""
    rows, text = p.csv(), p.read("report.md")
    losses = last_losses(rows)

    def seeds(method, variant=""):
        swept = {k: v for k, v in losses.items()
                 if k[1] == method and k[0] in ("rate", "decay")}
        best = min(swept, key=swept.get)
        return [losses[k] for seed in "123" for k in losses
                if k[1:4] == (method, variant, best[3]) and k[5] == seed]

    def error(values):
        n, mean = len(values), sum(values) / len(values)
        return mean, math.sqrt(sum((v - mean)**2 for v in values) / (n - 1) / n)

    found = table_with(text, "minus dense")
    for method, name in (("dense", "dense"), ("ste", "STE"),
                         ("sr-ste", "SR-STE"), ("s-ste", "S-STE")):
        assert len(seeds(method)) == 3
        assert found[name][3] == "%.4f ± %.4f" % error(seeds(method))
        assert found[name][4] == "%.4f" % (
            error(seeds(method))[1] * math.sqrt(3))
        gap = [a - b for a, b in zip(seeds(method), seeds("dense"))]
        assert found[name][5] == ("" if name == "dense" else
                                  "%+.4f ± %.4f" % error(gap))
        gap = [a - b for a, b in zip(seeds(method), seeds("s-ste"))]
        assert found[name][6] == ("" if name == "S-STE" else
                                  "%+.4f ± %.4f" % error(gap))
    found = table_with(text, "difference effect")
    for method, name, variant in (("s-ste", "S-STE", "beta every-step"),
                                  ("s-ste", "S-STE", "fp8"),
                                  ("sr-ste", "SR-STE", "fp8"),
                                  ("sr-ste", "SR-STE", "decay")):
        gap = [a - b for a, b in zip(seeds(method, variant), seeds(method))]
        row = found[name + ", " + variant]
        assert len(gap) == 3 and row[2] == "%+.4f ± %.4f" % error(gap)
        assert row[3].startswith("not shown") == (
            abs(error(gap)[0]) <= STUDENT[3] * error(gap)[1])
        assert row[0] == "3" and found[name][0] == "3"
    for fact in ("2 layers, width 64, 4 heads", "119,104 weights",
                 "20 steps of 512 tokens", "10,240 tokens a run",
                 "text, 1,900 bytes", "%d runs" % RUNS,
                 "`--fp8 off --mvue optimal`"):
        assert fact in text, fact
    figures = glob.glob(p.out + "/*.svg") + glob.glob(p.out + "/*.png")
    for name in figures:
        assert "](%s)" % os.path.basename(name) in text
    assert text.count("](") == len(figures) == 8
    for name in ("descent", "frozen", "distribution"):  # of many points
        with open("%s/%s.png" % (p.out, name), "rb") as file:
            assert file.read(4) == b"\x89PNG"


def check_figures(p):
    """Some of the points that gnuplot gets, by way of tables and the CSV."""
    drawn, rows, text = {}, p.csv(), p.read("report.md")

    def keep(figure, folder, name):
        drawn[name] = [[list(map(float, line.split()))
                        for line in block.split("\n")[1:-1]]
                       for block in figure.data]
        return []

    with unittest.mock.patch.object(report.Figure, "draw", keep):
        report.report(report.Experiment(p.out + "/experiment.csv"), p.folder)
    found = table_with(text, "difference effect")
    for i, variant in enumerate(("beta every-step", "fp8")):
        (x, y, error), = drawn["ablations"][i]
        mean, se = map(float, found["S-STE, " + variant][2].split(" ± "))
        near(x, mean, 1e-4)
        near(error, STUDENT[3] * se, 1e-3)
        assert y == i
    found = table_with(text, "minus dense")
    for block, name in zip(drawn["loss"][-3:], ("STE", "SR-STE", "S-STE")):
        mean, se = map(float, found[name][5].split(" ± "))
        near(block[-1][1], mean, 1e-4)
        near(block[-1][2], STUDENT[3] * se, 1e-3)
        assert len(block) == 10  # validations
    assert len(drawn["loss"]) == 2 * 4 + 3
    for block, method in zip(drawn["flips"], ("ste", "sr-ste", "s-ste",
                                              "dense")):
        best = [row for row in rows if row["method"] == method and
                row["stage"] == "seeds"][0]
        rates = [float(row["flip_rate"]) for row in rows if all(
            row[c] == best[c] for c in ("stage", "method", "variant"))]
        assert len(rates) == 3 * STEPS and len(block) == STEPS
        near(statistics.fmean(y for _, y, _, _ in block),
             statistics.fmean(rates), 1e-6)
        assert all(low <= y <= high for _, y, low, high in block)
    for block in drawn["distribution"]:
        assert len(block) == 3 * 9 and block[-1][1] == 1  # without the warm-up
        assert block == sorted(block)
    assert [len(block) for block in drawn["descent"]] == [27] * 4
    assert [len(block) for block in drawn["frozen"]] == [27] * 3
    assert [len(block) for block in drawn["beta"]] == [STEPS] * 4


def check_regenerated(p):
    """The CSV alone gives the same files, byte for byte."""
    again = os.path.join(p.folder, "again")
    os.mkdir(again)
    shutil.copy(p.out + "/experiment.csv", again)
    status, out, err = call(["--report", again + "/experiment.csv"])
    assert status == 0 and out == "report: %s/report.md\n" % again, err
    made = sorted(os.listdir(again))
    assert len(made) == 1 + 1 + 8
    for name in made:
        assert pathlib.Path(p.out, name).read_bytes() == pathlib.Path(
            again, name).read_bytes(), name


# ---- What it says, by other means --------------------------------------------


def runs_of(rows, size=""):
    """(method, variant, seed): the lines of that run; without the sweep's."""
    found = collections.defaultdict(list)
    for row in rows:
        if row["seed"] in SEEDS and row["size"] == size:
            found[row["method"], row["variant"], row["seed"]].append(row)
    return found


def seeds(runs, method, variant=""):
    return [runs[method, variant, seed] for seed in SEEDS
            if (method, variant, seed) in runs]


def at_one_rate(runs, method, variant=""):
    """Those at S-STE's best learning rate, where there are such."""
    return seeds(runs, method, variant or report.MATCHED) or seeds(
        runs, method, variant)


def loss(run):
    return float(run[-1]["val_bpb"])


def thousandths(run, first=0):
    """Flips of 1000 entries and step."""
    return 1000 * statistics.fmean(float(row["flip_rate"])
                                   for row in run[first:])


def log_flips(run):
    return math.log(thousandths(run))


def last_log_flips(run):
    return math.log(thousandths(run, 15))  # of 20 steps


def log_beta(run):
    return math.log(float(run[-1]["beta"]) / float(run[0]["beta"]))


def probes(run):
    """(A, F, P, P'), after the first tenth of the steps."""
    return [(float(row["before"]) - float(row["after"]),
             float(row["before"]) - float(row["frozen"]),
             float(row["predicted"]), float(row["predicted_map"]))
            for row in run[STEPS // 10:] if row["predicted"]]


def share(run, event):
    found = [event(a, f) for a, f, _, _ in probes(run)]
    return sum(found) / len(found)


def spoilt(run):
    return share(run, lambda a, f: a < 0 < f)


def saved(run):
    return share(run, lambda a, f: f < 0 < a)


def moved(run):
    return statistics.median(abs(a - f) for a, f, _, _ in probes(run)
                             ) / statistics.median(
                                 abs(f) for _, f, _, _ in probes(run))


def rank_correlation(run):
    actual, _, predicted, _ = zip(*probes(run))
    return statistics.correlation(*(
        [sum(b < a for b in values) for a in values]
        for values in (predicted, actual)))


def differences(measure, runs, others):
    return [measure(a) - measure(b) for a, b in zip(runs, others, strict=True)]


def error(values):
    return statistics.stdev(values) / math.sqrt(len(values))


def plus_minus(values, digits, form="%+.*f ± %.*f"):
    return form % (digits, statistics.fmean(values), digits, error(values))


def cell(values, digits=3):
    return plus_minus(values, digits, "%.*f ± %.*f")


def factor(values):
    """Of 3 logarithms: beyond T, Student's t with 2 degrees is once in 20."""
    mean, room = statistics.fmean(values), T * error(values)
    return "%.2f (%.2f to %.2f)" % (math.exp(mean), math.exp(mean - room),
                                    math.exp(mean + room))


T = math.sqrt(2 / (1 / 0.95**2 - 1))  # where p, below, is 0.05


def p_value(values):
    """Of 3: in closed form."""
    t = abs(statistics.fmean(values)) / error(values)
    return 1 - t / math.sqrt(2 + t * t)


def gap(values):
    """A cell of a loss difference."""
    return plus_minus(values, 4) + " °" * (p_value(values) < 0.05)


# Sentences, with the words for a difference below 0 and above it; which of the
# two is expected, none if -1; and the runs, those of S-STE's side first.
SOFT, SCALED = ("s-ste", ""), ("s-ste", report.SCALE)
AGAIN = ("s-ste", "beta every-step")
DENSE, HARD, DECAYED = ("dense", ""), ("ste", ""), ("sr-ste", "")
LOSSES = (
    ("S-STE's loss is [lower|higher] than dense's", 1, SOFT, DENSE),
    ("S-STE's loss is [lower|higher] than STE's", 0, SOFT, HARD),
    ("S-STE's loss is [lower|higher] than SR-STE's", 0, SOFT, DECAYED),
    ("S-STE's loss is [lower|higher] than STEP's", 0, SOFT, ("step", "")),
    ("with fp8, S-STE's loss is [lower|higher] than SR-STE's", 0,
     ("s-ste", "fp8"), ("sr-ste", "fp8")),
    ("S-STE's loss is [lower|higher] than SR-STE's with decay", 0,
     SOFT, ("sr-ste", "decay")),
    ("S-STE's loss is [lower|higher] than SR-STE's with decay as published", 0,
     SOFT, ("sr-ste", report.PUBLISHED)),
    ("S-STE with beta equal-l1's loss is [lower|higher] than dense's", -1,
     SCALED, DENSE),
    ("S-STE with beta equal-l1's loss is [lower|higher] than STE's", -1,
     SCALED, HARD),
    ("S-STE with beta equal-l1's loss is [lower|higher] than SR-STE's", -1,
     SCALED, DECAYED),
    ("recomputing beta at every step [lowers|raises] the loss", 1,
     AGAIN, SOFT))
FLIPS = (
    ("STE flips [less|more] often than dense", 1, HARD, DENSE),
    ("SR-STE flips [less|more] often than dense", 1, DECAYED, DENSE),
    ("S-STE flips [less|more] often than STE", 0, SOFT, HARD))
NEARER = (
    ("S-STE's flip rate is [nearer to|further from] dense's than STE's is", 0,
     SOFT),
    ("S-STE with beta equal-l1's flip rate is [nearer to|further from] dense's "
     "than STE's is", -1, SCALED))
FOLLOWS = "S-STE's descent follows the predicted one [less|more] closely than "


def claims(rows, size):
    """(sentence, which is expected, the seeds' differences, these in words)."""
    runs = runs_of(rows, size)
    found = []
    for sentence, expected, *sides in LOSSES:
        ours, theirs = (seeds(runs, *side) for side in sides)
        if ours and theirs:
            values = differences(loss, ours, theirs)
            found.append((sentence, expected, values,
                          "the difference is %s bits per byte"
                          % plus_minus(values, 4)))
    for measure, when in ((log_flips, ""),
                          (last_log_flips, ", in the last quarter")):
        found += [(sentence + when, *rest)
                  for sentence, *rest in flip_claims(runs, measure)]
    soft, again = seeds(runs, *SOFT), seeds(runs, *AGAIN)
    if probes(soft[0]):
        found += descent_claims(soft, at_one_rate(runs, *DENSE),
                                at_one_rate(runs, *HARD))
    if again:
        values = differences(log_flips, again, soft)
        found.append(("recomputing beta [lowers|raises] the flip rate", 1,
                      values, factor(values) + " times as many flips"))
        values = list(map(log_beta, again))
        found.append(("a recomputed beta [falls|grows]", 1, values,
                      "at the end it is %s times the first" % factor(values)))
    return found


def flip_claims(runs, measure):
    def minus(ours, theirs):
        return differences(measure, at_one_rate(runs, *ours),
                           at_one_rate(runs, *theirs))
    for sentence, expected, ours, theirs in FLIPS:
        values = minus(ours, theirs)
        yield sentence, expected, values, factor(values) + " times as often"
    for sentence, expected, ours in NEARER:
        if seeds(runs, *ours):
            sides = minus(ours, DENSE), minus(HARD, DENSE)
            far, hard = ([math.copysign(v, v * sum(values)) for v in values]
                         for values in sides)
            values = [a - b for a, b in zip(far, hard)]
            yield (sentence, expected, values,
                   "%s times dense's, STE's %s times; the distances of the "
                   "logarithms differ by %s" % (*map(factor, sides),
                                                plus_minus(values, 3)))


def descent_claims(soft, dense, hard):
    for other, name, expected in ((dense, "dense's", 0), (hard, "STE's", 1)):
        values = differences(rank_correlation, soft, other)
        yield (FOLLOWS + name, expected, values,
               "the rank correlations differ by " + plus_minus(values, 3))
    values = differences(lambda run: spoilt(run) - saved(run), soft, hard)
    yield ("the mask's moves spoil [fewer|more] of S-STE's steps than of "
           "STE's, net of those that they save", 0, values,
           "the rates differ by " + plus_minus(values, 3))


def holm(ps):
    """Those that pass his correction."""
    left = sorted(ps)
    while left and left[0] * len(left) <= 0.05:
        left.pop(0)
    return set(ps) - set(left)


def p_text(p, passing):
    return "p %s%s" % ("< 0.0001" if p < 0.0001 else "%.4f" % p,
                       " \\*" * (p in passing))


def claim_line(sentence, expected, values, words, passing):
    p, above = p_value(values), sum(values) > 0
    if p >= 0.05:
        found, above = "Not shown, nor the opposite", expected == 1
    elif expected in (above, -1):
        found = "Shown"
    else:
        found = "Shown, against what was expected"
    return "- **%s**: %s (%s; 3 seeds, %s)." % (
        found, re.sub(r"\[(.*)\|(.*)\]", r"\%d" % (1 + above), sentence), words,
        p_text(p, passing))


def check_claims(rows, sections):
    """These sentences in the section of each size, and no others."""
    every = {size: claims(rows, size) for size in sections}
    ps = {size: [p_value(values) for _, _, values, _ in found]
          for size, found in every.items()}
    together = sum(ps.values(), [])
    passing = holm(together)
    for size, section in sections.items():
        assert sorted(re.findall(r"^- \*\*.*", section, re.M)) == sorted(
            claim_line(*claim, passing) for claim in every[size])
    assert ("for all %d claims of this report at once, by Holm's correction, "
            "for which the smallest p must not be above %.4f." % (
                len(together), 0.05 / len(together))) in sections[""]
    # Corrected for fewer, more would pass.
    assert passing and passing < holm([p for p in together if p < 0.05])
    assert len(ps) == 1 or passing < set.union(*map(holm, ps.values()))


NAMES = {"dense": "dense", "ste": "STE", "sr-ste": "SR-STE", "step": "STEP",
         "s-ste": "S-STE"}


def check_gaps(rows, found):
    runs = runs_of(rows)
    steps = [row["step"] for row in runs["s-ste", "", "1"] if row["val_bpb"]]
    assert len(steps) == 10 and list(found) == steps
    for step in steps:
        soft, *others = ([[run[int(step) - 1]] for run in seeds(runs, *side)]
                         for side in (SOFT, DENSE, HARD, DECAYED))
        assert found[step] == [gap(differences(loss, soft, other))
                               for other in others]


def check_flip_table(rows, found):
    runs = runs_of(rows)
    for method, name in NAMES.items():
        here = at_one_rate(runs, method)
        rate, *cells = found[name]
        assert rate == here[0][0]["peak_lr"]
        assert cells[:2] == [
            cell([thousandths(run, first) for run in here])
            for first in (0, 15)]
        if method in ("dense", "step"):  # STEP has another learning rate
            assert cells[2:] == ["" if method == "dense" else "-"] * 2
        else:
            assert cells[2:] == [
                factor(differences(measure, here, seeds(runs, *DENSE)))
                for measure in (log_flips, last_log_flips)]


def check_sweep(rows, found):
    """The tables of loss, flips, flips in the end, rank correlation."""
    assert len(found) == 4
    for method, name in NAMES.items():
        for i, rate in enumerate(("0.004", "0.016")):
            run = [row for row in rows if rate == row["peak_lr"] and
                   (row["stage"], row["method"]) == ("rate", method)]
            assert [rates[name][i] for rates in found] == [
                "%.4f" % loss(run), "%.2f" % thousandths(run),
                "%.2f" % thousandths(run, 15), "%.3f" % rank_correlation(run)]


def check_descents(rows, found):
    def fit(run, place):
        columns = list(zip(*probes(run)))
        return (statistics.correlation(columns[place], columns[0]),
                statistics.linear_regression(columns[place], columns[0]).slope)

    runs = runs_of(rows)
    for method, name in NAMES.items():
        columns = zip(*((rank_correlation(run), *fit(run, 2), *fit(run, 3),
                         share(run, lambda a, f: a < 0))
                        for run in at_one_rate(runs, method)))
        assert found[name] == ["27", *map(cell, columns)]


def check_frozen(rows, found):
    runs = runs_of(rows)
    for method, name in NAMES.items():
        columns = zip(*((share(run, lambda a, f: a < 0),
                         spoilt(run) + saved(run), spoilt(run), saved(run),
                         moved(run)) for run in at_one_rate(runs, method)))
        assert found[name] == [*map(cell, columns)]


def check_beta(rows, found):
    runs = runs_of(rows)
    for side, name in ((SOFT, "frozen"), (AGAIN, "every step")):
        own = seeds(runs, *side)
        assert found["beta " + name] == [
            "3", cell(list(map(loss, own)), 4),
            cell([math.exp(log_beta(run)) for run in own]),
            cell(list(map(thousandths, own)))]


def check_ablations(rows, found):
    """All of them are worse in truth; the star is for these alone."""
    runs, changes = runs_of(rows), {}
    for method, variant in (("sr-ste", "fp8"), ("sr-ste", "decay"), AGAIN,
                            ("s-ste", "fp8")):
        own = seeds(runs, method, variant)
        values = differences(loss, own, seeds(runs, method))
        changes[NAMES[method] + ", " + variant] = own, values
    passing = holm([p_value(values) for _, values in changes.values()])
    for name, (own, values) in changes.items():
        assert p_value(values) < 0.05 and sum(values) > 0
        assert found[name] == [
            "3", cell(list(map(loss, own)), 4), plus_minus(values, 4),
            "worse, " + p_text(p_value(values), passing),
            cell(list(map(thousandths, own)))]


def check_seconds(rows, found):
    """Of the CPU: less than by the clock, as the runs sleep."""
    for row in rows:
        assert not row["status"] or float(row["cpu_seconds"]) < float(
            row["wall_seconds"])
    runs = runs_of(rows)
    for method, name in NAMES.items():
        spent = [float(run[-1]["cpu_seconds"]) for run in seeds(runs, method)]
        speeds = [STEPS * 512 / seconds for seconds in spent if seconds]
        assert found[name][-1] == (
            "%.0f" % statistics.fmean(speeds) if speeds else "-")


def check_changes(rows, found):
    """How the gaps of other widths differ from those of the main one."""
    def gaps(size, variant, other):
        runs = runs_of(rows, size)
        return differences(loss, seeds(runs, "s-ste", variant),
                           seeds(runs, *other))

    expected = []
    for size in ("width 32", "width 128"):
        for name, variant in (("S-STE", ""), (
                "S-STE with beta equal-l1", report.SCALE)):
            expected.append([size, name])
            for other in (DENSE, HARD, DECAYED, ("sr-ste", report.PUBLISHED)):
                expected[-1].append(gap([a - b for a, b in zip(
                    gaps(size, variant, other), gaps("", variant, other))]))
    assert [[text.strip() for text in line.strip("|").split("|")]
            for line in found.split("\n")[2:]] == expected


def test_sizes():
    """What --sizes adds: the main comparison with one thing larger."""
    with place() as p:
        tiny = dataclasses.replace(experiment.QUICK, variants=(
            report.SCALE, report.PUBLISHED))
        with unittest.mock.patch.object(experiment, "QUICK", tiny):
            status, _, err = p.run("--sizes", "--methods",
                                   "dense,s-ste,ste,sr-ste", "--rates", "0.002")
        assert status == 0, err
        rows, text = p.csv(), p.read("report.md")
        sizes = ("", "width 32", "width 128")
        runs = 4 + 2 + 4 * 3 + 3 + 3  # rates, decays, seeds, variants
        assert {row["size"] for row in rows} == set(sizes)
        assert "%d of %d runs" % (3 * runs, 3 * runs) in err.splitlines()[-1]
        for size in sizes:
            assert sum(row["size"] == size for row in rows) == runs * STEPS
        for words in ("--width 128", "--width 32"):
            of_size = [line for line in p.begun() if words in line]
            assert len(of_size) == runs
            assert not any("--probe-every" in line for line in of_size)

        table = text.split("\n| size ")[1].split("\n\n")[0]
        found = [[cell.strip() for cell in line.strip("|").split("|")]
                 for line in table.split("\n")[2:]]
        assert [cells[:3] for cells in found] == [
            [name, weights, ours] for name, weights in (
                ("width 64", "119,104"), ("width 32", "34,976"),
                ("width 128", "434,816"))
            for ours in ("S-STE", "S-STE with beta equal-l1")]
        for i, cells in enumerate(found):
            check_size([row for row in rows if row["seed"] != "0" and
                        row["size"] == sizes[i // 2]],
                       ("", report.SCALE)[i % 2], cells[3:])
        assert text.count("\n### ") == 2
        assert "differences are than at width 64:" in text
        before, of_32, of_128 = re.split("\n### Width .*", text)
        check_claims(rows, {"": before.split("## Validation loss")[0],
                            "width 32": of_32, "width 128": of_128})
        check_changes(rows, text.split("\n| size ")[2].split("\n\n")[0])

        whole = p.read("experiment.csv")
        name = p.folder + "/bad.csv"
        for bad in (whole.replace(",width 128,", ",height 128,"),
                    whole.replace(",width 128,", ",width 0,"),
                    whole.replace(",width 128,", ",width,"),
                    re.sub("seeds(,ste,.*,width 128,)", r"ablation\1", whole)):
            assert bad != whole
            pathlib.Path(name).write_text(bad)
            refuses("bad.csv is damaged", ["--report", name])
        # Without one of the four methods there is nothing to compare.
        assert p.run("--sizes", "--no-variants", "--methods", "dense,s-ste",
                     "--rates", "0.002")[0] == 0
        assert "Other sizes" not in p.read("report.md")


def check_size(rows, variant, cells):
    """A row of the table of sizes, from these lines of the CSV."""
    rows = [{**row, "method": "ours"} if (row["method"], row["variant"]) == (
        "s-ste", variant) else {**row, "method": "published"} if row[
            "variant"] == report.PUBLISHED else row for row in rows]
    losses = {(r["method"], r["seed"]): float(r["val_bpb"])
              for r in rows if r["status"]}
    steps = len({row["step"] for row in rows})

    def star(mean, se):
        return " °" * (abs(mean) > STUDENT[3] * se)
    for cell, other in zip(cells[1:], ("dense", "ste", "sr-ste", "published")):
        gap = [losses["ours", seed] - losses[other, seed] for seed in "123"]
        mean, se = statistics.fmean(gap), statistics.stdev(gap) / math.sqrt(3)
        assert cell == "%+.4f ± %.4f" % (mean, se) + star(mean, se)

    def flips(method, seed):
        return math.log(statistics.fmean(
            float(r["flip_rate"]) for r in rows
            if (r["method"], r["seed"]) == (method, seed) and
            int(r["step"]) > 0.75 * steps))
    for cell, method in zip(cells[5:], ("ours", "ste"), strict=True):
        ratio = math.exp(statistics.fmean(
            flips(method, seed) - flips("dense", seed) for seed in "123"))
        assert cell.split(" ")[0] == "%.2f" % ratio


# ---- Stopped, killed, failed -------------------------------------------------


def test_stopped():
    with place() as p, place() as whole:
        child = p.start(FAKE_DELAY="0.03")
        wait_for(lambda: any(x.startswith("end") for x in p.logged()) and
                 len(p.begun()) >= 4, "runs to stop")
        os.kill(child, signal.SIGINT)
        assert status_of(child) == 130
        ends = [x for x in p.logged() if x.startswith("end")]
        assert len(ends) == len(p.begun()), "a run is still at work"
        assert ends.count("end 130") == 2
        unfinished = glob.glob(p.out + "/runs/*.ckpt")
        assert len(unfinished) == 2 and not os.path.exists(
            p.out + "/experiment.csv")
        records = [pathlib.Path(x[:-5] + ".json") for x in unfinished]
        for record in records:
            spent = json.loads(record.read_text())
            assert 0 < spent["cpu_seconds"] < spent["wall_seconds"]
            record.write_text(json.dumps(spent | {
                "cpu_seconds": 1000.0, "wall_seconds": 2000.0}))

        done = len(ends) - 2
        status, _, err = p.run()
        assert status == 0, err
        assert err.startswith("%d of %d runs" % (done, RUNS))
        assert len(p.begun()) == RUNS + 2
        assert sorted(x.split("--resume ")[1] for x in p.begun()
                      if "--resume" in x) == sorted(unfinished)
        for record in records:  # both parts count
            spent = json.loads(record.read_text())
            assert (1000 < spent["cpu_seconds"] < 2000 <
                    spent["wall_seconds"] < 3000)
        assert whole.run()[0] == 0
        assert without_seconds(p.csv()) == without_seconds(whole.csv())


def test_killed():
    with place() as p:
        child = p.start(FAKE_DELAY="0.05")
        wait_for(lambda: len(glob.glob(p.out + "/runs/*.ckpt")) == 2, "saves")
        os.kill(child, signal.SIGKILL)
        assert status_of(child) == -signal.SIGKILL
        status, _, err = p.run()  # while its runs are at work
        assert status == 2 and "at work" in err and err.count("\n") == 1
        wait_for(lambda: is_free(p.out + "/lock"), "the runs that were left")
        # What a run killed in the middle of its CSV leaves behind.
        left = glob.glob(p.out + "/runs/*.ckpt")[0][:-5] + ".csv.99.part"
        pathlib.Path(left).write_text("step\n" * 1000)
        assert p.run()[0] == 0
        check_rows(p.csv())
        assert not os.path.exists(left)


def test_failed():
    with place() as p:
        # Status 1 without a word of divergence is a failure, too.
        status, _, err = p.run("--program", "/bin/false")
        assert status == 1 and "failed with status 1" in err.splitlines()[-1]
        assert not os.path.exists(p.out + "/experiment.csv")
        shutil.rmtree(p.out)

        status, out, err = p.run(FAKE_FAIL="ste --seed 2", FAKE_DELAY="0.02")
        line = err.splitlines()[-1]
        assert status == 1 and out == ""
        assert line.startswith("experiment.py: ste lr 0.00")
        assert "status 2: pretrain: this run was told to fail" in line
        assert not os.path.exists(p.out + "/experiment.csv")
        assert sum(x.startswith("end") for x in p.logged()) == len(p.begun())
        assert p.run()[0] == 0
        check_rows(p.csv())


def test_diverged():
    with place() as p:
        status, _, err = p.run(FAKE_DIVERGE="ste --lr 0.002")
        assert status == 0, err
        rows = p.csv()
        ends = [r for r in rows if r["status"] == "1"]
        assert [(r["method"], r["peak_lr"], r["step"]) for r in ends] == [
            ("ste", "0.002", "10")]
        assert all(r["peak_lr"] == "0.004" for r in rows if
                   r["method"] == "ste" and r["stage"] == "seeds")
        assert table_with(p.read("report.md"), "method 0.002 0.004")["STE"][
            0] == "diverged"
        begun = len(p.begun())
        assert p.run()[0] == 0 and len(p.begun()) == begun

    with place() as p:  # all of a method's, from the first step on
        assert p.run("--steps", "2", "--seeds", "2",
                     FAKE_DIVERGE="--method ste")[0] == 0
        text = p.read("report.md")
        assert table_with(text, "minus dense")["STE"][3:6] == [
            "diverged (2 of 2)", "-", "-"]
        assert "; a run diverged, or measured nothing or none." in text


def test_one_seed():
    with place() as p:
        assert p.run("--seeds", "1")[0] == 0
        text = p.read("report.md")
        assert len(last_losses(p.csv())) == RUNS_OF_ONE
        assert "; one seed does not tell" in text and "**Shown" not in text
        assert "nan" not in text


# ---- Nothing is reused that is something else --------------------------------


def test_other_things():
    with place() as p:
        assert p.run("--seeds", "1")[0] == 0
        begun = len(p.begun())
        assert p.run("--seeds", "1", "--jobs", "1")[0] == 0
        assert len(p.begun()) == begun  # no matter
        assert p.run("--seeds", "1", "--width", "32")[0] == 0
        assert len(p.begun()) == 2 * begun
        with open(p.corpus, "a", encoding="ascii") as file:
            file.write("!")
        assert p.run("--seeds", "1")[0] == 0
        assert len(p.begun()) == 3 * begun
        with open(p.program, "a", encoding="ascii") as file:
            file.write("# another build\n")
        status, _, err = p.run("--seeds", "1")
        assert status == 2 and "another build" in err and err.count("\n") == 1
        assert len(p.begun()) == 3 * begun
        shutil.rmtree(p.out + "/runs")
        assert p.run("--seeds", "1")[0] == 0
        assert len(p.begun()) == 4 * begun


def test_damaged_runs():
    with place() as p:
        assert p.run("--seeds", "1")[0] == 0
        name = glob.glob(p.out + "/runs/ste*.csv")[0]
        good = pathlib.Path(name).read_text()
        for bad, words in ((good.rsplit("\n", 2)[0] + "\n", "lacks steps"),
                           (good.replace("\n7,", "\n8,"), "lacks steps"),
                           (good.replace("frozen", "thawed"), "lacks columns"),
                           (last_loss(good, ""), "is damaged"),
                           (last_loss(good, "x"), "is damaged"),
                           (last_loss(good, "nan"), "is damaged"),
                           (good.replace("frozen", "frözen"), "is damaged")):
            assert bad != good
            pathlib.Path(name).write_text(bad, encoding="utf-8")
            status, _, err = p.run("--seeds", "1")
            assert status == 1 and words in err and name in err, err
            assert "Traceback" not in err
        os.remove(name)
        os.remove(name[:-4] + ".json")
        assert p.run("--seeds", "1")[0] == 0
        assert pathlib.Path(name).read_text() == good
        record = pathlib.Path(name[:-4] + ".json")
        good = json.loads(record.read_text())
        for bad in ("{", "[]", "{}", *(json.dumps(good | other) for other in (
                {"status": 7}, {"wall_seconds": "1.5"},
                {"cpu_seconds": math.nan}, {"cpu_seconds": -9e9}))):
            record.write_text(bad)
            refuses("%s is damaged" % record, p.words("--seeds", "1"))


def last_loss(text, value):
    """A run's CSV with this for its last validation loss."""
    *lines, last = text.splitlines()
    cells = last.split(",")
    cells[report.MEASURES.index("val_bpb")] = value
    return "\n".join([*lines, ",".join(cells)]) + "\n"


# ---- Words -------------------------------------------------------------------


def refuses(words, arguments, **env):
    status, out, err = call(arguments, **env)
    assert (status, out) == (2, ""), (status, out, err)
    assert err.startswith("experiment.py: ") and err.count("\n") == 1, err
    assert words in err, err


def test_misuse():
    with place() as p:
        refuses("give --corpus", [])
        refuses("No such file", p.words("--corpus", "no-such-file"))
        refuses("is no regular file", p.words("--corpus", p.folder))
        os.mkfifo(p.folder + "/pipe")
        refuses("is no regular file", p.words("--corpus", p.folder + "/pipe"))
        for name in ("a\n# width: 3", "\u00e9", "\x1b[2J"):
            shutil.copy(p.corpus, os.path.join(p.folder, name))
            refuses("cannot name " + ascii(name), p.words(
                "--corpus", os.path.join(p.folder, name)))
        refuses("there is no program", p.words("--program", "no-such-file"))
        refuses("there is no program", p.words("--program", p.corpus))
        refuses("there is no program", p.words("--program", p.folder))
        with contextlib.chdir(p.folder):  # where it goes without --out
            for quick, out in ((["--quick"], "build/experiment-quick"),
                               ([], "build/experiment")):
                assert call(["--corpus", "text", "--program", "/bin/false",
                             *quick])[0] == 1 and os.path.isdir(out + "/runs")
                shutil.rmtree("build")
        refuses("unrecognized", p.words("--frobnicate"))
        refuses("expected one argument", p.words("--jobs"))
        refuses("no whole number from 1 on", p.words("--jobs", "0"))
        refuses("no whole number from 1 on", p.words("--steps", "-3"))
        refuses("no whole number from 1 on", p.words("--steps", "x"))
        refuses("gnuplot is missing", p.words(), PATH=p.folder)
        refuses("Not a directory", p.words("--out", p.corpus))
        for words in (["--corpus", p.corpus], ["--quick"], ["--sizes"],
                      ["--steps", "3"], ["--no-variants"], ["--jobs", "99"]):
            refuses("give no " + words[0], ["--report", p.corpus, *words])
        for rates in ("", "0.1,", "x", "0", "-1", "nan", "inf", "2"):
            refuses("no number from 1e-9 to 1", p.words("--rates=" + rates))
        refuses("4 and of 4 heads", p.words("--width", "18"))
        refuses("4 and of 3 heads", p.words("--width", "12", "--heads", "3",
                                            "--sizes"))
        refuses("'adam' is no method", p.words("--methods", "ste,adam"))
        refuses("No such file", ["--report", p.folder + "/none.csv"])
        refuses("is damaged", ["--report", p.corpus])
        assert not p.begun()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            experiment.main(["--help"])
        except SystemExit as end:
            assert end.code == 0
    assert out.getvalue().startswith("usage: experiment.py")


def test_damaged_csv():
    with place() as p:
        assert p.run("--seeds", "1", "--steps", "4")[0] == 0
        good = p.read("experiment.csv")
        name = p.folder + "/bad.csv"
        head = good[:good.index("\n", good.index("\nstage,") + 1) + 1]
        for bad in ("", "step\n", good.replace("experiment 1", "experiment 2"),
                    good.replace("val_bpb", "val"),
                    good.replace(",0.002,", ",x,"),
                    good.replace("# width: 64\n", ""), good.split("stage")[0],
                    good.replace("# width: 64\n", "# width: 0\n"),
                    good.replace(",fp8,", ",`fp8`,"),
                    good.replace(",ste,", ",`ste`,"),
                    good.replace(",ste,", ",other,"),
                    good.replace("rate,ste,", "ablation,ste,"),
                    good.replace("seeds,ste,", "ablation,ste,"),
                    re.sub("# runs: .*", "# runs: 0", head),
                    re.sub("# jobs: .*", "# jobs: 0", good),
                    good[:-1] + ",1\n", good[:good.index("stage,") + 400],
                    good[:good.rindex("\n", 0, -1) + 1]):
            assert bad != good
            pathlib.Path(name).write_text(bad)
            refuses("bad.csv is damaged", ["--report", name])


def fork_on_a_terminal():
    try:
        return pty.fork()
    except OSError as error:
        raise unittest.SkipTest(str(error)) from None


def test_terminal():
    """One line, in place, no wider than the terminal."""
    with place() as p:
        child, terminal = fork_on_a_terminal()
        if child == 0:
            with environment(FAKE_DELAY="0.02", COLUMNS="60"):
                os._exit(experiment.main(p.words("--seeds", "1")))
        text = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while more := os.read(terminal, 65536):
                text += more
        assert status_of(child) == 0
        progress, last = text.split(b"\r\n")[:2]
        assert last.startswith(b"report: ")
        shown = progress.split(b"\r\x1b[K")[1:]
        assert len(shown) > 3 and max(map(len, shown)) == 59
        assert shown[0].startswith(b"0 of %d runs" % RUNS_OF_ONE)
        assert shown[-1].startswith(b"%d of %d runs" % (
            RUNS_OF_ONE, RUNS_OF_ONE))


def test_control_c():
    """The terminal's Ctrl-C reaches each run once, and through the driver."""
    with place() as p:
        child, terminal = fork_on_a_terminal()
        if child == 0:
            os._exit(p.run(FAKE_DELAY="0.1")[0])
        wait_for(lambda: len(glob.glob(p.out + "/runs/*.part")) == 2, "runs")
        os.write(terminal, b"\x03")
        assert status_of(child) == 130
        assert [x for x in p.logged() if x.startswith("end")] == ["end 130"] * 2


def test_progress():
    runs = experiment.plan(experiment.QUICK, {})
    losses = dict.fromkeys(runs[:3], 2.0)
    progress = experiment.Progress(experiment.QUICK, losses)
    assert len(progress.planned) == RUNS

    class AtWork:
        def __init__(self, run, done):
            self.run, self.done = run, done

        def steps(self):
            return self.done

    resumed, fresh = AtWork(runs[3], 10), AtWork(runs[4], 0)
    assert "left -:--:--" in progress.line(losses, [resumed, fresh], 0.0)
    resumed.done, fresh.done = 15, 5  # 10 steps in 10 seconds
    line = progress.line(losses, [resumed, fresh], 10.0)
    left = (RUNS - 3) * STEPS - 20
    wide = dataclasses.replace(runs[0], size="width 128")
    sized = experiment.Progress(dataclasses.replace(
        experiment.QUICK, sized=True), [])
    assert sized.work([wide]) == 2 * sized.work(runs[:1])
    assert line == ("3 of %d runs, 0:00:10, left %s; best s-ste 2.0000 ste "
                    "2.0000; now %s 75 %%, %s 25 %%" % (
                        RUNS, experiment.clock(left), runs[3], runs[4]))


# ---- Statistics and sentences ------------------------------------------------


def near(a, b, tolerance=1e-12):
    assert abs(a - b) <= tolerance * max(1.0, abs(b)), (a, b)


def test_estimates():
    e = report.estimate([1.0, 2.0, 6.0])
    near(e.mean, 3.0)
    near(e.sd, math.sqrt(7.0))
    near(e.se, math.sqrt(7.0 / 3.0))
    assert e.n == 3
    for values in ([], [math.inf, 1.0], [math.nan, 1.0]):
        assert math.isnan(report.estimate(values).mean)
    assert math.isnan(report.estimate([1.0]).se)
    # Paired: what both seeds share cancels, a seed of one side alone is left.
    e = report.paired({1: 10.0, 2: 20.0, 3: 5.0}, {2: 18.0, 1: 9.0, 4: 7.0},
                      lambda value: value)
    near(e.mean, 1.5)
    near(e.se, 0.5)
    assert e.n == 2


def test_student():
    # Beyond 2: closed forms for 1 and 2 degrees of freedom.
    near(report.chance(2, 2), 1 - 2 / math.pi * math.atan(2.0), 1e-6)
    near(report.chance(3, 2), 1 - 2 / math.sqrt(6.0), 1e-6)
    near(report.chance(5, 2), 0.1161165, 1e-6)
    near(report.chance(10000, 2), math.erfc(math.sqrt(2.0)), 1e-4)
    near(report.chance(2, 4000), 1 - 2 / math.pi * math.atan(4000.0), 1e-9)
    assert report.chance(5, 1e6) < 1e-9
    for n, t in STUDENT.items():
        assert abs(report.student(n) - t) <= 0.0005, n
    near(report.margin(report.Estimate(9.0, 5.0, 2.0, 5)), 2 * 2.776, 1e-3)
    assert math.isnan(report.margin(report.estimate([1.0])))
    assert report.shown(report.Estimate(-2.78, 1.0, 1.0, 5))
    assert not report.shown(report.Estimate(2.77, 1.0, 1.0, 5))
    for values in ([0.0, 0.0], [1.0, 1.0], [1.0], [math.nan, 1.0]):
        assert not report.shown(report.estimate(values)), values


def test_at_one_rate():
    """Flips and descents at other learning rates are not compared."""
    def claims(rate, hard, extra=("dense", "ste")):
        """Of two seeds; `rate` is S-STE's, `hard` STE's, and dense's 0.1;
        extra: what was also run at S-STE's, with ten times the flips."""
        flips = {"dense": 0.01, "ste": 0.04, "s-ste": 0.02}

        def runs(method, variant=""):
            if variant and method not in extra:
                return {}
            times = 10 if variant else 1
            return {seed: run_of([
                {"step": k, "val_bpb": 1.0,
                 "flip_rate": times * flips[method] * (1 + 0.01 * seed * k)}
                for k in range(4)]) for seed in (1, 2)}
        best = {"dense": 0.1, "ste": hard, "s-ste": rate}
        found = list(report.flip_claims(types.SimpleNamespace(
            methods=lambda: list(best), seeds=runs, variants=lambda method: [],
            best=lambda method: types.SimpleNamespace(rate=best[method]))))
        assert len(found) == 2 * 3
        for claim in found:
            assert claim.e.n == 2 or report.verdict(claim) == (
                "Not known", getattr(claim, claim.expected) +
                "; there are no such runs")
        # STE's over dense's, how much further S-STE is, S-STE's over STE's.
        return ["%.2f" % math.exp(claim.e.mean) for claim in found[:3]]
    assert claims(0.1, 0.1) == ["4.00", "0.50", "0.50"]
    assert claims(0.2, 0.2) == ["0.40", "2.00", "0.50"]
    assert claims(0.2, 0.2, ()) == ["nan", "nan", "0.50"]
    assert claims(0.1, 0.2) == ["40.00", "0.05", "0.05"]
    assert claims(0.1, 0.2, ("dense",)) == ["nan", "nan", "nan"]
    rates = {"ste": 0.2, "dense": 0.1}  # and no S-STE: dense's counts
    x = types.SimpleNamespace(
        methods=lambda: list(rates), seeds=lambda *which: which,
        best=lambda method: types.SimpleNamespace(rate=rates[method]))
    assert report.matched(x, "ste") == ("ste", report.MATCHED)
    assert report.matched(x, "dense") == ("dense", "")


def test_matched():
    """The plan has what is compared at S-STE's learning rate."""
    best = {"s-ste": 0.004, "ste": 0.002, "sr-ste": 0.002, "dense": 0.004}
    losses = collections.defaultdict(float)
    for run in experiment.plan(experiment.QUICK, experiment.Anything()):
        losses[run] = float(run.rate != best[run.method]) - 0.1 * (
            run.decay or 0)
    runs = [run for run in experiment.plan(experiment.QUICK, losses)
            if run.stage == "matched"]
    assert [(run.method, run.rate, run.decay, run.seed) for run in runs] == [
        (method, 0.004, decay, seed) for method, decay in (
            ("ste", None), ("sr-ste", 20.0)) for seed in (1, 2, 3)]
    for run in runs:
        given = run.options(experiment.QUICK)
        assert run.variant == report.MATCHED and given["lr"] == "0.004"
        assert given["probe-every"] == 2


def test_lines():
    slope, r = report.line_fit([1.0, 2.0, 4.0], [1.0, 3.0, 7.0])
    near(slope, 2.0)
    near(r, 1.0)
    slope, r = report.line_fit([0.0, 1.0, 2.0, 3.0], [1.0, 0.0, 2.0, -1.0])
    near(slope, -0.4)
    near(r, statistics.correlation([0, 1, 2, 3], [1, 0, 2, -1]))
    assert math.isnan(report.line_fit([1.0, 1.0], [1.0, 2.0])[0])
    assert math.isnan(report.line_fit([1.0], [1.0])[1])
    assert report.ranks([3.0, -1.0, 7.0, 0.0]) == [2, 0, 3, 1]
    assert report.quantile([4, 1, 3, 2], 0.5) == 3
    assert report.quantile([4, 1, 3, 2], 0.99) == 4


def run_of(lines):
    """A run with these columns, by name."""
    run = report.Run({"stage": "rate", "method": "ste", "variant": "",
                      "peak_lr": "0.1", "seed": "1", "decay": "",
                      "size": ""})
    run.status = 0
    run.lines = [[line.get(c, math.nan) for c in report.MEASURES]
                 for line in lines]
    return run


def test_descent():
    def probe(before, after, frozen, predicted, mapped=1.0, step=3):
        return {"step": step, "before": before, "after": after,
                "frozen": frozen, "predicted": predicted,
                "predicted_map": mapped}
    run = run_of([probe(3, 1, 1, 9, 9, step=2),  # in the warm-up
                  probe(3, 3.5, 2.5, 1, 2), probe(3, 2, 2, 2, 1),
                  probe(3, 2.5, 3.5, 3, 3), probe(3, 4, 3, 1, 5),
                  probe(3, math.inf, 2, 1), {"step": 20}])
    assert [d.actual for d in report.descents(run)] == [-0.5, 1, 0.5, -1]
    assert [d.frozen for d in report.descents(run)] == [0.5, 1, -0.5, 0]
    assert report.rising(run) == 0.5
    assert report.opposite(run) == 0.5
    assert report.wrong(run) == 0.25
    near(report.mask_part(run), 1.0 / 0.5)
    actual = [-0.5, 1, 0.5, -1]
    near(report.correlation(run), statistics.correlation([1, 2, 3, 1], actual))
    near(report.slope(run), statistics.linear_regression([1, 2, 3, 1],
                                                         actual).slope)
    near(report.slope(run, "mapped"), statistics.linear_regression(
        [2, 1, 3, 5], actual).slope)
    near(report.correlation(run, "mapped"), statistics.correlation(
        [2, 1, 3, 5], actual))
    run = run_of([probe(0, -a, 0, p) for a, p in ((1, 1), (2, 9), (99, 2))])
    near(report.rank_correlation(run), 0.5)
    assert math.isnan(report.mask_part(run_of([{"step": 1.0}])))
    assert math.isnan(report.wrong(run_of([{"step": 1.0}])))
    run.status = 1  # diverged
    assert not report.descents(run)


def test_flips():
    run = run_of([{"step": k, "flip_rate": k / 100, "beta": 1 + k}
                  for k in range(1, 9)])
    near(report.mean_flips(run), 0.045)
    near(report.mean_flips(run, 0.75), 0.075)
    near(report.last_beta(run), 4.5)
    other = run_of([{"step": k, "flip_rate": k / 50} for k in range(1, 9)])
    for (step, mean, least, most), part in zip(
            report.curve([run, other], "flip_rate", 4), range(4), strict=True):
        near(step, 2 * part + 1)
        near(least, 0.02 * part + 0.015)
        near(most, 2 * least)
        near(mean, 1.5 * least)
    assert report.curve([], "flip_rate", 4) == []
    assert report.curve([run], "val_bpb", 4) == []
    assert math.isnan(report.log_flips(run_of([{"step": 1, "flip_rate": 0}])))
    run.status = 1  # diverged
    assert math.isnan(report.mean_flips(run))
    assert math.isnan(report.last_beta(run))


def test_edges():
    """A best rate or decay at its grid's edge is told."""
    def at(rate, decay):
        return types.SimpleNamespace(stage="rate", rate=rate, decay=decay)

    def told(rate, decay):
        sweep = {"ste": [at(rate, None) for rate in (0.1, 0.2, 0.4)],
                 "sr-ste": [at(0.2, decay) for decay in (1.0, 10.0, 0.1)]}
        return report.edges(types.SimpleNamespace(
            runs=sweep["ste"], methods=lambda: list(sweep),
            sweep=lambda method: sweep[method],
            best=lambda method: at(rate, None) if method == "ste" else
            at(0.2, decay)))[0]
    for rate in (0.1, 0.4):
        assert told(rate, 1.0).endswith("may be better: STE.")
    for decay in (0.1, 10.0):
        assert told(0.2, decay).endswith("may be better: SR-STE (decay).")
    assert told(0.2, 1.0) == "Each best one lies inside its grid."


def test_verdicts():
    def says(values, expected):
        verdict, sentence = report.verdict(report.Claim(
            "it falls", "it grows", expected, report.estimate(values), ""))
        return verdict + ": " + sentence
    assert says([1.0, 1.1, 0.9], "more") == "Shown: it grows"
    assert says([1.0, 1.1, 0.9], "less") == (
        "Shown, against what was expected: it grows")
    assert says([-1.0, -1.1, -0.9], "less") == "Shown: it falls"
    assert says([1.0, 1.1, 0.9], None) == "Shown: it grows"
    assert says([-1.0, -1.1, -0.9], None) == "Shown: it falls"
    assert says([1.0, -1.0], None) == "Not shown, nor the opposite: it falls"
    for values in ([1.0, -0.5, 0.9], [0.0, 0.0], [1.0, 1.0], [1.0, 1.5]):
        assert says(values, "more") == "Not shown, nor the opposite: it grows"
    assert says([1.0], "less").startswith("Not known: it falls; one seed")
    assert says([1.0, math.inf], "more").startswith(
        "Not known: it grows; a run diverged, or")
    # Student's t, no less: 3 values around m with an error of 1.
    step = math.sqrt(3.0)
    assert says([4.31 - step, 4.31, 4.31 + step], "more") == "Shown: it grows"
    assert "Not shown" in says([4.29 - step, 4.29, 4.29 + step], "more")
    # What is shown comes first.
    claims = [report.Claim("falls", "grows", "more", report.estimate(values),
                           "text") for values in
              ([1.0], [1.0, -1.0], [-1.0, -1.1], [1.0, 1.1])]
    assert report.claim_lines(claims, 0.0) == [
        "- **Shown**: grows (text; 2 seeds, p 0.0303).",
        "- **Shown, against what was expected**: falls (text; 2 seeds, p "
        "0.0303).",
        "- **Not shown, nor the opposite**: grows (text; 2 seeds, p 1.0000).",
        "- **Not known**: grows; one seed does not tell (text; 1 seed).", ""]
    assert report.claim_lines(claims[3:] + claims[:1], 0.0304) == [
        "- **Shown**: grows (text; 2 seeds, p 0.0303 \\*).",
        "- **Not known**: grows; one seed does not tell (text; 1 seed).", ""]
    nothing = report.Claim("falls", "grows", "more", report.estimate([]), "-")
    assert report.claim_lines([nothing], 0.0) == [
        "- **Not known**: grows; there are no such runs.", ""]
    for values, words in (
            ([1.0, 1.1], "worse, p 0.0303"), ([1.0], "not known"),
            ([-1.0, -1.1], "better, p 0.0303"),
            ([-1.0, 1.1], "not shown, p 0.9697")):
        assert report.effect(report.estimate(values), 0.03) == words
    assert report.effect(report.estimate([1.0, 1.1]), 0.04) == (
        "worse, p 0.0303 \\*")
    assert report.ratio(report.Estimate(math.log(2.0), 1.0, 0.1, 5)) == (
        "2.00 (1.52 to 2.64)")


def test_holm():
    nan = math.nan
    for ps, largest in (
            ([], 0.0), ([nan], 0.0), ([0.06], 0.0), ([0.04, nan], 0.04),
            ([0.03, 0.04], 0.0), ([0.04, 0.02], 0.04), ([0.02, 0.02], 0.02),
            ([0.01, 0.04, 0.03], 0.01), ([0.5, 0.9, 0.01], 0.01)):
        assert report.holm(ps) == largest, ps
    p = report.p_value(report.Estimate(-2.776, 1.0, 1.0, 5))
    assert abs(p - 0.05) < 1e-4
    assert math.isnan(report.p_value(report.estimate([1.0])))
    assert report.p_text(report.Estimate(1.0, 1.0, 1e-3, 5), 0.0) == (
        "p < 0.0001")


def main():
    failed = 0
    tests = [(name, test) for name, test in globals().items()
             if name.startswith("test_")]
    for name, test in tests:
        try:
            test()
            print("ok      " + name, flush=True)
        except unittest.SkipTest as reason:
            print("skipped %s: %s" % (name, reason))
        except Exception:  # the others' results are of interest
            failed += 1
            print("FAILED  " + name)
            sys.excepthook(*sys.exc_info())
    print("%d tests, %d failed" % (len(tests), failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
