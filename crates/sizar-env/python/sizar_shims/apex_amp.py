# NVIDIA's apex comes from its own repository and compiles against CUDA. Where nothing of that name
# is installed, this stands in: single precision, the plain optimisers and norms of torch.

from __future__ import absolute_import

from sizar_shims import hooks, ledger

NAME = "apex-amp"


def install():
    hooks.where_absent("apex", NAME, apex, package=True)
    hooks.where_absent("apex.amp", NAME, amp)
    hooks.where_absent("apex.parallel", NAME, parallel, package=True)
    hooks.where_absent("apex.parallel.LARC", NAME, larc)
    hooks.where_absent("apex.optimizers", NAME, optimizers)
    hooks.where_absent("apex.normalization", NAME, normalization)
    hooks.where_absent("apex.normalization.fused_layer_norm", NAME, normalization)
    hooks.where_absent("apex.fp16_utils", NAME, fp16_utils)


def apex(module):
    # `import apex; apex.amp.initialize(...)` worked without importing the part
    for part in ("amp", "parallel", "optimizers", "normalization"):
        try:
            setattr(module, part, __import__("apex." + part, fromlist=["install"]))
        except ImportError:
            pass


class _ScaledLoss(object):
    def __init__(self, loss):
        self.loss = loss

    def __enter__(self):
        return self.loss

    def __exit__(self, *error):
        return False


def amp(module):
    def initialize(models, optimizers=None, *args, **options):
        ledger.record(NAME, "apex.amp.initialize", note="in single precision")
        return models if optimizers is None else (models, optimizers)

    def init(*args, **options):
        ledger.record(NAME, "apex.amp.init", note="in single precision")
        return module

    def same(function):
        return function

    module.initialize = initialize
    module.init = init
    module.scale_loss = lambda loss, optimizers=None, *args, **options: _ScaledLoss(loss)
    module.master_params = _parameters
    module.state_dict = lambda destination=None: {} if destination is None else destination
    module.load_state_dict = lambda state: None
    module.half_function = module.float_function = module.promote_function = same
    for name in ("half", "float", "promote"):
        setattr(module, "register_%s_function" % name, lambda module, name: None)


def _parameters(optimizer):
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            yield parameter


def parallel(module):
    import torch

    class DistributedDataParallel(torch.nn.parallel.DistributedDataParallel):
        def __init__(self, module, *args, **options):
            super(DistributedDataParallel, self).__init__(module)

    module.DistributedDataParallel = DistributedDataParallel
    module.SyncBatchNorm = torch.nn.SyncBatchNorm
    module.convert_syncbn_model = lambda module, process_group=None, channel_last=False: (
        torch.nn.SyncBatchNorm.convert_sync_batchnorm(module, process_group)
    )
    module.create_syncbn_process_group = lambda group_size: None


def larc(module):
    """Layer-wise rates around another optimiser: https://arxiv.org/abs/1708.03888."""

    class LARC(object):
        def __init__(self, optimizer, trust_coefficient=0.02, clip=True, eps=1e-8):
            self.optim = optimizer
            self.trust_coefficient = trust_coefficient
            self.clip = clip
            self.eps = eps

        def __getattr__(self, name):
            # what it does not do itself the optimiser does: `param_groups`, `state_dict`
            if name == "optim":
                raise AttributeError(name)
            return getattr(self.optim, name)

        def step(self, *args, **options):
            decays = []
            for group in self.optim.param_groups:
                decay = group.get("weight_decay", 0)
                decays.append(decay)
                group["weight_decay"] = 0
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._scale(parameter, decay, group["lr"])
            result = self.optim.step(*args, **options)
            for group, decay in zip(self.optim.param_groups, decays):
                group["weight_decay"] = decay
            return result

        def _scale(self, parameter, decay, rate):
            length = parameter.data.norm().item()
            slope = parameter.grad.data.norm().item()
            if length == 0 or slope == 0:
                return
            adaptive = self.trust_coefficient * length / (slope + length * decay + self.eps)
            if self.clip:
                adaptive = min(adaptive / rate, 1)
            parameter.grad.data.add_(decay * parameter.data)
            parameter.grad.data.mul_(adaptive)

    module.LARC = LARC


def optimizers(module):
    import torch

    module.FusedAdam = _plain(getattr(torch.optim, "AdamW", torch.optim.Adam))
    module.FusedSGD = _plain(torch.optim.SGD)
    module.FusedAdagrad = _plain(torch.optim.Adagrad)


def _plain(kind):
    class Fused(kind):
        def __init__(self, params, *args, **options):
            for name in ("bias_correction", "adam_w_mode", "set_grad_none", "materialize_master_grads"):
                options.pop(name, None)
            super(Fused, self).__init__(params, *args, **options)

    Fused.__name__ = "Fused" + kind.__name__
    return Fused


def normalization(module):
    import torch

    module.FusedLayerNorm = torch.nn.LayerNorm
    module.MixedFusedLayerNorm = torch.nn.LayerNorm


def fp16_utils(module):
    def network_to_half(network):
        ledger.record(NAME, "apex.fp16_utils.network_to_half", note="in single precision")
        return network

    module.network_to_half = network_to_half
    module.BN_convert_float = lambda module: module
