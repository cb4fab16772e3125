"""The registry of metrics; one that is not exported, or that has no test or no source, fails here."""

import inspect
import math
import sys
import types
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from synthgen import metrics
from synthgen.errors import UsageError
from synthgen.layouts.truth import Truth, nothing_wrong, truth_of_regions
from synthgen.metrics.intervals import count_part, draws, resampled
from synthgen.metrics.localisation import Localised
from synthgen.metrics.part import Maps, Part
from synthgen.metrics.registry import METRICS, USUAL, Metric, columns_of, heading_of, known, measured

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "synthgen" / "metrics"
MODULES = [import_module(f"synthgen.metrics.{path.stem}") for path in sorted(FOLDER.glob("[a-z]*.py"))]
TRUTH = ("labels", "masks", "instances")
NUMBERS = (float, tuple[float, float], dict[str, float], Localised)


def is_metric(function) -> bool:
    """Whether the first argument is the truth, and the result is numbers."""
    signature = inspect.signature(function)
    first = next(iter(signature.parameters), "")
    return first in TRUTH and signature.return_annotation in NUMBERS


def own_functions(module):
    """Yield the public functions that a module defines."""
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
            yield value


def test_every_metric_is_exported():
    found = {f.__name__ for module in MODULES for f in own_functions(module) if is_metric(f)}
    exported = set(metrics.__all__)
    assert found - exported == set(), "export them in synthgen/metrics/__init__.py"
    assert exported - found == set(), "a metric takes the truth first and returns numbers; annotate what it returns"


@pytest.mark.parametrize("name", metrics.__all__)
def test_a_metric_is_complete(name):
    metric = getattr(metrics, name)
    module = metric.__module__.rpartition(".")[2]
    test = ROOT / "tests" / "metrics" / f"test_{module}.py"
    assert test.exists(), f"add {test.relative_to(ROOT)}"
    assert name in test.read_text(), f"test {name} in {test.relative_to(ROOT)}, against a slow twin"

    parts = inspect.getdoc(metric).split("\n")
    for section in ("Parameters", "Returns"):
        assert section in parts, f"the docstring of {name} needs the section {section}"


@pytest.fixture(scope="module")
def part():
    """Six images, of which four have a defect that the maps meet more or less."""
    rng = np.random.default_rng(0)
    masks = np.zeros((6, 24, 32), bool)
    for number in range(2, 6):
        masks[number, 3 * number : 3 * number + 6, 4:12] = True
    maps = (masks * 0.6 + rng.random(masks.shape)).astype(np.float32)
    labels = masks.any(axis=(1, 2)).astype(int)
    truths = [truth_of_regions(mask) if mask.any() else None for mask in masks]
    return Part(labels, maps.mean(axis=(1, 2)), truths, Maps(maps, range(6))).at(0.53, 0.9)


def test_every_metric_of_the_registry_measures(part):
    values = measured(part, columns_of(METRICS))
    without = set(METRICS) - set(values)
    assert without == {"oracle", "spro"}  # the one is several values, the other needs saturation
    rates = [value for name, value in values.items() if "threshold" not in name]
    assert all(0 <= value <= 1 for value in rates)
    assert set(USUAL) <= set(METRICS)
    assert list(values)[:3] == ["image_auroc", "average_precision", "fpr"]


REGION = (slice(2, 20), slice(5, 30))


def within_region(part, outside):
    """Return a part whose maps are masked outside of `REGION`, and have other scores there."""
    region = np.zeros((24, 32), bool)
    region[REGION] = True
    changed = [np.where(region, scores, outside) for scores in part.pixel_maps]
    return replace(part, maps=Maps(changed, range(6), [region] * 6))


def cut(part):
    """Return a part whose images are `REGION` alone."""
    truths = [truth and Truth(tuple(layer[REGION] for layer in truth.layers)) for truth in part.truths]
    maps = [scores[REGION] for scores in part.pixel_maps]
    return replace(part, truths=truths, maps=Maps(maps, range(6)))


@pytest.mark.parametrize("outside", [-9, 0.5, 9, np.nan])
def test_what_is_masked_in_a_map_counts_in_no_metric(part, outside):
    columns = columns_of([name for name in METRICS if not name.startswith("pl")])
    assert measured(within_region(part, outside), columns) == pytest.approx(measured(cut(part), columns))

    # the least size of the boxes of PL depends on the size of the image
    boxes = columns_of([name for name in METRICS if name.startswith("pl")])
    assert measured(within_region(part, outside), boxes) == measured(within_region(part, 0), boxes)
    masked = within_region(part, 9)
    unmasked = replace(masked, maps=replace(masked.maps, regions=None))
    assert measured(masked, boxes)["pl"] > measured(unmasked, boxes)["pl"]


def test_saturated_overlap_and_intervals_know_what_is_masked(part):
    truths = [truth and replace(truth, regions=(truth.instances > 0,), saturation=(9.0,)) for truth in part.truths]
    whole = replace(part, truths=[truth or nothing_wrong((24, 32)) for truth in truths])
    values = {}
    for outside in (-9, 9):
        masked = within_region(whole, outside)
        counts = count_part(masked)
        samples = resampled(counts, draws(masked.labels, 5))
        values[outside] = {name: found.tolist() for name, found in samples.items()}
        values[outside]["spro"] += [measured(masked, columns_of(["spro"]))["spro"]]
    assert values[-9] == values[9]
    assert set(values[9]) >= {"aupro", "pixel_auroc", "pl", "spro"}


def test_a_limit_stands_behind_the_name(part):
    masks = np.array(list(part.instances))
    maps = np.array(list(part.pixel_maps))
    columns = columns_of(["pl@0.5", "aupro@0.05", "aupro", "fpr@0.99", "pl_linear@0.1", "pl@0.50"])
    assert [column.heading for column in columns] == [
        "PL@0.5", "AUPRO@0.05", "AUPRO", "image FPR@0.99", "PL linear@0.1", "PL@0.5",
    ]  # fmt: skip
    assert measured(part, columns) == {
        "pl@0.5": metrics.proportion_localised(masks, maps, 0.5),
        "aupro@0.05": metrics.aupro(masks, maps, 0.05),
        "aupro": metrics.aupro(masks, maps),
        "fpr@0.99": metrics.fpr_at_recall(part.labels, part.scores, 0.99),
        "pl_linear@0.1": metrics.proportion_localised(masks, maps, 0.1, "linear"),
    }


def test_thresholds_decide_what_is_found(part):
    names = ["f1", "precision", "recall", "pixel_f1", "pixel_recall", "iou", "defect_recall"]
    masks = np.array(list(part.instances)) > 0
    found = np.array(list(part.pixel_maps)) >= 0.9
    pixels = metrics.pixel_scores(masks, found)
    values = measured(part, columns_of(names))
    assert values["pixel_f1"] == pixels["f1"]
    assert values["pixel_recall"] == pixels["recall"]
    assert values["iou"] == metrics.mean_overlap(masks, found)["iou"]
    assert values["defect_recall"] == metrics.defect_wise_recall(masks, found)
    images = metrics.pixel_scores(part.labels[None, None], (part.scores >= 0.53)[None, None])
    assert [values[name] for name in names[:3]] == [images["f1"], images["precision"], images["recall"]]
    assert measured(part.at(None, None), columns_of(names)) == {}


def test_the_oracle_names_its_values_so(part):
    threshold, f1 = metrics.best_f1_threshold(part.labels, part.scores)
    columns = columns_of(["oracle"])
    values = measured(part, columns)
    assert (values["oracle_threshold"], values["oracle_f1"]) == (threshold, f1)
    assert [heading_of(name, columns) for name in values][:2] == ["oracle F1", "oracle threshold"]
    assert values["oracle_pixel_f1"] >= measured(part, columns_of(["pixel_f1"]))["pixel_f1"]


def test_without_masks_there_are_no_values_of_pixels(part):
    bare = Part(part.labels, part.scores, [None] * 6, part.maps)
    assert set(measured(bare, columns_of(METRICS))) == {
        "image_auroc", "average_precision", "fpr", "oracle_f1", "oracle_threshold",
    }  # fmt: skip


def test_a_category_without_normal_images_has_no_value(part):
    anomalous = Part(np.ones(6, int), part.scores, [None] * 6)
    assert measured(anomalous, columns_of(["image_auroc", "fpr"])) == {}


def plugged(name, value):
    """Return a module with one thing in it."""
    module = types.ModuleType("strangers")
    setattr(module, name, value)
    return module


STRANGERS = {
    "a function": (lambda part: part.scores.max(), {"mine": 2.0}),
    "a function of several values": (lambda part: {"low": 1, "high": 3}, {"mine_low": 1.0, "mine_high": 3.0}),
    "a metric": (Metric("their", "Their", lambda part: 0.25, better="down"), {"their": 0.25}),
    "no value": (lambda part: math.nan, {}),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_a_metric_of_somebody_else_is_measured(case, monkeypatch):
    found, expected = STRANGERS[case]
    monkeypatch.setitem(sys.modules, "strangers", plugged("mine", found))
    part = Part(np.array([0, 1]), np.array([1.0, 2.0]), [None, None])
    assert measured(part, columns_of(["strangers:mine"], trust=True)) == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "auprp",
            r"^metric must be one of image_auroc, .*, or module:function, got 'auprp'; did you mean aupro\?$",
        ),
        ("iou@0.5", r"^metric iou takes no limit, got 'iou@0.5'$"),
        ("pl@1.5", r"^metric must have a limit in \(0, 1\] behind the @, got 'pl@1.5'$"),
        ("pl@half", r"^metric must have a limit"),
        ("nowhere.at_all:metric", "^metric nowhere.at_all:metric cannot be loaded: No module named 'nowhere'$"),
        ("math:pi", "^metric pi must be a Metric or a function of a Part, got float$"),
    ],
)
def test_metrics_that_cannot_be_are_refused(name, message):
    with pytest.raises(UsageError, match=message):
        columns_of([name], trust=True)


def test_code_of_others_needs_trust(part):
    with pytest.raises(UsageError, match=r"^metric os:getcwd runs code of its own: give --trust if you trust it$"):
        columns_of(["os:getcwd"])
    with pytest.raises(UsageError, match=r"^metric repr must return a number, got str$"):
        measured(part, columns_of(["builtins:repr"], trust=True))
    assert set(METRICS) <= set(known())
