# Carries out a build inside the tree: SETUP.PY ARGS..., run in the folder of the setup.py.
#
# Where there is no CUDA compiler, extensions that need one are left out and the others are built:
# C and Cython modules of the same setup.py are needed on a CPU as well. What is left out is said on
# standard output.
#
# Runs on every Python from 2.7 on, with distutils, setuptools and torch as they were.

from __future__ import print_function

import os
import sys

SCRIPT = sys.argv[1]
# the folder of this file is no place for the setup.py to import from
sys.path[0] = os.getcwd()
sys.argv[:] = sys.argv[1:]


def in_path(program):
    folders = os.environ.get("PATH", "").split(os.pathsep)
    return any(os.path.exists(os.path.join(folder, program)) for folder in folders)


def has_cuda():
    homes = [os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH", "CUDAHOME")]
    homes.append("/usr/local/cuda")
    found = [home for home in homes if home and os.path.exists(os.path.join(home, "bin", "nvcc"))]
    return bool(found) or in_path("nvcc")


def say_left_out(extension, why):
    print("sizar: without the extension `%s`: %s" % (extension.name, why))
    sys.stdout.flush()


def is_for_cuda(extension):
    """Says why an extension needs CUDA; nothing where it does not."""
    for source in extension.sources or ():
        if str(source).endswith((".cu", ".cuh")):
            return "`%s` is compiled by nvcc" % source
    libraries = list(extension.libraries or ()) + list(extension.extra_link_args or ())
    if any(str(library) in ("cudart", "-lcudart", "cuda") for library in libraries):
        return "it is linked with CUDA"
    if getattr(extension, "sizar_cuda", False):
        return "it is a CUDAExtension"
    return None


def without_cuda(extensions):
    kept = []
    for extension in extensions or ():
        why = is_for_cuda(extension) if hasattr(extension, "sources") else None
        if why is None:
            kept.append(extension)
        else:
            say_left_out(extension, why)
    return kept


def wrap_setup(module):
    setup = module.setup

    def without(**attrs):
        if attrs.get("ext_modules"):
            attrs["ext_modules"] = without_cuda(attrs["ext_modules"])
            if not attrs["ext_modules"]:
                print("sizar: nothing is left to build")
                return None
        return setup(**attrs)

    module.setup = without


def pretend_cuda_home():
    """Gives `locate_cuda()`, which many copied, the paths that it insists on; nothing lies there."""
    import atexit
    import shutil
    import tempfile

    home = tempfile.mkdtemp(prefix="no-cuda-")
    atexit.register(shutil.rmtree, home, True)
    for folder in ("bin", "include", "lib", "lib64"):
        os.makedirs(os.path.join(home, folder))
    compiler = os.path.join(home, "bin", "nvcc")
    with open(compiler, "w") as file:
        file.write("#!/bin/sh\necho 'nvcc: there is no CUDA compiler' >&2\nexit 127\n")
    os.chmod(compiler, 0o755)
    # torch looks at CUDA_HOME, and would take this for a real one
    os.environ["CUDAHOME"] = home


def stand_in_for_torch():
    """Makes torch's CUDAExtension, which fails where there is no CUDA, one that is left out."""
    try:
        from torch.utils import cpp_extension
    except Exception:
        return
    from setuptools import Extension

    def cuda_extension(name, sources, *args, **options):
        sources = [str(source) for source in sources]
        plain = dict((key, options[key]) for key in ("libraries", "extra_link_args") if key in options)
        extension = Extension(name, sources, **plain)
        extension.sizar_cuda = True
        return extension

    cpp_extension.CUDAExtension = cuda_extension


def show_headers_of_numpy():
    """Lets the compiler find NumPy's headers, after all that a setup.py names: many forget them for one
    of several extensions, and their authors' machines had them among the system's."""
    try:
        import numpy

        include = numpy.get_include()
    except Exception:
        return
    known = os.environ.get("CPATH")
    os.environ["CPATH"] = os.pathsep.join([known, include] if known else [include])


def main():
    show_headers_of_numpy()
    with open(SCRIPT, "rb") as file:
        source = file.read()
    text = source.decode("latin-1")
    if not has_cuda():
        # setuptools, which puts its own in the place of distutils, comes first where it is meant
        if "setuptools" in text or "cpp_extension" in text or sys.version_info >= (3, 12):
            import setuptools  # noqa: F401
        import distutils.core

        wrap_setup(distutils.core)
        if "CUDAHOME" in text:
            pretend_cuda_home()
        if "cpp_extension" in text:
            stand_in_for_torch()
    if sys.version_info[0] > 2 and ".iteritems()" in text:
        # written for both, but for a dictionary's method of Python 2
        source = source.replace(b".iteritems()", b".items()")
    namespace = {"__name__": "__main__", "__file__": SCRIPT, "__builtins__": __builtins__}
    exec(compile(source, SCRIPT, "exec"), namespace)


# what the setup.py defines belongs to its namespace alone, and `__main__` is this module
main()
