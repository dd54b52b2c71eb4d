# torch: what puts tensors and modules on a device.

from __future__ import absolute_import

from sizar_shims import ledger

NAME = "cpu"
# the frames of these are not the program's
LIBRARIES = ("torch",)

FACTORIES = (
    "arange as_tensor asarray bartlett_window blackman_window empty empty_like empty_strided eye "
    "full full_like hamming_window hann_window kaiser_window linspace logspace normal ones "
    "ones_like rand rand_like randint randint_like randn randn_like randperm range scalar_tensor "
    "sparse_coo_tensor tensor tril_indices triu_indices zeros zeros_like"
).split()
NEW = ("new_zeros", "new_ones", "new_empty", "new_full", "new_tensor")


def note(kind, detail=None):
    ledger.record(NAME, kind, LIBRARIES, detail)


def is_cuda(torch, device):
    """Whether a value names a CUDA device, as a device: `cuda`, `cuda:1`, `torch.device`, 0."""
    if isinstance(device, bool):
        return False
    if isinstance(device, int):
        return True
    if isinstance(device, torch.device):
        return device.type == "cuda"
    try:
        return isinstance(device, (str, bytes, type(u""))) and str(device).startswith("cuda")
    except Exception:
        return False


def replace(owner, name, make):
    """Puts make(original) in the place of a function, under the same name."""
    original = getattr(owner, name, None)
    if original is None or getattr(original, "_sizar", False):
        return
    function = make(original)
    for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
        try:
            setattr(function, attribute, getattr(original, attribute))
        except Exception:
            pass
    function._sizar = True
    setattr(owner, name, function)


def mend(torch):
    tensor = torch.Tensor
    replace(tensor, "cuda", lambda original: _to_itself("Tensor.cuda"))
    replace(tensor, "pin_memory", lambda original: _to_itself("Tensor.pin_memory"))
    replace(tensor, "to", lambda original: _to(torch, original, "Tensor.to"))
    replace(tensor, "type", lambda original: _type(torch, original))
    replace(tensor, "new", lambda original: _device_option(torch, original, "Tensor.new"))
    for name in NEW:
        replace(tensor, name, lambda original: _device_option(torch, original, "Tensor." + name))
    for name in FACTORIES:
        _factory(torch, name)
    module = torch.nn.Module
    replace(module, "cuda", lambda original: _module_cuda)
    replace(module, "to", lambda original: _to(torch, original, "Module.to"))
    replace(module, "to_empty", lambda original: _device_option(torch, original, "Module.to_empty"))
    replace(torch, "set_default_tensor_type", lambda original: _default_type(torch, original))
    replace(torch, "set_default_device", lambda original: _default_device(torch, original))
    _generator(torch)
    _storages(torch)
    _load(torch)
    _parallel(torch)


def _to_itself(kind):
    def function(self, *args, **options):
        note(kind)
        return self

    return function


def _module_cuda(self, device=None):
    note("Module.cuda")
    # a module that moves more than its parameters does that in `_apply`
    return self._apply(lambda tensor: tensor)


def _to(torch, original, kind):
    def to(self, *args, **options):
        if args and is_cuda(torch, args[0]):
            note(kind)
            args = ("cpu",) + args[1:]
        if is_cuda(torch, options.get("device")):
            note(kind)
            options["device"] = "cpu"
        return original(self, *args, **options)

    return to


def cpu_type(torch, kind):
    """Returns the form for the CPU of a tensor's type, or of its name."""
    if isinstance(kind, type(u"")) or isinstance(kind, str):
        return kind.replace("torch.cuda.", "torch.")
    name = "%s.%s" % (getattr(kind, "__module__", ""), getattr(kind, "__name__", ""))
    if name.startswith("torch.cuda.") and hasattr(torch, name.rpartition(".")[2]):
        return getattr(torch, name.rpartition(".")[2])
    return kind


def _type(torch, original):
    def to_type(self, dtype=None, *args, **options):
        if dtype is None:
            return original(self)
        now = cpu_type(torch, dtype)
        if now is not dtype and now != dtype:
            note("Tensor.type")
        return original(self, now, *args, **options)

    return to_type


def _device_option(torch, original, kind):
    def function(*args, **options):
        if is_cuda(torch, options.get("device")):
            note(kind)
            options["device"] = "cpu"
        if options.get("pin_memory"):
            note(kind)
            options["pin_memory"] = False
        return original(*args, **options)

    return function


def _factory(torch, name):
    before = getattr(torch, name, None)
    replace(torch, name, lambda original: _device_option(torch, original, "torch." + name))
    # TorchScript knows its functions by identity
    try:
        from torch.jit import _builtins

        operator = _builtins._find_builtin(before)
        if operator is not None:
            _builtins._register_builtin(getattr(torch, name), operator)
    except Exception:
        pass


def _default_type(torch, original):
    def set_default_tensor_type(t):
        now = cpu_type(torch, t)
        if now is not t and now != t:
            note("torch.set_default_tensor_type")
        return original(now)

    return set_default_tensor_type


def _default_device(torch, original):
    def set_default_device(device):
        if is_cuda(torch, device):
            note("torch.set_default_device")
            device = "cpu"
        return original(device)

    # `with torch.device("cuda"):` asks the same class for its block
    try:
        from torch.utils._device import DeviceContext

        begin = DeviceContext.__init__

        def __init__(self, device):
            if is_cuda(torch, device):
                note("torch.device")
                device = "cpu"
            begin(self, device)

        DeviceContext.__init__ = __init__
    except Exception:
        pass
    return set_default_device


def _generator(torch):
    real = getattr(torch, "Generator", None)
    if real is None:
        return

    class Meta(type):
        def __instancecheck__(cls, value):
            return isinstance(value, real)

        def __call__(cls, device="cpu"):
            if is_cuda(torch, device):
                note("torch.Generator")
                device = "cpu"
            return real(device=device) if str(device) != "cpu" else real()

    torch.Generator = Meta("Generator", (object,), {"__doc__": real.__doc__})


def _storages(torch):
    for owner, name in (
        (getattr(torch, "storage", None), "_StorageBase"),
        (getattr(torch, "storage", None), "UntypedStorage"),
        (getattr(torch, "storage", None), "_UntypedStorage"),
        (getattr(torch, "storage", None), "TypedStorage"),
        (getattr(torch, "storage", None), "_TypedStorage"),
        (torch, "UntypedStorage"),
    ):
        kind = getattr(owner, name, None)
        if kind is not None:
            replace(kind, "cuda", lambda original: _to_itself("Storage.cuda"))
            replace(kind, "pin_memory", lambda original: _to_itself("Storage.pin_memory"))


def _load(torch):
    def restore(storage, location):
        if not str(location).startswith("cuda"):
            return None
        note("torch.load")
        return storage

    # before torch's own answer for this location, which has the number 20
    torch.serialization.register_package(5, lambda storage: None, restore)

    def jit_load(original):
        def load(f, map_location=None, *args, **options):
            # a script's tensors are made by C++, which asks nobody
            if map_location is None or is_cuda(torch, map_location):
                note("torch.jit.load")
                map_location = "cpu"
            return original(f, map_location, *args, **options)

        return load

    replace(torch.jit, "load", jit_load)


def _parallel(torch):
    kind = torch.nn.parallel.DistributedDataParallel

    def make(original):
        def __init__(self, module, device_ids=None, output_device=None, *args, **options):
            if device_ids is not None or output_device is not None:
                note("DistributedDataParallel(device_ids)")
            original(self, module, None, None, *args, **options)

        return __init__

    replace(kind, "__init__", make)
    norm = getattr(torch.nn, "SyncBatchNorm", None)
    if norm is not None:

        def convert_sync_batchnorm(cls, module, process_group=None):
            note("SyncBatchNorm.convert_sync_batchnorm")
            return module

        norm.convert_sync_batchnorm = classmethod(convert_sync_batchnorm)


def mend_distributed(module):
    for name in ("init_process_group", "new_group"):
        original = getattr(module, name, None)
        if original is None:
            continue
        replace(module, name, _gloo)
        inner = getattr(module, "distributed_c10d", None)
        if getattr(inner, name, None) is original:
            setattr(inner, name, getattr(module, name))


def _gloo(original):
    name = original.__name__

    def function(*args, **options):
        if name == "init_process_group" and args and _is_nccl(args[0]):
            note("torch.distributed." + name, "gloo instead of nccl")
            args = ("gloo",) + args[1:]
        if _is_nccl(options.get("backend")):
            note("torch.distributed." + name, "gloo instead of nccl")
            options["backend"] = "gloo"
        # it names the GPU of a process to the backend that has none
        options.pop("device_id", None)
        return original(*args, **options)

    return function


def _is_nccl(backend):
    return isinstance(backend, (str, type(u""))) and "nccl" in backend.lower()
