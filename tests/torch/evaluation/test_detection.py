"""Results written as they come: mirrored, whole at every moment, resumed whatever was changed meanwhile."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import FormatError
from synthgen.layouts import open_images
from synthgen.torch.evaluation import Choices, detect

PLAIN = Choices(threshold=100.0, pixel_threshold=100.0, maps="npy")


class Stop(Exception):
    """What ends a run early."""


@pytest.fixture
def model(sets):
    """A model that finds bright pixels, and counts the images that it was asked for."""
    plain = sets.Brightness()
    made = SimpleNamespace(notes={}, image_size=(24, 32), asked=0)

    def predict(images):
        made.asked += len(images)
        return plain.predict(images)

    made.predict = predict
    return made


@pytest.fixture
def images(tmp_path, sets):
    for kind in ("good", "dent"):
        for i in range(3):
            sets.put(tmp_path / "in" / kind / f"{i}.png", sets.noise(i))
    return open_images([tmp_path / "in"])


def stopping_after(count):
    """Return what is told of progress, and ends the run after so many images."""
    told = []

    def advance(number):
        told.append(number)
        if sum(told) >= count:
            raise Stop

    return advance


def table(folder):
    with open(folder / "scores.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_files_mirror_the_folders_of_the_images(tmp_path, model, images):
    told = []
    rows = detect(model, images, tmp_path / "out", PLAIN, batch_size=1, advance=told.append)
    assert [row["image"] for row in rows] == [entry.name for entry in images.entries]
    assert rows[0]["heatmap"] == str(tmp_path / "out" / "heatmaps" / "dent" / "0.png")
    assert rows[3]["map"] == str(tmp_path / "out" / "maps" / "good" / "0.npy")
    assert told == [1] * 6
    for row, item in zip(rows, images, strict=True):
        np.testing.assert_allclose(np.load(row["map"]), item.image.mean(2), atol=1e-4)
        with Image.open(row["heatmap"]) as picture:
            assert picture.size == (32, 24)
    assert [row["score"] for row in table(tmp_path / "out")] == [str(row["score"]) for row in rows]


@pytest.mark.parametrize("batch", [1, 2])
def test_what_is_done_stays_and_is_not_done_again(tmp_path, model, images, batch):
    out = tmp_path / "out"
    with pytest.raises(Stop):
        detect(model, images, out, PLAIN, batch, "digest", stopping_after(4))
    assert len(table(out)) == model.asked == 4
    lines = []
    rows = detect(model, images, out, PLAIN, batch, "digest", log=lines.append)
    assert lines == [f"{out}: goes on after 4 of 6 images"]
    assert (len(rows), model.asked) == (6, 6)
    assert not list(out.glob(".*"))

    detect(model, images, out, PLAIN, batch, "digest", log=lines.append)
    assert model.asked == 12  # what is finished is done anew
    assert len(lines) == 1


CHANGES = {
    "an image": (lambda out, images: Image.new("RGB", (32, 24), "white").save(images.entries[0].name), 3, "digest"),
    "a heat map": (lambda out, images: (out / "heatmaps" / "dent" / "1.png").unlink(), 3, "digest"),
    "a raw map": (lambda out, images: (out / "maps" / "dent" / "1.npy").unlink(), 3, "digest"),
    "the model": (lambda out, images: None, 6, "another"),
    "the journal": (lambda out, images: (out / ".detect.jsonl").write_text("{}\n"), 6, "digest"),
    "the table": (lambda out, images: (out / "scores.csv").unlink(), 2, "digest"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_since_is_done_again(tmp_path, model, images, change):
    out = tmp_path / "out"
    spoil, again, digest = CHANGES[change]
    with pytest.raises(Stop):
        detect(model, images, out, PLAIN, 1, "digest", stopping_after(4))
    spoil(out, images)
    model.asked = 0
    rows = detect(model, images, out, PLAIN, 1, digest)
    assert model.asked == again
    whole = detect(model, images, tmp_path / "whole", PLAIN)
    assert [row["score"] for row in rows] == [row["score"] for row in whole]
    assert len(table(out)) == 6


def test_other_choices_begin_anew_and_that_is_said(tmp_path, model, images):
    out = tmp_path / "out"
    with pytest.raises(Stop):
        detect(model, images, out, PLAIN, 1, "digest", stopping_after(4))
    lines = []
    detect(model, images, out, Choices(threshold=9.0), 1, "digest", log=lines.append)
    assert lines == [f"{out}: an interrupted run with another model, other images or options is begun anew"]


def test_images_that_could_not_be_read_are_tried_again(tmp_path, model, images):
    out = tmp_path / "out"
    path = tmp_path / "in" / "dent" / "0.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    with pytest.raises(Stop):
        detect(model, images, out, PLAIN, 1, "digest", stopping_after(4))
    assert "error" in table(out)[-1]
    path.write_bytes(whole)
    rows = detect(model, images, out, PLAIN, 1, "digest")
    assert all("score" in row for row in rows)


def test_colors_are_those_of_the_first_images_where_nothing_else_is_known(tmp_path, model, images):
    out = tmp_path / "out"
    choices = Choices()
    detect(model, images, tmp_path / "whole", choices, 1, "digest")
    with pytest.raises(Stop):
        detect(model, images, out, choices, 1, "digest", stopping_after(2))
    detect(model, images, out, choices, 1, "digest")
    for path in (tmp_path / "whole" / "heatmaps").rglob("*.png"):
        again = out / "heatmaps" / path.relative_to(tmp_path / "whole" / "heatmaps")
        assert path.read_bytes() == again.read_bytes()


def test_a_framing_that_is_damaged_is_one_line(tmp_path, model, images):
    model.notes["framing"] = {"fit": "fill"}
    with pytest.raises(FormatError, match="the notes of the model are damaged: framing must be fit, tile and bits"):
        detect(model, images, tmp_path / "out", PLAIN)
