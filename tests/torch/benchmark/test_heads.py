"""Models that give several answers of one fit: each is a row of the table."""

import sys

import pytest

from synthgen.torch.benchmark.config import Benchmark, load_benchmark
from synthgen.torch.benchmark.job import run_job
from synthgen.torch.benchmark.jobs import make_plan
from synthgen.torch.benchmark.pooling import pooled_lines
from synthgen.torch.benchmark.results import read_results
from synthgen.torch.benchmark.running import run_benchmark


@pytest.fixture(scope="module")
def several(values, plugin, tmp_path_factory):
    """The results of a model that gives two answers of one fit, beside another model."""
    home = tmp_path_factory.mktemp("heads")
    (home / "answers.py").write_text(plugin)
    sys.path.insert(0, str(home))
    models = {"mine": {"kind": "answers:Several"}, "floor": {"kind": "floor"}}
    made = load_benchmark(Benchmark.from_dict(values), {"models": models, "seeds": [0]})
    run_benchmark(made, home / "out", workers=0, trust=True, progress="none", only=["mine"])
    sys.path.remove(str(home))
    return read_results(home / "out")


def test_each_answer_of_a_model_is_a_row_of_the_table(several):
    assert several.models == ["mine:most", "mine:mean", "floor"]
    lines = {line.model: line for line in pooled_lines(several, "parts", "image_auroc")}
    first, second = (several.records[f"mine:{head}/parts/brick/0"] for head in ("most", "mean"))
    assert first.images.scores != second.images.scores
    assert all(lines[name].interval is not None for name in ("mine:most", "mine:mean"))
    assert (lines["mine:mean"].missing, lines["floor"].missing) == (0, 2)
    assert len(several.missing) == 2
    record = several.record("mine:most", several.cells[0], 0)
    assert record.rows == several.records["mine:most/parts/brick/0"].rows
    assert {path.name for path in several.folder.glob("samples/mine/parts/brick/*")} == {
        "seed-0.most.npz",
        "seed-0.mean.npz",
    }


def test_answers_with_names_that_no_table_takes_are_refused(values, others):
    made = load_benchmark(Benchmark.from_dict(values), {"models": {"bad": {"kind": "theirs:Unnamed"}}})
    job = make_plan(made, others).jobs[0]
    assert "heads must be a name of letters, digits" in run_job(job, others, trust=True).error
