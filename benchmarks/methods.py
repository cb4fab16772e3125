"""Our models that are trained beside reference implementations: scores, time and memory, on one core.

python benchmarks/methods.py [--anomalib PYTHON] [--seeds N] [--textures brick,..] [--models simplenet,cflow,..]
python benchmarks/methods.py --anomalib PYTHON --textures brick --seeds 1 --epochs 1 --steps 20 --images 4  # a try

Images and metrics are those of `detection.py`; weights of the backbone, layers and the number of steps or epochs
are the same on both sides. Each fit runs in a process of its own, whose peak memory is shown.

SimpleNet stands beside a plain loop in the manner of the publication, written out here: batches of eight images
whose features are computed anew in each epoch, and all of their patches in a step; as simplenet-rows, beside one on
as many patches in a step as ours, a tenth of the time and so for many seeds. The others stand beside
anomalib's models, each trained by its own training step and optimizer, in the interpreter that --anomalib names.
Of reverse distillation, STFPM and FastFlow ours too is anomalib's network, which our code trains: it runs in that
interpreter, with the packages of synthgen there. They take a ResNet-18 alone: --weights is a file of one.

The images serve to compare implementations, never to choose options.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from anomalib_models import run_anomalib
from detection import ARCH, LEVELS, METRICS, Texture, imagenet_lite0, measured, texture_of, weights_of
from textures import TEXTURES
from timing import on_one_core
from torch import nn

from synthgen.torch.backbones import load_backbone
from synthgen.torch.features import FeatureExtractor, as_vectors, normalised
from synthgen.torch.models import Cflow, SimpleNet, load
from synthgen.torch.models.scoring import pixel_maps

BATCH = 8
ROWS = 2048
NOISE = 0.5
MARGIN = 0.5
CFLOW_LAYERS = (1, 2, 3)
BRIDGED = ("reverse-distillation", "stfpm", "fastflow")
# The variable that hands --weights on to the processes that fit.
WEIGHTS = "SYNTHGEN_BENCHMARK_WEIGHTS"


class Run(NamedTuple):
    """One fit: scores (N,) and maps (N, H, W) of the test images, and seconds of the fit and of an image."""

    scores: np.ndarray
    maps: np.ndarray
    fit: float
    image: float


def our_simplenet(net, texture: Texture, seed: int, steps: int) -> Run:
    return ours(SimpleNet(net, steps=steps, rows=ROWS, noise=NOISE, margin=MARGIN, seed=seed), texture)


def our_cflow(net, texture: Texture, seed: int, epochs: int) -> Run:
    return ours(Cflow(net, layers=CFLOW_LAYERS, epochs=epochs, seed=seed), texture)


def ours(model, texture: Texture) -> Run:
    """Fit a model of ours and predict."""
    start = time.perf_counter()
    model.fit(texture.train.split(BATCH), progress="none")
    fit = time.perf_counter() - start

    start = time.perf_counter()
    found = [model.predict(images) for images in texture.test.split(BATCH)]
    image = (time.perf_counter() - start) / len(texture.test)

    scores = np.concatenate([scores for scores, _ in found])
    maps = np.concatenate([maps for _, maps in found])
    return Run(scores, maps, fit, image)


class PlainSimpleNet(nn.Module):
    """Adapter and discriminator, layer by layer."""

    def __init__(self, channels: int):
        super().__init__()
        hidden = min(1024, 2 * channels)
        self.adapter = nn.Linear(channels, channels)
        first = nn.Linear(channels, hidden)
        last = nn.Linear(hidden, 1, bias=False)
        self.judge = nn.Sequential(first, nn.BatchNorm1d(hidden), nn.LeakyReLU(0.2), last)
        for layer in (self.adapter, first, last):
            nn.init.xavier_normal_(layer.weight)

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of rows (N, D) and of the same rows with noise."""
        adapted = self.adapter(rows)
        size = NOISE * adapted.detach().std(0)
        noisy = adapted + size * torch.randn_like(adapted)
        judged = self.judge(torch.cat([adapted, noisy])).squeeze(1)

        of_normal = (MARGIN - judged[: len(rows)]).clamp(min=0).mean()
        of_noisy = (MARGIN + judged[len(rows) :]).clamp(min=0).mean()
        return of_normal + of_noisy

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return how far rows (N, D) are from normal, (N,)."""
        return -self.judge(self.adapter(rows)).squeeze(1)


def plain_simplenet(net, texture: Texture, seed: int, steps: int) -> Run:
    """Train in the manner of the publication: all patches of a batch of images in a step, computed anew."""
    extract = FeatureExtractor(net, (2, 3))
    start = time.perf_counter()

    def patches() -> torch.Tensor:
        chosen = torch.randint(len(texture.train), (BATCH,))
        return as_vectors(extract(texture.train[chosen]))

    return plainly_trained(extract, patches, texture, seed, steps, start)


def plain_rows(net, texture: Texture, seed: int, steps: int) -> Run:
    """Train on as many patches in a step as ours, from features that are computed once."""
    extract = FeatureExtractor(net, (2, 3))
    start = time.perf_counter()
    table = torch.cat([as_vectors(extract(images)) for images in texture.train.split(BATCH)])

    def patches() -> torch.Tensor:
        chosen = torch.randint(len(table), (ROWS,))
        return table[chosen]

    return plainly_trained(extract, patches, texture, seed, steps, start)


def plainly_trained(extract, patches: Callable, texture: Texture, seed: int, steps: int, start: float) -> Run:
    """Train on what `patches` returns for each step, and predict; `start` is the time at which the fit began."""
    torch.manual_seed(seed)
    channels = extract.shape((256, 256))[0]
    plain = PlainSimpleNet(channels)
    adapter = torch.optim.AdamW(plain.adapter.parameters(), 1e-4)
    judge = torch.optim.Adam(plain.judge.parameters(), 2e-4, weight_decay=1e-5)

    for _ in range(steps):
        rows = patches()
        adapter.zero_grad()
        judge.zero_grad()
        plain.loss(rows).backward()
        adapter.step()
        judge.step()
    fit = time.perf_counter() - start

    plain.eval()
    start = time.perf_counter()
    with torch.no_grad():
        found = [plain_scores(plain, extract(images)) for images in texture.test.split(BATCH)]
    scores = torch.cat(found)
    maps = pixel_maps(scores, (256, 256), 4.0)
    image = (time.perf_counter() - start) / len(texture.test)
    return Run(scores.amax((1, 2)).numpy(), maps.numpy(), fit, image)


def plain_scores(plain: PlainSimpleNet, features: torch.Tensor) -> torch.Tensor:
    """Return the scores of places (N, h, w)."""
    count, _, height, width = features.shape
    return plain(as_vectors(features)).view(count, height, width)


def their_cflow(net, texture: Texture, seed: int, epochs: int, python: str) -> dict:
    """Return what anomalib's CFLOW-AD says, with its seconds and its peak memory."""
    names = [LEVELS[layer] for layer in CFLOW_LAYERS]
    config = net.pretrained_cfg
    job = {
        "kind": "cflow",
        "arch": ARCH,
        "layers": names,
        "weights": weights_of(net, names),
        "train": normalised(texture.train, config["mean"], config["std"]),
        "test": normalised(texture.test, config["mean"], config["std"]),
        "seed": seed,
        "epochs": epochs,
    }
    result = run_anomalib(python, job)
    run = Run(result["scores"].numpy(), result["maps"].numpy(), result["fit"], result["image"])
    return as_row(run, texture, result["peak"])


def resnet18():
    """Return a ResNet-18, which the methods of anomalib take; with weights from a seed, or those of --weights."""
    return load_backbone(os.environ.get(WEIGHTS, "random:resnet18"))


def our_bridged(kind: str, net, texture: Texture, seed: int, epochs: int) -> Run:
    return ours(load(kind).MODEL(net, epochs=epochs, step_images=BATCH, seed=seed), texture)


def their_bridged(kind: str, net, texture: Texture, seed: int, epochs: int, python: str) -> dict:
    """Return what anomalib's own training of a method says, with its seconds and its peak memory."""
    names = ("layer1", "layer2", "layer3")
    config = net.pretrained_cfg
    whole = net.state_dict()
    stem = ("conv1.", "bn1.", *(f"{name}." for name in names))
    job = {
        "kind": "trained",
        "method": kind,
        "arch": "resnet18",
        "weights": {name: value for name, value in whole.items() if name.startswith(stem)},
        "train": normalised(texture.train, config["mean"], config["std"]),
        "test": normalised(texture.test, config["mean"], config["std"]),
        "seed": seed,
        "epochs": epochs,
        "step_images": BATCH,
    }
    result = run_anomalib(python, job)
    run = Run(result["scores"].numpy(), result["maps"].numpy(), result["fit"], result["image"])
    return as_row(run, texture, result["peak"])


def as_row(run: Run, texture: Texture, peak: float) -> dict:
    """Return the numbers of a run; `peak` in MB."""
    values = dict(zip(METRICS, measured(run, texture.masks), strict=True))
    return {**values, "fit s": run.fit, "ms/image": 1000 * run.image, "peak MB": peak}


class Job(NamedTuple):
    """How a kind of model is run: ours, the reference, the name of the latter, and the backbone of both."""

    ours: Callable
    reference: Callable
    label: str
    backbone: Callable = imagenet_lite0

    @property
    def is_anomalib(self) -> bool:
        """Whether the reference runs in another interpreter."""
        return self.label == "anomalib"


JOBS = {
    "simplenet": Job(our_simplenet, plain_simplenet, "plain loop"),
    "simplenet-rows": Job(our_simplenet, plain_rows, "plain loop"),
    "cflow": Job(our_cflow, their_cflow, "anomalib"),
}
for _method in BRIDGED:
    JOBS[_method] = Job(partial(our_bridged, _method), partial(their_bridged, _method), "anomalib", resnet18)


def one(kind: str, who: str, name: str, seed: int, given) -> None:
    """Print the numbers of one fit as JSON."""
    job = JOBS[kind]
    net = job.backbone()
    with tempfile.TemporaryDirectory() as folder:
        texture = texture_of(name, Path(folder))
    texture = Texture(texture.train[: given.images], texture.test, texture.masks)
    length = given.steps if kind.startswith("simplenet") else given.epochs

    if who == "reference" and job.is_anomalib:
        print(json.dumps(job.reference(net, texture, seed, length, given.anomalib)))
        return
    run = job.ours if who == "ours" else job.reference
    found = run(net, texture, seed, length)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps(as_row(found, texture, peak)))


def study(kind: str, name: str, given) -> None:
    """Print the rows of a kind of model on a texture: mean and deviation over the seeds."""
    job = JOBS[kind]
    whos = {"ours": "ours"}
    if given.anomalib or not job.is_anomalib:
        whos["reference"] = job.label

    for who, label in whos.items():
        rows = [child(kind, who, name, seed, given) for seed in range(given.seeds)]
        cells = []
        for column in rows[0]:
            values = [row[column] for row in rows]
            cells.append(f"{np.mean(values):.2f} ({np.std(values):.2f})")
        print_row(kind, name, label, cells)


def child(kind: str, who: str, name: str, seed: int, given) -> dict:
    """Return the numbers of one fit in a process of its own; ours through anomalib has its interpreter."""
    needs_anomalib = kind in BRIDGED and given.anomalib
    python = given.anomalib if needs_anomalib else sys.executable
    command = [python, __file__, "--one", kind, who, name, str(seed)]
    for option in ("steps", "epochs", "images"):
        command += [f"--{option}", str(getattr(given, option))]
    command += ["--anomalib", given.anomalib] if given.anomalib else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def print_row(kind: str, name: str, who: str, cells) -> None:
    """Print a line of the table."""
    columns = [f"{cell:15s}" for cell in cells]
    print(f"{kind:21s}{name:8s}{who:12s}", *columns, flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anomalib", metavar="PYTHON", help="interpreter that has anomalib")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--textures", default=",".join(TEXTURES))
    parser.add_argument("--models", default=",".join(JOBS))
    parser.add_argument("--steps", type=int, default=800, help="of SimpleNet")
    parser.add_argument("--epochs", type=int, default=4, help="of all others")
    parser.add_argument("--images", type=int, default=1000, help="most images to fit to")
    parser.add_argument("--weights", help="of a ResNet-18, for the methods of anomalib")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()

    on_one_core()
    torch.set_num_threads(1)
    if given.weights:
        os.environ[WEIGHTS] = given.weights
    if given.one:
        kind, who, name, seed = given.one
        one(kind, who, name, int(seed), given)
        return

    print_row("model", "texture", "who", [*METRICS, "fit s", "ms/image", "peak MB"])
    for kind in given.models.split(","):
        if kind in BRIDGED and not given.anomalib and find_spec("anomalib") is None:
            print(f"{kind}: left out, --anomalib must name an interpreter that has anomalib")
            continue
        for name in given.textures.split(","):
            study(kind, name, given)


if __name__ == "__main__":
    main()
