"""What an inspector has to find in a picture of a part, and how much of it is enough."""

from typing import NamedTuple

import numpy as np

from synthgen.boxes import boxes_of
from synthgen.surface.connector.plan import RIM


class Finding(NamedTuple):
    """A drawn part.

    Attributes
    ----------
    image : ndarray of uint8, (H, W)
    clean : ndarray of uint8, (H, W), or None
        The part as it was meant to be; equal to `image` outside of the mask.
    mask : ndarray of uint8, (H, W)
        255 where something is wrong.
    stains : ndarray of uint8, (H, W), or None
    instances : ndarray of uint8, (H, W)
        Number of the object, 0 = none.
    objects : list of dict
        As given, with what was measured. ``params["saturation"]`` is the number of pixels that are enough.
    """

    image: np.ndarray
    clean: np.ndarray | None
    mask: np.ndarray
    stains: np.ndarray | None
    instances: np.ndarray
    objects: list


def painted_regions(regions: list, pose, grid, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels of some regions of a part, bool (H, W).

    Parameters
    ----------
    regions : list of list of float
        Discs (u, v, radius) and capsules (u0, v0, u1, v1, radius), each with its rim, and strips (u0, v0, u1, v1),
        mm.
    pose : Pose
    grid : Grid
    shape : (int, int)
    """
    u, v = _places(pose, grid, shape)
    covered = np.zeros(shape, bool)
    for region in regions:
        if len(region) == 3:
            covered |= _within_disc(u, v, region)
        elif len(region) == 4:
            covered |= _within_strip(u, v, region)
        else:
            covered |= _within_capsule(u, v, region)
    return covered


def _places(pose, grid, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the place (u, v) on the part of every pixel, (H, W) each."""
    height, width = shape
    columns = np.arange(width)
    rows = np.arange(height)[:, None]
    x = grid.left + grid.pitch * columns - pose.x
    y = grid.top + grid.pitch * rows - pose.y

    u = pose.cosine * x + pose.sine * y
    v = pose.cosine * y - pose.sine * x
    return u, v


def _within_disc(u: np.ndarray, v: np.ndarray, region: list[float]) -> np.ndarray:
    """Return the points, bool (H, W), of a disc and its rim."""
    middle_u, middle_v, radius = region
    off_u = u - middle_u
    off_v = v - middle_v
    reach = radius + RIM
    return off_u**2 + off_v**2 < reach * reach


def _within_strip(u: np.ndarray, v: np.ndarray, region: list[float]) -> np.ndarray:
    """Return the points, bool (H, W), of a strip."""
    left, top, right, bottom = region
    covered = (u > left) & (u < right)
    covered &= v > top
    covered &= v < bottom
    return covered


def _within_capsule(u: np.ndarray, v: np.ndarray, region: list[float]) -> np.ndarray:
    """Return the points, bool (H, W), that are nearer to a segment than a radius and a rim."""
    start_u, start_v, end_u, end_v, radius = region
    along = end_u - start_u
    across = end_v - start_v
    square = along * along + across * across
    from_u = u - start_u
    from_v = v - start_v
    projected = from_u * along + from_v * across
    share = np.clip(projected / square, 0, 1)

    off_u = from_u - share * along
    off_v = from_v - share * across
    reach = radius + RIM
    return off_u**2 + off_v**2 < reach * reach


def found(params: dict, image, clean, masks: list[np.ndarray], stains, pitch: float) -> Finding:
    """Return a drawn part with the records of its objects.

    Parameters
    ----------
    params : dict
        Of the sample; it is not changed.
    image, clean : ndarray of uint8, (H, W)
    masks : list of ndarray of bool, (H, W)
        Of each object.
    stains : ndarray of bool, (H, W), or None
    pitch : float
        Side of a pixel, mm.
    """
    instances = np.zeros(image.shape, np.uint8)
    for number, mask in enumerate(masks, 1):
        instances[mask] = number
    pairs = zip(params["objects"], masks, strict=True)
    objects = [_measured(thing, mask, instances, pitch) for thing, mask in pairs]
    return Finding(
        image=image,
        clean=clean,
        mask=_as_mask(instances > 0),
        stains=None if stains is None else _as_mask(stains),
        instances=instances,
        objects=objects,
    )


def _as_mask(marked: np.ndarray) -> np.ndarray:
    return marked.view(np.uint8) * np.uint8(255)


def _measured(thing: dict, mask: np.ndarray, instances: np.ndarray, pitch: float) -> dict:
    """Return the record of an object with box, areas, center and saturation."""
    top, left, bottom, right, area = boxes_of(mask.view(np.uint8), 1)[1].tolist()
    box = [top, left, bottom, right] if area else [0, 0, 0, 0]
    enough = thing["params"]["enough"]
    saturation = area
    if enough is not None:
        pixels = round(enough / (pitch * pitch))
        saturation = min(area, pixels)

    seen = instances == thing["id"]
    return {
        **thing,
        "box": box,
        "area": area,
        "visible_area": int(np.count_nonzero(seen)),
        "center": [
            (box[0] + box[2] - 1) / 2,
            (box[1] + box[3] - 1) / 2,
        ],
        "params": {**thing["params"], "saturation": saturation},
    }
