# Finds modules of a source tree that were built into this environment.
#
# sizar builds extensions of a tree (`python setup.py build_ext --inplace`) in a copy of it, and
# keeps what was made below PREFIX/tree, as it does with modules that the build of a source writes
# (`pkg/version.py`); a source that is installed has its extensions in site-packages. A program that
# runs in a fresh copy of the tree finds neither beside its sources. This finder, the last one that
# is asked, looks for a module that nobody else found in the folder of the same name there. It never
# answers for anything that can be found without it.
#
# Loaded by a .pth file of the environment; silent, and harmless on every Python.

import os
import sys

try:
    from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
    from importlib.machinery import ExtensionFileLoader, FileFinder, ModuleSpec, SourceFileLoader
except ImportError:  # Python 2 has another machinery
    import imp

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
                kept = place.startswith(tuple(self.roots))
                loaders = [(ExtensionFileLoader, EXTENSION_SUFFIXES)]
                if kept:
                    loaders.append((SourceFileLoader, SOURCE_SUFFIXES))
                spec = FileFinder(place, *loaders).find_spec(fullname)
                if spec is not None and spec.loader is not None:
                    return spec
                if kept and os.path.isdir(os.path.join(place, name)):
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


class OldTreeProducts(TreeProducts):
    """The same for Python 2, which asks before it looks for itself."""

    def find_module(self, fullname, path=None):
        name = fullname.rpartition(".")[2]
        for folder in sys.path if path is None else list(path):
            for place in self._places(folder, path is None):
                found = self._found(name, [place])
                kinds = (imp.C_EXTENSION,)
                if place.startswith(tuple(self.roots)):
                    kinds = (imp.C_EXTENSION, imp.PY_SOURCE)
                if found is None or found[2] not in kinds:
                    continue
                if self._found(name, path) is None:
                    return OldLoader(name, place)
                return None
        return None

    @staticmethod
    def _found(name, folders):
        try:
            opened, path, about = imp.find_module(name, folders)
        except ImportError:
            return None
        if opened is not None:
            opened.close()
        return path, about[0], about[2]


class OldLoader(object):
    def __init__(self, name, place):
        self.name = name
        self.place = place

    def load_module(self, fullname):
        if fullname in sys.modules:
            return sys.modules[fullname]
        opened, path, about = imp.find_module(self.name, [self.place])
        try:
            return imp.load_module(fullname, opened, path, about)
        finally:
            opened.close()


try:
    kind = OldTreeProducts if FileFinder is None else TreeProducts
    sys.meta_path.append(kind(*_roots()))
except Exception:
    pass
