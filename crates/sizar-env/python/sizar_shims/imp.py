# Python 3.12 removed `imp`.

from __future__ import absolute_import

from sizar_shims import hooks

NAME = "imp"


def install():
    hooks.where_absent("imp", NAME, fill)


def fill(module):
    import importlib
    import importlib.machinery
    import importlib.util
    import os
    import sys
    import tokenize
    import types

    module.SEARCH_ERROR = 0
    module.PY_SOURCE = 1
    module.PY_COMPILED = 2
    module.C_EXTENSION = 3
    module.PKG_DIRECTORY = 5
    module.C_BUILTIN = 6
    module.PY_FROZEN = 7
    module.reload = importlib.reload
    module.new_module = types.ModuleType
    module.cache_from_source = importlib.util.cache_from_source
    module.source_from_cache = importlib.util.source_from_cache
    module.get_magic = lambda: importlib.util.MAGIC_NUMBER
    module.get_tag = lambda: sys.implementation.cache_tag
    module.is_builtin = lambda name: int(name in sys.builtin_module_names)
    module.is_frozen = lambda name: importlib.machinery.FrozenImporter.find_spec(name) is not None
    module.lock_held = lambda: False
    module.acquire_lock = lambda: None
    module.release_lock = lambda: None

    def get_suffixes():
        machinery = importlib.machinery
        return (
            [(suffix, "rb", module.C_EXTENSION) for suffix in machinery.EXTENSION_SUFFIXES]
            + [(suffix, "r", module.PY_SOURCE) for suffix in machinery.SOURCE_SUFFIXES]
            + [(suffix, "rb", module.PY_COMPILED) for suffix in machinery.BYTECODE_SUFFIXES]
        )

    def load(name, path, loader):
        spec = importlib.util.spec_from_file_location(name, path, loader=loader)
        made = importlib.util.module_from_spec(spec)
        sys.modules[name] = made
        try:
            spec.loader.exec_module(made)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        return sys.modules[name]

    def load_source(name, pathname, file=None):
        return load(name, pathname, importlib.machinery.SourceFileLoader(name, pathname))

    def load_compiled(name, pathname, file=None):
        return load(name, pathname, importlib.machinery.SourcelessFileLoader(name, pathname))

    def load_dynamic(name, path, file=None):
        return load(name, path, importlib.machinery.ExtensionFileLoader(name, path))

    def load_package(name, path):
        for suffix in importlib.machinery.SOURCE_SUFFIXES:
            start = os.path.join(path, "__init__" + suffix)
            if os.path.exists(start):
                spec = importlib.util.spec_from_file_location(
                    name, start, submodule_search_locations=[path]
                )
                made = importlib.util.module_from_spec(spec)
                sys.modules[name] = made
                spec.loader.exec_module(made)
                return sys.modules[name]
        raise ValueError("%r is not a package" % path)

    def find_module(name, path=None):
        if path is None:
            if module.is_builtin(name):
                return None, None, ("", "", module.C_BUILTIN)
            path = sys.path
        for entry in path:
            folder = os.path.join(entry, name)
            for suffix in (".py", ".pyc"):
                if os.path.isfile(os.path.join(folder, "__init__" + suffix)):
                    return None, folder, ("", "", module.PKG_DIRECTORY)
            for suffix, mode, kind in get_suffixes():
                found = os.path.join(entry, name + suffix)
                if not os.path.isfile(found):
                    continue
                if "b" in mode:
                    return open(found, mode), found, (suffix, mode, kind)
                return tokenize.open(found), found, (suffix, mode, kind)
        raise ImportError("No module named %r" % name, name=name)

    def load_module(name, file, filename, details):
        kind = details[2]
        if kind == module.PY_SOURCE:
            return load_source(name, filename, file)
        if kind == module.PY_COMPILED:
            return load_compiled(name, filename, file)
        if kind == module.C_EXTENSION:
            return load_dynamic(name, filename, file)
        if kind == module.PKG_DIRECTORY:
            return load_package(name, filename)
        if kind in (module.C_BUILTIN, module.PY_FROZEN):
            return importlib.import_module(name)
        raise ImportError("Don't know how to import %s (type code %s)" % (name, kind), name=name)

    for function in (
        get_suffixes,
        load_source,
        load_compiled,
        load_dynamic,
        load_package,
        find_module,
        load_module,
    ):
        setattr(module, function.__name__, function)
