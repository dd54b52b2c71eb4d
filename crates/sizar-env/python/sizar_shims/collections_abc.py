# Python 3.10 took the abstract classes out of `collections`.

from __future__ import absolute_import

import sys

from sizar_shims import hooks

NAME = "collections-abc"
NAMES = (
    "Awaitable Coroutine AsyncIterable AsyncIterator AsyncGenerator Hashable Iterable Iterator "
    "Generator Reversible Sized Container Callable Collection Set MutableSet Mapping "
    "MutableMapping MappingView KeysView ItemsView ValuesView Sequence MutableSequence ByteString"
).split()


def install():
    if sys.version_info >= (3, 10):
        hooks.after("collections", NAME, mend)


def mend(module):
    import collections.abc

    for name in NAMES:
        if not hasattr(module, name) and hasattr(collections.abc, name):
            setattr(module, name, getattr(collections.abc, name))
