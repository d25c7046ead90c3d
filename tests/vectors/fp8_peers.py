# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
"""Golden vectors for sste_fp8.h from the libraries of tests/peers.py.

    python3 tests/vectors/fp8_peers.py ml_dtypes > ml_dtypes.part
    python3 tests/vectors/fp8_peers.py torch > torch-2.12.part
    python3 tests/vectors/fp8_peers.py torch > torch-2.15.part
    python3 tests/vectors/fp8_peers.py onnx > onnx.part
    python3 tests/vectors/fp8_peers.py join *.part > tests/vectors/fp8_peers.txt

The first four run where the library is installed, in environments of their own
if need be; the last puts their answers side by side, in the order given.
"""

import math
import pathlib
import random
import struct
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import peers  # noqa: E402

# Exponent bits, mantissa bits, bias, the code of the largest finite number.
FORMATS = {"e4m3fn": (4, 3, 7, 0x7E), "e5m2": (5, 2, 15, 0x7B),
           "e4m3": (4, 3, 7, 0x77), "e3m4": (3, 4, 3, 0x6F),
           "e4m3fnuz": (4, 3, 8, 0x7F), "e5m2fnuz": (5, 2, 16, 0x7F),
           "e4m3b11fnuz": (4, 3, 11, 0x7F), "e8m0": (8, 0, 127, 0xFE)}
# Exponent bits and mantissa bits.
SOURCES = {"float32": (8, 23), "float64": (11, 52), "float16": (5, 10),
           "bfloat16": (8, 7)}

HEADER = """\
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# 8-bit floats as other libraries convert to them: at the midpoints between the
# numbers of each format and beside them, at its limits, and for infinities and
# NaNs. All numbers in hexadecimal. Made on a CPU by
#
{}
#
#   section SOURCE TARGET LIBRARY ...   what follows is from and to these
#   BITS CODE ...                       the source's bits, each library's code
#   end N                               N codes in all"""


def values(target):
    """Those of the codes from 0 to the one after the largest, as if the format
    went on there."""
    E, M, bias, largest = FORMATS[target]
    for code in range(largest + 2):
        e, m = divmod(code, 1 << M)
        if e == 0 and target != "e8m0":
            yield math.ldexp(m, 1 - bias - M)
        else:
            yield math.ldexp((1 << M) + m, e - bias - M)


def points(target):
    """All midpoints, and the values at both ends; of E8M0, whose numbers are
    alike, one in eight elsewhere than at the ends and around 1."""
    v = list(values(target))
    last = len(v) - 2
    for code in range(last + 1):
        end = code < 4 or code > last - 4
        near_1 = target == "e8m0" and abs(code - 127) < 4
        if end or near_1:
            yield v[code]
        if end or near_1 or target != "e8m0" or code % 8 == 0:
            yield (v[code] + v[code + 1]) / 2
    yield v[-1]


def bits_of(x, source):
    """The source's bits of x, or None where it does not hold x exactly."""
    if source == "bfloat16":
        single = bits_of(x, "float32")
        return None if single is None or single % 65536 else single // 65536
    letter = {"float32": "f", "float64": "d", "float16": "e"}[source]
    try:
        word = struct.pack(">" + letter, x)
    except OverflowError:
        return None
    exact = struct.unpack(">" + letter, word)[0] == x
    return int.from_bytes(word, "big") if exact else None


def specials(source):
    """Zero, the edges of the source, infinity, and NaNs quiet and signalling
    with little and much in their payloads; and where doubles stop being floats.
    """
    E, M = SOURCES[source]
    inf, quiet = ((1 << E) - 1) << M, 1 << (M - 1)
    yield from (0, 1, (1 << M) - 1, 1 << M, inf - 1, inf, inf + 1,
                inf + (quiet >> 1), inf + quiet - 1, inf + quiet,
                inf + quiet + (quiet >> 1), inf + 2 * quiet - 1)
    if source == "float64":
        for edge in (2.0**-150, 2.0**-149, 2.0**128 - 2.0**103, 2.0**128,
                     1.5 * 2.0**128, 2.0**129):
            bits = bits_of(edge, source)
            yield from (bits - 1, bits, bits + 1)


def inputs(source, target):
    """Bits, none twice: points with their neighbours, every sixth of them with
    a minus sign too; specials of both signs; a few random ones between."""
    minus = 1 << sum(SOURCES[source])
    bits = [bits_of(x, source) for x in points(target)]
    bits = [b for b in bits if b is not None]
    beside = [b + near for b in bits for near in (-1, 0, 1) if b + near >= 0]
    negative = [minus | b + near for b in bits[::6] for near in (-1, 0, 1)
                if b + near >= 0]
    edges = [sign | b for sign in (0, minus) for b in specials(source)]
    draw = random.Random(source + target)
    between = [draw.randint(bits[0], bits[-1]) | draw.choice((0, minus))
               for _ in range(16)]
    return list(dict.fromkeys(beside + negative + edges + between))


def part(library):
    """What one library makes of the inputs."""
    for peer in peers.LIBRARIES[library]():
        name = f"{peer.name}-{peer.version.split('+')[0]}"
        print(f"# python3 tests/vectors/fp8_peers.py {library}\n"
              f"#   {peer.name} {peer.version}, numpy {np.__version__}, "
              f"python {sys.version.split()[0]}")
        for source in SOURCES:
            for target in peer.formats:
                bits = np.array(inputs(source, target), peers.SOURCES[source])
                codes = peer.convert(target, source, bits)
                print(name, source, target, codes.tobytes().hex().upper())


def join(paths):
    lines = [line for path in paths
             for line in pathlib.Path(path).read_text().splitlines()]
    made_by = [line for line in lines if line[0] == "#"]
    made_by.append("# python3 tests/vectors/fp8_peers.py join *.part")
    answers = [line.split() for line in lines if line[0] != "#"]
    print(HEADER.format("\n".join(made_by)))
    total = 0
    for source in SOURCES:
        for target in FORMATS:
            columns = [(name, bytes.fromhex(codes))
                       for name, s, t, codes in answers
                       if (s, t) == (source, target)]
            print("section", source, target, *(name for name, _ in columns))
            bits = inputs(source, target)
            digits = (1 + sum(SOURCES[source])) // 4
            for row in zip(bits, *(codes for _, codes in columns), strict=True):
                codes = " ".join(f"{code:02X}" for code in row[1:])
                print(f"{row[0]:0{digits}X} {codes}")
            total += len(bits) * len(columns)
    print("end", total)


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1] in peers.LIBRARIES:
        part(sys.argv[1])
    elif len(sys.argv) > 2 and sys.argv[1] == "join":
        join(sys.argv[2:])
    else:
        sys.exit(__doc__)
