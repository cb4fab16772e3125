"""How far plans are from runs: CPU seconds of the estimate and of the run, family by family.

    python benchmarks/plans.py [--scale X] [FAMILY ..]

CPU seconds of all processes are compared, their start among them, and real time beside them, which other programs
change. `--scale` draws so many times as much; 1 takes about a minute of one core.
"""

import argparse
import os
import tempfile
import time

import synthgen
from synthgen.recipe import Recipe
from synthgen.run import make_plan, probe
from synthgen.run.estimate import START_SECONDS, drawer_of

# What is drawn, and its images in a class at scale 1.
CASES = [
    ({"family": "fractals", "classes": 100}, 80),
    ({"family": "fractals", "classes": 100, "size": 64, "points": 20_000}, 100),
    ({"family": "multiformula", "classes": 100}, 10),
    ({"family": "stains", "size": "612x512"}, 64),
    ({"family": "textures", "classes": 50}, 20),
    ({"family": "connectors", "size": 256}, 200),
    ({"family": "radial", "classes": 100}, 60),
    ({"family": "mandelbulb", "classes": 60}, 1),
]
WORKERS = 2


def cpu_seconds() -> float:
    """Return the CPU time of this process and of those that it waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def compare(values: dict) -> str:
    """Draw a recipe, and return its plan beside its run as a line."""
    recipe = Recipe.from_dict(values)
    plan = make_plan(recipe)
    estimate = probe(plan)
    planned = estimate.seconds(WORKERS)
    started = 1 if drawer_of(plan).exclusive else WORKERS
    planned_own = estimate.cpu_seconds + started * START_SECONDS

    with tempfile.TemporaryDirectory() as place:
        own = cpu_seconds()
        start = time.perf_counter()
        synthgen.generate(recipe, place, workers=WORKERS, progress=False)
        real = time.perf_counter() - start
        own = cpu_seconds() - own

    ratio = own / planned_own
    cpu = f"{planned_own:7.1f} {own:7.1f} {ratio:6.2f}"
    return f"{recipe.name:45s} {recipe.count:6d} {plan.run.shards:4d} {cpu} {planned:9.1f} {real:7.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare plans with runs.")
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("families", nargs="*", help="By default all.")
    given = parser.parse_args()

    print(f"{'data set':45s} {'images':>6s} {'shards':>4s}   CPU s: plan, run, ratio    s: plan, run")
    for values, per_class in CASES:
        if given.families and values["family"] not in given.families:
            continue
        print(compare({**values, "per_class": given.scale * per_class}), flush=True)


if __name__ == "__main__":
    main()
