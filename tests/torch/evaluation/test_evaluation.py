"""Measuring a model on a test set: the rows say what the metrics say, the curves have the areas of the table."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from PIL import Image  # noqa: E402

from synthgen import metrics  # noqa: E402
from synthgen.errors import UsageError  # noqa: E402
from synthgen.layouts import open_images, open_normal, open_test_set  # noqa: E402
from synthgen.look.colors import color_range, colored  # noqa: E402
from synthgen.look.heatmaps import outline, overlay, picture_names, write_heatmaps  # noqa: E402
from synthgen.torch.evaluation import Batches, format_table, measure, plot_curves, predict_set  # noqa: E402
from synthgen.torch.evaluation.plots import overlap_curve, roc_curve  # noqa: E402

SIZE = (24, 32)


class Brightness:
    """A model that finds bright pixels anomalous."""

    def predict(self, images):
        maps = images.float().mean(1).numpy()
        return maps.max((1, 2)), maps


def rng(seed):
    return np.random.Generator(np.random.Philox(seed))


def put(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def noise(seed):
    return rng(seed).integers(0, 120, (*SIZE, 3), np.uint8)


def put_category(root, kinds, masks=True):
    """Write a category whose defects are squares, brighter or not, that the model finds more or less well."""
    for i in range(4):
        put(root / "test" / "good" / f"{i}.png", noise(i))
    for k, (kind, brightness) in enumerate(kinds.items()):
        for i in range(3):
            image, mask = noise(100 * k + i + 10), np.zeros(SIZE, np.uint8)
            for _ in range(i + 1):
                row, column = rng((k, i, _)).integers(0, 20, 2)
                mask[row : row + 4, column : column + 4] = 255
            image[mask > 0] = np.minimum(image[mask > 0].astype(int) + brightness, 255)
            put(root / "test" / kind / f"{i}.png", image)
            if masks:
                put(root / "ground_truth" / kind / f"{i}_mask.png", mask)
    return root


@pytest.fixture(scope="module")
def predictions(tmp_path_factory):
    root = put_category(tmp_path_factory.mktemp("sets") / "brick", {"dent": 30, "hole": 150})
    return predict_set(Brightness(), open_test_set(root), batch_size=4)


@pytest.fixture(scope="module")
def rows(predictions):
    return measure(predictions)


def chosen(predictions, kind):
    """Return labels, scores, masks and maps of a kind with all normal images, the plain way."""
    items = list(predictions.images)
    keep = [i for i, item in enumerate(items) if kind == "all" or item.kind in ("good", kind)]
    masks = np.array([items[i].truth.instances for i in keep])
    return np.array([items[i].label for i in keep]), predictions.scores[keep], masks, predictions.maps[keep]


def test_predictions_are_those_of_single_images(predictions):
    for i, item in enumerate(predictions.images):
        score, scores = Brightness().predict(torch.from_numpy(item.image.transpose(2, 0, 1).copy())[None])
        assert predictions.scores[i] == score[0]
        np.testing.assert_array_equal(predictions.maps[i], scores[0])


@pytest.mark.parametrize("place", range(3))
def test_a_row_measures_its_kind_against_all_normal_images(predictions, rows, place):
    row = rows[place]
    assert (row.category, row.kind) == ("brick", ["all", "dent", "hole"][place])
    labels, scores, masks, maps = chosen(predictions, row.kind)
    assert (row.normal, row.anomalous) == (4, [6, 3, 3][place])
    assert row.image_auroc == metrics.image_auroc(labels, scores)
    assert row.pixel_auroc == metrics.pixel_auroc(masks, maps)
    assert row.aupro == metrics.aupro(masks, maps)
    assert row.pl == metrics.proportion_localised(masks, maps)
    assert (row.threshold, row.f1) == metrics.best_f1_threshold(labels, scores)
    assert row.recall == metrics.defect_wise_recall(masks, maps >= rows[0].pixel_threshold)
    assert row.spro is None


def test_the_pixel_threshold_is_the_best_of_the_whole_category(predictions, rows):
    _, _, masks, maps = chosen(predictions, "all")
    assert (rows[0].pixel_threshold, rows[0].pixel_f1) == metrics.best_f1_threshold(masks, maps)
    assert [row.pixel_threshold for row in rows[1:]] == [None, None]


def test_without_masks_images_alone_are_measured(tmp_path):
    put_category(tmp_path / "brick", {"dent": 60}, masks=False)
    rows = measure(predict_set(Brightness(), open_test_set(tmp_path / "brick")))
    assert rows[0].image_auroc is not None
    assert rows[0].pixel_auroc is rows[0].aupro is rows[0].pl is rows[0].recall is None
    assert "AUPRO" not in format_table(rows)


def test_several_categories_end_with_their_mean(tmp_path):
    put_category(tmp_path / "a", {"dent": 20})
    put_category(tmp_path / "b", {"dent": 150})
    predictions = predict_set(Brightness(), open_test_set(tmp_path))
    rows = measure(predictions)
    assert [(row.category, row.kind) for row in rows] == [
        ("a", "all"), ("a", "dent"), ("b", "all"), ("b", "dent"), ("mean", "all"),
    ]  # fmt: skip
    assert rows[-1].aupro == pytest.approx((rows[0].aupro + rows[2].aupro) / 2)
    assert rows[-1].threshold is None
    assert rows[-1].anomalous == 6
    written = plot_curves(predictions, rows, tmp_path)
    assert [path.name for path in written] == ["roc.png", "overlap.png"]


def test_saturated_regions_have_an_spro(tmp_path):
    root = put_category(tmp_path / "pins", {"logical": 150})
    for i in range(3):
        mask = np.asarray(Image.open(root / "ground_truth" / "logical" / f"{i}_mask.png"))
        put(root / "ground_truth" / "logical" / str(i) / "000.png", mask)
    (root / "defects_config.json").write_text(
        '[{"pixel_value": 255, "saturation_threshold": 8, "relative_saturation": false}]'
    )
    predictions = predict_set(Brightness(), open_test_set(root))
    _, _, masks, maps = chosen(predictions, "all")
    regions = [mask[None] if mask.any() else np.zeros((0, *SIZE)) for mask in masks]
    expected = metrics.spro(regions, maps, 8.0)
    assert measure(predictions)[0].spro == expected


def test_a_model_that_gives_no_number_is_refused(tmp_path):
    class Broken:
        def predict(self, images):
            maps = np.zeros((len(images), *SIZE), np.float32)
            maps[1, 3, 3] = np.nan
            return np.zeros(len(images), np.float32), maps

    for i in range(3):
        put(tmp_path / f"{i}.png", noise(i))
    with pytest.raises(UsageError, match=r"1\.png: must have finite scores"):
        predict_set(Broken(), open_images([tmp_path]))


def test_batches_give_every_image_once_and_again(tmp_path):
    for i in range(5):
        put(tmp_path / f"{i}.png", noise(i))
    batches = Batches(open_normal(tmp_path), batch_size=2)
    assert len(batches) == 3
    for _ in range(2):
        images = torch.cat(list(batches))
        assert (images.dtype, tuple(images.shape)) == (torch.uint8, (5, 3, *SIZE))
        np.testing.assert_array_equal(images[4].permute(1, 2, 0).numpy(), noise(4))


def area(curve, limit=1.0):
    """Return the mean height of a curve up to a rate, by the trapezoid rule."""
    end = np.interp(limit, curve.fpr, curve.height)
    within = curve.fpr <= limit
    fpr, height = np.append(curve.fpr[within], limit), np.append(curve.height[within], end)
    return np.trapezoid(height, fpr) / limit


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=30))
def test_the_area_under_the_roc_curve_is_the_auroc(pairs):
    labels, scores = np.array(pairs, int).T
    if 0 < labels.sum() < len(labels):
        assert area(roc_curve(labels, scores.astype(float))) == pytest.approx(metrics.image_auroc(labels, scores))


def test_the_areas_under_the_drawn_curves_are_those_of_the_table(predictions):
    _, _, masks, maps = chosen(predictions, "all")
    curve = overlap_curve(masks, maps)
    assert area(curve, 0.3) == pytest.approx(metrics.aupro(masks, maps))
    assert area(overlap_curve(masks, maps, by_pixel=True)) == pytest.approx(metrics.pixel_auroc(masks, maps))
    assert np.all(np.diff(curve.fpr) >= 0)
    assert np.all(np.diff(curve.height) >= -1e-12)
    assert (curve.fpr[-1], curve.height[-1]) == (1, pytest.approx(1))


def test_the_table_has_a_line_for_each_row(rows):
    lines = format_table(rows).splitlines()
    assert len(lines) == 4
    assert lines[0].split()[:4] == ["category", "kind", "normal", "anomalous"]
    assert "sPRO" not in lines[0]
    assert f"{rows[1].aupro:.3f}" in lines[2]
    assert lines[2].split()[-1] == "-"


def test_colors_grow_brighter_with_the_score():
    luminance = colored(np.linspace(0, 1, 100)) @ np.array([0.299, 0.587, 0.114])
    assert np.all(np.diff(luminance) > 0)
    np.testing.assert_array_equal(colored(np.array([-1.0, 2.0])), colored(np.array([0.0, 1.0])))


def test_cold_places_show_the_image_in_grey_and_hot_ones_the_color():
    image = np.full((8, 8, 3), (10, 200, 30), np.uint8)
    scores = np.zeros((8, 8), np.float32)
    scores[:, 4:] = 5
    picture = overlay(image, scores, 0, 5)
    assert np.ptp(picture[:, :4], axis=2).max() == 0
    assert picture[0, 0, 0] == round(0.299 * 10 + 0.587 * 200 + 0.114 * 30)
    assert (picture[:, 4:, 0].astype(int) - picture[:, 4:, 2] > 40).all()


def test_a_map_of_another_size_is_laid_over_the_whole_image():
    scores = np.zeros((4, 4), np.float32)
    scores[:2, :2] = 1
    picture = overlay(np.zeros((40, 80, 3), np.uint8), scores, 0, 1)
    assert picture.shape == (40, 80, 3)
    assert picture[2, 2].any()
    assert not picture[-2, -2].any()


def test_the_outline_is_the_rim_of_what_reaches_the_threshold():
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    rim = outline(mask)
    assert rim.sum() == 16
    assert not rim[3:6, 3:6].any()
    assert not outline(np.ones((5, 5), bool)).any()
    picture = overlay(np.zeros((9, 9, 3), np.uint8), mask.astype(np.float32), 0, 1, threshold=0.5)
    assert (picture[rim] == (0, 255, 255)).all()


def test_normal_images_do_not_glow_where_a_threshold_is_known():
    maps = rng(0).random((3, 8, 8), np.float32)
    low, high = color_range(maps, threshold=10.0)
    assert maps.max() < low + (high - low) / 2
    assert color_range(maps)[1] <= 1
    assert color_range(np.zeros((2, 4, 4), np.float32)) == (0, 0)


def test_pictures_mirror_the_folders_of_the_images(predictions, tmp_path):
    paths = write_heatmaps(predictions, tmp_path / "heat", threshold=100.0)
    assert len(set(paths)) == len(predictions.scores)
    assert (tmp_path / "heat" / "dent" / "1.png").is_file()
    with Image.open(paths[0]) as picture:
        assert picture.size == SIZE[::-1]


@given(
    st.lists(st.sampled_from(["a/1.png", "a/1.jpg", "a/b/1.png", "a/2.x.png", "b/1.png"]), min_size=1, unique=True)
)
def test_each_image_has_a_picture_of_its_own(names):
    assert len(set(picture_names(names))) == len(names)
