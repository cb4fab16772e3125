"""What a run will take is estimated, and remembered."""

from synthgen.run.estimate import remembered_probe
from synthgen.run.plan import make_plan


def test_a_probe_is_remembered(make_recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plan = make_plan(make_recipe())
    first = remembered_probe(plan)
    (cached,) = (tmp_path / "synthgen" / "probes").iterdir()
    assert remembered_probe(plan) == first
    assert remembered_probe(make_plan(make_recipe(points=600))).samples == first.samples
    assert len(list(cached.parent.iterdir())) == 2
    cached.write_text("{")
    assert remembered_probe(plan).samples == first.samples
    assert cached.read_text() != "{"
