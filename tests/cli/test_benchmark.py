"""`synthgen benchmark` as a user types it: a run, its table, a dry run, parts and merging, and what is refused."""

import json
import re

import click
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from synthgen.cli import cli
from synthgen.errors import UsageError


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The file of a benchmark of one category, in which every image is there twice as bright as a defect."""
    home = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    for place, count, bright in (("train/good", 6, 0), ("test/good", 3, 0), ("test/dent", 3, 100)):
        folder = home / "photos" / place
        folder.mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 90, (16, 16, 3), np.uint8)
            pixels[4:9, 4:9] += bright
            Image.fromarray(pixels).save(folder / f"{i}.png")
    values = {
        "benchmark": "small",
        "sets": {"brick": {"path": str(home / "photos")}},
        "models": {"floor": {"kind": "floor", "sigma": 1}, "chance": {"kind": "chance"}},
        "size": 16,
    }
    path = home / "small.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, ["benchmark", *map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    assert result.return_value in (code, None)
    return result


def test_a_run_prints_its_table_and_the_same_command_does_nothing_again(config, tmp_path):
    command = [config, "--out", tmp_path / "o", "--workers", 0, "--progress", "none"]
    done = run(*command)
    assert "brick" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()[3:]] == ["floor", "chance"]
    assert "2 of 2 jobs done in" in done.stderr
    again = run(*command)
    assert again.stdout == done.stdout
    assert re.search(r"0 of 2 jobs done in \d+ s, 2 were done before", again.stderr)

    table = run("--table", tmp_path / "o", "--metric", "oracle_f1", "--by", "class", "--format", "md").stdout
    assert "| brick/photos | **1.000** |" in table
    compared = run("--table", tmp_path / "o", "--against", "chance").stdout
    assert "brick, image AUROC, 1 class, 1 seed, 6 test images, against chance" in compared
    assert (tmp_path / "o" / "report.html").is_file()
    everything = json.loads(run("--table", tmp_path / "o", "--json").stdout)
    assert {job["job"] for job in everything["jobs"]} == {"floor/brick/photos/0", "chance/brick/photos/0"}
    one = json.loads(run("--table", tmp_path / "o", "--json", "--metric", "image_auroc").stdout)
    assert one["head"][0] == "model"

    parts = [tmp_path / "1", tmp_path / "2"]
    for number, part in enumerate(parts, 1):
        run(config, "--out", part, "--part", f"{number}/2", "--workers", 0, "--progress", "none")
    assert run("--merge", tmp_path / "m", *parts).stdout == f"{tmp_path / 'm'}: 2 jobs\n"
    merged = json.loads(run("--table", tmp_path / "m", "--json").stdout)
    assert merged["pools"] == everything["pools"]


def test_a_job_that_fails_is_in_the_table_and_the_status(config, tmp_path, monkeypatch):
    (tmp_path / "bad.py").write_text("class Bad:\n    fit = predict = lambda self, *given: 1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    command = [
        config,
        "--out",
        tmp_path / "o",
        "--workers",
        0,
        "--progress",
        "none",
        "--set",
        "models.bad={kind: 'bad:Bad'}",
    ]
    with pytest.raises(UsageError, match="must be trusted to run, got bad:Bad: --trust allows it"):
        run(*command)
    done = run(*command, "--trust", code=1)
    assert "bad/brick/photos/0: failed: ZeroDivisionError: division by zero" in done.stderr
    assert [line.split()[-1] for line in done.stdout.splitlines()[3:6]] == ["0", "0", "1"]


def test_a_dry_run_says_what_is_missing_and_writes_nothing(config, tmp_path):
    done = run(config, "--dry-run", "--out", tmp_path / "o", "--set", "sets.brick.path=/nowhere")
    assert "missing: sets.brick.path must be a folder of images, got /nowhere, which is not there" in done.stdout
    found = json.loads(run("vadi", "--dry-run", "--json").stdout)
    assert len(found["missing"]) == 2
    assert list(tmp_path.iterdir()) == []


REFUSED = [
    ([], "--out must be a folder for the results, got none"),
    (["--out", "o", "--set", "size"], "--set must be KEY=VALUE, got 'size'"),
    (["--out", "o", "--workers", "-1"], "--workers must lie in 0..4096, got -1"),
    (["--out", "o", "--part", "3/2"], "--part must be K/N with 1 <= K <= N"),
    (
        ["--out", "o", "--only", "flor"],
        "--only must be the beginning of a job's name, such as chance/brick/photos, got flor",
    ),
    (["--out", "s3://bucket/o"], "--out must be a path on this machine"),
    (["--out", "o", "--set", "sizes=1"], "sizes is not a known key; did you mean size?"),
    (["--table", "--merge"], "--merge must not go with --table"),
    (["other.yaml", "--out", "o"], "other.yaml must be left out: one benchmark or folder at a time"),
    (["--table", "--by", "clas"], "Did you mean class?"),
    (["--table"], "must be the folder of a benchmark, got none"),
]


@pytest.mark.parametrize(("words", "line"), REFUSED)
def test_a_mistake_is_one_line(config, tmp_path, monkeypatch, words, line):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UsageError, click.UsageError)) as caught:
        run(config, *words, "--progress", "none")
    error = caught.value
    message = error.format_message() if isinstance(error, click.UsageError) else str(error)
    assert line.lower() in message.lower()
    assert "\n" not in message
    assert not (tmp_path / "o" / "jobs").exists()


def test_installed_benchmarks_are_listed_shown_and_completed():
    from click.shell_completion import ShellComplete

    runner = CliRunner()
    listed = runner.invoke(cli, ["recipes", "--no-time"], standalone_mode=False).stdout
    assert "tiny-benchmark             4 models on textures" in listed
    rows = json.loads(runner.invoke(cli, ["recipes", "--no-time", "--json"], standalone_mode=False).stdout)
    assert {row["name"] for row in rows} >= {"tiny-benchmark", "tiny-fractals"}
    shown = runner.invoke(cli, ["recipes", "show", "vadi"], standalone_mode=False).stdout
    assert yaml.safe_load(shown)["time_limit"] == 7200
    offered = ShellComplete(cli, {}, "synthgen", "_X").get_completions(["benchmark"], "tiny")
    assert [item.value for item in offered if item.type == "plain"] == ["tiny-benchmark"]
