"""Samples of a recipe."""

from collections.abc import Iterator, Sequence

import numpy as np

from synthgen import families
from synthgen.errors import UsageError
from synthgen.recipe import Recipe, load_recipe
from synthgen.run.caches import with_sound_caches
from synthgen.sample import Sample, format_key

# Samples are drawn in one call while they have no more pixels together, but no more of them.
_PIXELS = 2**18
_MOST = 64


def render(recipe, label: int, index: int, size=None) -> Sample:
    """Draw any sample of a data set, without its files.

    Parameters
    ----------
    recipe : Recipe, str or Path
        As for `load_recipe`.
    label, index : int
        Class, and number within the class.
    size : int, str or (int, int), optional
        Draw it at another size in pixels: a side, ``"WIDTHxHEIGHT"`` or (height, width).

    Returns
    -------
    Sample
        Equal to the stored one, where the codec is lossless and no other size is asked for.

    Raises
    ------
    UsageError
        If the recipe breaks a rule or has no such sample.
    """
    changes = None if size is None else {"size": size}
    recipe = load_recipe(recipe, changes)
    _check_number("label", label, recipe.classes)
    _check_number("index", index, recipe.per_class)
    return draw_sample(recipe, label, index)


def _check_number(name: str, number: int, count: int) -> None:
    if not 0 <= number < count:
        raise UsageError(f"{name} must lie in 0..{count - 1}, got {number}")


def draw_samples(recipe: Recipe, labels: Sequence[int], indices: Sequence[int]) -> Iterator[Sample]:
    """Yield samples of a checked recipe in order, drawn some at a time where the family can."""
    family = families.load(recipe.family)
    if not hasattr(family, "draw_many"):
        for label, index in zip(labels, indices, strict=True):
            yield draw_sample(recipe, label, index)
        return

    step = at_a_time(recipe)
    for first in range(0, len(labels), step):
        last = first + step
        some_labels = np.array(labels[first:last])
        some_indices = np.array(indices[first:last])
        yield from with_sound_caches(_draw_some, recipe, some_labels, some_indices)


def at_a_time(recipe: Recipe) -> int:
    """Return how many samples are drawn in one call: few enough that they stay in a core's cache."""
    family = families.load(recipe.family)
    if not hasattr(family, "draw_many"):
        return 1
    height, width = recipe.size
    fitting = _PIXELS // (height * width)
    return max(1, min(fitting, _MOST))


def _draw_some(recipe: Recipe, labels: np.ndarray, indices: np.ndarray) -> list[Sample]:
    family = families.load(recipe.family)
    drawn = family.draw_many(recipe.options, recipe.seed, labels, indices, recipe.size)
    numbers = zip(labels.tolist(), indices.tolist(), drawn, strict=True)
    return [_as_sample(label, index, *one) for label, index, one in numbers]


def _as_sample(label: int, index: int, pixels, fields: dict, params: dict) -> Sample:
    key = format_key(label, index)
    return Sample(key, pixels, label, fields, params)


def draw_sample(recipe: Recipe, label: int, index: int) -> Sample:
    """Draw a sample of a checked recipe; label and index are in range."""
    return with_sound_caches(_draw_sample, recipe, label, index)


def _draw_sample(recipe: Recipe, label: int, index: int) -> Sample:
    family = families.load(recipe.family)
    params = family.sample(recipe.options, recipe.seed, label, index)
    return _as_sample(label, index, *family.draw(params, recipe.size))
