"""One sample of a recipe."""

from synthgen import families
from synthgen.errors import UsageError
from synthgen.recipe import Recipe, load_recipe
from synthgen.run.caches import with_sound_caches
from synthgen.sample import Sample, format_key


def render(recipe, label: int, index: int) -> Sample:
    """Draw any sample of a data set, without its files.

    Parameters
    ----------
    recipe : Recipe, str or Path
        As for `load_recipe`.
    label, index : int
        Class, and number within the class.

    Returns
    -------
    Sample
        Equal to the stored one, where the codec is lossless.

    Raises
    ------
    UsageError
        If the recipe breaks a rule or has no such sample.
    """
    recipe = load_recipe(recipe)

    if not 0 <= label < recipe.classes:
        raise UsageError(f"label must lie in 0..{recipe.classes - 1}, got {label}")
    if not 0 <= index < recipe.per_class:
        raise UsageError(f"index must lie in 0..{recipe.per_class - 1}, got {index}")

    return draw_sample(recipe, label, index)


def draw_sample(recipe: Recipe, label: int, index: int) -> Sample:
    """Draw a sample of a checked recipe; label and index are in range."""
    return with_sound_caches(_draw_sample, recipe, label, index)


def _draw_sample(recipe: Recipe, label: int, index: int) -> Sample:
    family = families.load(recipe.family)
    params = family.sample(recipe.options, recipe.seed, label, index)
    pixels, fields, drawn = family.draw(params, recipe.size)
    return Sample(format_key(label, index), pixels, label, fields, drawn)
