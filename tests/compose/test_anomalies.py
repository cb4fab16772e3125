"""Cut-paste: the mask is what changed, the difference is what was asked for, and nothing else moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.compose import anomalies, bounded, cutouts, shapes, sources

SIZE = (48, 64)
SHAPES = (*shapes.SHAPES, "files")


def noise(seed: int, size=SIZE, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, channels)).astype(np.uint8)


def defects(seed: int, shape: str, source: str, count=1, soft=False, area=(0.002, 0.1), severity=(0.05, 1.0)):
    rng = np.random.default_rng(seed)
    drawn = [anomalies.sample_defect(rng, shape, source, area, severity, soft) for _ in range(count)]
    for defect in drawn:
        if shape == "files":
            defect["mask"]["sha256"] = "mask"
        if source in ("image", "structural"):
            defect["anomaly"]["sha256"] = "other"
    return drawn


def paste(clean, drawn, contrast=1, region=None, other=None, least=0):
    other = noise(99, clean.shape[:2], clean.shape[2]) if other is None else other
    mask = np.zeros((20, 30), bool)
    mask[3:12, 5:9] = mask[8:17, 4:25] = True
    return anomalies.paste_defects(clean, drawn, contrast, region, lambda _: other, lambda _: mask, least)


def difference(a, b):
    return np.abs(a.astype(int) - b.astype(int)).max(axis=2)


everything = st.tuples(
    st.integers(0, 2**32),
    st.sampled_from(SHAPES),
    st.sampled_from(sources.SOURCES),
    st.integers(1, 4),
    st.booleans(),
)


@given(
    everything, st.sampled_from([1, 12, 127]), st.sampled_from([1, 3]), st.sampled_from(["noise", "dark", "white"])
)
@settings(max_examples=120)
def test_a_pixel_has_an_id_exactly_where_it_changed(kind, contrast, channels, look):
    clean = noise(kind[0], SIZE, channels) if look == "noise" else np.full((*SIZE, channels), 255, np.uint8)
    clean = clean // 200 if look == "dark" else clean
    kept = clean.copy()
    pixels, instances, measured = paste(clean, defects(*kind), contrast)
    changed = difference(pixels, clean)
    assert np.array_equal(changed > 0, instances > 0)
    assert np.array_equal(clean, kept)
    assert (instances == 1).any()
    visible = np.bincount(instances.ravel(), minlength=kind[3] + 1)[1:].tolist()
    assert [m["visible_area"] for m in measured] == visible
    if not kind[4]:
        assert changed[instances > 0].min() >= contrast


@given(everything, st.integers(0, 2**32), st.floats(0.0005, 0.5))
@settings(max_examples=60)
def test_nothing_changes_outside_the_region_of_interest(kind, seed, share):
    region = np.random.default_rng(seed).random(SIZE) < share
    region[seed % SIZE[0], seed % SIZE[1]] = True
    clean = noise(kind[0])
    pixels, instances, _ = paste(clean, defects(*kind), 5, region)
    assert np.array_equal(pixels[~region], clean[~region])
    assert (instances == 1).any()


@given(everything)
@settings(max_examples=40)
def test_the_same_parameters_give_the_same_pixels(kind):
    first, again = (paste(noise(1), defects(*kind)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first[:2], again[:2], strict=True))
    assert first[2] == again[2]


def test_boxes_and_areas_are_those_of_a_defect_by_itself():
    for seed in range(12):
        drawn = defects(seed, "blobs", "color", 3, area=(0.05, 0.2))
        _, _, measured = paste(noise(1), drawn)
        for defect, facts in zip(drawn, measured, strict=True):
            _, alone, _ = paste(noise(1), [defect])
            rows, columns = np.nonzero(alone)
            assert facts["area"] == len(rows) >= facts["visible_area"]
            assert facts["box"] == [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]


def test_defects_go_under_those_before_them():
    clean = noise(4)
    drawn = defects(3, "rectangles", "color", 8, area=(0.2, 0.3), severity=(1, 1))
    pixels, instances, _ = paste(clean, drawn)
    first, alone, _ = paste(clean, drawn[:1])
    assert np.array_equal(instances == 1, alone == 1)
    assert np.array_equal(pixels[alone == 1], first[alone == 1])
    assert len(np.unique(instances)) > 3


def plain_blend(clean, cover, anomaly, severity, contrast):
    """Equation 16 of the paper with its bound, pixel by pixel; anomaly and cover lie over all of the image."""
    solid = cover >= 128
    mean = (anomaly.astype(float) - clean)[solid].sum(axis=0) if solid.any() else np.zeros(clean.shape[2])
    toward = mean / np.abs(mean).max() if mean.any() else np.ones(clean.shape[2])
    out = clean.copy()
    for place in np.argwhere(cover > 0):
        old = clean[tuple(place)].astype(float)
        alpha = cover[tuple(place)] / 255 * severity
        new = np.floor(old + alpha * (anomaly[tuple(place)] - old) + 0.5)
        bound = contrast * min(2 * int(cover[tuple(place)]), 255) // 255
        if np.abs(new - old).max() < bound:
            step = toward * bound
            lead = np.argmax(np.abs(toward))
            step = step if 0 <= old[lead] + step[lead] <= 255 else -step
            new = np.clip(np.floor(old + step + 0.5), 0, 255)
        out[tuple(place)] = new
    return out


@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.6, 1.0]), st.sampled_from([1, 40, 127]), st.booleans())
@settings(max_examples=40)
def test_the_blend_is_equation_16_and_keeps_its_bound(seed, severity, contrast, near):
    rng = np.random.default_rng(seed)
    clean, cover = noise(seed, (9, 11)), rng.integers(0, 256, (9, 11)).astype(np.uint8)
    anomaly = np.clip(clean + rng.integers(-3, 4, clean.shape), 0, 255) if near else noise(seed + 1, (9, 11))
    anomaly = anomaly.astype(np.uint8)
    pixels, instances = clean.copy(), np.zeros((9, 11), np.uint8)
    region = np.ones((1, 1), bool)
    canvas = bounded.Canvas(pixels, sources.read_only(clean), instances, region, False)
    bounded.blend(canvas, bounded.Patch(cover, anomaly, 0, 0, severity), contrast, 7)
    assert np.array_equal(pixels, plain_blend(clean, cover, anomaly, severity, contrast))
    changed = difference(pixels, clean)
    assert (changed[cover >= 128] >= contrast).all()
    assert np.array_equal(instances == 7, changed > 0)


def test_a_pixel_of_the_same_color_is_moved_by_the_bound_and_no_more():
    clean = np.full((*SIZE, 3), 100, np.uint8)
    defect = defects(0, "rectangles", "piece")[0]
    defect["anomaly"]["gain"] = [1.0, 1.0, 1.0]
    pixels, instances, _ = paste(clean, [defect], 20)
    assert set(difference(pixels, clean)[instances > 0].tolist()) == {20}


def test_what_is_more_severe_differs_more():
    clean, drawn = noise(2), defects(5, "blobs", "image", area=(0.1, 0.1))
    means = []
    for severity in (0.1, 0.4, 1.0):
        pixels, instances, _ = paste(clean, [{**drawn[0], "severity": severity}])
        means.append(difference(pixels, clean)[instances > 0].mean())
    assert means[0] < 0.5 * means[1] < 0.5 * means[2]


def test_a_piece_that_is_not_turned_is_a_part_of_the_picture():
    picture, cover = noise(3), np.full((11, 14), 255, np.uint8)
    wide = np.pad(picture, [(20, 20), (20, 20), (0, 0)], mode="reflect")
    for row, column in ((24, 30), (0, 0), (47, 63), (3, 60)):
        piece = sources._piece(sources.read_only(picture), cover, (row, column), (1.0, 0.0), np.ones(3))
        top, left = row + 20 - 5, column + 20 - 7
        assert np.array_equal(piece, wide[top : top + 11, left : left + 14])


def test_a_piece_turned_by_a_quarter_is_the_part_turned():
    picture, cover = noise(3), np.full((11, 11), 255, np.uint8)
    piece = sources._piece(sources.read_only(picture), cover, (20, 30), (0.0, 1.0), np.ones(3))
    assert np.array_equal(np.rot90(piece), picture[15:26, 25:36])


def test_gains_multiply_the_channels():
    picture = np.full((20, 20, 3), 100, np.uint8)
    cover, gain = np.full((3, 3), 255, np.uint8), np.array([0.5, 1.1, 3])
    piece = sources._piece(sources.read_only(picture), cover, (9, 9), (0.6, 0.8), gain)
    assert (piece == (50, 110, 255)).all()


def test_a_structural_anomaly_comes_from_the_mirrored_place_of_another_image():
    clean, other = noise(1), noise(2)
    for seed in range(30):
        drawn = defects(seed, "rectangles", "structural", area=(0.01, 0.1), severity=(1, 1))
        pixels, _, measured = paste(clean, drawn, other=other)
        top, left, bottom, right = measured[0]["box"]
        assert right <= 32 or left >= 32
        mirrored = other[top:bottom, 64 - right : 64 - left]
        # all but those that were equal by chance and had to be moved
        assert (pixels[top:bottom, left:right] == mirrored).all(axis=2).mean() > 0.9


def test_soft_edges_grow_the_mask_and_fade():
    clean = np.full((*SIZE, 3), 40, np.uint8)
    soft = defects(1, "rectangles", "color", area=(0.1, 0.1), soft=True, severity=(1, 1))[0]
    soft["anomaly"]["color"] = [240, 240, 240]
    _, hard_ids, _ = paste(clean, [{**soft, "blur": 0.0}])
    pixels, ids, _ = paste(clean, [soft])
    assert ((ids > 0) & (hard_ids == 0)).any()
    assert len(np.unique(pixels)) > 5
    assert pixels.max() == 240


def test_options_do_not_shift_each_others_chance():
    a = defects(7, "blobs", "piece", soft=False, severity=(1, 1))[0]
    b = defects(7, "blobs", "piece", soft=True, severity=(0.1, 0.3))[0]
    for key in ("mask", "anomaly", "at"):
        assert a[key] == b[key]


def flat(level: int, size=SIZE) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


def test_a_color_near_the_image_is_drawn_again_and_not_moved():
    rng = np.random.default_rng(0)
    for level in (0, 100, 255):
        drawn = anomalies.sample_defect(rng, "blobs", "color", (0.05, 0.1), more=5)
        drawn["anomaly"]["color"] = [min(level + 3, 255)] * 3
        _, _, raised = paste(flat(level), [{**drawn, "again": None}], 1, least=20)
        pixels, ids, measured = paste(flat(level), [drawn], 1, least=20)
        taken = measured[0]["params"]
        assert (raised[0]["params"]["raised"], taken["raised"]) == (True, False)
        assert (pixels[ids > 0] == taken["anomaly"]["color"]).all()
        assert difference(pixels, flat(level))[ids > 0].mean() >= 20


def test_a_piece_of_the_background_on_the_background_goes_elsewhere():
    clean = flat(180)
    clean[:, 40:] = 60
    for seed in range(30):
        rng = np.random.default_rng(seed)
        drawn = anomalies.sample_defect(rng, "rectangles", "structural", (0.01, 0.05), more=30)
        drawn["anomaly"]["sha256"] = "other"
        pixels, ids, measured = paste(clean, [drawn], 1, other=clean, least=40)
        assert not measured[0]["params"]["raised"]
        assert difference(pixels, clean)[ids > 0].mean() >= 40


@given(everything, st.integers(1, 100))
@settings(max_examples=60)
def test_every_defect_reaches_the_bound_on_its_mean(kind, least):
    seed, shape, source, _, soft = kind
    rng = np.random.default_rng(seed)
    drawn = anomalies.sample_defect(rng, shape, source, (0.002, 0.1), (0.05, 1.0), soft, more=3)
    drawn["anomaly"]["sha256"] = "other" if source in ("image", "structural") else None
    drawn["mask"]["sha256"] = "mask" if shape == "files" else None
    clean = noise(seed) // 2
    _, _, measured = paste(clean, [drawn], 1, least=least)
    settled = measured[0]["params"]
    pixels, ids, again = paste(clean, [settled], 1, least=least)
    assert again == measured
    hard = not soft
    assert not hard or difference(pixels, clean)[ids > 0].mean() >= min(least, 0.5 * least + 0.5)


def plain_visibility(clean, defect):
    pixels, ids, _ = paste(clean, [defect])
    return difference(pixels, clean)[ids > 0].mean()


@given(st.integers(0, 2**32), st.sampled_from(["blobs", "scars", "rectangles"]))
@settings(max_examples=30)
def test_the_visibility_is_the_mean_difference_of_what_is_pasted(seed, shape):
    clean = noise(seed)
    (drawn,) = defects(seed, shape, "color", area=(0.01, 0.1))
    measured = plain_visibility(clean, drawn)
    for least in (int(measured * 0.9), int(measured * 1.1) + 2):
        bound = min(least, 127)
        _, _, facts = paste(clean, [drawn], 1, least=bound)
        assert facts[0]["params"]["raised"] == (bound > measured)


def cut_out(seed: int, channels: int = 4) -> np.ndarray:
    """Return a disk on nothing, with soft edges."""
    rows, columns = np.mgrid[:30, :44]
    reach = np.hypot(rows - 14, (columns - 20) / 1.4)
    alpha = np.clip((12 - reach) * 64, 0, 255)
    colors = noise(seed, (30, 44), channels - 1)
    return np.dstack([colors, alpha.astype(np.uint8)])


@given(st.integers(0, 2**32), st.sampled_from([0.3, 1.0]), st.sampled_from([1, 3]))
@settings(max_examples=30)
def test_a_cut_out_is_laid_over_the_image_by_its_alpha(seed, severity, channels):
    rng = np.random.default_rng(seed)
    drawn = anomalies.sample_defect(rng, "cutouts", "cutout", (0.05, 0.2), (severity, severity), soft=True)
    drawn["mask"]["sha256"] = "mine"
    picture = cut_out(seed, channels + 1)
    clean = noise(seed + 1, SIZE, channels)
    pixels, ids, measured = anomalies.paste_defects(clean, [drawn], find_cutout=lambda _: picture)
    cover, colors = cutouts.draw_cutout(drawn["mask"], SIZE, picture)
    assert cover.sum() / 255 == pytest.approx(drawn["mask"]["area"] * SIZE[0] * SIZE[1], rel=0.15)
    height, width = cover.shape
    row, column = measured[0]["center"]
    under = slice(round(row - (height - 1) / 2), None), slice(round(column - (width - 1) / 2), None)
    assert np.array_equal(
        pixels[under][:height, :width],
        plain_blend(clean[under][:height, :width], cover, colors, severity, 1),
    )
    assert np.array_equal(ids > 0, difference(pixels, clean) > 0)
