"""COCO: boxes, areas and pixels are those that are seen."""

import json

import numpy as np
import pytest

import synthgen
from synthgen.layouts.export import export


def annotations_of(out):
    return {path.stem: json.loads(path.read_text()) for path in out.rglob("*.json")}


@pytest.mark.parametrize("polygons", [False, True])
def test_the_areas_of_all_objects_add_up_to_the_pixels_of_the_masks(plates, formulas, tmp_path, polygons):
    for name, path in (("plates", plates), ("formulas", formulas)):
        out = tmp_path / name
        export("coco", path, out, truth="all", polygons=polygons)
        tables = annotations_of(out).values()
        area = sum(row["area"] for table in tables for row in table["annotations"])
        ours = synthgen.open(path)
        assert area == sum(np.count_nonzero(sample.fields["instances"]) for sample in ours)
        assert sum(len(table["images"]) for table in tables) == len(ours)


def test_ids_begin_at_one_and_point_at_each_other(formulas, tmp_path):
    export("coco", formulas, tmp_path / "out")
    for table in annotations_of(tmp_path / "out").values():
        for part in ("images", "annotations", "categories"):
            assert [row["id"] for row in table[part]] == list(range(1, len(table[part]) + 1))
        assert {row["image_id"] for row in table["annotations"]} <= {row["id"] for row in table["images"]}
        assert {row["category_id"] for row in table["annotations"]} <= {row["id"] for row in table["categories"]}


def test_all_splits_have_the_same_categories(formulas, tmp_path):
    export("coco", formulas, tmp_path / "out")
    first, *others = (table["categories"] for table in annotations_of(tmp_path / "out").values())
    assert all(other == first for other in others)


def test_good_images_are_there_and_have_no_object(plates, tmp_path):
    export("coco", plates, tmp_path / "out", split="all")
    (table,) = annotations_of(tmp_path / "out").values()
    good = {row["id"] for row in table["images"] if row["file_name"].startswith("c000000-")}
    assert len(good) == 5
    assert not good & {row["image_id"] for row in table["annotations"]}


def test_roboflow_has_annotations_beside_the_images(plates, tmp_path):
    export("coco", plates, tmp_path / "out", flavour="roboflow")
    for split in ("train", "valid"):
        table = json.loads((tmp_path / "out" / split / "_annotations.coco.json").read_text())
        assert {row["file_name"] for row in table["images"]} == {
            p.name for p in (tmp_path / "out" / split).glob("*.png")
        }


def test_several_data_sets_do_not_take_each_others_names(plates, formulas, tmp_path):
    report = export("coco", [plates, formulas], tmp_path / "out", split="all")
    assert len(list((tmp_path / "out" / "images" / "all").iterdir())) == report.images == 32
