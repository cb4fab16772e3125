"""Each export in its real consumer: equal labels, images and masks. Skipped where they are not installed."""

from collections import Counter
from pathlib import Path

import datasets
import numpy as np
import pandas
import pytest
import torch
from anomalib.data.datasets.image import FolderDataset, MVTecADDataset, MVTecLOCODataset
from PIL import Image
from pycocotools.coco import COCO
from torchvision.datasets import CocoDetection, ImageFolder

import synthgen
from synthgen.layouts import open_normal, open_test_set
from synthgen.layouts.export import export

# they warn of themselves
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    """Keep the caches of consumers in the test's folder, the bars of `datasets` out, and ultralytics offline."""
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


@pytest.fixture(scope="module")
def connectors(tmp_path_factory):
    """Connectors of which each breaks a rule or is damaged, and good ones."""
    folder = tmp_path_factory.mktemp("connectors") / "connectors"
    values = {"family": "connectors", "layout": "test", "per_class": 4, "size": 72}
    synthgen.generate(synthgen.Recipe.from_dict(values), folder, workers=0, progress=False)
    return folder


def facts_of(path):
    """Return label, sum of the image and sum of the mask of each image, as our own readers see them."""
    return Counter((item.label, int(item.image.sum()), int(item.mask.sum())) for item in open_test_set(path))


def facts_in(*parts):
    """Return the same of the items of anomalib."""
    facts = Counter()
    for part in parts:
        for item in part:
            image = torch.round(item.image * 255).long().sum()
            mask = 0 if item.gt_mask is None else item.gt_mask.sum()
            facts[int(item.gt_label), int(image), int(mask)] += 1
    return facts


def parts_of(kind, **arguments):
    return [kind(split=split, **arguments) for split in ("train", "test")]


def test_anomalib_reads_mvtec(plates, tmp_path):
    export("mvtec", plates, tmp_path / "out", category="plate")
    parts = parts_of(MVTecADDataset, root=tmp_path / "out", category="plate")
    assert facts_in(*parts) == facts_of(plates)
    assert len(parts[0]) == len(open_normal(tmp_path / "out" / "plate"))


@pytest.mark.skipif(
    int(pandas.__version__.split(".")[0]) > 2, reason="anomalib 2.7 needs pandas < 3 for MVTec LOCO"
)
@pytest.mark.parametrize("data", ["plates", "connectors"])
def test_anomalib_reads_mvtec_loco(request, tmp_path, data):
    path = request.getfixturevalue(data)
    export("mvtec-loco", path, tmp_path / "out", category="part")
    parts = [
        MVTecLOCODataset(root=tmp_path / "out", category="part", split=split) for split in ("train", "val", "test")
    ]
    assert facts_in(*parts) == facts_of(path)
    if data == "connectors":
        kinds = set(parts[-1].samples["label"])
        assert kinds == {"good", "logical_anomalies", "structural_anomalies"}


def test_anomalib_reads_folders_by_our_configuration(plates, tmp_path):
    import yaml

    export("anomalib-folder", plates, tmp_path / "out")
    text = yaml.safe_load((tmp_path / "out" / "folder.yaml").read_text())
    assert text["class_path"] == "anomalib.data.Folder"
    arguments = {**text["init_args"], "root": tmp_path / "out"}
    assert facts_in(*parts_of(FolderDataset, **arguments)) == facts_of(plates)


def mvtec_by_patchcore_inspection(category: Path):
    """Yield label, image and mask as `patchcore/datasets/mvtec.py` of patchcore-inspection pairs them: by order."""
    masks_at = category / "ground_truth"
    for kind in sorted((category / "test").iterdir()):
        images = sorted(kind.iterdir())
        masks = [None] * len(images) if kind.name == "good" else sorted((masks_at / kind.name).iterdir())
        for image, mask in zip(images, masks, strict=True):
            yield int(kind.name != "good"), image, mask


def test_patchcore_inspection_pairs_images_with_masks(plates, tmp_path):
    export("mvtec", plates, tmp_path / "out", category="plate", square="pad")
    found = list(mvtec_by_patchcore_inspection(tmp_path / "out" / "plate"))
    for label, image, mask in found:
        with Image.open(image) as picture:
            assert picture.width == picture.height  # its centre crop takes nothing away
        if label:
            assert image.stem in mask.stem
            assert set(np.unique(np.asarray(Image.open(mask)))) == {0, 255}
    own = Counter((row[0], row[2]) for row in facts_of(plates).elements() if row[0])
    assert own == Counter((1, int((np.asarray(Image.open(mask)) > 0).sum())) for label, _, mask in found if label)


def test_torchvision_reads_image_folders(data_set, tmp_path):
    export("imagefolder", data_set, tmp_path / "out", split="train=0.5,val=0.5")
    found = Counter()
    for split in ("train", "val"):
        folder = ImageFolder(tmp_path / "out" / split)
        found += Counter((label, int(np.asarray(image).sum())) for image, label in folder)
    assert found == Counter((sample.label, int(sample.image.sum())) for sample in synthgen.open(data_set))


@pytest.mark.parametrize("polygons", [False, True])
@pytest.mark.parametrize("data", ["plates", "formulas"])
def test_pycocotools_decodes_the_very_pixels_of_each_object(request, tmp_path, data, polygons):
    path = request.getfixturevalue(data)
    export("coco", path, tmp_path / "out", split="train", polygons=polygons, truth="all")
    table = COCO(tmp_path / "out" / "annotations" / "instances_train.json")
    images = {row["file_name"].removesuffix(".png"): number for number, row in table.imgs.items()}

    for sample in synthgen.open(path):
        records = [record for record in sample.params["objects"] if record["visible_area"]]
        annotations = table.loadAnns(table.getAnnIds(images[sample.key]))
        for record, annotation in zip(records, annotations, strict=True):
            own = sample.fields["instances"] == record["id"]
            assert np.array_equal(table.annToMask(annotation), own)
            assert annotation["area"] == record["visible_area"] == own.sum()
            rows, columns = np.nonzero(own)
            size = [columns.max() - columns.min() + 1, rows.max() - rows.min() + 1]
            assert annotation["bbox"] == [columns.min(), rows.min(), *size]


def test_torchvision_reads_coco(formulas, tmp_path):
    export("coco", formulas, tmp_path / "out", split="train")
    out = tmp_path / "out"
    found = CocoDetection(out / "images" / "train", out / "annotations" / "instances_train.json")
    ours = {int(sample.image.sum()): sample for sample in synthgen.open(formulas)}
    assert len(found) == len(ours)
    for image, objects in found:
        sample = ours[int(np.asarray(image).sum())]
        assert sum(row["area"] for row in objects) == np.count_nonzero(sample.fields["instances"])


def read_by_ultralytics(utils, tree, monkeypatch):
    """Return what ultralytics makes of each image of a tree, by key, and the configuration as it reads it."""
    monkeypatch.setattr(utils, "check_font", lambda name: None)  # it would load one
    monkeypatch.chdir(tree)
    data = utils.check_det_dataset("data.yaml", autodownload=False)
    images = [str(path) for split in ("train", "val") for path in sorted(Path(data[split]).iterdir())]
    rows = {}
    for image, labels in zip(images, utils.img2label_paths(images), strict=True):
        rows[Path(image).stem] = utils.verify_image_label((image, labels, "", False, data["nc"], 0, 0, False))
    return rows, data


def test_ultralytics_reads_the_labels_and_fills_the_objects(formulas, tmp_path, monkeypatch):
    utils = pytest.importorskip("ultralytics.data.utils")
    export("yolo-seg", formulas, tmp_path / "out", min_pixels=20)
    rows, data = read_by_ultralytics(utils, tmp_path / "out", monkeypatch)
    overlaps = []
    for sample in synthgen.open(formulas):
        found, segments, problem = rows[sample.key][1], rows[sample.key][3], rows[sample.key][-1]
        assert problem == ""
        objects = [record for record in sample.params["objects"] if record["visible_area"] >= 20]
        assert len(found) == len(segments) == len(objects)
        for record, (number, *_), segment in zip(objects, found, segments, strict=True):
            assert data["names"][int(number)] == f"source-{record['params']['source_class']:06d}"
            polygon = (segment * 64).reshape(1, -1)
            pixels = utils.polygon2mask((64, 64), polygon, downsample_ratio=1).astype(bool)
            own = sample.fields["instances"] == record["id"]
            overlaps.append((pixels & own).sum() / (pixels | own).sum())
    assert np.mean(overlaps) > 0.9


def test_ultralytics_takes_images_without_an_object_and_names_broken_labels(plates, tmp_path, monkeypatch):
    utils = pytest.importorskip("ultralytics.data.utils")
    export("yolo-seg", plates, tmp_path / "out")
    broken = min((tmp_path / "out").glob("labels/train/c000001-*.txt"))
    broken.write_text("3 0.1 0.1 0.2 0.1 0.2 0.3\n")
    rows, _ = read_by_ultralytics(utils, tmp_path / "out", monkeypatch)
    assert len(rows) == 20
    for key, (_, _, _, _, _, missing, found, empty, corrupt, problem) in rows.items():
        is_broken = key == broken.stem
        assert (missing, found, empty, corrupt) == (0, 1, key.startswith("c000000"), is_broken)
        assert ("exceeds dataset class count 3" in problem) == is_broken


def same(image, value) -> bool:
    return np.array_equal(np.asarray(image.convert("RGB") if image.mode == "P" else image), value)


def test_datasets_reads_a_data_set_by_its_folder(plates):
    ours = synthgen.open(plates)
    theirs = datasets.load_dataset(str(plates), split="train")
    assert theirs.features["cls"].names == [row["name"] for row in ours.classes]
    for mine, other in zip(ours, theirs, strict=True):
        assert (other["__key__"], other["cls"]) == (mine.key, mine.label)
        assert same(other["png"], mine.image)
        assert all(same(other[f"{name}.png"], value) for name, value in mine.fields.items())


def test_datasets_does_not_take_sidecars_of_hdf5_for_samples(formulas):
    with pytest.raises(datasets.exceptions.DatasetGenerationError):
        datasets.load_dataset(str(formulas))


@pytest.mark.parametrize("shards", [False, True])
def test_datasets_reads_both_exports_for_the_hub(plates, tmp_path, shards):
    export("hf", plates, tmp_path / "out", shards=shards)
    theirs = datasets.load_dataset(str(tmp_path / "out"), split="train")
    names = ("__key__", "cls", "png", ".png") if shards else ("key", "label", "image", "")
    key, label, image, ending = names
    ours = {sample.key: sample for sample in synthgen.open(plates)}
    assert len(theirs) == len(ours)
    for other in theirs:
        mine = ours[other[key]]
        assert other[label] == mine.label
        assert same(other[image], mine.image)
        assert all(same(other[name + ending], value) for name, value in mine.fields.items())
