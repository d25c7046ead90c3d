# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
"""Golden vectors for sste_fp8.h from ml_dtypes, as text on standard output.

    python3 tests/vectors/fp8_ml_dtypes.py > tests/vectors/fp8_ml_dtypes.txt
"""

import sys

import ml_dtypes
import numpy as np

FORMATS = ("e4m3fn", "e5m2", "e3m4")

HEADER = """\
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# 8-bit floats as ml_dtypes converts them; all numbers in hexadecimal.
#   python3 tests/vectors/fp8_ml_dtypes.py > tests/vectors/fp8_ml_dtypes.txt
#   python {}, numpy {}, ml_dtypes {}
#
#   format NAME      what follows is about this format
#   d CODE FLOAT     the code's value, as the bits of a float
#   e FLOAT CODE     the code of a float, given by its bits
#   end N            N lines d and e in all
#
# The codes are raw: ml_dtypes answers infinity or NaN beyond the largest finite
# value and keeps the sign of a NaN. sste saturates and has one NaN, 7F."""

# Both zeros, floats below every normal one, infinities, NaNs of all kinds.
SPECIAL = (0x00000000, 0x00000001, 0x00400000, 0x007FFFFF, 0x00800000,
           0x33800000, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FBFFFFF,
           0x7FC00000, 0x7FFFFFFF)


def beside(x):
    """x and its two neighbours among the floats, as bits."""
    x = np.asarray(x, np.float32)
    inf = np.float32(np.inf)
    all3 = np.stack([np.nextafter(x, -inf), x, np.nextafter(x, inf)], -1)
    return all3.ravel().view(np.uint32).tolist()


def inputs(values):
    """The bits of every float at which a code could go wrong."""
    v = np.unique(values[np.isfinite(values)].astype(np.float64))
    middle = (v[:-1] + v[1:]) / 2
    limit = v[-1] + (v[-1] - v[-2]) / 2  # half a step beyond the largest
    for x in (middle, v[-1], v[0], limit, -limit):
        assert (np.float64(np.float32(x)) == x).all()
        yield from beside(x)
    for sign in (0, 0x80000000):
        yield from (sign | bits for bits in SPECIAL)


def main():
    versions = (sys.version.split()[0], np.__version__, ml_dtypes.__version__)
    print(HEADER.format(*versions))
    lines = 0
    for name in FORMATS:
        fp8 = np.dtype(getattr(ml_dtypes, "float8_" + name))
        values = np.arange(256, dtype=np.uint8).view(fp8).astype(np.float32)
        bits = np.array(list(dict.fromkeys(inputs(values))), np.uint32)
        with np.errstate(invalid="ignore"):  # signalling NaNs
            codes = bits.view(np.float32).astype(fp8).view(np.uint8)
        print("format", name)
        for code, value in enumerate(values.view(np.uint32)):
            print(f"d {code:02X} {value:08X}")
        for x, code in zip(bits, codes):
            print(f"e {x:08X} {code:02X}")
        lines += len(values) + len(bits)
    print("end", lines)


if __name__ == "__main__":
    main()
