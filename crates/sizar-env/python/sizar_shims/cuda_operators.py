# CUDA extensions of a tree that nothing here can compile, and whose operators are known: boxes are
# suppressed by NumPy, regions are pooled and convolutions deformed by torchvision.
#
# Only modules that nobody else finds are stood in for, only outside of the installed packages, and
# only under the names that the known families use. An operator that is not known says so when it
# is called; what has only a backward pass in CUDA is for prediction alone.

from __future__ import absolute_import

import os
import sys
import types

from sizar_shims import hooks, ledger

NAME = "cuda-operators"
_PYTHON_2 = sys.version_info[0] == 2

# stand-ins whose callers look first whether their tensors are on a GPU
_claiming = []


def install():
    sys.meta_path.insert(0, _Ffi())
    sys.meta_path.append(_Operators())


def _torch_ffi(module):
    # what the tree made with it stands in here already
    module._wrap_function = lambda function, ffi: function

    def create_extension(name, *args, **options):
        raise RuntimeError("`%s` is compiled by torch.utils.ffi, which torch 1.0 dropped" % name)

    module.create_extension = create_extension


# The operators


def _array(something):
    import numpy

    detached = something.detach().cpu().numpy() if hasattr(something, "detach") else something
    return numpy.asarray(detached)


def _suppress(boxes, scores, threshold, one):
    """Greedy suppression of boxes; `one` is added to widths, as the CUDA kernels do."""
    import numpy

    left, top, right, bottom = boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3]
    areas = (right - left + one) * (bottom - top + one)
    order = numpy.argsort(-scores, kind="mergesort")
    kept = []
    while order.size:
        first, rest = order[0], order[1:]
        kept.append(int(first))
        width = numpy.minimum(right[first], right[rest]) - numpy.maximum(left[first], left[rest])
        height = numpy.minimum(bottom[first], bottom[rest]) - numpy.maximum(top[first], top[rest])
        both = numpy.maximum(width + one, 0) * numpy.maximum(height + one, 0)
        # without a division, so that empty boxes are no special case
        order = rest[both <= threshold * (areas[first] + areas[rest] - both)]
    return kept


def _suppress_detections(dets, threshold):
    dets = _array(dets)
    return _suppress(dets[:, :4], dets[:, 4], float(threshold), 1)


def _torchvision(operator):
    try:
        from torchvision import ops

        return getattr(ops, operator)
    except (ImportError, AttributeError):
        raise RuntimeError(
            "`%s` of a CUDA extension is needed, and the torchvision that is installed has no `%s`"
            % (operator, operator)
        )


def _align(features, rois, height, width, scale, ratio=0, aligned=False):
    options = {"aligned": True} if aligned else {}
    return _torchvision("roi_align")(
        features, rois, (int(height), int(width)), float(scale), max(int(ratio), 0), **options
    )


def _pool(features, rois, height, width, scale):
    try:
        roi_pool = _torchvision("roi_pool")
    except RuntimeError:
        return _pool_by_parts(features, rois, int(height), int(width), float(scale))
    return roi_pool(features, rois, (int(height), int(width)), float(scale))


def _pool_by_parts(features, rois, height, width, scale):
    """The same without torchvision, which has it from 0.3 on."""
    import numpy

    data, boxes = _array(features), _array(rois)
    rows, columns = data.shape[2:]
    result = numpy.zeros((len(boxes), data.shape[1], height, width), dtype=data.dtype)
    for at, box in enumerate(boxes):
        # halves go up, as the kernel's round() has it
        left, top, right, bottom = numpy.floor(box[1:5] * scale + 0.5).astype(int)
        tall = max(bottom - top + 1, 1) / float(height)
        wide = max(right - left + 1, 1) / float(width)
        for row in range(height):
            start = min(max(int(numpy.floor(row * tall)) + top, 0), rows)
            end = min(max(int(numpy.ceil((row + 1) * tall)) + top, 0), rows)
            for column in range(width):
                first = min(max(int(numpy.floor(column * wide)) + left, 0), columns)
                last = min(max(int(numpy.ceil((column + 1) * wide)) + left, 0), columns)
                if end > start and last > first:
                    part = data[int(box[0]), :, start:end, first:last]
                    result[at, :, row, column] = part.max(axis=(1, 2))
    return features.new_tensor(result)


def _align_by_points(features, rois, height, width, scale):
    """The alignment that came before that of torchvision, with one point for each bin."""
    import numpy

    data, boxes = _array(features), _array(rois)
    rows, columns = data.shape[2:]
    result = numpy.zeros((len(boxes), data.shape[1], height, width), dtype=data.dtype)
    for at, box in enumerate(boxes):
        left, top, right, bottom = box[1:5] * scale
        ys = top + numpy.arange(height) * (max(bottom - top + 1, 0) / (height - 1.0))
        xs = left + numpy.arange(width) * (max(right - left + 1, 0) / (width - 1.0))
        inside = ((ys >= 0) & (ys < rows))[:, None] & ((xs >= 0) & (xs < columns))[None, :]
        up = numpy.clip(numpy.floor(ys), 0, max(rows - 2, 0)).astype(int)
        west = numpy.clip(numpy.floor(xs), 0, max(columns - 2, 0)).astype(int)
        down, east = numpy.minimum(up + 1, rows - 1), numpy.minimum(west + 1, columns - 1)
        v, h = (ys - up)[:, None], (xs - west)[None, :]
        image = data[int(box[0])]
        mixed = (
            image[:, up][:, :, west] * (1 - v) * (1 - h)
            + image[:, up][:, :, east] * (1 - v) * h
            + image[:, down][:, :, west] * v * (1 - h)
            + image[:, down][:, :, east] * v * h
        )
        result[at] = numpy.where(inside, mixed, 0)
    return features.new_tensor(result)


def _deform(input, offset, weight, bias, stride, padding, dilation, mask=None):
    options = {} if mask is None else {"mask": mask}
    return _torchvision("deform_conv2d")(
        input, offset, weight, bias, stride=stride, padding=padding, dilation=dilation, **options
    )


def _into(output, result):
    output.resize_(result.size()).copy_(result)
    return 1


# The families


def _rbg_nms(module):
    """py-faster-rcnn's Cython modules: arrays of boxes with their scores in the last column."""
    module.gpu_nms = lambda dets, thresh, device_id=0: _suppress_detections(dets, thresh)
    module.cpu_nms = lambda dets, thresh: _suppress_detections(dets, thresh)


def _mmdet_nms(module):
    import torch

    def nms(dets, threshold):
        kept = _suppress_detections(dets, threshold)
        return torch.tensor(kept, dtype=torch.long, device=dets.device)

    module.nms = nms


def _maskrcnn(module):
    """maskrcnn-benchmark's `_C`, which many took over."""
    import torch

    def nms(boxes, scores, threshold):
        kept = _suppress(_array(boxes), _array(scores), float(threshold), 1)
        return torch.tensor(kept, dtype=torch.long, device=boxes.device)

    def roi_align_forward(features, rois, scale, height, width, ratio):
        return _align(features, rois, height, width, scale, ratio)

    def roi_pool_forward(features, rois, scale, height, width):
        pooled = _pool(features, rois, height, width, scale)
        return pooled, torch.zeros_like(pooled, dtype=torch.int32)

    module.nms = nms
    module.roi_align_forward = roi_align_forward
    module.roi_pool_forward = roi_pool_forward


def _mmdet_deform(module):
    def deform_conv_forward_cuda(
        input, weight, offset, output, columns, ones, kw, kh, dw, dh, padw, padh, dilw, dilh,
        group, deformable_group, step
    ):
        return _into(output, _deform(input, offset, weight, None, (dh, dw), (padh, padw), (dilh, dilw)))

    def modulated_deform_conv_cuda_forward(
        input, weight, bias, ones, offset, mask, output, columns, kh, kw, sh, sw, ph, pw, dh, dw,
        group, deformable_group, with_bias
    ):
        bias = bias if with_bias else None
        return _into(output, _deform(input, offset, weight, bias, (sh, sw), (ph, pw), (dh, dw), mask))

    module.deform_conv_forward_cuda = deform_conv_forward_cuda
    module.modulated_deform_conv_cuda_forward = modulated_deform_conv_cuda_forward
    _claims_cuda(module)


def _dcn_v2(module):
    """DCNv2's `_ext`, and the one before it that fills its output."""

    def dcn_v2_forward(input, weight, bias, offset, mask, kh, kw, sh, sw, ph, pw, dh, dw, groups):
        return _deform(input, offset, weight, bias, (sh, sw), (ph, pw), (dh, dw), mask)

    def dcn_v2_cuda_forward(
        input, weight, bias, ones, offset, mask, output, columns, kh, kw, sh, sw, ph, pw, dh, dw,
        groups
    ):
        return _into(output, _deform(input, offset, weight, bias, (sh, sw), (ph, pw), (dh, dw), mask))

    module.dcn_v2_forward = dcn_v2_forward
    module.dcn_v2_cuda_forward = dcn_v2_cuda_forward
    _claims_cuda(module)


def _ffi_nms(module):
    def fill(keep, count, kept):
        for at, index in enumerate(kept):
            keep.view(-1)[at] = index
        count[0] = len(kept)
        return 1

    module.nms_cuda = lambda keep, dets, count, thresh: fill(
        keep, count, _suppress_detections(dets, thresh)
    )
    module.gpu_nms = lambda keep, count, dets, thresh: fill(
        keep, count, _suppress_detections(dets, thresh)
    )


def _ffi_align(module):
    def forward(height, width, scale, features, rois, output):
        aligned = _align_by_points(features, rois, int(height), int(width), float(scale))
        return _into(output, aligned)

    module.roi_align_forward = module.roi_align_forward_cuda = forward


def _ffi_pool(module):
    def forward(height, width, scale, features, rois, output, *argmax):
        return _into(output, _pool(features, rois, height, width, scale))

    module.roi_pooling_forward = module.roi_pooling_forward_cuda = forward


def _nothing(module):
    """A member of a known family whose operators are not known: it can be imported."""


def _claims_cuda(module):
    """Lets the code that imported a stand-in take its tensors for some on a GPU, and go on."""
    import torch

    _claiming.append(module)
    if getattr(torch.Tensor.is_cuda, "_sizar", False):
        return
    original = torch.Tensor.is_cuda

    class IsCuda(object):
        _sizar = True

        def __get__(self, tensor, kind=None):
            if tensor is None:
                return self
            for value in list(sys._getframe(1).f_globals.values()):
                if isinstance(value, _Module) and value in _claiming:
                    return True
            return original.__get__(tensor, kind)

    torch.Tensor.is_cuda = IsCuda()


# whose last part says what it is
ANYWHERE = {
    "gpu_nms": _rbg_nms,
    "cpu_nms": _rbg_nms,
    "nms_cuda": _mmdet_nms,
    "deform_conv_cuda": _mmdet_deform,
    # pooling that belongs to the same family and that many import without a use
    "deform_pool_cuda": _nothing,
}
# inside a package of the tree
INSIDE = {"_C": _maskrcnn}
# what torch.utils.ffi made: `build.py` beside the folder `_ext` names them
OF_FFI = {
    "nms": _ffi_nms,
    "roi_align": _ffi_align,
    "roi_pooling": _ffi_pool,
    "roi_crop": _nothing,
    "crop_resize": _nothing,
    "dcn_v2": _dcn_v2,
}


def _ffi_is_built_in(folders):
    for folder in folders:
        path = os.path.join(str(folder), "build.py")
        try:
            with open(path, "rb") as file:
                if b"create_extension" in file.read(100000):
                    return True
        except (IOError, OSError):
            pass
    return False


def _has_kernels(folders):
    """Whether CUDA sources lie in a package or below it, as those of a `_C` do."""
    for folder in folders:
        for at, (_, names, files) in enumerate(os.walk(str(folder))):
            if any(name.endswith(".cu") for name in files):
                return True
            if at > 300:
                break
    return False


def _is_installed(folders):
    prefixes = tuple(
        os.path.join(os.path.abspath(prefix), "lib")
        for prefix in (sys.prefix, getattr(sys, "base_prefix", sys.prefix))
    )
    return any(os.path.abspath(str(folder)).startswith(prefixes) for folder in folders)


def _family(name, path):
    """Returns (what fills a module, whether it is a package); nothing for one that is not known."""
    parts = name.split(".")
    last = parts[-1]
    folders = [] if path is None else list(path)
    if _is_installed(folders):
        return None
    if last in ANYWHERE:
        return ANYWHERE[last], False
    if last in INSIDE and path is not None and _has_kernels(folders):
        return INSIDE[last], False
    if last == "_ext":
        if path is None:
            return _dcn_v2, False
        return (_nothing, True) if _ffi_is_built_in(folders) else None
    if len(parts) > 1 and parts[-2] == "_ext" and last in OF_FFI:
        return OF_FFI[last], False
    # the compiled half of a generated package
    if len(parts) > 2 and parts[-3] == "_ext" and last == "_" + parts[-2] and parts[-2] in OF_FFI:
        return _half(OF_FFI[parts[-2]]), False
    return None


def _half(fill):
    def fill_half(module):
        module.lib = _Module(module.__name__)
        module.ffi = None
        fill(module.lib)

    return fill_half


class _Module(types.ModuleType):
    """A stand-in: what it does not have says so when it is called, not before."""

    def __dir__(self):
        # generated packages copy all that is listed
        return [name for name in self.__dict__ if not name.startswith("__")]

    def __getattr__(self, attribute):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        name = self.__name__

        def unknown(*args, **options):
            raise RuntimeError(
                "`%s` of the CUDA extension `%s` is needed: it has to be built with nvcc, and has"
                " no form for the CPU" % (attribute, name)
            )

        return unknown


class _Operators(object):
    """A finder that comes after all others."""

    def find_spec(self, name, path=None, target=None):
        if name.rpartition(".")[2].startswith("__"):
            return None
        family = _family(name, path)
        if family is None:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, _Loader(*family), origin="sizar", is_package=family[1])

    # Python 2, which asks these finders before it looks into the folders

    def find_module(self, name, path=None):
        if not _PYTHON_2:
            return None
        family = _family(name, path)
        if family is None:
            return None
        try:
            hooks._imp.find_module(name.rpartition(".")[2], path)
        except ImportError:
            return _Loader(*family)
        return None


class _Ffi(object):
    """Finds torch.utils.ffi where torch has only an error in its place, from 1.0 on."""

    def find_spec(self, name, path=None, target=None):
        if not self.is_meant(name):
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, _Loader(_torch_ffi, True), origin="sizar", is_package=True)

    def find_module(self, name, path=None):
        return _Loader(_torch_ffi, True) if _PYTHON_2 and self.is_meant(name) else None

    def is_meant(self, name):
        if name != "torch.utils.ffi":
            return False
        version = str(getattr(sys.modules.get("torch"), "__version__", "0"))
        return not version.startswith("0")


class _Loader(object):
    def __init__(self, fill, package):
        self.fill = fill
        self.package = package

    def create_module(self, spec):
        return None if self.package else _Module(spec.name)

    def exec_module(self, module):
        self.fill(module)
        ledger.record(NAME, "import " + module.__name__)

    def load_module(self, name):
        module = types.ModuleType(name) if self.package else _Module(name)
        module.__loader__ = self
        if self.package:
            module.__path__ = []
        sys.modules[name] = module
        try:
            self.exec_module(module)
        except Exception:
            del sys.modules[name]
            raise
        return module
