"""Folders for Hugging Face: files with metadata, or the shards themselves."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

import synthgen
from synthgen.errors import UsageError
from synthgen.layouts.export import export
from synthgen.layouts.huggingface import Writer


def head_of(card):
    return yaml.safe_load(card.read_text().split("---\n")[1])


def test_each_row_names_the_files_of_all_fields(plates, tmp_path):
    export("hf", plates, tmp_path / "out", split="train=0.6,test=0.4")
    ours = synthgen.open(plates)
    rows = {}
    for split in ("train", "test"):
        for line in (tmp_path / "out" / split / "metadata.jsonl").read_text().splitlines():
            row = json.loads(line)
            rows[row["key"]] = (tmp_path / "out" / split, row)
    assert len(rows) == len(ours)
    for sample in ours:
        place, row = rows[sample.key]
        assert (row["label"], row["class"]) == (sample.label, ours.classes[sample.label]["name"])
        for name, value in {
            "file_name": sample.image,
            **{f"{k}_file_name": v for k, v in sample.fields.items()},
        }.items():
            np.testing.assert_array_equal(np.asarray(Image.open(place / row[name])), value)


def test_the_card_of_files_names_the_splits(plates, tmp_path):
    export("hf", plates, tmp_path / "out", split="train=0.6,test=0.4")
    (config,) = head_of(tmp_path / "out" / "README.md")["configs"]
    assert [(row["split"], row["path"]) for row in config["data_files"]] == [
        ("train", "train/**"),
        ("test", "test/**"),
    ]


def test_shards_are_copied_with_a_card(plates, tmp_path):
    report = export("hf", plates, tmp_path / "out", shards=True)
    assert report.images == 20
    for path in (plates / "shards").glob("*.tar"):
        assert (tmp_path / "out" / "shards" / path.name).read_bytes() == path.read_bytes()
    for name in ("README.md", "croissant.json", "classes.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (plates / name).read_bytes()


def test_more_files_than_the_hub_takes_are_refused_before_they_are_written(plates, tmp_path, monkeypatch):
    monkeypatch.setattr("synthgen.layouts.huggingface.MOST_FILES", 100)
    with pytest.raises(
        UsageError, match="shards must be asked for above 100 files, which the Hub does not take, got 180"
    ):
        export("hf", plates, tmp_path / "out")
    assert Writer.SPLITS == "train"


def test_no_folder_holds_more_files_than_the_hub_takes(plates, tmp_path, monkeypatch):
    monkeypatch.setattr("synthgen.layouts.huggingface.IN_A_FOLDER", 3)
    export("hf", plates, tmp_path / "out")
    sizes = [
        sum(1 for file in path.iterdir() if file.is_file())
        for path in (tmp_path / "out").rglob("*")
        if path.is_dir()
    ]
    assert max(sizes) == 3
