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

from importlib import import_module

from synthgen.compiled import place_cache
from synthgen.errors import SynthgenError
from synthgen.version import __version__

place_cache()

# Loaded on first use: `import synthgen` stays under 0.3 s and needs neither numba nor h5py nor torch.
_LAZY = {
    "Recipe": ("synthgen.recipe", "Recipe"),
    "Sample": ("synthgen.sample", "Sample"),
    "generate": ("synthgen.run", "generate"),
    "ifs": ("synthgen.ifs", None),
    "load_recipe": ("synthgen.recipe", "load_recipe"),
    "mandelbulb": ("synthgen.mandelbulb", None),
    "open": ("synthgen.shards", "open_dataset"),
    "render": ("synthgen.run", "render"),
    "surface": ("synthgen.surface", None),
    "torch": ("synthgen.torch", None),
    "verify": ("synthgen.shards", "verify"),
}

__all__ = ["SynthgenError", "__version__", *sorted(_LAZY)]


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'synthgen' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    value = import_module(module)
    if attribute is not None:
        value = getattr(value, attribute)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
