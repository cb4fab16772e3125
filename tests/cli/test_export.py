"""`synthgen export`: one library call, and words for people."""

import json

import pytest
from click.testing import CliRunner

from synthgen.cli import cli
from synthgen.errors import UsageError
from synthgen.layouts.export import TARGETS


def run(*words):
    return CliRunner().invoke(cli, ["export", *map(str, words)], catch_exceptions=True)


def test_the_last_lines_show_the_code_that_loads_it(plates, tmp_path):
    done = run("mvtec", plates, "-o", tmp_path / "out", "--category", "plate", "--check")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].endswith("20 images, 15 masks, 35 files, " + lines[0].rpartition("files, ")[2])
    assert f'anomalib.data.MVTecAD(root="{tmp_path / "out"}", category="plate")' in lines
    assert lines[-1] == "check: 35 files, 20 images and 15 masks decoded: ok"


def test_json_has_the_report_and_what_the_check_found(plates, tmp_path):
    words = ("imagefolder", plates, "--out", tmp_path / "out", "--check", "--json", "--progress", "none")
    found = json.loads(run(*words).stdout)
    assert found["export"]["images"] == found["check"]["images"] == 20
    again = json.loads(run(*words).stdout)
    assert again["export"]["was_finished"]
    path = next((tmp_path / "out").rglob("*.png"))
    path.write_bytes(b"")
    done = run(*words)
    assert done.exit_code == 3
    assert json.loads(done.stdout)["check"]["problems"][0][0] == path.relative_to(tmp_path / "out").as_posix()


@pytest.mark.parametrize("words", [("coco", "--flavor", "roboflow"), ("visa", "--object", "candle")])
def test_options_have_the_names_that_people_know(plates, tmp_path, words):
    target, *options = words
    assert run(target, plates, "--out", tmp_path / "out", *options).exit_code == 0


def test_a_mistake_is_one_line_that_names_the_option(plates, tmp_path):
    done = run("coco", plates, "--out", tmp_path / "out", "--truth", "rust")
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).startswith("--truth must be one of defects, all, ")


def test_a_target_that_is_none_is_answered_by_all_that_are(plates, tmp_path):
    done = run("imagefolders", plates, "--out", tmp_path / "out")
    assert isinstance(done.exception, UsageError)
    names = ", ".join([*TARGETS, "timm"])
    assert str(done.exception) == f"target must be one of {names}, got imagefolders"


def test_the_help_names_every_target():
    text = run("--help").stdout
    assert all(f"  {target} " in text for target in [*TARGETS, "timm"])
