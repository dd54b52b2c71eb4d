# PyYAML 6 wants `yaml.load` to be told the loader.

from __future__ import absolute_import

from sizar_shims import hooks, ledger

NAME = "yaml-load"


def install():
    hooks.after("yaml", NAME, mend)


def mend(module):
    # what `load` took by itself from 5.1 on; before there was but one
    default = getattr(module, "FullLoader", None) or module.Loader
    for name in ("load", "load_all"):
        original = getattr(module, name)
        setattr(module, name, _told(original, default))


def _told(original, default):
    def function(stream, Loader=None):
        if Loader is None:
            ledger.record(NAME, "yaml." + original.__name__)
            Loader = default
        return original(stream, Loader)

    function.__name__, function.__doc__ = original.__name__, original.__doc__
    return function
