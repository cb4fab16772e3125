"""What a trial finds, and how the findings of many are counted."""

from collections import Counter
from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """What came of a step; the later, the worse."""

    RIGHT = "right"
    REFUSED = "refused"
    WRONG = "SILENT WRONG"
    TRACEBACK = "traceback"
    HANG = "hang"


BAD = (Outcome.WRONG, Outcome.TRACEBACK, Outcome.HANG)
_ORDER = list(Outcome)


class Finding(NamedTuple):
    """What came of one step of a trial: `step` says who tried, `text` what it said."""

    step: str
    outcome: Outcome
    text: str


class Trial(NamedTuple):
    """What was done to the data, and what each step made of it; `weight` is how many attacks it counts for."""

    what: str
    findings: list[Finding]
    weight: int = 1

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of all steps."""
        outcomes = [finding.outcome for finding in self.findings]
        return max(outcomes, key=_ORDER.index)


class Refused(Exception):
    """A command ended with one line that says why."""


class Wrong(Exception):
    """A step gave something else than the undamaged data would, and did not say so."""


class Tally:
    """Counts the trials of a kind, and keeps the bad ones."""

    def __init__(self, kind: str):
        self.kind = kind
        self.counts = Counter()
        self.failures: list[str] = []

    def add(self, number: int, trial: Trial) -> None:
        """Count a trial."""
        self.counts[trial.outcome] += trial.weight

        for step, outcome, text in trial.findings:
            if outcome in BAD:
                where = f"{self.kind} {number}: {trial.what}"
                self.failures.append(f"{where}: {step}: {outcome}: {text}")

    @property
    def bad(self) -> int:
        """How many trials ended badly."""
        counts = [self.counts[outcome] for outcome in BAD]
        return sum(counts)

    def row(self) -> str:
        """Return a line of the table."""
        tried = sum(self.counts.values())
        row = f"{self.kind:12s}{tried:8,d}"

        for outcome in Outcome:
            row += f"{self.counts[outcome]:14,d}"
        return row


def heading() -> str:
    """Return the first line of the table."""
    names = "".join(f"{outcome:>14s}" for outcome in Outcome)
    return f"{'kind':12s}{'tried':>8s}{names}"
