# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
"""Golden vectors for sste_mma.h from PyTorch's own conversion to and from the
compressed form of CUTLASS 2, as text on standard output.

    python3 tests/vectors/torch_semi_structured.py \\
        > tests/vectors/torch_semi_structured.txt
"""

import random
import sys

import torch
from torch.sparse import _semi_structured_conversions as conversions

HEADER = """\
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# Matrices that PyTorch compressed on a CPU, and decompressed again. Bytes in
# hexadecimal, in the order of little-endian memory.
#   python3 tests/vectors/torch_semi_structured.py \\
#       > tests/vectors/torch_semi_structured.txt
#   python {}, torch {}
#
#   matrix TYPE ROWS COLS       what follows is about this matrix
#   DENSE VALUES METADATA BACK  a row of it, of the values, of the metadata's
#                               memory, and of what it was decompressed to (=
#                               where that is DENSE)
#
#   order TYPE ROWS COLS        what follows is about a matrix of 0 and 1
#   MASKS METADATA              a row of it, one digit for a chunk: bit i is
#                               element i; a row of the metadata's memory
#   end N                       N rows in all"""

# PyTorch's type, bytes, elements of a chunk, and the code of 1.
TYPES = {"float16": (torch.float16, 2, 4, 0x3C00),
         "bfloat16": (torch.bfloat16, 2, 4, 0x3F80),
         "float32": (torch.float32, 4, 2, 0x3F800000),
         "int8": (torch.int8, 1, 4, 1)}

# Groups of rows and pairs of columns of metadata, each from one to several.
MATRICES = (("float16", 32, 32), ("bfloat16", 32, 32), ("float32", 32, 16),
            ("int8", 16, 64))
ORDERS = (("float16", 96, 64), ("float16", 64, 160), ("bfloat16", 64, 96),
          ("float32", 96, 32), ("float32", 64, 48), ("int8", 48, 128),
          ("int8", 32, 192), ("int8", 16, 256))

# Exponent and mantissa bits.
FLOATS = {"float16": (5, 10), "bfloat16": (8, 7), "float32": (8, 23)}


def infinity(kind):
    exponent, mantissa = FLOATS[kind]
    return ((1 << exponent) - 1) << mantissa


def specials(kind):
    """Codes that are not zero: the ends of subnormal, normal and integer
    numbers, infinity, NaNs."""
    if kind == "int8":
        return [0x01, 0x7F, 0x80, 0xFF]
    exponent, mantissa = FLOATS[kind]
    inf, quiet = infinity(kind), 1 << (mantissa - 1)
    codes = [1, (1 << mantissa) - 1, 1 << mantissa, inf - 1, inf, inf + 1,
             inf + quiet - 1, inf + quiet, inf + 2 * quiet - 1]
    minus = 1 << (exponent + mantissa)
    return codes + [minus | code for code in codes]


def is_moved(kind, code):
    """Whether PyTorch moves these bits as they are. On a CPU its gather and its
    scatter take 16 bits through float: a signalling NaN becomes quiet, even as
    half of a finite float32, which is decompressed as two of float16; and what
    a bfloat16 NaN becomes differs between processors."""
    if kind == "bfloat16":
        return code & 0x7FFF <= infinity(kind)
    halves = {"int8": (), "float16": (code,),
              "float32": (code & 0xFFFF, code >> 16)}[kind]
    return not any(0x7C00 < half & 0x7FFF < 0x7E00 for half in halves)


def masks(chunk):
    """Of a chunk: nothing, every element alone, every pair that can be kept."""
    return [m for m in range(1 << chunk) if bin(m).count("1") <= chunk // 2]


def nonzero(kind, draw):
    """A code that PyTorch moves: as often a special one as any finite one."""
    largest = 0x7F if kind == "int8" else infinity(kind) - 1
    while True:
        code = draw.choice((draw.choice(specials(kind)),
                            draw.randint(1, largest)))
        if is_moved(kind, code):
            return code


def matrix(kind, rows, cols):
    """Codes of a matrix with every mask in turn; in an empty place +0 or, in
    every other row of floats, -0."""
    _, size, chunk, _ = TYPES[kind]
    draw = random.Random(f"{kind} {rows} {cols}")
    codes = []
    for i in range(rows * cols // chunk):
        mask = masks(chunk)[i % len(masks(chunk))]
        signed = kind != "int8" and i * chunk // cols % 2 == 1
        codes += [nonzero(kind, draw) if mask >> element & 1
                  else signed * draw.randrange(2) << (8 * size - 1)
                  for element in range(chunk)]
    return codes


def tensor(kind, codes, rows, cols):
    dtype, size, _, _ = TYPES[kind]
    memory = bytearray(b"".join(c.to_bytes(size, "little") for c in codes))
    return torch.frombuffer(memory, dtype=dtype).reshape(rows, cols)


def lines(t):
    """Its rows as bytes in hexadecimal."""
    memory = bytes(t.contiguous().view(torch.uint8).flatten().tolist())
    width = len(memory) // t.shape[0]
    return [memory[at:at + width].hex().upper()
            for at in range(0, len(memory), width)]


def print_matrix(kind, rows, cols):
    dense = tensor(kind, matrix(kind, rows, cols), rows, cols)
    values, meta = conversions.sparse_semi_structured_from_dense_cutlass(dense)
    back = conversions.sparse_semi_structured_to_dense_cutlass(values, meta)
    print("matrix", kind, rows, cols)
    for row in zip(*map(lines, (dense, values, meta, back)), strict=True):
        print(*row[:3], "=" if row[3] == row[0] else row[3])


def print_order(kind, rows, cols):
    _, _, chunk, one = TYPES[kind]
    draw = random.Random(f"order of {kind} {rows} {cols}")
    chosen = [draw.choice(masks(chunk)) for _ in range(rows * cols // chunk)]
    codes = [one * (mask >> i & 1) for mask in chosen for i in range(chunk)]
    _, meta = conversions.sparse_semi_structured_from_dense_cutlass(
        tensor(kind, codes, rows, cols))
    digits = "".join(f"{mask:X}" for mask in chosen)
    print("order", kind, rows, cols)
    for r, line in enumerate(lines(meta)):
        print(digits[r * cols // chunk:(r + 1) * cols // chunk], line)


def main():
    print(HEADER.format(sys.version.split()[0], torch.__version__))
    for section in MATRICES:
        print_matrix(*section)
    for section in ORDERS:
        print_order(*section)
    print("end", sum(rows for _, rows, _ in MATRICES + ORDERS))


if __name__ == "__main__":
    main()
