# An extension that was built without CUDA refuses a torch that has it. Without a GPU they agree:
# torch says here that it has none, which changes what code asks and nothing that torch does.

from __future__ import absolute_import

from sizar_shims import hooks, ledger

NAME = "torch-cuda-version"


def install():
    hooks.after("torch.version", NAME, mend)


def mend(module):
    if getattr(module, "cuda", None) is not None:
        ledger.record(NAME, "torch.version.cuda")
        module.cuda = None
