"""`synthgen fit KIND` as a user types it: options of each kind, sources, what is refused."""

import subprocess
import sys

import click
import msgspec
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from synthgen.cli import cli
from synthgen.cli.fit import kind_command
from synthgen.errors import UsageError
from synthgen.torch import models

BACKBONE = ["--backbone", "random:test_resnet", "--size", "32", "--progress", "none"]


def photos(folder, count, seed=0):
    """Write images of noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def normal(tmp_path_factory):
    return photos(tmp_path_factory.mktemp("fit") / "normal", 4)


def run(*arguments):
    """Return what a command that succeeds prints; the errors of others are raised."""
    result = CliRunner().invoke(cli, [*map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def refused(*arguments):
    """Return the one line with which a command refuses."""
    with pytest.raises((UsageError, click.UsageError)) as caught:
        run("fit", *arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_help_lists_all_kinds():
    page = run("fit", "--help").output
    assert all(kind in page for kind in models.MODELS)


@pytest.mark.parametrize("kind", models.MODELS)
def test_the_help_of_a_kind_shows_its_own_options_and_defaults(kind):
    words = run("fit", kind, "--help").output.split()
    for field in msgspec.structs.fields(models.load(kind).Options):
        flag = f"--{field.name.replace('_', '-')}"
        assert any(word.startswith(flag) for word in words)
    assert ("--update" in words) == hasattr(models.load(kind).MODEL, "update")


@pytest.mark.parametrize("kind", models.MODELS)
def test_no_option_of_a_kind_has_the_name_of_one_of_the_command(kind):
    names = [param.name for param in kind_command(kind).params]
    assert sorted(set(names)) == sorted(names)


def test_defaults_differ_from_kind_to_kind():
    assert "[default: 2,3]" in run("fit", "patchcore", "--help").output
    assert "[default: 1,2,3]" in run("fit", "padim", "--help").output


def test_help_pages_need_no_torch():
    code = """
import sys
sys.modules["torch"] = None
from synthgen.cli import cli
from synthgen.cli.fit import kind_command
for arguments in (["fit", "--help"], ["fit", "patchcore", "--help"], ["fit", "sequential-patchcore", "--help"],
                  ["fit", "padim", "--help"], ["pretrain", "--help"]):
    try:
        cli.main(arguments)
    except SystemExit as end:
        assert end.code == 0
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_several_sources_are_all_used_and_counted(normal, tmp_path):
    more = photos(tmp_path / "more", 3, seed=1)
    out = tmp_path / "m.safetensors"
    done = run("fit", "patchcore", "--normal", normal, "--normal", more, "--out", out, *BACKBONE)
    lines = done.stderr.splitlines()
    assert f"{normal}: 4 normal images (plain folder)" in lines
    assert f"{more}: 3 normal images (plain folder)" in lines
    assert "7 normal images in all, from 2 places" in lines
    notes = models.load_model(out).notes
    assert notes["images"] == 7
    assert notes["normal"] == [str(normal), str(more)]


def test_a_model_is_replaced_only_when_asked_for(normal, tmp_path):
    out = tmp_path / "m.safetensors"
    command = ["padim", "--normal", normal, "--out", out, *BACKBONE]
    run("fit", *command, "--channels", "4")
    before = out.read_bytes()
    assert refused(*command, "--channels", "5") == f"{out}: is there already; --overwrite replaces it"
    assert out.read_bytes() == before
    run("fit", *command, "--channels", "5", "--overwrite")
    assert models.load_model(out).settings.channels == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--coreset", "many"], "--coreset must be int | float, got 'many'"),
        (["--coreset", "1"], "--coreset must be a share in (0, 1], such as 1.0, or a number of points >= 2, got 1"),
        (["--layers", "2,x"], "--layers must be"),
        (["--layers", "²"], "--layers must be"),
        (["--layers", "3,2"], "--layers must ascend, got 3,2"),
        (["--sigma", "inf"], "--sigma must be float <= 1000.0, got 'inf'"),
        (["--pool", "0"], "--pool must be int >= 1, got '0'"),
        (["--size", "big"], "--size must be N or WIDTHxHEIGHT in pixels, got 'big'"),
        (["--size", "0"], "--size must"),
        (["--tile", "big"], "--tile must be N or WIDTHxHEIGHT in pixels, got 'big'"),
        (["--tile", "8"], "--tile must be"),
        (["--tile", "64", "--fit", "crop"], "--fit must be left out where images are cut into tiles, got crop"),
        (["--bits", "17"], "--bits must be int <= 16, got 17"),
        (["--epochs", "3"], "No such option"),
        (["--update", "x"], "No such option"),
    ],
)
def test_options_that_do_not_fit_are_refused(normal, tmp_path, options, message):
    out = tmp_path / "m.safetensors"
    assert message in refused("patchcore", "--normal", normal, "--out", out, *BACKBONE, *options)
    assert not out.exists()


def test_a_kind_that_is_misspelt_is_suggested():
    assert refused("pachcore") == "No such kind of model 'pachcore'; did you mean patchcore?"


def test_a_kind_that_is_left_out_is_asked_for(normal):
    line = refused("--normal", normal, "--out", "m.safetensors")
    kinds = ", ".join(models.kinds())
    assert line == f"The kind of model comes first, as in `fit patchcore --normal ..`: one of {kinds}."


def test_a_folder_that_is_not_there_is_told_before_torch_is_loaded(tmp_path):
    code = """
import sys
sys.argv[1:] = ["fit", "patchcore", "--normal", "nowhere", "--backbone", "resnet18", "--out", "m.safetensors"]
from synthgen.cli import main
try:
    main()
except SystemExit as end:
    print(end.code, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout.split() == ["2", "False"]
    assert done.stderr == "synthgen: nowhere: must be a folder of images or a data set, got nothing there\n"


def test_what_is_missing_is_said(normal, tmp_path):
    out = tmp_path / "m.safetensors"
    assert refused("patchcore", "--out", out) == "--normal must be a folder of normal images, got none"
    message = "--backbone must be a name of timm's or a file of weights, got none"
    assert refused("patchcore", "--out", out, "--normal", normal) == message
    assert "--out must be a file in a folder" in refused("padim", "--out", tmp_path / "no" / "m", *BACKBONE)


def test_updating_and_melding_take_no_options_of_their_own(normal, tmp_path):
    other = tmp_path / "pc.safetensors"
    run("fit", "patchcore", "--normal", normal, "--out", other, *BACKBONE)
    command = ["sequential-patchcore", "--out", tmp_path / "m.safetensors"]
    updating = [*command, "--normal", normal, "--update", other]
    assert refused(*updating).endswith("of kind sequential-patchcore, got patchcore")
    message = "--seed cannot be given with --update: the model in the file keeps its own"
    assert refused(*updating, "--seed", "1") == message
    message = "--tile cannot be given with --update: the model in the file keeps its own"
    assert refused(*updating, "--tile", "64") == message
    message = "--normal cannot be given with --meld: the models in the files keep theirs"
    assert refused(*command, "--normal", normal, "--meld", other) == message


def test_a_preset_gives_what_is_not_typed(normal, tmp_path):
    out = tmp_path / "m.safetensors"
    command = ["sequential-patchcore", "--normal", normal, "--preset", "mao2025", *BACKBONE, "--out", out]
    run("fit", *command, "--layers", "2,3", "--points", "30", "--epochs", "1")
    model = models.load_model(out)
    options = model.options()
    assert (options["layers"], options["points"], options["epochs"]) == ((2, 3), 30, 1)
    assert (options["pool"], options["sigma"], options["interpolation"]) == (2, 2.0, "nearest")
    assert options["augment"]
    assert (model.notes["preset"], model.notes["backbone"]) == ("mao2025", "random:test_resnet")
    updating = [*command[:5], "--update", out, "--out", tmp_path / "n"]
    assert refused(*updating).startswith("--preset cannot be given with --update")


def test_the_backbone_is_calibrated_on_the_normal_images_by_the_share_that_is_typed(normal, tmp_path):
    notes = {}
    for name, typed in (("none", []), ("all", ["--calibrate"]), ("part", ["--calibrate", "0.3"])):
        out = tmp_path / name
        run("fit", "patchcore", "--normal", normal, *BACKBONE, "--out", out, *typed)
        notes[name] = models.load_model(out).notes.get("calibrated")
    assert notes == {"none": None, "all": 1.0, "part": 0.3}

    told = refused(
        "sequential-patchcore",
        "--update",
        tmp_path / "all",
        "--normal",
        normal,
        "--calibrate",
        "--out",
        tmp_path / "x",
    )
    assert "--calibrate cannot be given with --update" in told


def test_a_training_that_was_interrupted_goes_on(normal, tmp_path, monkeypatch):
    from synthgen.cli import fit
    from synthgen.torch.course import Course

    small = ["--epochs", "2", "--step-images", "2", "--layers", "3", "--normal", normal, *BACKBONE]
    run("fit", "panda", *small, "--out", tmp_path / "whole.safetensors")
    out = tmp_path / "m.safetensors"
    monkeypatch.setattr(fit, "_CHECKPOINT_SECONDS", 0)
    descend = Course.descend

    def stop(self, loss, **others):
        if self.first == 3:
            raise KeyboardInterrupt
        descend(self, loss, **others)

    with monkeypatch.context() as patch:
        patch.setattr(Course, "descend", stop)
        with pytest.raises(click.Abort):
            run("fit", "panda", *small, "--out", out)
    assert not out.exists()
    assert len((tmp_path / "m.training.csv").read_text().splitlines()) == 4

    line = refused("panda", *small, "--rate", "0.5", "--out", out)
    assert (
        line == f"{tmp_path}/m.unfinished: holds another training: rate is 0.01, not 0.5; --overwrite replaces it"
    )
    done = run("fit", "panda", *small[:-1], "plain", "--out", out)
    assert "panda: resumed after step 3" in done.stderr
    models_found = [models.load_model(tmp_path / f"{name}.safetensors") for name in ("m", "whole")]
    for first, second in zip(*(each.features.net.state_dict().values() for each in models_found), strict=True):
        assert torch.equal(first, second)
    assert torch.equal(models_found[0].bank, models_found[1].bank)
    names = ["m.safetensors", "m.training.csv", "whole.safetensors", "whole.training.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return photos(tmp_path_factory.mktemp("ensembles") / "many", 20)


def test_a_sample_of_the_images_is_taken_by_the_seed(many, tmp_path):
    command = ["fit", "patchcore", "--normal", many, "--coreset", "9", *BACKBONE, "--hold-out", "0"]
    done = run(*command, "--shots", "6", "--seed", "3", "--out", tmp_path / "m")
    assert "6 of 20 normal images, chosen with seed 3" in done.stderr.splitlines()
    notes = models.load_model(tmp_path / "m").notes
    assert (notes["images"], notes["shots"]) == (6, 6)
    assert refused(*command[1:], "--shots", "21", "--out", tmp_path / "n") == (
        "--shots must be at most the 20 normal images, got 21"
    )


def test_a_folder_of_several_categories_is_refused(tmp_path):
    for name in ("bolt", "nut"):
        photos(tmp_path / "parts" / name / "train" / "good", 2)
        photos(tmp_path / "parts" / name / "test" / "good", 1)
    line = refused("padim", "--normal", tmp_path / "parts", "--out", tmp_path / "m", *BACKBONE)
    assert line == (
        f"{tmp_path}/parts: must be one category to fit a model to, got 2 (bolt, nut); fit a model to each, as "
        f"with --normal {tmp_path}/parts/bolt"
    )
    both = ["--normal", tmp_path / "parts" / "bolt", "--normal", tmp_path / "parts" / "nut"]
    assert run("fit", "padim", *both, "--out", tmp_path / "m", *BACKBONE)


def test_features_of_several_backbones_are_fused(many, tmp_path):
    out = tmp_path / "m"
    options = ["--normal", many, "--size", "32", "--progress", "none", "--components", "4", "--scorer", "padim"]
    member = ["--member", "random:test_resnet:2,3", "--member", "random:test_resnet:1"]
    done = run("fit", "feature-ensemble", *options, *member, "--set", "channels=3", "--out", out)
    assert "feature-ensemble: 4 components of" in done.stderr
    model = models.load_model(out)
    assert model.scorer.settings.channels == 3
    assert model.notes["members"] == ["random:test_resnet:2,3", "random:test_resnet:1"]
    for wrong, message in (
        (["--set", "channels"], "--set must be KEY=VALUE, got 'channels'"),
        (["--set", "a=1", "--set", "a=2"], "--set must name each key once, got a twice"),
        (["--scorer", "padmi"], "did you mean padim"),
    ):
        assert message in refused("feature-ensemble", *options, *member, *wrong, "--out", tmp_path / "n")
    assert refused("feature-ensemble", *options, "--out", tmp_path / "n") == (
        "--member must name a backbone or the file of a model, got none"
    )


def test_fitted_models_are_calibrated_on_images_that_none_saw(many, tmp_path):
    member = []
    for number, seed in enumerate(("1", "2")):
        out = tmp_path / f"{number}.safetensors"
        run(
            "fit",
            "patchcore",
            "--normal",
            many,
            "--coreset",
            "9",
            "--seed",
            seed,
            "--hold-out",
            "0.5",
            "--out",
            out,
            *BACKBONE,
        )
        member += ["--member", out]

    out = tmp_path / "both.safetensors"
    command = ["score-ensemble", "--normal", many, "--progress", "none", *member]
    lines = run("fit", *command, "--out", out).stderr.splitlines()
    model = models.load_model(out)
    left = model.notes["images"]
    assert 2 <= left < 10
    assert f"{left} of 20 normal images calibrate the members, which were not fitted to them" in lines
    threshold = model.notes["thresholds"]["image"]
    assert threshold > 0
    assert lines[-1] == (
        f"threshold {threshold:.4g} from {left} images left out in turn: "
        f"{1 / (left + 1):.1%} of normal images may reach it"
    )
    assert refused(*command, "--size", "64", "--out", tmp_path / "n") == (
        "--size must be left out: the members keep their own"
    )


def test_a_bare_file_of_weights_is_taken_with_its_architecture(normal, tmp_path):
    from safetensors.torch import save_file

    from synthgen.torch.backbones import create_model

    weights = tmp_path / "bare.safetensors"
    save_file(create_model("test_vit", 0, img_size=32).state_dict(), weights)
    given = ["--normal", normal, "--backbone", weights, "--size", "48x32", "--progress", "none"]

    with pytest.raises(UsageError, match=r"must have a card bare\.json beside it"):
        run("fit", "patchcore", *given, "--out", tmp_path / "m")
    run("fit", "patchcore", *given, "--arch", "test_vit", "--layers", "2,4", "--out", tmp_path / "m")
    model = models.load_model(tmp_path / "m")
    assert model.image_size == (32, 48)
    assert model.settings.layers == (2, 4)


@pytest.mark.parametrize("kind", ["sinbad", "panda"])
def test_models_of_whole_images_are_shown_without_pixels(kind, normal, tmp_path):
    model = tmp_path / "m"
    small = ["--epochs", "1"] if kind == "panda" else ["--projections", "20"]
    run("fit", kind, "--normal", normal, *BACKBONE, *small, "--out", model)

    test = tmp_path / "test"
    photos(test / "good", 2, seed=1)
    photos(test / "bad", 2, seed=2)
    table = run("evaluate", model, test, "--progress", "none")
    assert "pixel" not in table.stdout
    assert f"{kind} scores whole images" in table.stderr
    found = run("detect", model, test / "bad", "--out", tmp_path / "found", "--progress", "none")
    assert f"{kind} scores whole images: no heat maps" in found.stderr
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == ["scores.csv"]
