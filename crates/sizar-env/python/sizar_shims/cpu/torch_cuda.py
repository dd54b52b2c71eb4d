# torch.cuda: questions about devices, and what is done with them.

from __future__ import absolute_import

import os
import sys
import time

from sizar_shims import ledger
from sizar_shims.cpu import insistence
from sizar_shims.cpu.torch_calls import LIBRARIES, note, replace

# whether the program said that it does not go on without a GPU
_insisted = []

# calls that have nothing to do, and what they return
ANSWERS = {
    "set_device": None,
    "current_device": 0,
    "synchronize": None,
    "empty_cache": None,
    "ipc_collect": None,
    "init": None,
    "memory_allocated": 0,
    "max_memory_allocated": 0,
    "memory_reserved": 0,
    "max_memory_reserved": 0,
    "memory_cached": 0,
    "max_memory_cached": 0,
    "reset_max_memory_allocated": None,
    "reset_max_memory_cached": None,
    "reset_peak_memory_stats": None,
    "reset_accumulated_memory_stats": None,
    "set_per_process_memory_fraction": None,
    "memory_summary": "",
    "utilization": 0,
    "get_device_name": "CPU",
    # no generation of GPUs: whoever chooses kernels by it takes the plain ones
    "get_device_capability": (0, 0),
    "is_bf16_supported": False,
    "set_rng_state": None,
    "set_rng_state_all": None,
    "set_stream": None,
}


def mend(torch):
    cuda = torch.cuda
    replace(cuda, "is_available", _is_available)
    replace(cuda, "device_count", _device_count)
    for name, answer in ANSWERS.items():
        replace(cuda, name, lambda original: _answer(name, answer))
    replace(cuda, "memory_stats", lambda original: _made("memory_stats", dict))
    replace(cuda, "get_arch_list", lambda original: _made("get_arch_list", list))
    replace(cuda, "mem_get_info", lambda original: _made("mem_get_info", _memory))
    replace(cuda, "get_device_properties", lambda o: _made("get_device_properties", _Properties))
    replace(cuda, "get_rng_state", lambda o: _made("get_rng_state", torch.get_rng_state))
    replace(
        cuda,
        "get_rng_state_all",
        lambda original: _made("get_rng_state_all", lambda: [torch.get_rng_state()]),
    )
    for name in ("current_stream", "default_stream"):
        replace(cuda, name, lambda original: _made(name, Stream))
    cuda.Stream = _in_place_of(getattr(cuda, "Stream", None), Stream)
    cuda.Event = _in_place_of(getattr(cuda, "Event", None), Event)
    for name in ("device", "device_of", "stream", "StreamContext"):
        if hasattr(cuda, name):
            setattr(cuda, name, _block(name))
    markers = getattr(cuda, "nvtx", None)
    for name in ("range_push", "range_pop", "mark"):
        if markers is not None and hasattr(markers, name):
            setattr(markers, name, _answer("nvtx." + name, 0))
    _tensor_types(torch)


def _caller():
    return ledger.caller()


def _is_torch(frame):
    name = str(frame.f_globals.get("__name__", "")) if frame is not None else "torch"
    return name.partition(".")[0] in LIBRARIES


def _is_available(original):
    def is_available():
        frame = _caller()
        if _is_torch(frame):
            return original()
        if insistence.meaning(frame, "is_available") == insistence.INSISTS:
            note("torch.cuda.is_available", "it stops without")
            _insisted.append(True)
            return True
        return False

    return is_available


def _device_count(original):
    def device_count():
        frame = _caller()
        if _is_torch(frame):
            return original()
        meaning = insistence.meaning(frame, "device_count")
        if meaning == insistence.INSISTS:
            _insisted.append(True)
        # as a number of processes, or as a divisor, none is of no use
        if meaning in (insistence.INSISTS, insistence.USES) or _insisted:
            note("torch.cuda.device_count", "1 for the CPU")
            return 1
        return 0

    return device_count


def _answer(name, answer):
    def function(*args, **options):
        note("torch.cuda." + name)
        return answer

    return function


def _made(name, make):
    def function(*args, **options):
        note("torch.cuda." + name)
        return make()

    return function


def _memory():
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_AVPHYS_PAGES"), page * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0, 0


class _Properties(object):
    name = "CPU"
    major = minor = 0
    is_integrated = False
    is_multi_gpu_board = False

    def __init__(self):
        self.total_memory = _memory()[1]
        self.multi_processor_count = 1


class Stream(object):
    """Work on the CPU is done when the call returns: there is nothing to wait for."""

    cuda_stream = 0
    device_index = 0

    def __init__(self, *args, **options):
        note("torch.cuda.Stream")

    def query(self):
        return True

    def record_event(self, event=None):
        event = Event() if event is None else event
        event.record()
        return event

    def synchronize(self):
        pass

    def wait_stream(self, stream):
        pass

    def wait_event(self, event):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


class Event(object):
    """A moment on the CPU's clock."""

    def __init__(self, *args, **options):
        note("torch.cuda.Event")
        self._at = None

    def record(self, stream=None):
        self._at = time.time()

    def elapsed_time(self, end):
        if self._at is None or end._at is None:
            raise RuntimeError("Both events must be recorded before calculating elapsed time.")
        return (end._at - self._at) * 1000.0

    def query(self):
        return True

    def synchronize(self):
        pass

    def wait(self, stream=None):
        pass


def _in_place_of(original, stand_in):
    # torch itself asserts since 2.2 that its classes are subclasses of its own (of
    # `_EventBase` in torch/_dynamo/device_interface.py): so this one is, and makes the other
    if not isinstance(original, type):
        return stand_in

    def make(cls, *args, **options):
        return stand_in(*args, **options)

    def is_instance(cls, something):
        return isinstance(something, stand_in)

    try:
        kind = type("Kind", (type(original),), {"__instancecheck__": is_instance})
        return kind(original.__name__, (original,), {"__new__": staticmethod(make)})
    except TypeError:
        return stand_in


def _block(name):
    class Block(object):
        def __init__(self, *args, **options):
            note("torch.cuda." + name)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return False

        def __call__(self, function):
            return function

    Block.__name__ = name
    return Block


def _tensor_types(torch):
    names = [
        name
        for name in dir(torch.cuda)
        if name.endswith("Tensor") and not name.startswith("_") and hasattr(torch, name)
    ]
    cuda = torch.cuda
    if sys.version_info < (3, 5):
        for name in names:
            setattr(cuda, name, getattr(torch, name))
        return

    import types

    # an attribute that is not there is asked for each time, so that its use can be noted
    class Cuda(types.ModuleType):
        def __getattr__(self, name):
            if name in names:
                note("torch.cuda." + name)
                return getattr(torch, name)
            raise AttributeError("module 'torch.cuda' has no attribute %r" % name)

    if hasattr(cuda, "__getattr__") or type(cuda) is not types.ModuleType:
        for name in names:
            setattr(cuda, name, getattr(torch, name))
        return
    for name in names:
        if name in vars(cuda):
            delattr(cuda, name)
    cuda.__class__ = Cuda
