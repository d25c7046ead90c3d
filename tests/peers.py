#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
"""sste_fp8.h against the Python libraries that convert to 8-bit floats.

    python3 tests/peers.py [--quick] [--only ml_dtypes]

Compares the codes of every float, float16 and bfloat16 and of many doubles, in
every format a library has, with those of the rule that sste_fp8_rule_like names
for the library and its version. What is not installed is skipped.

Needs numpy and a C compiler ($CC, or cc). Exit status: 0 all codes are the
same, 1 some differ, 2 nothing could be compared.
"""

import argparse
import collections
import concurrent.futures
import ctypes
import os
import pathlib
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
except ImportError:
    print("skipped: numpy is not installed; nothing was compared")
    sys.exit(2)

FORMATS = ("e4m3fn", "e5m2", "e4m3", "e3m4", "e4m3fnuz", "e5m2fnuz",
           "e4m3b11fnuz", "e8m0")
SOURCES = {"float32": np.uint32, "float64": np.uint64,
           "float16": np.uint16, "bfloat16": np.uint16}

# ---- The libraries -----------------------------------------------------------

# convert(format, source, bits) gives the library's codes of an array of bits.
Peer = collections.namedtuple("Peer", "name version rule formats convert")


def release(version):
    """(2, 15) of 2.15.0+cu132"""
    return tuple(int(part) for part in version.split("+")[0].split(".")[:2])


def ml_dtypes_peers():
    import ml_dtypes
    source = {"float32": np.float32, "float64": np.float64,
              "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
    name = {f: "float8_" + f for f in FORMATS} | {"e8m0": "float8_e8m0fnu"}

    def convert(f, s, bits):
        with np.errstate(all="ignore"):
            codes = bits.view(source[s]).astype(getattr(ml_dtypes, name[f]))
        return codes.view(np.uint8)

    version = ml_dtypes.__version__
    rule = "ML_DTYPES_0_6" if release(version) >= (0, 6) else None
    yield Peer("ml_dtypes", version, rule, FORMATS, convert)


def torch_peers():
    import torch
    carrier = {"float32": np.int32, "float64": np.int64,
               "float16": np.int16, "bfloat16": np.int16}
    formats = ("e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz", "e8m0")
    name = {f: "float8_" + f for f in formats} | {"e8m0": "float8_e8m0fnu"}

    def convert(f, s, bits):
        x = torch.from_numpy(bits.view(carrier[s])).view(getattr(torch, s))
        return x.to(getattr(torch, name[f])).view(torch.uint8).numpy()

    version = torch.__version__
    rule = "TORCH_2_13" if release(version) >= (2, 13) else "TORCH_2_12"
    if release(version) < (2, 11):
        rule = None
    yield Peer("torch", version, rule, formats, convert)


def onnx_peers():
    import ml_dtypes
    import onnx
    from onnx.reference import ReferenceEvaluator
    kind = onnx.TensorProto
    source = {"float32": (np.float32, kind.FLOAT),
              "float64": (np.float64, kind.DOUBLE),
              "float16": (np.float16, kind.FLOAT16),
              "bfloat16": (ml_dtypes.bfloat16, kind.BFLOAT16)}
    # Its E8M0 does not follow its text, as the rule does.
    formats = ("e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz")

    def cast(f, s, saturate):
        to = getattr(kind, "FLOAT8" + f.upper())
        tensor = onnx.helper.make_tensor_value_info
        node = onnx.helper.make_node("Cast", ["x"], ["y"], to=to,
                                     saturate=saturate)
        graph = onnx.helper.make_graph(
            [node], "cast", [tensor("x", source[s][1], [None])],
            [tensor("y", to, [None])])
        opset = onnx.helper.make_opsetid("", 25)
        return ReferenceEvaluator(onnx.helper.make_model(
            graph, opset_imports=[opset], ir_version=11))

    def converter(saturate):
        def convert(f, s, bits):
            with np.errstate(all="ignore"):
                x = bits.view(source[s][0])
                y = cast(f, s, saturate).run(None, {"x": x})[0]
            return np.asarray(y).view(np.uint8)
        return convert

    known = release(onnx.__version__) >= (1, 23)
    for name, saturate in (("onnx-saturate", 1), ("onnx", 0)):
        rule = "ONNX_25_SATURATE" if saturate else "ONNX_25"
        yield Peer(name, onnx.__version__, rule if known else None, formats,
                   converter(saturate))


LIBRARIES = {"ml_dtypes": ml_dtypes_peers, "torch": torch_peers,
             "onnx": onnx_peers}

# ---- sste_fp8.h, as a shared object ------------------------------------------

RULES = ("ML_DTYPES_0_6", "TORCH_2_12", "TORCH_2_13", "ONNX_25_SATURATE",
         "ONNX_25")

SOURCE = """
#define SSTE_API
#include "sste_fp8.h"

void convert(uint8_t *out, sste_fp8_format to, sste_fp8_rule rule,
             sste_fp8_format from, const void *in, size_t n) {
  const int bytes = (1 + from.exponent_bits + from.mantissa_bits) / 8;
  size_t i;
  for (i = 0; i < n; ++i) {
    const uint64_t bits = bytes == 2   ? ((const uint16_t *)in)[i]
                          : bytes == 4 ? ((const uint32_t *)in)[i]
                                       : ((const uint64_t *)in)[i];
    out[i] = (uint8_t)sste_fp8_convert(to, rule, from, bits, 0);
  }
}
""" + "".join(f"const int {rule} = SSTE_LIKE_{rule};\n" for rule in RULES)


def int_struct(name, fields):
    pairs = [(field, ctypes.c_int) for field in fields.split()]
    return type(name, (ctypes.Structure,), {"_fields_": pairs})


Format = int_struct("Format",
                    "sign_bits exponent_bits mantissa_bits bias specials")
Rule = int_struct("Rule", "rounding random_bits overflow nan nan_sign "
                          "drop_sign via")


class Sste:
    def __init__(self, folder):
        root = pathlib.Path(__file__).resolve().parent.parent
        source, shared = folder / "peers.c", folder / "peers.so"
        source.write_text(SOURCE)
        subprocess.run([os.environ.get("CC", "cc"), "-std=c99", "-O2",
                        "-shared", "-fPIC", "-I", root, source, "-o", shared],
                       check=True)
        self.c = ctypes.CDLL(str(shared))
        self.c.sste_fp8_rule_like.restype = Rule
        self.c.sste_fp8_rule_like.argtypes = ctypes.c_int, Format, Format
        self.c.convert.restype = None
        self.c.convert.argtypes = (ctypes.c_void_p, Format, Rule, Format,
                                   ctypes.c_void_p, ctypes.c_size_t)

    def format(self, name):
        function = self.c["sste_fp8_" + name]
        function.restype = Format
        return function()

    def converter(self, rule, f, s):
        """A function from an array of bits to the array of their codes."""
        who = ctypes.c_int.in_dll(self.c, rule).value
        to, source = self.format(f), self.format(s)
        rule = self.c.sste_fp8_rule_like(who, to, source)

        def convert(bits):
            out = np.empty(bits.size, np.uint8)
            self.c.convert(out.ctypes.data, to, rule, source, bits.ctypes.data,
                           bits.size)
            return out
        return convert


# ---- What is converted -------------------------------------------------------

CHUNK = 1 << 22
WORKERS = min(8, os.cpu_count() or 1)


def heads(lead, width, dtype):
    """All words of `width` bits whose bits after the first `lead` are 0."""
    return np.arange(1 << lead, dtype=dtype) << dtype(width - lead)


def doubles(quick):
    """All heads, with tails around the points at which rounding turns, be it to
    8 bits or to a float first, and random ones: near 1, and NaNs."""
    lead = 16 if quick else 20
    end, half = 1 << (64 - lead), 1 << 28  # of a float's spacing
    tails = [around + near for near in (-1, 0, 1)
             for around in (half, 3 * half, end // 2, end - half)]
    tails += [0, 1, 2 * half, end - 1]
    random = np.random.default_rng(1).integers(0, 1 << 64, 1 << (lead + 2),
                                               np.uint64)
    mantissa = random & np.uint64(0x800FFFFFFFFFFFFF)
    exponent = (random >> np.uint64(52)) % np.uint64(320) + np.uint64(863)
    near_1 = mantissa | exponent << np.uint64(52)  # 2^-160 to 2^160
    nans = mantissa | np.uint64(0x7FF0000000000000)
    every_head = heads(lead, 64, np.uint64)
    return [(every_head, tail) for tail in tails] + [(near_1, 0), (nans, 0)]


def chunks(s, quick):
    """Pairs (bits, offset): what is converted is bits + offset."""
    if s == "float64":
        return doubles(quick)
    if s == "float32" and quick:
        every_head = heads(16, 32, np.uint32)
        return [(every_head, low)
                for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)]
    if s == "float32":
        low = np.arange(CHUNK, dtype=np.uint32)
        return [(low, high) for high in range(0, 1 << 32, CHUNK)]
    return [(np.arange(1 << 16, dtype=np.uint16), 0)]


# ---- The comparison ----------------------------------------------------------


def compare(peer, f, s, ours, quick):
    """Prints one line, and the first differences; returns how many differ."""
    def differing(chunk):
        bits = chunk[0] + SOURCES[s](chunk[1])
        theirs, sste = peer.convert(f, s, bits), ours(bits)
        where = np.flatnonzero(theirs != sste)
        first = [(bits[i], theirs[i], sste[i]) for i in where[:1]]
        return bits.size, where.size, first

    start, label = time.time(), f"{peer.name} {peer.version} {s} -> {f}"
    work = chunks(s, quick)
    inputs, differ, examples = 0, 0, []
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for done, result in enumerate(pool.map(differing, work), 1):
            inputs += result[0]
            differ += result[1]
            examples += result[2]
            if done % 64 == 0:
                print(f"  {label}: {100 * done // len(work)} %",
                      file=sys.stderr, flush=True)
    verdict = "DIFFER" if differ else "ok    "
    print(f"{verdict} {label}: {inputs} inputs, {differ} differ "
          f"({time.time() - start:.0f} s)", flush=True)
    for bits, theirs, sste in examples[:3]:
        print(f"       {bits:X}: {peer.name} {theirs:02X}, sste {sste:02X}")
    return differ


def installed(names):
    """The peers that can be had; says what cannot."""
    for name in names:
        try:
            peers = list(LIBRARIES[name]())
        except ImportError as missing:
            print(f"skipped {name}: {missing}")
            continue
        for peer in peers:
            if peer.rule is None:
                print(f"skipped {name} {peer.version}: no rule is named for it")
            else:
                yield peer


def main():
    about, details = __doc__.split("\n", 1)
    parser = argparse.ArgumentParser(
        description=about, epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="of the floats six low halves per high half, and "
                             "fewer doubles: seconds instead of a minute or "
                             "two per format")
    parser.add_argument("--only", metavar="LIBRARY", choices=LIBRARIES,
                        help="one of " + ", ".join(LIBRARIES))
    arguments = parser.parse_args()
    compared = differ = 0
    with tempfile.TemporaryDirectory() as folder:
        sste = Sste(pathlib.Path(folder))
        only = arguments.only
        for peer in installed([only] if only else LIBRARIES):
            for f in peer.formats:
                for s in SOURCES:
                    ours = sste.converter(peer.rule, f, s)
                    differ += compare(peer, f, s, ours, arguments.quick)
                    compared += 1
    print(f"{compared} comparisons, {differ} codes differ")
    return 2 if compared == 0 else int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
