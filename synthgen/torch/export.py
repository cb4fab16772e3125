"""Fitted models as ONNX graphs, which run without torch and without synthgen.

The graph takes images as they come from a camera or a file, uint8 (N, H, W, 3), red first, at the size that the
model was fitted at; normalising, backbone, scores and maps are inside. Metadata under the key ``synthgen`` say how
images of other sizes are brought to that size, and from which score on they are anomalous.
"""

import json
import logging
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from synthgen.errors import SynthgenError, UsageError, one_line
from synthgen.extras import needed_for
from synthgen.seeding import generator
from synthgen.shards.files import replacing
from synthgen.torch.evaluation.inspection import FRAMING
from synthgen.torch.evaluation.limits import NORMAL, THRESHOLDS
from synthgen.torch.models.memory import megabytes
from synthgen.version import __version__

OPSET = 18
METADATA = "synthgen"
MOST_BYTES = 1_900_000_000  # a file of ONNX's holds less than 2 GB
CHECKED = 20  # images
TOLERANCE = 1e-4  # of the largest score


class Exported(NamedTuple):
    """What was written.

    Attributes
    ----------
    opset : int
        Version of ONNX's operations that the graph is made of.
    difference : float
        Largest difference of scores and maps from torch's, as a share of the largest of torch's.
    """

    opset: int
    difference: float


class _Graph(torch.nn.Module):
    """A fitted model as one function of images, (N, H, W, 3) of uint8."""

    def __init__(self, model):
        super().__init__()
        self.net = model.features.net
        self._model = model

    def forward(self, images: torch.Tensor):
        """Return scores (N,) and, of a model that has maps, maps (N, H, W)."""
        model = self._model
        channels_first = images.permute(0, 3, 1, 2)
        batch = model.features.normalise(channels_first)
        features = model.features.forward(batch)

        scores, maps = model.judged(model.graph_scores(features), model.image_size)
        return scores if maps is None else (scores, maps)


def export_onnx(model, path) -> Exported:
    """Write a fitted model as an ONNX graph, and compare its answers with torch's on images of noise.

    Parameters
    ----------
    model : AnomalyModel
        On the CPU.
    path : str or Path
        The file; it appears when it is whole and its answers are right.

    Returns
    -------
    Exported

    Raises
    ------
    UsageError
        If the model is not fitted, of a kind that has no graph, or too large for a file of ONNX's.
    SynthgenError
        If the graph cannot be made, or answers otherwise than the model.
    MissingExtraError
        If onnx, onnxscript or onnxruntime is not installed.
    """
    with needed_for("export-model"):
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401

    _check(model)
    program = _traced(model)
    program.model.metadata_props[METADATA] = json.dumps(_told(model))
    opset = program.model.opset_imports[""]

    with replacing(Path(path)) as temporary:
        program.save(temporary)
        difference = _compared(model, temporary)
    return Exported(opset, difference)


def _check(model) -> None:
    """Refuse a model of which no graph can be made."""
    if not model.fitted:
        raise UsageError(f"{model.kind} must be fitted first")
    if not model.exportable:
        raise UsageError(f"{model.kind} cannot be written as ONNX")

    own = [getattr(model, name) for name in model.state]
    tensors = [*own, *model.features.net.state_dict().values()]
    size = sum(tensor.nbytes for tensor in tensors)
    if size > MOST_BYTES:
        limit = megabytes(MOST_BYTES)
        raise UsageError(
            f"{model.kind} must take at most {limit} to be written as ONNX, it takes {megabytes(size)}"
        )


def _traced(model):
    """Return the graph of a model, for any number of images."""
    height, width = model.image_size
    example = torch.zeros((2, height, width, 3), dtype=torch.uint8)
    graph = _Graph(model).eval()
    outputs = ["scores", "maps"] if model.localises else ["scores"]

    try:
        with _quiet(), torch.no_grad():
            return torch.onnx.export(
                graph,
                (example,),
                input_names=["images"],
                output_names=outputs,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise SynthgenError(f"{model.kind} cannot be written as ONNX: {one_line(error)}") from error


@contextmanager
def _quiet():
    """Keep the notes of torch's exporter from the user."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _told(model) -> dict:
    """Return what the metadata say."""
    told = {"version": __version__, "kind": model.kind, "image_size": list(model.image_size)}
    for name in (FRAMING, THRESHOLDS, NORMAL):
        if name in model.notes:
            told[name] = model.notes[name]
    return told


def _compared(model, path: Path) -> float:
    """Return how far the answers of a graph are from the model's; refuse one that is too far."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    difference = 0.0
    for image in _noise(model.image_size):
        of_graph = session.run(None, {"images": image[None]})
        of_model = model.predict(image.transpose(2, 0, 1)[None])
        for found, wanted in zip(of_graph, of_model, strict=False):
            gap = np.abs(found - wanted).max() / np.abs(wanted).max()
            difference = max(difference, float(gap))

    if not difference <= TOLERANCE:
        raise SynthgenError(f"{model.kind}: its graph answers otherwise than the model, by {difference:.1e}")
    return difference


def _noise(size: tuple[int, int]):
    """Yield images of noise of rising contrast, uint8 (H, W, 3)."""
    rng = generator(0, 0, 0, "export.noise")
    for number in range(CHECKED):
        reach = 127 * (number + 1) // CHECKED
        low = 128 - reach
        high = 128 + reach
        yield rng.integers(low, high, (*size, 3), np.uint8)
