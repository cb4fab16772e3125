"""Attacks synthgen: kills runs, damages what they wrote, and looks whether anything wrong goes through silently.

    python tools/attack.py [kills|damage|models|checkpoints|images|faults|benchmarks|all]
                           [--count N] [--seed S] [--trial N]

A trial is right where all comes out as undisturbed, refused where one line says why not. Everything else is a
fault: other data without a word, a traceback, no end. The seed decides what is damaged and how; only the moments of
kills are the machine's. Ctrl-C ends a kind, and the table tells of what was tried. The exit status is 1 where there
is a fault. Without --count the numbers are those of the attack of November 2026: 209 kills, 1,918 data sets, 300
models, 130 checkpoints, 465 images, 1,000 calls of the system that fail, and 20 kills of a benchmark.
"""

import argparse
import contextlib
import importlib
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from attacks.trials import Tally, heading

KINDS = {
    "kills": ("kills", "Kills"),
    "damage": ("data_sets", "DataSets"),
    "models": ("models", "Models"),
    "checkpoints": ("checkpoints", "Checkpoints"),
    "images": ("images", "Images"),
    "faults": ("system", "Faults"),
    "benchmarks": ("benchmarks", "Benchmarks"),
}
_SHOWN = 20
# Trials after which the progress is told.
_TOLD = 10


def attack(kind: str, count: int | None, seed: int, only: int | None = None) -> Tally:
    """Run the trials of a kind, or only one of them."""
    module, name = KINDS[kind]
    attacker_of = getattr(importlib.import_module(f"attacks.{module}"), name)
    tally = Tally(kind)
    place = list(KINDS).index(kind)

    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        attacker = attacker_of(Path(folder))
        count = attacker.count if count is None else count
        trials = range(count) if only is None else [only]

        with contextlib.suppress(KeyboardInterrupt):
            for number in trials:
                rng = np.random.default_rng([seed, place, number])
                trial = attacker.trial(rng)
                tally.add(number, trial)
                if only is not None:
                    print_trial(trial)
                if (number + 1) % _TOLD == 0:
                    print(f"{kind}: {number + 1} of {count}, {tally.bad} faults", file=sys.stderr, flush=True)

    return tally


def print_trial(trial) -> None:
    """Print all that a trial found."""
    print(trial.what)
    for finding in trial.findings:
        print(f"  {finding.step}: {finding.outcome} {finding.text}")


def main() -> int:
    """Attack, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", nargs="?", default="all", choices=[*KINDS, "all"])
    parser.add_argument("--count", type=int, help="trials of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trial", type=int, help="run only this one and print what it found")
    parser.add_argument("--show", type=int, default=_SHOWN, help="faults to list of each kind")
    given = parser.parse_args()

    kinds = list(KINDS) if given.kind == "all" else [given.kind]
    tallies = []
    for kind in kinds:
        tally = attack(kind, given.count, given.seed, given.trial)
        tallies.append(tally)
        for line in tally.failures[: given.show]:
            print(line)
        print(f"{kind}: done, {len(tally.failures)} faults", file=sys.stderr, flush=True)

    print(heading())
    for tally in tallies:
        print(tally.row())
    return int(any(tally.bad for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
