"""Exported graphs, run by onnxruntime alone."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from synthgen.cli import cli
from synthgen.errors import SynthgenError, UsageError
from synthgen.torch import PaDiM, PatchCore, SequentialPatchCore

onnx = pytest.importorskip("onnx", reason="needs synthgen-vision[onnx]")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs synthgen-vision[onnx]")
pytest.importorskip("onnxscript", reason="needs synthgen-vision[onnx]")

from synthgen.torch import export  # noqa: E402

SIZE = (48, 64)
IMAGES = np.random.default_rng(0).integers(0, 256, (20, *SIZE, 3)).astype(np.uint8)
IMAGES[10:] //= 3  # darker than any that was fitted to
MODELS = {
    "patchcore": lambda: PatchCore("random:test_resnet", layers=(2, 3), coreset=0.2),
    "patchcore, no weights, a border": lambda: PatchCore(
        "random:test_resnet", layers=(1, 2), coreset=50, neighbours=1, border=1, sigma=0
    ),
    "sequential-patchcore": lambda: SequentialPatchCore("random:test_resnet", layers=(2, 3), points=30, epochs=1),
    "padim": lambda: PaDiM("random:test_resnet", channels=20),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_graph_answers_as_torch_does_for_any_number_of_images(tmp_path, name):
    torch.set_num_threads(1)
    model = MODELS[name]().fit([IMAGES[:8].transpose(0, 3, 1, 2)], progress="none")
    model.notes = {"thresholds": {"image": 3.0}, "normal": "a folder of mine"}
    path = tmp_path / "m.onnx"
    exported = export.export_onnx(model, path)

    graph = onnx.load(path)
    onnx.checker.check_model(graph)
    assert [entry.version for entry in graph.opset_import if not entry.domain] == [exported.opset] == [18]
    (told,) = [json.loads(entry.value) for entry in graph.metadata_props if entry.key == "synthgen"]
    assert (told["kind"], told["image_size"], told["thresholds"]) == (model.kind, list(SIZE), {"image": 3.0})
    assert "normal" not in told

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for images in (IMAGES, IMAGES[:1], IMAGES[15:]):
        scores, maps = session.run(None, {"images": images})
        wanted_scores, wanted_maps = model.predict(images.transpose(0, 3, 1, 2))
        assert np.abs(scores - wanted_scores).max() <= 1e-4 * wanted_scores.max()
        assert np.abs(maps - wanted_maps).max() <= 1e-4 * wanted_maps.max()
    assert exported.difference <= 1e-4


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A model as a file."""
    path = tmp_path_factory.mktemp("onnx") / "m.safetensors"
    model = PatchCore("random:test_resnet", layers=(2,), coreset=20)
    model.fit([IMAGES[:2].transpose(0, 3, 1, 2)], progress="none").save(path)
    return path


def test_the_command_writes_a_graph_that_needs_neither_torch_nor_synthgen(tmp_path, fitted):
    out = tmp_path / "m.onnx"
    done = CliRunner().invoke(cli, ["export-model", str(fitted), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert f"{out}: patchcore for images of 64x48, opset 18" in done.stdout
    code = f"""
import sys
import numpy, onnxruntime
session = onnxruntime.InferenceSession("{out}", providers=["CPUExecutionProvider"])
scores, maps = session.run(None, {{"images": numpy.zeros((3, 48, 64, 3), numpy.uint8)}})
print(scores.shape, maps.shape, "torch" in sys.modules, "synthgen" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "(3,) (3, 48, 64) False False\n"

    before = out.read_bytes()
    again = CliRunner().invoke(cli, ["export-model", str(fitted), "--out", str(out)], standalone_mode=False)
    assert str(again.exception) == f"{out}: is there already; --overwrite replaces it"
    assert out.read_bytes() == before


def test_a_graph_that_answers_otherwise_is_not_written(tmp_path, fitted, monkeypatch):
    from synthgen.torch import load_model

    model = load_model(fitted, device="cpu")
    monkeypatch.setattr(
        type(model), "graph_scores", lambda self, features: (features.amax((1, 2, 3)), features[:, 0])
    )
    with pytest.raises(SynthgenError, match="patchcore: its graph answers otherwise than the model"):
        export.export_onnx(model, tmp_path / "m.onnx")
    monkeypatch.setattr(type(model), "exportable", False)
    with pytest.raises(UsageError, match="patchcore cannot be written as ONNX"):
        export.export_onnx(model, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
