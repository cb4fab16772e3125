"""YOLO's labels, read as ultralytics reads them, and by its rules: what it would refuse is no label of ours."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import synthgen
from synthgen.layouts.export import export
from synthgen.layouts.outlines import filled

LEAST_SIDE = 10  # of an image, in pixels


def refusals(out: Path) -> list[str]:
    """Return what ultralytics 8.4 would refuse of a tree, or repair.

    The rules are those of its `check_det_dataset`, `img2label_paths` and `verify_image_label` (file
    ``ultralytics/data/utils.py``). Where it lets coordinates lie beside the image by 1 %, these do not.
    """
    data = yaml.safe_load((out / "data.yaml").read_text())
    lacking = {"train", "val", "names"} - data.keys()
    if lacking:
        return [f"data.yaml lacks {', '.join(sorted(lacking))}"]
    if list(data["names"]) != list(range(len(data["names"]))):
        return ["the names are not numbered from 0"]
    splits = [data[split] for split in ("train", "val", "test") if split in data]
    return [reason for split in splits for reason in _of_split(out / data["path"] / split, len(data["names"]))]


def _of_split(folder: Path, classes: int) -> list[str]:
    if not folder.is_dir():
        return [f"no folder {folder.name}"]
    found = []
    *before, images, split = folder.parts
    assert images == "images"
    for image in sorted(folder.iterdir()):
        with Image.open(image) as picture:
            if min(picture.size) < LEAST_SIDE:
                found.append(f"{image.name} is too small")
        labels = Path(*before, "labels", split, f"{image.stem}.txt")
        found += _of_labels(labels, classes) if labels.is_file() else [f"{image.name} has no labels"]
    return found


def _of_labels(path: Path, classes: int) -> list[str]:
    lines = path.read_text().splitlines()
    found = [f"{path.name}: {reason}" for line in lines if (reason := _of_line(line, classes))]
    return found if len(set(lines)) == len(lines) else [*found, f"{path.name}: a label comes twice"]


def _of_line(line: str, classes: int) -> str | None:
    number, *values = line.split()
    if not number.isdigit() or int(number) >= classes:
        return f"{number} is no class"
    if len(values) % 2:
        return "a coordinate has no other"
    if len(values) < 6:
        return "fewer than three points"
    try:
        inside = all(0 <= float(value) <= 1 for value in values)
    except ValueError:
        return "a coordinate is no number"
    return None if inside else "a point lies beside the image"


def read_labels(path, shape):
    """Return class and pixels of each line: coordinates times the size, cut off behind the point, and filled."""
    found = []
    for line in path.read_text().splitlines():
        number, *values = line.split()
        x, y = np.array(values, float).reshape(-1, 2).T
        points = np.column_stack([y * shape[0], x * shape[1]]).astype(np.int32)
        found.append((int(number), filled(points, *shape)))
    return found


def test_polygons_give_the_objects_again(formulas, tmp_path):
    report = export("yolo-seg", formulas, tmp_path / "out", min_pixels=10)
    out = tmp_path / "out"
    assert refusals(out) == []
    names = yaml.safe_load((out / "data.yaml").read_text())["names"]
    overlaps = []
    for sample in synthgen.open(formulas):
        (path,) = out.glob(f"labels/*/{sample.key}.txt")
        assert (out / "images" / path.parent.name / f"{sample.key}.png").is_file()
        objects = [record for record in sample.params["objects"] if record["visible_area"] >= 10]
        for record, (number, pixels) in zip(objects, read_labels(path, (64, 64)), strict=True):
            assert names[number] == f"source-{record['params']['source_class']:06d}"
            own = sample.fields["instances"] == record["id"]
            overlaps.append((pixels & own).sum() / (pixels | own).sum())
    mean = f"{np.mean(overlaps):.4f} on average"
    worst = f"{min(overlaps):.4f} at worst"
    assert report.notes == [f"{len(overlaps):,} polygons: IoU with the objects {mean}, {worst}"]
    assert np.mean(overlaps) > 0.9


def test_images_without_an_object_have_an_empty_file(plates, tmp_path):
    export("yolo-seg", plates, tmp_path / "out")
    sizes = {path.name[:7]: path.stat().st_size for path in (tmp_path / "out").glob("labels/*/*.txt")}
    assert [label for label, size in sizes.items() if size == 0] == ["c000000"]


def test_the_configuration_holds_wherever_the_folder_is_moved_to(plates, tmp_path):
    export("yolo-seg", plates, tmp_path / "out", split="train=0.6,valid=0.2,test=0.2")
    values = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert values["path"] == "."
    assert (values["train"], values["val"], values["test"]) == ("images/train", "images/valid", "images/test")
    assert list(values["names"].values()) == ["bump", "dent", "scratch"]


@pytest.fixture(scope="module")
def tree(plates, tmp_path_factory):
    """An export of plates; its first label file has one label or more."""
    out = tmp_path_factory.mktemp("yolo") / "out"
    export("yolo-seg", plates, out, classes=["scratch"])
    assert refusals(out) == []
    return out


POINTS = "0.1 0.1 0.2 0.1 0.2 0.3"
# What a label file holds -> what is said of it.
BROKEN = {
    f"1 {POINTS}": "1 is no class",
    f"0.5 {POINTS}": "0.5 is no class",
    f"-1 {POINTS}": "-1 is no class",
    "0 0.5 0.5 0.2 0.1": "fewer than three points",
    f"0 {POINTS} 0.4": "a coordinate has no other",
    "0 0.1 0.1 1.2 0.1 0.2 0.3": "a point lies beside the image",
    "0 0.1 0.1 nan 0.1 0.2 0.3": "a point lies beside the image",
    "0 0.1 0.1 left 0.1 0.2 0.3": "a coordinate is no number",
    f"0 {POINTS}\n0 {POINTS}": "a label comes twice",
}


@pytest.mark.parametrize("text", BROKEN)
def test_the_rules_find_a_broken_label(tree, tmp_path, text):
    shutil.copytree(tree, tmp_path / "out")
    path = min((tmp_path / "out").glob("labels/train/*.txt"))
    path.write_text(text)
    assert refusals(tmp_path / "out") == [f"{path.name}: {BROKEN[text]}"]


def test_the_rules_find_what_is_missing(tree, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(tree, out)
    path = min(out.glob("labels/val/*.txt"))
    path.unlink()
    assert refusals(out) == [f"{path.stem}.png has no labels"]
    (out / "data.yaml").write_text("{path: ., train: images/train, names: {0: scratch}}")
    assert refusals(out) == ["data.yaml lacks val"]
    (out / "data.yaml").write_text("{path: ., train: images/train, val: images/test, names: {1: scratch}}")
    assert refusals(out) == ["the names are not numbered from 0"]
