# Python 3.8 removed `cgi.escape`, Python 3.13 the whole module.

from __future__ import absolute_import

from sizar_shims import hooks

NAME = "cgi-escape"


def install():
    hooks.after("cgi", NAME, mend)
    hooks.where_absent("cgi", NAME, mend)


def mend(module):
    if hasattr(module, "escape"):
        return

    def escape(s, quote=None):
        import html

        # unlike `html.escape`, it left quotes alone
        return html.escape(s, bool(quote))

    module.escape = escape
