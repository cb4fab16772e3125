"""Reverse distillation: a decoder gives back the features of the backbone (Deng and Li 2022), by anomalib."""

from __future__ import annotations

from typing import Annotated

from synthgen.torch.models.bridge import LAYERS, BridgeModel, BridgeOptions, text_as_value
from synthgen.torch.models.options import Meta

HELP = """
Fit reverse distillation by anomalib: a decoder learns to give back the features of normal images from few numbers.

\b
synthgen fit reverse-distillation --normal photos/good --backbone resnet18 --epochs 100 --out part.safetensors
synthgen fit reverse-distillation --normal good --backbone resnet18 --set anomaly_map_mode=multiply -o b.safetensors
"""


class Options(BridgeOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of reverse distillation: the published ones."""

    epochs: Annotated[int, Meta(ge=1, le=10**6, description="Passes through the images.")] = 200
    step_images: Annotated[int, Meta(ge=1, le=10**5, description="Images in a step of the training.")] = 16


class ReverseDistillation(BridgeModel):
    """Train anomalib's reverse distillation; see `BridgeModel`. Argument: anomaly_map_mode (add, multiply)."""

    kind = "reverse-distillation"
    Options = Options
    takes = (
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "resnet152",
        "resnext50_32x4d",
        "resnext101_32x8d",
        "wide_resnet50_2",
        "wide_resnet101_2",
    )
    frozen = "encoder.feature_extractor"

    def _built(self, size):
        from anomalib.models.image.reverse_distillation.anomaly_map import AnomalyMapGenerationMode
        from anomalib.models.image.reverse_distillation.torch_model import ReverseDistillationModel

        given = {name: text_as_value(value) for name, value in self.settings.set.items()}
        mode = AnomalyMapGenerationMode(given.pop("anomaly_map_mode", "add"))
        return ReverseDistillationModel(
            backbone=self.arch, input_size=size, layers=LAYERS, anomaly_map_mode=mode, pre_trained=False, **given
        )

    def _loss(self, answer):
        from anomalib.models.image.reverse_distillation.loss import ReverseDistillationLoss

        return ReverseDistillationLoss()(*answer)

    def _optimizer(self, network):
        import torch

        trained = [*network.decoder.parameters(), *network.bottleneck.parameters()]
        return torch.optim.Adam(trained, lr=5e-3, betas=(0.5, 0.99))


MODEL = ReverseDistillation
