"""The torch companion: data sets, pre-training, anomaly models, metrics. Optional; only its commands import it."""

from synthgen.lazy import lazy

# Loaded on first use: the metrics need no torch.
_LAZY = {
    "Cflow": "models",
    "CutPaste": "data.cutpaste",
    "CutPasteModel": "models",
    "EfficientAd": "models",
    "FeatureEnsemble": "models",
    "LiveDataset": "data",
    "PaDiM": "models",
    "Panda": "models",
    "PatchCore": "models",
    "Puad": "models",
    "ScoreEnsemble": "models",
    "SequentialPatchCore": "models",
    "ShardDataset": "data",
    "SimpleNet": "models",
    "Sinbad": "models",
    "StreamDataset": "data",
    "distill": "distillation",
    "import_weights": "weights",
    "load_backbone": "backbones",
    "load_model": "models",
    "metrics": "metrics:",
    "models": "models:",
    "pretrain": "pretrain:",
    "published": "timm_registry",
    "refine": "refinement",
    "refine_all": "refinement",
}

__all__ = sorted(_LAZY)

__getattr__, __dir__ = lazy(__name__, _LAZY, optional=True)
