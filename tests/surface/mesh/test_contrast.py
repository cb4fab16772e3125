import numpy as np
import pytest

from synthgen.families import stains
from synthgen.families.stains import Options
from synthgen.surface.marks.contrast import SIZE
from synthgen.surface.mesh import draw
from synthgen.surface.mesh.builtin import BUILTIN, builtin
from synthgen.surface.mesh.contrast import Judge
from synthgen.surface.mesh.scene import FIELD_OF_VIEW

DEFECTS = ("scratch", "dent", "bump")
# Over these shares of its mask, what changes most, a defect is looked at.
SHARES = {"scratch": 0.25, "dent": 0.25, "bump": 1.0}


def part(mesh, label, index=0, **changes) -> dict:
    options = Options(layout="test", stains=False, mesh=mesh, objects=(1, 1), fields=("clean",), **changes)
    return stains.sample(options, 0, label, index)


def seen_contrast(params) -> float:
    """The contrast of the only defect, measured in the drawn picture and its clean twin."""
    image, fields, drawn = stains.draw(params, SIZE)
    (thing,) = drawn["objects"]
    pixels = fields["instances"] == thing["id"]
    change = np.abs(image.astype(int) - fields["clean"])[pixels]
    count = max(1, int(SHARES[thing["kind"]] * len(change)))
    return float(np.sort(change)[-count:].mean())


@pytest.mark.parametrize("mesh", BUILTIN)
@pytest.mark.parametrize(("label", "kind"), list(enumerate(DEFECTS, 1)))
def test_the_judge_tells_what_the_picture_shows(mesh, label, kind):
    # Beyond the rounding of both pictures to whole levels: the exposure is that of a small picture, which is off
    # by up to 5 % (a bolt has the most edge), and the pixels of a large defect are every so many.
    params = part(mesh, label)
    assert params["defects"][0]["kind"] == kind
    told = Judge(builtin(mesh), params).contrast(params["defects"][0])
    assert told == pytest.approx(seen_contrast(params), rel=0.07, abs=0.5)


@pytest.mark.parametrize("mesh", BUILTIN)
def test_the_exposure_is_nearly_that_of_the_picture(mesh, monkeypatch):
    params = part(mesh, 0)
    cameras = []
    monkeypatch.setattr(draw, "photograph", lambda picture, camera: cameras.append(camera) or picture)
    draw.draw_part({**params, "fields": []}, SIZE)
    (camera,) = cameras
    assert Judge(builtin(mesh), params).exposure == pytest.approx(camera["exposure"], rel=0.06)


def test_what_the_camera_does_not_see_has_no_contrast():
    params = part("plate", 2)
    judge = Judge(builtin("plate"), params)
    entry = params["defects"][0]
    center, normal = np.array(entry["center"]), np.array(entry["normal"])
    assert judge.contrast(entry) > stains.LEAST_CONTRAST
    # on the other side of the part, inside of it, beside the picture, and behind the camera
    assert (
        judge.contrast({**entry, "center": (center - [0, 0, 2 * center[2]]).tolist(), "normal": (-normal).tolist()})
        == 0
    )
    assert judge.contrast({**entry, "normal": (-normal).tolist()}) == 0
    assert judge.contrast({**entry, "center": [500.0, 0.0, 0.0]}) == 0
    assert judge.contrast({**entry, "center": [0.0, 0.0, 400.0]}) == 0


@pytest.mark.parametrize("mesh", BUILTIN)
@pytest.mark.parametrize("label", [1, 2, 3])
def test_a_defect_shows_or_is_the_clearest_of_all_tries(mesh, label, monkeypatch):
    told = []

    def contrast(judge, entry):
        told.append((true_contrast(judge, entry), entry["center"]))
        return told[-1][0]

    true_contrast = Judge.contrast
    monkeypatch.setattr(Judge, "contrast", contrast)
    for index in range(4):
        told.clear()
        (entry,) = part(mesh, label, index)["defects"]
        clearest, center = max(told, key=lambda one: one[0])
        assert entry["center"] == center
        if clearest < stains.LEAST_CONTRAST:
            assert len(told) == stains.SHOW_TRIES
        else:
            assert all(value < stains.LEAST_CONTRAST for value, _ in told[:-1])


@pytest.mark.parametrize("mesh", BUILTIN)
def test_defects_of_a_part_lie_apart(mesh, monkeypatch):
    def gaps() -> np.ndarray:
        options = Options(layout="test", stains=False, mesh=mesh, objects=(2, 2), defects=("dent",))
        pairs = [stains.sample(options, 0, 1, index)["defects"] for index in range(20)]
        centers = np.array([[entry["center"] for entry in pair] for pair in pairs])
        return np.linalg.norm(centers[:, 0] - centers[:, 1], axis=1)

    apart = gaps()
    monkeypatch.setattr(stains, "PART_TRIES", 1)
    anywhere = gaps()
    assert np.median(apart) > stains.APART**0.5 * FIELD_OF_VIEW
    assert (apart < 10).sum() <= (anywhere < 10).sum()
    assert apart.min() > anywhere.min()


def test_a_part_is_not_lit_where_it_has_no_defect(monkeypatch):
    monkeypatch.setattr(Judge, "contrast", None)
    assert part("ring", 0)["defects"] == []
