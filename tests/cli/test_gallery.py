"""`synthgen gallery`: what it prints, and how it refuses."""

import json
import sys

import pytest
from click.testing import CliRunner

from synthgen.cli import cli
from synthgen.errors import MissingExtraError, UsageError


def run(*words):
    return CliRunner().invoke(cli, ["gallery", *map(str, words), "--progress", "none"])


def test_the_command_says_what_it_wrote(data_set, tmp_path):
    done = run(data_set, "-o", tmp_path / "site", "--classes", 2, "--per-class", 3)
    assert done.exit_code == 0, done.exception
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{tmp_path / 'site'}: 6 images of 2 classes, ")
    assert second == "  Shown: 2 of 5 classes, and 3 of 8 images of each."


def test_the_result_comes_as_json(data_set, tmp_path):
    report = json.loads(run(data_set, "-o", tmp_path / "a.html", "--classes", 1, "--json").stdout)
    assert report["bytes"] == (tmp_path / "a.html").stat().st_size
    assert report["samples"] == 8


def test_a_number_out_of_range_names_the_option(data_set, tmp_path):
    assert str(run(data_set, "-o", tmp_path / "a.html", "--per-class", 0).exception).startswith("--per-class must")


def test_a_backbone_lays_the_map_the_same_each_time(data_set, tmp_path):
    pytest.importorskip("timm")
    words = ["--classes", 3, "--per-class", 2, "--cell", 32, "--backbone", "random:test_resnet"]
    for name in ("one.html", "two.html"):
        done = run(data_set, "-o", tmp_path / name, *words)
        assert done.exit_code == 0, done.exception
    page = (tmp_path / "one.html").read_bytes()
    assert page == (tmp_path / "two.html").read_bytes()
    assert b'"by":"random:test_resnet"' in page


def test_a_backbone_that_is_none_names_the_option(data_set, tmp_path):
    pytest.importorskip("timm")
    done = run(data_set, "-o", tmp_path / "a.html", "--backbone", "random:resnet19")
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).startswith("--backbone must be a timm name, random:NAME or a safetensors file, got ")
    assert not (tmp_path / "a.html").exists()


def test_without_torch_a_backbone_says_what_to_install(data_set, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "synthgen.torch.looking", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    done = run(data_set, "-o", tmp_path / "a.html", "--backbone", "random:resnet18")
    assert isinstance(done.exception, MissingExtraError)
    assert str(done.exception).startswith("--backbone: needs torch, pip install ")
