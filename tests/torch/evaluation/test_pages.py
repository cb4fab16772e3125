"""The page of an evaluation: the worst images first, what the model saw of them, curves where there are any."""

from dataclasses import replace

import numpy as np
import pytest

from synthgen.layouts.framing import Framing
from synthgen.torch.evaluation import measure, panels_of, write_page
from synthgen.torch.evaluation.pages import worst


def test_defects_with_low_scores_and_normal_images_with_high_ones_are_the_worst(predictions):
    entries = predictions.images.entries
    for numbers, label, sign in zip(worst(predictions).values(), (1, 0), (1, -1), strict=True):
        scores = [sign * predictions.scores[number] for number in numbers]
        assert scores == sorted(scores)
        assert {entries[number].label for number in numbers} == {label}


@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
def test_a_page_has_table_curves_and_images(predictions, tmp_path, fit):
    rows = measure(predictions)
    path = write_page(predictions, rows, panels_of(predictions, rows), Framing(fit=fit), tmp_path)
    text = path.read_text()
    assert path.name == "report.html"
    assert "image_auroc" in text
    assert text.count('"picture":"shot') == len(predictions.scores)


def test_a_model_without_maps_has_images_alone(predictions, tmp_path):
    alone = replace(predictions, maps=None)
    rows = measure(alone)
    text = write_page(alone, rows, panels_of(alone, rows), Framing(), tmp_path).read_text()
    assert text.count('"picture":"shot') == len(alone.scores)
    assert np.isfinite(alone.scores).all()
