# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
"""2:4 sparsity and FP8 to the bit, for testing kernels: the C headers over arrays.

    import numpy as np, sste
    w = sste.draw("ties", (64, 256), seed=1)          # inputs that find bugs
    sste.assert_same(my_kernel(w), sste.project(w))   # says what kind of wrong

`make lib` builds the library that this module calls; it is looked for where the
environment variable SSTE_LIBRARY says, else beside this file, else in ../build.
Nothing but NumPy is needed. The headers' comments are the full reference: every
function here gives the bits of its C namesake.

Arrays    NumPy arrays, PyTorch tensors on the CPU, and whatever has the array
          interface, __array__ or DLPack. The last axis is the row that groups
          of four run along; leading axes are flattened to rows, and results get
          them back; one axis is one row. Results are new NumPy arrays.
Patterns  n of every m are kept, 0 < n < m <= 32, 2 of 4 unless you say otherwise.
          axis is "rows", or "columns" for groups of m consecutive rows.
Values    float32; float16; bfloat16, from ml_dtypes or PyTorch or as its bits in
          uint16. The last two are widened exactly, computed with in float32,
          and results that are values are rounded once, to nearest even, to the
          dtype that came in (bfloat16 of PyTorch to uint16). float64 raises
          TypeError, as it would have to be rounded: x.astype(np.float32). So do
          masked arrays: no function could heed the mask.
Codes     uint8, or a float8 dtype of ml_dtypes or PyTorch, which then names the
          format as well. Masks are uint8, and metadata but in CUTLASS 2's order.
Scalars   Python and NumPy numbers; beta, a scale and an epsilon are rounded to
          float32.
Names     of formats: FORMATS; of rules: LIKE; of random tensors: DRAWS; of
          differences: DIFFERENCES; of storage orders of metadata: ORDERS, and of who
          chooses nibbles: OWNERS; of GPUs: TENSOR_CORES.
Errors    TypeError for a wrong kind of argument, ValueError for a wrong value or
          shape; SsteError is the ValueError that the library itself returned.
Threads   OpenMP's, as OMP_NUM_THREADS says; their number changes no bit. A forked
          child (multiprocessing's "fork") runs on one, as its parent's are gone.

Projection       project, beta, relative_mse, norm2, change, descent
Masks            mask, mask_transposable, nonzero, apply_mask, masked_decay, flip_rate,
                 flips
Compressed form  check, compress, decompress, check_metadata, reorder_metadata
FP8              encode, decode, round_fp8, scale, amax, convert, rule, recipe,
                 encode_stochastic, fp8_losses
Sampling         mvue, mvue_draws, mvue_prob, mvue_pair_prob, mvue_variance,
                 mvue_second_moment, mvue_word, philox
Products         product_forward, product_input_grad, product_weight_grad,
                 product_forward_compressed, fp8_product
Tensor cores     instruction, model, tensor_core_product, tensor_core_bound,
                 fragment_map, metadata_map
The number line  rank, code, next_code, ulps
Testing          boundaries, mvue_words, draw, compare, compare_sparse,
                 compare_metadata, assert_same, check_product_forward,
                 check_product_input_grad, check_product_weight_grad, within,
                 bound, self_check
"""

import collections
import ctypes
import math
import numbers
import operator
import os
import pathlib
import sys

import numpy as np

__version__ = "0.8.0"

# ---- The library -------------------------------------------------------------

_int, _u32, _u64 = ctypes.c_int, ctypes.c_uint32, ctypes.c_uint64
_size, _float, _double = ctypes.c_size_t, ctypes.c_float, ctypes.c_double
_pointer, _text = ctypes.c_void_p, ctypes.c_char_p


class _Struct(ctypes.Structure):
    def _values(self):
        return tuple(getattr(self, field[0]) for field in self._fields_)

    def __eq__(self, other):
        return type(other) is type(self) and other._values() == self._values()

    def __hash__(self):
        return hash(self._values())

    def __repr__(self):
        pairs = zip((field[0] for field in self._fields_), self._values())
        return "%s(%s)" % (type(self).__name__, ", ".join("%s=%r" % p for p in pairs))


class Format(_Struct):
    """A format as data (sste_fp8.h, sec. 1): any of FORMATS, or another of 8 bits.

    `specials` is 0 for IEEE, 1 FN, 2 FNUZ, 3 powers of two. str() gives the name.
    """
    _fields_ = [(name, _int) for name in
                ("sign_bits", "exponent_bits", "mantissa_bits", "bias", "specials")]

    def __str__(self):
        return next((name for name in FORMATS if FORMATS[name] == self), repr(self))


class Rule(_Struct):
    """How numbers are rounded to a format (sste_fp8.h, sec. 3). Made by rule()."""
    _fields_ = [(name, _int) for name in ("rounding", "random_bits", "overflow", "nan",
                                          "nan_sign", "drop_sign", "via")]


class Recipe(_Struct):
    """How a tensor becomes codes (sste_fp8.h, sec. 6). Made by recipe().

    Its format, rule and per_row are set by the arguments of the call that uses it.
    """
    _fields_ = [("format", Format), ("rule", Rule), ("per_row", _int), ("scale", _int),
                ("apply", _int), ("undo", _int), ("drop_nan", _int),
                ("epsilon", _float), ("power_of_two", _int)]


class Instruction(_Struct):
    """An instruction of a tensor core (sste_mma.h, sec. 1). Made by instruction().

    str() gives what PTX calls it, repr() the call that makes it.
    """
    _fields_ = [(name, _int) for name in ("k", "sparse", "a", "b", "d", "saturate")]

    def __repr__(self):
        if _c.sste_mma_op_check(self) != 0:
            return super().__repr__()
        a, b, d = (_MMA_TYPES[kind] for kind in (self.a, self.b, self.d))
        return "instruction(%r, k=%d, b=%r, d=%r, sparse=%r, saturate=%r)" % (
            a, self.k, b, d, bool(self.sparse), bool(self.saturate))

    def __str__(self):
        if _c.sste_mma_op_check(self) != 0:
            return repr(self)
        types = ".".join(_PTX[kind] for kind in (self.d, self.a, self.b, self.d))
        return "mma%s.m16n8k%d.%s%s" % ((".sp" if self.sparse else ""), self.k, types,
                                        ".satfinite" if self.saturate else "")


class Model(_Struct):
    """How a tensor core adds (sste_mma.h, sec. 5). Made by model()."""
    _fields_ = [(name, _int) for name in ("products", "fraction", "output", "least",
                                          "grouping", "late")]


class _Pattern(_Struct):  # sste_nm
    _fields_ = [(name, _int) for name in ("n", "m", "axis", "type")]


class _Flips(ctypes.Structure):
    _fields_ = [("flips", _u64), ("entries", _u64)]


class _Losses(ctypes.Structure):
    _fields_ = [(name, _size) for name in ("nonzeros", "saturated", "underflowed")]


class _Words(ctypes.Structure):  # four fields: arrays by value trouble old ctypes
    _fields_ = [("word%d" % i, _u32) for i in range(4)]


class _Stream(ctypes.Structure):
    _fields_ = [("seed", _u64), ("tensor", _u32), ("step", _u32),
                ("run", _size), ("group", _size)]


class _Place(ctypes.Structure):
    _fields_ = [(name, _int) for name in ("lane", "register", "bit")]


class _Index(ctypes.Structure):
    _fields_ = [(name, _int) for name in ("row", "col")]


class _Mismatch(ctypes.Structure):
    _fields_ = [("row", _u64), ("col", _u64), ("got", _u64), ("want", _u64),
                ("x", _double), ("diff", ctypes.c_int32), ("reserved", ctypes.c_int32)]


_FORMAT_NAMES = ("e4m3fn", "e5m2", "e4m3", "e3m4", "e3m4fn", "e4m3fnuz", "e5m2fnuz",
                 "e4m3b11fnuz", "ue4m3", "e8m0", "float16", "bfloat16", "float32",
                 "float64")
TENSOR_CORES = ("ampere", "ada", "hopper", "hopper_wgmma", "blackwell")
_matrix = (_pointer, _size)  # and its leading dimension
_shape2, _shape3 = (_size,) * 2, (_size,) * 3
_at = (_pointer, _pointer)  # to the row and the chunk that an error names
_report = _pointer  # to a _Report, whose length the library's DIFFERENCES decide

# What each function returns and takes.
_SIGNATURES = {
    "sste_library_report_bytes": (_size,),
    "sste_library_serial": (None,),
    "sste_library_convert": (None, _pointer, _size, Format, Rule, _pointer, _size,
                             Format, _pointer, _size),
    "sste_library_boundaries": (None, _pointer, _size, Format, Format, _size),
    "sste_library_mvue_words": (None, _pointer, _pointer, _size, _size),
    "sste_library_mvue_draws": (None, _pointer, _pointer, _pointer, _size, _size, _int,
                                _int),
    "sste_library_mvue_probs": (None, _pointer, _pointer, _size, _int, _int, _int),
    "sste_library_mvue_pair_probs": (None, _pointer, _pointer, _size, _int, _int),
    "sste_library_mvue_variances": (None, _pointer, _pointer, _size, _int, _int, _int),
    "sste_library_mvue_second_moments": (None, _pointer, _pointer, _size, _int, _int),
    "sste_status_text": (_text, _int),
    "sste_self_check": (_int,),
    "sste_tensor_project": (_int, *_matrix, *_matrix, *_shape2, _float, _pointer),
    "sste_tensor_project_nm": (_int, *_matrix, *_matrix, *_shape2, _Pattern, _float,
                               _float, _pointer),
    "sste_tensor_mask": (_int, *_matrix, *_matrix, *_shape2, _int),
    "sste_tensor_mask_nm": (_int, *_matrix, *_matrix, *_shape2, _Pattern, _int),
    "sste_tensor_mask_transposable": (_int, *_matrix, *_matrix, *_shape2, _int),
    "sste_tensor_mask_nonzero": (_int, *_matrix, *_matrix, *_shape2, _int),
    "sste_tensor_apply_mask": (_int, *_matrix, *_matrix, *_matrix, *_shape2),
    "sste_mask_flip_rate": (_int, _pointer, _pointer, *_matrix, *_matrix, *_shape2),
    "sste_flips_add": (_int, ctypes.POINTER(_Flips), *_matrix, *_matrix, *_shape2),
    "sste_flips_rate": (_double, ctypes.POINTER(_Flips)),
    "sste_tensor_beta_nm": (_int, _pointer, *_matrix, *_shape2, _Pattern, _float, _int),
    "sste_tensor_relative_mse": (_int, _pointer, *_matrix, *_matrix, *_shape2, _int),
    "sste_tensor_norm2": (_int, _pointer, *_matrix, *_shape2),
    "sste_tensor_change": (_int, _pointer, *_matrix, *_matrix, *_shape2),
    "sste_tensor_descent": (_int, _pointer, *_matrix, *_matrix, *_matrix, *_shape2),
    "sste_tensor_check_nm": (_int, *_matrix, *_shape2, _Pattern, _pointer, _pointer),
    "sste_tensor_compress_as": (_int, *_matrix, *_matrix, *_matrix, *_shape2, _int,
                                _int),
    "sste_tensor_decompress_as": (_int, *_matrix, *_matrix, *_matrix, *_shape2, _int,
                                  _int),
    "sste_tensor_masked_decay": (_int, *_matrix, *_matrix, *_matrix, *_shape2, _float),
    "sste_product_forward": (_int, *_matrix, *_matrix, *_matrix, *_shape3),
    "sste_product_input_grad": (_int, *_matrix, *_matrix, *_matrix, *_shape3),
    "sste_product_weight_grad": (_int, *_matrix, *_matrix, *_matrix, *_shape3),
    "sste_product_forward_compressed": (_int, *_matrix, *_matrix, *_matrix, *_matrix,
                                        *_shape3),
    "sste_fp8_format_check": (_int, Format),
    "sste_fp8_rule_like": (Rule, _int, Format, Format),
    "sste_fp8_saturating": (Rule,),
    "sste_fp8_recipe_current": (Recipe, Format),
    "sste_fp8_recipe_divide": (Recipe, Format),
    "sste_fp8_recipe_te": (Recipe, Format),
    "sste_fp8_tensor_amax": (_int, _pointer, *_matrix, *_shape2),
    "sste_fp8_tensor_scale": (_int, _pointer, *_matrix, *_shape2, Recipe),
    "sste_fp8_tensor_encode": (_int, *_matrix, *_matrix, *_shape2, _pointer, Recipe),
    "sste_fp8_tensor_decode": (_int, *_matrix, *_matrix, *_shape2, _pointer, Recipe),
    "sste_fp8_tensor_round": (_int, *_matrix, *_matrix, *_shape2, _pointer, Recipe),
    "sste_fp8_tensor_encode_stochastic": (_int, *_matrix, *_matrix, *_shape2, Format,
                                          _float, _int, ctypes.POINTER(_Stream)),
    "sste_fp8_tensor_losses": (_int, ctypes.POINTER(_Losses), *_matrix, *_shape2,
                               Format, _float),
    "sste_fp8_product": (_int, *_matrix, Format, *_matrix, Format, *_matrix, *_shape3),
    "sste_philox_draw": (_Words, _Words, _u32, _u32),
    "sste_mvue_word": (_u32, ctypes.POINTER(_Stream), _size, _size),
    "sste_mvue_tensor_draw": (_int, *_matrix, *_matrix, *_shape2, _int, _int, _int,
                              ctypes.POINTER(_Stream)),
    "sste_mvue24_tensor_draw_approx": (_int, *_matrix, *_matrix, *_shape2, _int,
                                       ctypes.POINTER(_Stream)),
    "sste_check_rank": (ctypes.c_int64, Format, _u64),
    "sste_check_code": (_u64, Format, ctypes.c_int64),
    "sste_check_next": (_u64, Format, _u64, ctypes.c_int64),
    "sste_check_ulps": (_u64, Format, _u64, _u64),
    "sste_check_boundary_count": (_u64, Format, Format),
    "sste_check_draw_name": (_text, _int),
    "sste_check_diff_name": (_text, _int),
    "sste_check_tensor_draw": (_int, *_matrix, *_shape2, _int, _u64),
    "sste_check_within": (_int, Format, Rule, _u64, _double, _double),
    "sste_check_bound": (_double, _int, _size),
    "sste_check_failures": (_u64, _report),
    "sste_check_numbers": (_int, _report, Format, *_matrix, *_matrix, *_shape2),
    "sste_check_numbers_near": (_int, _report, Format, Rule, *_matrix, *_matrix,
                                *_matrix, *_matrix, *_shape2),
    "sste_check_sparse": (_int, _report, Format, *_matrix, *_matrix, *_matrix,
                          *_shape2),
    "sste_check_metadata": (_int, _report, *_matrix, *_matrix, *_shape2),
    "sste_check_product_forward": (_int, _report, Format, _int, *_matrix,
                                   *_matrix, *_matrix, *_shape3, _double),
    "sste_check_product_input_grad": (_int, _report, Format, _int, *_matrix,
                                      *_matrix, *_matrix, *_shape3, _double),
    "sste_check_product_weight_grad": (_int, _report, Format, _int, *_matrix,
                                       *_matrix, *_matrix, *_shape3, _double),
    "sste_check_text": (_size, _pointer, _size, _report),
    "sste_mma_op_check": (_int, Instruction),
    "sste_mma_selectors": (_int, Instruction),
    "sste_mma_registers": (_int, Instruction, _int),
    "sste_mma_place_of": (_Place, Instruction, _int, _int, _int),
    "sste_mma_index_of": (_Index, Instruction, _int, _Place),
    "sste_mma_meta_place": (_Place, Instruction, _int, _int, _int),
    "sste_mma_meta_index": (_Index, Instruction, _int, _Place),
    "sste_mma_meta_at": (_size, _int, _int, *_shape2, *_shape2),
    "sste_mma_meta_check": (_int, _pointer, _int, _int, *_shape2, *_at),
    "sste_mma_meta_reorder": (_int, _pointer, _int, _pointer, _int, _int, *_shape2),
    "sste_mma_compress": (_int, *_matrix, _pointer, _int, *_matrix, *_shape2, _int,
                          _int, *_at),
    "sste_mma_decompress": (_int, *_matrix, *_matrix, _pointer, _int, *_shape2, _int,
                            *_at),
    "sste_mma_product": (_int, *_matrix, *_matrix, *_matrix, *_matrix, *_shape3,
                         Instruction, Model, *_at),
    "sste_mma_bound": (_double, Instruction, Model, _size),
}
_SIGNATURES.update(("sste_fp8_" + name, (Format,)) for name in _FORMAT_NAMES)
_SIGNATURES.update(("sste_mma_" + name, (Model, _int)) for name in TENSOR_CORES)


def _find():
    """The library's path."""
    if os.environ.get("SSTE_LIBRARY"):
        return os.environ["SSTE_LIBRARY"]
    here = pathlib.Path(__file__).resolve().parent
    for folder in here, here.parent / "build":
        if (folder / "libsste.so").exists():
            return str(folder / "libsste.so")
    raise ImportError("libsste.so is not there: " + _remedy())


def _remedy():
    """What to do about a library that cannot be used."""
    source = pathlib.Path(__file__).resolve().parent.parent
    if (source / "sste.h").exists():
        return "run `make lib` in %s, or set SSTE_LIBRARY to its path" % source
    return ("run `make lib` in sste's source folder, and set SSTE_LIBRARY to the path "
            "of the build/libsste.so there")


def _load(path):
    """The library at a path, its functions declared."""
    try:
        c = ctypes.CDLL(path)
        c.sste_library_version.restype = _text
        c.sste_library_version.argtypes = ()
        version = c.sste_library_version().decode()
        if version.split(".")[:2] != __version__.split(".")[:2]:
            raise ImportError("%s is of version %s and sste.py of %s: %s"
                              % (path, version, __version__, _remedy()))
        for name, (result, *arguments) in _SIGNATURES.items():
            function = getattr(c, name)  # the attribute is kept, an item is not
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise ImportError("cannot use %s: %s; %s" % (path, error, _remedy())) from None
    return c


def _names(function):
    """All names that a C function has for 0, 1, 2, ..."""
    return tuple(name.decode() for name in iter(map(function, range(1000)).__next__,
                                                None))


_c = _load(_find())
if hasattr(os, "register_at_fork"):
    # A forked child has but one thread, and would wait for the others for ever.
    os.register_at_fork(after_in_child=_c.sste_library_serial)

FORMATS = {name: getattr(_c, "sste_fp8_" + name)() for name in _FORMAT_NAMES}
LIKE = ("ocp", "ocp_nonsaturating", "cuda_satfinite", "cuda_nosat", "ml_dtypes_0_6",
        "torch_2_12", "torch_2_13", "onnx_25_saturate", "onnx_25", "saturating")
DRAWS = _names(_c.sste_check_draw_name)
DIFFERENCES = _names(_c.sste_check_diff_name)


class _Report(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int32), ("what", ctypes.c_int32),
                ("format", Format), ("has_truth", ctypes.c_int32),
                ("rows", _u64), ("cols", _u64), ("total", _u64),
                ("count", _u64 * len(DIFFERENCES)),
                ("got_nans", _u64), ("want_nans", _u64),
                ("ulps", _u64 * 64), ("worst_ulps", _u64), ("worst_row", _u64),
                ("worst_col", _u64), ("worst_share", _double),
                ("shown", _u64), ("first", _Mismatch * 8)]


def _agree(report):
    """Raises unless the library's reports are laid out like this."""
    if _c.sste_library_report_bytes() != ctypes.sizeof(report):
        raise ImportError("%s lays out reports in another way: %s"
                          % (_c._name, _remedy()))


_agree(_Report)

# The names of C's enumerations, in their order.
_CHOICES = {
    "rounding": ("nearest_even", "nearest_away", "toward_zero", "up", "stochastic",
                 "odd", "e8m0_fields"),
    "overflow": ("saturate", "saturate_finite", "none"),
    "nan": ("ones", "quiet", "payload"),
    "via": ("nothing", "float16", "bfloat16", "float32"),
    "scale": ("max_over_amax", "amax_over_max", "amax_reciprocal"),
    "apply": ("multiply", "divide", "reciprocal"),
    "undo": ("multiply", "divide", "reciprocal"),
    "grouping": ("consecutive", "by_pair", "by_slot"),
}
# What other fields can be: 0 or 1 if they are not here.
_RANGES = {"random_bits": (1, 32), "products": (1, 1024), "fraction": (1, 40),
           "output": (1, 23), "least": (-300, 0)}
_STOCHASTIC = _CHOICES["rounding"].index("stochastic")
_TYPES = {"float32": 0, "float16": 1, "bfloat16": 2, "uint16": 2}  # sste_type
_CODES, _INTEGERS = 3, 4  # of 8 bits: 0x80 is a zero, or is none
_TIES = ("lower", "higher")
_TILES = ("optimal", "greedy", "greedy_signed")
_BETAS = ("min_mse", "equal_l1", "one")
_AXES = ("rows", "columns")
_SUMS = ("exact", "float", "tensor_core", "fp8_hopper", "fp8_promoted")
_WHATS = ("numbers", "groups", "nibbles")
ORDERS = ("row_major", "cutlass2", "cutlass3_sm90")
OWNERS = ("sste", "torch", "torch_2023", "cutlass3")
# What tensor cores multiply, then what they add in (sste_mma_type); in arrays of these
# dtypes, and in PTX.
_OPERANDS = ("float16", "bfloat16", "tf32", "e4m3fn", "e5m2", "int8", "uint8")
_MMA_TYPES = _OPERANDS + ("float32", "int32")
_MMA_DTYPES = ("float16", "uint16", "float32", "uint8", "uint8", "int8", "uint8",
               "float32", "int32")
_PTX = ("f16", "bf16", "tf32", "e4m3", "e5m2", "s8", "u8", "f32", "s32")
_TF32 = _OPERANDS.index("tf32")
_PLACES = ("a", "b", "c", "d")
_PLACE_OF = (0, 1, 2, 2)  # sste_mma_operand: C lies as D does
_FAULTS = ("rounding", "subnormals", "sums", "division", "answers")


class SsteError(ValueError):
    """What the library refused, in its words; `status` is its sste_status."""

    def __init__(self, message, status):
        super().__init__(message)
        self.status = status


def _call(name, *arguments, about=()):
    """Calls C; raises SsteError with the status and the shapes of the matrices."""
    status = getattr(_c, name)(*arguments)
    if status != 0:
        shapes = ", ".join("%s is %s" % (m.name, m.shape) for m in about)
        text = _c.sste_status_text(status).decode()
        raise SsteError("%s: %s%s" % (name, text, shapes and "; " + shapes), status)


# ---- Arguments ---------------------------------------------------------------

# A matrix as C takes it: rows x cols elements in a row, of an argument that had
# this shape and dtype, and what that dtype is called (bfloat16 may be uint16).
_Argument = collections.namedtuple("_Argument",
                                   "name array rows cols shape dtype called")

# Which format an array's dtype stands for.
_DTYPE_FORMAT = {"float16": "float16", "bfloat16": "bfloat16", "float32": "float32",
                 "float64": "float64", "float8_e8m0fnu": "e8m0"}
_DTYPE_FORMAT.update(("float8_" + name, name) for name in _FORMAT_NAMES[:8])
# Which dtype and format bits are of, by their number of bytes.
_BITS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
_BITS_FORMAT = {1: "e4m3fn", 2: "bfloat16", 4: "float32", 8: "float64"}


def _is_tensor(x):
    """Whether it is a tensor of PyTorch."""
    return isinstance(x, getattr(sys.modules.get("torch"), "Tensor", ()))


def _from_torch(x):
    """A tensor's memory as an array, and the name of its dtype."""
    torch = sys.modules["torch"]
    dtype = str(x.dtype).replace("torch.", "")
    x = x.detach()
    if dtype == "bfloat16":
        return x.view(torch.int16).numpy().view(np.uint16), dtype
    if dtype in _DTYPE_FORMAT and dtype.startswith("float8"):
        return x.view(torch.uint8).numpy(), dtype
    return x.numpy(), dtype


def _from_any(x, name):
    """An argument's memory as an array, and the name of its dtype."""
    if _is_tensor(x):
        try:
            return _from_torch(x)
        except (RuntimeError, TypeError) as error:  # on a GPU, sparse, quantised, ...
            raise TypeError("%s: %s" % (name, error)) from None
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError("%s is a masked array: pass %s.filled(0), say" % (name, name))
    if not isinstance(x, (np.ndarray, type)):
        on_cpu = not hasattr(x, "__cuda_array_interface__")
        if on_cpu and hasattr(x, "__dlpack_device__"):
            on_cpu = x.__dlpack_device__()[0] in (1, 3)  # CPU, and pinned memory
        if not on_cpu:
            raise TypeError("%s is on a device: copy it to the CPU first" % name)
        if hasattr(x, "__dlpack__") and hasattr(np, "from_dlpack"):
            try:
                x = np.from_dlpack(x)
            except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
                pass  # a dtype that NumPy lacks, say: try the other ways
    x = np.asarray(x)
    return x, x.dtype.name


def _as(x, name, dtype):
    """How to make a NumPy array of a dtype, float32 if it is a tensor, of x."""
    if _is_tensor(x):
        return name + ".float()"
    if isinstance(x, np.ndarray):
        return "%s.astype(np.%s)" % (name, dtype)
    return "np.%s(%s)" % (dtype, name)


def _elements(x, name):
    """An argument that is an array: as _from_any, but with an axis to it."""
    array, dtype = _from_any(x, name)
    if array.dtype.kind in "OSUVMm" and dtype not in _DTYPE_FORMAT:
        raise TypeError("%s is no array of numbers but of %s" % (name, array.dtype))
    if not array.dtype.isnative:
        raise TypeError("%s is in the other byte order: pass %s"
                        % (name, _as(x, name, dtype)))
    if array.ndim == 0:
        raise ValueError("%s is a single number: pass an array with an axis" % name)
    return array, dtype


def _argument(name, array, dtype, called):
    """Contiguous, aligned, flattened to rows."""
    rows, cols = math.prod(array.shape[:-1]), array.shape[-1]
    flat = np.require(array, requirements=("C", "A"))
    return _Argument(name, flat, rows, cols, array.shape, dtype, called)


def _native(x, name):
    """Values as they are, and their sste_type."""
    array, dtype = _elements(x, name)
    if array.dtype.kind == "f" and array.dtype.itemsize > 4:
        raise TypeError("%s is %s and would have to be rounded: pass %s"
                        % (name, dtype, _as(x, name, "float32")))
    if dtype not in _TYPES:
        hint = "; pass np.float32(%s)" % name if isinstance(x, (list, tuple)) else ""
        raise TypeError("%s is %s: values are float32, float16, or bfloat16 (its bits "
                        "as uint16)%s" % (name, dtype, hint))
    return _argument(name, array, array.dtype, dtype), _TYPES[dtype]


def _values(x, name):
    """Values, widened to float32."""
    m, kind = _native(x, name)
    if kind == _TYPES["bfloat16"]:
        wide = (m.array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        return m._replace(array=wide)
    return m._replace(array=m.array.astype(np.float32, copy=False))


def _bytes(x, name):
    """A mask or metadata."""
    array, dtype = _elements(x, name)
    if dtype not in ("uint8", "bool"):
        raise TypeError("%s is %s: it must be uint8" % (name, dtype))
    return _argument(name, array.view(np.uint8), array.dtype, dtype)


def _format(format, name="format"):
    """A Format that is safe to hand to C."""
    if isinstance(format, str):
        if format not in FORMATS:
            raise ValueError("%s %r is none of %s" % (name, format, ", ".join(FORMATS)))
        return FORMATS[format]
    if not isinstance(format, Format):
        raise TypeError("%s must be a name or a Format, not %r" % (name, format))
    if format not in FORMATS.values() and _c.sste_fp8_format_check(format) != 0:
        raise ValueError("no array can be of %r" % format)
    return format


def _width(format):
    """How many bytes an element takes."""
    bits = format.sign_bits + format.exponent_bits + format.mantissa_bits
    return (bits + 7) // 8


def _codes(x, name, format=None):
    """The bits of an array of any format, and the format: by the dtype, as given, or
    what such bits usually are."""
    array, dtype = _elements(x, name)
    size = array.dtype.itemsize
    if dtype == "bool":
        array, dtype = array.view(np.uint8), "uint8"
    if dtype in _DTYPE_FORMAT:
        own = FORMATS[_DTYPE_FORMAT[dtype]]
        if format is not None and _format(format) != own:
            raise ValueError("%s is %s, but format is %s" % (name, dtype, format))
        format = own
    elif dtype in ("uint8", "uint16", "uint32", "uint64"):
        format = _format(_BITS_FORMAT[size] if format is None else format)
    else:
        raise TypeError("%s is %s: numbers are floats or, as bits, unsigned integers"
                        % (name, dtype))
    if _width(format) != size:
        raise TypeError("%s is %s, but numbers in %s take %d bits"
                        % (name, dtype, format, 8 * _width(format)))
    return _argument(name, array.view(_BITS[size]), array.dtype, dtype), format


def _sparse(x, name, format=None):
    """What can have zeros: values as they are, or 8 bits; and the sste_type."""
    array, dtype = _elements(x, name)
    if array.dtype.itemsize > 1:
        m, kind = _native(x, name)
    elif "int8" in (dtype, str(format)) or str(format) == "uint8":
        m, kind = _argument(name, array, array.dtype, dtype), _INTEGERS
    else:
        return _sparse_codes(x, name, format)
    own = "bfloat16" if dtype == "uint16" else dtype
    if format is not None and str(format) != own:
        raise TypeError("%s is %s and cannot be %s" % (name, dtype, format))
    return m, kind


def _sparse_codes(x, name, format):
    """The same of codes of 8 bits."""
    m, format = _codes(x, name, format)
    zeros = np.flatnonzero(decode(np.arange(256, dtype=np.uint8), format) == 0).tolist()
    if zeros not in ([0], [0, 0x80]):
        raise ValueError("%s is in %s, whose zeros are not 0x00, or that and 0x80"
                         % (name, format))
    return m, _CODES if 0x80 in zeros else _INTEGERS


def _pair(got, want, format):
    """Two arrays of one format and shape."""
    (a, called), (b, wanted) = _elements(got, "got"), _elements(want, "want")
    named = [_DTYPE_FORMAT[name] for name in (called, wanted) if name in _DTYPE_FORMAT]
    if a.dtype.itemsize != b.dtype.itemsize or len(set(named)) > 1:
        raise TypeError("got is %s, want is %s" % (called, wanted))
    if format is None and named:  # the one whose dtype says more
        format = named[0]
    got, format = _codes(got, "got", format)
    want, format = _codes(want, "want", format)
    _same_shape(got, want)
    return got, want, format


def _same_shape(a, b):
    if a.shape != b.shape:
        raise ValueError("%s is %s, but %s is %s" % (a.name, a.shape, b.name, b.shape))


def _full_groups(m, size=4, axis=0):
    """Raises unless an axis is a multiple of a group."""
    runs, length = (m.rows, m.cols) if axis == 0 else (m.cols, m.rows)
    if runs != 0 and length % size != 0:
        raise ValueError("%s is %s: %s must be a multiple of %d" % (
            m.name, m.shape, ("the last axis", "down its columns there")[axis], size))


def _pattern(n, m, axis="rows", kind=0):
    """A pattern that there is."""
    n, m = _whole(n, "n", bits=31), _whole(m, "m", bits=31)
    if not 0 < n < m <= 32:
        raise ValueError("n is %d and m is %d: 0 < n < m <= 32 must hold" % (n, m))
    return _Pattern(n, m, _choice(axis, _AXES, "axis"), kind)


_PLAIN = _Pattern(2, 4, 0, 0)  # what has functions of its own, which are faster


def _p(m):
    """A matrix's two C arguments."""
    return m.array.ctypes.data, m.cols


def _new(shape, dtype=np.float32):
    """An array for a result, as an argument."""
    array = np.empty(shape, dtype)
    return _argument("the result", array, array.dtype, array.dtype.name)


def _rounded(result, dtype):
    """A result of float32 in the dtype of the argument it belongs to."""
    if dtype == np.float32:
        return result.array
    to = "float16" if dtype == np.float16 else "bfloat16"
    nearest = rule("saturating", overflow="none", nan="quiet")
    return convert(result.array, to, like=nearest).view(dtype)


def _whole(value, name, low=0, bits=64):
    """An integer from `low` that fits."""
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError("%s must be a whole number, not %r" % (name, value)) from None
    if not low <= value < 1 << (bits if low == 0 else bits - 1):
        raise ValueError("%s is out of range: %d" % (name, value))
    return value


def _real(value, name):
    """A number."""
    if not isinstance(value, (numbers.Real, np.ma.MaskedArray)) and (
            getattr(value, "ndim", 1) == 0 and hasattr(value, "item")):
        value = value.item()
    if not isinstance(value, numbers.Real):
        raise TypeError("%s must be a number, not %r" % (name, value))
    try:
        return float(value)
    except OverflowError:
        raise ValueError("%s is out of range" % name) from None


def _float32(value, name, zero=False):
    """A number that, rounded to float32, is finite and positive; 0, if zero says so."""
    rounded = _float(_real(value, name)).value
    if not (0 < rounded < math.inf or (zero and rounded == 0)):
        raise ValueError("%s is %s: as a float32 it must be finite and %s"
                         % (name, value, "not negative" if zero else "positive"))
    return rounded


def _gamma(value):
    """A place between two thresholds."""
    rounded = _float(_real(value, "gamma")).value
    if not 0 <= rounded <= 1 or math.copysign(1, rounded) < 0:
        raise ValueError("gamma is %s: it must be from 0 to 1" % value)
    return rounded


def _one_code(value, name, format):
    """A code of a format, as an integer."""
    value, bits = _whole(value, name), 8 * _width(format)
    if value >> bits:
        raise ValueError("%s is %#x, but %s has %d bits" % (name, value, format, bits))
    return value


def _choice(value, names, name):
    """The number of a name."""
    if not isinstance(value, str):
        raise TypeError("%s must be a string, not %r" % (name, value))
    if value not in names:
        raise ValueError("%s %r is none of %s" % (name, value, ", ".join(names)))
    return names.index(value)


def _sound(struct):
    """A rule, recipe or model whose choices are among those that there are."""
    of = type(struct).__name__
    for field, kind in struct._fields_:
        value = getattr(struct, field)
        if field == "epsilon":
            _float32(value, "epsilon of a " + of, zero=True)
        elif kind is _int and field != "per_row":
            low, high = _RANGES.get(field, (0, 1))
            if field in _CHOICES:
                high = len(_CHOICES[field]) - 1
            if not low <= value <= high:
                raise ValueError("%s of a %s is %d: it must be from %d to %d"
                                 % (field, of, value, low, high))
    return struct


def _changed(struct, changes):
    """A rule, recipe or model with some fields set, choices by name."""
    for field, value in changes.items():
        if field in ("format", "rule", "per_row") or field not in dict(struct._fields_):
            raise TypeError("%s has no option %r" % (type(struct).__name__, field))
        if field in _CHOICES:
            value = _choice(value, _CHOICES[field], field)
        elif field == "epsilon":
            value = _real(value, field)
        else:
            value = _whole(value, field, low=-1 << 31, bits=32)
        setattr(struct, field, value)
    return _sound(struct)


# ---- Projection --------------------------------------------------------------

def project(w, beta=1.0, n=2, m=4, gamma=0.0, axis="rows"):
    """W~ = beta * S(W): every four lose their second smallest magnitude.

    w      values, the axis of the groups a multiple of m
    beta   finite and positive: beta(w), or 1 for S(W) alone
    n, m   the pattern: what is lost is the (m-n)-th smallest magnitude of m
    gamma  from 0 to 1: how far from that to the next one the threshold lies
    axis   "rows" or "columns": which way groups run
    Gives w's shape and dtype. NaN in a group makes its n kept places NaN.

    >>> project(np.float32([4, -3, 2, -1]), beta=2).tolist()
    [4.0, -2.0, 0.0, 0.0]
    >>> project(np.float32([4, -3, 2, -1]), n=3, gamma=0.5).tolist()
    [2.5, -1.5, 0.5, 0.0]
    """
    (w, kind), beta = _native(w, "w"), _float32(beta, "beta")
    nm, gamma, out = _pattern(n, m, axis, kind), _gamma(gamma), _new(w.shape, w.dtype)
    _full_groups(w, nm.m, nm.axis)
    if nm == _PLAIN and gamma == 0:
        _call("sste_tensor_project", *_p(out), *_p(w), w.rows, w.cols, beta, None,
              about=(w,))
    else:
        _call("sste_tensor_project_nm", *_p(out), *_p(w), w.rows, w.cols, nm, gamma,
              beta, None, about=(w,))
    return out.array


def beta(w, rule="min_mse", n=2, m=4, gamma=0.0, axis="rows"):
    """The scale of a tensor, <W,S(W)> / <S(W),S(W)>, as a float.

    w      values, the axis of the groups a multiple of m
    rule   "min_mse" for that; "equal_l1" for ||W||_1 / ||S(W)||_1; "one" for 1
    n, m, gamma, axis   the projection S, as for project
    Raises SsteError if S(W) is 0 everywhere (an empty tensor's, too) or W holds a
    NaN or an infinity.

    >>> beta(np.float32([4, -3, 2, -1]))  # the float nearest to 2.2
    2.200000047683716
    >>> beta(np.float32([4, -2, 2, -2]), "equal_l1")
    5.0
    """
    (w, kind), rule = _native(w, "w"), _choice(rule, _BETAS, "rule")
    nm, gamma, result = _pattern(n, m, axis, kind), _gamma(gamma), _float()
    _full_groups(w, nm.m, nm.axis)
    _call("sste_tensor_beta_nm", ctypes.byref(result), *_p(w), w.rows, w.cols, nm,
          gamma, rule, about=(w,))
    return result.value


def _sum(name, *matrices):
    """What a function sums over values of one shape, as a float."""
    result, pointers = _double(), [pointer for m in matrices for pointer in _p(m)]
    for m in matrices[1:]:
        _same_shape(matrices[0], m)
    _call(name, ctypes.byref(result), *pointers, matrices[0].rows, matrices[0].cols)
    return result.value


def relative_mse(w, v):
    """How far an approximation V is from W, ||W - V||^2 / ||W||^2, as a float.

    w, v   values of one shape
    Raises SsteError if W is empty or 0 everywhere, or the ratio is not finite.

    >>> relative_mse(np.float32([4, -3, 2, -1]), np.float32([4, -2, 0, 0]))
    0.2
    """
    w, v, result = _values(w, "w"), _values(v, "v"), _double()
    _same_shape(w, v)
    _call("sste_tensor_relative_mse", ctypes.byref(result), *_p(w), *_p(v), w.rows,
          w.cols, _TYPES["float32"], about=(w, v))
    return result.value


def norm2(w):
    """The sum of squares, ||W||^2, as a float: 0 for an empty array.

    >>> norm2(np.float32([4, -3, 2, -1]))
    30.0
    """
    return _sum("sste_tensor_norm2", _values(w, "w"))


def change(w, v):
    """How far a matrix moved, ||W - V||_1, as a float.

    w, v   values of one shape

    >>> change(np.float32([3, 4]), np.float32([2, 6]))
    3.0
    """
    return _sum("sste_tensor_change", _values(w, "w"), _values(v, "v"))


def descent(g, w, v):
    """How much a gradient predicts that the loss falls, <G, W - V>, as a float.

    g      values: the gradient at W~ before the step
    w, v   values of the same shape: the weights before and after the step, either
           the dense ones or their projections

    >>> descent(np.float32([1, 2]), np.float32([3, 4]), np.float32([2, 5]))
    -1.0
    """
    return _sum("sste_tensor_descent", _values(g, "g"), _values(w, "w"),
                _values(v, "v"))


# ---- Masks -------------------------------------------------------------------

def mask(w, tie="lower", n=2, m=4, axis="rows"):
    """Which n of every m are largest: uint8, 1 where kept, of w's shape.

    w     values, the axis of the groups a multiple of m
    tie   which index wins among equal magnitudes: "lower" or "higher"
    axis  "rows" or "columns": which way groups run

    >>> mask(np.float32([4, -3, 2, -1])).tolist()
    [1, 1, 0, 0]
    >>> mask(np.float32([4, -3, 2, -1]), n=3).tolist()
    [1, 1, 1, 0]
    """
    (w, kind), tie = _native(w, "w"), _choice(tie, _TIES, "tie")
    nm, out = _pattern(n, m, axis, kind), _new(w.shape, np.uint8)
    _full_groups(w, nm.m, nm.axis)
    if nm == _PLAIN:
        _call("sste_tensor_mask", *_p(out), *_p(w), w.rows, w.cols, tie, about=(w,))
    else:
        _call("sste_tensor_mask_nm", *_p(out), *_p(w), w.rows, w.cols, nm, tie,
              about=(w,))
    return out.array


def mask_transposable(w, rule="optimal"):
    """A mask that is 2:4 along rows and down columns, chosen in tiles of 4 x 4.

    w     values, both axes multiples of 4
    rule  "optimal": what keeps the largest sum of magnitudes; "greedy": the largest
          first, where its row and column still have room; "greedy_signed": the same,
          but ranking values with their signs, as PyTorch does unless told otherwise
    Gives uint8 of w's shape. The greedy rules may keep 7 of a tile, not 8.

    >>> mask_transposable(np.ones((4, 4), np.float32)).tolist()
    [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    """
    w, rule = _values(w, "w"), _choice(rule, _TILES, "rule")
    for axis in range(2):
        _full_groups(w, 4, axis)
    out = _new(w.shape, np.uint8)
    _call("sste_tensor_mask_transposable", *_p(out), *_p(w), w.rows, w.cols, rule,
          about=(w,))
    return out.array


def nonzero(w, format=None):
    """The mask of what is there: uint8, 1 where w is not 0, of w's shape.

    w        values, codes of 8 bits, or int8. -0 is a zero where there is one
    format   None for what the dtype says, and "e4m3fn" for uint8, which may be codes of
             another format or, as "uint8", numbers

    >>> nonzero(np.float32([2, -0.0, 0, np.nan])).tolist()
    [1, 0, 0, 1]
    """
    w, kind = _sparse(w, "w", format)
    out = _new(w.shape, np.uint8)
    _call("sste_tensor_mask_nonzero", *_p(out), *_p(w), w.rows, w.cols, kind)
    return out.array


def apply_mask(w, mask):
    """M o W: w where the mask is not 0, else +0, even for NaN; w's shape and dtype.

    w      values
    mask   uint8 or bool of the same shape

    >>> apply_mask(np.float32([4, -3, 2, -1]), np.uint8([1, 0, 0, 1])).tolist()
    [4.0, 0.0, 0.0, -1.0]
    """
    w, mask = _values(w, "w"), _bytes(mask, "mask")
    _same_shape(w, mask)
    out = _new(w.shape)
    _call("sste_tensor_apply_mask", *_p(out), *_p(w), *_p(mask), w.rows, w.cols)
    return _rounded(out, w.dtype)


def masked_decay(y, w, mask, factor):
    """Y + factor (1 - M) o W: pruned weights pull; in y's shape and dtype.

    y        values: a gradient, with factor lambda; or the weights themselves, with
             factor -rate lambda
    w        values of the same shape: the dense weights
    mask     uint8 or bool of the same shape; where it is not 0, y stays as it is
    factor   finite

    >>> masked_decay(np.float32([1, 1]), np.float32([4, 4]), np.uint8([1, 0]),
    ...              factor=0.5).tolist()
    [1.0, 3.0]
    """
    y, w, mask = _values(y, "y"), _values(w, "w"), _bytes(mask, "mask")
    for m in w, mask:
        _same_shape(y, m)
    factor = _float(_real(factor, "factor")).value
    if not math.isfinite(factor):
        raise ValueError("factor is %s: as a float32 it must be finite" % factor)
    out = y._replace(array=y.array.copy())
    _call("sste_tensor_masked_decay", *_p(out), *_p(w), *_p(mask), y.rows, y.cols,
          factor)
    return _rounded(out, y.dtype)


def flip_rate(mask, previous):
    """How much of a mask changed: the share of entries that flipped, as a float.

    mask, previous   uint8 or bool of one shape, any shape; not 0 counts as 1

    >>> flip_rate(np.uint8([1, 1, 0, 0]), np.uint8([1, 0, 1, 0]))
    0.5
    """
    mask, previous, rate = _bytes(mask, "mask"), _bytes(previous, "previous"), _double()
    _same_shape(mask, previous)
    _call("sste_mask_flip_rate", ctypes.byref(rate), None, *_p(mask), *_p(previous),
          mask.rows, mask.cols)
    return rate.value


Flips = collections.namedtuple("Flips", "flips entries rate")


def flips(masks, previous):
    """The flips of all layers together, as Flips(flips, entries, rate): how many
    entries changed, how many there are, and the one over the other.

    masks, previous   as many masks, as for flip_rate; None for a previous one that
                      there is not, which counts as no flips

    >>> a, b, c = np.uint8([1, 1, 0, 0]), np.uint8([1, 0, 1, 0]), np.ones(12, np.uint8)
    >>> flips([a, c], [b, c])
    Flips(flips=2, entries=16, rate=0.125)
    """
    masks, previous, total = list(masks), list(previous), _Flips()
    if len(masks) != len(previous):
        raise ValueError("masks are %d, but previous ones %d"
                         % (len(masks), len(previous)))
    for now, then in zip(masks, previous):
        now = _bytes(now, "mask")
        then = now if then is None else _bytes(then, "previous")
        _same_shape(now, then)
        _call("sste_flips_add", ctypes.byref(total), *_p(now), *_p(then), now.rows,
              now.cols)
    return Flips(total.flips, total.entries, _c.sste_flips_rate(ctypes.byref(total)))


# ---- The compressed form -----------------------------------------------------

def check(w, n=2, m=4, axis="rows", format=None):
    """Raises SsteError, naming the row and the group, if w is not 2:4.

    w        values, codes of 8 bits, or int8, the axis of the groups a multiple of m
    n, m     the pattern: at most n of m are not 0
    axis     "rows" or "columns": which way groups run
    format   None for what the dtype says, and "e4m3fn" for uint8, which may be codes of
             another format or, as "uint8", numbers

    >>> check(np.float32([1, 0, 2, 0, 3, 4, 5, 0]))
    Traceback (most recent call last):
    sste.SsteError: w is not 2:4: row 0, group 1 has more than 2 non-zeros
    """
    (w, kind), run, group = _sparse(w, "w", format), _size(), _size()
    nm = _pattern(n, m, axis, kind)
    _full_groups(w, nm.m, nm.axis)
    try:
        _call("sste_tensor_check_nm", *_p(w), w.rows, w.cols, nm, ctypes.byref(run),
              ctypes.byref(group))
    except SsteError as error:
        raise SsteError("w is not %d:%d: %s %d, group %d has more than %d non-zeros"
                        % (nm.n, nm.m, ("row", "column")[nm.axis], run.value,
                           group.value, nm.n), error.status) from None


# What tensor cores take arrays of a dtype for.
_OPERAND_OF = {"float16": "float16", "bfloat16": "bfloat16", "uint16": "bfloat16",
               "float32": "tf32", "float8_e4m3fn": "e4m3fn", "float8_e5m2": "e5m2",
               "uint8": "e4m3fn", "int8": "int8"}


def _operand_type(format, name="format"):
    """The sste_mma_type of what tensor cores multiply."""
    return _choice(str(format) if isinstance(format, Format) else format, _OPERANDS,
                   name)


def _operand(x, name, format=None):
    """What tensor cores multiply, and its sste_mma_type: by the dtype, or as given."""
    array, dtype = _elements(x, name)
    if dtype not in _OPERAND_OF:
        raise TypeError("%s is %s: tensor cores take float16, bfloat16 (its bits as "
                        "uint16), float32, int8, uint8, and codes of e4m3fn and e5m2"
                        % (name, dtype))
    own = _OPERAND_OF[dtype]
    kind = _operand_type(own if format is None else format)
    if _OPERANDS[kind] != own and not (dtype == "uint8"
                                       and _OPERANDS[kind] in ("e5m2", "uint8")):
        raise ValueError("%s is %s and cannot be %s" % (name, dtype, _OPERANDS[kind]))
    return _argument(name, array, array.dtype, dtype), kind


def _stored(x, name, format):
    """The same where float32 could be taken for more than it is."""
    m, kind = _operand(x, name, format)
    if kind == _TF32 and format is None:
        raise TypeError("%s is float32, of which tensor cores see a part and keep 1 of "
                        "every 2: say format='tf32'" % name)
    return m, kind


def _for_tensor_cores(order, format):
    """Whether a compressed form is one that only sste_mma.h has."""
    return order != 0 or str(format) == "tf32"


def _chunk(kind):
    """How many elements share a nibble."""
    return 2 if kind == _TF32 else 4


def _word(order, kind):
    """How many bytes a word of metadata has."""
    if ORDERS[order] != "cutlass2":
        return 1
    return 4 if np.dtype(_MMA_DTYPES[kind]).itemsize == 1 else 2


def _blocks(m, order, kind, rows, cols):
    """Raises unless the dense matrix is full blocks of a storage order."""
    tall, wide = {"row_major": (1, 1), "cutlass3_sm90": (64, 32),
                  "cutlass2": (32, 8) if _word(order, kind) == 2 else (16, 16)}[
                      ORDERS[order]]
    if rows % tall != 0 or cols % (wide * _chunk(kind)) != 0:
        dense = ", the dense matrix %d x %d" % (rows, cols)
        raise ValueError("%s is %s%s: it must be full blocks of %d x %d, as %s orders "
                         "%s" % (m.name, m.shape, dense * (m.shape != (rows, cols)),
                                 tall, wide * _chunk(kind), ORDERS[order],
                                 _OPERANDS[kind]))


def _meta(meta, order, kind):
    """Metadata as the bytes that they are on the GPU."""
    array, dtype = _elements(meta, "meta")
    called = {1: ("uint8",), 2: ("int16", "uint16"), 4: ("int32", "uint32")}[
        _word(order, kind)]
    if dtype not in called:
        raise TypeError("meta is %s: in order %s it must be %s"
                        % (dtype, ORDERS[order], called[0]))
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return _argument("meta", little.view(np.uint8), array.dtype,
                     dtype)._replace(shape=array.shape)


def _new_meta(runs, cols, order, kind):
    """Room for the bytes of metadata."""
    return _new(runs + ((cols // _chunk(kind) + 1) // 2,), np.uint8)


def _in_words(meta, order, kind):
    """Bytes of metadata as words, as their owner has them."""
    size = _word(order, kind)
    if size == 1:
        return meta.array
    return meta.array.view("<i%d" % size).astype("i%d" % size, copy=False)


def _call_on_chunks(words, name, *arguments):
    """Calls C; words(row, chunk) say what is wrong with the chunk that it names."""
    row, chunk = _size(), _size()
    try:
        _call(name, *arguments, ctypes.byref(row), ctypes.byref(chunk))
    except SsteError as error:
        raise SsteError(words(row.value, chunk.value), error.status) from None


def _illegal(meta, order, kind, rows, cols):
    """What to say of a nibble that is not legal."""
    def words(row, chunk):
        at = _c.sste_mma_meta_at(order, kind, rows, cols, row, chunk)
        nibble = int(meta.array.flat[at // 2]) >> 4 * (at % 2) & 0xF
        return "row %d, chunk %d of meta is %X: legal are %s" % (
            row, chunk, nibble, "4 and E" if kind == _TF32 else "4, 8, 9, C, D and E")
    return words


def _check_nibbles(meta, order, kind, rows, cols):
    """Raises if a nibble of the dense rows x cols matrix is not legal."""
    _call_on_chunks(_illegal(meta, order, kind, rows, cols), "sste_mma_meta_check",
                    meta.array.ctypes.data, order, kind, rows, cols)


def _turned(m):
    """The transpose."""
    return _argument(m.name, m.array.reshape(m.rows, m.cols).T, m.dtype, m.called)


def _compress_as(w, down, format, order, like):
    """What sste_mma.h compresses."""
    w, kind = _stored(w, "w", format)
    dense = _turned(w) if down else w
    _blocks(w, order, kind, dense.rows, dense.cols)
    values = _new(dense.shape[:-1] + (dense.cols // 2,), w.dtype)
    meta = _new_meta(dense.shape[:-1], dense.cols, order, kind)
    most = _chunk(kind) // 2

    def words(run, group):
        return ("w is not %d:%d: %s %d, group %d has more than %d non-zero%s"
                % (most, 2 * most, ("row", "column")[down], run, group, most,
                   "s" * (most > 1)))
    _call_on_chunks(words, "sste_mma_compress", *_p(values), meta.array.ctypes.data,
                    order, *_p(dense), dense.rows, dense.cols, kind, like)
    return values.array, _in_words(meta, order, kind)


def compress(w, axis="rows", format=None, order="row_major", like="sste"):
    """A 2:4 matrix as the pair (values, meta).

    w        values, codes of 8 bits, or int8; 2:4, the axis of the groups K long, a
             multiple of 4
    axis     "rows"; "columns" compresses the transpose
    format   None for what the dtype says, and "e4m3fn" for uint8, which may be codes of
             another format or, as "uint8", numbers. "tf32" for float32 as tensor cores
             have it: 1:2, one kept of each group of 2, K even
    order    how metadata lie in memory, one of ORDERS: "cutlass2" is PyTorch's, too
    like     who chooses a place where a group has zeros to spare, one of OWNERS
    values   w's dtype, last axis K / 2: the two kept of each group
    meta     uint8, last axis ceil(K / 8): a nibble per group, the even one low. In
             order "cutlass2" int16 of last axis K / 16 or, if w has 8 bits, int32 of
             K / 32; in "cutlass3_sm90" uint8 of K / 8, in the order of their memory.
             tf32 has twice as many: ceil(K / 4), in "cutlass2" K / 8
    Down columns both have a row for each column. Raises SsteError where w is not 2:4,
    tf32 not 1:2.
    Orders but "row_major" are for what tensor cores multiply, in full blocks:
    "cutlass2" of 32 x 32, if w has 8 bits 16 x 64; "cutlass3_sm90" of 64 x 128. Those
    of tf32 are half as wide: 32 x 16 and 64 x 64.

    >>> values, meta = compress(np.float32([0, 5, 0, 0, 0, 0, 7, -2]))
    >>> values.tolist(), hex(meta[0])
    ([0.0, 5.0, 7.0, -2.0], '0xe4')
    >>> values, meta = compress(np.float16([0, 5, 0, 0, 0, 0, 7, -2]), like="torch")
    >>> values.tolist(), hex(meta[0])
    ([5.0, 0.0, 7.0, -2.0], '0xe9')
    >>> w = np.zeros((64, 64), np.float32)
    >>> [compress(w, format="tf32", order=order)[1].shape for order in ORDERS]
    [(64, 16), (64, 8), (64, 16)]
    """
    down = _choice(axis, _AXES, "axis")
    storage, by = _choice(order, ORDERS, "order"), _choice(like, OWNERS, "like")
    if by != 0 or _for_tensor_cores(storage, format):
        return _compress_as(w, down, format, storage, by)
    check(w, axis=axis, format=format)
    w, kind = _sparse(w, "w", format)
    runs, K = ((w.cols,), w.rows) if down else (w.shape[:-1], w.cols)
    values = _new(runs + (K // 2,), w.dtype)
    meta = _new(runs + ((K + 7) // 8,), np.uint8)
    _call("sste_tensor_compress_as", *_p(values), *_p(meta), *_p(w), w.rows, w.cols,
          kind, down)
    return values.array, meta.array


def _compressed(values, meta, order=0, kind=0):
    """The metadata that belongs to values, and their K."""
    meta, K, chunk = _meta(meta, order, kind), 2 * values.cols, _chunk(kind)
    _full_groups(values, chunk // 2)
    _blocks(values, order, kind, values.rows, K)
    last = (K // chunk + 1) // 2 // _word(order, kind)
    wanted = values.shape[:-1] + (last,)
    if meta.shape != wanted:
        raise ValueError("meta is %s, but belongs to values of %s if it is %s"
                         % (meta.shape, values.shape, wanted))
    return meta, K


def decompress(values, meta, axis="rows", format=None, order="row_major"):
    """The dense matrix of compress(), in the dtype of values.

    values   as compress() gives them, the last axis K / 2
    meta     as compress() gives it in that order
    axis     "rows"; "columns" gives the transpose, with K rows
    format   as for compress()
    order    how metadata lie in memory, one of ORDERS
    Raises SsteError, naming the row and the chunk, for a nibble that names no two
    places. Order "cutlass3_sm90" has 0 for a group of zeros.

    >>> decompress(np.float32([0, 5, 7, -2]), np.uint8([0xE4])).tolist()
    [0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 7.0, -2.0]
    """
    down, order = _choice(axis, _AXES, "axis"), _choice(order, ORDERS, "order")
    if _for_tensor_cores(order, format):
        values, kind = _stored(values, "values", format)
        meta, K = _compressed(values, meta, order, kind)
        out = _new(values.shape[:-1] + (K,), values.dtype)
        _call_on_chunks(_illegal(meta, order, kind, out.rows, K), "sste_mma_decompress",
                        *_p(out), *_p(values), meta.array.ctypes.data, order, out.rows,
                        K, kind)
        return (_turned(out) if down else out).array
    values, kind = _sparse(values, "values", format)
    meta, K = _compressed(values, meta)
    _check_nibbles(meta, 0, 0, values.rows, K)
    out = _new((K, values.rows) if down else values.shape[:-1] + (K,), values.dtype)
    _call("sste_tensor_decompress_as", *_p(out), *_p(values), *_p(meta), out.rows,
          out.cols, kind, down, about=(values, meta))
    return out.array


def check_metadata(meta, format, order="row_major", cols=None):
    """Raises SsteError, naming the row and the chunk, for a nibble that is not legal in
    ordered_metadata: legal are 4, 8, 9, C, D and E, in tf32 4 and E.

    meta     as compress() gives it in that order
    format   of the values: "float16", "bfloat16", "tf32", "e4m3fn", "e5m2", "int8",
             "uint8"
    order    how metadata lie in memory, one of ORDERS
    cols     of the dense matrix; None if the last byte of a row is full

    >>> check_metadata(np.uint8([[0x44], [0x14]]), "float16")
    Traceback (most recent call last):
    sste.SsteError: row 1, chunk 1 of meta is 1: legal are 4, 8, 9, C, D and E
    """
    kind, order = _operand_type(format), _choice(order, ORDERS, "order")
    meta, chunk = _meta(meta, order, kind), _chunk(kind)
    cols = 2 * chunk * meta.cols if cols is None else _whole(cols, "cols", bits=62)
    if cols % chunk != 0 or (cols // chunk + 1) // 2 != meta.cols:
        raise ValueError("cols is %d, but metadata is %s" % (cols, meta.shape))
    _blocks(meta, order, kind, meta.rows, cols)
    _check_nibbles(meta, order, kind, meta.rows, cols)


def reorder_metadata(meta, format, order, to):
    """Metadata in another storage order.

    meta     as compress() gives it in the order that it is in
    format   of the values: "float16", "bfloat16", "tf32", "e4m3fn", "e5m2", "int8",
             "uint8"
    order    the one it is in, of ORDERS
    to       the one wanted
    Nibbles are moved whatever they are.

    >>> w = np.zeros((32, 32), np.float16)
    >>> values, meta = compress(w, order="cutlass2", like="torch")
    >>> meta.dtype.name, meta.shape, hex(int(meta[0, 0]) & 0xFFFF)
    ('int16', (32, 2), '0xeeee')
    >>> reorder_metadata(meta, "float16", "cutlass2", "row_major").shape
    (32, 4)
    """
    kind = _operand_type(format)
    order, to = _choice(order, ORDERS, "order"), _choice(to, ORDERS, "to")
    meta = _meta(meta, order, kind)
    cols = 2 * _chunk(kind) * meta.cols
    for each in order, to:
        _blocks(meta, each, kind, meta.rows, cols)
    out = _new_meta(meta.shape[:-1], cols, to, kind)
    _call("sste_mma_meta_reorder", out.array.ctypes.data, to, meta.array.ctypes.data,
          order, kind, meta.rows, cols)
    return _in_words(out, to, kind)


# ---- FP8 ---------------------------------------------------------------------

def rule(like="saturating", to="e4m3fn", from_="float32", **changes):
    """How numbers are rounded: somebody's rule, with changes.

    like      one of LIKE: "saturating" (to nearest even, beyond the end the largest),
              "cuda_satfinite", "ml_dtypes_0_6", "torch_2_13", ...
    to, from_ the formats, on which some of these rules depend
    rounding  "nearest_even", "nearest_away", "toward_zero", "up", "stochastic", "odd",
              "e8m0_fields"
    overflow  "saturate", "saturate_finite", "none"
    nan       "ones", "quiet", "payload"
    via       "nothing", "float16", "bfloat16", "float32"
    nan_sign, drop_sign   0 or 1;   random_bits   1 to 32

    >>> rule("saturating", overflow="none").overflow
    2
    """
    who, to, from_ = _choice(like, LIKE, "like"), _format(to), _format(from_)
    if like == "saturating":
        return _changed(_c.sste_fp8_saturating(), changes)
    return _changed(_c.sste_fp8_rule_like(who, to, from_), changes)


def recipe(name="current", **changes):
    """How a tensor becomes codes and codes a tensor: "current", "divide" or "te".

    scale        "max_over_amax", "amax_over_max", "amax_reciprocal"
    apply, undo  "multiply", "divide", "reciprocal": in encode and in decode
    drop_nan, power_of_two   0 or 1;   epsilon   an amax below it counts as this much

    >>> recipe("te", power_of_two=1).undo == recipe(undo="reciprocal").undo
    True
    """
    names = ("current", "divide", "te")
    chosen = names[_choice(name, names, "recipe")]
    return _changed(getattr(_c, "sste_fp8_recipe_" + chosen)(FORMATS["e4m3fn"]),
                    changes)


def _rule(like, to, from_):
    return _sound(like) if isinstance(like, Rule) else rule(like, to, from_)


def _recipe(given, format, like, per_row):
    """A Recipe for C, complete."""
    given = _sound(given) if isinstance(given, Recipe) else recipe(given)
    how = Recipe.from_buffer_copy(given)
    how.format, how.per_row = format, bool(per_row)
    how.rule = _rule(like, format, FORMATS["float32"])
    if how.rule.rounding == _STOCHASTIC:
        raise ValueError("like is a stochastic rule: give it to convert, with random")
    return how


def _scales(given, x):
    """One scale or one per row, and which."""
    if given is None or isinstance(given, numbers.Real) or (
            getattr(given, "ndim", 1) == 0):
        number = 1.0 if given is None else _float32(given, "scale")
        return np.array([number], np.float32), 0
    scales = _values(given, "scale")
    if scales.shape not in (x.shape[:-1], x.shape[:-1] + (1,)):
        raise ValueError("scale is %s: for %s of %s it is one number or %s"
                         % (scales.shape, x.name, x.shape, x.shape[:-1] or (1,)))
    for number in scales.array[~((scales.array > 0) & (scales.array < np.inf))]:
        _float32(number, "scale")
    return scales.array, 1


def _scaling(x, format, scale, recipe, like="saturating"):
    """The scales and the Recipe of a call, as C takes them."""
    scales, per_row = _scales(scale, x)
    how = _recipe(recipe, format, like, per_row)
    if _CHOICES["undo"].index("reciprocal") in (how.apply, how.undo):
        with np.errstate(over="ignore"):
            tiny = scales[np.isinf(np.float32(1) / scales)]
        if tiny.size:
            raise ValueError("scale is %s: its reciprocal is infinite" % tiny[0])
    return scales, how


def _format8(format):
    """A format of 8 bits."""
    format = _format(format)
    if _width(format) != 1:
        raise ValueError("format must be one of 8 bits, not %s" % format)
    return format


def _codes8(x, name, format):
    """Codes of 8 bits and their format."""
    x, format = _codes(x, name, format)
    if _width(format) != 1:
        raise TypeError("%s is %s: codes are uint8 or of a float8 dtype"
                        % (name, x.called))
    return x, format


def amax(x):
    """The largest magnitude, as a float: 0 for an empty array, NaN if one is there.

    >>> amax(np.float32([1, -3, 2]))
    3.0
    """
    x, result = _values(x, "x"), _float()
    _call("sste_fp8_tensor_amax", ctypes.byref(result), *_p(x), x.rows, x.cols)
    return result.value


def scale(x, format="e4m3fn", per_row=False, recipe="current"):
    """The scale that moves amax to the format's largest number.

    x        values
    per_row  True: one for each row, as float32 of shape x.shape[:-1]; else a float
    recipe   "current" (max / amax), "divide" (amax / max), "te", or a Recipe

    >>> scale(np.float32([[1, -2], [4, 0]]))
    112.0
    >>> scale(np.float32([[1, -2], [4, 0]]), per_row=True).tolist()
    [224.0, 112.0]
    """
    x, how = _values(x, "x"), _recipe(recipe, _format8(format), "saturating", per_row)
    out = np.empty(x.shape[:-1] if per_row else (), np.float32)
    _call("sste_fp8_tensor_scale", out.ctypes.data, *_p(x), x.rows, x.cols, how)
    return out if per_row else float(out)


def encode(x, format="e4m3fn", scale=None, recipe="current", like="saturating"):
    """The codes of x * scale (or x / scale, as the recipe says): uint8 of x's shape.

    x        values
    scale    None for 1; a number; or one per row, of shape x.shape[:-1]
    recipe   "current", "divide", "te", or a Recipe
    like     one of LIKE, or a Rule that is not stochastic: how it is rounded
    Raises ValueError for a scale that is not finite and positive.

    >>> encode(np.float32([2, -1, 0.001]), scale=224).tolist() == [0x7E, 0xF6, 0x26]
    True
    """
    x, format = _values(x, "x"), _format8(format)
    scales, how = _scaling(x, format, scale, recipe, like)
    out = _new(x.shape, np.uint8)
    _call("sste_fp8_tensor_encode", *_p(out), *_p(x), x.rows, x.cols,
          scales.ctypes.data, how)
    return out.array


def decode(codes, format=None, scale=None, recipe="current"):
    """The values of codes, divided by the scale (or as the recipe says): float32.

    codes    uint8 or a float8 dtype
    format   None for what the dtype says, and "e4m3fn" for uint8
    scale, recipe   those that the codes were made with; None for 1

    >>> decode(np.uint8([0x7E, 0xF6, 0x39]), scale=224).tolist()[:2]
    [2.0, -1.0]
    """
    codes, format = _codes8(codes, "codes", format)
    (scales, how), out = _scaling(codes, format, scale, recipe), _new(codes.shape)
    _call("sste_fp8_tensor_decode", *_p(out), *_p(codes), codes.rows, codes.cols,
          scales.ctypes.data, how)
    return out.array


def round_fp8(x, format="e4m3fn", scale=None, recipe="current", like="saturating"):
    """Fake-quant: decode(encode(x)) in x's shape and dtype. Arguments as encode.

    >>> round_fp8(np.float32([1.2, 1000, 0.0009])).tolist()
    [1.25, 448.0, 0.0]
    """
    x, format = _values(x, "x"), _format8(format)
    (scales, how), out = _scaling(x, format, scale, recipe, like), _new(x.shape)
    _call("sste_fp8_tensor_round", *_p(out), *_p(x), x.rows, x.cols, scales.ctypes.data,
          how)
    return _rounded(out, x.dtype)


def _signed(format):
    """A format of 8 bits with a sign."""
    format = _format8(format)
    if format.sign_bits == 0:
        raise ValueError("format must be one with a sign, not %s" % format)
    return format


def encode_stochastic(x, seed, format="e4m3fn", scale=1.0, tensor=0, step=0,
                      axis="rows", run=0, first_group=0):
    """Codes whose mean is x * scale: rounded up or down at random, in proportion to
    where between its neighbours a value lies; uint8 of x's shape.

    x        values
    seed     below 2^64;  tensor, step: below 2^32, the tensor not one that mvue has
    format   one with a sign
    scale    a number, finite and positive
    axis     "rows" or "columns": which way the groups of four run that share a word
             each; the last one need not be full
    run, first_group   where in the whole tensor x begins, if it is a slice
    Beyond the largest number a code is that number, and the mean is lost.

    >>> encode_stochastic(np.float32([1, 448, 1e9, -0.0]), 1).tolist()
    [56, 126, 126, 128]
    """
    x, format, scale = _values(x, "x"), _signed(format), _float32(scale, "scale")
    axis, out = _choice(axis, _AXES, "axis"), _new(x.shape, np.uint8)
    stream = _stream(seed, tensor, step, run, first_group)
    _in_range(x, stream, axis, 4, 32)
    _call("sste_fp8_tensor_encode_stochastic", *_p(out), *_p(x), x.rows, x.cols, format,
          scale, axis, ctypes.byref(stream), about=(x,))
    return out.array


Losses = collections.namedtuple("Losses", "nonzeros saturated underflowed")


def fp8_losses(x, format="e4m3fn", scale=1.0):
    """How many values a format cannot hold, as Losses(nonzeros, saturated,
    underflowed): finite non-zeros, and of these those that, rounded to nearest even,
    are beyond the largest number, and those that are 0.

    x        values
    format   one with a sign
    scale    a number, finite and positive: x * scale is rounded

    >>> fp8_losses(np.float32([500, 1e-9, 0, 1]))
    Losses(nonzeros=3, saturated=1, underflowed=1)
    """
    x, format, losses = _values(x, "x"), _signed(format), _Losses()
    _call("sste_fp8_tensor_losses", ctypes.byref(losses), *_p(x), x.rows, x.cols,
          format, _float32(scale, "scale"))
    return Losses(losses.nonzeros, losses.saturated, losses.underflowed)


def convert(bits, to, from_=None, like="saturating", random=None):
    """Numbers of one format in another, float64 included: rounded once by a rule.

    bits     any array of numbers, or their bits in uint8, 16, 32 or 64
    to       the format wanted
    from_    None for what the dtype says; bits count as e4m3fn, bfloat16, float32
             and float64
    like     one of LIKE, or a Rule
    random   uint32 of the same shape, for a Rule whose rounding is stochastic
    Gives bits' shape; uint8, float16, uint16 (bfloat16), float32 or float64.

    >>> convert(np.float64([1.1875, 500]), "e4m3fn").tolist() == [0x3A, 0x7E]
    True
    """
    bits, from_ = _codes(bits, "bits", from_)
    to = _format(to, "to")
    by, words = _rule(like, to, from_), None
    if by.rounding == _STOCHASTIC:
        words = None if random is None else _elements(random, "random")[0]
        if words is None or words.dtype != np.uint32 or words.shape != bits.shape:
            raise ValueError("stochastic rounding wants random, uint32 of shape %s"
                             % (bits.shape,))
        words = np.require(words, requirements=("C", "A"))
    out = np.empty(bits.shape, _BITS[_width(to)])
    _c.sste_library_convert(out.ctypes.data, out.itemsize, to, by,
                            bits.array.ctypes.data, bits.array.itemsize, from_,
                            None if words is None else words.ctypes.data, out.size)
    return out.view(_dtype(to))


def _dtype(format):
    """The dtype of arrays of a format."""
    native = {FORMATS[name]: name for name in ("float16", "float32", "float64")}
    return np.dtype(native.get(format, _BITS[_width(format)]))


# ---- Sampling ----------------------------------------------------------------

def philox(counter, key):
    """Philox4x32-10: a counter of four words and a key of two give four words.

    >>> [hex(word) for word in philox((0, 0, 0, 0), (0, 0))][:2]
    ['0x6627e8d5', '0xe169c58d']
    """
    counter = [_whole(word, "counter", bits=32) for word in counter]
    key = [_whole(word, "key", bits=32) for word in key]
    if len(counter) != 4 or len(key) != 2:
        raise ValueError("a counter has four words and a key two")
    drawn = _c.sste_philox_draw(_Words(*counter), *key)
    return drawn.word0, drawn.word1, drawn.word2, drawn.word3


def _stream(seed, tensor, step, run, group, run_bits=64, group_bits=64):
    return _Stream(_whole(seed, "seed"), _whole(tensor, "tensor", bits=32),
                   _whole(step, "step", bits=32), _whole(run, "run", bits=run_bits),
                   _whole(group, "group", bits=group_bits))


def mvue_word(seed, tensor=0, step=0, run=0, group=0):
    """The random word of group `group` (below 2^34) of run `run` (below 2^32).

    >>> hex(mvue_word(seed=0, group=1))
    '0xe169c58d'
    """
    stream = _stream(seed, tensor, step, run, group, 32, 34)
    return _c.sste_mvue_word(ctypes.byref(stream), 0, 0)


def _in_range(a, stream, axis, size, bits):
    """Raises unless random words have numbers for all groups of a tensor."""
    runs, length = (a.rows, a.cols) if axis == 0 else (a.cols, a.rows)
    for name, start, count, most in (
            ("run", stream.run, runs, 32),
            ("first_group", stream.group, -(-length // size), bits)):
        if start + count > 1 << most:
            raise ValueError("%s is %d, and with %d of them goes beyond 2^%d"
                             % (name, start, count, most))


def _sampled(n, m, approximate=False):
    """A pattern to sample by."""
    nm = _pattern(n, m)
    if approximate and (nm.n, nm.m) != (2, 4):
        raise ValueError("n is %d and m is %d, but what is approximate is 2 of 4"
                         % (nm.n, nm.m))
    return nm


def mvue(a, seed, tensor=0, step=0, axis="rows", group=4, run=0, first_group=0, n=None,
         m=None, approximate=False):
    """An unbiased 2:4 (group=4) or 1:2 (group=2) sample of a, in its shape and dtype.

    a            values
    seed         below 2^64;  tensor, step: below 2^32. They and the place of a group
                 choose its random bits, nothing else does
    axis         "rows": groups are consecutive entries of a row; "columns": of a
                 column, leading axes flattened. Their number must be full groups
    run, first_group   where in the whole tensor a begins, if it is a slice: the row
                 (or column), and the group along it
    n, m         any other pattern, in place of group
    approximate  True: the two draws of the paper, for 2:4, of more variance
    In float16 and bfloat16 the rounding of survivors is no longer unbiased.

    >>> mvue(np.float32([0, 3, 0, -1]), seed=7).tolist()
    [0.0, 3.0, 0.0, -1.0]
    >>> mvue(np.float32([0, 3, 0, -1, 0, 0, 2, 0]), seed=7, n=3, m=8).tolist()
    [0.0, 3.0, 0.0, -1.0, 0.0, 0.0, 2.0, 0.0]
    """
    a, axis = _values(a, "a"), _choice(axis, _AXES, "axis")
    if n is None and m is None:
        if group not in (2, 4):
            raise ValueError("group must be 4 or 2, not %r; n and m take more"
                             % (group,))
        n, m = group // 2, group
    nm = _sampled(n, m, approximate)
    stream, out = _stream(seed, tensor, step, run, first_group), _new(a.shape)
    _full_groups(a, nm.m, axis)
    _in_range(a, stream, axis, nm.m, 33 if approximate else 34)
    matrices = *_p(out), *_p(a), a.rows, a.cols
    if approximate:
        _call("sste_mvue24_tensor_draw_approx", *matrices, axis, ctypes.byref(stream),
              about=(a,))
    else:
        _call("sste_mvue_tensor_draw", *matrices, nm.n, nm.m, axis,
              ctypes.byref(stream), about=(a,))
    return _rounded(out, a.dtype)


def _groups(a, size):
    """Values whose last axis is one group."""
    a = _values(a, "a")
    if a.cols != size:
        raise ValueError("a is %s, but its last axis must be a group of %d"
                         % (a.shape, size))
    return a


def mvue_draws(a, words, n=2, m=4):
    """Every n:m sample of groups that given random words choose: float32.

    a        values of shape (..., m)
    words    uint32 of shape (..., k): k for each group, of which the upper 23 bits
             count. Words numbered 0, 512, 1024, ... 2^32 - 512 are all there are
    Gives the shape (..., k, m).

    >>> mvue_draws(np.float32([1, 2, 3, 4]), np.uint32([0x80000000])).tolist()
    [[0.0, 5.0, 0.0, 5.0]]
    """
    nm = _sampled(n, m)
    a = _groups(a, nm.m)
    words, dtype = _elements(words, "words")
    if dtype != "uint32" or words.ndim == 0 or words.shape[:-1] != a.shape[:-1]:
        raise ValueError("words must be uint32 of shape %s" % (a.shape[:-1] + ("k",),))
    words = np.require(words, requirements=("C", "A"))
    out = np.empty(words.shape + (nm.m,), np.float32)
    _c.sste_library_mvue_draws(out.ctypes.data, a.array.ctypes.data, words.ctypes.data,
                               a.rows, words.shape[-1], nm.n, nm.m)
    return out


def _of_groups(name, a, nm, shape, *options):
    """What a function of the library gives for each group: float64."""
    a = _groups(a, nm.m)
    out = np.empty(a.shape[:-1] + shape)
    getattr(_c, name)(out.ctypes.data, a.array.ctypes.data, a.rows, nm.n, nm.m,
                      *options)
    return out


def mvue_prob(a, n=2, m=4, approximate=False):
    """What each element of a group survives with in a sample: float64 of a's shape.

    a            values of shape (..., m)
    n, m         the pattern
    approximate  True: in the two draws of the paper, for 2:4

    >>> mvue_prob(np.float32([1, 2, 3, 4])).tolist()
    [0.2, 0.4, 0.6, 0.8]
    """
    nm = _sampled(n, m, approximate)
    return _of_groups("sste_library_mvue_probs", a, nm, (nm.m,), bool(approximate))


def mvue_pair_prob(a, n=2, m=4):
    """What two elements of a group survive with together: float64 of shape (..., m, m).

    a        values of shape (..., m)
    n, m     the pattern
    On the diagonal is mvue_prob(a, n, m).

    >>> mvue_pair_prob(np.float32([1, 1, 1, 1]), n=1)[0].tolist()
    [0.25, 0.0, 0.0, 0.0]
    """
    nm = _sampled(n, m)
    return _of_groups("sste_library_mvue_pair_probs", a, nm, (nm.m, nm.m))


def mvue_variance(a, n=2, m=4, approximate=False):
    """The total variance of a group's sample: float64 of shape a.shape[:-1].

    a, n, m, approximate   as for mvue_prob

    >>> float(mvue_variance(np.float32([1, 2, 3, 4])))
    20.0
    """
    nm = _sampled(n, m, approximate)
    return _of_groups("sste_library_mvue_variances", a, nm, (), bool(approximate))


def mvue_second_moment(a, n=2, m=4):
    """The mean square of a group's sample: float64 of shape a.shape[:-1].

    a, n, m   as for mvue_prob

    >>> float(mvue_second_moment(np.float32([1, 2, 3, 4])))
    50.0
    """
    nm = _sampled(n, m)
    return _of_groups("sste_library_mvue_second_moments", a, nm, ())


# ---- Products ----------------------------------------------------------------

def _product_shapes(a, b, axis_a, axis_b):
    """Raises unless two matrices (rows, cols) agree in the lengths named."""
    lengths = [(m.rows, m.cols)[axis] for m, axis in ((a, axis_a), (b, axis_b))]
    if lengths[0] != lengths[1]:
        raise ValueError("%s is %s and %s is %s: they do not fit"
                         % (a.name, a.shape, b.name, b.shape))


def product_forward(x, w):
    """Z = X W^T in float32, shape x.shape[:-1] + (N,); every sum rounded once.

    x     values (..., K);  w: values (N, K)

    >>> product_forward(np.float32([[1, 2]]), np.float32([[3, 4]])).tolist()
    [[11.0]]
    """
    x, w = _values(x, "x"), _values(w, "w")
    _product_shapes(x, w, 1, 1)
    z = _new(x.shape[:-1] + (w.rows,))
    _call("sste_product_forward", *_p(z), *_p(x), *_p(w), x.rows, w.rows, x.cols)
    return z.array


def product_input_grad(dz, w):
    """dX = dZ W in float32, shape dz.shape[:-1] + (K,).

    dz    values (..., N);  w: values (N, K)

    >>> product_input_grad(np.float32([[1, 2]]), np.float32([[3], [4]])).tolist()
    [[11.0]]
    """
    dz, w = _values(dz, "dz"), _values(w, "w")
    _product_shapes(dz, w, 1, 0)
    dx = _new(dz.shape[:-1] + (w.cols,))
    _call("sste_product_input_grad", *_p(dx), *_p(dz), *_p(w), dz.rows, w.rows, w.cols)
    return dx.array


def product_weight_grad(dz, x):
    """dW = dZ^T X in float32, shape (N, K).

    dz    values (..., N);  x: values (..., K), of as many rows

    >>> product_weight_grad(np.float32([[1], [2]]), np.float32([[3], [4]])).tolist()
    [[11.0]]
    """
    dz, x = _values(dz, "dz"), _values(x, "x")
    _product_shapes(dz, x, 0, 0)
    dw = _new((dz.cols, x.cols))
    _call("sste_product_weight_grad", *_p(dw), *_p(dz), *_p(x), dz.rows, dz.cols,
          x.cols)
    return dw.array


def product_forward_compressed(x, values, meta):
    """Z = X W^T in float32 with W as compress() gives it; shape x.shape[:-1] + (N,).

    x     values (..., K);  values: (N, K / 2);  meta: uint8 (N, ceil(K / 8))

    >>> x, w = np.float32([[1, 2, 3, 4]]), np.float32([[0, 5, 0, 0]])
    >>> product_forward_compressed(x, *compress(w)).tolist()
    [[10.0]]
    """
    x, values = _values(x, "x"), _values(values, "values")
    meta, K = _compressed(values, meta)
    if x.cols != K:
        raise ValueError("x is %s, but W has %d columns" % (x.shape, K))
    z = _new(x.shape[:-1] + (values.rows,))
    _call("sste_product_forward_compressed", *_p(z), *_p(x), *_p(values), *_p(meta),
          x.rows, values.rows, K, about=(values, meta))
    return z.array


def fp8_product(a, b, fa=None, fb=None):
    """A B^T of two matrices of codes, exact and rounded once to float32.

    a     codes (..., K), of format fa;  b: codes (N, K), of fb. None for what the
          dtype says, and "e4m3fn" for uint8; not "e8m0"
    Gives shape a.shape[:-1] + (N,), not divided by any scale.

    >>> fp8_product(np.uint8([[0x38, 0x39]]), np.uint8([[0x40, 0x40]])).tolist()
    [[4.25]]
    """
    (a, fa), (b, fb) = _codes8(a, "a", fa), _codes8(b, "b", fb)
    _product_shapes(a, b, 1, 1)
    for format, name in (fa, "fa"), (fb, "fb"):
        if format.exponent_bits > 5:
            raise ValueError("%s is %s: a product takes at most 5 exponent bits"
                             % (name, format))
    z = _new(a.shape[:-1] + (b.rows,))
    _call("sste_fp8_product", *_p(z), fa, *_p(a), fb, *_p(b), a.rows, b.rows, a.cols)
    return z.array


# ---- Tensor cores ------------------------------------------------------------

def instruction(a="float16", *, k=None, b=None, d=None, sparse=True, saturate=False):
    """An instruction of a tensor core, D = A B + C: A is 16 x k and B k x 8.

    a, b       the operands: "float16", "bfloat16", "tf32", "e4m3fn", "e5m2", "int8",
               "uint8"; None: b is a. FP8 formats may differ, and so may integers
    k          the length of its sums; None for the longest that there is
    d          what C and D are: "float32", or "float16" for float16 and FP8; "int32";
               None for float32 or int32
    sparse     True: A is stored 2:4, in tf32 1:2, with metadata; False: all of it
    saturate   True: int32 stops at either end; False: it wraps. Other sums do neither

    >>> print(instruction(), instruction("int8", sparse=False))
    mma.sp.m16n8k32.f32.f16.f16.f32 mma.m16n8k32.s32.s8.s8.s32
    """
    sparse, saturate = bool(sparse), bool(saturate)
    a = _operand_type(a, "a")
    b = a if b is None else _operand_type(b, "b")
    d = ("int32" if _OPERANDS[a].endswith("int8") else "float32") if d is None else d
    d = _choice(d, _MMA_TYPES, "d")
    if k is None:
        bits = 8 * np.dtype(_MMA_DTYPES[a]).itemsize
        k = (512 if sparse else 256) // bits
    if saturate and _MMA_TYPES[d] != "int32":
        raise ValueError("saturate is True, but only sums in int32 saturate, and d is "
                         + _MMA_TYPES[d])
    op = Instruction(_whole(k, "k", bits=31), sparse, a, b, d, saturate)
    if _c.sste_mma_op_check(op) == 0:
        return op
    lengths = [n for n in (4, 8, 16, 32, 64) if _c.sste_mma_op_check(
        Instruction(n, sparse, a, b, d, saturate)) == 0]
    if lengths:
        raise ValueError("k is %d: %s %s has %s" % (
            op.k, ("dense", "sparse")[sparse], _OPERANDS[a],
            " and ".join(map(str, lengths))))
    raise ValueError("no tensor core multiplies %s by %s into %s"
                     % (_OPERANDS[a], _OPERANDS[b], _MMA_TYPES[d]))


def _op(op):
    """An Instruction that there is."""
    if not isinstance(op, Instruction):
        raise TypeError("op must be an Instruction, not %r" % (op,))
    if _c.sste_mma_op_check(op) != 0:
        raise ValueError("no tensor core has %r" % op)
    return op


def model(name, operand="float16", **changes):
    """How a tensor core adds, by its name, with changes.

    name       one of TENSOR_CORES
    operand    what it multiplies, as for instruction()
    products   how many products one step adds, 1 to 1024
    fraction   how many bits below the largest exponent of a step it keeps, 1 to 40
    output     how many fraction bits a float32 result has, 1 to 23
    least      the least exponent that a step counts from, -300 to 0
    grouping   which products of an instruction make step s of S: "consecutive" ones;
               "by_pair", pairs s, s + S, ...; "by_slot", products s, s + S, ...
    late       1: C is added last, to nearest even; 0: in the first step
    "hopper" makes two steps of FP8, whatever k is: products is 16, and for dense k = 16
    a function that is given the name, and so knows k, takes 8.

    >>> model("ampere").products, model("hopper", "e4m3fn", fraction=13).fraction
    (8, 13)
    """
    _choice(name, TENSOR_CORES, "model")
    kind = _operand_type(operand, "operand")
    made = getattr(_c, "sste_mma_" + name)(kind)
    if made.products == 0:
        raise ValueError("%s multiplies no %s" % (name, _OPERANDS[kind]))
    return _changed(made, changes)


def _model(given, op):
    """A Model for an instruction."""
    if isinstance(given, Model):
        return _sound(given)
    named = model(given, _OPERANDS[op.a])
    if named.late:  # FP8 on Hopper: two steps, whatever k is
        named.products = op.k // 4 if op.sparse else op.k // 2
    return named


def tensor_core_product(a, b, model, meta=None, op=None):
    """A B^T as tensor cores add it up: instruction by instruction along K, from 0.

    a       what tensor cores multiply (float32 as tf32), (..., K); with meta the
            values of compress(), (..., K / 2)
    b       the same, (N, K)
    model   one of TENSOR_CORES, or a Model
    meta    None for a dense A; uint8 (..., ceil(K / 8)), in tf32 ceil(K / 4), in order
            "row_major"
    op      the Instruction; None for the longest of these dtypes, into float32 or
            int32. uint8 counts as e4m3fn unless op says what it is
    Gives op.d's dtype and shape a.shape[:-1] + (N,). K must be a multiple of op.k.

    >>> a, b = np.zeros((2, 1, 16), np.float16)
    >>> a[0, :3], b[0, :3] = (1, 1, -1), (2**-12, 2**12, 2**12)
    >>> float(tensor_core_product(a, b, "ampere")[0, 0]) * 2**12
    1.0
    >>> float(tensor_core_product(a, b, model("ampere", fraction=23))[0, 0])
    0.0
    """
    if op is not None:
        op = _op(op)
    fa, fb = (None, None) if op is None else (_OPERANDS[op.a], _OPERANDS[op.b])
    (a, kind), (b, other) = _operand(a, "a", fa), _operand(b, "b", fb)
    if op is None:
        op = instruction(_OPERANDS[kind], b=_OPERANDS[other], sparse=meta is not None)
    if op.sparse != (meta is not None):
        raise ValueError("op is %s, %s" % (op, "but meta is not given" if op.sparse
                                           else "which takes no meta"))
    how, K, nibbles = _model(model, op), a.cols, (None, 0)
    if op.sparse:
        meta, K = _compressed(a, meta, 0, kind)
        nibbles = _p(meta)
    if b.cols != K:
        raise ValueError("a is %s%s and b is %s: they do not fit"
                         % (a.shape, " with meta" * op.sparse, b.shape))
    _full_groups(b, op.k)
    out = _new(a.shape[:-1] + (b.rows,), _MMA_DTYPES[op.d])
    _call_on_chunks(_illegal(meta, 0, kind, a.rows, K), "sste_mma_product", *_p(out),
                    *_p(a), *nibbles, *_p(b), a.rows, b.rows, K, op, how)
    return out.array


def tensor_core_bound(op, model, terms):
    """How far such a sum may be from the exact one, relative to the sum of the
    magnitudes of its products: what check_product_forward takes as bound.

    op      the Instruction
    model   one of TENSOR_CORES, or a Model
    terms   products per sum that the hardware adds: K, or K / 2 where A is sparse
    Infinite where nothing can be said.

    >>> tensor_core_bound(instruction(), "ampere", 1024) == (1152 + 256) * 2**-24
    True
    """
    op = _op(op)
    return _c.sste_mma_bound(op, _model(model, op), _whole(terms, "terms"))


Map = collections.namedtuple("Map", "lane register bit row col")


def _map(shape, registers, bits, place_of, index_of):
    """Both ways between the elements of a matrix and the registers of a warp."""
    def fields(function, shape, names):
        found = [function(*at) for at in np.ndindex(*shape)]
        return (np.array([getattr(x, name) for x in found], int).reshape(shape)
                for name in names)

    return Map(*fields(place_of, shape, ("lane", "register", "bit")),
               *fields(lambda r, lane, i: index_of(_Place(lane, r, bits * i)),
                       (registers, 32, 32 // bits), ("row", "col")))


def fragment_map(op, operand):
    """Where the elements of an operand lie in the registers of a warp, and which
    element a register holds: Map(lane, register, bit, row, col) of integer arrays.

    op        the Instruction
    operand   "a", 16 x k stored values, or k / 2 if it is sparse; "b", k x 8; "c" or
              "d", 16 x 8, which lie alike
    lane, register, bit   of the operand's shape: where an element's lowest bit is
    row, col  of shape (registers, 32, elements in a register): which element is that
              in register r of lane l, from the low bits up

    >>> a = fragment_map(instruction("float16"), "a")
    >>> [int(x[9, 3]) for x in a[:3]], [int(x[1, 5, 1]) for x in a[3:]]
    ([5, 1, 16], [9, 3])

    So a dump, uint32 of shape (registers, 32), becomes a matrix:

    >>> dump = np.arange(4 * 32, dtype=np.uint32).reshape(4, 32)
    >>> matrix = (dump[a.register, a.lane] >> a.bit & 0xFFFF).astype(np.uint16)
    """
    op, which = _op(op), _PLACE_OF[_choice(operand, _PLACES, "operand")]
    kind = (op.a, op.b, op.d)[which]
    shape = ((16, op.k // 2 if op.sparse else op.k), (op.k, 8), (16, 8))[which]
    return _map(shape, _c.sste_mma_registers(op, which),
                8 * np.dtype(_MMA_DTYPES[kind]).itemsize,
                lambda i, j: _c.sste_mma_place_of(op, which, i, j),
                lambda at: _c.sste_mma_index_of(op, which, at))


def metadata_map(op, selector=0):
    """The same of metadata, 16 x chunks nibbles in one register.

    op        the Instruction, sparse
    selector  which lanes hold it, from 0: below 4 or 2, 1 for 8 bits
    row, col  the row and the chunk, of shape (1, 32, 8); -1 in lanes not selected

    >>> meta = metadata_map(instruction("float16"), selector=1)
    >>> [int(x[9, 5]) for x in meta[:3]]
    [7, 0, 20]
    """
    op, selector = _op(op), _whole(selector, "selector", bits=31)
    if not op.sparse:
        raise ValueError("op is %s: it is dense and has no metadata" % op)
    if selector >= _c.sste_mma_selectors(op):
        raise ValueError("selector is %d, but %s has %d of them"
                         % (selector, op, _c.sste_mma_selectors(op)))
    return _map((16, op.k // _chunk(op.a)), 1, 4,
                lambda i, j: _c.sste_mma_meta_place(op, selector, i, j),
                lambda at: _c.sste_mma_meta_index(op, selector, at))


# ---- The number line ---------------------------------------------------------

_RANK_NAN = -1 << 63
_ULPS_NAN = (1 << 64) - 1


def rank(code, format="e4m3fn"):
    """The place of a code on the number line, 0 for the zeros; None for a NaN.

    >>> rank(0x01), rank(0x81), rank(0x7F)
    (1, -1, None)
    """
    format = _format(format)
    place = _c.sste_check_rank(format, _one_code(code, "code", format))
    return None if place == _RANK_NAN else place


def code(rank, format="e4m3fn"):
    """The code at a rank, the last one there beyond either end; for None a NaN.

    >>> hex(code(-1)), hex(code(1000)), hex(code(None))
    ('0x81', '0x7e', '0x7f')
    """
    place = _RANK_NAN if rank is None else _whole(rank, "rank", low=1 + _RANK_NAN)
    return _c.sste_check_code(_format(format), place)


def next_code(code, steps=1, format="e4m3fn"):
    """The code so many steps up the number line, or down.

    >>> hex(next_code(0x38)), hex(next_code(0x38, -1))
    ('0x39', '0x37')
    """
    format = _format(format)
    return _c.sste_check_next(format, _one_code(code, "code", format),
                              _whole(steps, "steps", low=1 + _RANK_NAN))


def ulps(a, b, format="e4m3fn"):
    """How many steps lie between two codes; None between a NaN and a number.

    >>> ulps(0x38, 0x3A), ulps(0x01, 0x81), ulps(0x7F, 0)
    (2, 2, None)
    """
    format = _format(format)
    steps = _c.sste_check_ulps(format, _one_code(a, "a", format),
                               _one_code(b, "b", format))
    return None if steps == _ULPS_NAN else steps


def boundaries(to, from_="float32"):
    """Every input on which a conversion can go wrong: numbers, midpoints, neighbours.

    to       the format converted to, of at most 16 bits
    from_    the format converted from
    Gives one axis of float32, float64, float16, uint16 (bfloat16) or uint8.

    >>> boundaries("e4m3fn").size, float(boundaries("e4m3fn")[8]) == 2**-10
    (3572, True)
    """
    to, from_ = _format(to, "to"), _format(from_, "from_")
    if _width(to) > 2:
        raise ValueError("to is %s: it must have at most 16 bits" % to)
    out = np.empty(_c.sste_check_boundary_count(to, from_), _BITS[_width(from_)])
    _c.sste_library_boundaries(out.ctypes.data, out.itemsize, to, from_, out.size)
    return out.view(_dtype(from_))


def mvue_words(a):
    """Random words at which an MVUE draw decides, for mvue_draws and your kernel.

    a        values of shape (..., 4)
    Gives uint32 of shape (..., 36): nine about the end of each entry's cell.

    >>> [hex(word) for word in mvue_words(np.float32([1, 1, 1, 1]))[3:6]]
    ['0x7fffff00', '0x80000000', '0x80000100']
    """
    a = _groups(a, 4)
    out = np.empty(a.shape[:-1] + (36,), np.uint32)
    _c.sste_library_mvue_words(out.ctypes.data, a.array.ctypes.data, a.rows, 36)
    return out


# ---- Testing -----------------------------------------------------------------

def draw(kind, shape, seed):
    """A random tensor of float32 that finds bugs.

    kind     one of DRAWS: "normal", "weights", "ties", "midpoints", "integers", ...
    shape    one length or several, the last axis of any length
    seed     below 2^64

    >>> draw("integers", 4, seed=1).tolist()
    [0.0, -3.0, -3.0, 1.0]
    """
    number, seed = _choice(kind, DRAWS, "kind"), _whole(seed, "seed")
    try:
        shape = tuple(_whole(n, "shape", bits=63) for n in shape)
    except TypeError:
        shape = (_whole(shape, "shape", bits=63),)
    if shape == ():
        raise ValueError("shape must have an axis")
    out = _new(shape)
    _call("sste_check_tensor_draw", *_p(out), out.rows, out.cols, number, seed)
    return out.array


def _narrow(format, name):
    """A format that true values can be compared with."""
    if _width(format) == 8:
        raise ValueError("%s is float64: a true value is no finer than that" % name)
    return format


def _not_negative(error):
    """Raises if an error, or one of an array of them, is below 0 or NaN."""
    wrong = error[~(error >= 0)]
    if wrong.size:
        raise ValueError("error is %s: it must be 0 or more" % wrong.flat[0])


def within(code, x, error=0.0, format="e4m3fn", like="saturating"):
    """Whether some real in [x - error, x + error] rounds to a code.

    format   any but "float64"
    like     one of LIKE, or a Rule

    >>> within(0x39, 1.062, 0.001), within(0x39, 1.062, 0.0001)
    (True, False)
    """
    format = _narrow(_format(format), "format")
    error = _real(error, "error")
    _not_negative(np.array(error))
    return bool(_c.sste_check_within(
        format, _rule(like, format, FORMATS["float64"]),
        _one_code(code, "code", format), _real(x, "x"), error))


def bound(how, terms):
    """How far a sum of `terms` products may be from the exact one, relative to the sum
    of their magnitudes.

    how      "exact", "float" (in any order), "tensor_core", "fp8_hopper",
             "fp8_promoted"

    >>> bound("tensor_core", 1024) == 0.875 * 2**-13
    True
    """
    return _c.sste_check_bound(_choice(how, _SUMS, "how"), _whole(terms, "terms"))


Mismatch = collections.namedtuple("Mismatch", "row col diff got want x")


class Report:
    """What a comparison found. True where nothing differs but what is excused.

    what         "numbers", "groups" (of four) or "nibbles": what was counted
    total        how many
    count        how many of each kind, by the names of DIFFERENCES
    failures     how many differ and are not "within" the stated error
    got_nans, want_nans   how many NaNs there are on either side, of numbers
    ulps         {1: how many are 1 ulp off, 2: 2 to 3, 4: 4 to 7, ...}
    worst_ulps, worst_row, worst_col   the first of the largest distances
    worst_share  how much of the stated error the worst element has used, where a
                 true value was given: above 1 it is not "within"
    first        up to 8 Mismatch(row, col, diff, got, want, x); got and want are bits,
                 x is the true value where it was given, else None; rows are those of
                 the flattened matrix; of nibbles col is the group
    str(report)  all of it in words
    """

    def __init__(self, report):
        self._report = report
        self.what = _WHATS[report.what]
        self.total = report.total
        self.count = dict(zip(DIFFERENCES, report.count))
        self.failures = _c.sste_check_failures(ctypes.byref(report))
        self.got_nans, self.want_nans = report.got_nans, report.want_nans
        self.ulps = {1 << i: n for i, n in enumerate(report.ulps) if n}
        self.worst_ulps = report.worst_ulps
        self.worst_row, self.worst_col = report.worst_row, report.worst_col
        self.worst_share = report.worst_share
        self.first = [Mismatch(m.row, m.col, DIFFERENCES[m.diff], m.got, m.want,
                               m.x if report.has_truth else None)
                      for m in report.first[:report.shown]]

    def __bool__(self):
        return self.failures == 0

    def __str__(self):
        length = _c.sste_check_text(None, 0, ctypes.byref(self._report))
        text = ctypes.create_string_buffer(length + 1)
        _c.sste_check_text(text, len(text), ctypes.byref(self._report))
        return text.value.decode()

    def __repr__(self):
        return "<Report of %s>" % str(self).split("\n", 1)[0]


def _compared(name, *arguments, about=()):
    report = _Report()
    _call(name, ctypes.byref(report), *arguments, about=about)
    return Report(report)


def compare(got, want, format=None, x=None, error=None, like="saturating"):
    """A Report of two arrays of numbers, bit by bit.

    got, want   arrays of one shape and format: floats, bfloat16 as uint16, codes;
                float64, too, if there is no x
    format      None for what their dtypes say; uint8 counts as "e4m3fn"
    x, error    values of the same shape: the true ones before rounding, and how far
                off the kernel may be before it rounds (or one number, rounded to
                float32; None for 0). What that excuses counts as "within"
    like        how the kernel rounds: one of LIKE, or a Rule

    >>> report = compare(np.uint8([0x38, 0x7E]), np.uint8([0x39, 0x7F]))
    >>> report.count["one step"], report.count["saturation"], bool(report)
    (1, 1, False)
    """
    got, want, format = _pair(got, want, format)
    if x is None:
        if error is not None:
            raise TypeError("error without x: what is it an error of?")
        return _compared("sste_check_numbers", format, *_p(got), *_p(want), got.rows,
                         got.cols)
    x = _values(x, "x")
    _same_shape(got, x)
    _narrow(format, "got")
    if error is None or isinstance(error, numbers.Real):
        near = _float(_real(0 if error is None else error, "error")).value
        error = np.full(x.shape, near, np.float32)
    error = _values(error, "error")
    _same_shape(got, error)
    _not_negative(error.array)
    return _compared("sste_check_numbers_near", format,
                     _rule(like, format, FORMATS["float32"]), *_p(got), *_p(want),
                     *_p(x), *_p(error), got.rows, got.cols)


def assert_same(got, want, **options):
    """Raises AssertionError with the report's text unless compare(...) is true.

    options   of compare: format, x, error, like

    >>> assert_same(np.float32([1, 2]), np.float32([1, 2]))
    """
    report = compare(got, want, **options)
    if not report:
        raise AssertionError(str(report))


def compare_sparse(got, want, source=None, format=None):
    """A Report of two 2:4 matrices or masks, group by group.

    got, want   arrays of one shape and format, the last axis a multiple of 4
    source      values of the same shape: the dense matrix both were made from, to tell
                a tie from a wrong choice
    format      None for what their dtypes say

    >>> ones = np.ones(4, np.float32)
    >>> compare_sparse(mask(ones, "higher"), mask(ones), ones).count["tie"]
    1
    """
    got, want, format = _pair(got, want, format)
    _full_groups(got)
    if format == FORMATS["e8m0"]:
        raise ValueError("format is e8m0, which has no zero to prune to")
    of = (None, 0)
    if source is not None:
        source = _values(source, "source")
        _same_shape(got, source)
        of = _p(source)
    return _compared("sste_check_sparse", format, *_p(got), *_p(want), *of, got.rows,
                     got.cols)


def compare_metadata(got, want, cols=None):
    """A Report of two matrices of metadata, nibble by nibble.

    got, want   uint8 of one shape, the last axis ceil(cols / 8)
    cols        of the dense matrix; None if the last byte of a row is full

    >>> compare_metadata(np.uint8([0x4E]), np.uint8([0xE4])).count["swapped"]
    2
    """
    got, want = _bytes(got, "got"), _bytes(want, "want")
    _same_shape(got, want)
    cols = 8 * got.cols if cols is None else _whole(cols, "cols", bits=62)
    if cols % 4 != 0 or (cols + 7) // 8 != got.cols:
        raise ValueError("cols is %d, but metadata is %s" % (cols, got.shape))
    return _compared("sste_check_metadata", *_p(got), *_p(want), got.rows, cols)


def _check_product(name, z, shape, a, b, sizes, depth, how, terms, limit, format,
                   overflow):
    """A product's report; sizes are T, N, K and depth the length of its sums."""
    overflow = _choice(overflow, _CHOICES["overflow"], "overflow")
    z, format = _codes(z, "z", format)
    _narrow(format, "z")
    if z.shape != shape:
        raise ValueError("z is %s, but the product is %s" % (z.shape, shape))
    if limit is None:
        limit = bound(how, depth if terms is None else terms)
    limit = _real(limit, "bound")
    if not 0 <= limit < math.inf:
        raise ValueError("bound is %s: it must be finite and not negative" % limit)
    return _compared("sste_check_product_" + name, format, overflow, *_p(z), *_p(a),
                     *_p(b), *sizes, limit, about=(z, a, b))


def check_product_forward(z, x, w, how="tensor_core", terms=None, bound=None,
                          format=None, overflow="none"):
    """A Report of a kernel's Z = X W^T against the product and a bound on its error.

    z       (..., N), what the kernel gave: float32, float16, bfloat16 or codes
    x, w    values (..., K) and (N, K): what it was given
    how     how it may have summed, as for bound()
    terms   products per sum that the hardware adds; None for K. With compressed 2:4
            weights it is K / 2
    bound   a number in place of bound(how, terms)
    format  of z, None for what its dtype says
    overflow   what the kernel does beyond the format's largest number: "none" (to
            infinity, or NaN where there is none), "saturate", "saturate_finite"

    >>> x, w = np.float32([[1, 2]]), np.float32([[3, 4]])
    >>> bool(check_product_forward(np.float32([[11]]), x, w, how="exact"))
    True
    """
    x, w = _values(x, "x"), _values(w, "w")
    _product_shapes(x, w, 1, 1)
    return _check_product("forward", z, x.shape[:-1] + (w.rows,), x, w,
                          (x.rows, w.rows, x.cols), x.cols, how, terms, bound, format,
                          overflow)


def check_product_input_grad(dx, dz, w, how="tensor_core", terms=None, bound=None,
                             format=None, overflow="none"):
    """The same of dX = dZ W: dx (..., K), dz (..., N), w (N, K); sums of N terms."""
    dz, w = _values(dz, "dz"), _values(w, "w")
    _product_shapes(dz, w, 1, 0)
    return _check_product("input_grad", dx, dz.shape[:-1] + (w.cols,), dz, w,
                          (dz.rows, w.rows, w.cols), w.rows, how, terms, bound, format,
                          overflow)


def check_product_weight_grad(dw, dz, x, how="tensor_core", terms=None, bound=None,
                              format=None, overflow="none"):
    """The same of dW = dZ^T X: dw (N, K), dz (..., N), x (..., K); sums of T terms."""
    dz, x = _values(dz, "dz"), _values(x, "x")
    _product_shapes(dz, x, 0, 0)
    return _check_product("weight_grad", dw, (dz.cols, x.cols), dz, x,
                          (dz.rows, dz.cols, x.cols), dz.rows, how, terms, bound,
                          format, overflow)


def self_check():
    """What the state of this process breaks, as a tuple of names: () if all is well.

    Loading a library that was linked with -ffast-math is enough to lose subnormals.

    >>> self_check()
    ()
    """
    broken = _c.sste_self_check()
    return tuple(name for i, name in enumerate(_FAULTS) if broken >> i & 1)
