# torch 2 removed `torch._six`.

from __future__ import absolute_import

import sys

from sizar_shims import hooks

NAME = "torch-six"


def install():
    hooks.where_absent("torch._six", NAME, fill)


def fill(module):
    import builtins
    import collections.abc
    import math
    import queue

    module.PY2 = False
    module.PY3 = sys.version_info[0] == 3
    module.PY37 = sys.version_info >= (3, 7)
    module.inf = math.inf
    module.nan = math.nan
    module.string_classes = (str, bytes)
    module.int_classes = int
    module.FileNotFoundError = FileNotFoundError
    module.builtins = builtins
    module.container_abcs = collections.abc
    module.queue = queue
    module.istuple = lambda value: isinstance(value, tuple)
    module.with_metaclass = lambda meta, *bases: meta("temporary_class", bases or (object,), {})
    module.get_function_from_type = getattr
    module.raise_from = _raise_from


def _raise_from(value, cause):
    raise value
