# Horovod compiles against MPI or Gloo and a framework. Where it is not installed, this stands in for
# one process alone: what is reduced, gathered or broadcast stays what it is, as Horovod has it at size 1
# (https://horovod.readthedocs.io/en/stable/api.html).

from __future__ import absolute_import

from sizar_shims import hooks, ledger

NAME = "horovod-alone"


def install():
    hooks.where_absent("horovod", NAME, horovod, package=True)
    hooks.where_absent("horovod.torch", NAME, of_torch)
    hooks.where_absent("horovod.tensorflow", NAME, of_tensorflow, package=True)
    hooks.where_absent("horovod.keras", NAME, of_keras, package=True)
    hooks.where_absent("horovod.keras.callbacks", NAME, callbacks)
    hooks.where_absent("horovod.tensorflow.keras", NAME, of_keras, package=True)
    hooks.where_absent("horovod.tensorflow.keras.callbacks", NAME, callbacks)


def horovod(module):
    module.__version__ = "0"


class Compression(object):
    none = None
    fp16 = None


def _common(module):
    def init(*args, **options):
        ledger.record(NAME, "horovod.init", note="one process alone")

    def same(value, *args, **options):
        return value

    def nothing(*args, **options):
        return None

    module.init = init
    module.shutdown = nothing
    module.is_initialized = lambda: True
    for name in ("size", "local_size", "cross_size"):
        setattr(module, name, lambda *args, **options: 1)
    for name in ("rank", "local_rank", "cross_rank"):
        setattr(module, name, lambda *args, **options: 0)
    module.is_homogeneous = lambda: True
    for name in ("mpi", "gloo", "nccl", "ddl", "ccl", "cuda", "rocm"):
        setattr(module, name + "_built", lambda *args, **options: False)
    for name in ("mpi_enabled", "gloo_enabled", "mpi_threads_supported"):
        setattr(module, name, lambda *args, **options: False)
    module.Compression = Compression
    module.Average, module.Sum, module.Adasum = "Average", "Sum", "Adasum"
    module.Min, module.Max, module.Product = "Min", "Max", "Product"
    for name in ("allreduce", "allgather", "broadcast", "broadcast_object", "alltoall", "reducescatter"):
        setattr(module, name, same)
    module.grouped_allreduce = same
    module.allgather_object = lambda value, *args, **options: [value]
    module.join = lambda *args, **options: 0
    module.barrier = nothing
    return same, nothing


def of_torch(module):
    same, nothing = _common(module)
    for name in ("allreduce_", "broadcast_", "grouped_allreduce_"):
        setattr(module, name, same)
    # what is asked for later is there at once: it is its own handle
    for name in ("allreduce", "allgather", "broadcast", "alltoall", "grouped_allreduce"):
        for end in ("_async", "_async_"):
            setattr(module, name + end, same)
    module.synchronize = same
    module.poll = lambda handle: True
    module.broadcast_parameters = nothing
    module.broadcast_optimizer_state = nothing

    def DistributedOptimizer(optimizer, *args, **options):
        optimizer.synchronize = nothing
        optimizer.skip_synchronize = _Nothing
        optimizer.set_backward_passes_per_step = nothing
        return optimizer

    module.DistributedOptimizer = DistributedOptimizer

    def __getattr__(name):
        import torch

        if name == "SyncBatchNorm":
            return torch.nn.SyncBatchNorm
        raise AttributeError(name)

    module.__getattr__ = __getattr__


class _Nothing(object):
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


def of_tensorflow(module):
    import tensorflow

    v1 = tensorflow.compat.v1 if hasattr(tensorflow, "compat") and hasattr(tensorflow.compat, "v1") else tensorflow
    same, nothing = _common(module)

    def no_op(*args, **options):
        return v1.no_op() if not _is_eager(tensorflow) else None

    module.broadcast_global_variables = no_op
    module.broadcast_variables = no_op
    module.DistributedOptimizer = same
    module.DistributedGradientTape = same
    module.DistributedAdasumOptimizer = same

    class BroadcastGlobalVariablesHook(v1.train.SessionRunHook):
        def __init__(self, root_rank=0, device=""):
            super(BroadcastGlobalVariablesHook, self).__init__()

    module.BroadcastGlobalVariablesHook = BroadcastGlobalVariablesHook


def _is_eager(tensorflow):
    eager = getattr(tensorflow, "executing_eagerly", None)
    return bool(eager and eager())


def of_keras(module):
    same, nothing = _common(module)
    module.DistributedOptimizer = same
    module.broadcast_global_variables = nothing

    def load_model(path, *args, **options):
        for name in ("custom_optimizers", "compression", "legacy_opts"):
            options.pop(name, None)
        return _keras(module.__name__).models.load_model(path, *args, **options)

    module.load_model = load_model
    # `hvd.callbacks.MetricAverageCallback()` works without importing the part
    try:
        module.callbacks = __import__(module.__name__ + ".callbacks", fromlist=["install"])
    except ImportError:
        pass


def _keras(name):
    if name.startswith("horovod.tensorflow"):
        import tensorflow

        return tensorflow.keras
    import keras

    return keras


def callbacks(module):
    keras = _keras(module.__name__)

    class Alone(keras.callbacks.Callback):
        # what it would average or broadcast is what this process has
        def __init__(self, *args, **options):
            super(Alone, self).__init__()

    for name in (
        "BroadcastGlobalVariablesCallback",
        "MetricAverageCallback",
        # from the rate of one process to that of all: the same
        "LearningRateWarmupCallback",
        "CommitStateCallback",
    ):
        setattr(module, name, type(name, (Alone,), {}))

    class LearningRateScheduleCallback(keras.callbacks.Callback):
        def __init__(self, multiplier=1.0, start_epoch=0, end_epoch=None, initial_lr=None, **options):
            super(LearningRateScheduleCallback, self).__init__()
            self.multiplier = multiplier if callable(multiplier) else (lambda epoch: multiplier)
            self.start, self.end, self.initial = start_epoch, end_epoch, initial_lr

        def on_epoch_begin(self, epoch, logs=None):
            rate = getattr(self.model.optimizer, "learning_rate", None)
            rate = self.model.optimizer.lr if rate is None else rate
            if self.initial is None:
                self.initial = float(keras.backend.get_value(rate))
            if epoch >= self.start and (self.end is None or epoch < self.end):
                keras.backend.set_value(rate, self.initial * self.multiplier(epoch))

    module.LearningRateScheduleCallback = LearningRateScheduleCallback
