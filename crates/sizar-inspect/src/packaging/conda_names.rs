//! What conda calls the distributions of PyPI, and what PyPI does not have.

/// Distributions that have another name on PyPI, sorted by their name on conda.
const RENAMED: &[(&str, &str)] = &[
    ("brotli-python", "brotli"),
    ("cudatoolkit-dev", ""),
    ("dask-core", "dask"),
    ("dgl-cuda10.0", "dgl"),
    ("dgl-cuda10.1", "dgl"),
    ("dgl-cuda10.2", "dgl"),
    ("dgl-cuda11.0", "dgl"),
    ("fastai-core", "fastai"),
    ("importlib_metadata", "importlib-metadata"),
    ("keras-base", "keras"),
    ("keras-gpu", "keras"),
    ("libopencv", ""),
    ("matplotlib-base", "matplotlib"),
    ("msgpack-python", "msgpack"),
    ("opencv", "opencv-python-headless"),
    ("opencv3", "opencv-python-headless"),
    ("opt-einsum", "opt-einsum"),
    ("py-opencv", "opencv-python-headless"),
    ("py-xgboost", "xgboost"),
    ("py-xgboost-cpu", "xgboost"),
    ("py-xgboost-gpu", "xgboost"),
    ("pyav", "av"),
    ("pyg", "torch-geometric"),
    ("pyqt", "pyqt5"),
    ("pytables", "tables"),
    ("python-blosc", "blosc"),
    ("python-flatbuffers", "flatbuffers"),
    ("python-graphviz", "graphviz"),
    ("python-levenshtein", "python-levenshtein"),
    ("python-lmdb", "lmdb"),
    ("pytorch", "torch"),
    ("pytorch-cpu", "torch"),
    ("pytorch-geometric", "torch-geometric"),
    ("pytorch-gpu", "torch"),
    ("pytorch-nightly", "torch"),
    ("ruamel_yaml", "ruamel.yaml"),
    ("tensorflow-eigen", "tensorflow"),
    ("tensorflow-mkl", "tensorflow"),
    ("torchvision-cpu", "torchvision"),
];

/// What conda packages and PyPI does not: libraries, compilers, and parts that conda splits off.
/// Sorted.
const ONLY_CONDA: &[&str] = &[
    "alsa-lib", "anaconda", "anaconda-client", "anaconda-navigator", "anaconda-project", "aom",
    "atk", "atk-1.0", "binutils", "blas", "blosc", "boost", "boost-cpp", "bzip2", "c-ares",
    "c-blosc2", "c-compiler", "ca-certificates", "cairo", "cctools", "charls", "clang", "cmake",
    "compilers", "conda", "conda-build", "conda-env", "conda-package-handling", "console_shortcut",
    "cuda", "cudatoolkit", "cudnn", "curl", "cxx-compiler", "cyrus-sasl", "dav1d", "dbus", "eigen",
    "enum34", "espeak", "expat", "ffmpeg", "fftw", "fontconfig", "fortran-compiler", "freeglut",
    "freetds", "freetype", "fribidi", "gcc", "gdk-pixbuf", "geos", "get_terminal_size", "gettext",
    "gflags", "gfortran", "ghostscript", "giflib", "git", "git-lfs", "glew", "glib", "glib-tools",
    "glog", "gmp", "gnutls", "gobject-introspection", "graphite2", "graphviz", "grpc-cpp", "gsl",
    "gst-plugins-base", "gstreamer", "gtk2", "gtk3", "gxx", "harfbuzz", "hdf4", "hdf5", "hwloc",
    "icc_rt", "icu", "imagecodecs-lite", "imagemagick", "intel-openmp", "jasper", "java-jdk", "jpeg",
    "jpeg-turbo", "json-c", "jxrlib", "kealib", "keyutils", "krb5", "lame", "lcms2", "ld64", "ld_impl_linux-64",
    "leptonica", "lerc", "leveldb", "llvm", "llvm-openmp", "llvmdev", "lz4-c", "lzo", "m4", "magma",
    "make", "menuinst", "metis", "mkl", "mkl-devel", "mkl-include", "mkl-service", "mkl_fft",
    "mkl_random", "mpc", "mpfr", "mpi", "mpich", "mpich2", "msys2-conda-epoch", "nasm", "nb_conda",
    "nb_conda_kernels", "nccl", "ncurses", "ncurses5", "nettle", "ninja-base", "nodejs", "nomkl", "nspr",
    "nss", "numpy-base", "openblas", "openblas-devel", "opencv-base", "openexr", "openh264", "openjdk",
    "openjpeg", "openldap", "openmp", "openmpi", "openslide", "openssl", "orc", "p11-kit",
    "p7zip", "pandoc", "pango", "parallel", "patchelf", "pcre", "pcre2", "perl", "pixman", "pkg-config",
    "poppler", "poppler-data", "postgresql", "proj", "proj4", "pthread-stubs", "pthreads-win32",
    "pulseaudio", "pycosat", "python_abi", "pytorch-cuda", "pytorch-mutex", "qhull", "qt", "qt-main",
    "re2", "readline", "rhash", "ruby", "rust", "s2n", "screen", "sed", "snappy", "sox", "sqlite", "suitesparse",
    "svt-av1", "swig", "system", "tbb", "tbb-devel", "tensorboard-base", "tensorflow-base",
    "tesseract", "tk", "tmux", "tzdata", "ucrt", "unixodbc", "unrar", "unzip", "utf8proc", "util-linux", "vc", "vim",
    "vs2013_runtime", "vs2015_runtime", "vtk", "wget", "wincertstore", "winpty", "x264", "x265",
    "xerces-c", "xvidcore", "xz", "yaml", "zeromq", "zfp", "zip", "zlib", "zlib-ng", "zstd",
];

/// Name starts of conda's own.
const ONLY_CONDA_STARTS: &[&str] = &[
    "_", "binutils_", "cuda-", "font-ttf-", "fonts-", "gcc_", "gfortran_", "gst-", "gxx_", "libcu", "libnv",
    "m2-", "m2w64-", "msys2-", "perl-", "r-", "rb-", "sysroot_", "vs20", "xorg-", "aws-c-", "abseil-cpp",
    "conda-forge-", "kernel-headers_", "bioconductor-",
];

/// Distributions of PyPI whose name starts with `lib`.
const PYTHON_LIBS: &[&str] = &[
    "libarchive-c", "libcst", "liblinear-official", "libpysal", "librosa", "libsass", "libsvm-official",
    "libtmux", "libtorrent", "libusb1", "libclang",
];

/// Programs of the operating system that code calls, by their name on conda and in apt.
const PROGRAMS: &[(&str, &str)] = &[
    ("espeak", "espeak"),
    ("ffmpeg", "ffmpeg"),
    ("ghostscript", "ghostscript"),
    ("git", "git"),
    ("git-lfs", "git-lfs"),
    ("graphviz", "graphviz"),
    ("imagemagick", "imagemagick"),
    ("openjdk", "default-jre"),
    ("openslide", "libopenslide0"),
    ("poppler", "poppler-utils"),
    ("sox", "sox"),
    ("tesseract", "tesseract-ocr"),
    ("unzip", "unzip"),
    ("wget", "wget"),
];

/// Where a conda package is to be had outside conda.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counterpart<'a> {
    /// On PyPI under this name.
    PyPi(&'a str),
    /// Nowhere on PyPI; the program of the operating system, where code calls it.
    None { program: Option<&'static str> },
}

/// Looks up the name of a conda package.
pub(super) fn counterpart(name: &str) -> Counterpart<'_> {
    let program = || PROGRAMS.iter().find(|(conda, _)| *conda == name).map(|(_, apt)| *apt);
    if let Ok(index) = RENAMED.binary_search_by(|(conda, _)| (*conda).cmp(name)) {
        return match RENAMED.get(index) {
            Some((_, pypi)) if !pypi.is_empty() => Counterpart::PyPi(pypi),
            _ => Counterpart::None { program: None },
        };
    }
    let library = name.starts_with("lib") && !PYTHON_LIBS.contains(&name);
    if library
        || ONLY_CONDA.contains(&name)
        || ONLY_CONDA_STARTS.iter().any(|start| name.starts_with(start))
    {
        return Counterpart::None { program: program() };
    }
    Counterpart::PyPi(name)
}

/// Returns whether PyPI's releases carry one more number than conda's (`3.4.2` is `3.4.2.17`).
pub(super) fn has_longer_versions(pypi: &str) -> bool {
    pypi == "opencv-python-headless"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_can_be_searched() {
        assert!(RENAMED.is_sorted_by_key(|(conda, _)| *conda));
        assert_eq!(counterpart("pytorch"), Counterpart::PyPi("torch"));
        assert_eq!(counterpart("librosa"), Counterpart::PyPi("librosa"));
        assert_eq!(counterpart("libgcc-ng"), Counterpart::None { program: None });
        assert_eq!(counterpart("_libgcc_mutex"), Counterpart::None { program: None });
        assert_eq!(counterpart("ffmpeg"), Counterpart::None { program: Some("ffmpeg") });
        assert_eq!(counterpart("numpy"), Counterpart::PyPi("numpy"));
    }
}
