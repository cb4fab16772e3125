"""synthgen: labelled image data sets made by mathematics.

The face of the library: `generate` draws a data set, `open` reads one, `render` draws a single sample,
`load_recipe` reads a recipe. Engines and the torch companion are loaded when they are first used.

Examples
--------
>>> import synthgen
>>> recipe = synthgen.load_recipe("tiny-fractals")
>>> synthgen.render(recipe, label=2, index=0).image.shape
(64, 64, 3)
"""

from synthgen.compiled import place_cache
from synthgen.errors import SynthgenError
from synthgen.lazy import lazy
from synthgen.version import __version__

place_cache()

# Loaded on first use: `import synthgen` stays under 0.3 s and needs neither numba nor h5py nor torch.
_LAZY = {
    "Recipe": "recipe",
    "Sample": "sample",
    "generate": "run",
    "ifs": "ifs:",
    "load_recipe": "recipe",
    "mandelbulb": "mandelbulb:",
    "open": "shards:open_dataset",
    "render": "run",
    "surface": "surface:",
    "torch": "torch:",
    "verify": "shards",
}

__all__ = ["SynthgenError", "__version__", *sorted(_LAZY)]

__getattr__, __dir__ = lazy(__name__, _LAZY)
