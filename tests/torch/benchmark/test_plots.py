"""Pictures of a benchmark: one of each pool, one of the metrics; none of nothing."""

import msgspec
import pytest
from PIL import Image

from synthgen.torch.benchmark.plots import draw_results
from synthgen.torch.benchmark.record import Begun
from synthgen.torch.benchmark.results import Results, read_results


def test_every_pool_has_its_bars_and_metrics_are_compared(finished, tmp_path):
    pytest.importorskip("matplotlib")
    results = read_results(finished)
    results.folder = tmp_path
    assert draw_results(results) == ["parts.png", "behavior.png"]
    for name in ("parts.png", "behavior.png"):
        with Image.open(tmp_path / name) as picture:
            assert len(set(picture.convert("L").tobytes())) > 10


def test_nothing_is_drawn_of_no_results(finished, tmp_path):
    whole = read_results(finished)
    begun = Begun(whole.benchmark.to_dict(), whole.jobs)
    assert draw_results(Results(tmp_path, begun, [])) == []
    assert list(tmp_path.iterdir()) == []


def test_groups_of_categories_are_polygons_over_three_models_or_more(finished, tmp_path):
    pytest.importorskip("matplotlib")
    whole = read_results(finished)
    config = {
        **whole.benchmark.to_dict(),
        "groups": {"stone": ["brick"], "all": ["brick", "pcb"], "none": ["wood"]},
    }
    records = list(whole.records.values())
    for record in whole.records.values():
        if record.model == "floor":
            records.append(msgspec.structs.replace(record, model="third"))
    begun = Begun(config, [record.name for record in records])
    assert draw_results(Results(tmp_path, begun, records)) == ["parts.png", "parts-groups.png", "behavior.png"]
