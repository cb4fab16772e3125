"""Scores of our anomaly models on whole images, edges included, beside anomalib's.

python benchmarks/detection.py [--anomalib PYTHON] [--seeds N] [--textures brick,grass,gravel] [--models ..]

Three photographed textures of scikit-image, defects by cut-paste, ImageNet weights. Both sides get the same images
of 256 x 256, the same weights of the backbone, normalised in one way, the same layers, share of the coreset and
channels; our metrics measure both. anomalib runs in the interpreter that --anomalib names; without it the table
shows ours alone. anomalib has no Sequential PatchCore: beside it stands its PatchCore with as many points.

Features are equal to the last bit, for PatchCore and for PaDiM. Image AUROC, pixel AUROC and AUPRO of one seed, in
per cent, ours and anomalib 2.7's (60 test images a texture, so that one pair of images is 0.1 of image AUROC):

| model | texture | ours | anomalib |
|---|---|---|---|
| PatchCore | brick | 99.89, 98.63, 91.81 | 99.78, 98.66, 92.21 |
| PatchCore | gravel | 88.11, 89.46, 73.03 | 87.11, 89.39, 72.36 |
| PatchCore | grass | 67.00, 72.62, 32.33 | 64.89, 71.99, 35.39 |
| PaDiM | brick | 93.89, 96.46, 88.01 | 93.44, 96.46, 88.00 |

The rest of PatchCore's differences comes from the choice of the coreset: over the points that anomalib chose our
model's scores of gravel (seed 0) are 87.22, 85.74, 65.18 against anomalib's 87.22, 85.54, 64.90, and those of grass
64.89, 72.00, 35.53 against 64.89, 71.99, 35.39. The rest of PaDiM's comes from the smoothing beyond the edge: ours
mirrors with the edge pixel, as SciPy does, anomalib without it, and the score is the largest value of the smoothed
map.

The images serve to compare implementations, never to choose options: they are few, and the edge matters much.
"""

import argparse
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from anomalib_models import run_anomalib

import synthgen
from synthgen.metrics import aupro, image_auroc, pixel_auroc
from synthgen.recipe import Recipe
from synthgen.torch.features import as_vectors, normalised
from synthgen.torch.models import PaDiM, PatchCore, SequentialPatchCore

# The study's images; it stands before the benchmark of the family, which has the same name.
sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))
from imagenet_lite0 import ARCH, imagenet_lite0
from textures import TEXTURES, TRAINING_COLUMNS, WHOLE, crops, write_images

TRAIN, GOOD, PER_KIND = 24, 30, 2
SHARE = 0.05
METRICS = ("image AUROC", "pixel AUROC", "AUPRO")
# Rows of a table: the last is our model over the coreset that anomalib chose, which leaves nothing to chance.
WHO = ("ours", "anomalib", "their points")
# timm's names of the levels of tf_efficientnet_lite0, by the number of the layer.
LEVELS = {1: "blocks.1", 2: "blocks.2", 3: "blocks.4"}


class Texture(NamedTuple):
    """Images of a texture: uint8 (N, 1, H, W); masks bool (N, H, W)."""

    train: torch.Tensor
    test: torch.Tensor
    masks: np.ndarray


class Found(NamedTuple):
    """What a model says of the test images, its features of the first one (places, channels), and its coreset."""

    scores: np.ndarray
    maps: np.ndarray
    features: torch.Tensor
    bank: torch.Tensor | None = None


def texture_of(name: str, folder: Path) -> Texture:
    """Return training images, and test images of which one half is normal; defects may touch the edge."""
    from skimage import data

    rng = np.random.default_rng(list(name.encode()))
    photograph = getattr(data, name)()
    test_columns = (TRAINING_COLUMNS, photograph.shape[1])

    train = crops(photograph, TRAIN, (0, TRAINING_COLUMNS), WHOLE, rng)
    good = crops(photograph, GOOD, test_columns, WHOLE, rng)
    sources = crops(photograph, GOOD, test_columns, WHOLE, rng)
    defective = with_defects(sources, folder / name)

    test = list(good)
    masks = [np.zeros((256, 256), bool)] * GOOD
    for sample in defective:
        test.append(sample.image)
        masks.append(sample.fields["mask"] > 0)

    return Texture(as_batch(train), as_batch(test), np.stack(masks))


def with_defects(images: list[np.ndarray], folder: Path) -> list:
    """Return samples of cut-paste: images of a texture with defects of all kinds."""
    write_images(folder / "normal", images)

    recipe = Recipe.from_dict({
        "family": "cutpaste", "name": folder.name, "normal": str(folder / "normal"), "per_class": PER_KIND,
        "size": 256, "severity": "0.6:1.0",
    })  # fmt: skip
    synthgen.generate(recipe, folder / "defects", workers=0, progress=False)
    return list(synthgen.open(folder / "defects"))


def as_batch(images: list[np.ndarray]) -> torch.Tensor:
    """Return gray images as one tensor, (N, 1, H, W)."""
    stack = np.stack(images)
    return torch.from_numpy(stack)[:, None]


def patchcore(net, seed: int):
    return PatchCore(net, layers=(2, 3), coreset=SHARE, neighbours=9, seed=seed)


def padim(net, seed: int):
    return PaDiM(net, layers=(1, 2, 3), channels=100, seed=seed)


def sequential(net, seed: int):
    points = int(SHARE * TRAIN * 32 * 32)
    return SequentialPatchCore(net, layers=(2, 3), points=points, epochs=3, neighbours=9, seed=seed)


# Our model, and the job of anomalib's that stands beside it.
MODELS = {"patchcore": (patchcore, "patchcore"), "padim": (padim, "padim"), "sequential": (sequential, "patchcore")}


def ours(model, texture: Texture) -> Found:
    """Fit a model of ours and predict."""
    model.fit(texture.train.split(8), progress="none")
    return predicted(model, texture)


def predicted(model, texture: Texture) -> Found:
    """Return what a fitted model of ours says of the test images."""
    scores = []
    maps = []
    for images in texture.test.split(8):
        found = model.predict(images)
        scores.append(found[0])
        maps.append(found[1])

    features = model.features(texture.test[:1])
    if isinstance(model, PaDiM):
        features = features[:, model.subset]

    rows = as_vectors(features)
    return Found(np.concatenate(scores), np.concatenate(maps), rows)


class Anomalib:
    """Models of anomalib in an interpreter of their own; equal jobs are done once."""

    def __init__(self, python: str):
        self.python = python
        self.version = ""
        self._found = cache(self._run)
        self._textures: dict[str, Texture] = {}

    def found(self, job: str, net, model, seed: int, name: str, texture: Texture) -> Found:
        """Return what the model of a job says, with the settings of `model`."""
        self._textures[name] = texture
        self._net = net
        subset = tuple(model.subset.tolist()) if job == "padim" else ()
        return self._found(job, model.features.layers, seed, subset, name)

    def _run(self, job: str, layers: tuple[int, ...], seed: int, subset: tuple[int, ...], name: str) -> Found:
        extra = {"subset": torch.tensor(subset)} if subset else {"share": SHARE}
        names = [LEVELS[layer] for layer in layers]
        texture = self._textures[name]
        given = {
            "kind": job,
            "arch": ARCH,
            "layers": names,
            "weights": weights_of(self._net, names),
            "train": self._pixels(texture.train),
            "test": self._pixels(texture.test),
            "seed": seed,
            **extra,
        }
        result = run_anomalib(self.python, given)
        self.version = result["version"]
        return Found(result["scores"].numpy(), result["maps"].numpy(), result["features"], result.get("bank"))

    def _pixels(self, images: torch.Tensor) -> torch.Tensor:
        cfg = self._net.pretrained_cfg
        return normalised(images, cfg["mean"], cfg["std"])


def weights_of(net, levels: list[str]) -> dict[str, torch.Tensor]:
    """Return the weights that the backbone has up to the deepest of some levels."""
    import timm

    cut = timm.create_model(ARCH, pretrained=False, features_only=True)
    order = [info["module"] for info in cut.feature_info.info]
    indices = [order.index(level) for level in levels]
    cut = timm.create_model(ARCH, pretrained=False, features_only=True, out_indices=indices)

    known = net.state_dict()
    return {key: known[key] for key in cut.state_dict()}


def measured(found: Found, masks: np.ndarray) -> list[float]:
    """Return the metrics, in per cent."""
    labels = masks.any(axis=(1, 2))
    values = [
        image_auroc(labels, found.scores),
        pixel_auroc(masks, found.maps),
        aupro(masks, found.maps),
    ]
    return [100 * float(value) for value in values]


def study(kind: str, net, textures: dict[str, Texture], seeds: int, peer: Anomalib | None) -> None:
    """Print the rows of one kind of model: each texture, and the mean over them."""
    tables = []

    for name, texture in textures.items():
        runs = [one_run(kind, net, seed, name, texture, peer) for seed in range(seeds)]
        tables.append(np.array(runs))  # (seeds, WHO, metrics)
        print_rows(kind, name, tables[-1])

    print_rows(kind, "mean", np.mean(tables, axis=0))


def one_run(kind: str, net, seed: int, name: str, texture: Texture, peer: Anomalib | None) -> list[list[float]]:
    """Return the metrics of our model; if anomalib is there, of its model, and of PatchCore over its points."""
    make, job = MODELS[kind]
    model = make(net, seed)
    own = ours(model, texture)
    values = [measured(own, texture.masks)]

    if peer is not None:
        other = peer.found(job, net, model, seed, name, texture)
        values.append(measured(other, texture.masks))
        if kind == "patchcore":
            model.bank = other.bank
            values.append(measured(predicted(model, texture), texture.masks))
        gap = (own.features - other.features).abs().max()
        print(f"# {kind} {name} {seed}: features of one image differ by {gap:.1e}", flush=True)
    return values


def print_rows(kind: str, name: str, table: np.ndarray) -> None:
    """Print means over seeds with deviations, of (seeds, WHO, metrics), and our differences to anomalib's."""
    means = table.mean(axis=0)
    spreads = table.std(axis=0)

    for who, mean, spread in zip(WHO, means, spreads, strict=False):
        pairs = zip(mean, spread, strict=True)
        cells = [f"{value:6.2f} ({deviation:.2f})" for value, deviation in pairs]
        print_row(kind, name, who, cells)

    for own in (0, 2):
        if 1 < len(means) > own:
            differences = means[own] - means[1]
            print_row(kind, name, f"difference {own + 1}", [f"{value:+6.2f}" for value in differences])


def print_row(kind: str, name: str, who: str, cells: list[str]) -> None:
    """Print a line of the table."""
    columns = [f"{cell:13s}" for cell in cells]
    print(f"{kind:12s}{name:8s}{who:12s}", *columns, flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anomalib", metavar="PYTHON", help="interpreter that has anomalib")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--textures", default=",".join(TEXTURES))
    parser.add_argument("--models", default=",".join(MODELS))
    given = parser.parse_args()

    torch.set_num_threads(1)
    net = imagenet_lite0()
    peer = Anomalib(given.anomalib) if given.anomalib else None
    if peer is None:
        print("# ours alone: for anomalib's, pip install anomalib into a venv and name its python by --anomalib")

    with tempfile.TemporaryDirectory() as folder:
        textures = {name: texture_of(name, Path(folder)) for name in given.textures.split(",")}

    print_row("model", "texture", "who", METRICS)
    for kind in given.models.split(","):
        study(kind, net, textures, given.seeds, peer)
    if peer is not None:
        print(f"# anomalib {peer.version}")


if __name__ == "__main__":
    main()
