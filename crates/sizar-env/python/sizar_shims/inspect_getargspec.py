# Python 3.11 removed `inspect.getargspec`.

from __future__ import absolute_import

from sizar_shims import hooks

NAME = "inspect-getargspec"


def install():
    hooks.after("inspect", NAME, mend)


def mend(module):
    if hasattr(module, "getargspec"):
        return
    from collections import namedtuple

    spec = namedtuple("ArgSpec", "args varargs keywords defaults")

    def getargspec(func):
        full = module.getfullargspec(func)
        if full.kwonlyargs or full.annotations:
            raise ValueError(
                "Function has keyword-only parameters or annotations, use "
                "inspect.signature() API which can support them"
            )
        return spec(full.args, full.varargs, full.varkw, full.defaults)

    module.ArgSpec = spec
    module.getargspec = getargspec
    if not hasattr(module, "formatargspec"):
        module.formatargspec = _formatargspec


def _formatargspec(args, varargs=None, varkw=None, defaults=None, *rest, **options):
    first = len(args) - len(defaults or ())
    parts = [
        name if place < first else "%s=%r" % (name, defaults[place - first])
        for place, name in enumerate(args)
    ]
    parts.extend(["*" + varargs] if varargs else [])
    parts.extend(["**" + varkw] if varkw else [])
    return "(" + ", ".join(parts) + ")"
