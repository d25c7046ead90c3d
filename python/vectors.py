# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
"""Inputs and expected outputs as .npy files, for tests in any language.

    python3 python/vectors.py FOLDER           writes every class of input
    python3 python/vectors.py --small FOLDER   a few rows of each, in one array
    python3 python/vectors.py --check FOLDER   makes the files again and compares

FOLDER/manifest.json lists the cases. Each has

    function     of python/sste.py, and of the headers by a longer name
    command      the call, in Python, that made it: sste.project(w, beta=1.5)
    inputs       the files of its arrays, by the names in the command
    outputs      the files of what it gave, by name
    parameters   the other arguments, and as `rule`, `op` and `adds` what names stand
                 for
    class        of its inputs: what they are made of
    promise      BITWISE outputs are to be compared byte by byte, NaNs included
    error        in place of outputs and promise: the inputs must be refused

`notes` has the rules by which outputs follow from inputs, `formats` and `recipes`
those that cases name, `classes` what tensors are made of, and `sha256` the checksum
of every file: enough to write and to test a kernel without a line of C.

FOLDER is made, or it is empty, or it was written by this program: then what that
manifest lists is removed first. --check exits with 1 if anything differs, and what
cannot be done exits with 2.
"""

import argparse
import hashlib
import inspect
import itertools
import json
import os
import sys
import tempfile

try:
    import numpy as np

    import sste
except ImportError as error:
    if __name__ != "__main__":
        raise
    print("vectors: %s" % error, file=sys.stderr)
    sys.exit(2)

FP8 = ["e4m3fn", "e5m2", "e4m3", "e3m4", "e3m4fn", "e4m3fnuz", "e5m2fnuz",
       "e4m3b11fnuz", "ue4m3", "e8m0"]
SIGNED = FP8[:8]
WIDE = ["float32", "float16", "bfloat16", "float64"]
FAMILIES = ["ieee", "fn", "fnuz", "pow2"]
RECIPES = ["current", "divide", "te"]
ROUNDINGS = ["nearest_away", "toward_zero", "up", "odd"]
SHAPES = {"full": (64, 128), "small": (4, 16)}
RANK_NAN = -2**63
THIRD = float(np.float32(1 / 3))

KINDS = {
    "normal": "bell-shaped, variance 1", "weights": "heavy tails and outlier columns",
    "bfloat16": "normal, rounded to bfloat16",
    "midpoints":
        "five significant bits, as midpoints of E4M3 have; half of them off by an ulp",
    "ties": "0, 1, 2, 3 with signs", "flat": "one magnitude in a group; zero rows",
    "zeros": "each pattern of zeros, -0 too", "sparse": "the same, 2:4",
    "dominant": "one entry of a group 1 to 2^45 times the others",
    "subnormal": "subnormal floats", "huge": "within a factor of 8 of the largest",
    "range": "every exponent", "nans": "normal, and one NaN in 256",
    "specials": "NaN, infinity, zero, the largest float", "integers": "-3 to 3"}
# Products of these stay finite, so that a case shows more than one NaN.
TAME = ["normal", "weights", "bfloat16", "midpoints", "ties", "zeros", "sparse",
        "dominant", "integers"]

NOTES = {
    "files":
        "Paths are relative to the manifest. Matrices are row-major; groups of four "
        "run along the last axis, from column 0. bfloat16 is its bits in uint16; "
        "codes, masks and metadata are uint8. A single number is an array of one. "
        "Numbers in `parameters` are float32 (mvue: integers), written exactly.",
    "arithmetic":
        "float32, rounded to nearest even, subnormals kept. A NaN that leaves is "
        "0x7FC00000.",
    "class":
        "A name in `classes`: random tensors of those kinds, one below another, `rows` "
        "rows of each. `all` has every kind, `tame` those whose products are finite. "
        "boundaries: every number and midpoint of `to`, the neighbours of each in "
        "`from_`, and every exponent of `from_` with the mantissas 0, 1, 10..0, 11..1, "
        "with both signs. codes: every code of a format in order. positions: no "
        "arrays, places in a tensor. published: the known answers of Philox. "
        "tensor_core: what tensor cores take, in shapes that their storage orders "
        "have; zeros of both signs, no NaN.",
    "promise":
        "BITWISE: the same bytes, whatever the machine. ROUNDED-ONCE: the exact "
        "result, rounded once to nearest even; a kernel that adds in float differs "
        "and is right within its own error.",
    "patterns":
        "n and m are 2 and 4, axis is rows and gamma 0 where a case does not say. For "
        "axis columns groups of m follow each other down each column, and what is said "
        "of rows holds of columns. float16 and bfloat16 are widened exactly, and "
        "results that are values rounded once more, to nearest even; then NaN is "
        "0x7E00 and 0x7FC0.",
    "mask":
        "1 at the n largest magnitudes of each m, 0 elsewhere. NaN is the largest; "
        "among equal ones the index that `tie` says wins.",
    "mask_transposable":
        "Of each 4 x 4 entries a pattern of ones, two in each row and column at most. "
        "optimal: of the 90 with two in each, the one with the largest sum of "
        "magnitudes (NaN as infinity), in float32: the two of each row added, then "
        "(row 0 + row 1) + (row 2 + row 3); of equal ones the first in descending "
        "lexicographic order of the digits, row by row. greedy: from the largest "
        "magnitude down (NaN first, of equal ones the first), each where its row and "
        "column have fewer than two. greedy_signed: the same by value.",
    "nonzero":
        "1 where an entry is not 0. -0 is a zero; of codes 0x00 and 0x80 are, in fnuz "
        "formats 0x00 alone.",
    "apply_mask": "w where the mask is not 0, else +0; zeros as +0.",
    "masked_decay":
        "y where the mask is not 0, else y + factor w: in double, rounded to float32.",
    "project":
        "t0 is the largest magnitude of m but n, t1 the one before it, NaN being the "
        "largest. t = t0 for gamma 0; else t1 if that is infinite or NaN; else t0 + "
        "gamma (t1 - t0): the difference rounded to float32, product and sum in "
        "double, rounded to float32. S_i = sign(a_i) max(|a_i| - t, 0), rounded; out = "
        "beta S_i, rounded. Whatever is pruned or 0 is +0. If a group holds a NaN or t "
        "is infinite, its n places of `mask`, lower index first, are NaN and the "
        "others +0.",
    "sums":
        "Of all entries, counted row by row (for axis columns column by column), entry "
        "e is of block e / 4096. In a block lane j of 32 adds, in double, the terms "
        "with e mod 32 = j in order, then lanes fold in halves (j and j + 16, then 8, "
        "4, 2, 1). Blocks fold in adjacent pairs, an odd one carried up.",
    "beta":
        "With beta = 1 in S and `sums` of products in double, min_mse, the usual rule: "
        "<W, S(W)> / <S(W), S(W)>. equal_l1: the sum of |W| over that of |S(W)|. One "
        "division in double, rounded to float32. Refused: NaN, infinity, S(W) = 0.",
    "relative_mse":
        "`sums` of (w - v)^2 over that of w^2: each difference rounded to float32, its "
        "square in double; one division in double.",
    "norm2": "`sums` of w^2, in double.",
    "change": "`sums` of |w - v|, each difference rounded to float32.",
    "descent":
        "`sums` of g (w - v): each difference rounded to float32, the product in "
        "double.",
    "flip_rate":
        "How many entries of two masks differ, over their number, in double.",
    "flips":
        "Of several layers' masks together: how many entries differ, how many there "
        "are, and the one over the other. Without an earlier mask none differ.",
    "compress":
        "Of each four the two values that are not 0, and if they are fewer the first "
        "zeros: in ascending order, zeros as +0, codes as they are. The nibble is i_0 "
        "+ 4 i_1 of the places i_0 < i_1: 4, 8, C, 9, D or E. Byte g / 2 of a row "
        "holds that of group g, the even g in the low half; an unused half is 0. For "
        "axis columns that of the transpose. Refused: more than two non-zeros. `like` "
        "another owner: his nibble, by which places are not 0 (- for none): torch - E, "
        "0 8, 1 9, 2 E, 3 E; torch_2023 - E, 0 C, 1 D, 2 E, 3 E; cutlass3 - 0, 0 C, 1 "
        "D, 2 E, 3 C; of two their own. The values are what stands at i_0 and i_1; "
        "cutlass3 has +0 for a zero. `format` tf32: groups of two, of which one is "
        "kept; 4 is the first and E the second; none is 4 by sste and cutlass3, E by "
        "torch and torch_2023. `order`: see orders.",
    "decompress":
        "Zeros but for the two values at the places of the nibble; zeros as +0, but "
        "as they are in another `order` and in tf32. For axis columns the transpose of "
        "that. Refused: a nibble but the six, in tf32 4 and E; in order cutlass3_sm90 "
        "0 with two zeros is a group of zeros.",
    "orders":
        "Where the nibble of row r and group g lies, counted in half bytes, the low "
        "one first; R rows, G groups a row. cutlass2, 16 bits and tf32: in block (g / "
        "8) (R / 32) + r / 32 of 256; in it 32 (r mod 8) + 16 (r / 16 mod 2) + 8 (g / "
        "4 mod 2) + 4 (r / 8 mod 2) + g mod 4. 8 bits: block (g / 16) (R / 16) + r / "
        "16 of 256; 32 (r mod 8) + 16 (g / 8 mod 2) + 8 (r / 8 mod 2) + g mod 8. The "
        "file has int16, or int32, little-endian. cutlass3_sm90, 16 bits and tf32: "
        "block (g / 32) (R / 64) + r / 64 of 2048; 512 (r / 16 mod 4) + 256 (g / 4 mod "
        "2) + 32 (r mod 8) + 8 (g / 8 mod 4) + 4 (r / 8 mod 2) + g mod 4. 8 bits: 32 "
        "((g / 32) R + r) + g mod 32.",
    "reorder_metadata": "Nibbles in `order`, moved to the order `to`: see orders.",
    "formats":
        "A code is sign, exponent field e, mantissa field m, from the top, of "
        "`sign_bits`, `exponent_bits` E and `mantissa_bits` M; bits above are ignored. "
        "With `bias` B it is (-1)^sign 2^(e-B) (1 + m/2^M), for e = 0 (-1)^sign "
        "2^(1-B) m/2^M. `family` ieee: the top e holds infinity (m = 0) and NaNs. fn: "
        "no infinity, e and m all ones is NaN. fnuz: no infinity, the code of -0 is "
        "the one NaN. pow2: 2^(e-B) for every e, but all ones is NaN.",
    "rule":
        "How a number becomes a code. `via` not nothing: first rounded to that format, "
        "to nearest even, infinities and NaNs kept. `rounding` between two codes: "
        "nearest_even, nearest_away (midpoints), toward_zero, up (to +infinity), odd "
        "(the code that is odd), e8m0_fields (nearest_away, but up between 2^-127 and "
        "2^-126), stochastic: away from zero if floor(f 2^n) + random mod 2^n >= 2^n, "
        "f the fraction of the gap that is passed and n `random_bits`. Beyond the "
        "largest number after rounding, `overflow` saturate: the largest; "
        "saturate_finite: the same, but infinity stays, or is NaN where there is none; "
        "none: infinity or NaN, except finite numbers that are rounded toward zero, "
        "odd, or up and negative: the largest; with the number's sign. `nan` of ieee formats: ones (e and m "
        "all ones), quiet (the first bit of m), payload (that, and the upper bits of "
        "the mantissa that came in); `nan_sign` 1 keeps its sign. A sign stays on a "
        "zero, but in fnuz. Formats without a sign, `drop_sign` 1: |x|, and for 0 the "
        "lowest number; 0: what is below the lowest number (negative and not rounded "
        "to 0, or in pow2 any negative or 0) is that number, NaN if overflow is none; "
        "positive numbers below it are that number.",
    "recipe":
        "amax is the largest magnitude of the tensor, per_row of each row; a NaN "
        "counts, and `drop_nan` 1 passes over it. At least `epsilon`. `scale`: "
        "max_over_amax, max / amax with the format's largest number; amax_over_max; "
        "amax_reciprocal, amax times the rounded 1 / max. amax of 0, infinity or NaN "
        "gives 1; the result is kept between the smallest normal float32 and the "
        "largest. `power_of_two` 1 clears its mantissa. `apply` multiply: x times "
        "scale; divide: by scale; reciprocal: times the rounded 1 / scale; and so "
        "`undo`.",
    "encode":
        "The code of `apply`(x, scale), rounded once to float32, by the rule "
        "saturating, see `rule`. scale: one number, or one for each row.",
    "decode":
        "`undo`(value of the code, scale), rounded once to float32; no scale is 1.",
    "round_fp8": "decode of encode with the same scale.",
    "encode_stochastic":
        "The code of x scale, rounded once to float32, by the rule saturating, but "
        "with rounding stochastic and 32 random bits: those of entry i of row r are "
        "word i mod 4 of philox with the counter (first_group + i / 4, run + r, step, "
        "tensor) and the key of mvue_word.",
    "fp8_losses":
        "How many entries are finite and not 0; of these how many, of x scale rounded "
        "to float32 and then to nearest even, are beyond the largest number; and how "
        "many are 0.",
    "convert": "Each number of `from_` as a code of `to`, by `rule`. `bits` holds the numbers "
        "in the dtype of `from_`, which is uint16 for bfloat16.",
    "rank":
        "How many codes above 0 a code lies, below 0 negative: its bits but the sign, "
        "with the sign. Infinity follows the largest number. NaN is saved as -2^63.",
    "philox":
        "Philox4x32-10. Ten times: p = 0xD2511F53 x0, q = 0xCD9E8D57 x2 in 64 bits; "
        "x = (high(q) ^ x1 ^ k0, low(q), high(p) ^ x3 ^ k1, low(p)); then k0 += "
        "0x9E3779B9, k1 += 0xBB67AE85. x begins as the counter, k as the key.",
    "mvue_word":
        "Word g mod 4 of philox with the counter (g / 4, run, step, tensor) and the "
        "key (seed mod 2^32, seed / 2^32), for group g of a run. out: runs 0, 1, ... "
        "down, groups across.",
    "mvue_draws":
        "Of a group and a word: a is (G, m), words (G, k), out (G, k, m). b = |a|. R_k "
        "is the sum of b with +0 for the k largest, of equal ones the first; adjacent "
        "pairs are added until one is left, an odd one carried up. tau = min over k < "
        "n of R_k / (n - k); u = (word / 512) 2^-23, the quotient cut; f + u is exact. "
        "All else is in float32 for 2 of 4, in float64 for others. If tau reaches "
        "2^125 for 2 of 4, all of this is done with b / 4. At most n non-zeros: a, "
        "zeros as +0. A NaN or two infinities: NaN at the n places of `mask`, lower "
        "index first, else +0. Infinite tau: the infinity, else +0. Any other: of the "
        "n - 1 largest, of equal ones the first, those with b_i >= tau are certain. "
        "Walk the non-zeros in order, end = end + min(b_i, tau) from 0, and with f "
        "kept so far keep i if it is certain, or if (f + u) tau < end and there is "
        "room beside the certain ones to come; stop at n. If they are fewer, the last "
        "non-zeros not kept follow. A kept one is sign(a_i) max(b_i, tau), times 4 "
        "where b was divided, rounded to float32; all else is +0.",
    "mvue":
        "Run r is row r, or for axis columns column r; groups of m follow each other "
        "along it from 0; m is `group`, and n half of it, where a case does not say. "
        "Group g of run r is drawn by the word of run + r and first_group + g: see "
        "mvue_word and mvue_draws. 1 of 2: unit is 1/4 if a magnitude reaches 2^125, "
        "else 1; b = |a| unit; S = b0 + b1; keep a_0 if u S < b0, else a_1, as "
        "sign(a_i) S / unit. If one is 0 or not finite, the larger magnitude is kept, "
        "of equal ones a_0: NaN if it is NaN or both are infinite, +0 if both are 0. "
        "approximate: group g takes two words, 2 (g mod 2) and the next, of philox "
        "with the counter (g / 2, run, step, tensor). At most two non-zeros, NaN, two "
        "infinities: as in mvue_draws. Else, in double, keep i, the first with b_0 + "
        "... + b_i above u S, S = (b0 + b1) + (b2 + b3), or the one infinity; then j "
        "in the same way by the second u, of the other three and their sum rest_i, S "
        "without b_i in it. Each is a_i / p_i, rounded to float32, p of mvue_prob.",
    "mvue_prob":
        "p_i = min(b_i, tau) / tau, the quotient in double. At most n non-zeros: 1 for "
        "each. Infinite tau: 1 for the infinity. A NaN or two infinities: `mask`. "
        "approximate: p_i adds, in double and in the order of j, t_j = b_j / S, and "
        "for j not i (t_j b_i) / rest_j, with t = 1 for an infinity and 0 for the "
        "others, passing over t_j = 0; at most 1.",
    "mvue_pair_prob":
        "p_i, in double, where i = j; the smaller of p_i and p_j where one of them is "
        "1 or nothing is left to chance; else max(0, min(p_i - d, p_j)) + max(0, "
        "min(p_j - (1 - d), p_i)), d = c_j - c_i, + 1 if that is negative, c_i the sum "
        "of the p before i, less 1 whenever it reaches 1; for i < j, and the same for "
        "j and i.",
    "products":
        "product_forward X W^T, product_input_grad dZ W, product_weight_grad dZ^T X: "
        "from +0 the terms are added in ascending order of the summed index, in "
        "double, in which each product is exact; then rounded to float32. "
        "product_forward_compressed adds the kept terms alone: an infinity that no "
        "nibble names is not seen.",
    "tensor_core_product":
        "A B^T, with `meta` A decompressed, from 0: instruction after instruction "
        "along K, each of op.k columns, or with `meta` of op.k / 2 values, n of them, "
        "in S = ceil(n / products) steps. `adds.grouping` gives product i the step i / "
        "products (consecutive), (i / 2) mod S (by_pair) or i mod S (by_slot). A step "
        "adds its products and the sum so far. A term's exponent is that of its "
        "number, of a product the sum of both factors'; a subnormal has the least of "
        "its format; zeros have none. E is the largest, or `least` if that is more. "
        "Each term is cut toward zero to a multiple of 2^(E - fraction); the sum of "
        "these is exact, and is cut toward zero to `output` bits of fraction, or "
        "rounded to float16, to nearest even. `late` 1: an instruction begins with 0, "
        "and the sum so far is added to its result, rounded to nearest even. tf32 is a "
        "float32 without its low 13 bits. int32: exact, wraps.",
    "fp8_product":
        "A B^T of the codes' values, exact, rounded once to float32; an exact 0 is +0. "
        "NaN for a NaN, for infinity times 0 and for infinities of both signs.",
}


def named(struct):
    """A rule or recipe as data, its choices by name."""
    return {field: sste._CHOICES[field][value] if field in sste._CHOICES else value
            for field, value in ((name, getattr(struct, name))
                                 for name, _ in struct._fields_)
            if field not in ("format", "rule", "per_row")}


def formats():
    """All formats as data."""
    table = {}
    for name, format in sste.FORMATS.items():
        table[name] = {field: getattr(format, field) for field, _ in format._fields_}
        table[name]["family"] = FAMILIES[table[name].pop("specials")]
    return table


def call(function, inputs, parameters):
    """The Python expression of a call: inputs by their names, parameters by value."""
    words, in_order = [], True
    for name in inspect.signature(getattr(sste, function)).parameters:
        if name in inputs:
            words.append(name if in_order else "%s=%s" % (name, name))
            continue
        in_order = False
        if name in parameters:
            words.append("%s=%r" % (name, parameters[name]))
    return "sste.%s(%s)" % (function, ", ".join(words))


def numbers(result, dtype):
    """A number, or lists of them, as an array; None, the rank of a NaN, as -2^63."""
    if isinstance(result, list) and None in result:
        result = [RANK_NAN if place is None else place for place in result]
    return np.array(result, dtype)


class Book:
    """A folder of arrays and the list of what they are."""

    def __init__(self, folder, size):
        self.folder, self.size = folder, size
        self.cases, self.sha256, self.arrays = [], {}, {}

    def save(self, name, array):
        """Writes an array; gives the file's name."""
        name += ".npy"
        path = os.path.join(self.folder, *name.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        np.save(path, np.ascontiguousarray(array))
        with open(path, "rb") as file:
            self.sha256[name] = hashlib.sha256(file.read()).hexdigest()
        self.arrays[name] = array
        return name

    def case(self, function, of, inputs, label="", outputs=("out",), dtype=None,
             command=None, promise="BITWISE", **parameters):
        """Adds a case: what the command gives for inputs, which are names of files by
        the names of arguments. A dtype makes an array of numbers or lists of them.
        Gives the name of the first file, None for inputs that are refused."""
        command = command or call(function, inputs, parameters)
        entry = {"function": function, "class": of, "command": command,
                 "parameters": parameters, "inputs": inputs}
        self.cases.append(entry)
        names = {name: self.arrays[file] for name, file in inputs.items()}
        names["sste"] = sste  # among the globals, where a loop in a command looks
        try:
            results = eval(command, names)
        except sste.SsteError as error:
            entry["error"] = str(error)
            return None
        stem = "/".join(part for part in (function, label, of) if part)
        entry["promise"], entry["outputs"] = promise, {}
        for name, result in zip(outputs, results if len(outputs) > 1 else [results]):
            if dtype is not None:
                result = np.atleast_1d(numbers(result, dtype))
            file = stem if name == "out" else stem + "." + name
            entry["outputs"][name] = self.save(file, result)
        return entry["outputs"][outputs[0]]

    def close(self):
        """Writes the manifest."""
        small = self.size == "small"
        manifest = {
            "library": "sste", "version": sste.__version__, "size": self.size,
            "command": "python3 python/vectors.py %sFOLDER" % ("--small " * small),
            "notes": NOTES, "formats": formats(), "kinds": KINDS,
            "rule": named(sste.rule()),
            "recipes": {name: named(sste.recipe(name)) for name in RECIPES},
            "classes": {name: {"kinds": kinds, "rows": SHAPES[self.size][0]}
                        for name, kinds in classes(self.size).items()},
            "cases": self.cases, "sha256": self.sha256}
        path = os.path.join(self.folder, "manifest.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=1, sort_keys=True)
            file.write("\n")


def classes(size):
    """Each kind of tensor is a class; the small size has two, of several kinds."""
    if size == "small":
        return {"all": list(KINDS), "tame": TAME}
    return {kind: [kind] for kind in KINDS}


def drawn(kinds, rows, cols, seed):
    return np.concatenate([sste.draw(kind, (rows, cols), seed) for kind in kinds])


def projection_cases(book, of, w):
    inputs, pair = {"w": w}, ("values", "meta")
    for beta in (1.0, 1.5):
        book.case("project", of, inputs, "beta_%g" % beta, beta=beta)
    book.case("project", of, inputs, "gamma", gamma=THIRD)
    book.case("project", of, inputs, "5_of_16", n=5, m=16, gamma=1.0)
    book.case("project", of, inputs, "3_of_4.columns", n=3, m=4, axis="columns")
    for dtype in WIDE[1:3]:
        book.case("project", of, {"w": rounded(book, of, w, dtype)}, dtype, beta=1.5)
    masks = [book.case("mask", of, inputs, tie, tie=tie) for tie in ("lower", "higher")]
    book.case("mask", of, inputs, "5_of_16", tie="higher", n=5, m=16)
    book.case("mask", of, inputs, "3_of_4.columns", tie="lower", n=3, m=4,
              axis="columns")
    for rule in ("optimal", "greedy", "greedy_signed"):
        book.case("mask_transposable", of, inputs, rule, rule=rule)
    held = dict(zip(("mask", "previous"), masks))
    book.case("flip_rate", of, held, dtype=np.float64)
    book.case("flips", of, held, dtype=np.float64,
              command="list(sste.flips([mask, previous], [previous, None]))")
    book.case("nonzero", of, inputs)
    book.case("apply_mask", of, {"w": w, "mask": masks[0]})
    other = book.save("inputs/%s.other" % of, book.arrays[w][::-1].copy())
    book.case("masked_decay", of, {"y": other, "w": w, "mask": masks[0]}, factor=-0.25)
    sparse = book.save("inputs/%s.projected" % of, sste.project(book.arrays[w]))
    book.case("compress", of, {"w": sparse}, outputs=pair)
    book.case("compress", of, inputs, "unprojected", outputs=pair)
    book.case("decompress", of,
              {name: "compress/%s.%s.npy" % (of, name) for name in pair})
    columns = sste.project(book.arrays[w], axis="columns")
    columns = book.save("inputs/%s.columns" % of, columns)
    half = rounded(book, of + ".projected", sparse, "float16")
    codes = book.save("inputs/%s.codes" % of, sste.encode(book.arrays[sparse]))
    for file, label, more in ((columns, "columns", {"axis": "columns"}),
                              (half, "float16", {}), (codes, "codes", {})):
        book.case("compress", of, {"w": file}, label, outputs=pair, **more)
        book.case("decompress", of, {
            name: "compress/%s/%s.%s.npy" % (label, of, name) for name in pair}, label,
            **more)


def rounded(book, of, w, dtype):
    """A file of the same in float16 or bfloat16."""
    by = sste.rule(overflow="none", nan="quiet")
    return book.save("inputs/%s.%s" % (of, dtype),
                     sste.convert(book.arrays[w], dtype, like=by))


def sum_cases(book, of, w):
    """The scale and whatever else is one sum over a matrix."""
    book.case("beta", of, {"w": w}, dtype=np.float32)
    if of == "all":  # NaN: there is no scale
        return
    book.case("beta", of, {"w": w}, "equal_l1", dtype=np.float32, rule="equal_l1")
    book.case("beta", of, {"w": w}, "1_of_4.columns", dtype=np.float32, rule="min_mse",
              n=1, m=4, gamma=THIRD, axis="columns")
    array = book.arrays[w]
    v = book.save("inputs/%s.approximate" % of, sste.project(array, 1.5))
    book.case("relative_mse", of, {"w": w, "v": v}, dtype=np.float64)
    book.case("norm2", of, {"w": w}, dtype=np.float64)
    book.case("change", of, {"w": w, "v": v}, dtype=np.float64)
    g = book.save("inputs/%s.gradient" % of, array[::-1].copy())
    book.case("descent", of, {"g": g, "w": w, "v": v}, dtype=np.float64)


def fp8_cases(book, of, x):
    inputs, one = {"x": x}, dict(format="e4m3fn", recipe="current")
    book.case("amax", of, inputs, dtype=np.float32)
    for name in FP8:
        for recipe in RECIPES[:2]:
            scale = sste.scale(book.arrays[x], name, recipe=recipe)
            codes = book.case("encode", of, inputs, name + "." + recipe, format=name,
                              recipe=recipe, scale=scale)
            if (name, recipe) == ("e4m3fn", "current"):
                book.case("decode", of, {"codes": codes}, scale=scale, **one)
    for recipe in "current", "te":
        one["recipe"] = recipe
        scale = book.case("scale", of, inputs, "rows." + recipe, per_row=True, **one)
        codes = book.case("encode", of, {"x": x, "scale": scale}, "rows." + recipe,
                          **one)
        book.case("decode", of, {"codes": codes, "scale": scale}, "rows." + recipe,
                  **one)
    book.case("round_fp8", of, {"x": x, "scale": scale}, "rows", **one)
    stream = dict(seed=987654321098765, tensor=9, step=4, run=2, first_group=1)
    for name, axis in ("e4m3fn", "rows"), ("e5m2", "columns"):
        book.case("encode_stochastic", of, inputs, name, format=name, scale=THIRD,
                  axis=axis, **stream)
        book.case("fp8_losses", of, inputs, name, dtype=np.int64, format=name,
                  command="list(sste.fp8_losses(x, format=%r, scale=37.5))" % name,
                  scale=37.5)
    if book.size == "full":
        for recipe in RECIPES:
            book.case("scale", of, inputs, recipe, dtype=np.float32, format="e4m3fn",
                      recipe=recipe)
        for name in SIGNED:
            book.case("round_fp8", of, inputs, name, format=name, recipe="current",
                      scale=sste.scale(book.arrays[x], name))


def mvue_cases(book, of, a):
    """Whole tensors, one that is a slice of another, and the first group of each row
    by the words at which its draw decides; what survives with which probability."""
    stream = dict(seed=1234567890123456, tensor=7, step=3, run=0, first_group=0)
    for group in (4, 2):
        for axis in ("rows", "columns"):
            book.case("mvue", of, {"a": a}, "%s_of_%d" % (axis, group), axis=axis,
                      group=group, **stream)
    if of in ("all", "normal"):
        book.case("mvue", of, {"a": a}, "slice", axis="rows", group=4,
                  **dict(stream, run=5, first_group=2))
    for n, m, axis in (5, 16, "rows"), (3, 4, "columns"):
        book.case("mvue", of, {"a": a}, "%s.%d_of_%d" % (axis, n, m), axis=axis, n=n,
                  m=m, **stream)
    book.case("mvue", of, {"a": a}, "approximate", axis="rows", approximate=True,
              **dict(stream, first_group=1))
    groups = book.arrays[a][:, :4].copy()
    words = book.save("inputs/%s.words" % of, sste.mvue_words(groups))
    groups = book.save("inputs/%s.groups" % of, groups)
    book.case("mvue_draws", of, {"a": groups, "words": words})
    wide = book.save("inputs/%s.groups_of_16" % of, book.arrays[a][:, :16].copy())
    words = book.save("inputs/%s.few_words" % of, book.arrays[words][:, ::12].copy())
    book.case("mvue_draws", of, {"a": wide, "words": words}, "5_of_16", n=5, m=16)
    book.case("mvue_prob", of, {"a": groups})
    book.case("mvue_prob", of, {"a": wide}, "5_of_16", n=5, m=16)
    book.case("mvue_prob", of, {"a": groups}, "approximate", approximate=True)
    for n in (2, 3):
        book.case("mvue_pair_prob", of, {"a": groups}, "%d_of_4" % n, n=n, m=4)


def product_cases(book, of, w, x, dz):
    """X is T x K, dZ T x N, and W the first N rows of W, projected."""
    sparse = sste.project(w[:dz.shape[1]])
    arrays = dict(zip(("values", "meta"), sste.compress(sparse)), x=x, w=sparse, dz=dz)
    files = {name: book.save("inputs/%s.%s" % (of, name), array)
             for name, array in arrays.items()}
    for function, names in (("product_forward", "x w"),
                            ("product_input_grad", "dz w"),
                            ("product_weight_grad", "dz x"),
                            ("product_forward_compressed", "x values meta")):
        book.case(function, of, {name: files[name] for name in names.split()})
    for fa, fb in (("e4m3fn", "e4m3fn"), ("e5m2", "e4m3fn")):
        a = book.save("inputs/%s.%s.a" % (of, fa), sste.encode(x, fa))
        b = book.save("inputs/%s.%s.b" % (of, fb), sste.encode(sparse, fb))
        book.case("fp8_product", of, {"a": a, "b": b}, fa + "_" + fb,
                  promise="ROUNDED-ONCE", fa=fa, fb=fb)


def convert_case(book, to, from_, like, label, inputs):
    """`like` is a library's name, or what its rule changes of the saturating one."""
    parameters, how = dict(to=to, from_=from_), repr(like)
    if isinstance(like, str):
        parameters["like"], rule = like, sste.rule(like, to, from_)
    else:
        rule = sste.rule(**like)
        how = "sste.rule(%s)" % ", ".join("%s=%r" % pair for pair in like.items())
    more = ", random=random" if "random" in inputs else ""
    command = "sste.convert(bits, to=%r, from_=%r, like=%s%s)" % (to, from_, how, more)
    book.case("convert", "boundaries", inputs, "%s_from_%s.%s" % (to, from_, label),
              command=command, rule=named(rule), **parameters)


def convert_cases(book):
    """Every decision of every conversion; other libraries' and other roundings from
    float32."""
    full = book.size == "full"
    for to in FP8 if full else FP8[:2]:
        for from_ in WIDE if full else WIDE[:1]:
            bits = sste.boundaries(to, from_)
            inputs = {"bits": book.save("inputs/%s_from_%s" % (to, from_), bits)}
            for like in sste.LIKE if from_ == "float32" else ["saturating"]:
                convert_case(book, to, from_, like, like, inputs)
            if from_ != "float32" or to not in FP8[:1 + full]:
                continue
            for rounding in ROUNDINGS:
                convert_case(book, to, from_, {"rounding": rounding}, rounding, inputs)
            words = [sste.mvue_word(1, group=i) for i in range(bits.size)]
            random = book.save("inputs/random_to_" + to, np.array(words, np.uint32))
            convert_case(book, to, from_, {"rounding": "stochastic"}, "stochastic",
                         dict(inputs, random=random))
    for to in WIDE[1:3] if full else []:
        bits = book.save("inputs/%s_from_float32" % to, sste.boundaries(to, "float32"))
        convert_case(book, to, "float32", {"overflow": "none", "nan": "quiet"}, "ieee",
                     {"bits": bits})


def rank_case(book, name, inputs):
    book.case("rank", "codes", inputs, name, dtype=np.int64, format=name,
              command="[sste.rank(code, format=%r) for code in codes]" % name)


def code_cases(book):
    """The value and the place of every code."""
    inputs = {"codes": book.save("inputs/codes", np.arange(256, dtype=np.uint8))}
    for name in FP8:
        book.case("decode", "codes", inputs, name, format=name)
        rank_case(book, name, inputs)
    for name in ("e4m3fn", "e4m3fnuz"):
        book.case("nonzero", "codes", {"w": inputs["codes"]}, name, format=name)
    if book.size == "full":
        codes = np.arange(1 << 16, dtype=np.uint16)
        inputs = {"codes": book.save("inputs/codes_of_16_bits", codes)}
        rank_case(book, "float16", inputs)
        rank_case(book, "bfloat16", inputs)


def random_cases(book):
    """Philox, and the words that MVUE's draws take, for a kernel to check its own."""
    ones, pi = [2**32 - 1] * 6, [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344,
                                 0xA4093822, 0x299F31D0]
    asked = np.array([[0] * 6, ones, pi], np.uint32)
    book.case("philox", "published",
              {"counter": book.save("inputs/philox.counter", asked[:, :4]),
               "key": book.save("inputs/philox.key", asked[:, 4:])}, dtype=np.uint32,
              command="[sste.philox(c, k) for c, k in zip(counter, key)]")
    where = dict(seed=0x4093822299F31, tensor=7, step=3)
    places = ", ".join("%s=%d" % pair for pair in where.items())
    book.case("mvue_word", "positions", {}, dtype=np.uint32, runs=4, groups=16,
              command="[[sste.mvue_word(%s, run=run, group=group) for group in "
                      "range(16)] for run in range(4)]" % places, **where)


def stored_case(book, format, order, like, w):
    """One matrix, compressed and decompressed."""
    pair, label = ("values", "meta"), "%s.%s.%s" % (order, like, format)
    how = {"format": format} if format in ("tf32", "e4m3fn") else {}
    book.case("compress", "tensor_core", {"w": w}, label, outputs=pair, order=order,
              like=like, **how)
    book.case("decompress", "tensor_core", {
        name: "compress/%s/tensor_core.%s.npy" % (label, name) for name in pair}, label,
        order=order, **how)


def stored_cases(book):
    """What PyTorch and CUTLASS make of a matrix, and metadata in every order."""
    def sparse(rows, cols):
        return sste.draw("sparse", (rows, cols), 4)

    def save(name, array):
        return book.save("inputs/tensor_core." + name, array)

    codes = save("few_codes", sste.encode(sparse(8, 32)))
    for like in sste.OWNERS:  # that of CUTLASS 3 is refused where 0 is no nibble
        stored_case(book, "e4m3fn", "row_major", like, codes)
    pairs = sste.draw("zeros", (32, 16), 5)
    pairs = sste.apply_mask(pairs, sste.mask(pairs, n=1, m=2))
    stored_case(book, "tf32", "row_major", "cutlass3", save("few_tf32", pairs[:4]))
    stored_case(book, "int8", "cutlass2", "torch",
                save("int8", np.trunc(99 * sparse(16, 64)).astype(np.int8)))
    if book.size == "full":
        stored_case(book, "tf32", "cutlass2", "torch", save("tf32", pairs))
        stored_case(book, "e4m3fn", "cutlass3_sm90", "cutlass3",
                    save("codes", sste.encode(sparse(64, 128))))
        stored_case(book, "float16", "cutlass3_sm90", "cutlass3",
                    save("float16", sparse(64, 128).astype(np.float16)))
    stored_case(book, "float16", "cutlass2", "torch",
                save("few_float16", sparse(32, 32).astype(np.float16)))
    meta = save("meta", sste.compress(sparse(64, 128))[1])
    for format, order in itertools.product(("float16", "int8"), sste.ORDERS[1:]):
        book.case("reorder_metadata", "tensor_core", {"meta": meta},
                  order + "." + format, format=format, order="row_major", to=order)


def coded(format, x):
    """Values in a format, as arrays have them."""
    if format == "int8":
        return np.clip(500 * x, -128, 127).astype(np.int8)
    if format in ("e4m3fn", "e5m2"):
        return sste.encode(x, format, scale=16.0)
    return x if format == "tf32" else sste.convert(x, format)


def tensor_core_case(book, core, format, **more):
    """Two instructions along K, numbers of so many exponents that bits are lost."""
    op, n = sste.instruction(format, **more), 1 if format == "tf32" else 2
    x, y = (np.ldexp(sste.draw("weights", (4, 2 * op.k), seed),
                     3 * sste.draw("integers", (4, 2 * op.k), seed + 1).astype(int) - 4)
            for seed in (7, 9))
    if op.sparse:
        x = sste.apply_mask(x, sste.mask(x, n=n, m=2 * n))
    fields = {name: getattr(op, name) for name in ("k", "sparse", "saturate")}
    fields.update((name, sste._MMA_TYPES[getattr(op, name)]) for name in "abd")
    arrays = {"a": coded(format, x), "b": coded(fields["b"], y)}
    if op.sparse:
        known = format if format in ("tf32", "e5m2") else None
        arrays["a"], arrays["meta"] = sste.compress(arrays["a"], format=known)
    inputs = {name: book.save("inputs/tensor_core.%s.%s.%s.%d" % (
        name, fields.get(name, format), ("dense", "sparse")[op.sparse], op.k), array)
              for name, array in arrays.items()}
    how = "".join(", %s=%r" % pair for pair in more.items())
    command = "sste.tensor_core_product(a, b, %r%s, op=sste.instruction(%r%s))" % (
        core, ", meta" * op.sparse, format, how)
    label = ".".join([core, format, fields["d"]] + ["dense"] * (not op.sparse))
    book.case("tensor_core_product", "tensor_core", inputs, label, command=command,
              op=fields, adds=named(sste._model(core, op)))


def tensor_core_cases(book):
    """Sums as each tensor core makes them."""
    for core in sste.TENSOR_CORES[1:]:
        tensor_core_case(book, core, "e4m3fn")
    for core in sste.TENSOR_CORES if book.size == "full" else ("ampere", "hopper"):
        tensor_core_case(book, core, "float16")
        tensor_core_case(book, core, "tf32")
    tensor_core_case(book, "ampere", "bfloat16")
    tensor_core_case(book, "ampere", "int8")
    tensor_core_case(book, "ampere", "float16", d="float16")
    tensor_core_case(book, "hopper", "e5m2", b="e4m3fn", d="float16")
    tensor_core_case(book, "ada", "e4m3fn", sparse=False)
    tensor_core_case(book, "hopper", "bfloat16", sparse=False)


def write(folder, size):
    """Makes all files of a folder."""
    book, (rows, cols) = Book(folder, size), SHAPES[size]
    for of, kinds in classes(size).items():
        w = drawn(kinds, rows, cols, 1)
        file = book.save("inputs/%s" % of, w)
        sum_cases(book, of, file)
        fp8_cases(book, of, file)
        if of != "tame":
            projection_cases(book, of, file)
            mvue_cases(book, of, file)
        if of != "all":
            product_cases(book, of, w, drawn(kinds, rows, cols, 2),
                          drawn(kinds, rows, rows, 3))
    convert_cases(book)
    code_cases(book)
    random_cases(book)
    stored_cases(book)
    tensor_core_cases(book)
    book.close()
    return book


def manifest_of(folder):
    """The manifest of a folder that this program wrote."""
    path = os.path.join(folder, "manifest.json")
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    if not (isinstance(found, dict) and found.get("library") == "sste"
            and found.get("size") in list(SHAPES)
            and isinstance(found.get("sha256"), dict)):
        raise ValueError("%s is no manifest of sste's" % path)
    for name in found["sha256"]:
        if not name.endswith(".npy") or os.path.isabs(name) or (
                {"", ".", ".."} & set(name.split("/"))):
            raise ValueError("%s lists %r, which it cannot have made" % (path, name))
    return found


def prepare(folder):
    """Removes what an earlier run wrote; refuses a folder that holds anything else."""
    if not os.path.isdir(folder) or not os.listdir(folder):
        return
    if not os.path.exists(os.path.join(folder, "manifest.json")):
        raise OSError("%s holds other files" % folder)
    for name in manifest_of(folder)["sha256"]:
        path = os.path.join(folder, *name.split("/"))
        if os.path.exists(path):
            os.remove(path)
        beside = os.path.dirname(path)
        if os.path.isdir(beside) and not os.listdir(beside):
            os.removedirs(beside)  # FOLDER stays, for its manifest


def contents(folder):
    """The files below a folder, with their bytes."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder).replace(os.sep, "/")] = file.read()
    return found


def check(folder):
    """How many files there are, and what differs from what the library gives now."""
    size = manifest_of(folder)["size"]
    with tempfile.TemporaryDirectory() as fresh:
        write(fresh, size)
        old, new = contents(folder), contents(fresh)
    return len(old), [
        "%s: %s" % (name, "not expected" if name not in new else
                    "missing" if name not in old else "differs")
        for name in sorted(set(old) | set(new)) if old.get(name) != new.get(name)]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a few rows of each class")
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    parser.add_argument("folder", metavar="FOLDER")
    options = parser.parse_args()
    try:
        if not options.folder:
            raise ValueError("FOLDER is empty")
        if options.check:
            count, wrong = check(options.folder)
            print("\n".join(wrong[:20] + ["vectors: %d files, %d differ"
                                          % (count, len(wrong))]))
            return 1 if wrong else 0
        prepare(options.folder)
        book = write(options.folder, "small" if options.small else "full")
        print("vectors: %d cases, %d files in %s"
              % (len(book.cases), len(book.sha256) + 1, options.folder))
        return 0
    except (OSError, ValueError, RecursionError) as error:
        print("vectors: %s" % error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
