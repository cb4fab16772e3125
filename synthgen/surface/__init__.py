"""Inspected surfaces: solid textures, water stains, other impurities, plates, lights and defects.

The rooms: `stains` (the solid texture), `marks` (fingerprints, stickers, defects), `optics` (metal, light, camera),
`plate` and `mesh`, which draw a plate or a part with all of these on it. Stains and plates follow Mao et al. 2025.

The names below load on first use, so that a check of options need not wait for the compiler behind them.
"""

from synthgen.lazy import lazy

# name -> module of this package
_LAZY = {
    "Coating": "marks.impurities",
    "Painted": "stains.field",
    "StainField": "stains.field",
    "builtin": "mesh.builtin",
    "load_mesh": "mesh.files",
    "pnoise3": "perlin",
    "render_scene": "mesh.scene",
    "sample_fingerprint": "marks.impurities",
    "sample_pose": "mesh.scene",
    "sample_sticker": "marks.impurities",
}

__all__ = sorted(_LAZY)

__getattr__, __dir__ = lazy(__name__, _LAZY)
