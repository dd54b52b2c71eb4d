# Python 3.9 removed `base64.encodestring` and `base64.decodestring`.

from __future__ import absolute_import

from sizar_shims import hooks

NAME = "base64-strings"


def install():
    hooks.after("base64", NAME, mend)


def mend(module):
    if not hasattr(module, "encodestring"):
        module.encodestring = module.encodebytes
    if not hasattr(module, "decodestring"):
        module.decodestring = module.decodebytes
