"""The command as a user types it: results on stdout, messages on stderr, exit codes, never a traceback."""

import json
import subprocess
import sys

import pytest
from PIL import Image

import synthgen
from synthgen.cli import cli
from synthgen.families import FAMILIES

SMALL = [
    "--classes",
    "4",
    "--per-class",
    "5",
    "--size",
    "32",
    "--points",
    "500",
    "--workers",
    "0",
    "--progress",
    "none",
]


def run(*arguments, cwd=None, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-m", "synthgen", *map(str, arguments)], capture_output=True, text=True, cwd=cwd,
        timeout=120, env={**os.environ, **environment}, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "d"
    done = run("fractals", *SMALL, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["finished"]
    return out


def test_a_run_says_what_it_did(folder):
    again = run("fractals", *SMALL, "--out", folder)
    assert again.returncode == 0
    assert "0 images drawn" in again.stdout
    assert "20 were there" in again.stdout


def test_the_folder_is_named_after_the_recipe(tmp_path):
    assert run("fractals", *SMALL, cwd=tmp_path).returncode == 0
    assert (tmp_path / "fractals-points500-size32-4x5" / "dataset.json").exists()


def test_progress_goes_to_stderr(tmp_path):
    done = run("fractals", *SMALL[:-1], "plain", "--out", tmp_path / "d", "--json")
    assert "4 classes x 5 images" in done.stderr
    json.loads(done.stdout)


def test_info_verify_and_preview(folder, tmp_path):
    manifest = json.loads(run("info", folder, "--json").stdout)
    assert (manifest["count"], manifest["classes"]) == (20, 4)
    assert "20 images" in run("info", folder).stdout
    verified = json.loads(run("verify", folder, "--pixels", "--json", "--progress", "none").stdout)
    assert verified["ok"]
    sheet = tmp_path / "sheet.png"
    assert run("preview", folder, "-o", sheet, "--overlay", "mask", "--cell", "40").returncode == 0
    with Image.open(sheet) as image:
        assert image.size == (5 * 44 + 4, 4 * 60 + 4)
    wrong = run("preview", folder, "-o", sheet, "--overlay", "depth")
    assert (wrong.returncode, wrong.stderr) == (2, "synthgen: --overlay must be one of mask, got 'depth'\n")


def test_a_broken_shard_ends_with_3(folder, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shard = next(copy.glob("shards/*.h5"))
    shard.write_bytes(shard.read_bytes()[:-5])
    done = run("verify", copy, "--progress", "none")
    assert done.returncode == 3
    assert done.stdout.startswith(f"{shard.name}: ")
    assert "must have" in done.stdout


def test_one_sample_is_drawn_without_the_files(folder, tmp_path):
    out = tmp_path / "one.png"
    done = run("render", folder, "--label", 3, "--index", 2, "-o", out, "--fields", "--params")
    assert done.returncode == 0
    params = json.loads(done.stdout)
    sample = synthgen.render(folder, 3, 2)
    assert params == sample.params
    with Image.open(out) as image, Image.open(tmp_path / "one.mask.png") as mask:
        assert image.tobytes() == sample.image.tobytes()
        assert mask.tobytes() == sample.fields["mask"].tobytes()
    assert run("render", folder, "--label", 3, "-o", out, "--size", "64x48").returncode == 0
    with Image.open(out) as image:
        assert image.size == (64, 48)


def test_recipes_are_listed_shown_planned_and_run(tmp_path):
    text = run("recipes", "show", "tiny-fractals").stdout
    (tmp_path / "mine.yaml").write_text(text)
    plan = run("plan", tmp_path / "mine.yaml", "--set", "per_class=2", "--json")
    planned = json.loads(plan.stdout)
    assert planned["images"] == 20
    assert planned["workers"] <= planned["most_workers"] == planned["shards"]
    done = run(
        "run", "mine.yaml", "--set", "per_class=2", "--set", "storage.format=webdataset", "--out", "x", cwd=tmp_path
    )
    assert done.returncode == 0
    assert len(synthgen.open(tmp_path / "x")) == 20
    assert "tiny-fractals" in run("recipes", "--no-time").stdout


def test_dry_runs_write_nothing(tmp_path):
    done = run("fractals", "--dry-run", cwd=tmp_path)
    assert "1,000 classes x 1,000 images" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_parts_and_merge(tmp_path):
    for k in (1, 2):
        assert (
            run("fractals", *SMALL, "--shard-size", 6, "--part", f"{k}/2", "--out", tmp_path / f"p{k}").returncode
            == 0
        )
    assert "not finished" in run("info", tmp_path / "p1").stderr
    done = run("merge", tmp_path / "all", tmp_path / "p1", tmp_path / "p2")
    assert done.returncode == 0
    assert "20 images in 4 shards" in done.stdout


MISTAKES = [
    (["fractals", "--per-class", "0"], "--per-class must be int >= 1, got '0'"),
    (["fractals", "--size", "5"], "--size must be int >= 16, got [5, 5]"),
    (["fractals", "--size", "a x b"], "--size must be N or WIDTHxHEIGHT in pixels, got 'a x b'"),
    (["fractals", "--maps", "4:2"], "--maps must be LOW:HIGH with LOW <= HIGH, got 4:2"),
    (["fractals", "--maps", "2:9"], "--maps must be int <= 8, got '2:9'"),
    (["fractals", "--part", "5/4"], "--part must be K/N with 1 <= K <= N, auto or auto/N, got '5/4'"),
    (["fractals", "--workers", "-2"], "--workers must lie in 0..4096, got -2"),
    (["fractals", "--shard-size", "0"], "--shard-size must be int >= 1, got '0'"),
    (["fractals", "--seed", "-1"], "--seed must be int >= 0, got '-1'"),
    (["run", "nothing"], "recipe must be a file, a data set or an installed recipe, got 'nothing'"),
    (["run", "tiny-fractals", "--set", "pionts=3"], "pionts is not a known key; did you mean points?"),
    (["render", "tiny-fractals", "--label", "10", "-o", "x.png"], "label must lie in 0..9, got 10"),
    (["preview", "tiny-fractals", "-o", "x.txt"], "--out must end in .png, .jpg, .jpeg, .webp, got x.txt"),
    (
        ["stains", "--impurities", "sticker,prints"],
        "--impurities must be one of fingerprint, sticker, got 'prints'",
    ),
    (["plan", "tiny-fractals", "--set", "classes"], "--set must be KEY=VALUE, got 'classes'"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_mistakes_are_one_line(tmp_path, arguments, message):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["info", "."], ["verify", "."], ["merge", "out", "none"], ["info", "/dev/null"]]
)
def test_wrong_folders_are_one_line(tmp_path, arguments):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("synthgen: ")
    assert done.stderr.count("\n") == 1


def test_output_that_cannot_be_written_is_one_line(folder):
    done = run("preview", folder, "-o", "/proc/no/sheet.png")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", cli.list_commands(None))
def test_every_command_has_help(name):
    done = run(name, "--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 4
    if name in FAMILIES:
        assert f"synthgen {name} " in done.stdout


def test_doctor_says_what_runs():
    facts = json.loads(run("doctor", "--json").stdout)
    assert facts["fractals_per_second"] > 10
    assert facts["packages"]["numpy"]
    assert "images/s" in run("doctor").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(shell):
    assert "_SYNTHGEN_COMPLETE" in run("completion", shell).stdout
    words = run(_SYNTHGEN_COMPLETE="bash_complete", COMP_WORDS="synthgen fractals --back", COMP_CWORD="2").stdout
    assert "--background" in words
