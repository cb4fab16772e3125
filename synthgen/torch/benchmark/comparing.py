"""Models against one of them, class by class: how often each is better, and whether that can be chance."""

from synthgen.errors import UsageError, did_you_mean
from synthgen.machine import counted
from synthgen.metrics.signed_ranks import SignedRanks, holm, signed_ranks
from synthgen.torch.benchmark.formats import Grid
from synthgen.torch.benchmark.pooling import class_values, pooled_mean, sorted_models
from synthgen.torch.benchmark.results import Results
from synthgen.torch.benchmark.tables import better_of, check_metric, check_pool, title_of

_HEAD = ["model", "mean difference", "better", "worse", "equal", "W", "p", "p Holm"]
_LEAST_CLASSES = 6  # of which a test can give 0.05


def make_comparison(results: Results, pool: str, metric: str, against: str) -> Grid:
    """Return a table of all other models against one, by the signed-rank test over the classes of a pool.

    Parameters
    ----------
    results : Results
    pool, metric : str
    against : str
        The model that the others are compared with.

    Raises
    ------
    UsageError
        If there is no such pool, metric or model.
    """
    check_pool(results, pool)
    check_metric(results, metric)
    if against not in results.models:
        listed = ", ".join(results.models)
        hint = did_you_mean(against, results.models)
        raise UsageError(f"against must be one of {listed}, got {against}{hint}")

    cells = results.pool(pool)
    better = better_of(metric)
    table = {}
    for model in results.models:
        table[model] = class_values(results, model, cells, metric)

    other = table[against]
    models = [model for model in sorted_models(table, better) if model != against]
    tests = {model: _tested(table[model], other, better) for model in models}
    corrected = _corrected(tests)

    rows = []
    for model in models:
        change = _mean_difference(table[model], other)
        texts = _cells(change, tests[model], corrected.get(model))
        rows.append([model, *texts])
    title = title_of(results, pool, metric)
    notes = _notes(len(cells), len(corrected))
    return Grid(f"{title}, against {against}", _HEAD, rows, notes=notes)


def _tested(own: list, other: list, better: str) -> SignedRanks | None:
    """Return the test of a model against another; None where one of them has no value on a class."""
    if None in own or None in other:
        return None
    sign = 1 if better == "up" else -1
    differences = []
    for mine, its in zip(own, other, strict=True):
        change = mine - its
        differences.append(sign * change)
    return signed_ranks(differences)


def _corrected(tests: dict[str, SignedRanks | None]) -> dict[str, float]:
    """Return the probabilities of those tests that could be made, corrected for their number."""
    made = {model: test.p for model, test in tests.items() if test is not None}
    plain = list(made.values())
    corrected = holm(plain)
    return dict(zip(made, corrected.tolist(), strict=True))


def _mean_difference(own: list, other: list) -> float | None:
    first = pooled_mean(own)
    second = pooled_mean(other)
    if first is None or second is None:
        return None
    return first - second


def _cells(change: float | None, test: SignedRanks | None, corrected: float | None) -> list[str]:
    if change is None or test is None or corrected is None:
        return ["-"] * (len(_HEAD) - 1)
    counts = [str(test.positive), str(test.negative), str(test.equal)]
    return [f"{change:+.3f}", *counts, f"{test.statistic:g}", f"{test.p:.3g}", f"{corrected:.3g}"]


def _notes(classes: int, tests: int) -> list[str]:
    lines = [
        f"p: exact two-sided signed-rank test (Wilcoxon 1945) over {counted(classes, 'class', 'classes')}; "
        f"p Holm: corrected for {counted(tests, 'comparison')}"
    ]
    if classes < _LEAST_CLASSES:
        lines.append(f"{counted(classes, 'class', 'classes')} cannot give p < 0.05, whatever the models do")
    return lines
