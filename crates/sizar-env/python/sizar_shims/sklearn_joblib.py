# scikit-learn 0.23 removed `sklearn.externals.joblib` and `six`.

from __future__ import absolute_import

import sys

from sizar_shims import hooks

NAME = "sklearn-joblib"


def install():
    hooks.where_absent("sklearn.externals", NAME, nothing, package=True)
    hooks.where_absent("sklearn.externals.joblib", NAME, joblib)
    hooks.where_absent("sklearn.externals.six", NAME, six)


def nothing(module):
    pass


def joblib(module):
    import joblib as real

    _become(module, real)


def six(module):
    import six as real

    _become(module, real)
    # so that `from sklearn.externals.six.moves import ...` finds its way
    sys.modules[module.__name__ + ".moves"] = real.moves
    module.__path__ = []


def _become(module, real):
    for name, value in vars(real).items():
        if not (name.startswith("__") and name.endswith("__")):
            setattr(module, name, value)
