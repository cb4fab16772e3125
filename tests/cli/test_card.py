"""`synthgen card`: what a publisher adds to a data set."""

import json

import yaml
from click.testing import CliRunner
from PIL import Image

from synthgen.cards import CARD
from synthgen.cli import cli


def run(*words):
    return CliRunner().invoke(cli, ["card", *map(str, words)])


def test_a_card_has_what_the_publisher_says_and_a_sheet(data_set, copy_of, tmp_path):
    folder = copy_of(data_set)
    (tmp_path / "texts.yaml").write_text("limitations: Small.\n")
    done = run(
        folder, "--license", "cc-by-4.0", "--creator", "A. Author", "--url", "https://example.org", "--date",
        "2026-11-26", "--texts", tmp_path / "texts.yaml", "--sheet",
    )  # fmt: skip
    assert done.exit_code == 0, done.exception
    text = (folder / CARD).read_text()
    assert yaml.safe_load(text.split("---\n")[1])["license"] == "cc-by-4.0"
    assert all(
        part in text for part in ("A. Author", "https://example.org", "Small.", "![Some samples](sheet.png)")
    )
    assert (folder / "sheet.png").stat().st_size > 1000
    assert json.loads((folder / "croissant.json").read_text())["datePublished"] == "2026-11-26"
    assert done.stdout.split() == [str(folder / "croissant.json"), str(folder / CARD)]


def test_what_cannot_be_meant_names_the_option(data_set):
    assert str(run(data_set, "--license", "my own license").exception).startswith("--license must ")


def test_a_sheet_is_drawn_only_where_a_card_is_written_and_none_of_a_users_is_replaced(data_set, copy_of):
    folder = copy_of(data_set)
    sheet = folder / "sheet.png"
    assert run(folder, "--sheet").exit_code == 0
    assert run(folder, "--sheet").exit_code == 0  # ours is drawn anew

    Image.new("RGB", (300, 300)).save(sheet)
    users = sheet.read_bytes()
    assert "sheet.png: was made by somebody; --overwrite replaces it" in str(run(folder, "--sheet").exception)
    assert sheet.read_bytes() == users
    assert run(folder, "--sheet", "--overwrite").exit_code == 0
    assert sheet.read_bytes() != users

    sheet.unlink()
    (folder / CARD).write_text("My card.\n")
    assert "--overwrite replaces it" in str(run(folder, "--sheet").exception)
    assert not sheet.exists()
