# Code that asks for CUDA, on a machine without: the calls take their form for the CPU.
#
# Each kind of call is written down once for each line of the program. Nothing but a missing CUDA
# is hidden: what fails on the CPU fails with its own error.

from __future__ import absolute_import

import os

from sizar_shims import hooks

NAME = "cpu"


def a_gpu_is_visible():
    """Whether this process can reach a GPU, told without touching the driver."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1", "NoDevFiles"):
        return False
    return os.path.exists("/dev/nvidiactl") or os.path.exists("/dev/dxg")


def install():
    # an environment may go to a machine with a GPU; then nothing is in its way
    if a_gpu_is_visible():
        return
    hooks.after("torch", NAME, _torch)
    hooks.after("torch.distributed", NAME, _distributed)
    hooks.after("tensorflow.python.framework.ops", NAME, _tensorflow_ops)
    hooks.after("tensorflow.python.client.session", NAME, _tensorflow_session)
    for name in (
        "keras.utils.multi_gpu_utils",
        "keras.utils.training_utils",
        "tensorflow.python.keras.utils.multi_gpu_utils",
    ):
        hooks.after(name, NAME, _multi_gpu)


def _torch(module):
    from sizar_shims.cpu import torch_calls, torch_cuda

    torch_calls.mend(module)
    torch_cuda.mend(module)


def _distributed(module):
    from sizar_shims.cpu import torch_calls

    torch_calls.mend_distributed(module)


def _tensorflow_ops(module):
    from sizar_shims.cpu import tensorflow_devices

    tensorflow_devices.mend_ops(module)


def _tensorflow_session(module):
    from sizar_shims.cpu import tensorflow_devices

    tensorflow_devices.mend_session(module)


def _multi_gpu(module):
    from sizar_shims.cpu import tensorflow_devices

    tensorflow_devices.mend_multi_gpu(module)
