# Start-up shims: what an environment of sizar's changes for code that is older than its packages.
#
# The `.pth` file beside this package calls start() when Python starts. Which shims are active
# stands in `active.txt`, one name a line. Nothing is imported for their sake: each waits until the
# program itself imports what it mends. Whatever goes wrong in here is written down, and never
# stops a program.
#
# Runs on every Python from 2.7 on.

from __future__ import absolute_import

import os
import sys


def active():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "active.txt")
    with open(path) as file:
        return file.read().split()


def start():
    # a child of a program that has them started asks again
    if getattr(sys, "_sizar_shims", False):
        return
    sys._sizar_shims = True
    try:
        names = active()
    except Exception:
        return
    for name in names:
        try:
            module = __import__("sizar_shims." + name.replace("-", "_"), fromlist=["install"])
            module.install()
        except Exception as error:
            try:
                from sizar_shims import ledger

                ledger.failed(name, error)
            except Exception:
                pass
