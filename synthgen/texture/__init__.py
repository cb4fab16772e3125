"""Procedural textures: endless fields, mixtures of them, their light and colors, and images of several.

`field` has the kinds, `mixture` puts textures together, `view` says which window is seen, `paint` makes pixels,
`regions` divides an image, `composite` draws it. All are pure functions of their parameters.

The names below load on first use, so that a check of options need not wait for the compiler behind them.
"""

from synthgen.lazy import lazy

# name -> module of this package
_LAZY = {
    "View": "view",
    "compose": "composite",
    "sample_regions": "regions",
    "sample_texture": "mixture",
    "sample_view": "view",
}

__all__ = sorted(_LAZY)

__getattr__, __dir__ = lazy(__name__, _LAZY)
