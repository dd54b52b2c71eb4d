# SciPy 1.2 and 1.3 removed the functions for pictures from `scipy.misc`, and what had moved to
# `scipy.special`; SciPy 2 removes the module.

from __future__ import absolute_import

import sys

from sizar_shims import hooks

NAME = "scipy-misc-image"
SPECIAL = ("comb", "factorial", "factorial2", "factorialk", "logsumexp")


def install():
    hooks.after("scipy.misc", NAME, mend)
    hooks.where_absent("scipy.misc", NAME, mend)


def mend(module):
    for name, function in (
        ("bytescale", bytescale),
        ("toimage", toimage),
        ("fromimage", fromimage),
        ("imread", imread),
        ("imsave", imsave),
        ("imresize", imresize),
        ("imrotate", imrotate),
    ):
        if not _has(module, name):
            setattr(module, name, function)
    for name in SPECIAL:
        if not _has(module, name):
            setattr(module, name, _special(name))


def _has(module, name):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hasattr(module, name)


def _special(name):
    def function(*args, **options):
        import scipy.special

        return getattr(scipy.special, name)(*args, **options)

    function.__name__ = name
    return function


def bytescale(data, cmin=None, cmax=None, high=255, low=0):
    import numpy

    if data.dtype == numpy.uint8:
        return data
    cmin = data.min() if cmin is None else cmin
    cmax = data.max() if cmax is None else cmax
    span = cmax - cmin
    scale = float(high - low) / (span if span else 1)
    scaled = (data - cmin) * scale + low
    return (scaled.clip(low, high) + 0.5).astype(numpy.uint8)


def toimage(arr, high=255, low=0, cmin=None, cmax=None, pal=None, mode=None, channel_axis=None):
    import numpy
    from PIL import Image

    data = numpy.asarray(arr)
    if mode == "F":
        return Image.fromarray(data.astype(numpy.float32))
    if channel_axis is not None:
        data = numpy.moveaxis(data, channel_axis, -1)
    elif data.ndim == 3 and data.shape[2] not in (3, 4) and data.shape[0] in (3, 4):
        data = numpy.moveaxis(data, 0, -1)
    image = Image.fromarray(numpy.ascontiguousarray(bytescale(data, cmin, cmax, high, low)))
    return image if mode in (None, image.mode) else image.convert(mode)


def fromimage(im, flatten=False, mode=None):
    import numpy

    if mode is not None and mode != im.mode:
        im = im.convert(mode)
    elif im.mode == "P":
        im = im.convert("RGBA" if "transparency" in im.info else "RGB")
    if flatten:
        im = im.convert("F")
    elif im.mode == "1":
        im = im.convert("L")
    return numpy.array(im)


def imread(name, flatten=False, mode=None):
    from PIL import Image

    with Image.open(name) as image:
        return fromimage(image, flatten, mode)


def imsave(name, arr, format=None):
    image = toimage(arr, channel_axis=2 if getattr(arr, "ndim", 2) == 3 else None)
    image.save(name) if format is None else image.save(name, format)


def imresize(arr, size, interp="bilinear", mode=None):
    import numpy
    from PIL import Image

    image = toimage(arr, mode=mode)
    if isinstance(size, int) or (numpy.isscalar(size) and numpy.issubdtype(type(size), numpy.integer)):
        # per cent
        wanted = tuple(int(side * size / 100.0) for side in image.size)
    elif numpy.isscalar(size):
        wanted = tuple(int(side * size) for side in image.size)
    else:
        wanted = (size[1], size[0])
    how = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "cubic": 3}[interp]
    return fromimage(image.resize(wanted, resample=how))


def imrotate(arr, angle, interp="bilinear"):
    how = {"nearest": 0, "bilinear": 2, "bicubic": 3, "cubic": 3}[interp]
    return fromimage(toimage(arr).rotate(angle, resample=how))
