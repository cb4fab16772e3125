import numpy as np
import pytest

import synthgen
from synthgen.errors import UsageError
from synthgen.families import mandelbulb
from synthgen.families.mandelbulb import Options
from synthgen.recipe import Recipe


@pytest.fixture(scope="module", autouse=True)
def quiet_device():
    """Draw on a device that needs no warning: OpenCL where there is one, else Numba by name."""
    from synthgen.mandelbulb import list_devices

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTHGEN_DEVICE", next(str(d.index) for d in list_devices() if d.usable))
        yield


def small(**changes):
    values = {"family": "mandelbulb", "classes": 3, "per_class": 2, "size": 32, "fields": "depth,normal"}
    return Recipe.from_dict({**values, **changes})


def test_the_defaults_are_one_image_of_every_formula():
    plain, hybrid = (Recipe.from_dict({"family": "mandelbulb", "hybrid": h}) for h in (False, True))
    assert (plain.classes, plain.per_class, plain.size) == (1037, 1, (256, 256))
    assert (hybrid.classes, hybrid.per_class) == (21_365, 1)


def test_every_formula_is_one_class():
    names = {mandelbulb.formula_of(Options(), 3, label).name for label in range(1037)}
    assert len(names) == 1037


def test_a_subset_of_classes_begins_the_whole():
    few, all_of_them = small(), small(classes=1000)
    for label in range(3):
        assert synthgen.render(few, label, 1).params == synthgen.render(all_of_them, label, 1).params


def test_powers_and_rules_choose_formulas():
    options = Options(power=(9, 10), rules=(40, 511))
    assert [f.name for f in mandelbulb.formulas(options)] == [
        "power9-rule40", "power10-rule40", "power9-rule511", "power10-rule511",
    ]  # fmt: skip
    hybrids = mandelbulb.formulas(Options(hybrid=True, power=(4, 5), rules=(395, 222)))
    assert {v.power for f in hybrids for v in f.variants} == {4, 5}
    assert {v.rule for f in hybrids for v in f.variants} == {395, 222}


def test_views_are_drawn_from_the_ranges():
    for hybrid, low, high in ((False, -90, 90), (True, -30, 30)):
        params = [mandelbulb.sample(Options(hybrid=hybrid), 0, 0, i) for i in range(200)]
        latitudes = [p["latitude"] for p in params]
        assert low <= min(latitudes) < 0.8 * low
        assert 0.8 * high < max(latitudes) <= high
        assert all(0 <= p["longitude"] <= 360 for p in params)
        assert all(np.shape(p["colors"]) == (3, 3) for p in params)
    narrow = mandelbulb.sample(Options(latitude=(1, 1), longitude=(2, 2)), 0, 0, 0)
    assert (narrow["latitude"], narrow["longitude"]) == (1, 2)


@pytest.mark.parametrize("filter", ["lanczos", "box"])
@pytest.mark.parametrize("background", ["white", "black"])
def test_pixels_outside_the_mask_are_background(background, filter):
    sample = synthgen.render(small(background=background, filter=filter), 0, 0)
    outside = sample.fields["mask"] == 0
    assert 0.1 < outside.mean() < 0.9
    assert (sample.image[outside] == (255 if background == "white" else 0)).all()


def test_depth_and_normals_belong_to_the_object():
    sample = synthgen.render(small(), 1, 0)
    depth, normal = sample.fields["depth"], sample.fields["normal"]
    hit = np.isfinite(depth)
    assert hit.any()
    assert (sample.fields["mask"][hit] == 255).all()
    assert ((depth[hit] > 0.5) & (depth[hit] < 5)).all()
    assert np.allclose(np.linalg.norm(normal[hit], axis=1), 1, atol=0.01)  # as stored, in 8 bits
    assert not normal[~hit].any()


def test_the_mask_is_the_coverage_and_nothing_else():
    for label in range(3):
        sample = synthgen.render(small(fields="coverage,depth,normal_length"), label, 0)
        covered = sample.fields["coverage"] > 0
        assert np.array_equal(covered, sample.fields["mask"] == 255)
        assert np.array_equal(covered, np.isfinite(sample.fields["depth"]))
        assert set(np.unique(sample.fields["coverage"])) == {0, 64, 128, 191, 255}
        assert not sample.fields["normal_length"][~covered].any()


def pasted_from(folder):
    """Render an image with one object of a stored data set, as large as the image."""
    changes = {"objects": "1:1", "scale": "1.0", "flips": False, "background": "diamond-square", "size": 48}
    recipe = Recipe.from_dict(
        {"family": "multiformula", "classes": 1, "per_class": 2, "source": str(folder), **changes}
    )
    return synthgen.render(recipe, 0, 0)


def test_an_object_stored_on_white_with_its_coverage_is_pasted_as_one_stored_on_black(tmp_path):
    images = []
    for background in ("white", "black"):
        recipe = small(background=background, filter="box", fields="coverage", size=48, classes=1)
        synthgen.generate(recipe, tmp_path / background, workers=0, progress=False)
        images.append(pasted_from(tmp_path / background).image.astype(int))
    assert np.abs(images[0] - images[1]).max() <= 2


@pytest.mark.parametrize("fmt", ["hdf5", "webdataset"])
def test_all_fields_come_back_from_shards(tmp_path, fmt):
    names = ("depth", "normal", "normal_length", "coverage")
    recipe = small(storage={"format": fmt, "shard_size": 4}, fields=",".join(names))
    report = synthgen.generate(recipe, tmp_path / "d", workers=0, progress=False)
    assert report.finished
    assert synthgen.verify(tmp_path / "d", pixels=True).ok
    ds = synthgen.open(tmp_path / "d")
    assert ds.manifest.tolerance == 2
    assert ds.manifest.device == ds.manifest.shard_list[0].device != "any CPU"
    for sample in ds:
        drawn = synthgen.render(recipe, sample.label, sample.params["index"])
        assert np.array_equal(sample.image, drawn.image)
        for name in ("mask", *names):
            assert np.array_equal(sample.fields[name], drawn.fields[name])
            assert sample.fields[name].dtype == drawn.fields[name].dtype


def test_a_worker_beside_gives_the_same_files(tmp_path):
    for workers in (0, 2):
        synthgen.generate(small(), tmp_path / str(workers), workers=workers, progress=False)
    a, b = (next((tmp_path / w / "shards").glob("*.h5")).read_bytes() for w in ("0", "2"))
    assert a == b


def test_another_device_is_refused_unless_told(tmp_path):
    import json

    recipe = small(storage={"shard_size": 3})
    synthgen.generate(recipe, tmp_path, workers=0, part="1/2", progress=False)
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "device": "Other / GPU / 1"}))
    with pytest.raises(UsageError, match=r"was begun on Other / GPU / 1.*--any-device"):
        synthgen.generate(recipe, tmp_path, workers=0, progress=False)
    assert synthgen.generate(recipe, tmp_path, workers=0, progress=False, any_device=True).finished


def test_parts_of_several_devices_are_refused_unless_told(tmp_path):
    import json

    from synthgen.run import merge
    from synthgen.shards.manifest import Sidecar, encode_json

    recipe = small(storage={"shard_size": 3})
    for k in (1, 2):
        synthgen.generate(recipe, tmp_path / str(k), workers=0, part=(k, 2), progress=False)
    sidecar = next((tmp_path / "2" / "shards").glob("*.json"))
    values = json.loads(sidecar.read_text())
    del values["crc32"]
    sidecar.write_bytes(encode_json(Sidecar.signed(**{**values, "device": "Other"})))
    with pytest.raises(UsageError, match=r"one kind of device, got .*Other"):
        merge([tmp_path / "1", tmp_path / "2"], tmp_path / "all")
    assert merge([tmp_path / "1", tmp_path / "2"], tmp_path / "all", any_device=True).count == 6


def test_a_device_that_does_not_exist_is_one_line(tmp_path):
    from synthgen.errors import DeviceError

    with pytest.raises(DeviceError, match=r"device must be an index or a part of a name, got 'warp drive'"):
        synthgen.generate(small(), tmp_path / "d", workers=0, progress=False, device="warp drive")


MISTAKES = [
    ({"classes": 1038}, "classes must be <= 1,037, got 1,038"),
    ({"power": "12:9"}, "power must be LOW:HIGH with LOW <= HIGH, got 12:9"),
    ({"power": "1:5"}, r"power must be int >= 2, got '1:5'"),
    ({"rules": "600"}, r"rules must be int <= 511, got '600'"),
    ({"rules": "40,40"}, "rules must not repeat, got 40,40"),
    ({"hybrid": True, "rules": "511"}, "rules must leave at least one formula"),
    ({"fields": "deph"}, "fields must be one of"),
    ({"supersample": 9}, "supersample must be int <= 8, got 9"),
    ({"background": "gray"}, "background must be one of white, black"),
    ({"filter": "hamming"}, "filter must be one of lanczos, box"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES)
def test_wrong_options_are_named(change, message):
    with pytest.raises(UsageError, match=message):
        small(**change)
