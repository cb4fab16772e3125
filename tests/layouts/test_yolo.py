"""YOLO's labels, read as ultralytics reads them."""

import numpy as np
import yaml

import synthgen
from synthgen.layouts.export import export
from synthgen.layouts.outlines import filled


def read_labels(path, shape):
    """Return class and pixels of each line: coordinates times the size, cut off behind the point, and filled."""
    found = []
    for line in path.read_text().splitlines():
        number, *values = line.split()
        assert len(values) >= 6
        assert len(values) % 2 == 0
        x, y = np.array(values, float).reshape(-1, 2).T
        assert min(x.min(), y.min()) >= 0
        assert max(x.max(), y.max()) <= 1
        points = np.column_stack([y * shape[0], x * shape[1]]).astype(np.int32)
        found.append((int(number), filled(points, *shape)))
    return found


def test_polygons_give_the_objects_again(formulas, tmp_path):
    report = export("yolo-seg", formulas, tmp_path / "out", min_pixels=10)
    out = tmp_path / "out"
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
