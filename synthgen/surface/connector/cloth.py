"""Black cloth: a plain weave with folds and lint (the background of Saghir 2024, section 4.2)."""

from typing import NamedTuple

import numba
import numpy as np

from synthgen.seeding import noise_generator
from synthgen.surface.chance import between, cosine_and_sine
from synthgen.surface.perlin import perlin3

f32 = np.float32

# Threads that have a look of their own; more than a picture shows.
_THREADS = 1024
# Frequency of the folds, 1 / mm, and of the nap.
_FOLDS = 0.021
_NAP = 0.9


def sample_cloth(rng: np.random.Generator) -> dict:
    """Draw the parameters of a cloth.

    Returns
    -------
    dict
        ``angle`` of the weave, degrees; ``thread``, its width in mm; ``level``, its brightness (1 is white);
        ``folds``, how much they change it; ``lint``, the number of fibers on it; ``seed``.
    """
    return {
        "angle": between(rng, -20, 20),
        "thread": between(rng, 0.5, 0.75),
        "level": between(rng, 0.025, 0.06),
        "folds": between(rng, 0.3, 0.9),
        "lint": int(rng.integers(0, 14)),
        "seed": int(rng.integers(2**63)),
    }


def weave(cloth: dict, view) -> np.ndarray:
    """Return the brightness of a cloth at every pixel of a view, float32 (H, W).

    Parameters
    ----------
    cloth : dict
        As returned by `sample_cloth`.
    view : PlateView
    """
    rng = noise_generator(cloth["seed"])
    threads = rng.random((2, _THREADS)).astype(f32)
    shift = 40 * rng.random(3)
    fibers = _fibers(rng, cloth["lint"], view)
    top, left = view.corner
    pattern = _Weave(
        left=left,
        top=top,
        pitch=view.pitch,
        turn=cosine_and_sine(cloth["angle"]),
        thread=cloth["thread"],
        threads=threads,
        folds=cloth["folds"],
        shift=shift,
    )

    picture = np.empty(view.shape, f32)
    _weave(pattern, picture)
    picture *= f32(cloth["level"])
    bright = f32(2.2 * cloth["level"])
    for rows, columns in fibers:
        picture[rows, columns] += bright
    return picture


class _Weave(NamedTuple):
    """A cloth as compiled code takes it: where the first pixel lies, mm, and what the threads are like."""

    left: float
    top: float
    pitch: float
    turn: tuple[float, float]
    thread: float
    threads: np.ndarray
    folds: float
    shift: np.ndarray


def _fibers(rng, count: int, view) -> list:
    """Return rows and columns of the pixels of some fibers."""
    height, width = view.shape
    share = np.linspace(-1, 1, 60)
    square = share * share
    length = 2.2 / view.pitch
    fibers = []
    for _ in range(count):
        row, column, down, right, bow = rng.random(5).tolist()
        bent = (2 * bow - 1) * square
        sideways = bent * (down - 0.5)
        downwards = bent * (right - 0.5)
        along = (2 * right - 1) * share + sideways
        across = (2 * down - 1) * share - downwards

        first_row = row * height
        first_column = column * width
        rows = np.rint(first_row + length * across).astype(int)
        columns = np.rint(first_column + length * along).astype(int)
        seen = (rows >= 0) & (rows < height)
        seen &= (columns >= 0) & (columns < width)
        fibers.append((rows[seen], columns[seen]))
    return fibers


@numba.njit(cache=True)
def _weave(pattern, out):
    """Fill a picture with a weave of brightness 1."""
    height, width = out.shape
    cosine, sine = pattern.turn
    shift_x, shift_y, shift_z = pattern.shift
    threads = pattern.threads

    for r in range(height):
        y = pattern.top + r * pattern.pitch
        for c in range(width):
            x = pattern.left + c * pattern.pitch
            along = cosine * x + sine * y
            across = cosine * y - sine * x
            light = _thread_at(along / pattern.thread, across / pattern.thread, threads)

            fold_x = _FOLDS * x + shift_x
            fold_y = _FOLDS * y + shift_y
            fold = perlin3(f32(fold_x), f32(fold_y), f32(shift_z))
            nap_x = _NAP * x + shift_y
            nap_y = _NAP * y + shift_z
            nap = perlin3(f32(nap_x), f32(nap_y), f32(shift_x))
            change = 1.6 * pattern.folds * fold + 0.5 * nap
            out[r, c] = f32(light * (1 + change))


@numba.njit(cache=True, inline="always")
def _thread_at(along, across, threads):
    """Return the light of the thread that lies on top at a place, given in threads."""
    column = int(np.floor(along))
    row = int(np.floor(across))
    count = threads.shape[1]
    if (column + row) % 2 == 0:
        side = across - row
        own = threads[0, row % count]
    else:
        side = along - column
        own = threads[1, column % count]

    off = 2 * side - 1
    rounded = 1 - off * off
    brightness = 0.7 + 0.6 * own
    return (0.35 + 0.9 * rounded) * brightness
