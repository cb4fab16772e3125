"""Black cloth: a plain weave with folds and lint (the background of Saghir 2024, section 4.2)."""

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
    turn = cosine_and_sine(cloth["angle"])
    top, left = view.corner

    origin = (left, top, view.pitch)
    picture = _woven(view.shape, origin, turn, cloth["thread"], threads, cloth["folds"], shift)
    picture *= f32(cloth["level"])
    for rows, columns in fibers:
        picture[rows, columns] += f32(2.2 * cloth["level"])
    return picture


def _fibers(rng, count: int, view) -> list:
    """Return rows and columns of the pixels of some fibers."""
    height, width = view.shape
    share = np.linspace(-1, 1, 60)
    fibers = []
    for _ in range(count):
        row, column, down, right, bow = rng.random(5).tolist()
        length = 2.2 / view.pitch
        bent = 2 * (bow - 0.5) * share * share
        along = (2 * right - 1) * share + bent * (down - 0.5)
        across = (2 * down - 1) * share - bent * (right - 0.5)

        rows = np.rint(row * height + length * across).astype(int)
        columns = np.rint(column * width + length * along).astype(int)
        seen = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        fibers.append((rows[seen], columns[seen]))
    return fibers


@numba.njit(cache=True)
def _woven(shape, origin, turn, thread, threads, folds, shift):
    """Return the weave around a brightness of 1."""
    height, width = shape
    left, top, pitch = origin
    cosine, sine = turn
    out = np.empty((height, width), f32)
    count = threads.shape[1]

    for r in range(height):
        y = top + r * pitch
        for c in range(width):
            x = left + c * pitch
            along = (cosine * x + sine * y) / thread
            across = (cosine * y - sine * x) / thread

            # the thread that lies on top here
            column = int(np.floor(along))
            row = int(np.floor(across))
            if (column + row) % 2 == 0:
                side = across - row
                own = threads[0, row % count]
            else:
                side = along - column
                own = threads[1, column % count]
            off = 2 * side - 1
            round_off = 1 - off * off
            light = (0.35 + 0.9 * round_off) * (0.7 + 0.6 * own)

            fold = perlin3(f32(_FOLDS * x + shift[0]), f32(_FOLDS * y + shift[1]), f32(shift[2]))
            nap = perlin3(f32(_NAP * x + shift[1]), f32(_NAP * y + shift[2]), f32(shift[0]))
            out[r, c] = f32(light * (1 + folds * 1.6 * fold + 0.5 * nap))
    return out
