"""One sample of a recipe."""

from synthgen import families
from synthgen.errors import UsageError
from synthgen.recipe import Recipe, load_recipe
from synthgen.run.caches import with_sound_caches
from synthgen.sample import Sample, format_key


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


def draw_sample(recipe: Recipe, label: int, index: int) -> Sample:
    """Draw a sample of a checked recipe; label and index are in range."""
    return with_sound_caches(_draw_sample, recipe, label, index)


def _draw_sample(recipe: Recipe, label: int, index: int) -> Sample:
    family = families.load(recipe.family)
    params = family.sample(recipe.options, recipe.seed, label, index)
    pixels, fields, drawn = family.draw(params, recipe.size)
    key = format_key(label, index)
    return Sample(key, pixels, label, fields, drawn)
