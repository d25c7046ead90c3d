#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# bench_fp8.py - ml_dtypes under NumPy beside sste_fp8.h, in one process and one
# table. It calls bench_fp8.c's contenders, compiled to a shared object.
"""usage: bench_fp8.py bench_fp8.so [ROUNDS]

Times FP8 encoding and decoding by ml_dtypes against the C functions, one
thread, median of ROUNDS (15) interleaved rounds. Needs NumPy and ml_dtypes.
Status: 0, also if one of them is missing; 1 if results differ; 2 for misuse.
"""
import ctypes
import os
import sys
import time

COLS = 4096
SIZES = (("l2", 32), ("l3", 1024), ("dram", 16384))
C_NAMES = (
    "memcpy of 5 bytes per value",
    "tensor_encode E4M3FN ml_dtypes",
    "tensor_encode E5M2",
    "tensor_encode E3M4",
    "tensor_decode E4M3FN divide",
    "tensor_decode E5M2 divide",
    "tensor_decode E3M4 divide",
)
DTYPES = (
    ("E4M3FN", "float8_e4m3fn"),
    ("E5M2", "float8_e5m2"),
    ("E3M4", "float8_e3m4"),
)


def load(path):
    """The contenders of the shared object, by name."""
    os.environ["OMP_NUM_THREADS"] = "1"  # as NumPy's conversion has one
    lib = ctypes.CDLL(path)
    lib.bench_name.restype = ctypes.c_char_p
    lib.bench_run.restype = ctypes.c_size_t
    lib.bench_run.argtypes = [
        ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_size_t, ctypes.c_size_t, ctypes.c_float, ctypes.c_int,
    ]
    names = [lib.bench_name(i).decode() for i in range(lib.bench_count())]
    return lib, {name: i for i, name in enumerate(names)}


class Arrays:
    """x, y and codes; x and y have room for 5 bytes per value."""

    def __init__(self, np, rows, x=None):
        n = rows * COLS
        self.rows, self.n = rows, n
        self.x = np.zeros(n * 5 // 4, np.float32)
        self.y = np.zeros(n * 5 // 4, np.float32)
        self.code = np.zeros(n, np.uint8)
        if x is None:
            block = np.random.default_rng(1).standard_normal(65536, np.float32)
            x = np.resize(block, n)
        self.x[:n] = x

    def addresses(self):
        return self.x.ctypes.data, self.y.ctypes.data, self.code.ctypes.data


def decisions(np):
    """Each upper half of a float with six lower halves."""
    low = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    high = np.arange(65536, dtype=np.uint32) << 16
    return (high[:, None] | low).ravel().view(np.float32)


def contenders(np, ml_dtypes, lib, index, a):
    """(name, function) in the order of a round."""

    def c_call(name):
        x, y, code = a.addresses()
        i, rows = index[name], a.rows
        return lambda: lib.bench_run(i, x, y, code, rows, COLS, 1.0, 0)

    x, y = a.x[:a.n], a.y[:a.n]
    found = [(name, c_call(name)) for name in C_NAMES]
    for name, dtype in DTYPES:
        code = a.code.view(getattr(ml_dtypes, dtype))
        found.append(("ml_dtypes encode " + name,
                      lambda code=code: np.copyto(code, x, casting="unsafe")))
    for name, dtype in DTYPES:
        code = a.code.view(getattr(ml_dtypes, dtype))
        found.append(("ml_dtypes decode " + name,
                      lambda code=code: np.copyto(y, code, casting="unsafe")))
    return found


def check(np, ml_dtypes, lib, index):
    """ml_dtypes' rule gives ml_dtypes' codes; and decoding agrees."""
    a = Arrays(np, 96, decisions(np))
    x, y, code = a.addresses()
    name = "tensor_encode E4M3FN ml_dtypes"
    lib.bench_run(index[name], x, y, code, a.rows, COLS, 1.0, 0)
    with np.errstate(all="ignore"):
        theirs = a.x[:a.n].astype(ml_dtypes.float8_e4m3fn).view(np.uint8)
    wrong = int((a.code != theirs).sum())
    for name, dtype in DTYPES:
        a.code[:] = np.resize(np.arange(256, dtype=np.uint8), a.n)
        i = index["tensor_decode %s divide" % name]
        lib.bench_run(i, x, y, code, a.rows, COLS, 1.0, 0)
        values = a.code.view(getattr(ml_dtypes, dtype)).astype(np.float32)
        ours = a.y[:a.n]
        both_nan = np.isnan(ours) & np.isnan(values)
        same = ours.view(np.uint32) == values.view(np.uint32)
        wrong += int((~same & ~both_nan).sum())
    if wrong:
        print("bench_fp8.py: %d results differ" % wrong, file=sys.stderr)
    return wrong == 0


def race(field, n, rounds):
    """ns per value of each round, sorted, by contender."""
    times = {name: [] for name, _ in field}
    repeats = {}
    for name, run in field:
        run()
        start = time.perf_counter()
        run()
        once = time.perf_counter() - start
        repeats[name] = max(1, int(0.002 / max(once, 1e-9)))
    for _ in range(rounds):
        for name, run in field:
            start = time.perf_counter()
            for _ in range(repeats[name]):
                run()
            spent = time.perf_counter() - start
            times[name].append(spent / repeats[name] * 1e9 / n)
    return {name: sorted(t) for name, t in times.items()}


def report(size, n, times, rounds):
    low, middle = rounds // 10, rounds // 2
    base = times[C_NAMES[0]][middle]
    print("\n%s: %.1f MiB of floats and %.1f MiB of codes"
          % (size, n / 2**18, n / 2**20))
    print("%-32s %9s %19s %9s" % ("", "ns/value", "p10 to p90", "/ 5 bytes"))
    for name, t in times.items():
        print("%-32s %9.4f %9.4f %9.4f %9.2f"
              % (name, t[middle], t[low], t[rounds - 1 - low],
                 t[middle] / base))


def main(words):
    if words == ["--help"]:
        print(__doc__.strip())
        return 0
    if len(words) not in (1, 2) or not words[-1:] or (
            len(words) == 2 and not (words[1].isdigit() and int(words[1]) > 0)):
        print("bench_fp8.py: misuse\n" + __doc__.strip(), file=sys.stderr)
        return 2
    try:
        import ml_dtypes
        import numpy as np
    except ImportError as error:
        print("ml_dtypes: skipped, %s (pip install numpy ml_dtypes)" % error)
        return 0
    rounds = int(words[1]) if len(words) == 2 else 15
    lib, index = load(words[0])
    if not check(np, ml_dtypes, lib, index):
        return 1
    print("ml_dtypes %s, NumPy %s, one thread, median of %d rounds"
          % (ml_dtypes.__version__, np.__version__, rounds))
    for size, rows in SIZES:
        a = Arrays(np, rows)
        field = contenders(np, ml_dtypes, lib, index, a)
        report(size, a.n, race(field, a.n, rounds), rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
