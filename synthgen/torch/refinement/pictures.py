"""What is shown and written of a refinement: the sheet of an image, its clean twin, and cut-outs with alpha."""

import numpy as np
from PIL import Image

from synthgen.compose.pictures import nearest, stretched
from synthgen.look.colors import colored
from synthgen.look.heatmaps import outline, overlay
from synthgen.torch.refinement.outlines import Refined
from synthgen.torch.refinement.region import dilated

_COARSE = (255, 170, 0)
_REFINED = (0, 255, 255)
_GAP = 4
# Parts of a mask nearer than this, as a share of the side, are cut out as one defect.
_TOGETHER = 0.02


def sheet(
    image: np.ndarray, scores: np.ndarray, threshold: float, coarse: np.ndarray, found: Refined
) -> np.ndarray:
    """Return image, map, outlines (coarse orange, refined cyan), normal image and difference, side by side.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    scores : ndarray of float, (H, W)
        The map of the model.
    threshold : float
        From which on it is coarse mask.
    coarse : ndarray of bool, (H, W)
    found : Refined

    Returns
    -------
    ndarray of uint8, (H, 5 W + gaps, 3)
    """
    usual = float(np.median(scores))
    low = min(usual, threshold)
    as_far_above = 2 * threshold - low
    heat = overlay(image, scores, low, as_far_above, threshold)

    outlined = image.copy()
    outlined[outline(coarse)] = _COARSE
    outlined[outline(found.mask)] = _REFINED

    largest = float(found.difference.max())
    differences = colored(found.difference / max(largest, 1.0))

    height = image.shape[0]
    gap = np.full((height, _GAP, 3), 255, np.uint8)
    columns = [image]
    for picture in (heat, outlined, found.normal, differences):
        columns += [gap, picture]
    return np.concatenate(columns, axis=1)


def at_size(found: Refined, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mask and normal image at the size of an image that was shrunk for the model.

    Parameters
    ----------
    found : Refined
        At the size of the model.
    image : ndarray of uint8, (H, W, 3)
        The image as it is.

    Returns
    -------
    mask : ndarray of bool, (H, W)
    normal : ndarray of uint8, (H, W, 3)
        Equal to the image outside of the mask.
    """
    size = image.shape[:2]
    if found.mask.shape == size:
        return found.mask, found.normal
    mask = nearest(found.mask, size)
    small = Image.fromarray(found.normal)
    normal = np.asarray(stretched(small, size))
    whole = np.where(mask[..., None], normal, image)
    return mask, whole


def cutouts(image: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    """Return each defect of an image cut out: its box, with an alpha of 255 on the defect and 0 beside it.

    Parts of the mask that lie close together are one defect.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    mask : ndarray of bool, (H, W)

    Returns
    -------
    list of ndarray of uint8, (h, w, 4)
    """
    from scipy.ndimage import find_objects, label

    if not mask.any():
        return []
    grown = dilated(mask, _TOGETHER / 2)
    groups, _ = label(grown, np.ones((3, 3)))
    numbered = np.where(mask, groups, 0)

    pieces = []
    for number, box in enumerate(find_objects(numbered), 1):
        inside = numbered[box] == number
        alpha = np.where(inside, 255, 0).astype(np.uint8)
        piece = np.dstack([image[box], alpha])
        pieces.append(piece)
    return pieces
