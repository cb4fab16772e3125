"""`synthgen gallery`: what it prints, and how it refuses."""

import json

from click.testing import CliRunner

from synthgen.cli import cli


def run(*words):
    return CliRunner().invoke(cli, ["gallery", *map(str, words), "--progress", "none"])


def test_the_command_says_what_it_wrote(data_set, tmp_path):
    done = run(data_set, "-o", tmp_path / "site", "--classes", 2, "--per-class", 3)
    assert done.exit_code == 0, done.exception
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{tmp_path / 'site'}: 6 images of 2 classes, ")
    assert second == "  2 of 5 classes and 3 of 8 images of each are shown."


def test_the_result_comes_as_json(data_set, tmp_path):
    report = json.loads(run(data_set, "-o", tmp_path / "a.html", "--classes", 1, "--json").stdout)
    assert report["bytes"] == (tmp_path / "a.html").stat().st_size
    assert report["samples"] == 8


def test_a_number_out_of_range_names_the_option(data_set, tmp_path):
    assert str(run(data_set, "-o", tmp_path / "a.html", "--per-class", 0).exception).startswith("--per-class must")
