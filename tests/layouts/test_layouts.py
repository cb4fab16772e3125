"""Readers of anomaly data sets, on small trees laid out as the published ones are."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import synthgen
from synthgen.compose.pictures import nearest
from synthgen.errors import UsageError
from synthgen.layouts import open_images, open_normal, open_test_set
from synthgen.layouts import own as own_layout
from synthgen.layouts.truth import truth_of_regions


def picture(seed, size=(20, 30)):
    return np.random.Generator(np.random.Philox(seed)).integers(0, 256, (*size, 3), np.uint8)


def mask_of(*boxes, value=255, size=(20, 30)):
    mask = np.zeros(size, np.uint8)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = value
    return mask


def put(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def put_many(folder, count, first=0, suffix=".png"):
    for i in range(first, first + count):
        put(folder / f"{i:03d}{suffix}", picture(i))


@pytest.fixture
def mvtec(tmp_path):
    root = tmp_path / "brick"
    put_many(root / "train" / "good", 3)
    put_many(root / "test" / "good", 2, 10)
    put_many(root / "test" / "crack", 2, 20)
    put_many(root / "test" / "hole", 1, 30)
    put(root / "ground_truth" / "crack" / "020_mask.png", mask_of((0, 0, 4, 4), (10, 10, 12, 20)))
    put(root / "ground_truth" / "crack" / "021_mask.png", mask_of((5, 5, 9, 9), value=1))
    put(root / "ground_truth" / "hole" / "030_mask.png", mask_of((0, 0, 20, 30)))
    return root


@pytest.fixture
def loco(tmp_path):
    root = tmp_path / "pushpins"
    put_many(root / "train" / "good", 2)
    put_many(root / "test" / "good", 1, 10)
    put_many(root / "test" / "logical_anomalies", 2, 20)
    truth = root / "ground_truth" / "logical_anomalies"
    put(truth / "020" / "000.png", mask_of((0, 0, 10, 10), value=240))
    put(truth / "020" / "001.png", mask_of((5, 5, 15, 15), (18, 28, 20, 30), value=241))
    put(truth / "021" / "000.png", mask_of((0, 0, 2, 2), value=240))
    config = [
        {"defect_name": "a", "pixel_value": 240, "saturation_threshold": 50, "relative_saturation": False},
        {"defect_name": "b", "pixel_value": 241, "saturation_threshold": 0.25, "relative_saturation": True},
    ]
    (root / "defects_config.json").write_text(json.dumps(config))
    return root


@pytest.fixture
def visa(tmp_path):
    root = tmp_path / "visa" / "candle"
    put_many(root / "Data" / "Images" / "Normal", 20, suffix=".JPG")
    put_many(root / "Data" / "Images" / "Anomaly", 2, 20, suffix=".JPG")
    put(root / "Data" / "Masks" / "Anomaly" / "020.png", mask_of((0, 0, 4, 4), value=1))
    put(root / "Data" / "Masks" / "Anomaly" / "021.png", mask_of((0, 0, 4, 4), value=3))
    return root


def kinds_of(images):
    return [(entry.label, entry.kind) for entry in images.entries]


def test_mvtec_has_kinds_with_masks_found_by_name(mvtec):
    assert len(open_normal(mvtec)) == 3
    images = open_test_set(mvtec)
    assert images.layout == "MVTec AD"
    assert kinds_of(images) == [(1, "crack"), (1, "crack"), (0, "good"), (0, "good"), (1, "hole")]
    np.testing.assert_array_equal(images[0].image, picture(20))
    np.testing.assert_array_equal(images[0].mask, mask_of((0, 0, 4, 4), (10, 10, 12, 20)) > 0)
    assert images[0].truth.instances.max() == 2
    assert not images[2].mask.any()
    assert {entry.category for entry in images.entries} == {"brick"}
    assert images.has_masks


def test_masks_of_ones_are_masks(mvtec):
    np.testing.assert_array_equal(open_test_set(mvtec)[1].mask, mask_of((5, 5, 9, 9)) > 0)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_masks_of_any_mode_are_read(mvtec, mode):
    path = mvtec / "ground_truth" / "hole" / "030_mask.png"
    mask = mask_of((3, 3, 7, 9), value=1)
    if mode == "I;16":
        Image.fromarray(mask.astype(np.uint16)).save(path)
    elif mode == "P":
        indexed = Image.fromarray(mask)
        indexed.putpalette([0, 0, 0, 200, 0, 0])
        indexed.save(path)
    else:
        Image.fromarray(mask * 255).convert(mode).save(path)
    np.testing.assert_array_equal(open_test_set(mvtec)[4].mask, mask > 0)


def test_a_test_folder_alone_is_read_with_the_masks_beside_it(mvtec):
    alone, whole = open_test_set(mvtec / "test"), open_test_set(mvtec)
    assert kinds_of(alone) == kinds_of(whole)
    assert alone.has_masks


def test_several_categories_are_read_together(mvtec, tmp_path):
    mvtec.rename(tmp_path / "a")
    put_many(tmp_path / "b" / "train" / "good", 2)
    put_many(tmp_path / "b" / "test" / "good", 1)
    assert [entry.category for entry in open_normal(tmp_path).entries] == ["a", "a", "a", "b", "b"]
    assert len(open_test_set(tmp_path)) == 6


def test_each_mask_of_loco_is_a_defect_with_its_own_saturation(loco):
    images = open_test_set(loco)
    assert images.layout == "MVTec LOCO"
    truth = images[1].truth
    assert [region.sum() for region in truth.regions] == [100, 104]
    assert truth.saturation == (50, 26)
    assert truth.instances.max() == 2  # the second defect lies in two places and stays one
    assert images[2].truth.saturation == (4,)  # never more than the defect has


def test_saturation_keeps_its_share_when_resized(loco):
    truth = open_test_set(loco, (10, 15))[1].truth
    for region, enough, share in zip(truth.regions, truth.saturation, (50 / 100, 26 / 104), strict=True):
        assert enough == pytest.approx(share * region.sum())


def test_loco_without_a_configuration_has_masks_but_no_saturation(loco):
    (loco / "defects_config.json").unlink()
    images = open_test_set(loco)
    assert images.layout == "MVTec LOCO"
    assert images[1].mask.sum() == 100 + 104 - 25
    assert images[1].truth.regions == ()


def test_visa_without_a_split_keeps_a_tenth_of_the_normal_images_for_testing(visa):
    fitted = {entry.name for entry in open_normal(visa).entries}
    images = open_test_set(visa)
    tested = {entry.name for entry in images.entries if not entry.label}
    assert (len(fitted), len(tested)) == (18, 2)
    assert not fitted & tested
    assert kinds_of(images)[2:] == [(1, "anomaly"), (1, "anomaly")]
    assert images[3].mask.sum() == 16


def test_visa_is_split_by_its_table(visa):
    rows = ["object,split,label,image,mask"]
    rows += [
        f"candle,{'test' if i < 3 else 'train'},normal,candle/Data/Images/Normal/{i:03d}.JPG," for i in range(5)
    ]
    rows += ["candle,test,anomaly,candle/Data/Images/Anomaly/020.JPG,candle/Data/Masks/Anomaly/020.png"]
    (visa.parent / "split_csv").mkdir()
    (visa.parent / "split_csv" / "1cls.csv").write_text("\n".join(rows) + "\n")
    table = 'image,label,mask\ncandle/Data/Images/Anomaly/020.JPG,"melt,scratch",x.png\n'
    (visa / "image_anno.csv").write_text(table)
    for path in (visa, visa.parent):
        assert len(open_normal(path)) == 2
        assert kinds_of(open_test_set(path)) == [(0, "good")] * 3 + [(1, "melt,scratch")]


def test_a_plain_folder_is_normal(tmp_path):
    put_many(tmp_path, 2)
    put(tmp_path / "grey.png", picture(5)[..., 0])
    put(tmp_path / "clear.png", np.dstack([picture(6), np.full((20, 30), 255, np.uint8)]))
    images = open_normal(tmp_path)
    assert len(images) == 4
    assert all(item.image.shape == (20, 30, 3) and item.image.dtype == np.uint8 for item in images)


@pytest.mark.parametrize("name", ["good", "normal", "ok"])
def test_a_plain_folder_of_kinds_is_a_test_set(tmp_path, name):
    put_many(tmp_path / name, 2)
    put_many(tmp_path / "dirt", 1)
    images = open_test_set(tmp_path)
    assert sorted(kinds_of(images)) == [(0, "good"), (0, "good"), (1, "dirt")]
    assert not images.has_masks
    assert next(item for item in images if item.label).mask is None
    put(tmp_path / "ground_truth" / "dirt" / "000.png", mask_of((0, 0, 2, 2)))
    assert open_test_set(tmp_path).has_masks
    assert len(open_test_set(tmp_path)) == 3
    assert len(open_normal(tmp_path)) == 2


def test_normal_images_can_be_added_from_elsewhere(tmp_path):
    put_many(tmp_path / "set" / "dirt", 1)
    put_many(tmp_path / "fine", 2)
    with pytest.raises(UsageError, match="got 0 normal and 1 anomalous"):
        open_test_set(tmp_path / "set")
    images = open_test_set(tmp_path / "set", normal=tmp_path / "fine")
    assert [entry.category for entry in images.entries] == ["set"] * 3
    assert images.labels.tolist() == [0, 0, 1]


@pytest.fixture
def own(make_recipe, tmp_path):
    """Return a function that draws a data set of ours whose three classes have the given names."""

    def draw(*names):
        folder = tmp_path / "own"
        synthgen.generate(make_recipe(classes=len(names)), folder, workers=0, progress=False)
        lines = [json.loads(line) for line in (folder / "classes.jsonl").read_text().splitlines()]
        renamed = [{**line, "name": name} for line, name in zip(lines, names, strict=True)]
        (folder / "classes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in renamed))
        return folder

    return draw


def test_our_own_data_sets_are_good_and_kinds(own):
    folder = own("good", "scratch", "dent")
    images, dataset = open_test_set(folder), synthgen.open(folder)
    assert kinds_of(images) == [(0, "good")] * 8 + [(1, "scratch")] * 8 + [(1, "dent")] * 8
    assert kinds_of(open_normal(folder)) == [(0, "good")] * 8
    for label, index in ((1, 0), (2, 7)):
        item, sample = images[label * 8 + index], dataset[dataset.find(label, index)]
        assert item.name == sample.key
        np.testing.assert_array_equal(item.image, sample.image)
        np.testing.assert_array_equal(item.mask, sample.fields["mask"] > 0)
    assert not images[0].mask.any()  # what a normal image shows is no defect


def test_a_data_set_of_one_class_is_normal(own):
    assert len(open_normal(own("fractal"))) == 8


def test_a_data_set_without_a_normal_class_is_refused(own):
    with pytest.raises(UsageError, match="must have a class named good or normal or ok, got a, b"):
        open_normal(own("a", "b"))


class PlateSet:
    """Stands for a set of stained plates: `mask` covers stains and defects, `scratch` the defects alone."""

    def __init__(self, *names):
        self.scratch = mask_of((0, 0, 2, 5), (10, 0, 12, 5))
        self.instances = mask_of((1, 0, 9, 9), value=1)
        self.instances[self.scratch > 0] = 2
        self.instances[10:12, :5] = 3
        self.fields = {"mask": mask_of((1, 0, 9, 9)) | self.scratch, "scratch": self.scratch}
        self.fields["instances"] = self.instances
        self.fields = {name: self.fields[name] for name in names}
        self.manifest = self

    def field(self, place, name):
        return self.fields[name]


def test_stains_are_no_defects():
    plates = PlateSet("mask", "instances", "scratch")
    instances = own_layout._truth(plates, 0, "scratch", (20, 30)).instances
    np.testing.assert_array_equal(instances, plates.instances * (plates.scratch > 0))
    assert set(np.unique(instances)) == {0, 2, 3}


def test_without_instances_each_region_is_a_defect():
    plates = PlateSet("mask", "scratch")
    assert own_layout._truth(plates, 0, "scratch", (20, 30)).instances.max() == 2
    assert own_layout._truth(plates, 0, "dent", (20, 30)).instances.max() == 2


def test_images_are_found_in_folders_and_below(tmp_path):
    put_many(tmp_path / "a" / "b", 2)
    put_many(tmp_path / "a", 1)
    single = put(tmp_path / "c.png", picture(1))
    assert len(open_images([tmp_path / "a", single])) == 4


def test_images_of_many_sizes_become_one_size(tmp_path):
    put(tmp_path / "a.png", picture(0, (40, 20)))
    put(tmp_path / "b.png", picture(1, (16, 64)))
    assert [item.image.shape for item in open_normal(tmp_path)] == [(40, 20, 3), (16, 64, 3)]
    images = open_normal(tmp_path, (24, 32))
    assert [item.image.shape for item in images] == [(24, 32, 3)] * 2
    assert all(item.mask.shape == (24, 32) for item in images)


def test_resizing_tells_of_defects_that_vanish(mvtec):
    put(mvtec / "ground_truth" / "crack" / "021_mask.png", mask_of((0, 0, 1, 1), (4, 4, 20, 20)))
    item = open_test_set(mvtec, (5, 6))[1]
    assert item.lost == 1
    assert item.mask.any()
    assert open_test_set(mvtec)[1].lost == 0


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_resizing_a_mask_takes_the_pixel_whose_centre_is_nearest(height, width, new_height, new_width):
    pairs = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1)
    taken = nearest(pairs[..., 0] * 100 + pairs[..., 1], (new_height, new_width))
    for new, old, chosen in ((new_height, height, taken[:, 0] // 100), (new_width, width, taken[0] % 100)):
        for i in range(new):
            # in units of 1 / (2 * new) of an old pixel, exactly
            distances = [abs((2 * i + 1) * old - (2 * j + 1) * new) for j in range(old)]
            assert distances[chosen[i]] == min(distances)


@given(arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_regions_hang_together_by_corners(mask):
    instances = truth_of_regions(mask).instances
    np.testing.assert_array_equal(instances > 0, mask)
    for row, column in np.argwhere(mask):
        around = instances[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        assert set(around[around > 0]) == {instances[row, column]}


def test_a_set_can_be_sent_to_another_process(mvtec):
    images = pickle.loads(pickle.dumps(open_test_set(mvtec, (10, 10))))  # noqa: S301
    assert images[0].mask.any()


def refused(call, *parts):
    """Check that a call is refused in one line that says all this."""
    with pytest.raises(UsageError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    for part in parts:
        assert str(part) in text


def test_a_mask_of_another_size_is_refused(mvtec):
    path = put(mvtec / "ground_truth" / "hole" / "030_mask.png", mask_of(size=(10, 10)))
    refused(lambda: open_test_set(mvtec)[4], path, "as large as its image, 30x20, got 10x10")


def test_masks_of_another_number_are_refused(mvtec):
    folder = mvtec / "ground_truth" / "crack"
    (folder / "021_mask.png").rename(folder / "022_mask.png")
    refused(lambda: open_test_set(mvtec), folder, "a mask for each of 2 images, got none for 021.png")
    put(folder / "021_mask.png", mask_of())
    refused(lambda: open_test_set(mvtec), folder, "got 3: 022_mask.png has no image")


def test_a_value_that_saturation_does_not_know_is_refused(loco):
    path = put(loco / "ground_truth" / "logical_anomalies" / "021" / "000.png", mask_of((0, 0, 2, 2), value=7))
    refused(lambda: open_test_set(loco)[2], path, "(240, 241)", "got 7")


@pytest.mark.parametrize("text", ["", "{}", '[{"pixel_value": 0}]', "[1"])
def test_a_damaged_configuration_is_refused(loco, text):
    (loco / "defects_config.json").write_text(text)
    refused(lambda: open_test_set(loco), "defects_config.json", "must be MVTec LOCO's list of defects")


def test_a_damaged_split_is_refused(visa):
    split = visa.parent / "split_csv" / "1cls.csv"
    split.parent.mkdir()
    split.write_text("object,split\n")
    refused(
        lambda: open_normal(visa), split, "must have the columns object, split, label, image, mask, got no label"
    )
    split.write_text("object,split,label,image,mask\ncandle,train,normal,candle/none.JPG,\n")
    refused(lambda: open_normal(visa), split, "every image must be there")
    split.write_text("object,split,label,image,mask\nother,train,normal,x,\n")
    refused(lambda: open_normal(visa), split, "must have rows of the object candle, got none")


def test_places_without_images_are_refused(tmp_path):
    empty, file = tmp_path / "empty", put(tmp_path / "in" / "other" / "a.png", picture(0))
    empty.mkdir()
    for opened in (open_normal, open_test_set):
        refused(lambda opened=opened: opened(empty), empty, "must hold images, got an empty folder")
        refused(lambda opened=opened: opened(tmp_path / "no"), "must be a folder of images", "got nothing there")
        refused(lambda opened=opened: opened(file), "got a file")
    refused(lambda: open_normal(tmp_path / "in"), "good or normal or ok", "got the folders other")
    refused(lambda: open_test_set(tmp_path / "in" / "other"), "got 0 normal and 0 anomalous")
    refused(lambda: open_images([empty]), empty, "must be an image or a folder of images, got an empty folder")
    refused(lambda: open_images([tmp_path / "no.png"]), "got nothing there")


def test_broken_files_are_refused_by_name(mvtec):
    for path, place in (
        (mvtec / "test" / "hole" / "030.png", 4),
        (mvtec / "ground_truth" / "crack" / "020_mask.png", 0),
    ):
        path.write_bytes(path.read_bytes()[:60])
        refused(lambda place=place: open_test_set(mvtec)[place], path, "must be an image that can be read")
