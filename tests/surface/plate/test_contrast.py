import numpy as np
import pytest

from synthgen.families import stains
from synthgen.families.stains import Options
from synthgen.surface.plate.contrast import Judge

DEFECTS = ("scratch", "dent", "bump")


def judge_of(params) -> Judge:
    return Judge(params["texture"], params["light"], params["camera"])


@pytest.mark.parametrize(("label", "kind"), list(enumerate(DEFECTS, 1)))
def test_a_flat_defect_has_no_contrast_and_a_steep_one_has(label, kind):
    params = stains.sample(Options(layout="test", stains=False), 0, label, 0)
    judge = judge_of(params)
    entry = params["defects"][0]
    assert entry["kind"] == kind
    assert judge.contrast(entry) >= stains.LEAST_CONTRAST
    if kind == "scratch":
        flat = {**entry, "depths": np.zeros(len(entry["depths"])).tolist()}
    else:
        flat = {**entry, "height": -1e-9, "rim": 1e-10} if kind == "dent" else {**entry, "height": 1e-9}
    assert judge.contrast(flat) < 1


def test_a_defect_is_drawn_again_where_it_does_not_show(monkeypatch):
    options = Options(layout="test", stains=False, objects=(3, 3))

    def contrasts(least: float) -> np.ndarray:
        monkeypatch.setattr(stains, "LEAST_CONTRAST", least)
        plates = [stains.sample(options, 0, 3, index) for index in range(2)]
        return np.array([judge_of(params).contrast(entry) for params in plates for entry in params["defects"]])

    wanted = np.median(contrasts(0.0))
    assert (contrasts(wanted) >= wanted).all()
