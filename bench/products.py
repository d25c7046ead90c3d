#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# products.py - 2:4 products beside the dense and sparse libraries of Debian.
# Each library lives in a process of its own (bench_product.c says why); all of
# them wait, and in every round each in turn is told to run. The ratios are
# those of one round, so that what slows the machine down slows all of them.
"""usage: products.py [--threads 1,2] [--rounds N] [--csv FILE] [--sweep]
                   [--config gcc-native,clang-native,...] [MxNxK ...]

Races the products that `make` has built in build/bench: Y = W X for a 2:4
matrix W (M x K) and activations X (K x N), which lie as features (K x N) or as
tokens (N x K). "x dense" is the speed against the fastest dense library at
that shape in either layout; for builds for AVX2 (-v3), against OpenBLAS with
the kernels that it has for AVX2.
  --threads  thread counts to try (1)
  --rounds   rounds per shape (9)
  --config   builds of this library (gcc-native,clang-native,gcc-v3,clang-v3)
  --sweep    ugly shapes and a large one
  --csv      also write the rows to FILE
  MxNxK      shapes (1024x1024x1024 3072x512x768 768x512x3072)
Status: 0; 1 if a result is wrong; 2 for misuse.
"""
import csv
import os
import re
import statistics
import subprocess
import sys
import time

GOALS = ("1024x1024x1024", "3072x512x768")
SHAPES = GOALS + ("768x512x3072",)
# No depth, one token, one row, primes, one more than what fits, large.
SWEEP = ("1024x1024x4", "1024x1x1024", "1x1024x1024", "7x5x12",
         "997x1009x1004", "1025x1025x1028", "64x64x64", "256x256x256",
         "4096x4096x4096")
LARGE = 2**35  # from here on, only what is fast
PEERS = ("openblas", "blis", "onednn", "xsmm", "eigen")
CONFIGS = ("gcc-native", "clang-native", "gcc-v3", "clang-v3")

# Libraries pick kernels by the CPU's name, and the packaged ones do not know
# newer CPUs: what they would not pick themselves is tried.
CORES = {
    "openblas": ("OPENBLAS_CORETYPE",
                 ("Haswell", "Zen", "SkylakeX", "Cooperlake")),
    "blis": ("BLIS_ARCH_TYPE", ("0", "3", "6")),  # skx, haswell, zen3
}
AVX2 = {"OPENBLAS_CORETYPE": "Haswell"}

# A thread that has nothing to do spins for less than PAUSE, then sleeps, and
# takes nothing from the library that is next. GCC's threads do not yield as
# they spin: much longer than this, and on a busy machine they wait for a thread
# whose core they hold (256x256x256 on two threads: 60 times slower).
WAIT = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1",
        "OPENBLAS_THREAD_TIMEOUT": "20"}
PAUSE = 0.004
ROUND_MS = 30

COLUMNS = ("family,name,shape,place,data,threads,count,bytes,ns,ns_p10,ns_p90,"
           "against,ratio,ratio_p10,ratio_p90,compiler,flags,cpu").split(",")


class Dead(Exception):
    """A program ended, for example at an instruction that the CPU lacks."""


class Program:
    """A process that holds one library."""

    def __init__(self, path, threads, environment=()):
        setting = {**os.environ, **WAIT, **dict(environment)}
        for library in ("OMP", "OPENBLAS", "BLIS"):
            setting[library + "_NUM_THREADS"] = str(threads)
        setting.pop("OMP_WAIT_POLICY", None)
        self.process = subprocess.Popen(
            [path], text=True, bufsize=1, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=setting)
        _, self.name, self.version, self.kernel, compiler, flags = self.read()
        ours = "/peers/" not in path
        self.compiler = compiler if ours else "Debian"
        self.flags = flags if ours else self.kernel

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise Dead()
        return line.rstrip("\n").split("\t")

    def tell(self, line):
        try:
            self.process.stdin.write(line + "\n")
        except OSError:
            raise Dead() from None

    def contenders(self, shape, kinds):
        """What takes part at a shape, each checked."""
        self.tell("shape %s %s" % (shape.replace("x", " "), kinds))
        found = []
        while True:
            fields = self.read()
            if fields[0] == "end":
                return found
            found.append(Contender(self, *fields[1:]))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Contender:
    def __init__(self, program, index, kind, layout, error, name):
        self.program, self.kind, self.layout = program, kind, layout
        self.index, self.error, self.name = index, float(error), name
        self.seconds, self.packing = [], []

    def run(self, ms=ROUND_MS):
        time.sleep(PAUSE)
        self.program.tell("time %s %g" % (self.index, ms))
        _, seconds, packing = self.program.read()
        self.seconds.append(float(seconds))
        self.packing.append(float(packing))

    def median(self):
        return statistics.median(self.seconds)

    def is_right(self, depth):
        """Within the bound of its arithmetic, in units of 2^-24 sum |w x|."""
        most = {"double": 1.01, "bf16": depth + 2.0**17}
        return self.error <= most.get(self.kind, depth + 1)

    def is_dense_peer(self):
        return self.kind == "dense" and self.program.name != "sste"


def spread(values):
    """The median, the 10th and the 90th percentile."""
    v, low = sorted(values), len(values) // 10
    return v[len(v) // 2], v[low], v[len(v) - 1 - low]


def cpu_name():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        found = re.search(r"model name\s*:\s*(.*)", file.read())
    return found.group(1).replace(",", " ") if found else "unknown"


def best_core(peer, path, say):
    """The setting under which a library is fastest here, with one thread."""
    if peer not in CORES:
        return {}
    variable, names = CORES[peer]
    rates, kernels = {}, {}
    for name in ("",) + names:
        try:
            program = Program(path, 1, {variable: name} if name else {})
            first = program.contenders("768x768x768", "dense")[0]
            for _ in range(3):
                first.run()
            program.close()
        except Dead:
            continue
        rates[name] = 2e-9 * 768**3 / min(first.seconds)
        kernels[name] = program.kernel
    if not rates:
        return {}
    best = max(rates, key=rates.get)
    say("%s: %s GFLOP/s; %s" % (
        peer, ", ".join("%s %.0f" % (kernels[n] + ("" if n else " by itself"),
                                     rates[n]) for n in rates), kernels[best]))
    return {variable: best} if best else {}


def size_of(shape):
    m, n, k = map(int, shape.split("x"))
    return m, n, k, m * n * k


def race(programs, shape, rounds, say):
    """Rounds of all that multiplies this shape; what is slow sits most out."""
    kinds, field = "dense,2:4,sparse,bf16,double", []
    if size_of(shape)[3] >= LARGE:
        kinds, rounds = "dense,2:4", 3
    for program in programs:
        try:
            field += program.contenders(shape, kinds)
        except Dead:
            if program.name == "sste":
                raise  # a crash of ours is no reason to go on
            say("%s: ended at %s, left out" % (program.name, shape))
    running = field
    for turn in range(rounds):
        say("%s, round %d of %d" % (shape, turn + 1, rounds))
        if turn == 3:
            most = 4 * min(c.median() for c in field)
            running = [c for c in field if c.median() < most]
        for c in running:
            c.run()
    return field


def rows_of(field, shape, threads, against, cpu):
    """The rows of a race; `against` has the name of a yardstick, and it."""
    m, n, k, _ = size_of(shape)
    rows = []

    def add(c, name, seconds, count, moved, yardstick="", ratios=(1, 1, 1)):
        ns = [s * 1e9 / count for s in spread(seconds)]
        rows.append(dict(zip(COLUMNS, (
            "product", name, shape, c.layout, "normal", threads, count,
            "%.6f" % (moved / count), *("%.8f" % t for t in ns), yardstick,
            *("%.4f" % r for r in ratios), c.program.compiler,
            c.program.flags, cpu))))

    for c in field:
        weights = m * k * 4
        if c.kind == "2:4":  # half the values, and 4 bits for four
            size = {"float16": 2, "bfloat16": 2, "E4M3FN": 1}
            weights = m * k * size.get(c.name.split()[-1], 4) / 2 + m * k / 8
        for yardstick, other in against or [("", c)]:
            ratios = spread([a / b for a, b in zip(c.seconds, other.seconds)])
            add(c, c.name, c.seconds, m * n * k, weights + 4 * n * (m + k),
                yardstick, ratios)
        if c.kind == "2:4":
            add(c, c.name + " pack W", c.packing, m * k, weights + 4 * m * k)
    return rows


def yardsticks(field, dense_name):
    """What the others are measured by: (name, contender)."""
    dense = [c for c in field if c.is_dense_peer()]
    sparse = [c for c in field if c.program.name == "libxsmm"]
    return [(name, min(some, key=Contender.median))
            for name, some in ((dense_name, dense), ("libxsmm", sparse))
            if some]


def start(paths, threads, say):
    """Programs of (path, environment), as far as they start."""
    found = []
    for path, environment in paths:
        try:
            found.append(Program(path, threads, environment))
        except Dead:
            say("%s: does not start, left out" % path)
    return found


def run(configs, threads, quick, make, say, shapes=None, rounds=None):
    """Builds of this library beside the libraries: those for this CPU beside
    all of them, those for AVX2 beside OpenBLAS's kernels for AVX2. Returns the
    rows, and whether every result is right."""
    shapes = shapes or (GOALS if quick else SHAPES + SWEEP)
    rounds = rounds or (7 if quick else 9)
    ours = {c: "build/bench/%s/product_sste" % c for c in configs}
    ours = {c: path for c, path in ours.items() if make(path)}
    peers = {p: "build/bench/peers/product_" + p for p in PEERS}
    peers = {p: path for p, path in peers.items() if make(path)}
    native = [(path, {}) for c, path in ours.items() if not c.endswith("-v3")]
    avx2 = [(path, {}) for c, path in ours.items() if c.endswith("-v3")]
    if native:
        native += [(peers[p], best_core(p, peers[p], say)) for p in peers]
    if avx2 and "openblas" in peers:
        avx2.append((peers["openblas"], AVX2))
    cpu, rows, right = cpu_name(), [], len(ours) == len(configs)
    for paths, dense_name, some in (
            (native, "best dense", shapes),
            (avx2, "OpenBLAS Haswell", [s for s in shapes if s not in SWEEP])):
        for count in threads if paths else ():
            programs = start(paths, count, say)
            for shape in some:
                field = race(programs, shape, rounds,
                             lambda text: say("%d thread%s: %s" % (
                                 count, "s"[count == 1:], text)))
                wrong = [c for c in field if not c.is_right(size_of(shape)[2])]
                for c in wrong:
                    say("WRONG: %s, %s, %s: error %g" % (
                        c.name, c.layout, shape, c.error))
                right = right and not wrong
                rows += rows_of(field, shape, count,
                                yardsticks(field, dense_name), cpu)
            for program in programs:
                program.close()
    return rows, right


# ---- Alone -------------------------------------------------------------------


def show(rows):
    """A table for each race, and the shapes compared."""
    def of(r):
        return tuple(r[c] for c in ("name", "shape", "place", "threads",
                                    "compiler", "flags"))

    packing = {of(r): r["ns"] for r in rows if r["name"].endswith("pack W")}
    table = [r for r in rows if r["against"] != "libxsmm"
             and of(r) not in packing]
    title = None
    for r in table:
        if title != (r["shape"], r["threads"], r["against"]):
            title = (r["shape"], r["threads"], r["against"])
            print("\n%s, threads %s; x dense: the speed of %s"
                  % (*title[:2], title[2] or "none that is here"))
            print("%-24s %-8s %-32s %8s %20s %8s" % (
                "", "layout", "by", "GFLOP/s", "x dense, p10 to p90",
                "pack ns"))
        speed = [1 / float(r[c]) for c in ("ratio", "ratio_p90", "ratio_p10")]
        name, *rest = of(r)
        print("%-24s %-8s %-32s %8.1f %6.2f %6.2f %6.2f %8s" % (
            name, r["place"], r["compiler"] + " " + r["flags"],
            2 / float(r["ns"]), *speed,
            packing.get((name + " pack W", *rest), "")[:5]))
    show_efficiency([r for r in table if r["name"] == "sste 2:4"])


def show_efficiency(rows):
    """Each shape's rate beside the same build's best, and beside dense."""
    shapes = list(dict.fromkeys(r["shape"] for r in rows))
    if len(shapes) < 4:
        return
    lines = {}
    for r in rows:
        line = (r["place"], r["threads"], r["compiler"], r["flags"])
        lines.setdefault(line, {})[r["shape"]] = r
    for line, cells in lines.items():
        best = min(float(r["ns"]) for r in cells.values())
        print("\nsste 2:4, %s, threads %s, %s %s: %s\n%-18s %8s %10s %8s" % (
            *line, "efficiency over shapes", "", "GFLOP/s", "of best",
            "x dense"))
        for shape, r in cells.items():
            ns = float(r["ns"])
            print("%-18s %8.1f %9.0f%% %8.2f" % (
                shape, 2 / ns, 100 * best / ns, 1 / float(r["ratio"])))


def misuse(what):
    print("products.py: %s (see --help)" % what, file=sys.stderr)
    sys.exit(2)


def main(words):
    value = {"--threads": "1", "--rounds": "9", "--csv": "",
             "--config": ",".join(CONFIGS)}
    shapes, words = [], list(words)
    while words:
        word = words.pop(0)
        if word == "--help":
            print(__doc__.strip())
            return 0
        if word == "--sweep":
            shapes += SWEEP
        elif re.fullmatch(r"[1-9]\d*x[1-9]\d*x[1-9]\d*", word):
            if size_of(word)[2] % 4:
                misuse("K is no multiple of 4: %s" % word)
            shapes.append(word)
        elif word in value and words:
            value[word] = words.pop(0)
        else:
            misuse("not understood: %s" % word)
    numbers = value["--threads"] + "," + value["--rounds"]
    if not re.fullmatch(r"([1-9]\d{0,2},)+[1-9]\d{0,2}", numbers):
        misuse("not whole numbers: " + numbers)
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    rows, right = run(value["--config"].split(","),
                      [int(t) for t in value["--threads"].split(",")], False,
                      os.path.exists,
                      lambda text: print(text, file=sys.stderr),
                      shapes or SHAPES, int(value["--rounds"]))
    show(rows)
    if value["--csv"]:
        with open(value["--csv"], "w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
