"""Splits by the index within a class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import synthgen
from synthgen.errors import UsageError
from synthgen.exports import Options
from synthgen.layouts.export import export
from synthgen.layouts.export.sources import Source, check_splits
from synthgen.layouts.export.splits import parse_splits, split_numbers

SPLITS = parse_splits("train=0.8,val=0.1,test=0.1")


@given(st.integers(1, 5000))
def test_each_split_gets_its_share_of_any_number_of_images(count):
    numbers = split_numbers(np.arange(count), SPLITS)
    for number, (_, share) in enumerate(SPLITS):
        assert abs(np.count_nonzero(numbers == number) - share * count) <= 2


def test_more_images_leave_the_first_where_they_are():
    few = split_numbers(np.arange(100), SPLITS)
    many = split_numbers(np.arange(10_000), SPLITS)
    np.testing.assert_array_equal(few, many[:100])


def test_one_split_has_all():
    assert not split_numbers(np.arange(100), parse_splits("train")).any()


@pytest.mark.parametrize(
    "text", ["", "train=0.8", "train=0.8,train=0.2", "a=0.5,b=0.6", "a=x", "a=0,b=1", "../a", "a=nan", "a b=1"]
)
def test_what_is_no_list_of_splits_is_refused(text):
    with pytest.raises(UsageError, match=r"^split must have"):
        parse_splits(text)


@pytest.fixture(scope="module")
def pasted(tmp_path_factory):
    """Defects on five photographs, and the photographs without: 24 images of each."""
    home = tmp_path_factory.mktemp("pasted")
    rng = np.random.default_rng(0)
    (home / "photographs").mkdir()
    for number in range(5):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(home / "photographs" / f"{number}.png")
    values = {"family": "cutpaste", "normal": str(home / "photographs"), "good": True, "per_class": 24, "size": 32}
    recipe = synthgen.Recipe.from_dict({**values, "masks": ["scars"], "anomalies": ["color"]})
    synthgen.generate(recipe, home / "set", workers=0, progress=False)
    return home / "set"


@pytest.mark.parametrize("text", ["train=0.8,test=0.2", "train=0.5,test=0.5", "train=0.4,val=0.2,test=0.4"])
def test_a_photograph_is_in_one_split_whatever_lies_on_it(pasted, text):
    source = Source(pasted, 0, Options())
    samples = list(synthgen.open(pasted))
    labels = np.array([sample.label for sample in samples])
    indices = np.array([sample.params["index"] for sample in samples])
    splits = parse_splits(text)

    found: dict = {}
    for sample, number in zip(samples, source.split_numbers(labels, indices, splits), strict=True):
        found.setdefault(sample.params["image"]["sha256"], set()).add(int(number))
    assert len(found) == 5
    assert all(len(numbers) == 1 for numbers in found.values())
    assert set.union(*found.values()) == set(range(len(splits)))


def test_a_split_that_no_photograph_is_left_for_is_refused(pasted):
    source = Source(pasted, 0, Options())
    with pytest.raises(UsageError, match="all images of a photograph are in one split"):
        check_splits([source], parse_splits("train=0.99,test=0.01"))


def test_an_export_says_which_defects_lie_on_photographs_that_are_for_fitting(pasted, tmp_path):
    report = export("mvtec", pasted, tmp_path / "out", category="part")
    fitted = {path.read_bytes() for path in (tmp_path / "out" / "part" / "train" / "good").iterdir()}
    tested = {path.read_bytes() for path in (tmp_path / "out" / "part" / "test" / "good").iterdir()}
    assert fitted
    assert tested
    assert fitted.isdisjoint(tested)
    assert any("with defects are made of photographs that are for fitting too" in note for note in report.notes)
