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
            result = func(*args, **options)
            if inspect.isgenerator(result) or inspect.isawaitable(result):
                result = yield from result
            return result

        return types.coroutine(delegate)

    module.coroutine = coroutine
