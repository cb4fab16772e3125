"""Pictures put together: color, backgrounds, blur, pasting one over the other by exact masks."""

from importlib import import_module

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


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'synthgen.compose' has no attribute {name!r}")
    value = getattr(import_module(f"synthgen.compose.{_LAZY[name]}"), name)
    globals()[name] = value
    return value
