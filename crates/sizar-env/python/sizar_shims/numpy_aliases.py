# NumPy 1.24 removed the names of Python's own types, NumPy 2 many more.

from __future__ import absolute_import

import sys

from sizar_shims import hooks

NAME = "numpy-aliases"

# what each was when it was removed
TYPES = {
    "bool": bool,
    "int": int,
    "float": float,
    "complex": complex,
    "object": object,
    "str": str,
    "long": int,
    "unicode": str,
}
RENAMED = {
    "float_": "float64",
    "complex_": "complex128",
    "cfloat": "complex128",
    "longfloat": "longdouble",
    "clongfloat": "clongdouble",
    "singlecomplex": "complex64",
    "string_": "bytes_",
    "unicode_": "str_",
    "Inf": "inf",
    "Infinity": "inf",
    "infty": "inf",
    "PINF": "inf",
    "NaN": "nan",
    "product": "prod",
    "cumproduct": "cumprod",
    "sometrue": "any",
    "alltrue": "all",
    "in1d": "isin",
    "row_stack": "vstack",
    "trapz": "trapezoid",
}


def install():
    hooks.after("numpy", NAME, mend)


def _has(module, name):
    import warnings

    # asking for a deprecated name warns
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hasattr(module, name)


def mend(module):
    if sys.version_info[0] == 2:
        return
    for name, kind in TYPES.items():
        if not _has(module, name):
            setattr(module, name, kind)
    # in NumPy 2 `bool`, `long` and `str` are there again, and are scalars of its own
    for name, now in RENAMED.items():
        if not _has(module, name) and _has(module, now):
            setattr(module, name, getattr(module, now))
    if not _has(module, "NINF"):
        module.NINF = -module.inf
    if not _has(module, "asscalar"):
        module.asscalar = lambda a: a.item()
