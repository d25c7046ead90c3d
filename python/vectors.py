# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
"""Inputs and expected outputs as .npy files, for tests in any language.

    python3 python/vectors.py FOLDER           writes every class of input
    python3 python/vectors.py --small FOLDER   a few rows of each, in one array
    python3 python/vectors.py --check FOLDER   makes the files again and compares

FOLDER/manifest.json lists the cases. Each has the `function`; the `class` of its
inputs, a kind of random tensor or "boundaries"; `parameters`; the files of its
`inputs` and `outputs` by the name of the argument; and the `promise`: BITWISE
outputs are to be compared byte by byte, NaNs included. A case with `error` has
no outputs: the inputs must be refused. `sha256` has the checksum of every file.
bfloat16 is uint16, FP8 codes are uint8. --check exits with 1 if anything
differs, 2 if it cannot be done.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile

import numpy as np

import sste

FP8 = ["e4m3fn", "e5m2", "e4m3", "e3m4", "e3m4fn", "e4m3fnuz", "e5m2fnuz",
       "e4m3b11fnuz", "ue4m3", "e8m0"]
WIDE = ["float32", "float16", "bfloat16", "float64"]
SHAPES = {"full": (64, 128), "small": (4, 16)}
# Products of these stay finite, so that a case shows more than one NaN.
TAME = ["normal", "weights", "bfloat16", "midpoints", "ties", "zeros", "sparse",
        "dominant", "integers"]


class Book:
    """A folder of arrays and the list of what they are."""

    def __init__(self, folder):
        self.folder, self.cases, self.sha256 = folder, [], {}

    def save(self, name, array):
        path = os.path.join(self.folder, *name.split("/")) + ".npy"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        np.save(path, np.ascontiguousarray(array))
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        self.sha256[name + ".npy"] = digest
        return name + ".npy"

    def case(self, function, of, inputs, outputs, label="", promise="BITWISE",
             **parameters):
        """Adds a case. `inputs` are names of files; `outputs` a function of no
        argument that gives arrays by name, or raises SsteError."""
        entry = {"function": function, "class": of, "promise": promise,
                 "parameters": parameters, "inputs": inputs}
        stem = "/".join(part for part in (function, label, of) if part)
        try:
            entry["outputs"] = {
                name: self.save(stem if name == "out" else stem + "." + name, array)
                for name, array in outputs().items()}
        except sste.SsteError as error:
            entry["error"] = str(error)
        self.cases.append(entry)

    def close(self, size):
        manifest = {
            "library": "sste", "version": sste.__version__, "size": size,
            "command": "python3 python/vectors.py %sFOLDER"
                       % ("--small " if size == "small" else ""),
            "cases": self.cases, "sha256": self.sha256}
        with open(os.path.join(self.folder, "manifest.json"), "w") as file:
            json.dump(manifest, file, indent=1, sort_keys=True)
            file.write("\n")


def tensors(size):
    """Classes and their tensors W, X and dZ. The small size has two: all kinds, one
    below the other, and those whose products are finite."""
    rows, cols = SHAPES[size]
    classes = {"all": list(sste.DRAWS), "tame": TAME}
    if size == "full":
        classes = {kind: [kind] for kind in sste.DRAWS}
    for name, kinds in classes.items():
        def drawn(cols, seed):
            return np.concatenate(
                [sste.draw(kind, (rows, cols), seed) for kind in kinds])
        yield name, drawn(cols, 1), drawn(cols, 2), drawn(rows, 3)


def projection_cases(book, of, w, file):
    inputs = {"w": file}
    for beta in (1.0, 1.5):
        book.case("project", of, inputs, lambda: {"out": sste.project(w, beta)},
                  "beta_%g" % beta, beta=beta)
    for tie in ("lower", "higher"):
        book.case("mask", of, inputs, lambda: {"out": sste.mask(w, tie)}, tie, tie=tie)
    sparse = sste.project(w)
    saved = book.save("inputs/%s.projected" % of, sparse)
    book.case("compress", of, {"w": saved},
              lambda: dict(zip(("values", "meta"), sste.compress(sparse))))
    values, meta = sste.compress(sparse)
    book.case("decompress", of, {"values": "compress/%s.values.npy" % of,
                                 "meta": "compress/%s.meta.npy" % of},
              lambda: {"out": sste.decompress(values, meta)})
    book.case("compress", of, inputs,
              lambda: dict(zip(("values", "meta"), sste.compress(w))), "unprojected")


def fp8_cases(book, of, x, file):
    for name in FP8:
        for recipe in ("current", "divide"):
            scale = sste.scale(x, name, recipe=recipe)
            book.case("encode", of, {"x": file}, lambda: {
                "out": sste.encode(x, name, scale, recipe)}, name + "." + recipe,
                format=name, recipe=recipe, scale=scale)
    scale = sste.scale(x, "e4m3fn", per_row=True)
    book.case("scale", of, {"x": file}, lambda: {"out": scale}, format="e4m3fn",
              per_row=True)
    book.case("round_fp8", of, {"x": file},
              lambda: {"out": sste.round_fp8(x, "e4m3fn", scale)}, format="e4m3fn",
              scale="scale/%s.npy" % of)


def mvue_cases(book, of, a, file):
    for group in (4, 2):
        for axis in ("rows", "columns"):
            stream = dict(seed=1234567890123456, tensor=7, step=3, run=5,
                          first_group=2, axis=axis, group=group)
            book.case("mvue", of, {"a": file},
                      lambda: {"out": sste.mvue(a, **stream)},
                      "%s_of_%d" % (axis, group), **stream)


def draw_cases(book, of, a):
    """The first group of each row of A, by the words at which its draw decides."""
    groups = np.ascontiguousarray(a[:, :4])
    words = sste.mvue_words(groups)
    book.case("mvue_draws", of, {"a": book.save("inputs/%s.groups" % of, groups),
                                 "words": book.save("inputs/%s.words" % of, words)},
              lambda: {"out": sste.mvue_draws(groups, words)})


def product_cases(book, of, w, x, dz, file):
    """X is T x K, dZ T x N, and W the first N rows of W, projected."""
    sparse = sste.project(w[:dz.shape[1]])
    inputs = {"x": file, "w": book.save("inputs/%s.w" % of, sparse),
              "dz": book.save("inputs/%s.dz" % of, dz)}

    def of_names(*names):
        return {name: inputs[name] for name in names}

    book.case("product_forward", of, of_names("x", "w"),
              lambda: {"out": sste.product_forward(x, sparse)})
    book.case("product_input_grad", of, of_names("dz", "w"),
              lambda: {"out": sste.product_input_grad(dz, sparse)})
    book.case("product_weight_grad", of, of_names("dz", "x"),
              lambda: {"out": sste.product_weight_grad(dz, x)})
    values, meta = sste.compress(sparse)
    inputs["values"] = book.save("inputs/%s.values" % of, values)
    inputs["meta"] = book.save("inputs/%s.meta" % of, meta)
    book.case("product_forward_compressed", of, of_names("x", "values", "meta"),
              lambda: {"out": sste.product_forward_compressed(x, values, meta)})
    for fa, fb in (("e4m3fn", "e4m3fn"), ("e5m2", "e4m3fn")):
        a, b = sste.encode(x, fa), sste.encode(sparse, fb)
        book.case("fp8_product", of,
                  {"a": book.save("inputs/%s.%s.a" % (of, fa), a),
                   "b": book.save("inputs/%s.%s.b" % (of, fb), b)},
                  lambda: {"out": sste.fp8_product(a, b, fa, fb)},
                  fa + "_" + fb, promise="ROUNDED-ONCE", fa=fa, fb=fb)


def boundary_cases(book, size):
    """Every decision of every conversion; by other libraries' rules from float32."""
    formats = FP8 if size == "full" else FP8[:2]
    wide = WIDE if size == "full" else WIDE[:1]
    for to in formats:
        for from_ in wide:
            bits = sste.boundaries(to, from_)
            file = book.save("inputs/%s_from_%s" % (to, from_), bits)
            for like in sste.LIKE:
                if from_ != "float32" and like != "saturating":
                    continue
                book.case("convert", "boundaries", {"bits": file}, lambda: {
                    "out": sste.convert(bits, to, from_, like)},
                    "%s_from_%s.%s" % (to, from_, like), to=to, from_=from_, like=like)
    codes = book.save("inputs/codes", np.arange(256, dtype=np.uint8))
    for name in FP8:
        book.case("decode", "codes", {"codes": codes}, lambda: {
            "out": sste.decode(np.arange(256, dtype=np.uint8), name)}, name,
            format=name)


def random_cases(book):
    """The words that MVUE's draws take, so that a kernel can check its Philox."""
    seed, runs, groups = 0x4093822299F31, 4, 16
    words = [[sste.mvue_word(seed, tensor=7, step=3, run=run, group=group)
              for group in range(groups)] for run in range(runs)]
    book.case("mvue_word", "positions", {}, lambda: {
        "out": np.array(words, np.uint32)}, seed=seed, tensor=7, step=3, runs=runs,
        groups=groups)


def write(folder, size):
    book = Book(folder)
    for of, w, x, dz in tensors(size):
        file_w = book.save("inputs/%s" % of, w)
        file_x = book.save("inputs/%s.x" % of, x)
        book.case("beta", of, {"w": file_w},
                  lambda: {"out": np.float32([sste.beta(w)])})
        fp8_cases(book, of, w, file_w)
        if of != "tame":
            projection_cases(book, of, w, file_w)
            mvue_cases(book, of, w, file_w)
            draw_cases(book, of, w)
        if of != "all":
            product_cases(book, of, w, x, dz, file_x)
    boundary_cases(book, size)
    random_cases(book)
    book.close(size)
    return book


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
    """What differs between a folder and what the library gives now."""
    with open(os.path.join(folder, "manifest.json")) as file:
        size = json.load(file)["size"]
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
    parser.add_argument("folder")
    options = parser.parse_args()
    try:
        if options.check:
            count, wrong = check(options.folder)
            print("\n".join(wrong[:20] + ["vectors: %d files, %d differ"
                                          % (count, len(wrong))]))
            return 1 if wrong else 0
        if os.path.isdir(options.folder) and os.listdir(options.folder):
            if not os.path.exists(os.path.join(options.folder, "manifest.json")):
                raise OSError("%s holds other files" % options.folder)
        book = write(options.folder, "small" if options.small else "full")
        print("vectors: %d cases, %d files in %s"
              % (len(book.cases), len(book.sha256) + 1, options.folder))
        return 0
    except (OSError, ValueError, KeyError) as error:
        print("vectors: %s" % error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
