#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# experiment.py - the paper's comparison in small: pre-trains the same model by
# each method with several learning rates and seeds, then with one thing changed
# at a time, and reports what came out and what did not.
#
#   1. What is run     2. Runs     3. One at a time     4. Side by side
#   5. The CSV         6. The program
"""Pre-trains the same small GPT dense, by S-STE and by the methods it is
compared with, and writes OUT/experiment.csv and OUT/report.md with figures.
The learning rate of each method is swept on seed 0, its best one then run with
other seeds, and some methods also with one thing changed at a time. --sizes
compares some methods the same way in models of other widths, too.

What is stopped goes on by the same command: finished runs are kept in OUT/runs,
others resume from their checkpoints. A run of other options or of another
corpus has another name; runs of another build of the program are refused.
"""
import argparse
import csv
import dataclasses
import fcntl
import glob
import hashlib
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time

if sys.version_info < (3, 11):
    sys.exit("experiment.py needs Python 3.11 or later")
sys.dont_write_bytecode = True  # of experiment_report.py, beside this file
import experiment_report
from experiment_report import (END_COLUMNS, HEAD, MATCHED, MEASURES,
                               PUBLISHED, RUN_COLUMNS, SCALE)

# ---- 1. What is run ----------------------------------------------------------

# S-STE first: most runs wait for its best learning rate.
METHODS = ("s-ste", "ste", "sr-ste", "t-sr-ste", "step", "dense")

# The FFN's products in the main comparison, of all sparse methods alike:
# floats, so that what differs is the method alone. FP8 and MVUE are variants.
PRODUCTS = {"fp8": "off", "mvue": "off"}

# Factors of decay, swept like the learning rate, at the best one that the
# method has with the first of them.
DECAYS = {"sr-ste": (1.0, 0.1, 10.0), "t-sr-ste": (1.0, 0.0002, 0.1, 10.0)}

# What is changed, with the method's best learning rate.
SYSTEM = {"fp8": "on", "mvue": "optimal"}
VARIANTS = {
    "s-ste": {
        "beta every-step": {"beta": "every-step"},
        "beta one": {"beta": "one"},
        SCALE: {"beta": "equal-l1"},
        "gamma 0.5": {"gamma": "0.5"},
        "gamma 1": {"gamma": "1"},
        "fp8": {"fp8": "on"},
        "mvue": {"mvue": "optimal"},
        "mvue approximate": {"mvue": "approximate"},
        "fp8 and mvue": SYSTEM,
        "fp8 and mvue, e3m4": SYSTEM | {"forward-format": "e3m4"},
        "fp8 and mvue, e3m4fn": SYSTEM | {"forward-format": "e3m4fn"},
        "fp8 and mvue, stochastic": SYSTEM | {"rounding": "stochastic"},
    },
    "ste": {"fp8 and mvue": SYSTEM},
    "sr-ste": {"fp8 and mvue": SYSTEM,
               PUBLISHED: {"decay": "0.0002"}},
}


# For --sizes: the widths, in units of the main one, and what is compared.
WIDTHS = (0.5, 2)
SIZED = ("s-ste", "ste", "sr-ste", "dense")
SIZED_VARIANTS = (SCALE, PUBLISHED)


@dataclasses.dataclass(frozen=True)
class Settings:
    """The size of an experiment. A step has batch x context tokens."""
    methods: tuple
    steps: int
    layers: int
    heads: int
    width: int
    context: int
    batch: int
    micro: int
    rates: tuple  # learning rates, the same grid for each method, on seed 0
    seeds: tuple  # at the best of them: what was chosen by is not averaged
    variants: tuple
    probe_every: int  # steps between two measures of the descent, or 0
    sized: bool = False

    def sizes(self):
        """These, named "", and those of every other size with its name."""
        found = {"": self}
        for width in (int(w * self.width) for w in WIDTHS if self.sized):
            found["width %d" % width] = dataclasses.replace(
                self, methods=tuple(m for m in SIZED if m in self.methods),
                variants=tuple(v for v in SIZED_VARIANTS if v in self.variants),
                probe_every=0, sized=False, width=width)
        return found


FULL = Settings(methods=METHODS, steps=5000, layers=2, heads=4, width=64,
                context=64, batch=8, micro=2,
                rates=(0.002, 0.004, 0.008, 0.016, 0.032),
                seeds=(1, 2, 3, 4, 5),
                variants=tuple(dict.fromkeys(
                    name for names in VARIANTS.values() for name in names)),
                probe_every=7)  # no divisor of T-SR-STE's 40 steps a mask
QUICK = dataclasses.replace(
    FULL, steps=1500, rates=(0.004, 0.008, 0.016), seeds=(1, 2, 3),
    variants=("beta every-step", SCALE, "fp8", "mvue", "fp8 and mvue",
              PUBLISHED))

PROGRAM = "build/examples/pretrain"
SWEEP_SEED = 0
SAVE_EVERY = 100  # steps between two checkpoints, for kill -9

# ---- 2. Runs -----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Run:
    """One training: what differs between the runs of an experiment. The stage
    is that which asks for it first."""
    stage: str = dataclasses.field(compare=False)
    method: str
    variant: str
    rate: float
    decay: float | None
    seed: int
    size: str  # of Settings.sizes

    def __str__(self):
        words = [self.method, self.variant, "lr %g" % self.rate,
                 "" if self.decay is None else "decay %g" % self.decay,
                 "seed %d" % self.seed, self.size]
        return " ".join(word for word in words if word)

    def options(self, settings):
        """All that decides the run's losses, but for the corpus."""
        settings = settings.sizes()[self.size]
        given = {"method": self.method, "lr": "%g" % self.rate,
                 "seed": self.seed, "sample": 0}
        for name in "steps layers heads width context batch micro".split():
            given[name] = getattr(settings, name)
        if self.decay is not None:
            given["decay"] = "%g" % self.decay
        if self.method != "dense":
            given.update(PRODUCTS)
        if settings.probe_every and self.variant in ("", MATCHED):
            given["probe-every"] = settings.probe_every
        return given | VARIANTS.get(self.method, {}).get(self.variant, {})


def plan(settings, losses):
    """The runs that are known to be wanted. losses: of the finished ones."""
    return [run for size, at in settings.sizes().items()
            for run in plan_size(size, at, losses)]


def plan_size(size, settings, losses):
    runs, bests = [], {}
    for method in settings.methods:
        decay, *more = DECAYS.get(method, (None,))
        sweep = [Run("rate", method, "", rate, decay, SWEEP_SEED, size)
                 for rate in settings.rates]
        runs += sweep
        if more and all(run in losses for run in sweep):
            at = min(sweep, key=lambda run: losses[run])
            sweep += [dataclasses.replace(at, stage="decay", decay=x)
                      for x in more]
            runs += sweep[len(settings.rates):]
        if not all(run in losses for run in sweep):
            continue
        best = bests[method] = min(sweep, key=lambda run: losses[run])
        runs += [dataclasses.replace(best, stage="seeds", seed=seed)
                 for seed in settings.seeds]
        runs += [dataclasses.replace(
            best, stage="ablation", seed=seed, variant=variant)
                 for variant in VARIANTS.get(method, {})
                 if variant in settings.variants
                 for seed in settings.seeds]
    for method in ("dense", "ste", "sr-ste") if "s-ste" in bests else ():
        rate = bests["s-ste"].rate
        if method in bests and bests[method].rate != rate:
            runs += [dataclasses.replace(
                bests[method], stage="matched", variant=MATCHED, rate=rate,
                seed=seed) for seed in settings.seeds]
    stages = ("rate", "decay", "seeds", "matched", "ablation")
    return sorted(runs, key=lambda run: stages.index(run.stage))


class Anything(dict):
    """Losses as if every run were finished."""
    def __contains__(self, run):
        return True

    def __missing__(self, run):
        return 0.0


# ---- 3. One at a time --------------------------------------------------------


class Refused(Exception):
    """Bad input, or something that is missing: one line, status 2."""


class Failed(Exception):
    """A run that ended neither trained nor diverged: status 1."""


class Stopped(Exception):
    """By a signal."""


def file_hash(path):
    if not os.path.isfile(path) and os.path.exists(path):
        raise Refused("%s is no regular file" % path)
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Refused("cannot read %s: %s" % (path, error.strerror)) from None


def write_whole(path, text):
    """A file takes its name only when it is whole."""
    part = "%s.%d.part" % (path, os.getpid())
    with open(part, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


class Store:
    """The runs in OUT/runs. Each has a record, NAME.json: its options, what
    made it, the seconds it took, and its exit status, null before its end."""

    def __init__(self, args, settings):
        self.args, self.settings = args, settings
        self.folder = os.path.join(args.out, "runs")
        self.corpus = file_hash(args.corpus)
        self.program = file_hash(args.program)
        os.makedirs(self.folder, exist_ok=True)
        # Runs hold this file open too: whoever still works here is noticed.
        self.lock = open(os.path.join(args.out, "lock"), "w", encoding="ascii")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused("another experiment, or a run that one left, is at "
                          "work in %s" % args.out) from None
        for path in glob.glob(glob.escape(self.folder) + "/*.json"):
            if self.record(path)["program"] != self.program:
                raise Refused("%s holds runs of another build of %s: remove it "
                              "to run them again, or give another --out"
                              % (self.folder, args.program))

    @staticmethod
    def record(path):
        try:
            with open(path, encoding="utf-8") as file:
                record = json.load(file)
            if (record["status"] in (None, 0, 1) and "program" in record and
                    record["wall_seconds"] + record["cpu_seconds"] >= 0):
                return record
        except (ValueError, TypeError, KeyError):
            pass
        raise Refused("%s is damaged: remove it" % path)

    def path(self, run, end):
        options = run.options(self.settings)
        key = json.dumps([self.corpus, options], sort_keys=True)
        name = "%s-%s" % (re.sub("[^a-z0-9.]+", "-", str(run)),
                          hashlib.sha256(key.encode()).hexdigest()[:8])
        return os.path.join(self.folder, name + end)

    def load(self, run):
        """The run's record, a fresh one if there is none yet."""
        path = self.path(run, ".json")
        if os.path.exists(path):
            return self.record(path)
        return {"options": run.options(self.settings), "corpus": self.corpus,
                "program": self.program, "status": None, "wall_seconds": 0.0,
                "cpu_seconds": 0.0}

    def save(self, run, record):
        write_whole(self.path(run, ".json"),
                    json.dumps(record, indent=1) + "\n")

    def rows(self, run):
        """The lines of a finished run's CSV; it may be short if it diverged."""
        path = self.path(run, ".csv")
        try:
            with open(path, encoding="ascii", newline="") as file:
                rows = list(csv.DictReader(file))
            for row in rows:
                for cell in row.values():
                    float(cell or 0)
        except FileNotFoundError:
            rows = []
        except (ValueError, TypeError):
            raise self.damaged(path) from None
        if rows and not set(MEASURES) <= rows[0].keys():
            raise Failed("%s lacks columns of %s" % (path, ",".join(MEASURES)))
        steps = self.settings.sizes()[run.size].steps
        if (self.load(run)["status"] == 0 and
                [row["step"] for row in rows] !=
                [str(step) for step in range(1, steps + 1)]):
            raise Failed("%s lacks steps of 1 to %d: remove it and its .json "
                         "to run it again" % (path, steps))
        return rows

    def loss(self, run):
        """The last validation loss, infinite if the run diverged; None before
        the run's end."""
        status = self.load(run)["status"]
        if status != 0:
            return None if status is None else math.inf
        try:
            loss = float(self.rows(run)[-1]["val_bpb"])
        except (ValueError, TypeError):
            loss = math.nan
        if not math.isfinite(loss):
            raise self.damaged(self.path(run, ".csv"))
        return loss

    @staticmethod
    def damaged(path):
        return Failed("%s is damaged: remove it and its .json to run it again"
                      % path)


class Process:
    """A run at work."""

    def __init__(self, store, run):
        self.store, self.run, self.start = store, run, time.monotonic()
        self.record = store.load(run)
        store.save(run, self.record)
        for part in self.parts():  # of a run that was killed
            os.remove(part)
        checkpoint = store.path(run, ".ckpt")
        command = [store.args.program, store.args.corpus]
        for name, value in run.options(store.settings).items():
            command += ["--" + name, str(value)]
        command += ["--csv", store.path(run, ".csv"),
                    "--checkpoint", checkpoint, "--save-every", str(SAVE_EVERY)]
        self.resumed = os.path.exists(checkpoint)
        if self.resumed:
            command += ["--resume", checkpoint]
        with open(store.path(run, ".log"), "wb") as log:
            # In a group of its own: Ctrl-C reaches it through us, and once.
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"}, process_group=0,
                pass_fds=[store.lock.fileno()])

    def parts(self):
        """The run's unfinished CSV: one at most while it is at work."""
        return glob.glob(glob.escape(self.store.path(self.run, ".csv"))
                         + ".*.part")

    def steps(self):
        """How many are done."""
        for part in self.parts():
            try:
                with open(part, "rb") as file:
                    return max(0, file.read().count(b"\n") - 1)
            except FileNotFoundError:  # it is whole now
                pass
        return 0

    def ended(self, wait=False):
        """Whether it has; its record then tells how."""
        pid, status, used = os.wait4(self.child.pid, 0 if wait else os.WNOHANG)
        if pid == 0:
            return False
        self.child.returncode = os.waitstatus_to_exitcode(status)
        self.record["wall_seconds"] += time.monotonic() - self.start
        self.record["cpu_seconds"] += used.ru_utime + used.ru_stime
        if self.child.returncode == 0 or self.diverged():
            self.record["status"] = self.child.returncode
            for end in (".ckpt", ".log"):
                if os.path.exists(self.store.path(self.run, end)):
                    os.remove(self.store.path(self.run, end))
        self.store.save(self.run, self.record)
        return True

    def log(self):
        with open(self.store.path(self.run, ".log"), encoding="utf-8",
                  errors="replace") as file:
            return file.read()

    def diverged(self):
        return self.child.returncode == 1 and "diverged" in self.log()

    def failure(self):
        status = self.child.returncode
        how = "status %d" % status if status > 0 else "signal %d" % -status
        last = self.log().strip().split("\n")[-1]
        again = "" if not self.resumed else (
            "; if its checkpoint is at fault, remove %s"
            % self.store.path(self.run, ".ckpt"))
        return Failed("%s failed with %s: %s%s" % (self.run, how, last, again))


# ---- 4. Side by side ---------------------------------------------------------


def clock(seconds):
    return "%d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60, seconds % 60)


class Progress:
    """On a terminal one line in place, else a line now and then."""

    def __init__(self, settings, kept):
        self.settings, self.sizes = settings, settings.sizes()
        self.kept = self.work(kept)
        self.planned = plan(settings, Anything())
        self.start = time.monotonic()
        self.shown, self.worked = self.start - 60.0, None
        self.terminal = sys.stderr.isatty()

    def work(self, runs, share=1.0):
        """What takes time, about: a share of all weights' updates, in units of
        the model's width."""
        return share * sum(self.sizes[run.size].steps *
                           self.sizes[run.size].width for run in runs)

    def show(self, losses, processes, now=False):
        time_now = time.monotonic()
        if not now and time_now - self.shown < (0.5 if self.terminal else 60.0):
            return
        self.shown = time_now
        line = self.line(losses, processes, time_now - self.start)
        if self.terminal:
            width = shutil.get_terminal_size().columns - 1
            print("\r\033[K" + line[:width], end="", file=sys.stderr,
                  flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def line(self, losses, processes, elapsed):
        at = {p: p.steps() / self.sizes[p.run.size].steps for p in processes}
        begun = sum(self.work([p.run], share) for p, share in at.items())
        done = self.work(losses) + begun
        if self.worked is None:  # what resumed runs begin with is no work
            self.worked = self.kept + begun
        # Which rates are best decides what is to be run again at one rate.
        planned = max(self.planned, plan(self.settings, losses), key=len)
        pace = (done - self.worked) / elapsed if elapsed > 0 else 0
        left = (clock(max(0, self.work(planned) - done) / pace)
                if pace > 0 else "-:--:--")
        best = {}
        for run, loss in losses.items():
            if run.stage in ("rate", "decay") and not run.size:
                best[run.method] = min(loss, best.get(run.method, loss))
        return "%d of %d runs, %s, left %s; best %s; now %s" % (
            len(losses), len(planned), clock(elapsed), left,
            " ".join("%s %.4f" % item for item in sorted(best.items())) or "-",
            ", ".join("%s %.0f %%" % (p.run, 100 * share)
                      for p, share in at.items()) or "-")

    def end(self):
        if self.terminal:
            print(file=sys.stderr)


def stop_all(processes, signals):
    """Each writes its checkpoint and ends; a second signal kills them."""
    before = len(signals)
    for process in processes:
        os.kill(process.child.pid, signal.SIGINT)
    while processes:
        processes[:] = [p for p in processes if not p.ended()]
        if len(signals) > before:
            for process in processes:
                os.kill(process.child.pid, signal.SIGKILL)
        time.sleep(0.02)


def execute(store, signals):
    """All runs of the plan; their losses."""
    settings, losses, processes = store.settings, {}, []

    def wanted():
        """Not finished, now or before."""
        while True:
            runs = [run for run in plan(settings, losses) if run not in losses]
            kept = {run: loss for run in runs
                    if (loss := store.loss(run)) is not None}
            if not kept:
                return runs
            losses.update(kept)

    waiting = wanted()
    progress = Progress(settings, losses)
    try:
        while waiting or processes:
            while waiting and len(processes) < store.args.jobs:
                processes.append(Process(store, waiting.pop(0)))
            progress.show(losses, processes)
            ended = [p for p in processes if p.ended()]
            processes[:] = [p for p in processes if p not in ended]
            for process in ended:
                if process.record["status"] is None and not signals:
                    raise process.failure()
            if signals:
                raise Stopped()
            if ended:
                running = [p.run for p in processes]
                waiting = [run for run in wanted() if run not in running]
            else:
                time.sleep(0.02)
        progress.show(losses, processes, now=True)
    finally:
        progress.end()
        stop_all(processes, signals)
    return losses


# ---- 5. The CSV --------------------------------------------------------------


def machine():
    name = os.uname().machine
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            found = re.search(r"^model name\s*:\s*(.*)", file.read(), re.M)
            name = found.group(1).strip() if found else name
    except OSError:
        pass
    return name


def facts(store, runs):
    """What all runs have in common."""
    common = {"corpus": os.path.basename(store.args.corpus),
              "corpus_bytes": os.path.getsize(store.args.corpus),
              "corpus_sha256": store.corpus, "program_sha256": store.program,
              "machine": machine(), "cpus": len(os.sched_getaffinity(0)),
              "jobs": store.args.jobs, "runs": len(runs),
              "products": " ".join("--%s %s" % x for x in PRODUCTS.items())}
    for name, value in dataclasses.asdict(store.settings).items():
        if name not in ("methods", "rates", "seeds", "variants", "sized"):
            common[name] = value
    return common


def write_csv(store, losses):
    """Every line of every run, behind what names the run; its status and
    seconds on its last line. What all have in common stands above, behind #."""
    runs, text = plan(store.settings, losses), io.StringIO()
    print(HEAD, file=text)
    for fact in facts(store, runs).items():
        print("# %s: %s" % fact, file=text)
    out = csv.writer(text, lineterminator="\n")
    out.writerow((*RUN_COLUMNS, *MEASURES, *END_COLUMNS))
    for run in runs:
        rows = store.rows(run) or [dict.fromkeys(MEASURES, "")]
        record = store.load(run)
        name = (run.stage, run.method, run.variant, "%g" % run.rate,
                run.options(store.settings).get("decay", ""), run.seed,
                run.size)
        end = (record["status"], "%.2f" % record["cpu_seconds"],
               "%.2f" % record["wall_seconds"])
        for row in rows:
            out.writerow((*name, *(row[c] for c in MEASURES),
                          *(end if row is rows[-1] else ("", "", ""))))
    path = os.path.join(store.args.out, "experiment.csv")
    write_whole(path, text.getvalue())
    return path


# ---- 6. The program ----------------------------------------------------------


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Refused(message + " (see --help)")


def whole(least):
    def number(text):
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(
                "'%s' is no whole number from %d on" % (text, least))
        return int(text)
    return number


def listed(one):
    """Of some, each once, behind commas."""
    def read(text):
        return tuple(dict.fromkeys(map(one, text.split(","))))
    return read


def learning_rate(text):
    try:
        rate = float("%g" % float(text))  # as runs are named
        if 1e-9 <= rate <= 1:
            return rate
    except ValueError:
        pass
    raise argparse.ArgumentTypeError("'%s' is no number from 1e-9 to 1" % text)


def method(text):
    if text not in METHODS:
        raise argparse.ArgumentTypeError("'%s' is no method of %s" % (
            text, ", ".join(METHODS)))
    return text


def parse(words):
    parser = Parser(
        "experiment.py", description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Status: 0; 1 if a run failed; 2 for misuse or what is missing;"
        "\n128 and the signal's number if stopped.")
    add = parser.add_argument
    add("--corpus", metavar="FILE", help="the text to train on")
    add("--out", metavar="DIR",
        help="build/experiment, -quick, or the CSV's folder")
    add("--quick", action="store_true", help="smaller, and fewer variants")
    add("--jobs", metavar="N", type=whole(1),
        help="runs side by side, of a thread each (one per CPU)")
    add("--program", metavar="FILE", help=PROGRAM)
    add("--report", metavar="CSV", help="only report what is in there")
    for name, what in (("steps", "of a run"), ("layers", "blocks"),
                       ("heads", "of attention"), ("width", "of the model"),
                       ("context", "bytes"), ("batch", "contexts per step")):
        add("--" + name, metavar="N", type=whole(1),
            help="%s (%d; quick: %d)" % (what, getattr(FULL, name),
                                         getattr(QUICK, name)))
    add("--seeds", metavar="N", type=whole(1),
        help="per method (%d; quick: %d)" % (len(FULL.seeds),
                                             len(QUICK.seeds)))
    add("--rates", metavar="X,...", type=listed(learning_rate),
        help="of learning (%s; quick: %s)" % tuple(
            ",".join("%g" % x for x in given.rates) for given in (FULL, QUICK)))
    add("--methods", metavar="M,...", type=listed(method),
        help="some of " + ",".join(METHODS))
    add("--no-variants", action="store_true", help="the methods as they are")
    add("--sizes", action="store_true",
        help="also %s times the width, by %s" % (
            " and ".join("%g" % w for w in WIDTHS), ",".join(SIZED)))
    args = parser.parse_args(words)
    if args.report:
        for name, value in vars(args).items():
            if name not in ("report", "out") and value:
                parser.error("--report runs nothing: give no --%s"
                             % name.replace("_", "-"))
    return args


def settings_of(args):
    settings = QUICK if args.quick else FULL
    given = {name: getattr(args, name) for name in
             "steps layers heads width context batch rates methods".split()
             if getattr(args, name) is not None}
    if args.seeds is not None:
        given["seeds"] = tuple(range(1, args.seeds + 1))
    if args.no_variants:
        given["variants"] = ()
    settings = dataclasses.replace(settings, **given, sized=args.sizes)
    if settings.batch % settings.micro:
        raise Refused("a batch of %d is no multiple of %d, the micro-batch"
                      % (settings.batch, settings.micro))
    for at in settings.sizes().values():
        if at.width % math.lcm(4, at.heads):
            raise Refused("a width of %d is no multiple of 4 and of %d heads"
                          % (at.width, at.heads))
    return settings


def run_all(args, signals):
    """The CSV of the whole experiment."""
    if args.corpus is None:
        raise Refused("no text to train on: give --corpus FILE")
    args.corpus = os.path.abspath(args.corpus)
    args.program = os.path.abspath(args.program or PROGRAM)
    args.jobs = args.jobs or len(os.sched_getaffinity(0))
    name = os.path.basename(args.corpus)
    if not name.isprintable() or not name.isascii():
        raise Refused("the report cannot name %s: rename it" % ascii(name))
    args.out = args.out or ("build/experiment-quick" if args.quick else
                            "build/experiment")
    if not os.access(args.program, os.X_OK) or os.path.isdir(args.program):
        raise Refused("there is no program %s: run make %s first"
                      % (args.program, PROGRAM))
    store = Store(args, settings_of(args))
    return write_csv(store, execute(store, signals))


def main(words):
    signals = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, lambda got, frame: signals.append(got))
    try:
        args = parse(words)
        if not shutil.which("gnuplot"):
            raise Refused("gnuplot is missing; on Debian: apt-get install -y "
                          "gnuplot-nox")
        path = args.report or run_all(args, signals)
        out = args.out or os.path.dirname(path) or "."
        print("report: " + experiment_report.write(path, out))
        return 0
    except Stopped:
        print("experiment.py: stopped; the same command goes on from here",
              file=sys.stderr)
        return 128 + signals[0]
    except Failed as error:
        print("experiment.py: %s" % error, file=sys.stderr)
        return 1
    except (Refused, experiment_report.Unreadable) as error:
        print("experiment.py: %s" % error, file=sys.stderr)
        return 2
    except OSError as error:
        print("experiment.py: %s: %s" % (
            error.filename or "standard output", error.strerror),
              file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
