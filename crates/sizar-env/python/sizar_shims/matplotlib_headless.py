# Code that asks matplotlib for a window, where there is no display.

from __future__ import absolute_import

import os

from sizar_shims import hooks, ledger

NAME = "matplotlib-headless"


def install():
    # read when matplotlib is imported
    os.environ.setdefault("MPLBACKEND", "Agg")
    hooks.after("matplotlib", NAME, mend)
    hooks.after("matplotlib.pyplot", NAME, mend_pyplot)


def _is_drawn(name):
    return str(name).lower() in ("agg", "pdf", "svg", "ps", "pgf", "cairo", "template")


def mend(module):
    original = module.use

    def use(backend, *args, **options):
        if not _is_drawn(backend) and not str(backend).startswith("module://"):
            ledger.record(NAME, "matplotlib.use(%r)" % (backend,), note="Agg instead")
            backend = "Agg"
        return original(backend, *args, **options)

    module.use = use


def mend_pyplot(module):
    original = module.switch_backend

    def switch_backend(newbackend, *args, **options):
        if not _is_drawn(newbackend) and not str(newbackend).startswith("module://"):
            ledger.record(NAME, "pyplot.switch_backend(%r)" % (newbackend,), note="Agg instead")
            newbackend = "Agg"
        return original(newbackend, *args, **options)

    module.switch_backend = switch_backend
