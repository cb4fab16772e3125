"""The torch companion: data sets, pre-training, anomaly models, metrics. Optional; only its commands import it."""

from importlib import import_module

from synthgen.extras import needed_for

# Loaded on first use: the metrics need no torch.
_LAZY = {
    "Cflow": "synthgen.torch.models",
    "CutPaste": "synthgen.torch.data.cutpaste",
    "CutPasteModel": "synthgen.torch.models",
    "FeatureEnsemble": "synthgen.torch.models",
    "LiveDataset": "synthgen.torch.data",
    "PaDiM": "synthgen.torch.models",
    "Panda": "synthgen.torch.models",
    "PatchCore": "synthgen.torch.models",
    "ScoreEnsemble": "synthgen.torch.models",
    "SequentialPatchCore": "synthgen.torch.models",
    "ShardDataset": "synthgen.torch.data",
    "SimpleNet": "synthgen.torch.models",
    "Sinbad": "synthgen.torch.models",
    "StreamDataset": "synthgen.torch.data",
    "import_weights": "synthgen.torch.weights",
    "load_backbone": "synthgen.torch.backbones",
    "load_model": "synthgen.torch.models",
    "published": "synthgen.torch.timm_registry",
    "refine": "synthgen.torch.refinement",
    "refine_all": "synthgen.torch.refinement",
}
_MODULES = ("metrics", "models", "pretrain")

__all__ = sorted([*_LAZY, *_MODULES])


def __getattr__(name: str):
    if name in _MODULES:
        return import_module(f"synthgen.torch.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module 'synthgen.torch' has no attribute {name!r}")
    with needed_for(name):
        value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
