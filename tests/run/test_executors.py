"""Who draws: options that belong together, and one face for all."""

import pytest

import synthgen
from synthgen.errors import MissingExtraError, UsageError
from synthgen.run.executors import Crew, executor_of

# options -> the beginning of what is said of them
REFUSED = [
    ({"executor": "dask"}, "executor must be local or ray, got 'dask'"),
    ({"workers": -1}, "workers must lie in 0..4096, got -1"),
    ({"workers": 5000}, "workers must lie in 0..4096, got 5000"),
    ({"executor": "ray", "workers": 0}, "workers must be at least 1 with the executor ray, got 0"),
    ({"executor": "ray", "cpus_per_task": 0}, "cpus_per_task must lie in"),
    ({"executor": "ray", "gpus_per_task": -1}, "gpus_per_task must lie in"),
    ({"address": "auto"}, "address must go with the executor ray, got local"),
    ({"cpus_per_task": 4}, "cpus_per_task must go with the executor ray, got local"),
    ({"gpus_per_task": 1}, "gpus_per_task must go with the executor ray, got local"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_who_draws_is_checked_before_anything_is_begun(make_recipe, tmp_path, options, words):
    with pytest.raises(UsageError) as error:
        synthgen.generate(make_recipe(), tmp_path / "d", progress=False, **options)
    assert str(error.value).startswith(words)
    assert not (tmp_path / "d").exists()


def test_all_that_ray_needs_is_allowed():
    Crew("ray", 8, "auto", 0.5, 0.25).check()


def test_ray_is_named_where_it_is_missing(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"executor ray: cannot be used: needs ray, pip install"):
        with executor_of(Crew("ray")):
            pass
