"""How well a defect shows on its plate: the sampler draws one that nobody could see again."""

import numpy as np

from synthgen.surface.marks.contrast import SIZE, contrast_of
from synthgen.surface.marks.defects import FINEST, Placed, defect_reach, placed
from synthgen.surface.plate.brightness import bend, prepare, radiance
from synthgen.surface.plate.view import PlateView, view_of


class Judge:
    """Tells how much the defects of a plate change its image.

    Parameters
    ----------
    texture, light, camera : dict
        Of the sample. Of several places on a plate, the one nearest to a defect counts.
    """

    def __init__(self, texture: dict, light: dict, camera: dict):
        self._texture = texture
        self._light = light
        self._camera = camera
        self._plates: dict = {}

    def contrast(self, entry: dict) -> float:
        """Return how many gray levels a defect changes; see `contrast_of`.

        Parameters
        ----------
        entry : dict
            Of the sample's ``defects``.
        """
        view = self._view_of(entry)
        x, y = view.point_at(entry["at"])
        defect = placed(
            entry,
            (x, y, 0.0),
            entry["angle"],
            least=FINEST * view.pitch,
        )
        plate = self._plate_of(view)
        window = _window_of(defect, view)
        before = radiance(plate, window)
        after = before.copy()
        ((rows, columns),) = bend(plate, window, after, [defect])
        return contrast_of(
            entry["kind"],
            before[rows, columns],
            after[rows, columns],
            self._camera["exposure"],
        )

    def _view_of(self, entry: dict) -> PlateView:
        """Return the view in which a defect lies."""
        camera = self._camera
        places = camera["places"]
        place = None
        if places is not None:
            row, column = entry["at"]
            rows, columns = places
            place = (int(row * rows), int(column * columns))
        return view_of(SIZE, camera["field_of_view"], place, places)

    def _plate_of(self, view: PlateView):
        """Return the lit plate of a view; views differ by the place of the camera alone."""
        if view.middle not in self._plates:
            self._plates[view.middle] = prepare(self._texture, self._light, view)
        return self._plates[view.middle]


def _window_of(defect: Placed, view: PlateView) -> PlateView:
    """Return a view of a defect and little else."""
    reach = defect_reach(defect) + 2 * view.pitch
    middle = defect.center[None, :2]
    if defect.kind == "scratch":
        middle = defect.curve[:, :2]
    low = middle.min(axis=0) - reach
    high = middle.max(axis=0) + reach

    width, height = np.ceil((high - low) / view.pitch).astype(int) + 1
    x, y = (low + high) / 2
    return view._replace(shape=(int(height), int(width)), middle=(float(y), float(x)))
