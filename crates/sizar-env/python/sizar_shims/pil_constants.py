# Pillow 10 removed `Image.ANTIALIAS` and other old names of constants, and measuring text by size.

from __future__ import absolute_import

from sizar_shims import hooks

NAME = "pil-constants"


def install():
    hooks.after("PIL.Image", NAME, mend)
    hooks.after("PIL.ImageFont", NAME, mend_font)
    hooks.after("PIL.ImageDraw", NAME, mend_draw)


def mend(module):
    names = {"ANTIALIAS": "LANCZOS", "LINEAR": "BILINEAR", "CUBIC": "BICUBIC"}
    for group in ("Resampling", "Transpose", "Transform", "Dither", "Palette", "Quantize"):
        members = getattr(getattr(module, group, None), "__members__", {})
        for name, value in members.items():
            if not hasattr(module, name):
                setattr(module, name, value)
    for old, new in names.items():
        if not hasattr(module, old) and hasattr(module, new):
            setattr(module, old, getattr(module, new))


def mend_font(module):
    for kind in ("FreeTypeFont", "ImageFont", "TransposedFont"):
        kind = getattr(module, kind, None)
        if kind is not None and not hasattr(kind, "getsize") and hasattr(kind, "getbbox"):
            kind.getsize = _getsize


def _getsize(self, text, *args, **options):
    left, top, right, bottom = self.getbbox(text, *args, **options)
    return right, bottom


def mend_draw(module):
    kind = module.ImageDraw
    if not hasattr(kind, "textsize"):
        kind.textsize = _textsize


def _textsize(self, text, font=None, spacing=4, *args, **options):
    if "\n" in text:
        left, top, right, bottom = self.multiline_textbbox((0, 0), text, font, spacing=spacing)
    else:
        left, top, right, bottom = self.textbbox((0, 0), text, font)
    return right, bottom
