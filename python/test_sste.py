#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
"""How to test a kernel with sste, and the tests of sste.py itself.

    pytest python/test_sste.py      or      python3 python/test_sste.py

The expected values come from NumPy, by other means than the library's: nothing
below calls the function it judges.
"""

import ctypes.util
import doctest
import fractions
import hashlib
import itertools
import json
import math
import multiprocessing
import os
import pathlib
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import sste  # noqa: E402
import vectors  # noqa: E402

# ---- A kernel test in three lines --------------------------------------------


def kernel(w):
    """The kernel on trial: a 2:4 projection in NumPy, somebody's faster one."""
    m = np.abs(w).reshape(-1, 4)
    threshold = np.sort(m, axis=1)[:, 1:2]
    kept = np.where(m > threshold, m - threshold, np.float32(0))
    signed = np.where(kept > 0, np.copysign(kept, w.reshape(-1, 4)), kept)
    return signed.reshape(w.shape)


def test_my_kernel():
    for kind in "weights", "ties", "zeros", "dominant", "subnormal":
        w = sste.draw(kind, (64, 256), seed=1)
        sste.assert_same(kernel(w), sste.project(w))


# ---- Helpers -----------------------------------------------------------------

F8 = ("e4m3fn", "e5m2", "e4m3", "e3m4", "e3m4fn", "e4m3fnuz", "e5m2fnuz", "e4m3b11fnuz")
KINDS = sste.DRAWS
NAN = np.uint32(0x7FC00000).view(np.float32)


def optional(name):
    """A module; the test is skipped where it is not installed."""
    try:
        return __import__(name)
    except ImportError:
        raise unittest.SkipTest("no " + name) from None


def same(a, b):
    """The same shape, dtype and bits."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def canonical(x):
    """All NaNs as the one that leaves the library, -0 untouched."""
    return np.where(np.isnan(x), NAN, x).astype(np.float32)


def refuses(words, function, *arguments, **options):
    """The call raises TypeError or ValueError, in words that name the trouble."""
    try:
        function(*arguments, **options)
    except (TypeError, ValueError) as error:
        assert all(word in str(error) for word in words.split()), (words, str(error))
        return
    raise AssertionError("%s was accepted" % words)


def says(text, function, *arguments, **options):
    """The call raises SsteError in these very words, for what is not 2:4."""
    try:
        function(*arguments, **options)
    except sste.SsteError as error:
        assert str(error) == text and error.status == 8, (text, str(error))
        return
    raise AssertionError("%s was not said" % text)


def to_bfloat16(x):
    """Bits, rounded to nearest even; the definition is the slow way round."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + (bits >> np.uint64(16) & np.uint64(1))) >> np.uint64(16)
    return np.where(np.isnan(x), 0x7FC0, rounded).astype(np.uint16)


def from_bfloat16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


# ---- The projection by sorting -----------------------------------------------


def order(w, m=4):
    """Per group: places by descending magnitude, NaN largest, lower index first."""
    x = (w.reshape(-1, m).view(np.uint32) & 0x7FFFFFFF).astype(np.int64)
    x = np.minimum(x, 0x7F800001)
    return np.argsort(-x, axis=1, kind="stable"), x


def slow_mask(w, tie="lower", n=2, m=4):
    if tie == "higher":
        return slow_mask(np.ascontiguousarray(w[..., ::-1]), "lower", n, m)[..., ::-1]
    places, _ = order(w, m)
    out = np.zeros((len(places), m), np.uint8)
    np.put_along_axis(out, places[:, :n], 1, axis=1)
    return out.reshape(w.shape)


def slow_threshold(w, n=2, m=4, gamma=0.0):
    """One for each group: between what is n-th from the top, and the next below."""
    places, _ = order(w, m)
    with np.errstate(all="ignore"):
        x = np.abs(np.take_along_axis(w.reshape(-1, m), places, axis=1))
        low, high = x[:, n], x[:, n - 1]
        if gamma == 0:
            return low
        t = low + np.float64(np.float32(gamma)) * np.float64(high - low)
        return np.where(np.isfinite(high), t, high).astype(np.float32)


def slow_project(w, beta=1.0, n=2, m=4, gamma=0.0):
    with np.errstate(all="ignore"):
        flat, t = w.reshape(-1, m), slow_threshold(w, n, m, gamma)
        s = np.sign(flat) * np.maximum(np.abs(flat) - t[:, None], np.float32(0))
        poison = np.isnan(flat).any(1) | ~np.isfinite(t)
        out = np.float32(beta) * s
        out = np.where(out == 0, np.float32(0), out)
        kept = slow_mask(w, "lower", n, m).reshape(-1, m) == 1
        out[poison] = np.where(kept[poison], NAN, np.float32(0))
    return canonical(out).reshape(w.shape)


def by_columns(function):
    """The same of an explicit transpose, and back."""
    return lambda w: np.ascontiguousarray(function(np.ascontiguousarray(w.T)).T)


def slow_sum(terms):
    """In the order that sste.h states: lanes, then blocks, in double."""
    terms, blocks = np.float64(terms).ravel(), []
    for block in np.split(terms, range(4096, terms.size, 4096)):
        lanes = np.zeros(32)
        for row in np.pad(block, (0, -block.size % 32)).reshape(-1, 32):
            lanes = lanes + row
        while lanes.size > 1:
            lanes = lanes[:lanes.size // 2] + lanes[lanes.size // 2:]
        blocks.append(lanes[0])
    while len(blocks) > 1:
        pairs = [sum(blocks[i:i + 2]) for i in range(0, len(blocks), 2)]
        blocks = pairs
    return blocks[0]


def slow_beta(w, rule="min_mse", *pattern):
    s = np.float64(slow_project(w, 1.0, *pattern))
    w = np.float64(w)
    if rule == "equal_l1":
        return np.float32(slow_sum(np.abs(w)) / slow_sum(np.abs(s)))
    return np.float32(slow_sum(w * s) / slow_sum(s * s))


def slow_relative_mse(w, v):
    return slow_sum(np.float64(w - v)**2) / slow_sum(np.float64(w)**2)


PATTERNS = (1, 2), (1, 4), (2, 4), (3, 4), (2, 5), (4, 8), (7, 16), (9, 20), (31, 32)


def test_projection_is_the_one_by_sorting():
    for kind, beta in itertools.product(KINDS, (1.0, 1.4837, 2.0**-40)):
        w = sste.draw(kind, (6, 40), seed=3)
        assert same(sste.project(w, beta), slow_project(w, beta)), kind


def test_mask_is_the_one_by_sorting():
    for kind, tie in itertools.product(KINDS, ("lower", "higher")):
        w = sste.draw(kind, (6, 40), seed=4)
        assert same(sste.mask(w, tie), slow_mask(w, tie)), kind


def test_every_pattern_is_the_one_by_sorting():
    for kind, (n, m), gamma in itertools.product(KINDS, PATTERNS, (0.0, 0.3, 1.0)):
        w = sste.draw(kind, (3, 4 * m), seed=5)
        project = lambda w: slow_project(w, 1.5, n, m, gamma)  # noqa: E731
        for x, axis, by in (w, "rows", project), (w.T, "columns", by_columns(project)):
            x = np.ascontiguousarray(x)
            got = sste.project(x, 1.5, n=n, m=m, gamma=gamma, axis=axis)
            assert same(got, by(x)), (kind, n, m, gamma, axis)
        if gamma == 0:
            for tie in "lower", "higher":
                ones = slow_mask(w, tie, n, m)
                assert same(sste.mask(w, tie, n, m), ones), (kind, n, m)
                down = sste.mask(np.ascontiguousarray(w.T), tie, n, m, "columns")
                assert same(down, np.ascontiguousarray(ones.T)), (kind, n, m)


def test_groups_that_the_papers_name():
    for group, projected in (
            ([1, 2, 3, 4], [0, 0, 1, 2]), ([4, -3, 2, -1], [2, -1, 0, 0]),
            ([3, 2, 2, 2], [1, 0, 0, 0]), ([2, 2, 1, 1], [1, 1, 0, 0]),
            ([2, -2, 2, -2], [0, 0, 0, 0]), ([5, -4, 0, 0], [5, -4, 0, 0]),
            ([5, 0, 0, 0], [5, 0, 0, 0])):
        group, projected = np.float32([group]), np.float32([projected])
        assert same(sste.project(group), projected)
        column = np.ascontiguousarray(projected.T)
        assert same(sste.project(group.T, axis="columns"), column)
    w = np.float32([4, -3, 2, -1])
    for gamma, projected in (0.5, [1.5, -0.5, 0, 0]), (1, [1, 0, 0, 0]):
        assert sste.project(w, gamma=gamma).tolist() == projected
    assert sste.project(w, n=1).tolist() == [1, 0, 0, 0]
    assert sste.project(w, n=3).tolist() == [3, -2, 1, 0]
    assert [sste.beta(w, rule) for rule in ("min_mse", "equal_l1", "one")] == [
        float(np.float32(11 / 5)), float(np.float32(10 / 3)), 1.0]


def test_beta_adds_in_the_stated_order():
    for kind, shape in (("weights", (3, 40)), ("range", (5, 4096)),
                        ("normal", (3, 4100)), ("dominant", (1, 4))):
        w = sste.draw(kind, shape, seed=5)
        assert np.float32(sste.beta(w)) == slow_beta(w), kind
        assert np.float32(sste.beta(w, "equal_l1")) == slow_beta(w, "equal_l1"), kind
    w = sste.draw("weights", (6, 4095), seed=5)  # blocks end within groups
    for rule, (n, m), gamma in itertools.product(("min_mse", "equal_l1"),
                                                 ((1, 3), (2, 5)), (0.0, 0.5)):
        expected, nm = slow_beta(w, rule, n, m, gamma), dict(n=n, m=m, gamma=gamma)
        assert np.float32(sste.beta(w, rule, **nm)) == expected, (rule, nm)
        down = np.ascontiguousarray(w.T)
        assert np.float32(sste.beta(down, rule, axis="columns", **nm)) == expected


def test_sums_add_in_the_stated_order():
    for kind, shape in (("weights", (3, 40)), ("range", (3, 4100)),
                        ("normal", (70, 130))):
        w, v, g = (sste.draw(kind, shape, seed) for seed in (5, 6, 7))
        w, v = (np.clip(x, -2.0**100, 2.0**100) for x in (w, v))
        assert sste.relative_mse(w, v) == slow_relative_mse(w, v)
        assert sste.norm2(w) == slow_sum(np.float64(w)**2)
        assert sste.change(w, v) == slow_sum(np.abs(w - v))
        assert sste.descent(g, w, v) == slow_sum(np.float64(g) * np.float64(w - v))
        h, b = (w % 1).astype(np.float16), to_bfloat16(v)
        wide = h.astype(np.float32), from_bfloat16(b)
        assert sste.relative_mse(h, b) == slow_relative_mse(*wide)
    pruned = np.float32([[4, -3, 2, -1], [4, -2, 0, 0]])
    assert sste.relative_mse(*pruned) == 0.2
    w = np.random.default_rng(8).standard_normal((512, 2048), np.float32)
    s = sste.project(w)
    assert abs(sste.beta(w) - 1.483718540) < 0.003
    assert abs(sste.beta(w, "equal_l1") - 2.514286809) < 0.006
    assert abs(sste.relative_mse(w, sste.beta(w) * s) - 0.258141) < 0.001
    assert abs(sste.relative_mse(w, s) - 0.336991) < 0.001


# ---- Masks by brute force ----------------------------------------------------


def patterns_of_a_tile():
    """All 4 x 4 of zeros and ones with two ones in each row and column, in descending
    lexicographic order."""
    rows = [row for row in itertools.product((1, 0), repeat=4) if sum(row) == 2]
    tiles = np.float32(list(itertools.product(rows, repeat=4)))
    return tiles[(tiles.sum(axis=1) == 2).all(axis=1)]


def tiles_of(w):
    """(tiles, 4, 4), and how they go back."""
    rows, cols = w.shape
    tiles = w.reshape(rows // 4, 4, cols // 4, 4).swapaxes(1, 2).reshape(-1, 4, 4)

    def back(tiles):
        tiles = tiles.reshape(rows // 4, cols // 4, 4, 4).swapaxes(1, 2)
        return np.ascontiguousarray(tiles.reshape(rows, cols)).astype(np.uint8)
    return tiles, back


def slow_transposable(w, rule="optimal"):
    tiles, back = tiles_of(w)
    if rule == "optimal":
        legal = patterns_of_a_tile()
        m = np.where(np.isnan(tiles), np.float32(np.inf), np.abs(tiles))
        with np.errstate(over="ignore"):
            kept = np.where(legal == 1, m[:, None], np.float32(0))  # pruned adds 0
            r = kept.sum(axis=3, dtype=np.float32)
            score = (r[..., 0] + r[..., 1]) + (r[..., 2] + r[..., 3])
        return back(legal[score.argmax(axis=1)])
    out = np.zeros(tiles.shape, np.uint8)
    for tile, chosen in zip(tiles, out):
        rank = np.nan_to_num(tile if "signed" in rule else np.abs(tile), posinf=np.inf,
                             neginf=-np.inf)
        first = np.lexsort((range(16), -rank.ravel(), ~np.isnan(tile.ravel())))
        for i, j in zip(*np.unravel_index(first, (4, 4))):
            chosen[i, j] = chosen[i].sum() < 2 and chosen[:, j].sum() < 2
    return back(out)


def test_transposable_masks_are_the_best_of_90():
    assert len(patterns_of_a_tile()) == 90
    for kind, rule in itertools.product(KINDS, ("optimal", "greedy", "greedy_signed")):
        w = sste.draw(kind, (20, 36), seed=6)
        got = sste.mask_transposable(w, rule)
        assert same(got, slow_transposable(w, rule)), (kind, rule)
        deep = sste.mask_transposable(w.reshape(5, 4, 36), rule)
        assert same(deep.reshape(20, 36), got)
    w = np.random.default_rng(7).standard_normal((800, 400), np.float32)
    kept = {rule: tiles_of(sste.mask_transposable(w, rule))[0].sum(axis=(1, 2))
            for rule in ("optimal", "greedy")}
    assert (kept["optimal"] == 8).all() and set(kept["greedy"].tolist()) == {7, 8}
    error = np.sqrt(0.158 * (1 - 0.158) / 20000)
    assert abs((kept["greedy"] == 7).mean() - 0.158) < 5 * error


def test_masks_of_what_is_there():
    for kind in KINDS:
        w = sste.draw(kind, (2, 3, 10), seed=8)
        assert same(sste.nonzero(w), (w != 0).astype(np.uint8)), kind
        kept = sste.draw("ties", w.shape, seed=9) > 0
        held = canonical(np.where(kept & (w != 0), w, np.float32(0)))
        assert same(sste.apply_mask(w, kept), held), kind
        assert same(sste.apply_mask(w, 7 * kept.astype(np.uint8)), held), kind
    codes = np.arange(256, dtype=np.uint8)
    for name in F8 + ("ue4m3",):
        there = (sste.decode(codes, name) != 0).astype(np.uint8)
        assert same(sste.nonzero(codes, name), there), name
    assert same(sste.nonzero(codes), sste.nonzero(codes, "e5m2"))
    assert sste.nonzero(codes.view(np.int8)).sum() == 255 == sste.nonzero(
        codes, "e4m3fnuz").sum()


def slow_decay(y, w, mask, factor):
    with np.errstate(all="ignore"):
        pulled = y + np.float64(np.float32(factor)) * np.float64(w)
        pulled = canonical(pulled.astype(np.float32))
    return np.where(mask != 0, y, pulled)


def test_pruned_weights_decay():
    for kind, factor in itertools.product(KINDS, (6e-5, -0.5, 0.0, 3e38)):
        y, w = sste.draw(kind, (5, 12), seed=8), sste.draw(kind, (5, 12), seed=9)
        kept = (sste.draw("ties", (5, 12), seed=10) > 0).astype(np.uint8)
        before = y.copy()
        assert same(sste.masked_decay(y, w, kept, factor),
                    slow_decay(y, w, kept, factor)), kind
        assert same(sste.masked_decay(w, w, kept, factor),
                    slow_decay(w, w, kept, factor)), kind
        assert y.tobytes() == before.tobytes()  # the input is left alone
    h = np.float16([1, 1])
    assert same(sste.masked_decay(h, np.float32([3, 3]), h > 2, 0.1),
                np.float16(np.float32([1.3, 1.3])))


def test_flip_rate_counts():
    a, b = sste.draw("ties", (2, 5, 30), 6), sste.draw("zeros", (2, 5, 30), 7)
    a, b = (np.abs(a) > 1), (b != 0)
    expected = float(np.mean(a != b))
    assert sste.flip_rate(a, b) == expected > 0
    assert sste.flip_rate(a.astype(np.uint8) * 7, b.view(np.uint8)) == expected


def test_flips_are_of_all_layers_together():
    a, b = (sste.draw("ties", (3, 40), seed) > 1 for seed in (6, 7))
    c, d = (sste.draw("zeros", 2000, seed) != 0 for seed in (8, 9))
    first, second = (a != b).sum(), (c != d).sum()
    both = first + second
    assert sste.flips([a, c], [b, d]) == (both, 2120, both / 2120)
    assert sste.flips((a, c), (b, None)) == (first, 2120, first / 2120)
    assert sste.flips([a], [b]).rate == sste.flip_rate(a, b)


def slow_compress(w):
    """Values and metadata, a group at a time."""
    values, nibbles = [], []
    for group, kept in zip(w.reshape(-1, 4), slow_mask(w).reshape(-1, 4)):
        i, j = np.flatnonzero(kept)
        nibbles.append(i + 4 * j)
        values += [group[i] if group[i] else 0, group[j] if group[j] else 0]
    nibbles = np.array(nibbles, np.uint8).reshape(len(w), -1)
    nibbles = np.pad(nibbles, ((0, 0), (0, nibbles.shape[1] % 2)))
    return (canonical(np.float32(values)).reshape(len(w), -1),
            nibbles[:, ::2] | nibbles[:, 1::2] << 4)


def test_compressed_form():
    for cols in 4, 8, 36:
        w = sste.draw("sparse", (7, cols), seed=8)
        values, meta = sste.compress(w)
        expected = slow_compress(w)
        assert same(values, expected[0]) and same(meta, expected[1])
        assert same(sste.decompress(values, meta), w + np.float32(0))
        sste.check(w)
        down = np.ascontiguousarray(w.T)
        values, meta = sste.compress(down, "columns")
        assert same(values, expected[0]) and same(meta, expected[1])
        assert same(sste.decompress(values, meta, "columns"), down + np.float32(0))
    w[5, 12:16] = 1
    refuses("row 5 group 3", sste.check, w)
    refuses("row 5 group 3", sste.compress, w)
    refuses("column 5 group 3", sste.compress, w.T, "columns")
    try:
        sste.check(w)
    except sste.SsteError as error:
        assert error.status == 8 and isinstance(error, ValueError)


def test_the_compressed_form_of_codes_and_integers():
    """Of bytes of which at most two in four are not zero, a zero being 0x00, or in
    some formats that and 0x80, the others stay as they are."""
    codes = (np.arange(1024, dtype=np.uint32) * 2654435761 >> 24).astype(np.uint8)
    codes[slow_mask(sste.draw("normal", 1024, 9)) == 0] = 0
    codes = codes.reshape(8, 128)
    negative = np.where(codes == 0, 0x80, codes).astype(np.uint8)
    for w, format, zeros in ((codes, None, (0, 0x80)), (negative, "e5m2", (0, 0x80)),
                             (codes, "e4m3fnuz", (0,)),
                             (codes.view(np.int8), None, (0,))):
        there = ~np.isin(w.view(np.uint8), zeros)
        values, meta = sste.compress(w, format=format)
        assert same(meta, slow_compress(there.astype(np.float32))[1])
        assert values.dtype == w.dtype
        assert same(sste.decompress(values, meta, format=format),
                    np.where(there, w, 0).astype(w.dtype))
        turned = sste.compress(np.ascontiguousarray(w.T), "columns", format)
        assert same(turned[0], values) and same(turned[1], meta)
        sste.check(w, format=format)
    refuses("row 0 group 0", sste.check, negative, format="e4m3fnuz")
    refuses("row 0 group 0", sste.compress, negative.view(np.int8))
    sste.check(codes != 0)


def test_check_finds_the_first_group():
    w = np.zeros((6, 10), np.float32)
    w[4, 5:8] = 1
    sste.check(w, 3, 5)
    sste.check(w, 1, 6, "columns")
    refuses("w 2:5: row 4, group 1 2 non-zeros", sste.check, w, 2, 5)
    w[3, 6] = w[3, 7] = -1
    refuses("w 1:3: column 6, group 1", sste.check, w, 1, 3, "columns")
    sste.check(w, 2, 6, "columns")


# ---- FP8 by the nearest of all values ----------------------------------------


def parts(name):
    """Sign bits, E, M, bias and family, written down once more."""
    E = 8 if name == "e8m0" else int(name.lstrip("u")[1])
    M = int(name.lstrip("u")[3])
    bias = {"e4m3fnuz": 8, "e5m2fnuz": 16, "e4m3b11fnuz": 11}.get(name, 2**(E - 1) - 1)
    family = "fnuz" if name.endswith("fnuz") else "fn" if name.endswith("fn") else ""
    return E, M, bias, family


def slow_values(name):
    """The value of each of 256 codes in double."""
    E, M, bias, family = parts(name)
    out = np.empty(256)
    for c in range(256):
        e, m = c % 128 >> M, c % 128 % 2**M
        x = (m if e == 0 else m + 2**M) * 2.0**(max(e, 1) - bias - M)
        if family == "" and e == 2**E - 1:
            x = np.inf if m == 0 else np.nan
        if (family == "fn" and c % 128 == 127) or (family == "fnuz" and c == 128):
            x = np.nan
        out[c] = -x if c > 127 else x
    return out


def slow_encode(name, x):
    """The nearest value's code, of two the even one, saturating, one NaN."""
    values = slow_values(name)[:128]
    values = values[np.isfinite(values)]
    middles = (values[1:] + values[:-1]) / 2  # exact in double
    with np.errstate(invalid="ignore"):
        m = np.abs(x.astype(np.float64))
    low, high = (np.searchsorted(middles, m, side) for side in ("left", "right"))
    code = np.where(low % 2 == 0, low, high)  # they differ on a midpoint alone
    sign = np.signbit(x)
    if parts(name)[3] == "fnuz":
        return np.where(np.isnan(x), 128,
                        code + 128 * (sign & (code > 0))).astype(np.uint8)
    return np.where(np.isnan(x), 127, code + 128 * sign).astype(np.uint8)


def test_decode_is_the_formula():
    codes = np.arange(256, dtype=np.uint8)
    for name in F8:
        assert same(sste.decode(codes, name), canonical(slow_values(name))), name
    assert sste.decode(np.uint8([0, 0x80, 0xFE]), "e8m0").tolist() == [
        2.0**-127, 2.0, 2.0**127]
    assert sste.decode(np.uint8([0x39, 0x7E]), "ue4m3").tolist() == [1.125, 448.0]


def test_encode_is_the_nearest():
    for name in F8:
        x = [sste.draw(kind, 200, 9) for kind in KINDS] + [sste.boundaries(name)]
        x = np.concatenate(x)
        assert same(sste.encode(x, name), slow_encode(name, x)), name


def test_boundaries_are_all_numbers_midpoints_and_neighbours():
    for name in F8:
        values = slow_values(name)[:128]
        values = values[np.isfinite(values)]
        ends = np.append(values, 2 * values[-1] - values[-2])  # and the gap above
        points = np.concatenate([values, (ends[1:] + ends[:-1]) / 2]).astype(np.float32)
        near = np.concatenate([points, np.nextafter(points, np.float32(np.inf)),
                               np.nextafter(points, np.float32(-np.inf))])
        given = set(np.abs(sste.boundaries(name)).view(np.uint32).tolist())
        assert set(np.abs(near).view(np.uint32).tolist()) <= given, name
    for from_, dtype in (("float16", np.float16), ("bfloat16", np.uint16),
                         ("float64", np.float64), ("e5m2", np.uint8)):
        x = sste.boundaries("e4m3fn", from_)
        assert x.dtype == dtype and x.size == 12 * 127 + 8 * 2**{
            "float16": 5, "bfloat16": 8, "float64": 11, "e5m2": 5}[from_]


def test_scales_and_recipes():
    x = sste.draw("weights", (3, 5, 24), seed=10)
    top = np.abs(x).max()
    assert sste.amax(x) == top and np.isnan(sste.amax(np.float32([1, np.nan])))
    for name in F8:
        largest = np.nanmax(np.where(np.isinf(slow_values(name)), 0, slow_values(name)))
        largest = np.float32(largest)
        assert sste.scale(x, name) == largest / top
        assert sste.scale(x, name, recipe="divide") == top / largest
        rows = sste.scale(x, name, per_row=True)
        assert same(rows, largest / np.abs(x).max(axis=2))
        assert same(sste.encode(x, name, rows), slow_encode(name, x * rows[..., None]))
        assert same(sste.encode(x, name, rows[..., None]), sste.encode(x, name, rows))
        s = sste.scale(x, name)
        assert same(sste.encode(x, name, s), slow_encode(name, x * np.float32(s)))
        back = slow_values(name)[slow_encode(name, x * np.float32(s))]
        back = back.astype(np.float32)
        assert same(sste.decode(sste.encode(x, name, s), name, s), back / np.float32(s))
        assert same(sste.round_fp8(x, name, s), back / np.float32(s))
        assert same(sste.round_fp8(x, name, s, recipe="te"),
                    back * (np.float32(1) / np.float32(s)))
        d = np.float32(sste.scale(x, name, recipe="divide"))
        assert same(sste.encode(x, name, d, recipe="divide"), slow_encode(name, x / d))
    power = sste.scale(x, recipe=sste.recipe("te", power_of_two=1))
    assert power <= sste.scale(x) < 2 * power and np.frexp(power)[0] == 0.5
    assert sste.scale(np.zeros(4, np.float32)) == 1.0
    assert sste.scale(np.float32([0.25]), recipe=sste.recipe(epsilon=0.5)) == 896.0
    how = sste.recipe("te")
    kept = bytes(how)
    assert sste.encode(x, "e5m2", like="ocp", recipe=how).shape == x.shape
    assert bytes(how) == kept  # the caller's stays as it is
    nan = np.float32([1, np.nan])
    assert sste.scale(nan) == 1.0 and sste.scale(nan, recipe="te") == 448.0


# The codes of 500, infinity and -NaN, and of 1e6, infinity and -NaN: public facts.
FACTS = {"ocp": "7E 7E 7F 7B 7B 7F", "ocp_nonsaturating": "7F 7F 7F 7C 7C 7F",
         "cuda_satfinite": "7E 7E 7F 7B 7B 7F", "cuda_nosat": "7F 7F 7F 7C 7C 7F",
         "ml_dtypes_0_6": "7F 7F FF 7C 7C FE", "torch_2_12": "7F 7F FF 7C 7C FF",
         "torch_2_13": "7E 7E FF 7C 7C FF", "onnx_25_saturate": "7E 7E FF 7B 7B FE",
         "onnx_25": "7F 7F FF 7C 7C FE", "saturating": "7E 7E 7F 7B 7B 7F"}


def test_rules_by_the_name_of_a_library():
    assert set(FACTS) == set(sste.LIKE)
    for name, codes in FACTS.items():
        got = np.concatenate([
            sste.encode(np.float32([x, np.inf, -np.nan]), format, like=name)
            for x, format in ((500, "e4m3fn"), (1e6, "e5m2"))])
        assert " ".join("%02X" % code for code in got) == codes, name


def test_rules_of_ones_own():
    x = np.float32([1.0625, -1.0625, 1.125, 1.1875])  # halfway, and a number
    down, up = [0x38, 0xB8, 0x39, 0x39], [0x39, 0xB9, 0x39, 0x3A]
    for rounding, codes in (("nearest_even", [0x38, 0xB8, 0x39, 0x3A]),
                            ("nearest_away", up), ("toward_zero", down),
                            ("up", [0x39, 0xB8, 0x39, 0x3A]),
                            ("odd", [0x39, 0xB9, 0x39, 0x39])):
        by = sste.rule(rounding=rounding)
        assert sste.encode(x, like=by).tolist() == codes, rounding
        assert sste.convert(x, "e4m3fn", like=by).tolist() == codes, rounding
    by = sste.rule(rounding="stochastic", random_bits=8)
    words = np.arange(256, dtype=np.uint32)
    quarter = np.full(256, 1.03125, np.float32)  # of the gap
    share = sste.convert(quarter, "e4m3fn", like=by, random=words)
    assert (share == 0x39).sum() == 64 and (share == 0x38).sum() == 192
    refuses("random uint32", sste.convert, x, "e4m3fn", like=by)
    refuses("random uint32", sste.convert, x, "e4m3fn", like=by, random=words)
    refuses("random uint32", sste.convert, x, "e4m3fn", like=by, random=x)
    assert sste.convert(np.float32([500]), "e4m3fn", like=sste.rule(
        overflow="none")).tolist() == [0x7F]
    assert sste.convert(np.float32([np.nan]), "e5m2", like=sste.rule(
        nan="quiet")).tolist() == [0x7E]
    via = sste.rule(via="bfloat16")  # 1.0625 + 2^-10 becomes the midpoint first
    assert sste.convert(np.float32([1.0625 + 2**-10]), "e4m3fn").tolist() == [0x39]
    assert sste.convert(np.float32([1.0625 + 2**-10]), "e4m3fn",
                        like=via).tolist() == [0x38]


def test_convert_between_all_widths():
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    quiet = sste.rule(overflow="none", nan="payload", nan_sign=1)
    wide = sste.convert(halves, "float32", like=quiet)
    number = ~np.isnan(halves)
    assert same(wide[number], halves.astype(np.float32)[number])
    assert np.isnan(wide[~number]).all()
    x = np.concatenate([sste.draw(kind, 300, 11) for kind in KINDS])
    x = np.concatenate([x, sste.boundaries("float16")[::7]])
    x = x[~np.isnan(x)]
    with np.errstate(over="ignore"):
        assert same(sste.convert(x, "float16", like=quiet), x.astype(np.float16))
    assert same(sste.convert(x, "bfloat16", like=quiet), to_bfloat16(x))
    assert same(sste.convert(to_bfloat16(x), "float64", like=quiet),
                from_bfloat16(to_bfloat16(x)).astype(np.float64))
    doubles = np.random.default_rng(1).standard_normal(500)
    assert same(sste.convert(doubles, "float32"), doubles.astype(np.float32))
    assert same(sste.convert(doubles.view(np.uint64), "float32", "float64"),
                doubles.astype(np.float32))
    eight = sste.convert(np.uint8([0x7C, 0x39]), "e4m3fn", "e5m2")  # infinity, 0.625
    assert eight.tolist() == [0x7E, 0x32]


def slow_stochastic(name, x, words):
    """The code below, or the one above where the word reaches the share of the gap
    that is passed; by exact fractions of 2^32."""
    values = slow_values(name)[:128]
    values = values[np.isfinite(values)]
    m = np.clip(np.abs(x.astype(np.float64)), 0, values[-1])  # saturating
    code = np.searchsorted(values, np.nan_to_num(m), "right") - 1
    gap = np.diff(np.append(values, np.inf))[code]
    share = np.floor((np.nan_to_num(m) - values[code]) / gap * 2.0**32)
    code = code + (share + words >= 2**32)
    zero = "fnuz" in name
    code = code + 128 * (np.signbit(x) & ((code > 0) | (not zero)))
    return np.where(np.isnan(x), 128 if zero else 127, code).astype(np.uint8)


def test_stochastic_codes_by_philox():
    seed, tensor, step = 2**40 + 5, 8, 9
    for kind, axis in itertools.product(KINDS, ("rows", "columns")):
        x = sste.draw(kind, (10, 7), seed=12)
        runs = x if axis == "rows" else np.ascontiguousarray(x.T)
        words = np.array([[slow_philox((3 + i // 4, 2 + r, step, tensor), (
            seed % 2**32, seed >> 32))[i % 4] for i in range(runs.shape[1])]
            for r in range(runs.shape[0])])
        for name, scale in ("e4m3fn", 1.0), ("e5m2", 0.3), ("e4m3fnuz", 1e20):
            with np.errstate(all="ignore"):
                codes = slow_stochastic(name, runs * np.float32(scale), words)
            codes = codes if axis == "rows" else np.ascontiguousarray(codes.T)
            got = sste.encode_stochastic(x, seed, name, scale, tensor, step, axis, 2, 3)
            assert same(got, codes), (kind, axis, name)
    x = np.full(1 << 16, 1.2, np.float32)  # six tenths of the way
    up = (sste.encode_stochastic(x, 1) == 0x3A).mean()
    assert abs(up - 0.6) < 5 * np.sqrt(0.24 / x.size)


def slow_losses(name, x, scale):
    values = slow_values(name)[:128]
    values = values[np.isfinite(values)]
    last = len(values) - 1
    end = values[-1] + (values[-1] - values[-2]) / 2  # the midpoint above the largest
    with np.errstate(all="ignore"):
        m = np.abs((x * np.float32(scale)).astype(np.float64))
        there = np.isfinite(x) & (x != 0)
        over = there & ((m > end) if last % 2 == 0 else (m >= end))
    return int(there.sum()), int(over.sum()), int((there & (m <= values[1] / 2)).sum())


def test_losses_are_counted():
    for kind, name in itertools.product(KINDS, F8):
        x = np.concatenate([sste.draw(kind, 300, 13), sste.boundaries(name)])
        for scale in 1.0, 37.5, 2.0**-90, 2.0**100:
            assert sste.fp8_losses(x, name, scale) == slow_losses(name, x, scale), (
                kind, name, scale)


# ---- MVUE by Philox in NumPy -------------------------------------------------


def slow_philox(counter, key):
    x = [np.uint64(word) for word in counter]
    for n in range(10):
        a, b = x[0] * np.uint64(0xD2511F53), x[2] * np.uint64(0xCD9E8D57)
        k0 = np.uint64((key[0] + n * 0x9E3779B9) % 2**32)
        k1 = np.uint64((key[1] + n * 0xBB67AE85) % 2**32)
        x = [b >> np.uint64(32) ^ x[1] ^ k0, b & np.uint64(0xFFFFFFFF),
             a >> np.uint64(32) ^ x[3] ^ k1, a & np.uint64(0xFFFFFFFF)]
    return tuple(int(word) for word in x)


def slow_word(seed, tensor, step, run, group):
    return slow_philox((group // 4 % 2**32, run, step, tensor),
                       (seed % 2**32, seed >> 32))[group % 4]


def slow_tau(b, keep):
    """By raising the water: an element that overflows its share is certain."""
    b, k = sorted(b, reverse=True), 0
    while k < keep - 1 and b[k] * (keep - k) >= sum(b[k:]):
        k += 1
    return sum(b[k:]) / (keep - k)


def exact(a):
    return [fractions.Fraction(abs(float(x))) for x in a]


def slow_sample(a, word, keep):
    """One group of integers by intervals in exact fractions."""
    b = exact(a)
    nonzero = [i for i in range(len(a)) if b[i]]
    if len(nonzero) <= keep:
        return [float(x) + 0.0 for x in a]
    tau = slow_tau(b, keep)
    u = fractions.Fraction(word >> 9, 1 << 23)
    kept, end = [], fractions.Fraction(0)
    for i in nonzero:  # the cell [start, end) that (n + u) * tau lies in
        start, end = end, end + min(b[i], tau)
        kept += [i] * any(start <= (n + u) * tau < end for n in range(keep))
    assert len(kept) == keep
    return [float(np.copysign(np.float32(float(max(b[i], tau))), a[i])) if i in kept
            else 0.0 for i in range(len(a))]


def slow_two_prob(b):
    """What the two draws of the paper take each of four with, in fractions."""
    if sum(x > 0 for x in b) <= 2:
        return [fractions.Fraction(x > 0) for x in b]
    return [x / sum(b) + sum(y / sum(b) * x / (sum(b) - y)
                             for j, y in enumerate(b) if j != i)
            for i, x in enumerate(b)]


def slow_two_sample(a, words):
    """One group of four by the two draws, each the cell that a point lies in."""
    b, kept = exact(a), []
    if sum(x > 0 for x in b) <= 2:
        return [float(x) + 0.0 for x in a]
    for word in words:
        cells = [0 if i in kept else x for i, x in enumerate(b)]
        point = fractions.Fraction(word >> 9, 1 << 23) * sum(cells)
        ends = list(itertools.accumulate(cells))
        kept.append(next(i for i, end in enumerate(ends) if point < end))
    p = slow_two_prob(b)
    return [float(np.float32(float(fractions.Fraction(float(x)) / p[i])))
            if i in kept else 0.0 for i, x in enumerate(a)]


def test_philox_known_answers():
    ones = 2**32 - 1
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)
    for counter, key, drawn in (
            ((0,) * 4, (0,) * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
            ((ones,) * 4, (ones,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
            (*pi, "d16cfe09 94fdcceb 5001e420 24126ea1")):
        assert " ".join("%08x" % word for word in sste.philox(counter, key)) == drawn
        assert slow_philox(counter, key) == sste.philox(counter, key)
    for where in (5, 0, 0, 0, 0), (2**63 + 9, 3, 2, 7, 1 << 33), (1, 2, 3, ones, 6):
        assert sste.mvue_word(*where) == slow_word(*where), where


def test_mvue_is_the_draw_by_fractions():
    seed, tensor, step = 2**40 + 3, 5, 6
    for kind, axis, group in itertools.product(("ties", "integers", "sparse", "zeros"),
                                               ("rows", "columns"), (4, 2)):
        a = sste.draw(kind, (16, 24), seed=12)
        a = np.trunc(a * 64 if kind in ("sparse", "zeros") else a)  # sums are exact
        got = sste.mvue(a, seed, tensor, step, axis, group, run=2, first_group=3)
        runs, drawn = (a, got) if axis == "rows" else (a.T, got.T)
        for r, (run, sampled) in enumerate(zip(runs, drawn)):
            for g, (x, y) in enumerate(zip(run.reshape(-1, group),
                                           sampled.reshape(-1, group))):
                word = slow_word(seed, tensor, step, 2 + r, 3 + g)
                assert y.tolist() == slow_sample(x, word, group // 2), (kind, x, y)


def test_draws_by_given_words():
    groups = sste.draw("ties", (60, 4), seed=18)
    words = np.random.default_rng(1).integers(0, 2**32, (60, 9), np.uint32)
    drawn = sste.mvue_draws(groups, words)
    assert drawn.shape == (60, 9, 4) and drawn.dtype == np.float32
    for a, row, samples in zip(groups, words.tolist(), drawn.tolist()):
        assert samples == [slow_sample(a, word, 2) for word in row], a


def test_words_lie_on_both_sides_of_every_decision():
    evenly = np.arange(0, 2**32, 2**18, dtype=np.uint32)
    for kind in "normal", "integers", "dominant", "zeros":
        for a in sste.draw(kind, (40, 4), seed=19):
            words = sste.mvue_words(a)
            few = {tuple(b) for b in sste.mvue_draws(a, words).tolist()}
            many = {tuple(b) for b in sste.mvue_draws(a, evenly).tolist()}
            assert words.shape == (36,) and many <= few, a


def test_a_slice_draws_what_the_whole_does():
    a = sste.draw("normal", (12, 32), seed=13)
    whole = sste.mvue(a, 9)
    assert same(sste.mvue(a[4:, 8:], 9, run=4, first_group=2), whole[4:, 8:].copy())
    assert not same(sste.mvue(a, 10), whole) and not same(sste.mvue(a, 9, 1), whole)
    assert not same(sste.mvue(a, 9, step=1), whole)
    nan = sste.mvue(np.float32([1, np.nan, 2, 3]), 9)
    assert np.isnan(nan[[1, 3]]).all() and nan[[0, 2]].tolist() == [0, 0]


def integers(shape, seed):
    """Groups whose sums are exact, with ties, zeros and one that dominates."""
    a = sste.draw("integers", shape, seed)
    a[1::3] = np.trunc(sste.draw("normal", a[1::3].shape, seed) * 64)
    a[2::3, 0] = 1000
    return a


def test_every_pattern_is_the_draw_by_fractions():
    seed, tensor, step = 5, 6, 2**32 - 1
    for (n, m), axis in itertools.product(PATTERNS, ("rows", "columns")):
        a = integers((6, 3 * m), seed=14)
        given = a if axis == "rows" else np.ascontiguousarray(a.T)
        got = sste.mvue(given, seed, tensor, step, axis, run=4, first_group=1, n=n, m=m)
        got = got if axis == "rows" else got.T
        for r, (run, sampled) in enumerate(zip(a, got)):
            for g, (x, y) in enumerate(zip(run.reshape(-1, m), sampled.reshape(-1, m))):
                word = slow_word(seed, tensor, step, 4 + r, 1 + g)
                assert y.tolist() == slow_sample(x, word, n), (n, m, axis, x, y)
                assert same(sste.mvue_draws(x, np.uint32([word]), n, m)[0], y)
    a = sste.draw("normal", (8, 32), seed=14)
    for group in 2, 4:
        named = sste.mvue(a, 3, n=group // 2, m=group)
        assert same(sste.mvue(a, 3, group=group), named)


def test_rounding_does_not_lose_the_largest():
    """Of subnormals, whose halves and thirds are rounded most."""
    groups = np.random.default_rng(9).integers(1, 64, (3000, 4), np.uint32)
    groups, top = groups.view(np.float32), groups.argmax(axis=1)
    words = np.tile(np.uint32([0, 1 << 31, 2**32 - 1]), (3000, 1))
    for n in 2, 3:
        drawn = sste.mvue_draws(groups, words, n)
        kept = np.take_along_axis(drawn, top[:, None, None], axis=2)[..., 0] != 0
        certain = sste.mvue_prob(groups, n)[range(3000), top] == 1
        assert certain.sum() > 100 and kept[certain].all()
        assert ((drawn != 0).sum(axis=2) == n).all()


def test_the_approximation_is_two_draws():
    seed, tensor, step = 2**50 + 1, 2, 3
    for kind, axis in itertools.product(("ties", "integers", "zeros"),
                                        ("rows", "columns")):
        a = np.trunc(sste.draw(kind, (12, 20), seed=15) * 8)
        given = a if axis == "rows" else np.ascontiguousarray(a.T)
        got = sste.mvue(given, seed, tensor, step, axis, run=5, first_group=3,
                        approximate=True)
        got = got if axis == "rows" else got.T
        for r, (run, sampled) in enumerate(zip(a, got)):
            for g, (x, y) in enumerate(zip(run.reshape(-1, 4), sampled.reshape(-1, 4))):
                words = slow_philox(((3 + g) // 2, 5 + r, step, tensor),
                                    (seed % 2**32, seed >> 32))
                words = words[2:] if (3 + g) % 2 else words[:2]
                assert y.tolist() == slow_two_sample(x, words), (kind, axis, x, y)


def test_probabilities_are_those_of_the_water():
    for n, m in PATTERNS:
        a = integers((30, m), seed=16)
        p, pairs = sste.mvue_prob(a, n, m), sste.mvue_pair_prob(a, n, m)
        assert p.dtype == np.float64 and p.shape == a.shape
        variance, moment = sste.mvue_variance(a, n, m), sste.mvue_second_moment(a, n, m)
        close = 2.0**-21 if (n, m) in ((1, 2), (2, 4)) else 2.0**-45
        for x, *given in zip(a, p, pairs, variance, moment):
            b, few = exact(x), np.count_nonzero(x) <= n
            tau = slow_tau(b, n)
            right = [fractions.Fraction(y > 0) if few else min(y / tau, 1) for y in b]
            assert np.abs(given[0] - np.float64(right)).max() <= close, (n, m, x)
            second = sum(y * y / q for y, q in zip(b, right) if y)
            spread = second - sum(y * y for y in b)
            assert abs(given[2] - spread) <= 2 * close * second, (n, m, x)
            assert abs(given[3] - second) <= 2 * close * second, (n, m, x)
            # Two survive together on the u for which both cells hold a point.
            ends = [fractions.Fraction(0)] + list(itertools.accumulate(right))
            turns = sorted({end % 1 for end in ends} | {fractions.Fraction(1)})
            both = np.zeros((m, m), object)
            for u, v in zip(turns, turns[1:]):
                kept = [i for i in range(m) if any(
                    ends[i] <= (u + v) / 2 + k < ends[i + 1] for k in range(n))]
                both[np.ix_(kept, kept)] += v - u
            assert np.abs(given[1] - np.float64(both)).max() <= 2 * close, (n, m, x)


def test_probabilities_that_the_papers_name():
    for group, p, variance in (
            ([1, 2, 3, 4], [1 / 5, 2 / 5, 3 / 5, 4 / 5], 20), ([1] * 4, [1 / 2] * 4, 4),
            ([1, 1, 1, 9], [1 / 3, 1 / 3, 1 / 3, 1], 6),
            ([1, 2, 3, 6], [1 / 6, 1 / 3, 1 / 2, 1], 22),
            ([1, 2, 3, 5], [2 / 11, 4 / 11, 6 / 11, 10 / 11], 21.5),
            ([0, 0, 3, 4], [0, 0, 1, 1], 0), ([2, 0, 0, 0], [1, 0, 0, 0], 0)):
        a = np.float32(group)
        assert sste.mvue_prob(a).tolist() == p, group
        assert sste.mvue_variance(a) == variance, group
        assert sste.mvue_second_moment(a) == variance + (a * a).sum(), group
    together = sste.mvue_pair_prob(np.float32([1, 2, 3, 4]))
    assert np.abs(together - [[0.2, 0, 0.2, 0], [0, 0.4, 0, 0.4], [0.2, 0, 0.6, 0.4],
                              [0, 0.4, 0.4, 0.8]]).max() < 2.0**-44
    nan = np.float32([1, np.nan, 2, 3])
    assert sste.mvue_prob(nan).tolist() == [0, 1, 0, 1]
    assert np.isnan([sste.mvue_variance(nan), sste.mvue_second_moment(nan)]).all()


def test_the_approximation_by_fractions():
    a = integers((90, 4), seed=17)
    p, variance = (function(a, approximate=True)
                   for function in (sste.mvue_prob, sste.mvue_variance))
    for x, q, v in zip(a, p, variance):
        right, b = slow_two_prob(exact(x)), exact(x)
        assert np.abs(q - np.float64(right)).max() < 2.0**-50
        spread = sum(y * y * (1 - r) / r for y, r in zip(b, right) if y)
        assert abs(v - spread) <= 2.0**-45 * sum(b)**2
    ratio = variance[variance > 0] / sste.mvue_variance(a)[variance > 0]
    assert ((ratio > 1 - 2.0**-20) & (ratio < 2)).all()


# ---- Products ----------------------------------------------------------------


def slow_product(a, b):
    """A B in double, one term after another."""
    with np.errstate(all="ignore"):
        sums = np.zeros((a.shape[0], b.shape[1]))
        for k in range(a.shape[1]):
            sums += a[:, k:k + 1].astype(np.float64) * b[k:k + 1].astype(np.float64)
        return canonical(sums.astype(np.float32))


def test_products_add_in_order():
    for kind in KINDS:
        x, w = sste.draw(kind, (2, 3, 40), 14), sste.draw(kind, (9, 40), 15)
        dz = sste.draw(kind, (2, 3, 9), 16)
        x2, dz2 = x.reshape(6, 40), dz.reshape(6, 9)
        z, dx = slow_product(x2, w.T), slow_product(dz2, w)
        assert same(sste.product_forward(x, w), z.reshape(2, 3, 9))
        assert same(sste.product_input_grad(dz, w), dx.reshape(2, 3, 40))
        assert same(sste.product_weight_grad(dz, x), slow_product(dz2.T, x2))
        if np.isfinite(x).all():  # an infinity that no kept weight meets is not seen
            sparse = sste.draw("sparse", (9, 40), 17)
            z = sste.product_forward_compressed(x, *slow_compress(sparse))
            assert same(z, slow_product(x2, sparse.T).reshape(2, 3, 9))


def test_fp8_product_is_exact():
    rng = np.random.default_rng(2)
    for fa, fb in ("e4m3fn", "e4m3fn"), ("e4m3fn", "e5m2"), ("e3m4", "e4m3fnuz"):
        a = rng.integers(0, 256, (2, 5, 8), np.uint8)
        b = rng.integers(0, 256, (7, 8), np.uint8)
        va, vb = slow_values(fa)[a], slow_values(fb)[b]  # sums are exact in double
        with np.errstate(invalid="ignore"):
            z = (va.reshape(-1, 1, 8) * vb).sum(axis=2)
        assert same(sste.fp8_product(a, b, fa, fb),
                    canonical(z + 0.0).reshape(2, 5, 7)), (fa, fb)


def test_checked_products():
    x, w = sste.draw("normal", (2, 4, 64), 18), sste.draw("sparse", (12, 64), 19)
    dz = sste.draw("normal", (2, 4, 12), 20)
    x2, dz2 = x.reshape(8, 64), dz.reshape(8, 12)
    z, dx = slow_product(x2, w.T), slow_product(dz2, w)
    z = z.reshape(2, 4, 12)
    cases = ((sste.check_product_forward, x, w, z, 64),
             (sste.check_product_input_grad, dz, w, dx.reshape(2, 4, 64), 12),
             (sste.check_product_weight_grad, dz, x, slow_product(dz2.T, x2), 8))
    for function, a, b, z, terms in cases:
        for how in "exact", "float", "tensor_core":
            report = function(z, a, b, how=how)
            assert report and report.count["same"] == z.size == report.total
        z = z.copy()
        z.flat[5] = np.nextafter(z.flat[5], np.float32(np.inf))
        assert function(z, a, b).count["within"] == 1
        report = function(z, a, b, how="exact")
        assert report.failures == report.count["one step"] == 1
        assert report.first[0].row * z.shape[-1] + report.first[0].col == 5
        z.flat[5] += 1
        assert function(z, a, b, bound=1e-6).count["further"] == 1
        assert function(z, a, b, bound=1e6)
        assert function(z, a, b, terms=2**26).count["within"] == 1
        share = function(z, a, b).worst_share
        assert function(z, a, b, terms=terms).worst_share == share > 1
    z = cases[0][3]
    assert sste.check_product_forward(z.astype(np.float16), x, w, how="exact")
    assert sste.check_product_forward(to_bfloat16(z), x, w, how="exact")
    assert sste.check_product_forward(slow_encode("e5m2", z), x, w, format="e5m2")
    x, w = np.float32([[64, 64]]), np.float32([[8, 0]])  # 512, and E4M3FN ends at 448
    for overflow, code in ("none", 0x7F), ("saturate", 0x7E), ("saturate_finite", 0x7E):
        z = np.uint8([[code]])
        for function, a, b in ((sste.check_product_forward, x, w),
                               (sste.check_product_input_grad, x, w.T),
                               (sste.check_product_weight_grad, x.T, w.T)):
            assert function(z, a, b, "exact", format="e4m3fn", overflow=overflow)
            other = "saturate" if overflow == "none" else "none"
            only(function(z, a, b, "exact", format="e4m3fn", overflow=other),
                 "saturation")


def test_bounds():
    assert sste.bound("exact", 9) == 0
    assert sste.bound("tensor_core", 1024) == 0.875 * 2**-13
    assert sste.bound("float", 3) == 3 * 2**-24 / (1 - 3 * 2**-24)
    assert sste.bound("fp8_hopper", 8) == 10 / 2**13
    assert sste.bound("fp8_promoted", 2048) < sste.bound("fp8_hopper", 256)


# ---- Tensor cores by hand ----------------------------------------------------

# What arrays of a format are, and its smallest code that is not finite (of integers
# none), its sign, and its least exponent.
OPERANDS = {"float16": (np.float16, 0x7C00, -14), "bfloat16": (np.uint16, 0x7F80, -126),
            "tf32": (np.float32, 0x7F800000, -126), "e4m3fn": (np.uint8, 0x7F, -6),
            "e5m2": (np.uint8, 0x7C, -14), "int8": (np.int8, None, None),
            "uint8": (np.uint8, None, None)}
# The nibble by which of the elements are not 0, from none to all, element 0 being the
# lowest bit; of PyTorch those it was seen to give.
NIBBLES = {"sste": "4444889xCCDxExxx", "torch": "E894E89xECDxExxx",
           "torch_2023": "ECD4E89xECDxExxx", "cutlass3": "0CD4E89xCCDxExxx"}
PAIRS = {"sste": "44Ex", "torch": "E4Ex", "torch_2023": "E4Ex", "cutlass3": "44Ex"}
LEGAL = {"tf32": "4E"}
# Products of a step, fraction bits, fraction bits of a float32, grouping, late: of
# 16-bit floats, of TF32 and of FP8.
MODELS = {"ampere": ((8, 24, 23), (4, 24, 23), None),
          "ada": ((8, 24, 23), (4, 24, 23), (16, 13, 13)),
          "hopper": ((16, 25, 23), (8, 25, 23), (16, 25, 23, "by_pair", 1)),
          "hopper_wgmma": ((16, 25, 23), (8, 25, 23), (32, 13, 13)),
          "blackwell": ((16, 25, 23), (8, 25, 23), (32, 25, 23))}


def bits_of(x):
    return x.view("u%d" % x.itemsize)


def is_there(x, format):
    """What is not 0: -0 is, where there is one."""
    sign = 0 if "int8" in format else 1 << (8 * x.itemsize - 1)
    return (bits_of(x) & (sign - 1 if sign else -1 + (1 << 8 * x.itemsize))) != 0


def sparse_operand(format, rows, cols, seed):
    """Any codes that are no NaN, of which a group keeps no more than it may; zeros of
    both signs between them."""
    rng = np.random.default_rng(seed)
    dtype, end, _ = OPERANDS[format]
    n, bits = 2 if format == "tf32" else 4, 8 * np.dtype(dtype).itemsize
    code = rng.integers(1, end or 256, (rows, cols // n, n))
    masks = rng.choice([m for m in range(1 << n) if bin(m).count("1") <= n // 2],
                       (rows, cols // n, 1))
    code = np.where(masks >> np.arange(n) & 1, code, 0)
    if end is not None:
        code |= rng.integers(0, 2, code.shape) << (bits - 1)
    return code.astype("u%d" % (bits // 8)).view(dtype).reshape(rows, cols)


def slow_stored(w, format, like):
    """The values and the nibbles, one for each group, by an owner's rule."""
    table, n = (PAIRS[like], 2) if format == "tf32" else (NIBBLES[like], 4)
    there, w = (x.reshape(len(w), -1, n) for x in (is_there(w, format), w))
    table = np.uint8([int(x, 16) if x != "x" else 255 for x in table])
    nibbles = table[(there << np.arange(n)).sum(2)]
    places = np.stack([nibbles % 4 // 2] if n == 2 else [nibbles % 4, nibbles // 4], 2)
    values = np.take_along_axis(w, places.astype(int), 2)
    if like in ("sste", "cutlass3"):
        values[~np.take_along_axis(there, places.astype(int), 2)] = 0
    return values.reshape(len(w), -1), nibbles


def words(nibbles, bits):
    """Nibbles along the last axis as words, the first ones low."""
    shifted = nibbles.reshape(nibbles.shape[:-1] + (-1, bits // 4)).astype(np.uint32)
    shifted = (shifted << 4 * np.arange(bits // 4, dtype=np.uint32)).sum(-1)
    return shifted.astype("u%d" % (bits // 8))


def slow_order(nibbles, format, order):
    """Nibbles of a matrix as they lie in memory: the axes that a place is made of, put
    in another order."""
    rows, chunks = nibbles.shape
    eight = np.dtype(OPERANDS[format][0]).itemsize == 1
    if order == "row_major":
        return words(np.pad(nibbles, ((0, 0), (0, chunks % 2))), 8)
    if order == "cutlass2" and eight:
        #             block, g + 8, g   block, word, nibble
        n = nibbles.reshape(-1, 2, 8, chunks // 16, 2, 8).transpose(3, 0, 2, 4, 1, 5)
        return words(n, 32).view(np.int32).reshape(rows, -1)
    if order == "cutlass2":
        #             block, + 16, + 8, g   block, word, nibble
        n = nibbles.reshape(-1, 2, 2, 8, chunks // 8, 2, 4)
        return words(n.transpose(4, 0, 3, 1, 5, 2, 6), 16).view(np.int16).reshape(
            rows, -1)
    if eight:
        n = nibbles.reshape(rows, -1, 32).swapaxes(0, 1)
    else:
        #             row: atom, 4 5, 3, 0-2   chunk: atom, 3 4, 2, 0 1
        n = nibbles.reshape(rows // 64, 4, 2, 8, -1, 4, 2, 4)
        n = n.transpose(4, 0, 1, 6, 3, 5, 2, 7)
    return words(np.ascontiguousarray(n), 8).reshape(rows, -1)


def as_codes(format):
    """The format that an array's dtype does not say."""
    return format if format in ("tf32", "e5m2", "uint8") else None


# Sizes of several blocks each way, for any format.
def blocks(order):
    return {"row_major": (5, 20), "cutlass2": (96, 192), "cutlass3_sm90": (128, 384)}[
        order]


def test_each_owner_stores_in_each_order():
    for format, order, like in itertools.product(OPERANDS, sste.ORDERS, sste.OWNERS):
        w, case = sparse_operand(format, *blocks(order), 40), (format, order, like)
        values, nibbles = slow_stored(w, format, like)
        how = dict(format=as_codes(format), order=order)
        got, meta = sste.compress(w, like=like, **how)
        assert same(got, values), case
        assert same(meta, slow_order(nibbles, format, order)), case
        down = sste.compress(np.ascontiguousarray(w.T), "columns", like=like, **how)
        assert same(down[0], values) and same(down[1], meta), case
        deep = sste.compress(w[None], like=like, **how)
        assert same(deep[0], values[None]) and same(deep[1], meta[None]), case
        if like == "cutlass3" and order != "cutlass3_sm90" and format != "tf32":
            row, chunk = np.argwhere(nibbles == 0)[0]
            says("row %d, chunk %d of meta is 0: legal are 4, 8, 9, C, D and E"
                 % (row, chunk), sste.decompress, got, meta, **how)
            continue
        for back in (sste.decompress(got, meta, **how),
                     sste.decompress(got, meta, "columns", **how).T.copy(),
                     sste.decompress(got[None], meta[None], **how)[0]):
            there = is_there(w, format)
            assert same(np.where(there, back, 0), np.where(there, w, 0)), case
            assert back.dtype == w.dtype and not is_there(back, format)[~there].any()


def test_a_format_may_say_what_the_dtype_does():
    for format, order, like in itertools.product(OPERANDS, sste.ORDERS, sste.OWNERS):
        if format in ("tf32", "e5m2", "uint8"):
            continue  # which no dtype of NumPy says
        w = sparse_operand(format, *blocks(order), 54)
        plain = sste.compress(w, order=order, like=like)
        for named in (format, sste.FORMATS.get(format, format)):
            how = dict(format=named, order=order)
            for x, y in zip(sste.compress(w, like=like, **how), plain):
                assert same(x, y), (format, order, like)
            sste.reorder_metadata(plain[1], named, order, "row_major")
            if like != "cutlass3":
                sste.check_metadata(plain[1], cols=w.shape[1], **how)
                assert same(sste.decompress(*plain, **how),
                            sste.decompress(*plain, order=order))
            assert same(sste.nonzero(w, named), sste.nonzero(w))
            sste.check(w, format=named)
    f = sparse_operand("tf32", 4, 16, 54)
    f[:, 2::4] = f[:, 3::4] = 0
    sste.check(f, format="float32")
    for x, y in zip(sste.compress(f, format="float32"), sste.compress(f)):
        assert same(x, y)
    numbers = np.uint8([[0x80, 0x80, 0x80, 0]])  # as codes zeros
    assert sste.nonzero(numbers).sum() == 0
    assert sste.nonzero(numbers, "uint8").sum() == 3
    says("w is not 2:4: row 0, group 0 has more than 2 non-zeros", sste.check, numbers,
         format="uint8")
    for dtype, format in itertools.product(
            (np.float16, np.uint16, np.float32, np.int8, np.uint8),
            ("float16", "bfloat16", "float32", "int8", "e5m2", "uint8")):
        own = {np.uint16: ("bfloat16",), np.uint8: ("e5m2", "uint8")}
        if format not in own.get(dtype, (np.dtype(dtype).name,)):
            for function in sste.check, sste.compress, sste.nonzero:
                refuses("w is %s" % np.dtype(dtype).name, function,
                        np.zeros((2, 8), dtype), format=format)


def test_bits_are_moved_as_they_are():
    nans = np.uint16([[0x7C01, 0, 0xFFFF, 0, 0x8000, 0xFE00, 0x8000, 0]])
    w = np.tile(nans, (32, 4)).view(np.float16)
    values, meta = sste.compress(w, order="cutlass2", like="torch")
    kept = np.tile(np.uint16([0x7C01, 0xFFFF, 0xFE00, 0x8000]), (32, 4))
    assert same(bits_of(values), kept)
    back = bits_of(sste.decompress(values, meta, order="cutlass2"))
    assert (back[:, 4::8] == 0).all()  # where -0 was, which no nibble names
    back[:, 4::8] = 0x8000
    assert same(back, bits_of(w))
    values, meta = sste.compress(w, order="cutlass2")
    once = np.uint16([0x7E00, 0x7E00, 0, 0x7E00])
    assert same(bits_of(values), np.tile(once, (32, 4)))


def test_metadata_in_another_order():
    rng = np.random.default_rng(41)
    for format, (rows, cols) in itertools.product(OPERANDS, ((64, 128), (192, 256))):
        chunks = cols // (2 if format == "tf32" else 4)
        nibbles = rng.integers(0, 16, (rows, chunks), np.uint8)
        for order, to in itertools.product(sste.ORDERS, repeat=2):
            meta = slow_order(nibbles, format, order)
            got = sste.reorder_metadata(meta, format, order, to)
            assert same(got, slow_order(nibbles, format, to)), (format, order, to)
    for format, dtype in ("uint8", np.uint32), ("bfloat16", np.uint16):
        unsigned = slow_order(nibbles, format, "cutlass2").view(dtype)
        got = sste.reorder_metadata(unsigned, format, "cutlass2", "row_major")
        assert same(got, slow_order(nibbles, format, "row_major"))


def test_an_illegal_nibble_is_named():
    rng = np.random.default_rng(42)
    for format, order in itertools.product(OPERANDS, sste.ORDERS):
        n = 2 if format == "tf32" else 4
        legal = [int(x, 16) for x in LEGAL.get(format, "489CDE")]
        nibbles = rng.choice(np.uint8(legal), (128, 64))
        sste.check_metadata(slow_order(nibbles, format, order), format, order)
        values = np.ones((128, 32 * n), OPERANDS[format][0])
        for wrong in sorted(set(range(16)) - set(legal)):
            row, chunk = rng.integers(0, (127, 64))
            planted = nibbles.copy()
            planted[row, chunk] = planted[row + 1, 0] = wrong
            meta = slow_order(planted, format, order)
            named = "row %d, chunk %d of meta is %X: legal are %s" % (
                row, chunk, wrong, "4 and E" if n == 2 else "4, 8, 9, C, D and E")
            says(named, sste.check_metadata, meta, format, order)
            says(named, sste.decompress, values, meta, format=as_codes(format),
                 order=order)
            if order == "row_major":
                b = np.ones((1, values.shape[1] * 2), values.dtype)
                op = sste.instruction(format)
                says(named, sste.tensor_core_product, values, b, "ada", meta, op)
    sste.check_metadata(np.uint8([[0x44, 0x0E]]), "float16", cols=12)
    says("row 0, chunk 3 of meta is 0: legal are 4, 8, 9, C, D and E",
         sste.check_metadata, np.uint8([[0x44, 0x0E]]), "float16")


def test_a_group_with_too_many_is_named():
    for format, order in itertools.product(OPERANDS, sste.ORDERS):
        n, w = 2 if format == "tf32" else 4, sparse_operand(format, *blocks(order), 53)
        w[3, 2 * n:3 * n] = w[4, :n] = 1
        text = "w is not %d:%d: %%s 3, group 2 has more than %s" % (
            n // 2, n, "1 non-zero" if n == 2 else "2 non-zeros")
        how = dict(format=as_codes(format), order=order, like="torch")
        says(text % "row", sste.compress, w, **how)
        says(text % "column", sste.compress, w.T.copy(), "columns", **how)


def test_pytorch_stores_the_same():
    torch = optional("torch")
    try:
        from torch.sparse import _semi_structured_conversions as theirs
    except ImportError:
        raise unittest.SkipTest("no conversion to semi-structured") from None
    for format, dtype in (("float16", torch.float16), ("bfloat16", torch.bfloat16),
                          ("tf32", torch.float32), ("int8", torch.int8)):
        dense = torch.from_numpy(sparse_operand(format, 96, 192, 43).view(
            np.int16 if format == "bfloat16" else OPERANDS[format][0])).view(dtype)
        if format == "tf32":  # what they take for halves must be no NaN
            dense = torch.round(dense.clamp(-999, 999))
        values, meta = theirs.sparse_semi_structured_from_dense_cutlass(dense)
        how = dict(format=as_codes(format), order="cutlass2")
        ours = sste.compress(dense, like="torch", **how)
        assert torch.equal(torch.from_numpy(ours[1]), meta), format
        assert same(ours[1], meta.numpy()), format
        bits = values.view(torch.int16) if format == "bfloat16" else values
        assert ours[0].tobytes() == bits.numpy().tobytes(), format
        back = theirs.sparse_semi_structured_to_dense_cutlass(values, meta)
        bits = back.view(torch.int16) if format == "bfloat16" else back
        got = sste.decompress(values, meta, **how)
        assert got.tobytes() == bits.numpy().tobytes(), format
        again = sste.reorder_metadata(meta, format, "cutlass2", "row_major")
        sste.check_metadata(again, format)


def test_ml_dtypes_on_tensor_cores():
    ml_dtypes = optional("ml_dtypes")
    for format, name in (("bfloat16", "bfloat16"), ("e4m3fn", "float8_e4m3fn"),
                         ("e5m2", "float8_e5m2")):
        bits, dtype = sparse_operand(format, 64, 128, 44), getattr(ml_dtypes, name)
        values, meta = sste.compress(bits.view(dtype), order="cutlass3_sm90")
        assert values.dtype == dtype
        back = sste.decompress(values, meta, order="cutlass3_sm90")
        there = is_there(bits, format)
        assert same(back.view(bits.dtype), np.where(there, bits, 0).astype(bits.dtype))
        row_major = sste.reorder_metadata(meta, format, "cutlass3_sm90", "row_major")
        op = sste.instruction(format)
        z = sste.tensor_core_product(values, bits.view(dtype), "ada", row_major)
        assert same(z, sste.tensor_core_product(values.view(bits.dtype), bits, "ada",
                                                row_major, op))


def numbers_of(x, format):
    """The values of codes, in float64."""
    if format in ("e4m3fn", "e5m2"):
        return slow_values(format)[x]
    if format == "tf32":
        x = (x.view(np.uint32) & 0xFFFFE000).view(np.float32)
    return (from_bfloat16(x) if format == "bfloat16" else x).astype(np.float64)


def exponent(x, least):
    """Of a number that is not 0; subnormals have their format's least."""
    return max(math.frexp(x)[1] - 1, least)


def cut(x, bits, least=-126):
    """Toward zero, to so many bits of fraction."""
    unit = exponent(x, least) - bits
    return math.ldexp(math.trunc(math.ldexp(x, -unit)), unit)


def slow_step(op, how, a, b, c):
    """One step, in whole numbers of the last bit that is kept."""
    least = OPERANDS[op["a"]][2], OPERANDS[op["b"]][2]
    half = op["d"] == "float16"
    terms = [(x * y, exponent(x, least[0]) + exponent(y, least[1]))
             for x, y in zip(a, b) if x * y != 0]
    terms += [(c, exponent(c, -14 if half else -126))] if c else []
    unit = max([e for _, e in terms] + [how["least"]]) - how["fraction"]
    total = math.ldexp(sum(math.trunc(math.ldexp(x, -unit)) for x, _ in terms), unit)
    if half:
        return float(np.float16(total))
    return cut(total, how["output"])


def slow_instruction(op, how, a, b, c):
    """The products of one instruction, step after step."""
    n, add = how["products"], np.float16 if op["d"] == "float16" else np.float32
    steps = -(-len(a) // n)
    step = {"consecutive": lambda i: i // n, "by_pair": lambda i: i // 2 % steps,
            "by_slot": lambda i: i % steps}[how["grouping"]]
    total = 0.0 if how["late"] else c
    for s in range(steps):
        mine = [i for i in range(len(a)) if step(i) == s]
        total = slow_step(op, how, [a[i] for i in mine], [b[i] for i in mine], total)
    return float(add(c) + add(total)) if how["late"] else total


def meeting(nibbles, format):
    """The column that each stored value is of."""
    n = 2 if format == "tf32" else 4
    places = [nibbles % 4 // 2] if n == 2 else [nibbles % 4, nibbles // 4]
    group = np.arange(nibbles.shape[1]) * n
    return np.stack([group + p for p in places], 2).reshape(len(nibbles), -1)


def slow_tensor_core(op, how, values, columns, b):
    """A B^T, op and how being fields by their names."""
    a, b = numbers_of(values, op["a"]), numbers_of(b, op["b"])
    if op["d"] == "int32":
        kept = np.zeros((len(a), b.shape[1]))
        np.put_along_axis(kept, columns, a, 1)
        exact = kept @ b.T  # of whole numbers below 2^53
        if op["saturate"]:
            return np.clip(exact, -2.0**31, 2.0**31 - 1).astype(np.int32)
        return (exact % 2.0**32).astype(np.uint32).view(np.int32)
    kept = op["k"] // 2 if op["sparse"] else op["k"]
    out = np.zeros((len(a), len(b)), op["d"])
    for i, j in np.ndindex(*out.shape):
        for k in range(0, a.shape[1], kept):
            out[i, j] = slow_instruction(op, how, a[i, k:k + kept].tolist(),
                                         b[j, columns[i, k:k + kept]].tolist(),
                                         float(out[i, j]))
    return out


def family(format):
    """Where a format's models are among those of MODELS."""
    return 1 if format == "tf32" else 2 if format in ("e4m3fn", "e5m2") else 0


def fields_of_model(name, format):
    given = MODELS[name][family(format)]
    if given is None:
        return None
    names = ("products", "fraction", "output", "grouping", "late")
    usual = dict(least=-126, grouping="consecutive", late=0)
    return dict(usual, **dict(zip(names, given)))


def fields_for(name, fields):
    """What a name means to an instruction: FP8 on Hopper is two steps of any k."""
    how = fields_of_model(name, fields["a"])
    if name == "hopper" and family(fields["a"]) == 2 and fields["k"] == 16:
        how["products"] = 8
    return how


def instructions():
    """Every instruction's fields by their names."""
    for a, sparse in itertools.product(OPERANDS, (True, False)):
        bits = 8 * np.dtype(OPERANDS[a][0]).itemsize
        sizes = [(512 if sparse else 256) // bits]
        sizes += [] if sparse and bits != 16 else [sizes[0] // 2]
        others = {"e4m3fn": ("e4m3fn", "e5m2"), "e5m2": ("e5m2", "e4m3fn"),
                  "int8": ("int8", "uint8"), "uint8": ("uint8", "int8")}.get(a, (a,))
        sums = ("int32",) if "int8" in a else ("float32",)
        sums += ("float16",) if a in ("float16", "e4m3fn", "e5m2") else ()
        for k, b, d, saturate in itertools.product(sizes, others, sums, (False, True)):
            if d == "int32" or not saturate:
                yield dict(a=a, b=b, d=d, k=k, sparse=sparse, saturate=saturate)


def test_every_instruction_by_its_name():
    known = list(instructions())
    for fields in known:
        op, size = sste.instruction(**fields), dict(fields, k=None)
        assert op.k == fields["k"] <= sste.instruction(**size).k
        kinds = [fields["d"], fields["a"], fields["b"], fields["d"]]
        ptx = [name.replace("float", "f").replace("fn", "").replace("uint", "u")
               .replace("int", "s") for name in kinds]
        assert str(op) == "mma%s.m16n8k%d.%s%s" % (
            ".sp" * fields["sparse"], op.k, ".".join(ptx),
            ".satfinite" * fields["saturate"])
        assert eval(repr(op), {"instruction": sste.instruction}) == op
    formats, count = tuple(OPERANDS) + ("float32", "int32"), 0
    for a, b, d, k, sparse, saturate in itertools.product(
            OPERANDS, OPERANDS, formats, (2, 4, 8, 16, 32, 64, 128), (True, False),
            (True, False)):
        fields = dict(a=a, b=b, d=d, k=k, sparse=sparse, saturate=saturate)
        try:
            sste.instruction(**fields)
            count += 1
            assert fields in known, fields
        except ValueError:
            assert fields not in known, fields
    assert count == len(known)
    assert repr(sste.instruction("e5m2", b="e4m3fn", sparse=False)) == (
        "instruction('e5m2', k=32, b='e4m3fn', d='float32', sparse=False, "
        "saturate=False)")
    assert repr(sste.Instruction(31, 1)).startswith("Instruction(k=31, sparse=1, a=0")
    assert sste.instruction() == sste.instruction("float16", k=32, b="float16",
                                                  d="float32")
    assert sste.instruction(sste.FORMATS["e5m2"]) == sste.instruction("e5m2")


def test_every_model_by_its_name():
    assert set(sste.TENSOR_CORES) == set(MODELS)
    for name, format in itertools.product(MODELS, OPERANDS):
        fields = fields_of_model(name, format)
        if fields is None:
            refuses("ampere multiplies no " + format, sste.model, name, format)
            continue
        assert vectors.named(sste.model(name, format)) == fields, (name, format)
    own = dict(products=3, fraction=40, output=1, least=-300, grouping="by_slot",
               late=1)
    assert vectors.named(sste.model("ada", **own)) == own


def spread(format, shape, seed):
    """Numbers of a format, of some exponents, that make a sum lose bits."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * 2.0**rng.integers(-6, 6, shape)
    if format in ("e4m3fn", "e5m2"):
        return slow_encode(format, x.astype(np.float32))
    if format == "bfloat16":
        return to_bfloat16(x)
    if "int8" in format:
        return rng.integers(0, 256, shape, np.uint8).view(OPERANDS[format][0])
    return x.astype(OPERANDS[format][0])


def legal_nibbles(format, rows, chunks, seed):
    legal = [int(x, 16) for x in LEGAL.get(format, "489CDE")]
    return np.random.default_rng(seed).choice(np.uint8(legal), (rows, chunks))


def stored_operand(fields, rows, K, seed):
    """Values, what is given as metadata, and the columns they are of."""
    format = fields["a"]
    if not fields["sparse"]:
        return spread(format, (rows, K), seed), None, np.tile(np.arange(K), (rows, 1))
    n = 2 if format == "tf32" else 4
    nibbles = legal_nibbles(format, rows, K // n, seed)
    return (spread(format, (rows, K // 2), seed),
            slow_order(nibbles, format, "row_major"), meeting(nibbles, format))


def test_products_are_added_as_models_say():
    lost = 0
    for fields, name in itertools.product(instructions(), MODELS):
        how, op = fields_for(name, fields), sste.instruction(**fields)
        if how is None or (how == fields_of_model("hopper", fields["a"])
                           and name in ("hopper_wgmma", "blackwell")):
            continue
        K = 3 * op.k
        a, meta, columns = stored_operand(fields, 3, K, 45)
        b = spread(fields["b"], (4, K), 46)
        z = slow_tensor_core(fields, how, a, columns, b)
        assert same(sste.tensor_core_product(a, b, name, meta, op), z), (fields, name)
        exact = (numbers_of(a, fields["a"])[:, None]
                 * numbers_of(b, fields["b"])[:, columns].swapaxes(0, 1)).sum(2)
        lost += (z != exact.astype(z.dtype)).any()
    assert lost > 30
    a, meta, columns = stored_operand(dict(a="float16", sparse=True), 3, 64, 47)
    b = spread("float16", (4, 64), 48)
    fields = dict(a="float16", b="float16", d="float32", k=32, sparse=True)
    for grouping, late in itertools.product(("consecutive", "by_pair", "by_slot"),
                                            (0, 1)):
        how = dict(products=5, fraction=11, output=9, least=-3, grouping=grouping,
                   late=late)
        model = sste.model("ampere", **how)
        z = slow_tensor_core(fields, how, a, columns, b)
        assert same(sste.tensor_core_product(a, b, model, meta), z), how
        deep = sste.tensor_core_product(a[:, None], b, model, meta[:, None])
        assert same(deep, z[:, None])


def test_hopper_adds_fp8_in_two_steps():
    """2^16 - 2^16 and 2^-12 of one step lose the last; of two they do not."""
    a, b = (slow_encode("e4m3fn", np.float32([[256, x, 2**-6] + [0] * 29]))
            for x in (256, -256))
    for k in 16, 32:
        op, n = sste.instruction("e4m3fn", k=k, sparse=False), k // 2
        by_hand = sste.model("hopper", "e4m3fn", products=n)
        together = sste.model("hopper", "e4m3fn", products=k)
        for how, z in ("hopper", 2**-12), (by_hand, 2**-12), (together, 0):
            got = sste.tensor_core_product(a[:, :k], b[:, :k], how, op=op)
            assert same(got, np.float32([[z]])), (k, how)
        limit = (k + 2) / 2**25 + 2 / 2**23
        limit = (limit + 1 / 2**24) / (1 - 1 / 2**24)
        for how in "hopper", by_hand:
            assert sste.tensor_core_bound(op, how, k) == limit
    assert sste.model("hopper", "e4m3fn").products == 16


def test_whole_numbers_are_exact_in_every_model():
    """As long as no sum needs more bits than there are, the order does not matter."""
    rng = np.random.default_rng(49)
    for fields, name in itertools.product(instructions(), MODELS):
        if fields_of_model(name, fields["a"]) is None:
            continue
        op, format = sste.instruction(**fields), fields["a"]
        n, K = 2 if format == "tf32" else 4, 2 * op.k
        low = {"uint8": 0}
        x = rng.integers(low.get(format, -4), 5, (5, K))
        y = rng.integers(low.get(fields["b"], -4), 5, (6, K))
        meta, dense = None, x
        if fields["sparse"]:
            kept = slow_mask(rng.random((5, K), np.float32), n=n // 2, m=n)
            dense = x * kept
        coded = {}
        for key, whole, of in ("a", dense, format), ("b", y, fields["b"]):
            as_float = whole.astype(np.float32)
            coded[key] = (slow_encode(of, as_float) if of in ("e4m3fn", "e5m2") else
                          to_bfloat16(as_float) if of == "bfloat16" else
                          whole.astype(OPERANDS[of][0]))
        if fields["sparse"]:
            coded["a"], meta = sste.compress(coded["a"], format=as_codes(format))
        z = sste.tensor_core_product(coded["a"], coded["b"], name, meta, op)
        assert z.dtype == np.dtype(fields["d"]), fields
        assert (z == dense @ y.T).all(), (fields, name)
    x = np.full((1, 1 << 18), -128, np.int8)
    for saturate, most, least in (False, 0, -2 * 2**23), (True, 2**31 - 1, None):
        op = sste.instruction("int8", sparse=False, saturate=saturate)
        assert sste.tensor_core_product(x, x, "ada", op=op)[0, 0] == most
    y = np.full((1, 1 << 18), 127, np.int8)
    for saturate, end in (False, 2**32 - 128 * 127 * 2**18), (True, -2**31):
        op = sste.instruction("int8", sparse=False, saturate=saturate)
        assert sste.tensor_core_product(x, y, "ada", op=op)[0, 0] == end


def test_operands_by_their_dtypes():
    """Without an instruction it is the longest one of what the dtypes say."""
    for format in OPERANDS:
        if format in ("e5m2", "uint8"):
            continue  # uint8 counts as e4m3fn
        for sparse in True, False:
            fields = dict(a=format, sparse=sparse)
            a, meta, _ = stored_operand(fields, 2, 128, 50)
            b, op = spread(format, (3, 128), 51), sste.instruction(**fields)
            assert same(sste.tensor_core_product(a, b, "ada", meta),
                        sste.tensor_core_product(a, b, "ada", meta, op)), fields
    for dtype in np.float16, np.float32, np.int8:
        none = np.zeros((0, 64), dtype)
        z = sste.tensor_core_product(none, np.ones((3, 64), dtype), "ampere")
        assert z.shape == (0, 3)
        assert sste.tensor_core_product(none[:, :0], none[:, :0], "ampere").size == 0
        z = sste.tensor_core_product(np.ones((2, 0), dtype), np.ones((3, 0), dtype),
                                     "ampere")
        assert same(z, np.zeros((2, 3), np.int32 if dtype == np.int8 else np.float32))


def test_bounds_of_tensor_cores():
    rng = np.random.default_rng(52)
    x = np.abs(rng.standard_normal((4, 1024))).astype(np.float16)
    w = np.where(slow_mask(rng.random((8, 1024), np.float32)) == 1,
                 np.abs(rng.standard_normal((8, 1024))), 0).astype(np.float16)
    values, meta = sste.compress(w)
    exact = w.astype(np.float64) @ x.T.astype(np.float64)  # all terms are positive
    for name in MODELS:
        for d in "float32", "float16":
            op, how = sste.instruction(d=d), fields_of_model(name, "float16")
            steps = 512 // how["products"]
            limit = sste.tensor_core_bound(op, name, 512)
            share = (512 + steps) / 2**how["fraction"]
            if d == "float32":
                assert limit == share + steps / 2**how["output"]
            else:
                assert limit == (share + steps / 2**11) / (1 - steps / 2**11)
            z = sste.tensor_core_product(values, x, name, meta, op)
            worst = (np.abs(z - exact) / exact).max()
            assert limit / 100 < worst <= limit, (name, d)
            if d == "float32":
                z = np.ascontiguousarray(z.T)
                assert sste.check_product_forward(z, x, w, bound=limit)
                assert not sste.check_product_forward(z, x, w, bound=limit / 100)
    late = sste.instruction("e4m3fn")
    for count in 1, 5:  # instructions: what each adds to C is rounded once
        assert sste.tensor_core_bound(late, "hopper", 32 * count) == (
            34 / 2**25 + 2 / 2**23 + count / 2**24) / (1 - count / 2**24)
    assert sste.tensor_core_bound(sste.instruction("int8"), "ada", 1 << 40) == 0
    assert sste.tensor_core_bound(sste.instruction(d="float16"), "ada", 1 << 20) == (
        np.inf)


# What CuTe calls the layouts of a fragment: the strides of t and g, and the sizes and
# strides of a lane's values; column-major offsets, of B^T. By the operand, the bits of
# an element and the operand's columns (of B rows).
CUTE = {("a", 16, 8): (32, 1, (2, 16), (2, 8)),
        ("a", 16, 16): (32, 1, (2, 16), (2, 8), (2, 128)),
        ("a", 32, 4): (16, 1, (2, 8)), ("a", 32, 8): (16, 1, (2, 8), (2, 64)),
        ("a", 8, 16): (64, 1, (4, 16), (2, 8)),
        ("a", 8, 32): (64, 1, (4, 16), (2, 8), (2, 256)),
        ("b", 16, 8): (16, 1, (2, 8)), ("b", 16, 16): (16, 1, (2, 8), (2, 64)),
        ("b", 16, 32): (16, 1, (2, 8), (4, 64)), ("b", 32, 4): (8, 1),
        ("b", 32, 8): (8, 1, (2, 32)), ("b", 32, 16): (8, 1, (4, 32)),
        ("b", 8, 16): (32, 1, (4, 8)), ("b", 8, 32): (32, 1, (4, 8), (2, 128)),
        ("b", 8, 64): (32, 1, (4, 8), (4, 128)),
        ("d", 16, 8): (32, 1, (2, 16), (2, 8)), ("d", 32, 8): (32, 1, (2, 16), (2, 8))}


def test_fragments_are_those_of_cute():
    lane = np.arange(32)
    for fields in instructions():
        op = sste.instruction(**fields)
        for operand in "abd":
            format = fields[operand]
            bits = 8 * np.dtype(OPERANDS.get(format, (format,))[0]).itemsize
            cols = 8 if operand == "d" else (
                op.k // 2 if operand == "a" and op.sparse else op.k)
            t, g, *modes = CUTE[operand, bits, cols]
            at = t * (lane % 4) + g * (lane // 4)
            for size, stride in modes:  # of values the first mode is the innermost
                at = np.add.outer(stride * np.arange(size), at)
            at = at.reshape(-1, 32 // bits, 32).swapaxes(1, 2)
            tall = 8 if operand == "b" else 16
            row, col = at % tall, at // tall
            if operand == "b":
                row, col = col, row
            m = sste.fragment_map(op, operand)
            assert same(m.row, row) and same(m.col, col), (fields, operand)
            shape = (cols, 8) if operand == "b" else (16, cols)
            assert m.lane.shape == m.register.shape == m.bit.shape == shape
            i, j = np.indices(shape)
            back = m.register, m.lane, m.bit // bits
            assert same(m.row[back], i) and same(m.col[back], j)
            assert (m.bit % bits == 0).all()
        for c, d in zip(sste.fragment_map(op, "c"), sste.fragment_map(op, "d")):
            assert same(c, d)


def test_metadata_lie_where_cute_has_them():
    lane, nibble = np.meshgrid(range(32), range(8), indexing="ij")
    g, t = lane // 4, lane % 4
    for fields in instructions():
        if not fields["sparse"]:
            continue
        op = sste.instruction(**fields)
        bits = 8 * np.dtype(OPERANDS[fields["a"]][0]).itemsize
        for selector in range(sste._c.sste_mma_selectors(op)):
            if bits == 8:  # lanes of odd t have the lower rows, of t > 1 the right half
                row, chunk, there = g + 8 * (t % 2), 8 * (t // 2) + nibble, t >= 0
            elif op.k == 16 and bits == 16:
                row, chunk, there = g + nibble // 4 * 8, nibble % 4, t == selector
            else:
                row, chunk = g + nibble // 4 * 8, 4 * (t % 2) + nibble % 4
                there = t // 2 == selector
            m = sste.metadata_map(op, selector)
            assert same(m.row, np.where(there, row, -1)[None]), (fields, selector)
            assert same(m.col, np.where(there, chunk, -1)[None]), (fields, selector)
            i, j = np.indices((16, op.k // (2 if bits == 32 else 4)))
            assert m.lane.shape == i.shape and (m.register == 0).all()
            assert same(m.row[0, m.lane, m.bit // 4], i)
            assert same(m.col[0, m.lane, m.bit // 4], j)
        refuses("selector is %d, mma.sp" % (selector + 1), sste.metadata_map, op,
                selector + 1)


def test_what_tensor_cores_refuse():
    h, f, b = (np.zeros((32, 64), t) for t in (np.float16, np.float32, np.uint8))
    i, d = np.zeros((32, 64), np.int8), np.zeros((32, 64))
    op, values, meta = sste.instruction(), h[:, :32], np.full((32, 8), 0x44, np.uint8)
    broken, out = sste.instruction(), sste.model("ada")
    broken.k, out.output = 31, 24
    product, ones = sste.tensor_core_product, np.ones((32, 64), np.float16)
    for case in [
            ("order none of row_major", sste.compress, h, "rows", None, "cutlass"),
            ("like none of sste", sste.compress, h, "rows", None, "row_major", "cuda"),
            ("like string", sste.compress, h, "rows", None, "row_major", None),
            ("w float32 1 of every 2 tf32", sste.compress, f, "rows", None, "cutlass2"),
            ("values float32 tf32", sste.decompress, f, meta, "rows", None, "cutlass2"),
            ("w (32, 64) full blocks 64 x 128 cutlass3_sm90 float16", sste.compress, h,
             "rows", None, "cutlass3_sm90"),
            ("w (32, 64) 64 x 64 tf32", sste.compress, f, "rows", "tf32",
             "cutlass3_sm90"),
            ("w (31, 64) 32 x 32 cutlass2", sste.compress, h[1:], "rows", None,
             "cutlass2"),
            ("w (48, 64) 32 x 32 cutlass2", sste.compress, np.zeros((48, 64), h.dtype),
             "rows", None, "cutlass2"),
            ("w (32, 48) 32 x 32", sste.compress, h[:, 16:], "rows", None, "cutlass2"),
            ("w (32, 24) 32 x 16 tf32", sste.compress, f[:, :24], "rows", "tf32",
             "cutlass2"),
            ("w (32, 32) 16 x 64 int8", sste.compress, i[:, 32:], "rows", None,
             "cutlass2"),
            ("w (32, 63) 1 x 4 row_major", sste.compress, h[:, 1:], "rows", None,
             "row_major", "torch"),
            ("w (32, 63) 1 x 2 row_major tf32", sste.compress, f[:, 1:], "rows",
             "tf32"),
            ("w float16 cannot be int8", sste.compress, h, "rows", "int8"),
            ("w int8 cannot be uint8", sste.compress, i, "rows", "uint8"),
            ("w uint8 cannot be int8", sste.compress, b, "rows", "int8"),
            ("format none of float16", sste.compress, b, "rows", "e4m3fnuz",
             "cutlass2"),
            ("w float64 tensor cores take", sste.compress, d, "rows", None, "cutlass2"),
            ("w 2:4: row 0, group 0 more than 2 non-zeros", sste.compress, ones, "rows",
             None, "cutlass2"),
            ("w 2:4: column 0, group 0", sste.compress, ones, "columns", None,
             "row_major", "torch"),
            ("w 1:2: row 0, group 0 more than 1 non-zero", sste.compress,
             ones.astype(np.float32), "rows", "tf32"),
            ("meta float32 cutlass2 int16", sste.decompress, values, f, "rows",
             None, "cutlass2"),
            ("meta int16 row_major uint8", sste.decompress, values,
             meta.view(np.int16)),
            ("meta int16 cutlass2 int32", sste.reorder_metadata, meta.view(np.int16),
             "int8", "cutlass2", "row_major"),
            ("meta (32, 8) (32, 4)", sste.decompress, values, meta.astype(np.int16),
             "rows", None, "cutlass2"),
            ("meta (32, 8) if it is (32, 16)", sste.decompress, f[:, :32], meta,
             "rows", "tf32"),
            ("format none of float16", sste.check_metadata, meta, "float32"),
            ("order none of", sste.check_metadata, meta, "float16", "column_major"),
            ("cols is 56 (32, 8)", sste.check_metadata, meta, "int8", "row_major", 56),
            ("cols is 62 (32, 8)", sste.check_metadata, meta, "int8", "row_major", 62),
            ("w (64, 24), the dense matrix 24 x 64: 32 x 32", sste.compress,
             np.zeros((64, 24), h.dtype), "columns", None, "cutlass2"),
            ("meta (31, 8), the dense matrix 31 x 64: full blocks",
             sste.reorder_metadata, meta[1:], "float16", "row_major", "cutlass2"),
            ("meta (31, 4), the dense matrix 31 x 64: full blocks",
             sste.reorder_metadata, meta[1:].view(np.int16), "float16", "cutlass2",
             "row_major"),
            ("meta (32, 8), the dense matrix 32 x 64: 64 x 128",
             sste.reorder_metadata, meta, "float16", "row_major", "cutlass3_sm90"),
            ("to none of", sste.reorder_metadata, meta, "float16", "row_major", "x"),
            ("a none of float16", sste.instruction, "float32"),
            ("positional", sste.instruction, "float16", "bfloat16"),
            ("model none of ampere", sste.model, "volta"),
            ("operand none of float16", sste.model, "ada", "float64"),
            ("no option", lambda: sste.model("ada", speed=1)),
            ("products from 1 to 1024", lambda: sste.model("ada", products=0)),
            ("products", lambda: sste.model("ada", products=1025)),
            ("fraction 1 to 40", lambda: sste.model("ada", fraction=41)),
            ("output 1 to 23", lambda: sste.model("ada", output=24)),
            ("least -300 to 0", lambda: sste.model("ada", least=-301)),
            ("least 1", lambda: sste.model("ada", least=1)),
            ("late", lambda: sste.model("ada", late=2)),
            ("grouping none of consecutive", lambda: sste.model("ada", grouping="x")),
            ("op Instruction", product, h, h, "ada", None, "float16"),
            ("no tensor core has Instruction(k=31", product, h, h, "ada", None, broken),
            ("no tensor core has", sste.fragment_map, broken, "a"),
            ("no tensor core has", sste.metadata_map, broken),
            ("no tensor core has", sste.tensor_core_bound, broken, "ada", 1),
            ("op Instruction", sste.fragment_map, None, "a"),
            ("operand none of a, b, c, d", sste.fragment_map, op, "e"),
            ("selector is out of range", sste.metadata_map, op, -1),
            ("op is mma.m16n8k16.f32.f16.f16.f32: dense no metadata",
             sste.metadata_map, sste.instruction(sparse=False)),
            ("terms", sste.tensor_core_bound, op, "ada", -1),
            ("model string", sste.tensor_core_bound, op, None, 1),
            ("output of a Model is 24", product, h, h, out),
            ("model none of", product, h, h, "h100"),
            ("ampere multiplies no e4m3fn", product, b, b, "ampere"),
            ("float16 by int8", product, h, i, "ada"),
            ("a float64 tensor cores", product, d, h, "ada"),
            ("b float64 tensor cores", product, h, d, "ada"),
            ("a float16 cannot be int8", product, h, h, "ada", None,
             sste.instruction("int8", sparse=False)),
            ("op mma.sp.m16n8k32.f32.f16.f16.f32 meta not given", product, h, h, "ada",
             None, op),
            ("op mma.m16n8k16 takes no meta", product, h, h, "ada", meta,
             sste.instruction(sparse=False)),
            ("a (32, 64) b (32, 32) fit", product, h, h[:, :32], "ada"),
            ("a (32, 32) with meta b (32, 32) fit", product, values, values, "ada",
             meta),
            ("meta belongs", product, values, h, "ada", meta[:, :4]),
            ("b (32, 24): last axis multiple of 16", product, h[:, :24], h[:, :24],
             "ada"),
            ("b (32, 16): last axis multiple of 32", product, h[:, :8], h[:, :16],
             "ada", meta[:, :2])]:
        refuses(*case)
    for words, a, options in [
            ("b none of float16", "float16", dict(b="fp16")),
            ("d none of float16", "float16", dict(d="float64")),
            ("no tensor core multiplies float16 by bfloat16 into float32", "float16",
             dict(b="bfloat16")),
            ("bfloat16 into float16", "bfloat16", dict(d="float16")),
            ("float16 into int32", "float16", dict(d="int32", saturate=True)),
            ("saturate is True, only int32 d is float32", "float16",
             dict(saturate=True)),
            ("k is 64: sparse float16 has 16 and 32", "float16", dict(k=64)),
            ("k is 16: sparse int8 has 64", "int8", dict(k=16)),
            ("k is 64: dense tf32 has 4 and 8", "tf32", dict(k=64, sparse=False)),
            ("k is out of range", "float16", dict(k=-1)),
            ("k whole number", "float16", dict(k=16.0))]:
        refuses(words, sste.instruction, a, **options)


# ---- The number line and the interval ----------------------------------------


def test_the_number_line():
    for name in F8:
        values = slow_values(name)
        codes = [c for c in range(256) if not np.isnan(values[c])]
        numbers = sorted({0.0 + values[c] for c in codes})
        for c in codes:
            place = numbers.index(values[c]) - numbers.index(0)
            assert sste.rank(c, name) == place
            assert values[sste.code(place, name)] == values[c]
            for steps in -3, 1:
                at = min(max(place + steps + numbers.index(0), 0), len(numbers) - 1)
                assert values[sste.next_code(c, steps, name)] == numbers[at]
            assert sste.ulps(c, 0, name) == abs(place)
        for c in set(range(256)) - set(codes):
            assert sste.rank(c, name) is None and sste.ulps(c, 0, name) is None
            assert sste.next_code(c, 5, name) == c
        assert np.isnan(values[sste.code(None, name)])
    one = int(np.float64(1).view(np.uint64))
    assert sste.next_code(one, -1, "float64") == int(
        np.nextafter(1.0, 0.0).view(np.uint64))
    assert sste.ulps(0x3C00, 0x4000, "float16") == 1024


def test_within_by_trying_every_real():
    grid = np.arange(-80, 81) / 64  # the reals; codes turn at multiples of 1/32
    codes = slow_encode("e3m4", grid.astype(np.float32))
    for x, error in itertools.product(grid[::7], (0.0, 1 / 64, 5 / 64)):
        right = set(codes[np.abs(grid - x) <= error].tolist())
        for c in sorted(set(codes.tolist())):
            fine = c in right
            assert sste.within(c, x, error, "e3m4") == fine, (c, x, error)


# ---- Comparisons: each kind of difference by its name ------------------------

PLANTED = {  # got, want and format -> what it is called
    "zero sign": (0x80, 0x00, "e4m3fn"), "encoding": (0xFF, 0x7F, "e4m3fn"),
    "saturation": (0x7E, 0x7F, "e4m3fn"), "NaN": (0x7F, 0x38, "e4m3fn"),
    "sign": (0x38, 0xB8, "e4m3fn"), "infinity": (0x7C, 0x38, "e5m2"),
    "one step": (0x38, 0x39, "e4m3fn"), "further": (0x38, 0x3A, "e4m3fn")}


def only(report, name, n=1):
    """The report counts n differences of this name and no other."""
    counted = {kind: k for kind, k in report.count.items() if k and kind != "same"}
    assert counted == {name: n}, (name, str(report))
    assert bool(report) == (name == "within") and name in str(report)


def test_numbers_that_differ():
    for name, (got, want, format) in PLANTED.items():
        a, b = np.full((3, 7), 0x30, np.uint8), np.full((3, 7), 0x30, np.uint8)
        a[1, 4], b[1, 4] = got, want
        report = sste.compare(a, b, format)
        only(report, name)
        assert report.first == [(1, 4, name, got, want, None)]
        assert report.what == "numbers" and report.total == 21
        assert report.count["same"] == 20 and report.failures == 1
        try:
            sste.assert_same(a, b, format=format)
        except AssertionError as error:
            assert name in str(error)
        else:
            raise AssertionError(name)


def test_every_difference_is_planted():
    assert set(sste.DIFFERENCES) == set(PLANTED) | {
        "same", "within", "not 2:4", "tie", "position", "value", "nibble", "swapped",
        "padding"}


def test_distances():
    want = np.float32([1, 2, 3, 4])
    got = want.view(np.uint32) + np.uint32([1, 0, 5, 6])
    report = sste.compare(got.view(np.float32), want)
    assert report.ulps == {1: 1, 4: 2} and report.worst_ulps == 6
    assert (report.worst_row, report.worst_col) == (0, 3)
    assert report.count["one step"] == 1 and report.count["further"] == 2
    for dtype in np.float16, np.float64:
        a = want.astype(dtype)
        assert sste.compare(a, a) and not sste.compare(-a, a)
    assert sste.compare(to_bfloat16(want), to_bfloat16(want)).count["same"] == 4
    assert str(sste.compare(want, want)).startswith("4 numbers in float32")


def test_nans_are_counted_on_either_side():
    nan, number = np.float32([np.nan, 1, np.nan, 2]), np.float32([1, 1, np.nan, 2])
    report = sste.compare(nan, number)
    assert (report.got_nans, report.want_nans) == (2, 1)


def test_what_an_error_excuses():
    got, want = np.uint8([[0x39, 0x39]]), np.uint8([[0x38, 0x39]])
    x = np.float32([[1.0624, 1.125]])
    only(sste.compare(got, want, x=x, error=0.001), "within")
    only(sste.compare(got, want, x=x, error=np.float32([[0.001, 0]])), "within")
    only(sste.compare(got, want, x=x, error=0.00001), "one step")
    report = sste.compare(got, want, x=x)
    only(report, "one step")
    assert report.first[0].x == x[0, 0]
    sste.assert_same(got, want, x=x, error=0.001)
    ties = np.float32([[1.0625, 1.125]])
    away = sste.rule(rounding="nearest_away")
    only(sste.compare(got, want, x=ties, like=away), "within")


def test_sparse_matrices_that_differ():
    source = np.float32([[4, 3, 3, 1, 4, 3, 2, 1]])
    want = np.float32([[4, 3, 0, 0, 4, 3, 0, 0]])
    for name, group in (("not 2:4", [4, 3, 3, 0]), ("tie", [4, 0, 3, 0]),
                        ("position", [4, 0, 0, 1]), ("value", [4, 2, 0, 0]),
                        ("zero sign", [4, 3, -0.0, 0])):
        got = want.copy()
        got[0, :4] = group
        report = sste.compare_sparse(got, want, source)
        only(report, name)
        assert report.what == "groups" and report.total == 2
        only(sste.compare_sparse(*np.float16([got, want]), source), name)
    got[0, :4] = [4, 0, 3, 0]
    only(sste.compare_sparse(got, want), "position")
    only(sste.compare_sparse(got != 0, want != 0, source), "tie")


def test_metadata_that_differs():
    want = np.uint8([[0xE4, 0x04]])
    for name, byte, n in (("swapped", [0x4E, 0x04], 2), ("nibble", [0xE0, 0x04], 1),
                          ("position", [0xE8, 0x04], 1), ("padding", [0xE4, 0x54], 1)):
        report = sste.compare_metadata(np.uint8([byte]), want, cols=12)
        only(report, name, n)
        assert report.what == "nibbles" and report.total == 4
    assert sste.compare_metadata(want, want, cols=12)
    assert sste.compare_metadata(want, want, cols=16)


# ---- Dtypes and containers ---------------------------------------------------


def in_half(function, x):
    """float16 by way of NumPy's own conversions."""
    with np.errstate(all="ignore"):
        return function(x.astype(np.float32)).astype(np.float16)


def in_bfloat16(function, bits):
    return to_bfloat16(function(from_bfloat16(bits)))


def no_minus(x):
    """What underflowed to -0 in float16 or bfloat16 as +0."""
    return np.where(x.view(np.uint16) == 0x8000, np.zeros(1, x.dtype), x)


def test_half_precision_is_rounded_once():
    for kind in KINDS:
        with np.errstate(all="ignore"):
            h = sste.draw(kind, (6, 24), 21).astype(np.float16)
        b = to_bfloat16(sste.draw(kind, (6, 24), 21))
        for beta in 1.0, 1.4837:
            assert same(sste.project(h, beta),
                        in_half(lambda x: slow_project(x, beta), h)), kind
            assert same(sste.project(b, beta),
                        in_bfloat16(lambda x: slow_project(x, beta), b)), kind
        assert same(sste.mask(h), slow_mask(h.astype(np.float32)))
        assert same(sste.encode(b), slow_encode("e4m3fn", from_bfloat16(b)))
        assert same(sste.product_forward(h, b), slow_product(h.astype(np.float32),
                                                             from_bfloat16(b).T))
        assert same(sste.round_fp8(h), in_half(
            lambda x: canonical(slow_values("e4m3fn")[slow_encode("e4m3fn", x)]), h))
        assert sste.mvue(h, 1).dtype == h.dtype and sste.mvue(b, 1).dtype == b.dtype
        nm = dict(n=3, m=6, axis="columns")
        for x, rounded, wide in ((h, in_half, h.astype(np.float32)),
                                 (b, in_bfloat16, from_bfloat16(b))):
            down = by_columns(lambda x: slow_project(x, 1.5, 3, 6, 0.75))
            assert same(sste.project(x, 1.5, gamma=0.75, **nm),
                        no_minus(rounded(down, x))), kind
            down = by_columns(lambda x: slow_mask(x, "lower", 3, 6))
            assert same(sste.mask(x, **nm), down(wide)), kind
            assert same(sste.nonzero(x), (wide != 0).astype(np.uint8)), kind
    tiny = np.float16([-2, 1, 3, -4])  # what underflows is +0, as all zeros are
    assert same(sste.project(tiny, 2.0**-26), np.zeros(4, np.float16))
    assert same(sste.project(to_bfloat16(tiny), 2.0**-140), np.zeros(4, np.uint16))
    for kind in "weights", "range":
        b = to_bfloat16(sste.draw(kind, (4, 24), 21))
        assert np.float32(sste.beta(b)) == slow_beta(from_bfloat16(b))
    h = sste.draw("sparse", (4, 24), 22).astype(np.float16)
    values, meta = sste.compress(h)
    assert values.dtype == np.float16 and same(meta, slow_compress(
        h.astype(np.float32))[1])
    assert same(sste.decompress(values, meta), h + np.float16(0))


class Interface:
    """Nothing but the array interface."""

    def __init__(self, array):
        self.array, self.__array_interface__ = array, array.__array_interface__


class Convertible:
    """Nothing but __array__."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


class Capsule:
    """Nothing but DLPack; on a device, if so told."""

    def __init__(self, array, device=1):
        self.array, self.device = array, device

    def __dlpack__(self, **options):
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return self.device, 0


def test_containers_and_layouts():
    w = sste.draw("ties", (6, 16), seed=23)
    expected = slow_project(w)
    fortran, padded = np.asfortranarray(w), np.zeros((6, 20), np.float32)
    padded[:, :16] = w
    raw = bytearray(w.nbytes + 1)
    shifted = np.frombuffer(raw, np.float32, w.size, 1).reshape(w.shape)
    shifted[:] = w
    read_only = w.copy()
    read_only.setflags(write=False)
    for x in (w, fortran, padded[:, :16], shifted, read_only, w[::-1][::-1],
              Interface(w), Convertible(w), memoryview(w),
              np.repeat(w, 2, axis=1)[:, ::2]):
        before = np.array(x if isinstance(x, np.ndarray) else w)
        assert same(sste.project(x), expected), type(x)
        assert same(before, w) and w.flags.writeable  # the input is left alone
    assert same(sste.project(w[::-1]), expected[::-1].copy())
    if hasattr(np, "from_dlpack"):
        assert same(sste.project(Capsule(w)), expected)
    refuses("device CPU", sste.project, Capsule(w, device=2))
    on_gpu = Convertible(w)
    on_gpu.__cuda_array_interface__ = {}
    refuses("device CPU", sste.project, on_gpu)


def test_shapes():
    w = sste.draw("normal", (2, 3, 8), seed=24)
    flat = slow_project(w)
    assert same(sste.project(w), flat) and same(sste.project(w[0, 0]), flat[0, 0])
    assert same(sste.project(w[None]), flat[None])
    for shape in (0,), (0, 4), (4, 0), (0, 0), (2, 0, 8), (0, 7):
        x, size = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
        for got in (sste.project(x), sste.mask(x), sste.encode(x), sste.decode(size),
                    sste.round_fp8(x), sste.mvue(x, 1), sste.convert(x, "float16"),
                    sste.draw("ties", shape, 1), sste.project(x, n=1, axis="columns"),
                    sste.mask_transposable(x), sste.nonzero(x),
                    sste.apply_mask(x, size), sste.masked_decay(x, x, size, 1),
                    sste.mvue(x, 1, n=3, m=5), sste.mvue(x, 1, approximate=True),
                    sste.encode_stochastic(x, 1)):
            assert got.shape == shape
        sste.check(x)
        assert sste.flips([size], [size]) == (0, 0, 0) == sste.fp8_losses(x)
        assert sste.norm2(x) == sste.change(x, x) == sste.descent(x, x, x) == 0.0
        assert sste.beta(x, "one") == 1.0
        refuses("zero", sste.relative_mse, x, x)
        assert sste.amax(x) == 0.0 == sste.flip_rate(size, size)
        assert sste.compare(x, x) and sste.compare(x, x).total == 0
        assert sste.compare(x, x, x=x, error=x) and sste.compare_sparse(x, x, x)
        assert sste.scale(x) == 1.0
        assert sste.scale(x, per_row=True).shape == shape[:-1]
        if shape[-1] % 4 == 0:
            assert sste.decompress(*sste.compress(x)).shape == shape
        refuses("zero", sste.beta, x)
    none = np.zeros((0, 4), np.float32)
    assert sste.flips([], []) == (0, 0, 0) == sste.flips([none > 0], [None])
    assert sste.mvue_pair_prob(none).shape == (0, 4, 4)
    assert sste.mvue_variance(none).shape == (0,) == sste.mvue_second_moment(none).shape
    a, b = np.zeros((3, 0), np.float32), np.zeros((2, 0), np.float32)
    assert same(sste.product_forward(a, b), np.zeros((3, 2), np.float32))
    assert sste.product_weight_grad(a, np.zeros((3, 5), np.float32)).shape == (0, 5)
    assert sste.check_product_forward(np.zeros((3, 2), np.float32), a, b)


def test_ml_dtypes():
    ml_dtypes = optional("ml_dtypes")
    w = sste.draw("ties", (4, 16), 25).astype(ml_dtypes.bfloat16)
    got = sste.project(w)
    assert got.dtype == w.dtype
    assert same(got.view(np.uint16), in_bfloat16(slow_project, w.view(np.uint16)))
    assert sste.compare(got, got.view(np.uint16))
    for name in [name for name in F8 if name != "e3m4fn"] + ["e8m0"]:
        full = "float8_" + (name if name != "e8m0" else "e8m0fnu")
        dtype = getattr(ml_dtypes, full)
        codes = np.arange(256, dtype=np.uint8)
        with np.errstate(all="ignore"):
            decoded = codes.view(dtype).astype(np.float32)
            assert same(sste.decode(codes.view(dtype)), canonical(decoded)), name
            x = np.concatenate([sste.draw(kind, 500, 26) for kind in KINDS])
            x = np.concatenate([x, sste.boundaries(name)])
            theirs = x.astype(dtype)
        if tuple(map(int, ml_dtypes.__version__.split(".")[:2])) == (0, 6):
            ours = sste.encode(x, name, like="ml_dtypes_0_6")
            assert sste.compare(ours, theirs), name
        if name == "e8m0":
            refuses("e8m0 zeros", sste.nonzero, theirs)
            continue
        eight = codes.view(dtype)
        assert same(sste.nonzero(eight), (decoded != 0).astype(np.uint8)), name
        pairs = np.where(np.arange(256) % 4 < 2, codes, 0).astype(np.uint8).view(dtype)
        values, meta = sste.compress(pairs.reshape(4, 64))
        assert values.dtype == dtype
        back = sste.decompress(values, meta).view(np.uint8).ravel()
        zero = pairs.astype(np.float32) == 0
        assert same(back, np.where(zero, 0, pairs.view(np.uint8)).astype(np.uint8))
        if name != "e4m3fn":
            refuses("format e4m3fn", sste.decode, theirs, "e4m3fn")


def test_torch():
    torch = optional("torch")
    w = sste.draw("ties", (4, 16), 27)
    for x in (torch.from_numpy(w), torch.from_numpy(w).requires_grad_(),
              torch.from_numpy(w.T.copy()).t()):
        assert same(sste.project(x), slow_project(w))
    half = torch.from_numpy(w).to(torch.bfloat16)
    assert same(sste.project(half), in_bfloat16(slow_project, to_bfloat16(w)))
    assert sste.compare(half, to_bfloat16(w))
    assert sste.project(torch.from_numpy(w).half()).dtype == np.float16
    x = torch.from_numpy(sste.draw("normal", 512, 28))
    for name in "e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz":
        theirs = x.to(getattr(torch, "float8_" + name))
        assert sste.compare(theirs, slow_encode(name, x.numpy()))
        assert same(sste.decode(theirs), theirs.float().numpy())
    sparse = sste.draw("sparse", (8, 16), 28)
    for dtype in (torch.float16, torch.bfloat16, torch.int8, torch.float8_e4m3fn):
        tensor = torch.from_numpy(np.trunc(64 * sparse).T.copy()).to(dtype)
        values, meta = sste.compress(tensor, axis="columns")
        assert values.shape == (8, 8) and meta.shape == (8, 2)
        back = sste.decompress(values, meta, axis="columns")
        theirs = (tensor.float() + 0).to(dtype)  # without -0
        if dtype != torch.int8:
            theirs = theirs.view(torch.uint8 if tensor.element_size() == 1
                                 else torch.int16)
        assert back.tobytes() == theirs.numpy().tobytes(), dtype
    refuses("float64 w.float()", sste.project, torch.zeros(4, dtype=torch.float64))
    for function in sste.decode, lambda x: sste.flip_rate(x, x):
        refuses("is bfloat16", function, half)
    refuses("got is bfloat16, want is float32", sste.compare, half, w)
    refuses("meta", sste.project, torch.zeros(4, device="meta"))
    refuses("w Sparse", sste.project, torch.eye(4).to_sparse())
    refuses("values are", sste.project, torch.zeros(4, dtype=torch.int32))


# ---- What is refused ---------------------------------------------------------


def test_bad_arguments_raise():
    f, h, b = (np.ones((2, 8), dtype) for dtype in (np.float32, np.float16, np.uint8))
    product, stochastic = np.ones((2, 2), np.float32), sste.rule(rounding="stochastic")
    d, swapped = f.astype(np.float64), f.astype(np.dtype(np.float32).newbyteorder())
    values, meta = np.ones((2, 4), np.float32), np.full((2, 1), 0x44, np.uint8)
    six, number = np.ones((2, 6), np.float32), np.float32(1)
    for x, words in ((d, "w float64 astype(np.float32)"), (swapped, "w byte order"),
                     (f.astype(np.longdouble), "astype(np.float32)"),
                     (number, "w single number"), (np.float32(1).reshape(()), "single"),
                     (None, "w"), ("abcd", "w"), (b"abcd", "w"),
                     ([1, 2, 3, 4], "w int64"), ([1., 2, 3, 4], "float64"),
                     ([[1], [2, 3]], ""), ({}, "w"), (object(), "w"),
                     (1j * f, "complex"), (f.astype(np.int32), "int32"), (b, "uint8"),
                     (f > 0, "bool"), (np.zeros(4, "datetime64[s]"), "w"),
                     (np.zeros(4, "f4,f4"), "w"), (np.array([None] * 4), "w object"),
                     (np.ndarray, "w")):
        for function in (sste.project, sste.mask, sste.beta, sste.mask_transposable,
                         sste.norm2):
            refuses(words, function, x)
        if x is not b and words != "bool":  # codes
            for function in sste.check, sste.compress, sste.nonzero:
                refuses(words, function, x)
    for x in six, six[0]:
        for function in (sste.project, sste.mask, sste.beta, sste.check, sste.compress,
                         sste.mask_transposable):
            refuses("w multiple of 4", function, x)
    for function in sste.project, sste.mask, sste.beta, sste.check:
        for n, m in (0, 4), (4, 4), (-1, 4), (5, 4), (3, 33), (2**31, 4), (2, 2**64):
            refuses("n", function, f, n=n, m=m)
        refuses("n whole number", function, f, n=1.5)
        refuses("m whole number", function, f, m="4")
        refuses("axis none of rows", function, f, axis="diagonal")
        refuses("w (2, 8) columns multiple of 3", function, f, n=1, m=3, axis="columns")
        refuses("w (2, 8) last axis multiple of 3", function, f, n=1, m=3)
    for gamma in -0.1, 1.001, np.nan, np.inf, -0.0, None, "1":
        for function in sste.project, sste.beta:
            refuses("gamma", function, f, gamma=gamma)
    for scale in 0, -1, np.inf, np.nan, None, np.float32([1, 2]):
        refuses("scale", sste.encode_stochastic, f, 1, scale=scale)
        refuses("scale", sste.fp8_losses, f, scale=scale)
    for format in "ue4m3", "e8m0", "float16", "e9m9", None:
        refuses("format", sste.encode_stochastic, f, 1, format)
        refuses("format", sste.fp8_losses, f, format)
    for beta in 0, -1, np.nan, np.inf, -0.0, 1e-60, 1e60, 10**400, None, "1", [1], 1j:
        refuses("beta", sste.project, f, beta)
    for scale in (0.0, -1.0, np.inf, np.nan, 1e-60, np.float32([1, 0]),
                  np.float32([-1, 1])):
        for function in sste.encode, sste.round_fp8:
            refuses("scale finite positive", function, f, "e4m3fn", scale)
        refuses("scale finite positive", sste.decode, b, "e4m3fn", scale)
    for scale in 1e-39, np.float32([1, 1e-39]):
        assert sste.encode(f, scale=scale).shape == f.shape
        refuses("scale reciprocal", sste.encode, f, "e4m3fn", scale, "te")
        refuses("scale reciprocal", sste.decode, b, "e4m3fn", scale, "te")
    for case in [
            ("tie none of lower", sste.mask, f, "middle"), ("tie", sste.mask, f, 0),
            ("rule none of min_mse", sste.beta, f, "mse"), ("rule", sste.beta, f, None),
            ("zero everywhere", sste.beta, f, "equal_l1"),
            ("", sste.beta, f * np.float32("nan"), "equal_l1"),
            ("rule none of optimal", sste.mask_transposable, f, "best"),
            ("w (2, 8) columns multiple of 4", sste.mask_transposable, f),
            ("w (2, 8) v (1, 8)", sste.relative_mse, f, f[:1]),
            ("zero", sste.relative_mse, f * 0, f), ("v uint8", sste.relative_mse, f, b),
            ("finite", sste.relative_mse, f, f * np.float32("inf")),
            ("w v", sste.change, f, f[:1]), ("v", sste.change, f, None),
            ("g v", sste.descent, f, f, six), ("g float64", sste.descent, d, f, f),
            ("w mask", sste.apply_mask, f, b[:1]), ("uint8", sste.apply_mask, f, f),
            ("y w", sste.masked_decay, f, f[:1], b, 1),
            ("y mask", sste.masked_decay, f, f, b[:1], 1),
            ("factor inf", sste.masked_decay, f, f, b, 1e60),
            ("factor", sste.masked_decay, f, f, b, None),
            ("masks 1 previous 2", sste.flips, [b], [b, b]),
            ("mask previous", sste.flips, [b], [b[:1]]), ("", sste.flips, 1, 1),
            ("mask uint8", sste.flips, [f], [b]), ("mask", sste.flips, [None], [None]),
            ("w e8m0 zeros", sste.nonzero, b, "e8m0"),
            ("w float32 cannot be", sste.nonzero, f, "e4m3fn"),
            ("w float16 cannot be e4m3fn", sste.compress, h, "rows", "e4m3fn"),
            ("uint8 float16", sste.check, b, 2, 4, "rows", "float16"),
            ("values float64", sste.decompress, d, b),
            ("axis", sste.compress, f * 0, 0), ("axis", sste.decompress, f, b, "down"),
            ("w 1:2: column 0, group 0", sste.check, f, 1, 2, "columns"),
            ("w (2, 8) columns multiple of 4", sste.compress, f * 0, "columns"),
            ("zero everywhere", sste.beta, f), ("", sste.beta, f * np.float32("nan")),
            ("mask previous", sste.flip_rate, b, b[:1]),
            ("uint8", sste.flip_rate, f, b),
            ("uint8", sste.flip_rate, b, b.astype(int)),
            ("row 0 group 0", sste.compress, f),
            ("meta belongs", sste.decompress, values, b),
            ("meta belongs", sste.decompress, values, np.full((2, 2), 0x44, np.uint8)),
            ("meta belongs", sste.decompress, values, meta[:1]),
            ("uint8", sste.decompress, values, f),
            ("multiple of 2", sste.decompress, values[:, :3], meta),
            ("row 0, chunk 0 is 0:", sste.decompress, values, meta * 0),
            ("values", sste.decompress, None, meta),
            ("", sste.decompress, values, None), ("format", sste.encode, f, "e9m9"),
            ("format", sste.encode, f, None), ("8 bits", sste.encode, f, "float16"),
            ("8 bits", sste.scale, f, "float32"),
            ("array", sste.encode, f, sste.Format(1, 40, 40, 0, 0)),
            ("array", sste.encode, f, sste.Format(-1, 4, 3, 7, 9)),
            ("array", sste.rank, 1, sste.Format(1, 200, -7, 7, 1)),
            ("scale", sste.encode, f, "e4m3fn", np.float32([1, 1, 1])),
            ("scale", sste.encode, f, "e4m3fn", np.ones((8, 2), np.float32)),
            ("scale float64", sste.encode, f, "e4m3fn", np.ones(2)),
            ("scale", sste.encode, f, "e4m3fn", "one"),
            ("recipe", sste.encode, f, "e4m3fn", 1, "mine"),
            ("recipe", sste.encode, f, "e4m3fn", 1, None),
            ("like", sste.encode, f, "e4m3fn", 1, "current", "cuda"),
            ("like", sste.encode, f, "e4m3fn", 1, "current", 3),
            ("like stochastic", sste.encode, f, "e4m3fn", 1, "current", stochastic),
            ("like stochastic", sste.round_fp8, f, "e5m2", 1, "te", stochastic),
            ("codes float32", sste.decode, f), ("codes", sste.decode, "x"),
            ("codes int8", sste.decode, b.view(np.int8)),
            ("uint16", sste.decode, b.view(np.uint16), "e4m3fn"),
            ("codes float16", sste.decode, h),
            ("rounding", lambda: sste.rule(rounding="down")),
            ("no option", lambda: sste.rule(speed=1)),
            ("no option", lambda: sste.recipe(per_row=1)),
            ("nan_sign", lambda: sste.rule(nan_sign=2)),
            ("nan_sign", lambda: sste.rule(nan_sign=1 << 40)),
            ("random_bits", lambda: sste.rule(random_bits=0)),
            ("random_bits", lambda: sste.rule(random_bits=33)),
            ("power_of_two", lambda: sste.recipe(power_of_two=2)),
            ("epsilon", lambda: sste.recipe(epsilon="x")),
            ("epsilon nan", lambda: sste.recipe(epsilon=np.nan)),
            ("epsilon", lambda: sste.recipe(epsilon=-1)),
            ("epsilon", lambda: sste.recipe(epsilon=1e60)),
            ("to", sste.convert, f, "e9m9"), ("to", sste.convert, f, None),
            ("format float16", sste.convert, f, "e5m2", "float16"),
            ("bits", sste.convert, f.astype(int), "e5m2"), ("seed", sste.mvue, f, -1),
            ("seed", sste.mvue, f, 1 << 64), ("seed", sste.mvue, f, 1.5),
            ("seed", sste.mvue, f, None), ("tensor", sste.mvue, f, 1, 1 << 32),
            ("step", sste.mvue, f, 1, 0, -1),
            ("axis", sste.mvue, f, 1, 0, 0, "diagonal"),
            ("axis", sste.mvue, f, 1, 0, 0, 1),
            ("group", sste.mvue, f, 1, 0, 0, "rows", 8),
            ("m whole", lambda: sste.mvue(f, 1, n=1)),
            ("n whole", lambda: sste.mvue(f, 1, m=8)),
            ("n 8", lambda: sste.mvue(f, 1, n=8, m=8)),
            ("last axis multiple of 3", lambda: sste.mvue(f, 1, n=1, m=3)),
            ("approximate", lambda: sste.mvue(f, 1, n=1, m=4, approximate=True)),
            ("approximate", lambda: sste.mvue(f, 1, group=2, approximate=True)),
            ("first_group 2^33", lambda: sste.mvue(
                f, 1, first_group=(1 << 33) - 1, approximate=True)),
            ("first_group 2^34", lambda: sste.mvue(
                f, 1, first_group=(1 << 34) - 1, n=1, m=4)),
            ("first_group 2^32", sste.encode_stochastic, f, 1, "e5m2", 1, 0, 0, "rows",
             0, (1 << 32) - 1),
            ("first_group 2^32", sste.encode_stochastic, six, 1, "e5m2", 1, 0, 0,
             "rows", 0, (1 << 32) - 1),
            ("run 2^32", sste.encode_stochastic, f, 1, "e5m2", 1, 0, 0, "columns",
             (1 << 32) - 7),
            ("seed", sste.encode_stochastic, f, -1),
            ("axis", sste.encode_stochastic, f, 1, "e5m2", 1, 0, 0, 0),
            ("x float64", sste.encode_stochastic, d, 1), ("x", sste.fp8_losses, d),
            ("approximate", sste.mvue_prob, f, 4, 8, True),
            ("approximate", sste.mvue_variance, f, 1, 4, True),
            ("a group of 4", sste.mvue_prob, f), ("a", sste.mvue_variance, d, 4, 8),
            ("n 9", sste.mvue_pair_prob, f, 9, 8), ("m", sste.mvue_prob, f, 9, 33),
            ("a group of 16", sste.mvue_second_moment, f, 3, 16),
            ("a group of 5", sste.mvue_draws, f, np.zeros((2, 1), np.uint32), 3, 5),
            ("a is (2, 8): columns multiple of 4", sste.mvue, f, 1, 0, 0, "columns"),
            ("a is (2, 6): last axis multiple of 4", sste.mvue, six, 1),
            ("run 2^32", sste.mvue, f, 1, 0, 0, "rows", 4, (1 << 32) - 1),
            ("first_group 2^34", sste.mvue, f, 1, 0, 0, "rows", 4, 0, (1 << 34) - 1),
            ("run 2^32", sste.mvue, f, 1, 0, 0, "columns", 2, (1 << 32) - 7),
            ("first_group", sste.mvue, f, 1, 0, 0, "columns", 2, 0, 1 << 34),
            ("run", sste.mvue, f, 1, 0, 0, "rows", 4, 2**64 - 1, 2**64 - 1),
            ("run", sste.mvue_word, 0, 0, 0, 1 << 32),
            ("group", sste.mvue_word, 0, 0, 0, 0, 1 << 34),
            ("group of 4", sste.mvue_words, np.float32([1, 2, 3])),
            ("uint32 of shape", sste.mvue_draws, np.float32([1, 2, 3, 4]),
             np.float32([1])),
            ("uint32 of shape", sste.mvue_draws, np.float32([1, 2, 3, 4]),
             np.zeros((2, 2), np.uint32)),
            ("four words", sste.philox, (1, 2), (3, 4)), ("", sste.philox, 5, (1, 2)),
            ("counter", sste.philox, (1 << 32, 0, 0, 0), (3, 4)),
            ("fit", sste.product_forward, f, six),
            ("fit", sste.product_input_grad, f, six),
            ("fit", sste.product_weight_grad, f, f[:1]),
            ("x", sste.product_forward, d, f),
            ("columns", sste.product_forward_compressed, six, values, meta),
            ("N:M", sste.product_forward_compressed, f, values, meta * 0),
            ("fit", sste.fp8_product, b, b[:, :4]), ("a", sste.fp8_product, h, b),
            ("fa e8m0", sste.fp8_product, b, b, "e8m0", "e4m3fn"),
            ("fb e8m0", sste.fp8_product, b, b, "e5m2", "e8m0"),
            ("code", sste.rank, -1), ("code", sste.rank, "a"),
            ("code 0x100 e4m3fn", sste.rank, 256), ("code", sste.next_code, 1000),
            ("code float16", sste.rank, 1 << 16, "float16"),
            ("code", sste.rank, 1 << 64, "float64"),
            ("a 0x100 e5m2", sste.ulps, 256, 0, "e5m2"), ("b", sste.ulps, 0, 256),
            ("code 0x139", sste.within, 0x139, 1.0),
            ("rank", sste.code, 1 << 63), ("rank", sste.code, -1 << 63),
            ("rank", sste.code, 0.5), ("steps", sste.next_code, 1, 1 << 63),
            ("format", sste.ulps, 1, 2, "e0m0"),
            ("16 bits", sste.boundaries, "float32"),
            ("from_", sste.boundaries, "e4m3fn", "int8"),
            ("kind", sste.draw, "nasty", 4, 1), ("kind", sste.draw, 99, 4, 1),
            ("shape", sste.draw, "ties", -1, 1),
            ("shape", sste.draw, "ties", (2, -2), 1),
            ("shape", sste.draw, "ties", (), 1), ("shape", sste.draw, "ties", 2.5, 1),
            ("shape", sste.draw, "ties", None, 1), ("seed", sste.draw, "ties", 4, -1),
            ("", sste.draw, "ties", (1 << 62, 1 << 62), 1),
            ("float64", sste.within, 0, 1.0, 0.0, "float64"),
            ("x", sste.within, 0, "x"), ("how", sste.bound, "magic", 3),
            ("error -1", sste.within, 0, 1.0, -1),
            ("error nan", sste.within, 0, 1.0, np.nan),
            ("terms", sste.bound, "float", -1), ("got want", sste.compare, f, f[:1]),
            ("got", sste.compare, None, f), ("want", sste.compare, f, None),
            ("got is float16, want is float32", sste.compare, h, f),
            ("got is uint8, want is float32", sste.compare, b, f),
            ("got is float16, want is float32", sste.compare, h, f, "float16"),
            ("x", sste.compare, f, f, None, None, 0.1),
            ("x", sste.compare, f, f, None, d), ("x", sste.compare, f, f, None, f[:1]),
            ("error", sste.compare, f, f, None, f, f[:1]),
            ("error -1", sste.compare, f, f, None, f, -1),
            ("error nan", sste.compare, f, f, None, f, np.nan),
            ("error -1", sste.compare, f, f, None, f, -f),
            ("error nan", sste.compare, f, f, None, f, f * np.float32("nan")),
            ("got float64", sste.compare, d, d, None, f),
            ("got float16", sste.compare, h, h, "float32"),
            ("got multiple", sste.compare_sparse, six, six),
            ("source", sste.compare_sparse, f, f, f[:1]),
            ("e8m0 zero", sste.compare_sparse, b, b, None, "e8m0"),
            ("cols", sste.compare_metadata, meta, meta, 12),
            ("cols", sste.compare_metadata, meta, meta, 6),
            ("cols", sste.compare_metadata, meta, meta, -8),
            ("uint8", sste.compare_metadata, f, f),
            ("z product", sste.check_product_forward, f, f, f),
            ("fit", sste.check_product_forward, f, f, six),
            ("how", sste.check_product_forward, product, f, f, "best"),
            ("overflow", lambda: sste.check_product_forward(
                product, f, f, overflow="wrap")),
            ("bound -1", sste.check_product_forward, product, f, f, "exact", 1, -1.0),
            ("bound inf", sste.check_product_forward, product, f, f, "float", 1 << 23),
            ("z float64", sste.check_product_forward, product.astype(float), f, f)]:
        refuses(*case)


def test_fields_out_of_range_are_named():
    f = np.ones((2, 8), np.float32)
    for field, wrong in (("rounding", 7), ("overflow", 3), ("nan", -1), ("nan_sign", 2),
                         ("drop_sign", -1), ("via", 4), ("random_bits", 0)):
        by = sste.rule()
        setattr(by, field, wrong)
        refuses(field + " of a Rule", sste.convert, f, "e4m3fn", like=by)
        refuses(field + " of a Rule", sste.compare, f, f, x=f, like=by)
        refuses(field + " of a Rule", sste.within, 0, 1.0, like=by)
        refuses(field + " of a Rule", sste.encode, f, like=by)
    for field, wrong in (("scale", 3), ("apply", -1), ("undo", 9), ("drop_nan", 2),
                         ("power_of_two", -1), ("epsilon", np.nan), ("epsilon", -1)):
        how = sste.recipe()
        setattr(how, field, wrong)
        for function in sste.encode, sste.round_fp8, sste.scale:
            refuses(field + " of a Recipe", function, f, recipe=how)


def test_masks_of_masked_arrays_are_not_ignored():
    masked = np.ma.masked_array(np.ones((2, 4), np.float32), mask=np.eye(2, 4))
    for function in sste.project, sste.mask, sste.encode, sste.amax:
        refuses("masked array", function, masked)
    refuses("want masked", sste.compare, np.ones((2, 4), np.float32), masked)
    refuses("previous masked", sste.flip_rate, np.ones(4, bool), masked != 0)
    refuses("scale", sste.encode, masked.data, scale=np.ma.masked)
    refuses("x must be a number", sste.within, 0x38, np.ma.masked)


def test_messages_name_formats_and_ways_out():
    def message(function, *arguments, **options):
        try:
            function(*arguments, **options)
        except (TypeError, ValueError) as error:
            return str(error)

    f, h, d = np.ones(4, np.float32), np.ones(4, np.float16), np.ones(4)
    assert message(sste.compare, f, h) == "got is float32, want is float16"
    assert message(sste.project, d) == (
        "w is float64 and would have to be rounded: pass w.astype(np.float32)")
    assert message(sste.project, d.tolist()) == (
        "w is float64 and would have to be rounded: pass np.float32(w)")
    assert message(sste.project, [1, 2, 3, 4]).endswith("; pass np.float32(w)")
    assert message(sste.encode, f, "float32") == (
        "format must be one of 8 bits, not float32")
    assert message(sste.encode, f, scale=-1) == (
        "scale is -1: as a float32 it must be finite and positive")
    assert message(sste.rank, 256) == "code is 0x100, but e4m3fn has 8 bits"
    assert "but numbers in e5m2 take 8 bits" in message(
        sste.decode, h.view(np.uint16), "e5m2")
    for call in (lambda: sste.compare(h, h, sste.FORMATS["float32"]),
                 lambda: sste.fp8_product(f.view(np.uint8), f.view(np.uint8), "e8m0"),
                 lambda: sste.boundaries(sste.FORMATS["float32"])):
        assert "Format(" not in message(call), message(call)
    assert str(sste.FORMATS["e4m3fn"]) == "e4m3fn"
    assert str(sste.Format(1, 2, 5, 0, 0)).startswith("Format(sign_bits=1")


def test_no_arguments_crash():
    """Thousands of senseless calls: each succeeds or raises what it should."""
    rng = random.Random(3)
    f = np.nan_to_num(sste.draw("specials", (4, 8), 29))
    bag = [None, True, -1, 0, 1, 2, 4, 2**50, 2**63, 2**64, 10**30, -2**70, 0.5,
           float("nan"), float("inf"), "", "rows", "columns", "e4m3fn", "e8m0", "ue4m3",
           "float64", "bfloat16", "float16", "exact", "float", "ties", "te", "ocp",
           b"x", [], (), (2, 4), (4,), {}, object(), f, f.T, f[::-1, ::2], f[:, :0],
           f[:0], f.view(np.uint8), f.view(np.uint16), f.view(np.uint32),
           f.view(np.float16), f.astype(np.float64), f.view(np.int32), f > 0,
           np.float32(2), np.uint8(3), np.zeros((3, 0, 4), np.uint8),
           np.full((4, 4), 0xEE, np.uint8), f[0], f[:, :4],
           np.broadcast_to(np.float32(1), (64, 64)), sste.Format(1, 4, 3, 7, 1),
           sste.Format(3, 9, 60, -5, 2), sste.rule(), sste.Rule(*[99] * 7),
           sste.recipe(), sste.Recipe(), Interface(f), np.float32, sste.project]
    functions = [getattr(sste, name) for name in dir(sste)
                 if callable(getattr(sste, name)) and not name.startswith("_")
                 and getattr(getattr(sste, name), "__module__", "") == "sste"
                 and not isinstance(getattr(sste, name), type)]
    assert len(functions) > 35
    succeeded = 0
    for _ in range(20000):
        function = rng.choice(functions)
        count = rng.randrange(1, 6)
        arguments = [rng.choice(bag) for _ in range(count)]
        try:
            with np.errstate(all="ignore"):
                function(*arguments)
            succeeded += 1
        except (TypeError, ValueError, AssertionError, MemoryError):
            pass
        except Exception as error:
            raise AssertionError("%s%r: %r" % (function.__name__, arguments, error))
    assert succeeded > 100


# ---- Vectors: what their manifest says is enough to make them ----------------


def values_of(format):
    """The values of all 256 codes, from the manifest's data."""
    E, M, B = (format[name] for name in ("exponent_bits", "mantissa_bits", "bias"))
    family, out = format["family"], np.empty(256)
    for c in range(256):
        bits, negative = c % 2**(E + M), format["sign_bits"] and c > 127
        e, m = bits >> M, bits % 2**M
        out[c] = 2.0**(e - B) * (1 + m / 2**M)
        if e == 0 and family != "pow2":
            out[c] = 2.0**(1 - B) * m / 2**M
        if family == "ieee" and e == 2**E - 1:
            out[c] = np.nan if m else np.inf
        if (family in ("fn", "pow2") and bits == 2**(E + M) - 1) or (
                family == "fnuz" and c == 128):
            out[c] = np.nan
        out[c] *= -1 if negative else 1
    return out


def by_rule(format, rule, x, random=None):
    """The codes of floats in a format with a sign, from the manifest's data."""
    values, n = values_of(format)[:128], rule["random_bits"]
    values = values[np.isfinite(values)]
    last = len(values) - 1
    values = np.append(values, 2 * values[-1] - values[-2])  # and one beyond
    with np.errstate(invalid="ignore"):
        negative, m = np.signbit(x), np.abs(x.astype(np.float64))
    beyond = m >= values[-1]
    code = np.searchsorted(values, np.where(np.isnan(m) | beyond, 0, m), "right") - 1
    f = (np.where(np.isnan(m) | beyond, 0, m) - values[code]) / np.diff(values)[code]
    up = {"nearest_even": (f > 0.5) | ((f == 0.5) & (code % 2 == 1)),
          "nearest_away": f >= 0.5, "toward_zero": f < 0, "up": (f > 0) & ~negative,
          "odd": (f > 0) & (code % 2 == 0), "stochastic": np.zeros(f.shape, bool)}
    if random is not None:
        up["stochastic"] = np.floor(f * 2.0**n) + random % 2.0**n >= 2**n
    code = code + up[rule["rounding"]]
    code[beyond] = last + 1
    stays = (rule["overflow"] == "saturate") | ((rule["overflow"] != "none")
                                                & ~np.isinf(m))
    code = np.where((code > last) & stays, last, code)
    code = code + 128 * (negative & (code + (format["family"] != "fnuz") > 0))
    nan = {"fnuz": 128, "fn": 127}.get(format["family"], 127 if rule["nan"] == "ones"
                                       else last + 1 + 2**(format["mantissa_bits"] - 1))
    sign = 128 * (negative & (rule["nan_sign"] == 1) & (format["family"] != "fnuz"))
    return np.where(np.isnan(m), nan + sign, code).astype(np.uint8)


def noted_draw_of_two(a, word):
    """1 of 2 by the manifest's notes, in float32."""
    a, quarter = np.float32(a), np.float32(0.25)
    u, b = np.float32(word >> 9) * np.float32(2.0**-23), np.abs(a)
    unit = quarter if (b >= 2.0**125).any() else np.float32(1)
    total = b[0] * unit + b[1] * unit
    kept, out = 0 if u * total < b[0] * unit else 1, np.zeros(2, np.float32)
    if (b == 0).any() or not np.isfinite(b).all():
        kept = order(a, 2)[0][0][0]
    out[kept] = np.copysign(total / unit, a[kept]) if b.any() else 0
    if np.isnan(b).any() or np.isinf(b).all():
        out[kept] = NAN
    return out


def noted_tau(a, n):
    """Magnitudes, tau, their unit, and who is certain: 2 of 4 in float32."""
    working = np.float32 if (n, len(a)) == (2, 4) else np.float64
    for unit in working(1), working(0.25):
        b = np.abs(a).astype(working) * unit
        top, tau = np.argsort(-b, kind="stable"), []
        for k in range(n):
            sums = b.copy()
            sums[top[:k]] = 0
            while len(sums) > 1:
                odd = sums[len(sums) // 2 * 2:]
                sums = np.append(sums[:-1:2] + sums[1::2], odd)
            tau.append(sums[0] / working(n - k))
        tau = min(tau)
        if working is np.float64 or not tau >= 2.0**125:
            break
    return b, tau, unit, [i for i in top[:n - 1] if b[i] >= tau]


def noted_fixed(a, n):
    """The places that stay and what they hold, where chance has nothing to decide."""
    b, places = np.abs(a), order(a, len(a))[0][0]
    if np.isnan(b).any() or np.isinf(b).sum() > 1:
        return sorted(places[:n]), np.full(len(a), NAN)
    if (b != 0).sum() <= n:
        return np.flatnonzero(b), a
    return None, a


def noted_draw(a, word, n):
    """One group by the manifest's notes."""
    a, out = np.float32(a), np.zeros(len(a), np.float32)
    kept, held = noted_fixed(a, n)
    if kept is None:
        b, tau, unit, certain = noted_tau(a, n)
        held = np.copysign((np.maximum(b, tau) / unit).astype(np.float32), a)
        kept, end, u = [], b.dtype.type(0), (word >> 9) * 2.0**-23
        nonzeros = [i for i in range(len(a)) if b[i]]
        if np.isinf(tau):
            kept, nonzeros = [np.argmax(b)], []
        for i in nonzeros:
            end = end + min(b[i], tau)
            f, left = len(kept), len(set(certain) - set(kept))
            point = b.dtype.type((f + u) * np.float64(tau))
            if f < n and (i in certain or (f + left < n and point < end)):
                kept.append(i)
        kept += [i for i in nonzeros[::-1] if i not in kept][:n - len(kept)]
    out[kept] = held[kept]
    return out


def noted_two(a):
    """What the approximation is made of, in double: b, S, the rests and p."""
    b = np.abs(np.float64(a))
    S, first, last = (b[0] + b[1]) + (b[2] + b[3]), b[0] + b[1], b[2] + b[3]
    rest = [b[1] + last, b[0] + last, first + b[3], first + b[2]]
    t = b / S if np.isfinite(S) else np.float64(np.isinf(b))
    p = np.zeros(4)
    for i, j in itertools.product(range(4), range(4)):
        if t[j]:
            p[i] += t[i] if i == j else t[j] * b[i] / rest[j]
    return b, S, rest, np.minimum(p, 1)


def noted_approximate(a, words):
    kept, held = noted_fixed(a, 2)
    if kept is None:
        b, S, rest, p = noted_two(a)
        kept, length = list(np.flatnonzero(np.isinf(b))), S
        for word in words[len(kept):]:
            length = rest[kept[0]] if kept else S
            cells = [0 if i in kept else x for i, x in enumerate(b)]
            above = np.cumsum(cells) > (word >> 9) * 2.0**-23 * length
            kept.append(np.flatnonzero(above & (np.array(cells) > 0))[0])
        held = (np.float64(a) / np.where(p == 0, 1, p)).astype(np.float32)
    out = np.zeros(4, np.float32)
    out[kept] = held[kept]
    return out


def noted_prob(a, n, approximate=False):
    kept, _ = noted_fixed(a, n)
    if kept is not None:
        return np.float64(np.isin(range(len(a)), kept))
    if approximate:
        return noted_two(a)[3]
    b, tau, _, _ = noted_tau(a, n)
    if np.isinf(tau):
        return np.float64(np.isinf(b))
    return np.minimum(np.float64(b), np.float64(tau)) / np.float64(tau)


def noted_pair_prob(a, n):
    p, start = noted_prob(a, n), [0.0]
    for x in p:
        start.append(start[-1] + x - (start[-1] + x >= 1))
    out = np.diag(p)
    for i, j in itertools.combinations(range(len(a)), 2):
        d = start[j] - start[i]
        d += d < 0
        out[i, j] = max(0, min(p[i] - d, p[j])) + max(0, min(p[j] - (1 - d), p[i]))
        if noted_fixed(a, n)[0] is not None or 1 in (p[i], p[j]) or (
                np.isinf(noted_tau(a, n)[1])):
            out[i, j] = min(p[i], p[j])
        out[j, i] = out[i, j]
    return out


def noted_mvue(a, axis, seed, tensor, step, run, first_group, group=4, n=None, m=None,
               approximate=False):
    runs, m, n = a if axis == "rows" else a.T, m or group, n or group // 2
    out = np.zeros(runs.shape, np.float32)
    for r, row in enumerate(runs):
        for g, x in enumerate(np.ascontiguousarray(row).reshape(-1, m)):
            word = slow_word(seed, tensor, step, run + r, first_group + g)
            if approximate:
                call, which = divmod(first_group + g, 2)
                words = slow_philox((call, run + r, step, tensor),
                                    (seed % 2**32, seed >> 32))[2 * which:][:2]
                drawn = noted_approximate(x, words)
            elif m == 2:
                drawn = noted_draw_of_two(x, word)
            else:
                drawn = noted_draw(x, word, n)
            out[r, g * m:(g + 1) * m] = drawn
    return out if axis == "rows" else np.ascontiguousarray(out.T)


def noted_words(x, axis, seed, tensor, step, run, first_group):
    """The random bits of stochastic rounding."""
    runs = x.shape if axis == "rows" else x.shape[::-1]
    words = np.array([[slow_philox((first_group + i // 4, run + r, step, tensor), (
        seed % 2**32, seed >> 32))[i % 4] for i in range(runs[1])]
        for r in range(runs[0])], np.uint32)
    return words if axis == "rows" else words.T


def noted_compress(w):
    there = w % 128 != 0 if w.dtype == np.uint8 else w != 0
    kept = slow_mask(there.astype(np.float32)) == 1
    values = np.where(there, w, np.zeros(1, w.dtype))[kept]
    return slow_compress(there.astype(np.float32))[1], values.reshape(len(w), -1)


def noted_decompress(values, meta):
    nibbles = np.stack([meta & 15, meta >> 4], -1).reshape(len(meta), -1)
    nibbles = nibbles[:, :values.shape[1] // 2]
    out = np.zeros(nibbles.shape + (4,), values.dtype)
    for i, at in enumerate((nibbles & 3, nibbles >> 2)):
        np.put_along_axis(out, at[..., None].astype(int), values[:, i::2, None], axis=2)
    return out.reshape(len(out), -1)


def noted_place(order, eight, r, g, R):
    """The half byte of row r and group g."""
    if order == "cutlass2" and eight:
        return (256 * (g // 16 * (R // 16) + r // 16) + 32 * (r % 8)
                + 16 * (g // 8 % 2) + 8 * (r // 8 % 2) + g % 8)
    if order == "cutlass2":
        return (256 * (g // 8 * (R // 32) + r // 32) + 32 * (r % 8)
                + 16 * (r // 16 % 2) + 8 * (g // 4 % 2) + 4 * (r // 8 % 2) + g % 4)
    if eight:
        return 32 * (g // 32 * R + r) + g % 32
    return (2048 * (g // 32 * (R // 64) + r // 64) + 512 * (r // 16 % 4)
            + 256 * (g // 4 % 2) + 32 * (r % 8) + 8 * (g // 8 % 4)
            + 4 * (r // 8 % 2) + g % 4)


def noted_nibbles(meta, order, eight):
    """One for each group, out of an order."""
    if order == "row_major":
        return np.stack([meta & 15, meta >> 4], -1).reshape(len(meta), -1)
    memory = meta.astype(meta.dtype.newbyteorder("<")).view(np.uint8)
    memory = np.stack([memory & 15, memory >> 4], -1).ravel()
    r, g = np.indices((len(meta), memory.size // len(meta)))
    return memory[noted_place(order, eight, r, g, len(meta))]


def noted_as(function, p, x):
    """What tensor cores take, in another order or by another owner's rule."""
    eight = x.get("w", x.get("values", x.get("meta"))).itemsize == 1
    if function == "reorder_metadata":
        nibbles = noted_nibbles(x["meta"], p["order"], p["format"] == "int8")
        return [slow_order(nibbles, p["format"], p["to"])]
    format = p.get("format", "int8" if eight else "float16")
    if function == "compress":
        values, nibbles = slow_stored(x["w"], format, p["like"])
        return [slow_order(nibbles, format, p["order"]), values]
    values = x["values"]
    columns = meeting(noted_nibbles(x["meta"], p["order"], eight), format)
    out = np.zeros((len(values), 2 * values.shape[1]), values.dtype)
    if p["order"] == "row_major" and format != "tf32":
        values = np.where(is_there(values, format), values, 0).astype(values.dtype)
    np.put_along_axis(out, columns, values, 1)
    return [out]


def noted_sums(op, adds, a, b, meta=None):
    columns = np.tile(np.arange(a.shape[1]), (len(a), 1)) if meta is None else (
        meeting(noted_nibbles(meta, "row_major", False), op["a"]))
    return [slow_tensor_core(op, adds, a, columns, b)]


def noted_scale(x, how, largest):
    m = np.abs(x)
    amax = np.where(np.isnan(m) & (how["drop_nan"] == 1), 0, m).max(-1)
    usual = np.isfinite(amax) & (amax != 0)
    scale = np.float32(largest) / np.where(usual, amax, np.float32(1))
    scale = np.clip(scale, np.finfo(np.float32).tiny, np.finfo(np.float32).max)
    return np.where(usual, scale, np.float32(1))


def exact_product(a, b):
    """Of finite values, by fractions."""
    a, b = (np.vectorize(fractions.Fraction, otypes=[object])(m) for m in (a, b))
    return a.dot(b.T).astype(np.float64).astype(np.float32)


def noted(manifest, case, x):
    """The outputs of a case from its inputs x and the manifest alone, None for those
    of formats without a sign."""
    function, p = case["function"], case["parameters"]
    format = manifest["formats"].get(p.get("format"))
    how = manifest["recipes"].get(p.get("recipe"), manifest["recipes"]["current"])
    scale = np.float32(p.get("scale", 1)) if "scale" not in x else x["scale"][:, None]

    def undo(codes):
        y = values_of(format)[codes].astype(np.float32)
        return canonical({"divide": lambda: y / scale, "multiply": lambda: y * scale,
                          "reciprocal": lambda: y * (np.float32(1) / scale)}[
                              how["undo"]]())

    def encode():
        with np.errstate(over="ignore"):
            y = x["x"] / scale if how["apply"] == "divide" else x["x"] * scale
        return by_rule(format, manifest["rule"], y)

    if function in ("encode", "round_fp8") and not format["sign_bits"]:
        return None
    if "order" in p:
        return dict(zip(case["outputs"], noted_as(function, p, x)))
    if function == "rank":
        places, signed = np.arange(256), format["sign_bits"]
        places = np.where(places < 128, places, 128 - places) if signed else (
            places % 2**(format["exponent_bits"] + format["mantissa_bits"]))
        return {"out": np.where(np.isnan(values_of(format)), -2**63, places)}
    n, m, gamma = (p.get(name, usual) for name, usual in (("n", 2), ("m", 4),
                                                          ("gamma", 0.0)))
    down = by_columns if p.get("axis") == "columns" else lambda f: f
    turned = np.transpose if p.get("axis") == "columns" else np.asarray

    def project():
        f = down(lambda w: slow_project(w, p.get("beta", 1.0), n, m, gamma))
        if x["w"].dtype == np.float32:
            return f(x["w"])
        half = in_half if x["w"].dtype == np.float16 else in_bfloat16
        return no_minus(half(f, x["w"]))

    def losses():
        over = dict(manifest["rule"], overflow="none")
        counted = np.isfinite(x["x"]) & (x["x"] != 0)
        kept = values_of(format)[by_rule(format, over, x["x"] * scale)][counted]
        return np.array([counted.sum(), (~np.isfinite(kept)).sum(), (kept == 0).sum()])

    def nonzero():
        there = x["w"] != 0
        if format is not None and format["family"] != "fnuz":
            there &= x["w"] != 0x80
        return there.astype(np.uint8)

    return dict(zip(case["outputs"], {
        "project": lambda: [project()],
        "mask": lambda: [down(lambda w: slow_mask(w, p["tie"], n, m))(x["w"])],
        "mask_transposable": lambda: [slow_transposable(x["w"], p["rule"])],
        "nonzero": lambda: [nonzero()],
        "apply_mask": lambda: [canonical(np.where(
            (x["mask"] != 0) & (x["w"] != 0), x["w"], np.float32(0)))],
        "masked_decay": lambda: [slow_decay(x["y"], x["w"], x["mask"], p["factor"])],
        "beta": lambda: [np.float32([slow_beta(
            np.ascontiguousarray(turned(x["w"])), p.get("rule", "min_mse"), n, m,
            gamma)])],
        "relative_mse": lambda: [np.array([slow_relative_mse(x["w"], x["v"])])],
        "norm2": lambda: [np.array([slow_sum(np.float64(x["w"])**2)])],
        "change": lambda: [np.array([slow_sum(np.abs(x["w"] - x["v"]))])],
        "descent": lambda: [np.array([slow_sum(
            np.float64(x["g"]) * np.float64(x["w"] - x["v"]))])],
        "flip_rate": lambda: [np.array([np.mean(x["mask"] != x["previous"])])],
        "flips": lambda: [np.array([
            (x["mask"] != x["previous"]).sum(), 2 * x["mask"].size,
            np.mean(x["mask"] != x["previous"]) / 2])],
        "compress": lambda: noted_compress(np.ascontiguousarray(turned(x["w"]))),
        "decompress": lambda: [np.ascontiguousarray(turned(
            noted_decompress(x["values"], x["meta"])))],
        "amax": lambda: [canonical(np.abs(x["x"]).max(keepdims=True)[0])],
        "scale": lambda: [noted_scale(x["x"], how, 448)],
        "encode": lambda: [encode()], "decode": lambda: [undo(x["codes"])],
        "round_fp8": lambda: [undo(encode())],
        "convert": lambda: [by_rule(manifest["formats"][p["to"]], p["rule"], x["bits"],
                                    x.get("random"))],
        "philox": lambda: [np.uint32([slow_philox(c, k) for c, k in zip(
            x["counter"].tolist(), x["key"].tolist())])],
        "mvue_word": lambda: [np.uint32([[
            slow_word(p["seed"], p["tensor"], p["step"], run, group)
            for group in range(p["groups"])] for run in range(p["runs"])])],
        "mvue": lambda: [noted_mvue(x["a"], **p)],
        "mvue_draws": lambda: [np.float32([[noted_draw(a, word, n) for word in row]
                                           for a, row in zip(x["a"], x["words"])])],
        "mvue_prob": lambda: [np.array([noted_prob(a, n, p.get("approximate"))
                                        for a in x["a"]])],
        "mvue_pair_prob": lambda: [np.array([noted_pair_prob(a, n) for a in x["a"]])],
        "encode_stochastic": lambda: [by_rule(
            format, dict(manifest["rule"], rounding="stochastic", random_bits=32),
            x["x"] * scale, noted_words(x["x"], *(p[name] for name in (
                "axis", "seed", "tensor", "step", "run", "first_group"))))],
        "fp8_losses": lambda: [losses()],
        "product_forward": lambda: [slow_product(x["x"], x["w"].T)],
        "product_input_grad": lambda: [slow_product(x["dz"], x["w"])],
        "product_weight_grad": lambda: [slow_product(x["dz"].T, x["x"])],
        "product_forward_compressed": lambda: [slow_product(
            x["x"], noted_decompress(x["values"], x["meta"]).T)],
        "tensor_core_product": lambda: noted_sums(p["op"], p["adds"], **x),
        "fp8_product": lambda: [exact_product(
            *(values_of(manifest["formats"][p[f]])[x[m]]
              for f, m in (("fa", "a"), ("fb", "b"))))],
    }[function]()))


def run_vectors(*arguments, **environment):
    """The program's status, and what it says of errors."""
    done = subprocess.run(
        [sys.executable, vectors.__file__, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=dict(os.environ, SSTE_LIBRARY=sste._c._name, **environment))
    return done.returncode, done.stderr.decode()


def test_the_manifest_is_enough_to_make_the_vectors():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        assert run_vectors("--small", folder) == (0, "")
        manifest = json.loads((root / "manifest.json").read_text())
        files = {str(p.relative_to(root)) for p in root.rglob("*.npy")}
        assert files == set(manifest["sha256"]) and len(files) < 280
        assert sum(p.stat().st_size for p in root.rglob("*")
                   if p.is_file()) < 640_000
        for name, digest in manifest["sha256"].items():
            assert hashlib.sha256((root / name).read_bytes()).hexdigest() == digest
        for case in manifest["cases"]:
            x = {name: np.load(root / file) for name, file in case["inputs"].items()}
            if "error" in case:
                refuses("", eval, case["command"], dict(x, sste=sste))
                assert not {"promise", "outputs"} & set(case)
                continue
            assert case["promise"] in ("BITWISE", "ROUNDED-ONCE")
            with np.errstate(all="ignore"):
                expected = noted(manifest, case, x)
            for name, array in (expected or {}).items():
                given = np.load(root / case["outputs"][name])
                assert same(given, array), case
        functions = {case["function"] for case in manifest["cases"]}
        described = set(manifest["notes"]) | {"scale", "amax"}  # under "recipe"
        assert functions - {f for f in functions if "product" in f} <= described
        used = {case["class"] for case in manifest["cases"]}
        assert used <= set(manifest["classes"]) | {"boundaries", "codes", "positions",
                                                   "published", "tensor_core"}
        kinds = sum((c["kinds"] for c in manifest["classes"].values()), [])
        assert set(kinds) == set(manifest["kinds"]) == set(KINDS)


def test_commands_of_the_manifest_make_the_outputs():
    with tempfile.TemporaryDirectory() as folder:
        book = vectors.write(folder, "small")
        for case in book.cases:
            x = {name: np.load(os.path.join(folder, file))
                 for name, file in case["inputs"].items()}
            if "error" in case:
                continue
            results = eval(case["command"], dict(x, sste=sste))
            results = results if isinstance(results, tuple) else (results,)
            for result, file in zip(results, case["outputs"].values()):
                array = np.load(os.path.join(folder, file))
                if not isinstance(result, np.ndarray):
                    result = np.atleast_1d(vectors.numbers(result, array.dtype))
                assert same(result, array), case["command"]


def test_vectors_are_checked_and_replaced():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        assert run_vectors("--small", folder) == (0, "")
        assert run_vectors("--check", folder) == (0, "")
        before = vectors.contents(folder)
        (root / "beta/tame.npy").write_bytes(b"other")
        assert run_vectors("--check", folder) == (1, "")
        # What an earlier version wrote goes, what it did not write stays.
        manifest = json.loads(before["manifest.json"].decode())
        manifest["sha256"]["older/name.npy"] = "0"
        (root / "older").mkdir()
        (root / "older/name.npy").write_bytes(b"stale")
        (root / "mine.txt").write_bytes(b"kept")
        (root / "manifest.json").write_text(json.dumps(manifest))
        assert run_vectors("--small", folder) == (0, "")
        assert not (root / "older").exists()
        assert vectors.contents(folder) == dict(before, **{"mine.txt": b"kept"})
        assert run_vectors("--check", folder) == (1, "")


def test_vectors_refuse_in_one_line():
    def refused(*arguments, **environment):
        status, said = run_vectors(*arguments, **environment)
        assert status == 2 and said.startswith("vectors: "), (arguments, said)
        assert said.count("\n") == 1, said
        return said

    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        assert "FOLDER is empty" in refused("") and "FOLDER" in refused("--check", "")
        refused("--check", folder)
        manifest, other = root / "manifest.json", root / "other.npy"
        other.write_bytes(b"kept")
        assert "holds other files" in refused("--small", folder)
        good = {"library": "sste", "size": "small", "sha256": {}}
        for text in ("", "[]", "3", "{", "{}", "\xff", "[" * 100000,
                     json.dumps(dict(good, library="other")),
                     json.dumps(dict(good, size="huge")),
                     json.dumps(dict(good, size=[])),
                     json.dumps(dict(good, sha256=["other.npy"])),
                     json.dumps(dict(good, sha256={"../other.npy": "0"})),
                     json.dumps(dict(good, sha256={"/other.npy": "0"})),
                     json.dumps(dict(good, sha256={"other.txt": "0"}))):
            manifest.write_bytes(text.encode("latin-1"))
            refused("--small", folder), refused("--check", folder)
            assert manifest.read_bytes() == text.encode("latin-1"), text
            assert other.read_bytes() == b"kept"
        manifest.write_text(json.dumps(good))
        (root / "gone.npy").symlink_to(root / "nowhere")
        refused("--check", folder)
        refused("--small", other)
        status = subprocess.run(
            [sys.executable, vectors.__file__, "--check", folder],
            stderr=subprocess.PIPE, env=dict(os.environ, SSTE_LIBRARY="/no/such.so"))
        assert status.returncode == 2
        assert status.stderr.startswith(b"vectors: cannot use /no/such.so")
        assert status.stderr.count(b"\n") == 1


# ---- The rest ----------------------------------------------------------------


def test_draws():
    assert {"normal", "ties", "midpoints", "subnormal", "integers"} < set(KINDS)
    for kind in KINDS:
        a = sste.draw(kind, (3, 5, 12), 30)
        assert a.dtype == np.float32 and a.shape == (3, 5, 12)
        assert same(a, sste.draw(kind, [3, 5, 12], 30))
        assert same(a.reshape(15, 12)[:7], sste.draw(kind, (7, 12), 30))
        assert not same(a, sste.draw(kind, (3, 5, 12), 31)), kind
    assert set(np.abs(sste.draw("ties", 999, 1)).tolist()) == {0, 1, 2, 3}
    assert set(sste.draw("integers", 999, 1).tolist()) == set(range(-3, 4))
    assert (sste.draw("sparse", (99, 4), 1) != 0).sum(axis=1).max() == 2
    assert np.isnan(sste.draw("specials", 99, 1)).any()
    assert same(sste.draw("integers", 7, 2), sste.draw("integers", (1, 7), 2)[0])


DIGEST = """
import hashlib, multiprocessing, sys
sys.path.insert(0, sys.argv[1])
import sste

def digest(_=None):
    w, x = sste.draw("weights", (96, 2048), 1), sste.draw("normal", (80, 2048), 2)
    s = sste.scale(x)
    out = [sste.project(w), sste.mask(w), sste.encode(x, scale=s), sste.mvue(x, 3),
           sste.mvue(x, 3, axis="columns"), sste.product_forward(x, w),
           sste.project(w, n=3, m=8, gamma=0.5, axis="columns"),
           sste.mask(w, n=5, m=16), sste.mask_transposable(w), sste.nonzero(x),
           sste.mvue(x, 3, n=3, m=8, axis="columns"), sste.apply_mask(x, x > 0),
           sste.mvue(x, 3, approximate=True), sste.masked_decay(x, x, x > 0, 0.1),
           sste.encode_stochastic(x, 5, scale=s), *sste.compress(
               sste.project(w, axis="columns"), "columns"),
           str((sste.beta(w, "equal_l1"), sste.norm2(x), sste.change(x, -x),
                sste.descent(x, x, -x), sste.relative_mse(x, x / 2),
                sste.flips([x > 0], [x > 1]), sste.fp8_losses(x))).encode(),
           sste.product_weight_grad(x, x[:, :64]), sste.convert(x, "bfloat16"),
           *sste.compress(sste.project(w)), sste.fp8_product(
               sste.encode(x, scale=s), sste.encode(w)), str(sste.beta(w)).encode(),
           *sste.compress(sste.project(w).astype("half"), order="cutlass2"),
           sste.tensor_core_product(x, w, "hopper"),
           str(sste.check_product_forward(
               sste.product_forward(x, w) * 2, x, w)).encode()]
    return hashlib.sha256(b"".join(bytes(o) for o in out)).hexdigest()

print(digest())
"""
FORK = """
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(*pool.map_async(digest, range(2)).get(timeout=20))
"""


def printed(program, threads):
    """What a program prints, with so many threads."""
    return subprocess.run(
        [sys.executable, "-c", program, str(pathlib.Path(sste.__file__).parent)],
        check=True, stdout=subprocess.PIPE,
        env=dict(os.environ, OMP_NUM_THREADS=str(threads))).stdout.decode().split()


def test_threads_do_not_change_a_bit():
    digests = {tuple(printed(DIGEST, n)) for n in (1, 2, 5)}
    assert len(digests) == 1 and len(digests.pop()[0]) == 64


def test_a_forked_child_computes_the_same():
    if "fork" not in multiprocessing.get_all_start_methods():
        raise unittest.SkipTest("no fork here")
    digests = printed(DIGEST + FORK, 3)
    assert len(digests) == 3 and len(set(digests)) == 1


def test_the_library_that_is_missing_or_another():
    def importing(path, folder=pathlib.Path(sste.__file__).parent):
        done = subprocess.run([sys.executable, "-c", "import sste"], cwd=str(folder),
                              stderr=subprocess.PIPE,
                              env=dict(os.environ, SSTE_LIBRARY=path))
        return done.stderr.decode().strip().split("\n")[-1]

    for path in "/no/such.so", __file__, ctypes.util.find_library("m") or "libm.so.6":
        message = importing(path)
        assert message.startswith("ImportError") and "make lib" in message, message
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder) / "python"
        for beside in here, here.parent / "build":
            here.mkdir()
            shutil.copy(sste.__file__, str(here))
            message = importing("", here)
            assert message.startswith("ImportError"), message
            assert "make lib` in sste's source folder, and set SSTE_LIB" in message
            beside.mkdir(exist_ok=True)
            shutil.copy(sste._c._name, str(beside / "libsste.so"))
            assert importing("", here) == ""
            shutil.rmtree(str(here))


def test_a_library_of_another_version():
    major, minor, patch = map(int, sste.__version__.split("."))
    path, version = sste._c._name, sste.__version__

    def refused():
        try:
            sste._load(path)
            return False
        except ImportError as error:
            return "make lib" in str(error)

    try:
        sste.__version__ = "%d.%d.%d" % (major, minor, patch + 1)
        assert not refused()
        for other in (major, minor + 1, patch), (major + 1, minor, patch):
            sste.__version__ = "%d.%d.%d" % other
            assert refused()
    finally:
        sste.__version__ = version
    try:
        sste._agree(sste.Rule)
    except ImportError as error:
        assert "make lib" in str(error)
    else:
        raise AssertionError("a report of another size")


def test_documentation_is_true():
    failed, tried = doctest.testmod(sste)
    assert failed == 0 and tried > 40
    for name in dir(sste):
        thing = getattr(sste, name)
        if getattr(thing, "__module__", "") == "sste" and not name.startswith("_"):
            assert thing.__doc__, name


def readme():
    return (pathlib.Path(__file__).resolve().parent.parent / "README.md").read_text()


def test_the_readme_is_true():
    example = readme().split("```python\n")[1].split("```")[0]
    exec(example, {"my_kernel": lambda w: sste.encode(sste.project(w), scale=4.0)})
    try:
        exec(example, {"my_kernel": lambda w: sste.encode(sste.project(w), scale=5.0)})
        wrong = ""
    except AssertionError as error:
        wrong = str(error)
    assert "in E4M3FN" in wrong and "one step" in wrong


def test_the_readme_is_true_of_tensor_cores():
    section = readme().split("\n## The tensor core on paper\n")[1].split("\n## ")[0]
    names, said = {"sste": sste}, 0
    for line in section.split("```python\n")[1].split("```")[0].splitlines():
        exec(line, names)
        call, _, comment = line.partition("  # ")
        made = [names[name] for name in call.split(" = ")[0].split(", ")]
        shapes = re.findall(r"\w+ \([\d, ]+\)", comment)
        for shape, x in zip(shapes, made):
            assert shape == "%s %s" % (x.dtype, x.shape), line
        places = re.findall(r"(\w+\.\w+\[.*?\]) is (\d+)", comment)
        for place, value in places:
            assert eval(place, names) == int(value), line
        said += len(shapes) + len(places)
    assert said > 1
    w = no_minus(in_half(slow_project, names["w"]))
    values, nibbles = slow_stored(w, "float16", "torch")
    assert same(names["values"], values)
    z = slow_tensor_core(
        dict(a="float16", b="float16", d="float32", k=32, sparse=True),
        fields_of_model("ampere", "float16"), values[:4],
        meeting(nibbles, "float16")[:4], names["x"][:4])
    assert same(names["z"][:4, :4].copy(), z)
    assert names["z"].shape == (len(w), len(names["x"]))


def test_self_check():
    assert sste.self_check() == ()
    if platform.machine() != "x86_64" or not sys.platform.startswith("linux"):
        raise unittest.SkipTest("how to round upwards is known for x86-64 Linux")
    math = ctypes.CDLL(ctypes.util.find_library("m") or "libm.so.6")
    math.fesetround(0x800)
    try:
        broken = sste.self_check()
    finally:
        math.fesetround(0)
    assert "rounding" in broken and "subnormals" not in broken


def main():
    failed = skipped = 0
    tests = [(name, test) for name, test in globals().items()
             if name.startswith("test_")]
    for name, test in tests:
        try:
            test()
            print("ok      " + name)
        except unittest.SkipTest as reason:
            skipped += 1
            print("skipped %s: %s" % (name, reason))
        except Exception:
            failed += 1
            print("FAILED  " + name)
            sys.excepthook(*sys.exc_info())
    print("%d tests, %d failed, %d skipped" % (len(tests), failed, skipped))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
