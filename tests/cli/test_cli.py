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


def started(*arguments):
    """Run a command in a process of its own."""
    words = [sys.executable, "-m", "synthgen", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "d"
    done = started("fractals", *SMALL, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["finished"]
    return out


def test_a_run_says_what_it_did(command, folder):
    again = command("fractals", *SMALL, "--out", folder)
    assert again.returncode == 0
    assert "0 images drawn" in again.stdout
    assert "20 were there" in again.stdout


def test_the_folder_is_named_after_the_recipe(command, tmp_path):
    assert command("fractals", *SMALL, cwd=tmp_path).returncode == 0
    assert (tmp_path / "fractals-points500-size32-4x5" / "dataset.json").exists()


def test_progress_goes_to_stderr(command, tmp_path):
    done = command("fractals", *SMALL[:-1], "plain", "--out", tmp_path / "d", "--json")
    assert "4 classes x 5 images" in done.stderr
    json.loads(done.stdout)


def test_info_verify_and_preview(command, folder, tmp_path):
    manifest = json.loads(command("info", folder, "--json").stdout)
    assert (manifest["count"], manifest["classes"]) == (20, 4)
    assert "20 images" in command("info", folder).stdout
    verified = json.loads(command("verify", folder, "--pixels", "--json", "--progress", "none").stdout)
    assert verified["ok"]
    sheet = tmp_path / "sheet.png"
    assert command("preview", folder, "-o", sheet, "--overlay", "mask", "--cell", "40").returncode == 0
    with Image.open(sheet) as image:
        assert image.size == (5 * 44 + 4, 4 * 60 + 4)
    wrong = command("preview", folder, "-o", sheet, "--overlay", "depth")
    assert (wrong.returncode, wrong.stderr) == (2, "synthgen: --overlay must be one of mask, got 'depth'\n")


def test_a_broken_shard_ends_with_3(command, folder, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shard = next(copy.glob("shards/*.h5"))
    shard.write_bytes(shard.read_bytes()[:-5])
    done = command("verify", copy, "--progress", "none")
    assert done.returncode == 3
    assert done.stdout.startswith(f"{shard.name}: ")
    assert "must have" in done.stdout


def test_one_sample_is_drawn_without_the_files(command, folder, tmp_path):
    out = tmp_path / "one.png"
    done = command("render", folder, "--label", 3, "--index", 2, "-o", out, "--fields", "--params")
    assert done.returncode == 0
    params = json.loads(done.stdout)
    sample = synthgen.render(folder, 3, 2)
    assert params == sample.params
    with Image.open(out) as image, Image.open(tmp_path / "one.mask.png") as mask:
        assert image.tobytes() == sample.image.tobytes()
        assert mask.tobytes() == sample.fields["mask"].tobytes()
    assert command("render", folder, "--label", 3, "-o", out, "--size", "64x48").returncode == 0
    with Image.open(out) as image:
        assert image.size == (64, 48)


def test_recipes_are_listed_shown_planned_and_run(command, tmp_path):
    text = command("recipes", "show", "tiny-fractals").stdout
    (tmp_path / "mine.yaml").write_text(text)
    plan = command("plan", tmp_path / "mine.yaml", "--set", "per_class=2", "--json")
    planned = json.loads(plan.stdout)
    assert planned["images"] == 20
    assert planned["workers"] <= planned["most_workers"] == planned["shards"]
    done = command(
        "run", "mine.yaml", "--set", "per_class=2", "--set", "storage.format=webdataset", "--out", "x", cwd=tmp_path
    )
    assert done.returncode == 0
    assert len(synthgen.open(tmp_path / "x")) == 20
    assert "tiny-fractals" in command("recipes", "--no-time").stdout


def test_dry_runs_write_nothing(command, tmp_path):
    done = command("fractals", "--dry-run", cwd=tmp_path)
    assert "1,000 classes x 1,000 images" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_parts_and_merge(command, tmp_path):
    for k in (1, 2):
        part = command("fractals", *SMALL, "--shard-size", 6, "--part", f"{k}/2", "--out", tmp_path / f"p{k}")
        assert part.returncode == 0
    assert "not finished" in command("info", tmp_path / "p1").stderr
    done = command("merge", tmp_path / "all", tmp_path / "p1", tmp_path / "p2")
    assert done.returncode == 0
    assert "20 images in 4 shards" in done.stdout


MISTAKES = [
    (["fractals", "--per-class", "0"], "--per-class must be int >= 1, got '0'"),
    (["fractals", "--size", "5"], "--size must be N or WIDTHxHEIGHT, of 16 to 4096 pixels, got 5"),
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
def test_mistakes_are_one_line(command, tmp_path, arguments, message):
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_is_one_line_of_a_process(tmp_path):
    arguments, message = MISTAKES[0]
    done = started(*arguments, "--out", tmp_path / "d")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"synthgen: {message}\n"


@pytest.mark.parametrize(
    "arguments", [["info", "."], ["verify", "."], ["merge", "out", "none"], ["info", "/dev/null"]]
)
def test_wrong_folders_are_one_line(command, tmp_path, arguments):
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("synthgen: ")
    assert done.stderr.count("\n") == 1


def test_output_that_cannot_be_written_is_one_line(command, folder):
    done = command("preview", folder, "-o", "/proc/no/sheet.png")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", cli.list_commands(None))
def test_every_command_has_help(command, name):
    done = command(name, "--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 4
    if name in FAMILIES:
        assert f"synthgen {name} " in done.stdout


def test_doctor_says_what_runs(command):
    facts = json.loads(command("doctor", "--json").stdout)
    assert facts["fractals_per_second"] > 10
    assert facts["packages"]["numpy"]
    assert "images/s" in command("doctor").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(command, shell):
    assert "_SYNTHGEN_COMPLETE" in command("completion", shell).stdout
    words = command(
        _SYNTHGEN_COMPLETE="bash_complete", COMP_WORDS="synthgen fractals --back", COMP_CWORD="2"
    ).stdout
    assert "--background" in words
