# torch 1.8 took names out of `torch._six`, torch 2 removed it.

from __future__ import absolute_import

import sys

from sizar_shims import hooks

NAME = "torch-six"


def install():
    hooks.after("torch._six", NAME, fill)
    hooks.where_absent("torch._six", NAME, fill)


def fill(module):
    if sys.version_info[0] == 2:
        return
    import builtins
    import collections.abc
    import math
    import queue

    for name, value in (
        ("PY2", False),
        ("PY3", True),
        ("PY37", sys.version_info >= (3, 7)),
        ("inf", math.inf),
        ("nan", math.nan),
        ("string_classes", (str, bytes)),
        ("int_classes", int),
        ("FileNotFoundError", FileNotFoundError),
        ("builtins", builtins),
        ("container_abcs", collections.abc),
        ("queue", queue),
        ("istuple", lambda value: isinstance(value, tuple)),
        ("with_metaclass", lambda meta, *bases: meta("temporary_class", bases or (object,), {})),
        ("raise_from", _raise_from),
    ):
        if not hasattr(module, name):
            setattr(module, name, value)


def _raise_from(value, cause):
    raise value
