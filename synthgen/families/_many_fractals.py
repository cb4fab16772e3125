"""Many fractals at a time: of small images, Python takes longer than the points of the chaos game."""

import numpy as np

from synthgen import philox
from synthgen.compose.palettes import hue_palettes
from synthgen.families.fractals import (
    NUMBERS,
    STREAM,
    SYSTEM_STREAM,
    WHOLE,
    Options,
    finished,
    least_level,
    params_of,
    points_of,
    sample,
)
from synthgen.ifs import many

_ONE = np.uint64(1)


def drawn(options: Options, seed: int, labels: np.ndarray, indices: np.ndarray, size: tuple[int, int]) -> list:
    """Return pixels, fields and parameters of samples; arguments as for `fractals.draw_many`."""
    points = points_of(options.points, size)
    if _is_plain(options):
        sampled, maps, lengths = _sampled(options, seed, labels, indices)
    else:
        pairs = zip(labels.tolist(), indices.tolist(), strict=True)
        sampled = [sample(options, seed, label, index) for label, index in pairs]
        maps, lengths = _padded([params["maps"] for params in sampled])

    games = _games(sampled, maps, lengths)
    counts = many.densities(games, size, points)
    levels = many.gray_levels_of(counts, least_level(sampled[0]))
    touched = levels != 0
    masks = touched.view(np.uint8) * np.uint8(255)
    colors = _palettes(options, sampled)

    images = []
    for params, *parts in zip(sampled, levels, colors, masks, strict=True):
        params["points"] = points
        images.append(finished(params, *parts))
    return images


def _palettes(options: Options, sampled: list[dict]):
    """Return the colors of each image, None for gray ones."""
    if options.gray:
        return [None] * len(sampled)
    columns = [np.array([params[name] for params in sampled]) for name in ("hue", "saturation", "value")]
    return hue_palettes(*columns)


def _is_plain(options: Options) -> bool:
    """Return whether nothing but numbers of fixed places is drawn for an image."""
    draws_systems = options.scheme == "grouped" and options.systems_file is None
    return draws_systems and options.background == "black"


def _sampled(options: Options, seed: int, labels: np.ndarray, indices: np.ndarray) -> tuple:
    """Return what `fractals.sample` returns of samples, and their maps and numbers of maps."""
    members = indices % options.systems
    of_systems = philox.words(seed, labels, members, SYSTEM_STREAM, many.WORDS_OF_SYSTEM)
    maps, lengths = many.sample_systems(of_systems, options.maps, options.sigma_factor)

    # uniform numbers, the seed of the noise, the variation
    own = NUMBERS + 1
    words = philox.words(seed, labels, indices, STREAM, own + many.WORDS_OF_SCALING)
    numbers = philox.uniform(words[:, :NUMBERS])
    noise_seeds = words[:, NUMBERS] >> _ONE
    if options.augment:
        many.scale_systems(words[:, own:], maps, lengths)

    columns = (labels, indices, members, lengths, maps, noise_seeds, numbers)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    sampled = []
    for label, index, member, length, of_system, noise_seed, of_image in rows:
        params = params_of(options, (label, index, member), of_system[:length], noise_seed, of_image)
        sampled.append(params)
    return sampled, maps, lengths


def _padded(systems: list) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps of systems in one array, float64 (n, most, 2, 3), and how many each has."""
    lengths = np.array([len(maps) for maps in systems])
    padded = np.zeros((len(systems), lengths.max(), 2, 3))
    for row, maps in zip(padded, systems, strict=True):
        row[: len(maps)] = maps
    return padded, lengths


def _games(sampled: list[dict], maps: np.ndarray, lengths: np.ndarray) -> many.Games:
    return many.Games(
        maps=maps,
        lengths=lengths,
        seeds=np.array([params["seed"] for params in sampled], np.uint64),
        patches=np.array([params["patch"] for params in sampled]),
        orientations=np.array([params["orientation"] for params in sampled]),
        windows=np.array([params["window"] or WHOLE for params in sampled]),
    )
