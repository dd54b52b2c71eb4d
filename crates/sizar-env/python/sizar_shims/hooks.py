# Says when a module was imported, and stands in for modules that are nowhere.

from __future__ import absolute_import

import sys

_PYTHON_2 = sys.version_info[0] == 2
if _PYTHON_2:
    # here, because a finder that imports would be asked for it
    import imp as _imp

# module -> [(shim, function of the module)]
_waiting = {}
# module -> (shim, function that fills the module, whether it is a package)
_absent = {}
# modules whose real finder is being asked
_asked = set()


def after(name, shim, function):
    """Calls function(module) when `name` was imported, or now if that is past."""
    module = sys.modules.get(name)
    if module is not None and not _is_being_imported(module):
        _call(shim, function, module)
        return
    _waiting.setdefault(name, []).append((shim, function))
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def where_absent(name, shim, fill, package=False):
    """Provides module `name`, filled by fill(module), where nothing else does."""
    _absent[name] = (shim, fill, package)
    if _LAST not in sys.meta_path:
        sys.meta_path.append(_LAST)


def _is_being_imported(module):
    spec = getattr(module, "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def _call(shim, function, module):
    try:
        function(module)
    except Exception as error:
        from sizar_shims import ledger

        ledger.failed(shim, error)


def _imported(name):
    module = sys.modules.get(name)
    for shim, function in _waiting.pop(name, ()):
        if module is not None:
            _call(shim, function, module)


class _Watched(object):
    """A loader that says when its module is there. It steps aside then."""

    def __init__(self, loader, name):
        self._loader = loader
        self._name = name

    def __getattr__(self, attribute):
        return getattr(self._loader, attribute)

    def create_module(self, spec):
        create = getattr(self._loader, "create_module", None)
        return create(spec) if create is not None else None

    def exec_module(self, module):
        spec = getattr(module, "__spec__", None)
        # code that asks for its loader, for data beside it, gets the real one
        try:
            if spec is not None:
                spec.loader = self._loader
            module.__loader__ = self._loader
        except Exception:
            pass
        self._loader.exec_module(module)
        _imported(self._name)


class _Finder(object):
    """Comes before all others, and only wraps what they find."""

    def find_spec(self, name, path=None, target=None):
        if name not in _waiting or name in _asked:
            return None
        _asked.add(name)
        try:
            for finder in list(sys.meta_path):
                find = getattr(finder, "find_spec", None)
                if finder is self or find is None:
                    continue
                spec = find(name, path, target)
                if spec is not None:
                    break
            else:
                return None
        finally:
            _asked.discard(name)
        # a namespace package has no loader that runs anything
        if hasattr(spec.loader, "exec_module"):
            spec.loader = _Watched(spec.loader, name)
        return spec

    # Python 2

    def find_module(self, name, path=None):
        if _PYTHON_2 and name in _waiting and name not in _asked:
            return self
        return None

    def load_module(self, name):
        _asked.add(name)
        try:
            __import__(name)
        finally:
            _asked.discard(name)
        _imported(name)
        return sys.modules[name]


class _Last(object):
    """Comes after all others, with what none of them has."""

    def find_spec(self, name, path=None, target=None):
        if name not in _absent:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, self, origin="sizar", is_package=_absent[name][2])

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        self._fill(module)

    def _fill(self, module):
        from sizar_shims import ledger

        shim, fill, _ = _absent[module.__name__]
        fill(module)
        ledger.record(shim, "import " + module.__name__)

    # Python 2, which asks these finders before it looks into the folders

    def find_module(self, name, path=None):
        if not _PYTHON_2 or name not in _absent:
            return None
        try:
            _imp.find_module(name.rpartition(".")[2], path)
        except ImportError:
            return self
        return None

    def load_module(self, name):
        import types

        module = types.ModuleType(name)
        module.__loader__ = self
        if _absent[name][2]:
            module.__path__ = []
        sys.modules[name] = module
        try:
            self._fill(module)
        except Exception:
            del sys.modules[name]
            raise
        return module


_FINDER = _Finder()
_LAST = _Last()
