"""The attack in small: each kind tries something, a table says what came of it, and what is wrong is seen."""

from pathlib import Path

import numpy as np
import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def attack(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import attack

    return attack


@pytest.fixture
def trials(attack):
    from attacks import trials

    return trials


# The faults are of several pieces of work on data sets of one format.
@pytest.mark.parametrize(
    ("kind", "count", "seed"), [("damage", 3, 0), ("models", 3, 0), ("images", 3, 0), ("faults", 5, 5)]
)
def test_an_attack_finds_nothing_wrong(attack, kind, count, seed):
    pytest.importorskip("torch")
    tally = attack.attack(kind, count, seed)
    assert sum(tally.counts.values()) == count
    assert tally.failures == []


def test_the_seed_decides_what_is_damaged(attack, tmp_path):
    from attacks import damage

    def done():
        path = tmp_path / "file.json"
        path.write_text('{"a": [1, 2, 3], "b": {"c": "d"}}')
        said = [damage.edit_json(path, np.random.default_rng([5, number])) for number in range(9)]
        return said, path.read_bytes()

    assert done() == done()


def test_what_a_child_does_is_judged(attack, trials):
    from attacks.isolated import isolated

    from synthgen.errors import FormatError

    def wait():
        import time

        time.sleep(60)

    def refuse():
        raise FormatError("a.h5: is damaged")

    def refuse_at_length():
        raise FormatError("a.h5: is damaged\nand more")

    def pass_something_wrong_on():
        raise trials.Wrong("another label")

    def take_a_lot():
        return bytearray(2**31)

    outcome = trials.Outcome
    steps = {
        "right": (lambda: None, outcome.RIGHT),
        "refused": (refuse, outcome.REFUSED),
        "several lines": (refuse_at_length, outcome.TRACEBACK),
        "wrong": (pass_something_wrong_on, outcome.WRONG),
        "a bug": (lambda: {}["key"], outcome.TRACEBACK),
        "memory": (take_a_lot, outcome.TRACEBACK),
        "a hang": (wait, outcome.HANG),
    }
    found = isolated({name: step for name, (step, _) in steps.items()}, seconds=2, room=2**28)
    assert {finding.step: finding.outcome for finding in found} == {
        name: wanted for name, (_, wanted) in steps.items()
    }


def test_a_command_that_fails_is_refused_by_its_last_line(attack, trials, tmp_path):
    from attacks.isolated import command

    with pytest.raises(trials.Refused, match="nothing"):
        command("info", tmp_path / "nothing")


def test_the_table_counts_each_trial_once_by_its_worst_outcome(trials, attack):
    right = trials.Finding("open", trials.Outcome.RIGHT, "")
    wrong = trials.Finding("open", trials.Outcome.WRONG, "another label")
    tally = trials.Tally("damage")
    tally.add(0, trials.Trial("a bit", [right, wrong, wrong]))
    tally.add(1, trials.Trial("a bit", [right], weight=2))
    assert tally.bad == 1
    assert len(tally.failures) == 2
    assert tally.row().split() == ["damage", "3", "2", "0", "1", "0", "0"]


def test_parts_of_an_interrupted_run_are_completed_in_any_order(attack):
    from attacks import kills

    generators = [np.random.default_rng(seed) for seed in range(40)]
    assert {kills.any_part(rng) for rng in generators} >= {None, "1/2", "3/3"}

    orders = {tuple(kills.remaining_parts(rng)) for rng in generators}
    assert orders >= {(), ("1/2", "2/2"), ("2/2", "1/2")}
