# Python 3.9 removed `fractions.gcd`.

from __future__ import absolute_import

from sizar_shims import hooks

NAME = "fractions-gcd"


def install():
    hooks.after("fractions", NAME, mend)


def mend(module):
    if not hasattr(module, "gcd"):
        import math

        module.gcd = math.gcd
