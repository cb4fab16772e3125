"""Runs models of anomalib for the benchmarks, in an interpreter that has it; nothing of synthgen is imported.

python benchmarks/anomalib_models.py JOB RESULT

Both files are torch's. A job is a dict: `kind` says which function below does it, the rest are its arguments.
`run_anomalib` is for the other side: it has a job done and returns the result.
"""

import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch

warnings.simplefilter("ignore")


def run_anomalib(python: str, job: dict) -> dict:
    """Have a job done by another interpreter; return what its function returned, and `version` of anomalib."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "job")
        target = Path(folder, "result")
        torch.save(job, source)
        subprocess.run([python, __file__, source, target], check=True, stderr=subprocess.DEVNULL)
        return torch.load(target)


def coreset(features: torch.Tensor, share: float, seed: int) -> dict:
    """Return the rows that `KCenterGreedy` chooses, and the seconds that it took."""
    from anomalib.models.components.sampling.k_center_greedy import KCenterGreedy

    torch.manual_seed(seed)
    start = time.perf_counter()
    rows = KCenterGreedy(features, share).select_coreset_idxs()

    return {"rows": torch.tensor(rows), "seconds": time.perf_counter() - start}


def patchcore(arch: str, layers: list[str], weights: dict, train, test, seed: int, share: float) -> dict:
    """Return scores, maps, features of the first test image and the coreset of anomalib's `PatchcoreModel`."""
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    model = PatchcoreModel(layers=layers, backbone=arch, pre_trained=False, num_neighbors=9)
    model.feature_extractor.feature_extractor.load_state_dict(weights)

    torch.manual_seed(seed)
    learn(model, train)
    model.subsample_embedding(share)

    return {**predict(model, test), "bank": model.memory_bank}


def padim(arch: str, layers: list[str], weights: dict, train, test, seed: int, subset: torch.Tensor) -> dict:
    """Return scores, maps and the features of the first test image of anomalib's `PadimModel`."""
    from anomalib.models.image.padim.torch_model import PadimModel

    model = PadimModel(backbone=arch, layers=layers, pre_trained=False, n_features=len(subset))
    model.feature_extractor.feature_extractor.load_state_dict(weights)
    model.idx = subset

    learn(model, train)
    model.fit()

    return predict(model, test)


def learn(model, train: torch.Tensor) -> None:
    """Show a model the training images; it keeps their features."""
    model.train()

    for images in train.split(8):
        model(images)


def predict(model, test: torch.Tensor) -> dict:
    """Return scores (N,), maps (N, H, W) and the features of the first image (places, channels)."""
    model.train()
    features = model(test[:1])
    if features.ndim == 4:
        features = features.flatten(2)[0].T

    model.eval()
    found = [model(images) for images in test.split(8)]

    return {
        "scores": torch.cat([each.pred_score.flatten() for each in found]),
        "maps": torch.cat([each.anomaly_map[:, 0] for each in found]),
        "features": features,
    }


JOBS = {function.__name__: function for function in (coreset, patchcore, padim)}


def main(job_file: str, result_file: str) -> None:
    """Do the job of a file and write what it returns, with the version of anomalib."""
    import anomalib

    torch.set_num_threads(1)
    job = torch.load(job_file)
    work = JOBS[job.pop("kind")]

    with torch.no_grad():
        result = work(**job)

    torch.save({"version": anomalib.__version__, **result}, result_file)


if __name__ == "__main__":
    main(*sys.argv[1:])
