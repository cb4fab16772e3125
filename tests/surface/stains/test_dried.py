import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.surface.stains import dried
from synthgen.surface.stains.dried import Frame, Residue, paint_dried
from synthgen.surface.stains.drops import Drops

PITCH = 0.05
SHAPE = (200, 240)


def frame(pitch=PITCH, left=0.0, top=0.0) -> Frame:
    return Frame(left=left + pitch / 2, top=top + pitch / 2, pitch=pitch, cosine=1.0, sine=0.0)


def residue(**changes) -> Residue:
    values = {
        "ring": (0.15, 0.15), "contrast": 0.6, "haze": 0.05, "specks": 0.1, "roughness": 0.15, "glow": 0.2,
        "shift": (3.0, 4.0, 5.0), "seed": np.uint64(1),
    }  # fmt: skip
    return Residue(**{**values, **changes})


SMOOTH = residue(roughness=0.0, specks=0.0)


def drops(*places, older=0.0, inner=0.0) -> Drops:
    """Drops at (x, y, radius)."""
    table = np.array(places, float)
    ones = np.ones(len(table))
    return Drops(*table.T, strength=ones, inner=inner * ones, haze=ones, older=older * ones)


def both(*layers: Drops) -> Drops:
    return Drops(*(np.concatenate(values) for values in zip(*layers, strict=True)))


def painted(of: Drops, look: Residue, shape=SHAPE, where=None):
    """Return the picture of a plate of brightness 1, and its layers, older ones first."""
    picture = np.ones(shape, np.float32)
    layers = paint_dried(picture, where or frame(), of, look)
    return picture, layers


MANY = both(
    drops((3, 3, 1.8), (4.6, 3.4, 0.9), (8, 6, 2.0), inner=0.2),
    drops((3.5, 4.5, 1.4), (9, 2, 0.3), (0.1, 9.9, 1.0), (11, 8, 0.08), older=1.0),
)
LOOKS = {
    "all of it": residue(),
    "no ring": residue(contrast=0.0),
    "no haze": residue(haze=0.0),
    "no specks": residue(specks=0.0),
    "smooth": residue(roughness=0.0),
    "as rough as can be": residue(roughness=0.5),
    "wide rings": residue(ring=(0.3, 0.9)),
}


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_changes_outside_the_stains(look):
    picture, layers = painted(MANY, LOOKS[look])
    inside = (layers[0].ids > 0) | (layers[1].ids > 0)
    assert (picture[~inside] == 1).all()
    assert (picture[inside] < 1).mean() > (0.3 if look == "no haze" else 0.85)
    assert picture.min() > 0
    for layer in layers:
        assert np.unique(layer.ids).tolist() == list(range(len(layer.points) + 1))


def test_a_drop_leaves_a_disc_with_a_dark_ring():
    picture, (_, newer) = painted(drops((6, 5, 3)), SMOOTH)
    assert (newer.ids > 0).sum() * PITCH**2 == pytest.approx(np.pi * 9, rel=0.02)
    assert newer.points.tolist() == [[6, 5]]
    rows, columns = np.indices(SHAPE)
    depth = 3 - np.hypot((columns + 0.5) * PITCH - 6, (rows + 0.5) * PITCH - 5)
    dark = 1 - picture
    ring = dark[(depth > 0.03) & (depth < 0.12)].mean()
    assert ring > 4 * dark[depth > 1].mean() > 0
    # broken in places: the ring is not as dark all around
    assert dark[(depth > 0.03) & (depth < 0.12)].std() > 0.2 * ring


def test_drops_that_meet_have_one_outline_and_one_number():
    apart = painted(drops((3, 5, 1.5), (9, 5, 1.5)), SMOOTH)[1][1]
    picture, (_, joined) = painted(drops((5, 5, 2), (7.4, 5, 1.6)), SMOOTH)
    assert (apart.ids.max(), joined.ids.max()) == (2, 1)
    assert joined.points.tolist() == [[5, 5]]
    # no seam where they meet: as light as the middle of a drop, and far from as dark as the outline
    seam = 1 - picture[90:110, 100:150].min()
    assert seam < 0.25 * (1 - picture).max()


def test_an_older_stain_shows_under_a_newer_one():
    look = residue(roughness=0.0, specks=0.0, haze=0.0)
    old = drops((5, 5, 2), older=1.0)
    new = drops((6.5, 5, 2))
    picture, (below, above) = painted(both(new, old), look)
    over = (below.ids > 0) & (above.ids > 0)
    assert over.any()
    alone = painted(old, look)[0]
    outline = over & (alone < 0.9)
    assert outline.any()
    assert (picture[outline] <= alone[outline]).all()


def test_an_inner_ring_lies_inside():
    look = residue(roughness=0.0, specks=0.0, haze=0.0)
    single = painted(drops((6, 5, 3)), look)[0]
    double = painted(drops((6, 5, 3), inner=0.3), look)[0]
    changed = np.abs(single - double) > 0.02
    rows, columns = np.nonzero(changed)
    depth = 3 - np.hypot((columns + 0.5) * PITCH - 6, (rows + 0.5) * PITCH - 5)
    assert len(depth) > 100
    assert 0.3 < np.median(depth) < 1.6


def test_edges_are_sampled_within_the_pixel():
    fine, _ = painted(MANY, residue(specks=0.0), (800, 960), frame(PITCH / 4))
    coarse, _ = painted(MANY, residue(specks=0.0))
    mean = fine.reshape(200, 4, 240, 4).mean(axis=(1, 3))
    changed = (mean < 1) | (coarse < 1)
    assert np.abs(mean - coarse)[changed].mean() < 0.02
    # most of what is drawn stays where it was
    assert np.corrcoef(mean[changed], coarse[changed])[0, 1] > 0.9


def test_a_part_of_a_plate_looks_as_in_the_whole():
    whole, layers = painted(MANY, residue())
    part, _ = painted(MANY, residue(), (80, 100), frame(left=60 * PITCH, top=40 * PITCH))
    assert np.abs(part - whole[40:120, 60:160]).max() < 1e-3
    assert layers[1].ids.any()


def test_the_ring_is_as_wide_as_asked_in_any_size_of_stain():
    look = residue(ring=(0.2, 0.2), haze=0.0, specks=0.0, roughness=0.0)
    widths = []
    for radius in (1.0, 2.0, 4.0):
        picture, _ = painted(drops((6, 5, radius)), look)
        dark = 1 - picture
        widths.append(dark.sum() * PITCH**2 / (2 * np.pi * radius * dark.max()))
    assert max(widths) < 1.6 * min(widths)


def test_more_drops_than_numbers_are_refused(monkeypatch):
    monkeypatch.setattr(dried, "MOST_DROPS", 2)
    with pytest.raises(UsageError, match=r"^a plate may have at most 2 drops, got 3; take larger cells$"):
        painted(drops((1, 1, 0.5), (3, 3, 0.5), (5, 5, 0.5)), residue())
