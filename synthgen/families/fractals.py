"""Fractals: a class is a group of iterated function systems (Ugwu et al. 2024, sections 3.1 and 4)."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np

from synthgen.compose.blend import gaussian_weight
from synthgen.compose.color import hue_palette
from synthgen.errors import UsageError
from synthgen.families import Source
from synthgen.options import check_ranges
from synthgen.sample import FieldSpec, PaletteImage
from synthgen.seeding import generator
from synthgen.shards.files import sha256_of

NAME = "fractals"
VERSION = 3
LIBRARIES = ("numba",)
# The stream of an image, and how many uniform numbers it takes.
STREAM = "fractals.image"
SYSTEM_STREAM = "fractals.system"
NUMBERS = 10
# Dark levels of gray images are lifted until half of the pixels of a fractal are at least this bright.
LEAST_BRIGHTNESS = 64
# Points of an image of the usual size; of other sizes with ``points auto`` as many a pixel.
USUAL_POINTS = 100_000
_USUAL_SIDE = 256
WHOLE = (1.0, 1.0, 0.0, 0.0)
# By how much a parameter of the one fractal may differ, as a share of it.
ONE_FRACTAL_DELTA = 0.1
# A class is described by so many of its systems.
_DESCRIBED = 8
HELP = """
Draw fractals: attractors of random iterated function systems. A class is a group of systems.

\b
synthgen fractals --classes 1000 --per-class 1000
synthgen fractals --classes 10 --per-class 10 --out /tmp/ten --background diamond-square
synthgen fractals --scheme fractaldb --format webdataset --part 3/64
synthgen fractals --systems-file my.npz --systems 10 --classes 100
synthgen fractals --size 32 --points auto
"""


Bound = Annotated[float, msgspec.Meta(ge=-8, le=40)]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the family; see the annotations."""

    points: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=20_000_000)] | Literal["auto"],
        msgspec.Meta(
            description="Points of the chaos game in each image. auto: in proportion to its pixels, 100,000 of "
            "256 x 256."
        ),
    ] = USUAL_POINTS
    scheme: Annotated[
        Literal["grouped", "fractaldb", "1p-frac"],
        msgspec.Meta(
            description="grouped: a class is a group of systems. fractaldb: a class is one system, "
            "its images have perturbed parameters. 1p-frac: all classes are perturbations of one system."
        ),
    ] = "grouped"
    systems: Annotated[
        int, msgspec.Meta(ge=1, le=1_000_000, description="Systems in each class (scheme grouped).")
    ] = 100
    maps: Annotated[
        tuple[
            Annotated[int, msgspec.Meta(ge=2, le=8)],
            Annotated[int, msgspec.Meta(ge=2, le=8)],
        ],
        msgspec.Meta(description="Number of maps of a system, or a range LOW:HIGH within 2:8."),
    ] = (2, 4)
    sigma_factor: Annotated[
        tuple[Bound, Bound],
        msgspec.Meta(
            description="The sigma factor of n maps is drawn from (LOW + n) / 2 to (HIGH + n) / 2. It can be 0 to "
            "3 n; small ones are sparse, large ones wander."
        ),
    ] = (5.0, 6.0)
    systems_file: Annotated[
        str | None,
        msgspec.Meta(
            description="Take systems from a file, npz or JSON, in its order, --systems to a class; they are not "
            "drawn then."
        ),
    ] = None
    augment: Annotated[
        bool,
        msgspec.Meta(
            description="Vary the parameters from image to image (grouped: one map scaled by 0.8 to 1.1)."
        ),
    ] = True
    patch: Annotated[bool, msgspec.Meta(description="Draw each point as a random 3 x 3 pattern.")] = True
    flips: Annotated[bool, msgspec.Meta(description="Flip and transpose images at random.")] = True
    gray: Annotated[bool, msgspec.Meta(description="One gray channel instead of colors.")] = False
    density: Annotated[
        bool,
        msgspec.Meta(
            description="Keep gray levels in proportion to the points of a pixel: nearly black where one pixel has "
            "most of them. Else dark levels are lifted in each image."
        ),
    ] = False
    blur: Annotated[bool, msgspec.Meta(description="Blur half of the images by a 3 x 3 Gaussian.")] = False
    window: Annotated[
        bool,
        msgspec.Meta(description="Show a random window of the fractal (scale 0.5 to 2, shift up to 0.2)."),
    ] = False
    background: Annotated[
        Literal["black", "diamond-square"], msgspec.Meta(description="What lies behind the fractal.")
    ] = "black"

    def __post_init__(self):
        check_ranges(self, "maps", "sigma_factor")
        self._check_sigma_factor()
        if self.systems_file is not None:
            self._check_systems()
        if self.density and not self.gray:
            raise ValueError("density must be left out for colors, which do not show it, got on")
        if self.gray and self.background != "black":
            raise ValueError(f"background must be black for gray images, got {self.background}")

    def _check_sigma_factor(self):
        """Refuse sigma factors that systems of the fewest maps cannot have."""
        low, high = self.sigma_factor
        fewest = self.maps[0]
        if low < -fewest or high > 5 * fewest:
            rule = f"must lie within -{fewest}:{5 * fewest} for systems of {fewest} maps"
            raise ValueError(f"sigma_factor {rule}, got {low:g}:{high:g}")

    def _check_systems(self):
        """Refuse a file that cannot be read, or has too few systems for one class."""
        from synthgen.ifs import load_systems

        if self.systems_file == "":
            raise ValueError("systems_file must be a path, got ''")
        try:
            known = len(load_systems(self.systems_file))
        except UsageError as error:
            raise ValueError(f"systems_file must be readable: {error}") from None
        if self.scheme == "grouped" and self.systems > known:
            rule = f"must be <= {known:,}, those of the file"
            raise ValueError(f"systems {rule}, got {self.systems:,}")


def defaults(options: Options) -> dict:
    """Return ``classes``, ``per_class`` and ``size`` where a recipe does not say."""
    classes = min(1000, most_classes(options))
    return {"classes": classes, "per_class": 1000, "size": 256}


def most_classes(options: Options) -> int:
    """Return how many classes there are: systems are drawn, not listed, unless they come from a file."""
    if options.systems_file is None:
        return 10**6
    from synthgen.ifs import load_systems

    known = len(load_systems(options.systems_file))
    by_scheme = {"grouped": known // options.systems, "fractaldb": known, "1p-frac": 10**6}
    return by_scheme[options.scheme]


def inputs(options: Options) -> dict[str, str]:
    """Return the digest of a file of systems, which may move but not change."""
    if options.systems_file is None:
        return {}
    return {"systems_file": sha256_of(Path(options.systems_file))}


def resolve(options: Options, classes: int) -> Options:
    """Return the options with the absolute path of a file of systems."""
    if options.systems_file is None:
        return options
    path = Path(options.systems_file).absolute()
    return msgspec.structs.replace(options, systems_file=str(path))


def fields(options: Options, size: tuple[int, int]) -> dict[str, FieldSpec]:
    """Return what every sample holds."""
    shape = size if options.gray else (*size, 3)
    return {
        "image": FieldSpec("uint8", shape),
        "mask": FieldSpec("uint8", size, kind="mask"),
    }


def bytes_per_sample(options: Options, size: tuple[int, int]) -> int:
    """Return the rough size of an encoded sample."""
    height, width = size
    plain = options.background == "black" and not options.blur
    per_pixel = 0.5 if plain else 2.5
    return int(height * width * per_pixel) + 600


def seconds_per_sample(options: Options, size: tuple[int, int]) -> float:
    """Return the rough time of one sample on one core."""
    height, width = size
    per_pixel = 20e-9 if options.background == "black" else 200e-9
    return 3e-4 + height * width * per_pixel + points_of(options.points, size) * 5e-9


def points_of(points: int | str, size: tuple[int, int]) -> int:
    """Return how many points an image of some size has, for a number or ``auto``."""
    if isinstance(points, int):
        return points
    height, width = size
    share = height * width / _USUAL_SIDE**2
    return max(1, round(share * USUAL_POINTS))


def sample_system(options: Options, seed: int, label: int, member: int):
    """Return system `member` of a class: a function of its id alone, or the one that a file has at its place."""
    from synthgen import ifs

    if options.scheme == "1p-frac":
        one_fractal = _own_system(options, seed, 0, 0)
        rng = generator(seed, label, 0, "fractals.perturbation")
        return ifs.jitter_system(rng, one_fractal, ONE_FRACTAL_DELTA)
    return _own_system(options, seed, label, member)


def _own_system(options: Options, seed: int, label: int, member: int):
    from synthgen import ifs

    if options.systems_file is not None:
        before = label * options.systems if options.scheme == "grouped" else label
        return ifs.load_systems(options.systems_file)[before + member]
    rng = generator(seed, label, member, SYSTEM_STREAM)
    return ifs.sample_system(rng, options.maps, options.sigma_factor)


def sample(options: Options, seed: int, label: int, index: int) -> dict:
    """Return random parameters of one image.

    Returns
    -------
    dict
        ``class``, ``index``; ``system``, the number of the system in its class; ``maps`` after augmentation,
        (n, 2, 3); ``points``, a number or ``auto``, and the ``seed`` of the chaos game; ``patch``, nine bits;
        ``orientation``, three bits; ``gray`` and ``density``; ``hue`` (256 is a full turn), ``saturation`` and
        ``value``, None for gray images; ``window``, ``blur`` and ``background``, None where the image has none.
    """
    from synthgen import compose, ifs

    grouped = options.scheme == "grouped"
    member = index % options.systems if grouped else 0
    system = sample_system(options, seed, label, member)

    # Drawn always and in this order, so that one option does not shift the chance of another.
    rng = generator(seed, label, index, STREAM)
    numbers = rng.random(NUMBERS).tolist()
    noise_seed = int(rng.integers(2**63))
    vary = ifs.scale_system if grouped else ifs.perturb_system
    varied = vary(rng, system)
    if options.augment and options.scheme != "1p-frac":
        system = varied

    of_image = (label, index, member)
    params = params_of(options, of_image, system.maps.tolist(), noise_seed, numbers)
    if options.background == "diamond-square":
        params["background"] = compose.sample_diamond_square(rng)
    return params


def params_of(
    options: Options, of_image: tuple[int, int, int], maps: list, noise_seed: int, numbers: list[float]
) -> dict:
    """Return the parameters of an image: class, index and system, maps, and the chance that was drawn for it."""
    label, index, member = of_image
    patch, orientation, *color = numbers[:5]
    *window, blur = numbers[5:]
    is_blurred = options.blur and blur < 0.5
    return {
        "class": label,
        "index": index,
        "system": member,
        "maps": maps,
        "points": options.points,
        "seed": noise_seed,
        "patch": 1 + int(patch * 511) if options.patch else 0,
        "orientation": int(orientation * 8) if options.flips else 0,
        "gray": options.gray,
        "density": options.density,
        **_color(options, *color),
        "window": _window(*window) if options.window else None,
        "blur": gaussian_weight(0.5 + blur) if is_blurred else None,
        "background": None,
    }


def _color(options: Options, hue: float, saturation: float, value: float) -> dict:
    """Return the color of an image, made of three uniform numbers."""
    if options.gray:
        return {"hue": None, "saturation": None, "value": None}
    return {
        "hue": int(hue * 256),
        "saturation": round(0.3 + 0.7 * saturation, 4),
        "value": round(0.5 + 0.5 * value, 4),
    }


def _window(scale_x: float, scale_y: float, shift_x: float, shift_y: float) -> list[float]:
    """Return the window of an image, made of four uniform numbers."""
    return [
        round(0.5 + 1.5 * scale_x, 6),
        round(0.5 + 1.5 * scale_y, 6),
        round(0.4 * shift_x - 0.2, 6),
        round(0.4 * shift_y - 0.2, 6),
    ]


def draw(params: dict, size: tuple[int, int]):
    """Return one image.

    Parameters
    ----------
    params : dict
        As returned by `sample`.
    size : (int, int)
        Height and width in pixels.

    Returns
    -------
    pixels : PaletteImage, or ndarray of uint8, (H, W) or (H, W, 3)
    fields : dict
        ``mask``, uint8 (H, W): 255 at every pixel that the fractal changed.
    params : dict
        As given, with the number of points.
    """
    from synthgen import ifs

    params = {**params, "points": points_of(params["points"], size)}
    system = ifs.System(params["maps"])
    counts = ifs.density(
        system,
        size,
        params["points"],
        params["seed"],
        patch=params["patch"],
        window=params["window"] or WHOLE,
        orientation=params["orientation"],
    )
    levels = ifs.gray_levels(counts, least_level(params))
    touched = levels != 0
    mask = touched.view(np.uint8) * np.uint8(255)
    colors = None
    if not params["gray"]:
        colors = hue_palette(params["hue"], params["saturation"], params["value"])
    return finished(params, levels, colors, mask)


def draw_many(options: Options, seed: int, labels: np.ndarray, indices: np.ndarray, size: tuple[int, int]) -> list:
    """Return what `draw` returns of many samples, each as `sample` has it."""
    from synthgen.families._many_fractals import drawn

    return drawn(options, seed, labels, indices, size)


def least_level(params: dict) -> int:
    """Return the level that half of the pixels of an image reach, 0 where levels are not lifted."""
    is_lifted = params["gray"] and not params["density"]
    return LEAST_BRIGHTNESS if is_lifted else 0


def finished(params: dict, levels: np.ndarray, colors: np.ndarray | None, mask: np.ndarray) -> tuple:
    """Return pixels, fields and parameters of an image whose gray levels are drawn; a gray one has no colors."""
    pixels = levels if colors is None else PaletteImage(levels, colors)
    if params["blur"] or params["background"]:
        pixels, touched = _laid_over(params, pixels, mask != 0)
        mask = touched.view(np.uint8) * np.uint8(255)
    return pixels, {"mask": mask}, params


def _laid_over(params: dict, pixels, touched: np.ndarray) -> tuple:
    """Return a fractal on its background, and where it changed that."""
    from synthgen import compose

    image = pixels.to_rgb() if isinstance(pixels, PaletteImage) else pixels
    behind = np.zeros_like(image)
    if params["background"]:
        behind = compose.diamond_square(params["background"], touched.shape)
    return compose.lay_over(behind, image, touched, params["blur"] or 0.0)


def describe_class(options: Options, seed: int, label: int) -> dict:
    """Return the line of the class table: a name and the systems of the class."""
    if options.scheme != "grouped":
        system = sample_system(options, seed, label, 0)
        return {"name": f"system-{label:06d}", "maps": system.maps.tolist()}
    return {"name": f"fractals-{label:06d}", "systems": options.systems}


def as_source(wanted) -> "FractalSource":
    """Return fractals as objects of multi-formula images."""
    options = Options(
        points=wanted.points,
        systems=wanted.systems,
        maps=wanted.maps,
        flips=False,
    )
    return FractalSource(sys.modules[__name__], options, kind="fractal", classes=1000)


class FractalSource(Source):
    """Fractals with as many points a pixel whatever their size."""

    def sample(self, seed: int, label: int, member: int, share: float) -> dict:
        """Return random parameters of an object; its points grow with its area."""
        params = super().sample(seed, label, member, share)
        points = round(self.options.points * share**2)
        return {**params, "points": max(1, min(20_000_000, points))}

    def descriptors(self, seed: int, count: int) -> np.ndarray:
        """Return for each class the means over its first systems of: maps, sigma factor a map, area, shift."""
        members = range(min(_DESCRIBED, self.options.systems))
        means = []
        for label in range(count):
            systems = [sample_system(self.options, seed, label, member) for member in members]
            means.append(np.mean([_descriptor(system) for system in systems], axis=0))
        return np.array(means)


def _descriptor(system) -> tuple[float, float, float, float]:
    maps = system.maps
    count = len(maps)
    mean_sigma_factor = system.sigma_factor / count

    # areas that the maps make of a square: abs(det A)
    upper = maps[:, 0]
    lower = maps[:, 1]
    diagonal = upper[:, 0] * lower[:, 1]
    other_diagonal = upper[:, 1] * lower[:, 0]
    areas = np.abs(diagonal - other_diagonal)

    shifts = np.abs(maps[:, :, 2])
    return count, mean_sigma_factor, areas.sum(), shifts.mean()
