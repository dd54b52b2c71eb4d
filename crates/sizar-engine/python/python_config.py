#!/bin/sh
'''exec' "$(dirname "$0")/python" "$0" "$@"
'''
# What `python3-config` says, for the environment's own Python: the Makefiles of extension modules
# ask it for headers and flags, and virtual environments have none, so that the one of the system
# answers for another Python.
#
# A script of sh that hands itself to the Python beside it; runs on every Python from 2.7 on.

from __future__ import print_function

import sys
import sysconfig

OPTIONS = (
    "--prefix", "--exec-prefix", "--includes", "--libs", "--cflags", "--ldflags",
    "--extension-suffix", "--abiflags", "--configdir", "--embed",
)


def variable(name):
    return sysconfig.get_config_var(name)


def words(*names):
    return [word for name in names for word in (variable(name) or "").split()]


def includes():
    found = []
    for name in ("include", "platinclude"):
        flag = "-I" + sysconfig.get_path(name)
        if flag not in found:
            found.append(flag)
    return found


def libraries(embed):
    # a module takes Python's own symbols from the program that loads it; linked with a static
    # library it would bring a second interpreter
    own = []
    if embed:
        version = variable("LDVERSION") or (variable("VERSION") + getattr(sys, "abiflags", ""))
        own = ["-lpython" + version]
    return own + words("LIBS", "SYSLIBS")


def folders():
    found = [variable("LIBDIR")]
    if not variable("Py_ENABLE_SHARED") and variable("LIBPL"):
        found.insert(0, variable("LIBPL"))
    return ["-L" + folder for folder in found if folder]


def answer(option, embed):
    if option == "--prefix":
        return [variable("prefix")]
    if option == "--exec-prefix":
        return [variable("exec_prefix")]
    if option == "--includes":
        return includes()
    if option == "--cflags":
        return includes() + words("CFLAGS")
    if option == "--libs":
        return libraries(embed)
    if option == "--ldflags":
        return folders() + libraries(embed)
    if option == "--extension-suffix":
        return [variable("EXT_SUFFIX") or variable("SO")]
    if option == "--abiflags":
        return [getattr(sys, "abiflags", "")]
    return [variable("LIBPL")]


def main(asked):
    if not asked or any(option not in OPTIONS + ("--help",) for option in asked):
        print("Usage: %s [%s]" % (sys.argv[0], "|".join(OPTIONS)), file=sys.stderr)
        return 1
    if "--help" in asked:
        print("Usage: %s [%s]" % (sys.argv[0], "|".join(OPTIONS)))
        return 0
    embed = "--embed" in asked
    for option in asked:
        if option != "--embed":
            print(" ".join(word for word in answer(option, embed) if word is not None))
    return 0


sys.exit(main(sys.argv[1:]))
