# Compiles Python files, for an environment that the programs in it cannot write to.
#
# Usage: compile_files.py LIST
#
# LIST has a path in each line. Files that do not compile belong to another Python and are never
# imported: they are no error. (compileall's own workers compile folders only.)
#
# Runs on every Python from 2.7 on.

import compileall
import os
import sys

with open(sys.argv[1]) as lines:
    FILES = [line.rstrip("\n") for line in lines]
try:
    CORES = len(os.sched_getaffinity(0))
except AttributeError:
    CORES = 1
CHILDREN = []
for part in range(CORES):
    child = os.fork()
    if child == 0:
        try:
            for path in FILES[part::CORES]:
                # what is compiled already is left
                compileall.compile_file(path, quiet=2)
        finally:
            os._exit(0)
    CHILDREN.append(child)
for child in CHILDREN:
    os.waitpid(child, 0)
