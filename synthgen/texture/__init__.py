"""Procedural textures: endless fields, mixtures of them, their light and colors, and images of several.

`field` has the kinds, `mixture` puts textures together, `view` says which window is seen, `paint` makes pixels,
`regions` divides an image, `composite` draws it. All are pure functions of their parameters.

The names below load on first use, so that a check of options need not wait for the compiler behind them.
"""

from importlib import import_module

# name -> module of this package
_LAZY = {
    "View": "view",
    "compose": "composite",
    "sample_regions": "regions",
    "sample_texture": "mixture",
    "sample_view": "view",
}

__all__ = sorted(_LAZY)


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'synthgen.texture' has no attribute {name!r}")
    value = getattr(import_module(f"synthgen.texture.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
