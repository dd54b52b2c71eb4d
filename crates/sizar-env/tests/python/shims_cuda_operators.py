# Checks the shim `cuda-operators` against NumPy and a real torchvision, without CUDA.

from __future__ import print_function

import os
import sys

FOLDER = sys.argv[1]
sys.path.insert(0, FOLDER)


def write(name, text=""):
    path = os.path.join(FOLDER, name)
    if not os.path.isdir(os.path.dirname(path)):
        os.makedirs(os.path.dirname(path))
    with open(path, "w") as file:
        file.write(text)


def refused(function):
    try:
        function()
    except (ImportError, RuntimeError) as error:
        return str(error)
    raise AssertionError("nothing was refused")


# the trees of the families
write("net/__init__.py")
write("net/csrc/cuda/nms.cu")
write("net/plain/__init__.py")
write("ops/__init__.py")
write(
    "ops/deform.py",
    "import torch\n"
    "from . import deform_conv_cuda\n"
    "def deform(x, weight, offset):\n"
    "    if not x.is_cuda:\n"
    "        raise NotImplementedError\n"
    "    output = x.new_empty(0)\n"
    "    deform_conv_cuda.deform_conv_forward_cuda(x, weight, offset, output, None, None,\n"
    "        3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 64)\n"
    "    return output\n",
)
write("boxes/__init__.py")
write("boxes/build.py", "from torch.utils.ffi import create_extension\n")

import numpy as np

dets = np.array([[0, 0, 10, 10, 0.8], [1, 1, 10, 10, 0.9], [20, 20, 30, 30, 0.7]], dtype="float32")

import gpu_nms

assert gpu_nms.gpu_nms(dets, 0.5, device_id=0) == [1, 2], gpu_nms.gpu_nms(dets, 0.5)
assert gpu_nms.gpu_nms(dets, 0.95) == [1, 0, 2]
assert gpu_nms.gpu_nms(dets[:0], 0.5) == []
assert "`soft_nms` of the CUDA extension `gpu_nms`" in refused(lambda: gpu_nms.soft_nms(dets))

# what is no known family, or belongs to something that is installed, is missing as before
refused(lambda: __import__("net.plain._C"))
refused(lambda: __import__("net.pointops_cuda"))
refused(lambda: __import__("numpy.gpu_nms"))

try:
    import torch
    import torchvision.ops as ops
except ImportError:
    print("boxes only")
    sys.exit(0)

from net import _C
from ops.deform import deform

boxes = torch.from_numpy(dets)
assert _C.nms(boxes[:, :4], boxes[:, 4], 0.5).tolist() == [1, 2]
features = torch.randn(1, 2, 8, 8)
rois = torch.tensor([[0.0, 1.0, 1.0, 5.0, 5.0]])
pooled, argmax = _C.roi_pool_forward(features, rois, 1.0, 2, 2)
assert torch.equal(pooled, ops.roi_pool(features, rois, (2, 2), 1.0)) and argmax.shape == pooled.shape
aligned = _C.roi_align_forward(features, rois, 1.0, 2, 2, 2)
assert torch.equal(aligned, ops.roi_align(features, rois, (2, 2), 1.0, 2))

# a convolution that is deformed by nothing is a convolution
x, weight = torch.randn(1, 2, 5, 5), torch.randn(3, 2, 3, 3)
plain = torch.nn.functional.conv2d(x, weight, padding=1)
assert torch.allclose(deform(x, weight, torch.zeros(1, 18, 5, 5)), plain, atol=1e-5)
assert x.is_cuda is False

from boxes._ext import nms, roi_align, roi_crop

keep, count = torch.zeros(3, 1).int(), torch.zeros(1).int()
nms.nms_cuda(keep, boxes, count, 0.5)
assert keep[: count[0], 0].tolist() == [1, 2]
# a plane is its own interpolation; what lies outside is nothing
rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0))
plane = (10 * rows + columns)[None, None]
output = torch.zeros(1, 1, 2, 3)
roi_align.roi_align_forward_cuda(2, 3, 0.5, plane, torch.tensor([[0.0, 2.0, 3.0, 8.0, 6.0]]), output)
# rows 1.5 and 4, columns 1, 3 and 5
assert torch.allclose(output[0, 0], torch.tensor([[16.0, 18.0, 20.0], [41.0, 43.0, 45.0]])), output
roi_align.roi_align_forward_cuda(2, 3, 1.0, plane, torch.tensor([[0.0, 5.0, 7.5, 9.0, 9.0]]), output)
assert output[0, 0, 1].tolist() == [0, 0, 0] and output[0, 0, 0, 2] == 0, output
assert "no form for the CPU" in refused(lambda: roi_crop.BilinearSamplerBHWD_updateOutput_cuda())

# what a build left in the tree: its Python half, without the compiled one
write(
    "layers/_ext/roi_pooling/__init__.py",
    "from torch.utils.ffi import _wrap_function\n"
    "from ._roi_pooling import lib as _lib, ffi as _ffi\n"
    "for symbol in dir(_lib):\n"
    "    if callable(getattr(_lib, symbol)):\n"
    "        locals()[symbol] = _wrap_function(getattr(_lib, symbol), _ffi)\n",
)
write("layers/__init__.py")
write("layers/_ext/__init__.py")
from layers._ext import roi_pooling

roi_pooling.roi_pooling_forward_cuda(2, 2, 1.0, features, rois, output, argmax)
assert torch.equal(output, pooled)
# as it is done where torchvision has no operators
many = torch.tensor([[0.0, 1.0, 1.0, 5.0, 5.0], [0.0, 3.2, 0.1, 7.9, 2.0], [0.0, 6.0, 6.0, 12.0, 12.0]])
expected = ops.roi_pool(features, many, (3, 2), 0.8)
del ops.roi_pool
roi_pooling.roi_pooling_forward_cuda(3, 2, 0.8, features, many, output, argmax)
assert torch.equal(output, expected), (output, expected)
print("all good")
