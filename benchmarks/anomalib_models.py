"""Runs models of anomalib for the benchmarks, in an interpreter that has it; nothing of synthgen is imported.

python benchmarks/anomalib_models.py JOB RESULT

Both files are torch's. A job is a dict: `kind` says which function below does it, the rest are its arguments.
`run_anomalib` is for the other side: it has a job done and returns the result.
"""

import resource
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
        done = subprocess.run([python, __file__, source, target], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
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


def cflow(arch: str, layers: list[str], weights: dict, train, test, seed: int, epochs: int) -> dict:
    """Return scores, maps, seconds of the fit and of an image, and peak MB of anomalib's `CflowModel`.

    Each step is one of its `training_step`, on patches of a batch of images.
    """
    from anomalib.models.image.cflow.torch_model import CflowModel

    torch.manual_seed(seed)
    model = CflowModel(backbone=arch, layers=layers, pre_trained=False, fiber_batch_size=256)
    model.encoder.feature_extractor.load_state_dict(weights)

    start = time.perf_counter()
    with torch.enable_grad():
        train_cflow(model, train, epochs)
    fit = time.perf_counter() - start

    model.eval()
    start = time.perf_counter()
    found = [model(images) for images in test.split(8)]
    image = (time.perf_counter() - start) / len(test)

    return {
        "scores": torch.cat([each.pred_score.flatten() for each in found]),
        "maps": torch.cat([map_of(each) for each in found]),
        "fit": fit,
        "image": image,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def train_cflow(model, train: torch.Tensor, epochs: int) -> None:
    """Train the flows by anomalib's own training step, without its engine."""
    from types import SimpleNamespace

    from anomalib.models.image.cflow.lightning_model import Cflow

    optimizer = torch.optim.Adam(model.decoders.parameters(), lr=1e-3)
    trainer = SimpleNamespace(
        model=model,
        optimizers=lambda: optimizer,
        manual_backward=lambda loss: loss.backward(),
        log=lambda *arguments, **options: None,
    )
    for _ in range(epochs):
        for number in torch.randperm(len(train)).split(8):
            Cflow.training_step(trainer, SimpleNamespace(image=train[number]))


def trained(
    method: str, arch: str, weights: dict, train, test, seed: int, epochs: int, step_images: int = 32
) -> dict:
    """Return scores, maps, seconds of the fit and of an image, and peak MB of FastFlow, RD or STFPM.

    Each step is one of the method's own `training_step`, with its own loss and optimizer.
    """
    torch.manual_seed(seed)
    made, lightning, loss, frozen = METHODS[method](arch, tuple(train.shape[-2:]))
    made.get_submodule(frozen).load_state_dict(weights)
    made.get_submodule(frozen).requires_grad_(False)

    start = time.perf_counter()
    with torch.enable_grad():
        train_steps(made, lightning, loss, train, epochs, step_images)
    fit = time.perf_counter() - start

    made.eval()
    start = time.perf_counter()
    found = [made(images) for images in test.split(8)]
    image = (time.perf_counter() - start) / len(test)

    maps = torch.cat([map_of(each) for each in found])
    return {
        "scores": maps.amax((1, 2)),
        "maps": maps,
        "fit": fit,
        "image": image,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def train_steps(model, lightning, loss, train: torch.Tensor, epochs: int, step_images: int) -> None:
    """Train a model by the training step of its class, without anomalib's engine."""
    from types import SimpleNamespace

    trainer = SimpleNamespace(model=model, loss=loss, log=lambda *arguments, **options: None)
    optimizer = lightning.configure_optimizers(trainer)
    model.train()
    for _ in range(epochs):
        for number in torch.randperm(len(train)).split(step_images):
            found = lightning.training_step(trainer, SimpleNamespace(image=train[number]))
            optimizer.zero_grad()
            found["loss"].backward()
            optimizer.step()


def made_fastflow(arch: str, size: tuple[int, int]):
    """Return network, class, loss and the place of the backbone of FastFlow."""
    from anomalib.models.image.fastflow.lightning_model import Fastflow
    from anomalib.models.image.fastflow.loss import FastflowLoss
    from anomalib.models.image.fastflow.torch_model import FastflowModel

    return FastflowModel(size, arch, pre_trained=False), Fastflow, FastflowLoss(), "feature_extractor"


def made_reverse_distillation(arch: str, size: tuple[int, int]):
    """Return network, class, loss and the place of the backbone of reverse distillation."""
    from anomalib.models.image.reverse_distillation.anomaly_map import AnomalyMapGenerationMode
    from anomalib.models.image.reverse_distillation.lightning_model import ReverseDistillation
    from anomalib.models.image.reverse_distillation.loss import ReverseDistillationLoss
    from anomalib.models.image.reverse_distillation.torch_model import ReverseDistillationModel

    mode = AnomalyMapGenerationMode.ADD
    network = ReverseDistillationModel(arch, size, RESNET, mode, pre_trained=False)
    return network, ReverseDistillation, ReverseDistillationLoss(), "encoder.feature_extractor"


def made_stfpm(arch: str, size: tuple[int, int]):
    """Return network, class, loss and the place of the backbone of STFPM; no weights are downloaded."""
    import timm
    from anomalib.models.image.stfpm.lightning_model import Stfpm
    from anomalib.models.image.stfpm.loss import STFPMLoss
    from anomalib.models.image.stfpm.torch_model import STFPMModel

    create = timm.create_model
    timm.create_model = lambda name, *given, pretrained=False, **options: create(name, *given, **options)
    try:
        network = STFPMModel(RESNET, arch)
    finally:
        timm.create_model = create
    return network, Stfpm, STFPMLoss(), "teacher_model.feature_extractor"


RESNET = ("layer1", "layer2", "layer3")
METHODS = {
    "fastflow": made_fastflow,
    "reverse-distillation": made_reverse_distillation,
    "stfpm": made_stfpm,
}


def map_of(answer) -> torch.Tensor:
    """Return the maps (N, H, W) of an answer; some models of anomalib give them with a channel."""
    maps = answer.anomaly_map
    return maps[:, 0] if maps.ndim == 4 else maps


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
        "maps": torch.cat([map_of(each) for each in found]),
        "features": features,
    }


JOBS = {function.__name__: function for function in (coreset, patchcore, padim, cflow, trained)}


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
