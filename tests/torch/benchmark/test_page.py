"""The page of a benchmark: its tables, its notes and its pictures, in one file."""

from PIL import Image

from synthgen.torch.benchmark.page import write_page
from synthgen.torch.benchmark.results import read_results


def test_tables_notes_and_pictures_are_in_the_page(finished, tmp_path):
    results = read_results(finished)
    results.folder = tmp_path
    places = ["parts.png", "sheets/parts/brick/sheet.png"]
    for name in places:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(tmp_path / name)

    text = (tmp_path / write_page(results, places)).read_text()
    for heading in ("image AUROC", "PL", "F1"):
        assert f"parts, {heading}, 2 classes, 2 seeds, 15 test images" in text
    assert "8 of 8 done, 0 failed" in text
    assert all(name in text for name in places)
    assert text.count("Image, truth, maps and masks") == 1
