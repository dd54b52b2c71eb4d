# Python 3.8 removed `time.clock`.

from __future__ import absolute_import

from sizar_shims import hooks

NAME = "time-clock"


def install():
    hooks.after("time", NAME, mend)


def mend(module):
    if not hasattr(module, "clock"):
        # the documented replacement; `process_time` would leave out waiting, as Unix did
        module.clock = module.process_time
