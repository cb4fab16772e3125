"""Every study is a configuration that loads, and runs small from its data to its tables."""

import importlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

import synthgen
from synthgen.errors import LockedError

pytest.importorskip("torch")
pytest.importorskip("skimage")

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture
def study(monkeypatch, tmp_path):
    """Return a function that imports a module of the studies, which works in a folder of its own."""
    monkeypatch.syspath_prepend(STUDIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")
    return importlib.import_module


def tiny_backbone(*_):
    from synthgen.torch.backbones import load_backbone

    return load_backbone("random:test_resnet")


@pytest.mark.parametrize("name", ["textures", "stains", "pretraining", "refine"])
def test_the_configuration_of_a_study_loads_with_all_of_its_models(study, name):
    from synthgen.torch.benchmark.variants import variants

    benchmark = study("shared").configured(name, {}, None, (0, 1))
    assert benchmark.benchmark == name
    assert benchmark.seeds == (0, 1)
    assert len(variants(benchmark)) >= len(benchmark.models)


def test_a_folder_is_filled_once_and_whole(study):
    shared = study("shared")

    def broken(folder):
        (folder / "half").touch()
        raise KeyError

    with pytest.raises(KeyError):
        shared.once(Path("made"), broken)
    assert not Path("made").exists()
    shared.once(Path("made"), lambda folder: (folder / "whole").touch())
    shared.once(Path("made"), lambda folder: pytest.fail("it is there"))
    assert [path.name for path in Path("made").iterdir()] == ["whole"]


def small_textures(textures):
    changes = {"size": 32, "sets": {"photographs": {"path": "photographs"}}, "metrics": ["image_auroc", "pl"]}
    return msgspec.structs.replace(
        textures.QUICK, is_drawn=False, side=32, crop=64, train=3, good=4, benchmark=changes, surface={}, recipe={}
    )


def test_photographs_become_a_category_with_exact_masks(study, tmp_path):
    from synthgen.layouts import open_normal, open_test_set

    textures = study("textures")
    textures.make_photographs(tmp_path, small_textures(textures))
    tested = open_test_set(tmp_path / "brick")
    assert len(open_normal(tmp_path / "brick")) == 3
    assert len(tested) == 4 + 15
    for item in tested:
        assert item.image.shape == (32, 32, 3)
        assert (item.truth is not None and item.truth.instances.any()) == bool(item.label)


def test_textures_measures_its_rows_and_goes_on_where_it_ended(study, monkeypatch, capsys):
    textures = study("textures")
    monkeypatch.setattr(textures, "QUICK", small_textures(textures))
    monkeypatch.setattr(study("shared"), "create_model", tiny_backbone)
    arguments = ["--out", "out", "--quick", "--rows", "random,floor", "--workers", "0"]
    textures.main(arguments)
    printed = capsys.readouterr().out
    names = [line.split(" | ")[0].removeprefix("| ") for line in printed.splitlines() if line.startswith("| ")]
    assert set(names) == {
        "model",
        "---",
        "random-calibrate=0",
        "random-calibrate=0.5",
        "random-calibrate=1",
        "floor",
    }
    assert "gain over random-calibrate=1" in printed

    records = {path: path.stat().st_mtime_ns for path in Path("out/results/jobs").rglob("*.json")}
    assert len(records) == 4
    textures.main(arguments)
    assert capsys.readouterr().out == printed
    assert records == {path: path.stat().st_mtime_ns for path in records}


@pytest.mark.parametrize(("script", "option", "given", "rule"), [
    ("textures", "--only", "nonsense-0", "must be one of surface, surface-quick"),
    ("textures", "--only", "fractals-one", "and -SEED, got fractals-one"),
    ("textures", "--rows", "random,nonsense", "rows must be some of random, imagenet"),
    ("pretraining", "--only", "surface-quick,nonsense", "must be some of surface-quick"),
    ("refine", "--only", "nonsense", "must be some of brick, grass"),
    ("refine", "--models", "nonsense", "must be some of patchcore"),
    ("refine", "--seeds", "0,one", "invalid numbers value"),
    ("methods", "--only", "nonsense", "choose from"),
])  # fmt: skip
def test_a_mistaken_option_of_a_study_ends_in_one_line(study, monkeypatch, capsys, script, option, given, rule):
    module = study(script)
    monkeypatch.setattr("sys.argv", [f"{script}.py", "--out", "out", option, given])
    with pytest.raises(SystemExit) as end:
        module.as_script(module.main)
    told = capsys.readouterr().err or end.value.code
    last = told.splitlines()[-1]
    assert last.startswith(f"{script}.py: ")
    assert rule in last


def test_a_study_that_meets_another_process_says_so(study, monkeypatch):
    """An error of synthgen's, and Ctrl-C, end in one line."""
    shared = study("shared")
    monkeypatch.setattr("sys.argv", ["studies/textures.py"])
    for error, told in [
        (LockedError("weights/x: is being written by process 7"), "weights/x: is being written by process 7"),
        (KeyboardInterrupt(), "interrupted; run the same command again to go on"),
    ]:

        def fails(error=error):
            raise error

        with pytest.raises(SystemExit) as end:
            shared.as_script(fails)
        assert end.value.code == f"textures.py: {told}"


@pytest.mark.parametrize("row", ["fractals", "1p-frac"])
def test_rows_of_classes_see_as_many_images_as_are_asked_for(study, monkeypatch, row):
    """4 classes of 12 images, or as many classes as images."""
    textures = study("textures")
    seen = []

    def note(folder, *_, **options):
        seen.append((folder, options["epochs"]))

    monkeypatch.setattr(textures, "pretrain", note)
    for extra in ([], ["--epochs", "3"]):
        textures.main(["--out", "out", "--quick", "--only", f"{row}-0", *extra])
    assert [epochs for _, epochs in seen] == [1, 3]
    assert len(synthgen.open(Path("out") / seen[0][0])) == 48


def test_refine_is_a_configuration_alone(study, monkeypatch):
    textures = study("textures")
    shared = study("shared")
    monkeypatch.setattr(shared, "imagenet_lite0", tiny_backbone)
    scale = msgspec.structs.replace(small_textures(textures), train=12)
    textures.make_photographs(Path("photographs"), scale)
    shared.keep_imagenet()
    changes = {"size": 32, "models.padim.channels": 8, "sets.few.shots": 10, "models.padim.refine.iterations": 2}
    results = shared.run(shared.configured("refine", changes, ["padim", "start-alone"], (0,)), 0)
    assert not results.failures
    (cell, few) = results.cells
    for row, place in (("padim", cell), ("padim", few), ("start-alone", cell)):
        assert 0 <= results.value(row, place, 0, "refined_iou") <= 1
    assert "| padim | " in shared.summary(results, "photographs")


def test_stains_fits_tunes_melds_and_tabulates(study, monkeypatch, capsys):
    stains = study("stains")
    monkeypatch.setattr(study("shared"), "imagenet_lite0", tiny_backbone)
    rows = "target,ws-melded,ws-da-ft-2"
    stains.main(["--out", "out", "--quick", "--rows", rows, "--workers", "0"])
    printed = capsys.readouterr().out
    one, two, curve, five = printed.split("\n\n")[1::2]
    assert len(one.splitlines()) == 2 + 1
    assert [line.split(" | ")[0] for line in two.splitlines()[2:]] == [f"| {row}" for row in rows.split(",")]
    assert [line.split(" | ")[0] for line in curve.splitlines()[2:]] == ["| 0", "| 2", "| 5", "| 10"]
    assert len(five.splitlines()) == 2 + 6
    assert Path("out/results/coverage.png").is_file()


def test_what_is_found_is_counted_by_kind_and_object(study):
    from synthgen.sample import Sample

    stains = study("stains")
    ids = np.array([[1, 1, 0, 2], [1, 1, 0, 2], [3, 3, 3, 3]], np.uint8)
    marked = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
    objects = [{"id": 1, "kind": "scratch"}, {"id": 2, "kind": "scratch"}, {"id": 3, "kind": "stain"}]
    sample = Sample("key", np.zeros((3, 4), np.uint8), 0, {"instances": ids}, {"objects": objects})
    counts = stains.count_image(sample, marked)

    scratch, stain = (stains.KINDS.index(kind) for kind in ("scratch", "stain"))
    assert counts.marked == 6
    assert counts.pixels[[scratch, stain]].tolist() == [6, 4]
    assert counts.hits[[scratch, stain]].tolist() == [1, 4]
    assert counts.things[[scratch, stain]].tolist() == [[2], [1]]
    at = dict(zip(stains.COVERAGES, counts.noticed[scratch], strict=True))
    assert (at[0.0], at[0.25], at[0.5]) == (1, 1, 0)
    assert counts.noticed[stain].tolist() == [1] * len(stains.COVERAGES)


def test_a_model_of_stains_takes_whole_plates_and_known_words(study):
    import torch

    from synthgen.errors import UsageError

    transfer = study("transfer")
    images = torch.arange(4 * transfer.PLACES)
    chosen = transfer.Transfer("random:test_resnet", "ws-ft-2", seed=5)._some(images)
    assert len(chosen) == 2 * transfer.PLACES
    assert len({int(image) // transfer.PLACES for image in chosen}) == 2
    with pytest.raises(UsageError, match="got ws-xx"):
        transfer.Transfer("random:test_resnet", "ws-xx")


def test_every_variant_of_the_pretraining_can_be_trained_and_measured(study):
    from synthgen.torch.benchmark.variants import variants
    from synthgen.torch.pretrain import make_options

    module = study("pretraining")
    for name, variant in module.VARIANTS.items():
        recipe = module.recipe_of(variant, 60_000, is_quick=False)
        options = make_options(changes=module.options_of(variant, 60_000, is_quick=False))
        per_epoch = recipe.classes * recipe.per_class if variant.classes else options.epoch_images
        assert options.epochs * per_epoch == 60_000, name

    changes = {f"models.{name}": module.model_of(name) for name in module.VARIANTS}
    benchmark = study("shared").configured("pretraining", changes, None, (0,))
    names = {variant.name for variant in variants(benchmark)}
    both_ways = {f"{module.SURFACE}-calibrate={share}" for share in (0, 1)}
    assert names == set(module.VARIANTS) - {module.SURFACE} | both_ways | {"random", "imagenet", "floor"}
