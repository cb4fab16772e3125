"""Pictures put together: colour, backgrounds, blur, laying one over the other by exact masks."""

from synthgen.compose.background import diamond_square, sample_diamond_square
from synthgen.compose.blend import lay_over
from synthgen.compose.color import hue_palette

__all__ = ["diamond_square", "hue_palette", "lay_over", "sample_diamond_square"]
