"""Sheets of a benchmark: of the maps that were kept, and of nothing else."""

import msgspec
import pytest
from PIL import Image

from synthgen.torch.benchmark.config import Benchmark, load_benchmark
from synthgen.torch.benchmark.results import read_results
from synthgen.torch.benchmark.running import run_benchmark
from synthgen.torch.benchmark.sheets import draw_sheets


@pytest.fixture(scope="module")
def results(values, tmp_path_factory):
    """The results of two models that kept their maps of one class."""
    out = tmp_path_factory.mktemp("sheets") / "out"
    made = load_benchmark(Benchmark.from_dict(values), {"keep": ["maps"], "seeds": [0]})
    run_benchmark(made, out, workers=0, progress="none", only=["floor/parts/brick", "chance/parts/brick"])
    return read_results(out)


def test_the_models_of_a_class_stand_beside_each_other(results):
    pytest.importorskip("matplotlib")
    names = [f"sheets/parts/brick/{name}.png" for name in ("sheet", "decisions", "coverage")]
    assert draw_sheets(results) == names
    with Image.open(results.folder / names[0]) as sheet:
        width = sheet.width
    assert 6 * 144 < width < 6 * 144 + 100  # image, truth, and map and mask of both


def test_without_maps_or_without_the_images_there_are_no_sheets(finished, results):
    assert draw_sheets(read_results(finished)) == []
    moved = msgspec.structs.replace(results.benchmark.sets["parts"], path="/nowhere")
    results = read_results(results.folder)
    results.benchmark = msgspec.structs.replace(results.benchmark, sets={"parts": moved})
    assert draw_sheets(results) == []
