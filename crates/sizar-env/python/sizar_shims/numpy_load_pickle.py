# Since NumPy 1.16.3 `np.load` reads no pickled objects unless it is told to.

from __future__ import absolute_import

from sizar_shims import hooks, ledger

NAME = "numpy-load-pickle"


def install():
    hooks.after("numpy", NAME, mend)


def mend(module):
    original = module.load

    def load(file, mmap_mode=None, allow_pickle=None, *args, **options):
        if allow_pickle is None:
            ledger.record(NAME, "numpy.load")
            allow_pickle = True
        return original(file, mmap_mode, allow_pickle, *args, **options)

    load.__name__, load.__doc__ = "load", original.__doc__
    module.load = load
