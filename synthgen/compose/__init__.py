"""Pictures put together: color, backgrounds, blur, pasting one over the other by exact masks."""

from synthgen.lazy import lazy

# Loaded on first use: readers of images need no compiler.
_LAZY = {
    "Scene": "paste",
    "diamond_square": "background",
    "gaussian_weight": "blend",
    "hue_palette": "color",
    "lay_over": "blend",
    "orient": "transform",
    "sample_diamond_square": "background",
    "sample_transform": "transform",
    "to_gray": "color",
}

__all__ = sorted(_LAZY)

__getattr__, __dir__ = lazy(__name__, _LAZY)
