"""What PatchCore's fit takes beside anomalib's, and what Sequential PatchCore takes. All on one core.

python benchmarks/patchcore.py [--anomalib PYTHON] [--backbone NAME] [--only coreset|sequence]

anomalib's `KCenterGreedy` runs in the interpreter that --anomalib names; without it, its loop is written out here,
and the output says so. Both choose from the same features. Scores are compared in `detection.py`.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from anomalib_models import run_anomalib
from timing import on_one_core, seconds_of

from synthgen.torch.backbones import load_backbone
from synthgen.torch.coreset.greedy import k_center
from synthgen.torch.features import as_vectors
from synthgen.torch.models import PatchCore, SequentialPatchCore

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from imagenet_lite0 import imagenet_lite0

SHARE = 0.1


def views(count: int, size: int) -> torch.Tensor:
    """Return random views of scikit-image's photograph of bricks, uint8 (count, 1, size, size)."""
    from skimage import data

    photograph = np.pad(data.brick(), ((0, size), (0, size)), mode="reflect")
    rng = np.random.default_rng(0)

    pieces = []
    for row, column in rng.integers(0, 512 - size // 2, (count, 2)):
        rows = slice(row, row + size)
        columns = slice(column, column + size)
        pieces.append(photograph[rows, columns])

    stack = np.stack(pieces)
    return torch.from_numpy(stack)[:, None]


def plain_rows(features: torch.Tensor, count: int) -> torch.Tensor:
    """Choose as anomalib 2.7 does: sparse random projection, and all differences to the last center a step."""
    from sklearn.random_projection import SparseRandomProjection

    projection = SparseRandomProjection(eps=0.9, random_state=0)
    reduced = projection.fit_transform(features.numpy())
    reduced = torch.from_numpy(np.ascontiguousarray(reduced)).float()

    row = 0
    rows = [row]
    gaps = torch.full((len(reduced), 1), torch.inf)
    for _ in range(count - 1):
        found = torch.linalg.norm(reduced - reduced[row], ord=2, dim=1, keepdim=True)
        gaps = torch.minimum(gaps, found)
        row = int(gaps.argmax())
        rows.append(row)

    return torch.tensor(rows)


def baseline(features: torch.Tensor, python: str | None) -> tuple[str, int, float]:
    """Return who chose, how many points, and the seconds."""
    count = int(SHARE * len(features))
    if python is None:
        seconds = seconds_of(lambda: plain_rows(features, count))
        return "anomalib's loop, written out here", count, seconds

    job = {"kind": "coreset", "features": features, "share": SHARE, "seed": 0}
    result = run_anomalib(python, job)
    return f"anomalib {result['version']}", len(result["rows"]), result["seconds"]


def coreset(net, python: str | None) -> None:
    """Print the times of a fit, theirs and ours."""
    print("PatchCore, 40 images of 256 x 256, 10 % of the patches")
    model = PatchCore(net, coreset=SHARE)
    images = views(40, 256)
    rows = []

    def extract() -> None:
        for part in images.split(8):
            found = model.features(part)
            rows.append(as_vectors(found))

    extraction = seconds_of(extract)
    features = torch.cat(rows)

    k_center(features[:100], 10)  # compile
    name, count, theirs = baseline(features, python)
    ours = seconds_of(lambda: k_center(features, count))

    print(f"  {name}: features {extraction:.1f} s + choice {theirs:.1f} s")
    print(f"  ours: features {extraction:.1f} s + choice {ours:.1f} s")
    fit = (extraction + theirs) / (extraction + ours)
    print(f"  fit x{fit:.1f}, choice alone x{theirs / ours:.1f}")


def sequence(counts=(10, 20, 40, 80)) -> None:
    """Print time and peak memory, each number of images in a process of its own."""
    print("SequentialPatchCore, 2,048 points, 5 epochs, images of 512 x 512")
    for count in counts:
        command = [sys.executable, __file__, *sys.argv[1:], "--count", str(count)]
        subprocess.run(command, check=True)


def sequence_of(net, count: int) -> None:
    """Print time and peak memory for so many images."""
    images = views(count, 512)
    model = SequentialPatchCore(net, points=2048, epochs=5)
    seconds = seconds_of(lambda: model.fit(images.split(1), progress="none"))

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    epoch = seconds / len(model.changes)
    image = epoch / count
    times = f"{seconds:6.1f} s, {epoch:5.1f} s an epoch, {image:.3f} s an image"
    print(f"  {count:3d} images: {times}, peak {peak:,.0f} MB", flush=True)
    print(f"  points that entered in each epoch: {model.changes}", flush=True)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anomalib", metavar="PYTHON", help="interpreter that has anomalib")
    parser.add_argument("--backbone", help="timm name or file  [default: ImageNet weights of lite0]")
    parser.add_argument("--only", choices=["coreset", "sequence"])
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()

    on_one_core()
    torch.set_num_threads(1)
    net = load_backbone(given.backbone) if given.backbone else imagenet_lite0()

    if given.count:
        sequence_of(net, given.count)
        return
    if given.only in (None, "coreset"):
        coreset(net, given.anomalib)
    if given.only in (None, "sequence"):
        sequence()


if __name__ == "__main__":
    main()
