"""Pictures put together: color, backgrounds, blur, pasting one over the other by exact masks."""

from synthgen.compose.background import diamond_square, sample_diamond_square
from synthgen.compose.blend import gaussian_weight, lay_over
from synthgen.compose.color import hue_palette, to_gray
from synthgen.compose.paste import Scene
from synthgen.compose.transform import orient, sample_transform, transform

__all__ = [
    "Scene",
    "diamond_square",
    "gaussian_weight",
    "hue_palette",
    "lay_over",
    "orient",
    "sample_diamond_square",
    "sample_transform",
    "to_gray",
    "transform",
]
