# Says what a Python interpreter is, as one line of tagged JSON.
#
# Runs on every Python from 2.7 on, with nothing but its standard library.

import json
import os
import platform
import sys


def describe():
    import sysconfig

    def importable(module):
        try:
            __import__(module)
            return True
        except Exception:
            return False

    include = sysconfig.get_path("include") or ""
    return {
        "result": "success",
        "executable": sys.executable,
        "version": [int(part) for part in sys.version_info[:3]],
        "implementation": platform.python_implementation(),
        "platform": sysconfig.get_platform(),
        "prefix": sys.prefix,
        "base_prefix": getattr(sys, "base_prefix", getattr(sys, "real_prefix", sys.prefix)),
        "has_ssl": importable("ssl"),
        "has_headers": os.path.exists(os.path.join(include, "Python.h")),
    }


try:
    answer = describe()
except Exception as error:
    answer = {"result": "failure", "message": "%s: %s" % (type(error).__name__, error)}
sys.stdout.write(json.dumps(answer) + "\n")
