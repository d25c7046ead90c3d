# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
"""Dot products that real tensor cores computed, as vectors for sste_mma.h.

    git clone https://github.com/north-numerical-computing/MATLAB-tensor-core
    git -C MATLAB-tensor-core checkout b12b5a7
    F=MATLAB-tensor-core/model_validation
    python3 tests/vectors/silicon.py --small $F     writes silicon.txt
    python3 tests/vectors/silicon.py $F > all.txt   every case, about 30 MB
    SSTE_SILICON=all.txt build/gcc/test_mma
"""

import math
import pathlib
import struct
import sys

SMALL = 14  # cases of each set that are kept in the repository

HEADER = """\
# SPDX-License-Identifier: BSD-2-Clause
# SPDX-FileCopyrightText: 2025 Faizan A. Khattak and Mantas Mikaitis
#
# d = a[0] b[0] + a[1] b[1] + ... + c, as the tensor cores of real GPUs have it.
#
# Recorded by Faizan A. Khattak and Mantas Mikaitis:
#   https://github.com/north-numerical-computing/MATLAB-tensor-core
#   commit b12b5a7, folder model_validation; see arXiv 2512.07004
# {} of the 5000 cases of each set, put into this form by
#   python3 tests/vectors/silicon.py {}MATLAB-tensor-core/model_validation
#
# GPU OPERANDS RESULT A B C D    the last four in hexadecimal; A and B are rows
#                                of codes, each as wide as its format
#
# C was rounded to the format of the result where that is f16, and is 0 where
# the instruction was a wgmma. The V100 is left out: it has no sparse products.
#
{}
"""

# The formats' names there and here.
OPERANDS = {"fp16": "f16", "bf16": "bf16", "tf32": "tf32", "E4M3": "e4m3",
            "E5M2": "e5m2"}
GPUS = ("A100", "A2", "Ada", "L40S", "H100", "H200", "B200")
WGMMA = {(gpu, fp8, "f32") for gpu in ("H100", "H200")
         for fp8 in ("e4m3", "e5m2")}


def licence(folder):
    """The licence of the recordings, as a comment."""
    path = next(folder.parent.glob("LICEN[CS]E*"))
    text = path.read_text(encoding="utf-8")
    return "\n".join(("# " + line.strip()).rstrip() for line in
                     text.strip().splitlines())


def fp8(exponent_bits, mantissa_bits, codes):
    """A float's bits to the code of the same value, for each finite code."""
    bias = 2**(exponent_bits - 1) - 1
    table = {}
    for code in range(codes):
        e, m = divmod(code, 2**mantissa_bits)
        digits = m if e == 0 else m + 2**mantissa_bits
        x = math.ldexp(digits, max(e, 1) - bias - mantissa_bits)
        for sign, copy in ((0, x), (0x80, -x)):
            table[struct.pack(">f", copy).hex()] = f"{code | sign:02X}"
    return table


FP8 = {"e4m3": fp8(4, 3, 0x7F), "e5m2": fp8(5, 2, 0x7C)}


def f16(bits):
    """The half nearest to a float given by 8 hexadecimal digits."""
    x, = struct.unpack(">f", bytes.fromhex(bits))
    return struct.pack(">e", x).hex().upper()


def exact_f16(bits):
    half = f16(bits)
    x, = struct.unpack(">e", bytes.fromhex(half))
    assert struct.pack(">f", x).hex() == bits, bits
    return half


def operand(form, bits):
    """The code of a float that is a number of the format."""
    if form in FP8:
        return FP8[form][bits]
    if form == "f16":
        return exact_f16(bits)
    zeros = {"bf16": 4, "tf32": 3}[form]
    assert bits.endswith("0" * zeros), bits
    return (bits[:4] if form == "bf16" else bits).upper()


def floats(path):
    """One float a line, 32 binary digits, as 8 hexadecimal ones."""
    return [f"{int(line, 2):08x}" for line in path.read_text().split()]


def rows(path, form):
    return ["".join(operand(form, bits.lower()) for bits in line.split())
            for line in path.read_text().splitlines()]


def cases(folder, gpu, theirs, result):
    """The lines of one set."""
    form, at = OPERANDS[theirs], folder / gpu / theirs
    theirs_d = {"f16": "fp16", "f32": "fp32"}[result]
    a = rows(at / f"a_{gpu}_{theirs}.txt", form)
    b = rows(at / f"b_{gpu}_{theirs}.txt", form)
    c = floats(at / f"c_{gpu}_fp32.txt")
    d = floats(at / f"d_{gpu}_{theirs_d}.txt")
    assert len(a) == len(b) == len(c) == len(d) == 5000
    if (gpu, form, result) in WGMMA:
        c = ["00000000"] * len(c)
    to_c, to_d = (f16, exact_f16) if result == "f16" else (str.upper,) * 2
    return [" ".join((gpu, form, result, *case)) for case in
            zip(a, b, map(to_c, c), map(to_d, d))]


def sets(folder):
    for gpu in GPUS:
        for theirs in OPERANDS:
            for result, theirs_d in (("f32", "fp32"), ("f16", "fp16")):
                if (folder / gpu / theirs / f"d_{gpu}_{theirs_d}.txt").exists():
                    yield cases(folder, gpu, theirs, result)


def write(out, folder, small):
    kept = SMALL if small else None
    option = "--small " if small else ""
    count = 0
    out.write(HEADER.format(SMALL if small else "All", option, licence(folder)))
    for lines in sets(folder):
        out.writelines(line + "\n" for line in lines[:kept])
        count += len(lines[:kept])
    out.write(f"end {count}\n")


def main():
    small = sys.argv[1:2] == ["--small"]
    if len(sys.argv) != 2 + small:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[-1])
    if small:
        target = pathlib.Path(__file__).resolve().with_name("silicon.txt")
        with target.open("w", encoding="utf-8", newline="\n") as out:
            write(out, folder, small)
    else:
        write(sys.stdout, folder, small)


if __name__ == "__main__":
    main()
