"""Steps of the preset `surface`, and the reading of their images alone.

CPU time, so that a busy machine does not count.

python benchmarks/dense.py            # one core
python benchmarks/dense.py --threads 2
"""

import argparse
import time
from functools import partial

import torch

from synthgen.recipe import load_recipe
from synthgen.torch.memory import freed_memory_kept
from synthgen.torch.pretrain import make_options
from synthgen.torch.pretrain.composites import Composites, share_out_composites
from synthgen.torch.pretrain.dense import build_dense
from synthgen.torch.pretrain.loop import Trainer, new_sums
from synthgen.torch.pretrain.options import ARCHITECTURES
from synthgen.torch.pretrain.ranks import TrainingGroup
from synthgen.torch.pretrain.reading import open_source

STEPS, ROUNDS = 2, 3
# So few that they are drawn at once.
SMALL = {"classes": 60, "per_class": 4}


def steps(trainer, batches) -> None:
    """Take a step with each batch."""
    trainer.train_epoch(batches, 1, 0, len(batches), new_sums(torch.device("cpu")), lambda *done: None)


def measured(work) -> tuple[float, float]:
    """Return CPU and wall seconds of a call."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)

    images = 48 * STEPS
    options = make_options("surface", {"epoch_images": images, "precision": "fp32"})
    ranks = TrainingGroup(0, 1, torch.device("cpu"))
    recipe = load_recipe("textures", SMALL)
    source = open_source(recipe, least=1)
    shares = share_out_composites(source, options, 1)
    composites = Composites(source, options, shares, ranks, 0)
    batches = list(composites.training(0, 0))

    network = build_dense(ARCHITECTURES["surface"], options, (96, 96), source.record.classes)
    network = network.to(memory_format=torch.channels_last)
    trainer = Trainer(network, options, ranks)
    works = {
        "data alone": lambda: list(composites.training(0, 0)),
        "steps alone": partial(steps, trainer, batches),
    }

    found = {name: [] for name in works}
    with freed_memory_kept():
        for _ in range(ROUNDS):
            for name, work in works.items():
                times = measured(work)
                found[name].append(times)

    print(f"tf_efficientnet_lite0, 96 x 96 to stride 16, {threads} threads; the best of {ROUNDS} rounds")
    for name, times in found.items():
        cpu = images / min(cpu for cpu, _ in times)
        wall = images / min(wall for _, wall in times)
        print(f"  {name:12s} {cpu:8.1f} images/s of CPU time {wall:8.1f} images/s of the clock")


if __name__ == "__main__":
    main()
