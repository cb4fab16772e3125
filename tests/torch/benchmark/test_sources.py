"""The categories of data sets: each in its own layout, what is missing, what is drawn."""

import pytest

from synthgen.errors import UsageError
from synthgen.torch.benchmark.config import Benchmark
from synthgen.torch.benchmark.sources import categories_of, draw_missing, state_of

PLAIN = {"family": "textures", "classes": 1, "per_class": 3, "size": 16}
TEST = {"family": "textures", "layout": "test", "classes": 2, "per_class": 2, "size": 16}


def opened(values, tmp_path, **given):
    made = Benchmark.from_dict(values | {"sets": {"s": given}})
    return categories_of("s", made.sets["s"], tmp_path), made


def test_a_folder_that_mixes_layouts_is_read_category_by_category(values, photos, tmp_path):
    (photos / "notes").mkdir(exist_ok=True)
    (photos / "notes" / "a.png").touch()
    found, _ = opened(values, tmp_path, path=str(photos))
    (photos / "notes" / "a.png").unlink()
    (photos / "notes").rmdir()
    assert [category.name for category in found.categories] == ["brick", "pcb"]
    assert any("notes: 1 image left out" in line for line in found.notes)


def test_what_is_missing_is_said(values, photos, tmp_path):
    nowhere, _ = opened(values, tmp_path, path="/nowhere")
    assert nowhere.missing == ["sets.s.path must be a folder of images, got /nowhere, which is not there"]
    found, _ = opened(values, tmp_path, path=str(photos), classes=["brik", "pcb"])
    assert found.missing == ["sets.s.classes must be some of brick, pcb, got brik; did you mean brick?"]
    assert [category.name for category in found.categories] == ["pcb"]
    with pytest.raises(UsageError, match=r"normal must be left out for a folder of several categories"):
        opened(values, tmp_path, path=str(photos), normal=str(photos))


def test_other_files_have_another_state(photos, tmp_path):
    folder = tmp_path / "some"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"1")
    before = state_of(folder)
    (folder / ".hidden").write_bytes(b"1")
    assert state_of(folder) == before
    (folder / "a.png").write_bytes(b"22")
    assert state_of(folder) != before


@pytest.mark.usefixtures("drawn_here")
def test_categories_are_drawn_once(values, tmp_path):
    found, made = opened(values, tmp_path, draw={"a": {"test": TEST, "normal": PLAIN}})
    (category,) = found.categories
    draw_missing("s", made.sets["s"], ["a"], tmp_path, "none")
    record = tmp_path / "drawn" / "s" / "a" / "dataset.json"
    before = record.stat().st_mtime_ns
    assert category.test == str(record.parent)
    draw_missing("s", made.sets["s"], ["a"], tmp_path, "none")
    assert record.stat().st_mtime_ns == before
    other, _ = opened(values, tmp_path, draw={"a": {"test": TEST | {"seed": 1}, "normal": PLAIN}})
    assert other.categories[0].state != category.state
