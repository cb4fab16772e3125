"""Which images a job is fitted to, which give thresholds, which are tested; and what proves it."""

import shutil

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import UsageError
from synthgen.layouts import open_held_out
from synthgen.torch.benchmark.config import Benchmark, load_benchmark
from synthgen.torch.benchmark.jobs import make_plan
from synthgen.torch.benchmark.splits import contents, opened


def job_of(values, tmp_path, place=0, **changes):
    return make_plan(load_benchmark(Benchmark.from_dict(values), changes), tmp_path).jobs[place]


def names(images):
    return [entry.name.rpartition("/")[2] for entry in images.entries]


SHOTS = {11: range(11), 0.5: range(6), (None, 2, None): range(2), (1, None, 5): (1, 6, 11)}


@pytest.mark.parametrize("shots", SHOTS, ids=str)
def test_shots_are_the_first_by_name(values, tmp_path, shots):
    typed = dict(zip(("start", "stop", "step"), shots, strict=True)) if isinstance(shots, tuple) else shots
    images = opened(job_of(values, tmp_path, **{"sets.parts.shots": typed, "thresholds": "test"}))
    assert names(images.fitting) == [f"{i:03d}.png" for i in SHOTS[shots]]
    assert images.held is None


def test_images_for_thresholds_are_neither_fitted_nor_tested(values, tmp_path):
    images = opened(job_of(values, tmp_path))
    assert (len(images.fitting), len(images.held), len(images.test)) == (7, 5, 10)
    parts = [{entry.name for entry in each.entries} for each in images[:3]]
    assert sum(map(len, parts)) == len(set.union(*parts))
    again = opened(job_of(values, tmp_path, place=1))
    assert names(again.held) != names(images.held)


def test_normal_images_that_are_also_tested_are_refused(values, tmp_path):
    home = tmp_path / "plain"
    for name, bright in (("good", 0), ("bad", 99)):
        (home / name).mkdir(parents=True)
        Image.fromarray(np.full((8, 8, 3), bright, np.uint8)).save(home / name / "a.png")
    job = job_of(values, tmp_path, **{"sets.parts.path": str(home)})
    with pytest.raises(UsageError, match=r"sets.parts.normal must name other images: .*good/a.png among them"):
        opened(job)


def test_thresholds_of_loco_come_from_its_validation_images(values, tmp_path, photos):
    home = tmp_path / "loco"
    shutil.copytree(photos / "brick", home)
    masks = home / "ground_truth" / "dent"
    for mask in list(masks.iterdir()):
        inner = masks / mask.stem.removesuffix("_mask")
        inner.mkdir()
        mask.rename(inner / "000.png")
    shutil.rmtree(home / "ground_truth" / "scratch")
    shutil.rmtree(home / "test" / "scratch")
    assert open_held_out(home) is None
    shutil.copytree(home / "test" / "good", home / "validation" / "good")
    images = opened(job_of(values, tmp_path, **{"sets.parts.path": str(home)}))
    assert (len(images.fitting), len(images.held)) == (12, 4)
    assert all("validation" in entry.name for entry in images.held.entries)


def test_visa_without_its_split_says_so(values, tmp_path):
    job = job_of(values, tmp_path, place=2)
    assert job.category.name == "pcb"
    assert any("not VisA's split" in note for note in opened(job).notes)


def test_equal_files_have_equal_digests_and_other_ones_do_not(values, tmp_path, photos):
    home = tmp_path / "photos"
    shutil.copytree(photos, home)
    digests = []
    for place in (photos, home):
        job = job_of(values, tmp_path, **{"sets.parts.path": str(place)})
        digests.append(contents(job, opened(job), tmp_path / place.parent.name)["sha256"])
    assert digests[0] == digests[1]

    image = home / "brick" / "test" / "good" / "000.png"
    pixels = np.asarray(Image.open(image)).copy()
    pixels[0, 0] = 0
    Image.fromarray(pixels).save(image)
    found = contents(job, opened(job), tmp_path / home.parent.name)
    assert found["sha256"] != digests[0]
    assert found["tested"] == {"good": 4, "dent": 3, "scratch": 3}
