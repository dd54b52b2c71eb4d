# Python 3.11 removed `asyncio.coroutine`.

from __future__ import absolute_import

import sys

from sizar_shims import hooks

NAME = "asyncio-coroutine"


def install():
    if sys.version_info >= (3, 11):
        hooks.after("asyncio", NAME, mend)


def mend(module):
    if hasattr(module, "coroutine"):
        return
    import functools
    import inspect
    import types

    def coroutine(func):
        if inspect.iscoroutinefunction(func):
            return func
        if inspect.isgeneratorfunction(func):
            return types.coroutine(func)

        @functools.wraps(func)
        def delegate(*args, **options):
            return _Call(func, args, options)

        return delegate

    module.coroutine = coroutine


class _Call(object):
    """What a plain function gives to whoever waits for it."""

    def __init__(self, func, args, options):
        self._func, self._args, self._options = func, args, options

    def __await__(self):
        result = self._func(*self._args, **self._options)
        if hasattr(result, "__await__"):
            return result.__await__()
        return result if hasattr(result, "send") else _Value(result)

    __iter__ = __await__


class _Value(object):
    def __init__(self, value):
        self._value = value

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration(self._value)
