# torchvision removed modules and renamed transforms: `models.utils` (0.13),
# `transforms.functional_tensor` (0.17), `Scale`, `RandomSizedCrop`.

from __future__ import absolute_import

from sizar_shims import hooks

NAME = "torchvision-names"


def install():
    hooks.where_absent("torchvision.models.utils", NAME, models_utils)
    hooks.where_absent("torchvision.transforms.functional_tensor", NAME, functional_tensor)
    hooks.after("torchvision.transforms", NAME, mend)


def models_utils(module):
    from torch.hub import load_state_dict_from_url

    module.load_state_dict_from_url = load_state_dict_from_url


def functional_tensor(module):
    try:
        from torchvision.transforms import _functional_tensor as real
    except ImportError:
        from torchvision.transforms import functional as real
    for name, value in vars(real).items():
        if not (name.startswith("__") and name.endswith("__")):
            setattr(module, name, value)


def mend(module):
    for old, new in (("Scale", "Resize"), ("RandomSizedCrop", "RandomResizedCrop")):
        if not hasattr(module, old):
            setattr(module, old, getattr(module, new))
