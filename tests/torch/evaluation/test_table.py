"""The table of a measured set: its rows say what the metrics say."""

import numpy as np
import pytest
from PIL import Image

from synthgen import metrics
from synthgen.layouts import open_test_set
from synthgen.metrics.registry import USUAL, columns_of
from synthgen.torch.evaluation import as_dicts, format_table, measure, plot_curves, predict_set
from synthgen.torch.evaluation.limits import Thresholds


@pytest.mark.parametrize("place", range(3))
def test_a_row_measures_its_kind_against_all_normal_images(predictions, rows, place, sets):
    row = rows[place]
    assert (row.category, row.kind) == ("brick", ["all", "dent", "hole"][place])
    labels, scores, masks, maps = sets.chosen(predictions, row.kind)
    assert (row.normal, row.anomalous) == (4, [6, 3, 3][place])
    assert row.image_auroc == metrics.image_auroc(labels, scores)
    assert row.pixel_auroc == metrics.pixel_auroc(masks, maps)
    assert row.aupro == metrics.aupro(masks, maps)
    assert row.pl == metrics.proportion_localised(masks, maps)
    assert (row.oracle_threshold, row.oracle_f1) == metrics.best_f1_threshold(labels, scores)
    assert row.oracle_defect_recall == metrics.defect_wise_recall(masks, maps >= rows[0].oracle_pixel_threshold)
    assert row.spro is None


def test_the_pixel_threshold_is_the_best_of_the_whole_category(predictions, rows, sets):
    _, _, masks, maps = sets.chosen(predictions, "all")
    assert (rows[0].oracle_pixel_threshold, rows[0].oracle_pixel_f1) == metrics.best_f1_threshold(masks, maps)
    assert [row.oracle_pixel_threshold for row in rows[1:]] == [None, None]


def test_without_masks_images_alone_are_measured(tmp_path, sets):
    sets.put_category(tmp_path / "brick", {"dent": 60}, masks=False)
    rows = measure(predict_set(sets.Brightness(), open_test_set(tmp_path / "brick")))
    assert rows[0].image_auroc is not None
    assert rows[0].pixel_auroc is rows[0].aupro is rows[0].pl is rows[0].defect_recall is None
    assert "AUPRO" not in format_table(rows)


def test_several_categories_end_with_their_mean(tmp_path, sets):
    sets.put_category(tmp_path / "a", {"dent": 20})
    sets.put_category(tmp_path / "b", {"dent": 150})
    predictions = predict_set(sets.Brightness(), open_test_set(tmp_path))
    rows = measure(predictions, columns=columns_of([*USUAL, "oracle"]))
    assert [(row.category, row.kind) for row in rows] == [
        ("a", "all"), ("a", "dent"), ("b", "all"), ("b", "dent"), ("mean", "all"),
    ]  # fmt: skip
    assert rows[-1].aupro == pytest.approx((rows[0].aupro + rows[2].aupro) / 2)
    assert rows[-1].oracle_threshold is None
    assert rows[-1].anomalous == 6
    written = plot_curves(predictions, rows, tmp_path)
    assert [path.name for path in written] == ["roc.png", "overlap.png"]


def test_saturated_regions_have_an_spro(tmp_path, sets):
    root = sets.put_category(tmp_path / "pins", {"logical": 150})
    for i in range(3):
        mask = np.asarray(Image.open(root / "ground_truth" / "logical" / f"{i}_mask.png"))
        sets.put(root / "ground_truth" / "logical" / str(i) / "000.png", mask)
    (root / "defects_config.json").write_text(
        '[{"pixel_value": 255, "saturation_threshold": 8, "relative_saturation": false}]'
    )
    predictions = predict_set(sets.Brightness(), open_test_set(root))
    _, _, masks, maps = sets.chosen(predictions, "all")
    regions = [mask[None] if mask.any() else np.zeros((0, *(24, 32))) for mask in masks]
    expected = metrics.spro(regions, maps, 8.0)
    assert measure(predictions)[0].spro == expected


def test_the_table_has_a_line_for_each_row(rows):
    lines = format_table(rows).splitlines()
    assert len(lines) == 4
    assert lines[0].split()[:4] == ["category", "kind", "normal", "anomalous"]
    assert "sPRO" not in lines[0]
    assert f"{rows[1].aupro:.3f}" in lines[2]
    assert lines[2].split()[-1] == "-"


def test_a_defect_under_another_counts_in_the_recall(tmp_path, sets):
    root = tmp_path / "pins"
    image = np.zeros((24, 32, 3), np.uint8)
    sets.put(root / "test" / "good" / "0.png", image)
    small = np.zeros((24, 32), np.uint8)
    small[2:6, 2:6] = 255
    large = np.zeros((24, 32), np.uint8)
    large[:20, :20] = 255
    image[8:20, :20] = 200  # in the large one alone
    sets.put(root / "test" / "logical" / "0.png", image)
    for number, mask in enumerate((small, large)):
        sets.put(root / "ground_truth" / "logical" / "0" / f"{number:03d}.png", mask)
    predictions = predict_set(sets.Brightness(), open_test_set(root))
    assert measure(predictions, columns=columns_of(["oracle"]))[0].oracle_defect_recall == 0.5


def test_decisions_are_made_at_thresholds_that_are_given(predictions, sets):
    _, scores, masks, maps = sets.chosen(predictions, "all")
    labels = masks.any(axis=(1, 2))
    columns = columns_of(["f1", "recall", "pixel_f1", "iou", "defect_recall"])
    assert measure(predictions, columns=columns)[0].values == {}
    row = measure(predictions, columns=columns, thresholds=Thresholds(110.0, 118.0))[0]
    assert row.recall == (scores[labels] >= 110).mean()
    assert row.pixel_f1 == metrics.pixel_scores(masks, maps >= 118)["f1"]
    assert row.iou == metrics.mean_overlap(masks, maps >= 118)["iou"]
    assert row.defect_recall == metrics.defect_wise_recall(masks, maps >= 118)


def test_the_headline_of_loco_is_the_mean_of_its_kinds(tmp_path, sets):
    for category in ("pins", "juice"):
        sets.put_category(tmp_path / category, {"logical_anomalies": 20, "structural_anomalies": 150})
    rows = measure(predict_set(sets.Brightness(), open_test_set(tmp_path)))
    assert [(row.category, row.kind) for row in rows if row.kind == "mean of kinds"] == [
        ("juice", "mean of kinds"), ("pins", "mean of kinds"), ("mean", "mean of kinds"),
    ]  # fmt: skip
    _, logical, structural, headline = rows[:4]
    assert headline.aupro == pytest.approx((logical.aupro + structural.aupro) / 2)
    assert (headline.normal, headline.anomalous) == (4, 6)
    assert rows[-1].image_auroc == pytest.approx((headline.image_auroc + rows[7].image_auroc) / 2)


def test_rows_are_dicts_of_the_same_keys(rows):
    plain = as_dicts(rows)
    assert [list(row) for row in plain] == [list(plain[0])] * 3
    assert plain[0]["oracle_pixel_f1"] == rows[0].oracle_pixel_f1
    assert plain[1]["oracle_pixel_f1"] is None
    assert rows[0].with_values(refined_iou=0.5).refined_iou == 0.5
    with pytest.raises(AttributeError, match=r"^a row has no imagine_auroc$"):
        rows[0].imagine_auroc  # noqa: B018
