"""Inspected surfaces: solid textures, water stains, other impurities, plates, lights and defects (paper 002).

The names below load on first use, so that a check of options need not wait for the compiler behind them.
"""

from importlib import import_module

# name -> module of this package
_LAZY = {
    "Layer": "impurities",
    "Painted": "stains",
    "StainField": "stains",
    "builtin": "meshes",
    "load_mesh": "meshes",
    "pnoise3": "perlin",
    "render_scene": "scene",
    "sample_fingerprint": "impurities",
    "sample_pose": "scene",
    "sample_sticker": "impurities",
}

__all__ = sorted(_LAZY)


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'synthgen.surface' has no attribute {name!r}")
    value = getattr(import_module(f"synthgen.surface.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
