# TensorFlow: operations that are put on a GPU by name.

from __future__ import absolute_import

from sizar_shims import ledger

NAME = "cpu"
LIBRARIES = ("tensorflow", "tensorflow_core", "keras", "tf_keras")


def note(kind):
    ledger.record(NAME, kind, LIBRARIES)


def on_cpu(name):
    """Returns a device's name, `/gpu:0` and the like made `/cpu:0`."""
    if not isinstance(name, (str, type(u""))) or "gpu" not in name.lower():
        return name
    parts = []
    for part in name.split("/"):
        lower = part.lower()
        if lower.startswith("gpu:") or lower == "gpu":
            part = "cpu:0"
        elif lower.startswith("device:") and "gpu" in lower:
            part = "device:CPU:0"
        parts.append(part)
    return "/".join(parts)


def _redirected(value, kind):
    if callable(value):

        def function(operation):
            return _redirected(value(operation), kind)

        return function
    now = on_cpu(value)
    if now != value:
        note(kind)
    return now


def mend_ops(module):
    for name in ("device", "device_v2"):
        original = getattr(module, name, None)
        if original is not None:
            setattr(module, name, _device(original))
    graph = getattr(module, "Graph", None)
    if graph is not None:
        inner = graph.device

        def device(self, device_name_or_function):
            return inner(self, _redirected(device_name_or_function, "Graph.device"))

        graph.device = device


def _device(original):
    def device(*args, **options):
        if args:
            args = (_redirected(args[0], "tf.device"),) + args[1:]
        for key in ("device_name", "device_name_or_function"):
            if key in options:
                options[key] = _redirected(options[key], "tf.device")
        return original(*args, **options)

    device.__name__, device.__doc__ = original.__name__, original.__doc__
    # how TensorFlow finds the public name of a function again
    device.__dict__.update(getattr(original, "__dict__", {}))
    return device


def mend_session(module):
    base = module.BaseSession
    original = base.__init__

    def __init__(self, target="", graph=None, config=None):
        if config is None:
            from tensorflow.core.protobuf import config_pb2

            config = config_pb2.ConfigProto()
        # a graph that was saved on a GPU names it in each of its operations
        try:
            config.allow_soft_placement = True
        except AttributeError:
            pass
        original(self, target, graph, config)

    base.__init__ = __init__


def mend_multi_gpu(module):
    original = getattr(module, "multi_gpu_model", None)
    if original is None:
        return

    def multi_gpu_model(model, gpus=None, *args, **options):
        note("multi_gpu_model")
        return model

    module.multi_gpu_model = multi_gpu_model
