#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# bench.py - builds the timing programs with each compiler and each set of
# flags, runs them, and prints what they found side by side. Timing decides
# nothing about the exit status.
"""usage: bench.py [--quick] [--sweep] [--only bulk|mvue|fp8|product]

Run it in the folder of the Makefile, or by `make bench`, on an idle machine.
A whole run takes about 5 minutes. Times are medians, per float; the copy that
they are compared with is y[i] = x[i] * c over the same floats, by the same
compiler. Hard data: ties, of few values; zeros, half of them; nan, one in a
hundred groups.
  --quick  -O3 -march=native only, few rounds: about 3 minutes
  --sweep  instead of the three usual sizes, from L1 to 4 GiB, to see whether
           bytes per nanosecond stay the same within each level of memory; and
           products of ugly and large shapes
  --only   one family: functions over a matrix, MVUE, FP8, products
Writes, over those of the last run, build/bench/bench.csv; with gnuplot roofline.svg and fp8.svg; and each
program's own table to build/bench/<compiler>-<flags>/.
Status: 0, or 1 if a result is wrong or a program of ours not there, 2 for
misuse.
"""
import csv
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # of products.py, which is imported later

OUT = "build/bench"
LEVELS = {"o2": "-O2", "v3": "-O3 -march=x86-64-v3",
          "native": "-O3 -march=native"}  # as the Makefile has them
FAMILIES = {"bulk": ("limit", "bulk", "mvue"), "mvue": ("mvue",),
            "fp8": ("fp8",), "product": ("product",)}
# Sizes that lie in one level of memory, of x and of y each.
SWEEP = (("L1", ("l1",)), ("L2", ("64k", "l2", "256k")),
         ("L3", ("2m", "l3", "8m")), ("DRAM", ("512m", "1g", "2g", "4g")))

HARD = ("ties", "zeros", "nan")

# ---- Goals -------------------------------------------------------------------

# What is wanted of -O3 -march=native on server cores with AVX-512: a floor, and
# an aim. The floors were set where a copy from memory took three times as long
# as on the fastest cores now, so that what computes may miss them there.
COPY_GOALS = (  # at most so many times the copy
    ("project", "dram", 1.10, 1.00),
    ("project", "l2", 1.5, 1.15),
    ("project in place", "dram", 0.90, 0.60),
    ("mask", "dram", 1.1, 1.0),
    ("mask", "l2", 1.6, 1.3),
    ("project encode", "dram", 1.2, 0.8),
    ("project compress", "dram", 1.1, 0.8),
    ("MVUE along rows", "dram", 1.5, 1.15),
    ("MVUE down columns", "dram", 1.5, 1.15),
    ("beta", "dram", 1.1, 0.7),
)
PRODUCT_GOALS = (  # so many times faster: layout, rival, flags, cores, ...
    ("features", "best dense", "native", "one", 1.15, 1.4),
    ("features", "best dense", "native", "all", 1.1, 1.35),
    ("features", "OpenBLAS Haswell", "v3", "one", 1.4, 1.6),
    ("tokens", "best dense", "native", "one", None, 1.25),
    ("features", "libxsmm", "native", "one", 1.15, 1.5),
)


def goals(cores):
    """(label, flags, what to look for in a row, column, floor, aim)."""
    counts = sorted({1, cores})
    for name, place, floor, aim in COPY_GOALS:
        for n in counts if place == "dram" else (1,):
            yield ("%s, %s, %s / copy" % (name, place.upper(), threads(n)),
                   "native", dict(name=name, place=place, threads=n), "ratio",
                   floor, aim)
    fast = dict(name="transposable mask", place="l2", threads=1)
    yield ("transposable mask, L2, ns per element", "native", fast, "ns", 0.3,
           0.15)
    yield ("transposable mask, L2: x naive search", "native",
           dict(fast, against="naive search"), "faster", 100, 150)
    yield ("project, DRAM, 1 thread, plain -O2 / copy", "o2",
           dict(name="project", place="dram", threads=1), "ratio", 1.6, 1.3)
    for place, rival, flags, count, floor, aim in PRODUCT_GOALS:
        if count == "all" and cores == 1:
            continue
        for shape in ("1024x1024x1024", "3072x512x768"):
            n = cores if count == "all" else 1
            yield ("2:4 %s %s, %s: x %s" % (
                shape, place, threads(n), rival), flags,
                dict(name="sste 2:4", place=place, shape=shape, threads=n,
                     against=rival), "faster", floor, aim)


def verdict(value, floor, aim):
    """Of a figure; less is better where the aim is below the floor."""
    def reached(bound):
        return value <= bound if aim < (floor or 0) else value >= bound
    if reached(aim):
        return "aim"
    return "ok" if floor and reached(floor) else "missed"


def print_goals(rows, cores):
    judged = "avx512f" in cpu_flags()
    lines, unknown = [], 0
    for label, flags, want, column, floor, aim in goals(cores):
        cells = []
        for compiler in ("gcc", "clang"):
            row = find(rows, config=compiler + "-" + flags,
                       **{"against": "copy", "data": "normal", **want})
            if row is None:
                cells.append("-")
                continue
            value = 1 / row["ratio"] if column == "faster" else row[column]
            cells.append("%s %-6s" % (
                figure(value), verdict(value, floor, aim) if judged else ""))
        if cells == ["-", "-"]:
            unknown += 1
        else:
            lines.append((label, floor or "-", aim, *cells))
    if not lines:
        return
    print("\nGoals, for -O3 -march=native where a line names no other flags "
          "(Haswell: -march=x86-64-v3)\n\"/ copy\": at most so many times the "
          "copy; \"x\": at least so many times as fast as\naim: reached; ok: "
          "the floor is; missed: neither, which is not an error%s" % (
              "" if judged else "\nNot judged, as this CPU lacks AVX-512"))
    for line in [("", "floor", "aim", "gcc", "clang")] + lines:
        print("%-60s %6s %6s %14s %14s" % line)
    if unknown:
        print("%d goals were not measured in this run" % unknown)


# ---- Running -----------------------------------------------------------------

START = time.monotonic()


def say(text):
    """A line of progress."""
    print("[%4.0f s] %s" % (time.monotonic() - START, text), file=sys.stderr,
          flush=True)


def threads(n):
    return "%d thread%s" % (n, "s"[n == 1:])


def cpu_flags():
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            found = re.search(r"^flags\s*:(.*)", file.read(), re.M)
    except OSError:
        found = None
    return found.group(1).split() if found else []


def find_configs(quick):
    """Folders of the builds that can be made and run here."""
    levels = ["native"] if quick else list(LEVELS)
    if "avx2" not in cpu_flags() and "v3" in levels:
        levels.remove("v3")
        say("skipped: -march=x86-64-v3, which this CPU does not run")
    compilers = [c for c in ("gcc", "clang") if shutil.which(c)]
    for missing in {"gcc", "clang"} - set(compilers):
        say("skipped: no %s; on Debian: apt-get install -y %s"
            % (missing, "gcc libc6-dev" if missing == "gcc" else
               "clang libomp-dev"))
    return [c + "-" + level for c in compilers for level in levels]


def make(target):
    """Whether a target could be built; if not, says why."""
    done = subprocess.run(["make", "--no-print-directory", target], text=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          check=False)
    if done.returncode:
        say("not built: %s: %s" % (target, done.stderr.strip().split("\n")[0]))
    return done.returncode == 0


def config_of(row):
    for level, flags in LEVELS.items():
        if row["flags"] == flags:
            return row["compiler"].split()[0] + "-" + level
    return row["compiler"]


def numbers(row):
    """A row of CSV with its figures as numbers, and its build's folder."""
    for column in ("count bytes ns ns_p10 ns_p90 ratio ratio_p10 "
                   "ratio_p90").split():
        row[column] = float(row[column])
    row["threads"] = int(row["threads"])
    row["config"] = config_of(row)
    return row


def run_program(config, name, count, options):
    """The rows of a program, and whether its results are right."""
    folder = os.path.join(OUT, config)
    path, base = os.path.join(folder, name), "%s-%d" % (name, count)
    table, rows = (os.path.join(folder, base + end) for end in (".txt", ".csv"))
    if not make(path):
        return [], False
    say("%s: %s, %s" % (name, config, threads(count)))
    with open(table, "w", encoding="ascii") as out:
        done = subprocess.run(
            [path, "--threads", str(count), "--csv", rows, *options],
            stdout=out, check=False,
            # Waking a sleeping thread takes longer than a loop over the L2.
            env={**os.environ, "OMP_WAIT_POLICY": "active"})
    if done.returncode:
        say("FAILED: %s of %s, status %d" % (name, config, done.returncode))
        return [], False
    with open(rows, encoding="ascii") as file:
        return [numbers(r) for r in csv.DictReader(file)], True


# ---- Tables ------------------------------------------------------------------


def find(rows, **want):
    return next((r for r in rows
                 if all(r[k] == v for k, v in want.items())), None)


def distinct(values):
    return list(dict.fromkeys(values))


def figure(x):
    """Three digits, without an exponent."""
    return "-" if x is None else "%.*f" % (
        3 if x < 0.1 else 2 if x < 100 else 0, x)


def table(title, names, columns, cell):
    """cell(name, column): a figure or None."""
    width = max(map(len, names)) + 1
    print("\n%s\n%s" % (title, " " * width) +
          "".join("%13s" % c for c in columns))
    for name in names:
        print("%-*s" % (width, name) +
              "".join("%13s" % figure(cell(name, c)) for c in columns))


def print_ratios(rows, configs):
    """For each place and number of threads, the builds side by side."""
    for place, count in distinct((r["place"], r["threads"]) for r in rows):
        some = [r for r in rows if r["data"] not in HARD and
                (r["place"], r["threads"]) == (place, count)]
        first = some[0]["against"]

        absolute = first + ", ns per float"

        def cell(name, config):
            row = find(some, name=first if name == absolute else name,
                       config=config)
            return row and row["ns" if name == absolute else "ratio"]

        table("%s, %s: time / %s" % (place.upper(), threads(count), first),
              [absolute] + distinct(r["name"] for r in some), configs, cell)


def print_hard(rows, configs):
    """Time for hard data as a ratio to that for normal data."""
    some = [r for r in rows if r["place"] == "l2" and r["threads"] == 1]
    names = distinct(r["name"] for r in some if r["family"] != "limit")
    for config in configs:
        def cell(name, data):
            hard, normal = (find(some, name=name, data=d, config=config)
                            for d in (data, "normal"))
            return hard and normal and hard["ns"] / normal["ns"]
        if find(some, data="ties"):
            table("hard data, L2, 1 thread, %s: time / time of normal data"
                  % config, names, HARD, cell)


def print_sweep(rows):
    """Bytes per ns at all sizes, and how far from the median of a level."""
    for config, count in distinct((r["config"], r["threads"]) for r in rows):
        some = [r for r in rows if (r["config"], r["threads"], r["data"]) ==
                (config, count, "normal")]
        sizes = [s for _, level in SWEEP for s in level
                 if find(some, place=s)]

        def cell(name, size):
            row = find(some, name=name, place=size)
            return row and row["bytes"] / row["ns"]

        table("bytes per ns, %s, %s" % (config, threads(count)),
              distinct(r["name"] for r in some), sizes, cell)
        for level, places in SWEEP:
            worst = (0.0, "")
            for name in distinct(r["name"] for r in some):
                rates = [c for c in (cell(name, s) for s in places) if c]
                for rate in rates:
                    off = abs(rate / statistics.median(rates) - 1)
                    worst = max(worst, (off, name))
            print("  %-5s %s: largest deviation from the median %.0f %%, %s"
                  % (level, " ".join(places), 100 * worst[0], worst[1]))


# ---- Roofline ----------------------------------------------------------------


def draw_roofline(rows, configs):
    """Elements (products: dense multiply-adds) per byte moved and per ns, under
    the copy's bytes per ns and the best dense product."""
    config = next((c for c in ("gcc-native", *configs) if c in configs), None)
    some = [r for r in rows if r["threads"] == 1 and r["data"] not in HARD and
            (r["config"] == config or r["compiler"] == "Debian") and
            r["against"] in ("copy", "best dense")]
    copies = {p: find(some, name="copy", place=p) for p in ("l2", "dram")}
    dense = [1 / r["ns"] for r in some
             if r["against"] == "best dense" and r["ratio"] == 1.0]
    if not shutil.which("gnuplot"):
        say("no plot; on Debian: apt-get install -y gnuplot-nox")
        return
    if not all(copies.values()):
        return
    plots, data, reach, most = [], [], [], max(dense, default=1e9)
    for n, (place, row) in enumerate(copies.items()):
        plots.append('x * %g < %g ? x * %g : %g title "copy in %s, %.0f GB/s"'
                     ' with lines lw 2 lc rgb "%s"' % (
                         8 / row["ns"], most, 8 / row["ns"], most,
                         place.upper(), 8 / row["ns"], ("black", "gray50")[n]))
    if dense:
        plots.append('%g title "best dense, %.0f GFLOP/s" with lines lw 2'
                     ' dt 2 lc rgb "black"' % (most, 2 * most))
    for name in distinct(r["name"] for r in some if r["family"] in
                         ("bulk", "mvue") or r["name"].startswith("sste ")):
        points = [(1 / r["bytes"], 1 / r["ns"]) for r in some
                  if r["name"] == name and (
                      r["family"] == "product" or r["place"] in copies)]
        reach += [x for x, _ in points]
        data.append("".join("%g %g\n" % point for point in points) + "e\n")
        plots.append('"-" title "%s" with points pt %d ps 0.9 lc %d' % (
            name, 4 + len(data) % 10, len(data)))
    script = """set terminal svg noenhanced size 1200,700 font "sans,12" \\
      background rgb "white"
    set output "%s/roofline.svg"
    set logscale xy
    set xrange [%g:%g]
    set key outside right
    set grid
    set title "%s, %s, 1 thread: functions from L2 and from DRAM, products"
    set xlabel "elements, or dense multiply-adds, per byte moved"
    set ylabel "the same per nanosecond"
    plot %s
    """ % (OUT, min(reach) / 1.5, max(reach) * 1.5, some[0]["cpu"], config, ", \\\n".join(plots))
    subprocess.run(["gnuplot"], input=script + "".join(data), text=True,
                   check=True)
    say("plot: %s/roofline.svg" % OUT)


def draw_fp8(config):
    source = "%s/%s/bench_fp8-1.csv" % (OUT, config)
    if shutil.which("gnuplot") and os.path.exists(source):
        subprocess.run(["gnuplot", "-e", "csv='%s'; out='%s/fp8.svg'"
                        % (source, OUT), "bench/plot_fp8.gp"], check=True)
        say("plot: %s/fp8.svg" % OUT)


# ---- The program -------------------------------------------------------------


def write_csv(rows):
    columns = [c for c in rows[0] if c != "config"]
    with open(OUT + "/bench.csv", "w", newline="", encoding="ascii") as file:
        out = csv.DictWriter(file, columns, extrasaction="ignore")
        out.writeheader()
        out.writerows(rows)
    say("%d rows: %s/bench.csv" % (len(rows), OUT))


def sweep_sizes():
    """Sizes that fit: besides x and y there are others, as much again."""
    left = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    large = {"512m": 2**29, "1g": 2**30, "2g": 2**31, "4g": 2**32}
    names = [s for _, level in SWEEP for s in level
             if 4.5 * large.get(s, 0) < left]
    for name in large.keys() - set(names):
        say("skipped: %s, for lack of memory" % name)
    return ",".join(names)


def run_fp8(configs, quick):
    rows, right = [], True
    for config in configs:
        more, good = run_program(config, "bench_fp8", 1,
                                 ["--rounds", "3" if quick else "5"])
        rows, right = rows + more, right and good
    print_ratios(rows, configs)
    native = next((c for c in configs if c.endswith("native")), None)
    library = "%s/%s/bench_fp8.so" % (OUT, native)
    if native and make(library):
        draw_fp8(native)
        say("ml_dtypes, if there is one")
        sys.stdout.flush()
        right &= subprocess.run([sys.executable, "bench/bench_fp8.py", library,
                                 "5"], check=False).returncode == 0
    return rows, right


def run_products(configs, counts, quick):
    try:
        import products
    except ImportError:
        say("skipped: no bench/products.py")
        return [], True
    rows, right = products.run(configs, counts, quick, make, say)
    products.show(rows)
    return [numbers(r) for r in rows], right


def measure(only, quick, sweep, cores):
    configs = find_configs(quick or sweep)
    counts, rows, right = sorted({1, cores}), [], bool(configs)
    bulk = ["--sizes", sweep_sizes() if sweep else "l2,l3,dram", "--rounds",
            "5" if quick or sweep else "7"]
    if only == "mvue":
        bulk += ["--only", "mvue"]
    if only in (None, "bulk", "mvue"):
        for config in configs:
            for count in counts:
                more, good = run_program(config, "bench_bulk", count, bulk)
                rows, right = rows + more, right and good
    for row in [r for r in rows if r["name"] == "transposable mask"]:
        naive = find(rows, **{k: row[k] for k in ("place", "data", "threads",
                                                  "config")},
                     name="transposable naive")
        if naive:
            ratio = row["ns"] / naive["ns"]
            rows.append(dict(row, against="naive search", ratio=ratio,
                             ratio_p10=ratio, ratio_p90=ratio))
    matrix = [r for r in rows if r["against"] == "copy"]
    if sweep:
        print_sweep(matrix)
    else:
        print_ratios(matrix, configs)
        print_hard(matrix, [c for c in configs if c.endswith("native")])
    if only == "fp8" or not (only or sweep):
        more, good = run_fp8(configs, quick)
        rows, right = rows + more, right and good
    if only in (None, "product"):
        more, good = run_products(
            [c for c in configs if not c.endswith("o2")], counts, not sweep)
        rows, right = rows + more, right and good
    return configs, rows, right


def main(words):
    options = {"--quick": False, "--sweep": False, "--only": None}
    while words:
        word = words.pop(0)
        if word in ("--help", "-h"):
            print(__doc__.strip())
            return 0
        if word == "--only" and words and words[0] in FAMILIES:
            options[word] = words.pop(0)
        elif word in ("--quick", "--sweep"):
            options[word] = True
        else:
            print("bench.py: misuse: %s (see --help)" % word, file=sys.stderr)
            return 2
    cores = len(os.sched_getaffinity(0))
    configs, rows, right = measure(options["--only"], options["--quick"],
                                   options["--sweep"], cores)
    if rows:
        write_csv(rows)
        draw_roofline(rows, configs)
    if rows and not options["--sweep"]:
        print_goals(rows, cores)
    if not right:
        print("bench.py: a result is wrong or missing, see above", file=sys.stderr)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
