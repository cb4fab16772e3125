"""A metric that is not exported, or that has no test or no source, fails here."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from synthgen import metrics

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "synthgen" / "metrics"
MODULES = [import_module(f"synthgen.metrics.{path.stem}") for path in sorted(FOLDER.glob("[a-z]*.py"))]
TRUTH = ("labels", "masks", "instances")
NUMBERS = (float, tuple[float, float], dict[str, float])


def is_metric(function) -> bool:
    """Whether the first argument is the truth, and the result is numbers."""
    signature = inspect.signature(function)
    first = next(iter(signature.parameters), "")
    return first in TRUTH and signature.return_annotation in NUMBERS


def own_functions(module):
    """Yield the public functions that a module defines."""
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
            yield value


def test_every_metric_is_exported():
    found = {f.__name__ for module in MODULES for f in own_functions(module) if is_metric(f)}
    exported = set(metrics.__all__)
    assert found - exported == set(), "export them in synthgen/metrics/__init__.py"
    assert exported - found == set(), "a metric takes the truth first and returns numbers; annotate what it returns"


@pytest.mark.parametrize("name", metrics.__all__)
def test_a_metric_is_complete(name):
    metric = getattr(metrics, name)
    module = metric.__module__.rpartition(".")[2]
    test = ROOT / "tests" / "metrics" / f"test_{module}.py"
    assert test.exists(), f"add {test.relative_to(ROOT)}"
    assert name in test.read_text(), f"test {name} in {test.relative_to(ROOT)}, against a slow twin"

    parts = inspect.getdoc(metric).split("\n")
    for section in ("Parameters", "Returns"):
        assert section in parts, f"the docstring of {name} needs the section {section}"
