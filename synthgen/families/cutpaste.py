"""Cut-paste: defects with exact masks in the user's own images of normal parts (Tao et al. 2024, section IV-A)."""

from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np

from synthgen.errors import UsageError
from synthgen.families._records import new_record
from synthgen.options import check_ranges, check_unique
from synthgen.sample import FieldSpec
from synthgen.seeding import generator, noise_generator
from synthgen.shards.files import check_local

NAME = "cutpaste"
VERSION = 4
LOSSLESS = True
LIBRARIES = ("numba", "pillow")
HELP = """
Paste defects into your own images of normal parts, with exact masks. A class is a shape with what fills it.

\b
synthgen cutpaste --normal parts/good --per-class 50
synthgen cutpaste --normal parts/good --masks scratches,scars --anomalies piece --severity 0.2:0.6 --soft
synthgen cutpaste --normal capsules --masks rectangles --anomalies structural --region auto --good --fields clean
synthgen cutpaste --normal parts/good --mask-dir my/masks --source-dir textures --region outline.png
synthgen cutpaste --normal parts/good --defects my/cutouts --region auto
"""

Shape = Literal["blobs", "scratches", "scars", "islands", "rectangles", "files"]
Source = Literal["color", "image", "piece", "structural"]
Share = Annotated[float, msgspec.Meta(ge=1e-5, le=0.5)]
Number = Annotated[int, msgspec.Meta(ge=1, le=64)]
Opacity = Annotated[float, msgspec.Meta(ge=0.01, le=1)]
Bits = Annotated[int, msgspec.Meta(ge=8, le=16)]
Change = Annotated[float, msgspec.Meta(ge=0, le=0.9)]
_PATHS = ("normal", "mask_dir", "source_dir", "defects", "region")
# Further places and fillings of a defect, for where it would not be seen.
_MORE = 11
# The background is measured in so many images, of this size.
_MEASURED = 16
_MEASURED_SIZE = (128, 128)
# The region that is the part itself.
AUTO = "auto"
# What one defect of a shape is called.
_KINDS = {
    "blobs": "blob", "scratches": "scratch", "scars": "scar", "islands": "island", "rectangles": "rectangle",
    "files": "mask", "cutouts": "cutout",
}  # fmt: skip
PROCEDURAL = ("blobs", "scratches", "scars", "islands", "rectangles")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the family; see the annotations."""

    normal: Annotated[
        str | None,
        msgspec.Meta(
            description="Folder of normal images, which are stretched to --size. This option is required."
        ),
    ] = None
    masks: Annotated[
        tuple[Shape, ...] | None,
        msgspec.Meta(
            description="Shapes of defects: blobs, scratches, scars (thin rectangles at any angle), islands (of "
            "Perlin noise), rectangles, files (of --mask-dir).  [default: files where --mask-dir is given, none "
            "where only --defects is, or else all others]"
        ),
    ] = None
    anomalies: Annotated[
        tuple[Source, ...],
        msgspec.Meta(
            description="What fills a defect: color; image, a piece of another image (of --source-dir, else of "
            "--normal); piece, a piece of the same image, moved, turned and with other colors; structural, what "
            "another normal image shows at the mirrored place."
        ),
    ] = ("color", "image", "piece")
    mask_dir: Annotated[
        str | None, msgspec.Meta(description="Folder of masks of your own. Each is resized and turned at random.")
    ] = None
    source_dir: Annotated[str | None, msgspec.Meta(description="Folder of images that pieces are taken from.")] = (
        None
    )
    defects: Annotated[
        str | None,
        msgspec.Meta(
            description="Folder of defects that were cut out, with an alpha channel. They are resized, turned, and "
            "pasted by it: a class of their own."
        ),
    ] = None
    region: Annotated[
        str | None,
        msgspec.Meta(
            description="Where defects may lie: a mask for all images; a folder with a mask of the same name for "
            "each; or auto, the part in each image, which must stand out from a plain background: images without "
            "such a part get no defects. Masks are stretched to --size."
        ),
    ] = None
    area: Annotated[
        tuple[Share, Share], msgspec.Meta(description="Share of the image that a defect takes, LOW:HIGH.")
    ] = (0.002, 0.04)
    objects: Annotated[tuple[Number, Number], msgspec.Meta(description="Defects in an image, LOW:HIGH.")] = (1, 3)
    severity: Annotated[
        tuple[Opacity, Opacity],
        msgspec.Meta(description="Opacity of a defect, LOW:HIGH. Below 1 the image shines through."),
    ] = (0.4, 1.0)
    brightness: Annotated[
        tuple[Change, Change],
        msgspec.Meta(
            description="Share by which a piece is made brighter or darker before it is pasted, LOW:HIGH."
        ),
    ] = (0.2, 0.5)
    visibility: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=127,
            description="Least mean difference over a defect, in gray levels of one channel. Places and fillings "
            "are drawn again until it is reached, up to 11 times; then all pixels are moved by that much.",
        ),
    ] = 12
    contrast: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=127,
            description="Least difference that a defect makes to each pixel, in gray levels of one channel. "
            "Smaller differences are enlarged. With soft edges this holds where half of a pixel is covered.",
        ),
    ] = 1
    soft: Annotated[
        bool, msgspec.Meta(description="Give defects soft edges. The mask is every pixel that changed.")
    ] = False
    good: Annotated[bool, msgspec.Meta(description="Add a class 0, good: the normal images as they are.")] = False
    channels: Annotated[
        Literal["auto", "gray", "color"],
        msgspec.Meta(description="Channels of the images. auto: gray if all files of --normal are gray."),
    ] = "auto"
    bits: Annotated[
        Bits | None,
        msgspec.Meta(
            description="Bits that a camera uses of the 16 of deep image files, such as 12.  [default: 16]"
        ),
    ] = None
    fields: Annotated[
        tuple[Literal["clean"], ...],
        msgspec.Meta(description="Further fields of each sample: clean, the normal image under the defects."),
    ] = ()

    def __post_init__(self):
        check_ranges(self, "area", "objects", "severity", "brightness")
        check_unique(self, "masks", "anomalies", "fields")
        for name in ("masks", "anomalies"):
            if getattr(self, name) == ():
                raise ValueError(f"{name} must name at least one, got none")
        for name in _PATHS:
            if getattr(self, name) == "":
                raise ValueError(f"{name} must be a path, got ''")
        if (self.mask_dir is not None) != ("files" in _shapes(self)):
            raise ValueError("masks must have files if and only if there is a mask_dir")


def _shapes(options: Options) -> tuple[str, ...]:
    if options.masks is not None:
        return options.masks
    if options.mask_dir is not None:
        return ("files",)
    return PROCEDURAL if options.defects is None else ()


@lru_cache(maxsize=32)
def kinds(options: Options) -> tuple[tuple[str, str] | None, ...]:
    """Return what each class is: (shape, source), or None for good images."""
    pairs: list[tuple[str, str]] = list(product(_shapes(options), options.anomalies))
    if options.defects is not None:
        pairs.append(("cutouts", "cutout"))
    return (None, *pairs) if options.good else tuple(pairs)


def defaults(options: Options) -> dict:
    """Return ``classes``, ``per_class`` and ``size`` where a recipe does not say: every kind of defect."""
    return {"classes": len(kinds(options)), "per_class": 100, "size": 256}


def most_classes(options: Options) -> int:
    """Return how many classes there are."""
    return len(kinds(options))


@lru_cache(maxsize=32)
def _files(options: Options) -> dict[str, tuple]:
    """Return the files that samples are made of, by the option that names them."""
    from synthgen.compose import pictures

    if options.normal is None:
        raise UsageError("normal must name a folder of images of normal parts (--normal DIR)")

    files = {"normal": pictures.list_pictures(options.normal)}
    if options.source_dir is not None:
        files["source_dir"] = pictures.list_pictures(options.source_dir, "source_dir")
    if options.mask_dir is not None:
        files["mask_dir"] = pictures.list_pictures(options.mask_dir, "mask_dir", 1)
        for mask in files["mask_dir"]:
            pictures.read_mask(mask.sha256)  # an empty one is found before anything is drawn
    if options.defects is not None:
        files["defects"] = pictures.list_pictures(options.defects, "defects", 1)
        for cutout in files["defects"]:
            pictures.read_cutout(cutout.sha256, gray=False)
    if options.region not in (None, AUTO):
        files["region"] = _regions(options.region, files["normal"])

    needy = _sources_of_others(options)
    if needy and len(files["normal"]) < 2:
        raise UsageError(f"normal must hold at least 2 images for anomalies {', '.join(needy)}, got 1")
    return files


def _regions(path: str, normal: tuple) -> tuple:
    """Return the mask of all images, or those of a folder: one for each normal image, in their order."""
    from synthgen.compose import pictures

    if not Path(path).is_dir():
        masks = (pictures.one_picture(path, "region"),)
    else:
        masks = _paired(path, normal)
    for mask in masks:
        pictures.read_mask(mask.sha256)
    return masks


def _paired(folder: str, normal: tuple) -> tuple:
    """Return the masks of a folder that have the names of the normal images, with or without ``_mask``."""
    from synthgen.compose import pictures

    def stem_of(picture) -> str:
        return Path(picture.name).stem

    masks = pictures.list_pictures(folder, "region", 1)
    rule = "region must hold one mask for each normal image"
    found = pictures.by_name(masks, lambda mask: stem_of(mask).removesuffix("_mask"), rule)
    different = "normal must hold images of different names, which have masks of their own"
    stems = list(pictures.by_name(normal, stem_of, different))
    missing = [stem for stem in stems if stem not in found]
    if missing:
        rule = f"must hold a mask for each of the {len(stems)} normal images"
        raise UsageError(f"region {rule}, got none for {missing[0]} and {len(missing)} in all")
    return tuple(found[stem] for stem in stems)


@lru_cache(maxsize=8)
def _background(options: Options) -> dict:
    """Return the background of the normal images, measured in some of them, for ``region auto``."""
    from synthgen.compose.regions import measure_background, part_region

    normal = _files(options)["normal"]
    step = -(-len(normal) // _MEASURED)
    some = [_small(options, number) for number in range(0, len(normal), step)]
    background = measure_background(some)

    found = sum(part_region(picture, background) is not None for picture in some)
    if 2 * found < len(some):
        rule = "auto needs parts that stand out from a plain background"
        raise UsageError(f"region {rule}, got {found} of {len(some)} normal images with one; give masks instead")
    return background


def _small(options: Options, normal: int) -> np.ndarray:
    """Return a normal image, given by its number, at the size at which backgrounds are measured."""
    from synthgen.compose.pictures import read_picture

    picture = _files(options)["normal"][normal]
    return read_picture(picture.sha256, _MEASURED_SIZE, _is_gray(options), options.bits)


def _with_part(options: Options, normal: int) -> int:
    """Return the number of a normal image for defects: the one given or, if no part stands out in it, a later one.

    The first follows the last. There is one with a part, or `_background` would have refused the images.
    """
    if options.region != AUTO:
        return normal

    count = len(_files(options)["normal"])
    for step in range(count):
        number = (normal + step) % count
        if _shows_part(options, number):
            return number
    raise UsageError("region auto needs parts that stand out from a plain background, got none")


@lru_cache(maxsize=2**16)
def _shows_part(options: Options, normal: int) -> bool:
    from synthgen.compose.regions import part_region

    return part_region(_small(options, normal), _background(options)) is not None


def _sources_of_others(options: Options) -> list[str]:
    """Return the anomalies that are taken from another normal image."""
    others = {"structural"} if options.source_dir else {"structural", "image"}
    return sorted(others.intersection(options.anomalies))


def inputs(options: Options) -> dict[str, str]:
    """Return the SHA-256 over names and contents of the files of each option, as they are now."""
    from synthgen.compose.pictures import digest_of

    _look_again()
    return {name: digest_of(files) for name, files in _files(options).items()}


def resolve(options: Options, classes: int) -> Options:
    """Return the options with absolute paths: a data set may be drawn again, or resumed, from any folder."""
    paths = {}
    for name in _PATHS:
        given = getattr(options, name)
        if given is not None and (name, given) != ("region", AUTO):
            check_local(given)
            paths[name] = str(Path(given).absolute())
    return msgspec.structs.replace(options, **paths)


def _look_again() -> None:
    """Forget what was listed: a plan is made of the files that are there then, and holds until the next."""
    _files.cache_clear()
    _background.cache_clear()
    _shows_part.cache_clear()
    _is_gray.cache_clear()


@lru_cache(maxsize=32)
def _is_gray(options: Options) -> bool:
    from synthgen.compose.pictures import are_gray

    if options.channels != "auto":
        return options.channels == "gray"
    return are_gray(_files(options)["normal"])


def fields(options: Options, size: tuple[int, int]) -> dict[str, FieldSpec]:
    """Return what every sample holds."""
    _look_again()
    shape = size if _is_gray(options) else (*size, 3)
    image = FieldSpec("uint8", shape)
    specs = {
        "image": image,
        "mask": FieldSpec("uint8", size, kind="mask"),
        "instances": FieldSpec("uint8", size, kind="ids"),
    }
    if options.fields:
        specs["clean"] = image
    return specs


def bytes_per_sample(options: Options, size: tuple[int, int]) -> int:
    """Return the rough size of an encoded sample."""
    height, width = size
    images = 1 + len(options.fields)
    channels = 1 if _is_gray(options) else 3
    per_pixel = 0.7 * channels * images
    return int(height * width * per_pixel) + 3000


def seconds_per_sample(options: Options, size: tuple[int, int]) -> float:
    """Return the rough time of one sample on one core."""
    height, width = size
    return 0.003 + height * width * 80e-9


def sample(options: Options, seed: int, label: int, index: int) -> dict:
    """Return random parameters of one image.

    Returns
    -------
    dict
        ``class``, ``index``; ``image``, name and digest of the normal image; ``bits``, where the recipe says
        how many are used of deep files; ``gray``, ``visibility``, ``contrast``, ``clean``; ``region``, a digest
        or None; ``background``, its spread where the part itself is the region, or None; ``objects``, the
        defects, see FORMAT.md. A defect lies under those before it. Its ``params`` are what
        `synthgen.compose.anomalies.sample_defect` draws. Folders are not named: files are found by their
        digests.
    """
    files = _files(options)
    rng = generator(seed, label, index, "cutpaste.image")
    normal_share, number_share = rng.random(2).tolist()
    normal = int(normal_share * len(files["normal"]))
    objects = []
    kind = kinds(options)[label]
    if kind is not None:
        normal = _with_part(options, normal)
        low, high = options.objects
        width = high - low + 1
        count = low + int(number_share * width)
        for number in range(1, count + 1):
            # a stream of its own, so that more defects leave the first ones as they were
            own = generator(seed, label, index, f"cutpaste.defect{number}")
            objects.append(_defect(own, options, kind, number, normal))

    deep = {} if options.bits is None else {"bits": options.bits}
    return {
        "class": label,
        "index": index,
        "image": files["normal"][normal]._asdict(),
        **deep,
        "gray": _is_gray(options),
        "visibility": options.visibility,
        "contrast": options.contrast,
        "clean": bool(options.fields),
        "region": _region_of(files.get("region"), normal),
        "background": _background(options) if options.region == AUTO else None,
        "objects": objects,
    }


def _region_of(masks: tuple | None, normal: int) -> str | None:
    """Return the digest of the mask of a normal image, given by its number: its own, or that of all."""
    if masks is None:
        return None
    mask = masks[normal] if len(masks) > 1 else masks[0]
    return mask.sha256


def _defect(rng: np.random.Generator, options: Options, kind: tuple[str, str], number: int, normal: int) -> dict:
    """Return the record of a defect of a kind, (shape, source); `normal` is the number of its normal image."""
    from synthgen.compose.anomalies import sample_defect

    shape, source = kind
    mask_share, image_share = rng.random(2).tolist()
    drawn = sample_defect(
        rng,
        shape,
        source,
        options.area,
        options.severity,
        options.soft,
        options.brightness,
        more=_MORE if options.visibility else 0,
    )

    files = _files(options)
    folder = {"files": "mask_dir", "cutouts": "defects"}.get(shape)
    if folder is not None:
        drawn["mask"].update(_picked(files[folder], mask_share))
    if source in ("image", "structural"):
        others = files["normal"][:normal] + files["normal"][normal + 1 :]
        pieces = files.get("source_dir", others) if source == "image" else others
        drawn["anomaly"].update(_picked(pieces, image_share))

    return new_record(number, _KINDS[shape], drawn)


def _picked(files, share: float) -> dict:
    """Return name and digest of one of several files."""
    picture = files[int(share * len(files))]
    return picture._asdict()


def draw(params: dict, size: tuple[int, int]):
    """Return one image.

    Parameters
    ----------
    params : dict
        As returned by `sample`, for files that this process has listed (`inputs` does).
    size : (int, int)
        Height and width in pixels.

    Returns
    -------
    pixels : ndarray of uint8, (H, W) or (H, W, 3)
    fields : dict
        ``mask``, 255 exactly where the image differs from the normal one; ``instances``, ids of the defects;
        ``clean``, the normal image, where asked for.
    params : dict
        As given, with ``box``, ``area``, ``visible_area`` and ``center`` of each defect, and its ``params`` as it
        was pasted: the place and the filling that were taken, and whether it was ``raised`` to be seen.

    Raises
    ------
    UsageError
        If a file changed or vanished since it was listed.
    """
    from synthgen.compose.anomalies import paste_defects
    from synthgen.compose.pictures import read_cutout, read_mask, read_picture

    gray = params["gray"]

    def find(digest):
        return read_picture(digest, size, gray, params.get("bits"))

    clean = find(params["image"]["sha256"])
    pixels, instances, measured = paste_defects(
        clean,
        [thing["params"] for thing in params["objects"]],
        params["contrast"],
        _region(params, clean),
        find,
        read_mask,
        least=params["visibility"],
        find_cutout=lambda digest: read_cutout(digest, gray),
    )
    objects = [{**thing, **facts} for thing, facts in zip(params["objects"], measured, strict=True)]

    if params["gray"]:
        pixels = pixels[..., 0]
        clean = clean[..., 0]
    mask = (instances != 0).view(np.uint8) * np.uint8(255)
    fields = {"mask": mask, "instances": instances}
    if params["clean"]:
        fields["clean"] = clean
    return pixels, fields, {**params, "objects": objects}


def _region(params: dict, clean: np.ndarray) -> np.ndarray | None:
    """Return where pixels of a normal image may change; None for anywhere."""
    from synthgen.compose.pictures import read_mask

    if params["background"] is not None and params["objects"]:
        return _part(params, clean)
    if params["region"] is not None:
        return read_mask(params["region"], clean.shape[:2])
    return None


def _part(params: dict, clean: np.ndarray) -> np.ndarray:
    """Return where a normal image shows the part, found in it or, where noise hides it, in the smaller one."""
    from synthgen.compose.pictures import nearest, read_picture
    from synthgen.compose.regions import part_region

    background = params["background"]
    region = part_region(clean, background)
    if region is not None:
        return region

    picture = params["image"]
    small = read_picture(picture["sha256"], _MEASURED_SIZE, params["gray"], params.get("bits"))
    region = part_region(small, background)
    if region is None:
        rule = "must show a part that stands out from a plain background, for region auto"
        raise UsageError(f"{picture['name']}: {rule}, got none")
    return nearest(region, clean.shape[:2])


def describe_class(options: Options, seed: int, label: int) -> dict:
    """Return the line of the class table: a name, and the shape and the source of its defects."""
    kind = kinds(options)[label]
    if kind is None:
        return {"name": "good"}
    shape, source = kind
    name = shape if shape == "cutouts" else f"{shape}-{source}"
    return {"name": name, "mask": shape, "anomaly": source}


def example(folder) -> dict:
    """Return the options of an example; two images of normal parts are written into a folder."""
    from PIL import Image

    for number in range(2):
        rng = noise_generator(number)
        pixels = rng.integers(0, 256, (32, 48, 3), np.uint8)
        path = Path(folder) / f"normal{number}.png"
        Image.fromarray(pixels).save(path)
    return {"normal": str(folder)}
