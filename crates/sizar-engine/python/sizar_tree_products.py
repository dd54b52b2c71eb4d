# Finds compiled modules of a source tree that were built into this environment.
#
# sizar builds extensions of a tree (`python setup.py build_ext --inplace`) in a copy of it, and
# keeps what was made below PREFIX/tree; a source that is installed has its own in site-packages. A
# program that runs in a fresh copy of the tree finds neither beside its sources. This finder, the
# last one that is asked, looks for a module that nobody else found in the folder of the same name
# there. It never answers for anything that can be found without it.
#
# Loaded by a .pth file of the environment; silent, and harmless on every Python.

import os
import sys

try:
    from importlib.machinery import EXTENSION_SUFFIXES, FileFinder, ExtensionFileLoader, ModuleSpec
except ImportError:  # Python 2 has no such machinery
    FileFinder = None


def _roots():
    here = os.path.dirname(os.path.abspath(__file__))
    found = []
    products = os.path.join(sys.prefix, "tree")
    if os.path.isdir(products):
        found.append(products)
    return found, here


class TreeProducts(object):
    def __init__(self, roots, installed):
        self.roots = roots
        self.installed = installed

    def find_spec(self, fullname, path=None, target=None):
        name = fullname.rpartition(".")[2]
        for folder in sys.path if path is None else list(path):
            for place in self._places(folder, path is None):
                spec = FileFinder(place, (ExtensionFileLoader, EXTENSION_SUFFIXES)).find_spec(
                    fullname
                )
                if spec is not None and spec.loader is not None:
                    return spec
                if place.startswith(tuple(self.roots)) and os.path.isdir(os.path.join(place, name)):
                    # a folder that only the build made
                    spec = ModuleSpec(fullname, None, is_package=True)
                    spec.submodule_search_locations = [os.path.join(place, name)]
                    return spec
        return None

    def _places(self, folder, top):
        """The folders that have the same last parts as `folder`, the longest first."""
        parts = [part for part in os.path.abspath(folder or os.getcwd()).split(os.sep) if part]
        for root in self.roots + ([] if top else [self.installed]):
            for count in range(min(len(parts), 8), -1, -1):
                if count == 0 and not (top and root in self.roots):
                    continue
                place = os.path.join(root, *parts[len(parts) - count :])
                if os.path.isdir(place) and place != os.path.abspath(folder or "."):
                    yield place


if FileFinder is not None:
    try:
        sys.meta_path.append(TreeProducts(*_roots()))
    except Exception:
        pass
