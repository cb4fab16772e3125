"""STFPM: a student that follows a teacher on normal images (Wang et al. 2021), by anomalib."""

from __future__ import annotations

from synthgen.torch.models.bridge import LAYERS, BridgeModel, BridgeOptions, text_as_value

HELP = """
Fit STFPM by anomalib: a student network learns to give the features of the backbone on normal images, and differs
from it elsewhere.

\b
synthgen fit stfpm --normal photos/good --backbone resnet18 --epochs 100 --out part.safetensors
synthgen fit stfpm --normal mvtec/bottle --backbone out/best.safetensors --step-images 16 --out bottle.safetensors
"""


class Options(BridgeOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of STFPM: the published ones."""


class Stfpm(BridgeModel):
    """Train anomalib's STFPM; see `BridgeModel`."""

    kind = "stfpm"
    Options = Options
    takes = ("resnet18", "resnet34", "resnet50", "resnet101", "wide_resnet50_2", "test_resnet")
    frozen = "teacher_model.feature_extractor"

    def _built(self, size):
        from anomalib.models.image.stfpm.torch_model import STFPMModel

        given = {name: text_as_value(value) for name, value in self.settings.set.items()}
        return STFPMModel(layers=LAYERS, backbone=self.arch, **given)

    def _loss(self, answer):
        from anomalib.models.image.stfpm.loss import STFPMLoss

        return STFPMLoss()(*answer)

    def _optimizer(self, network):
        import torch

        student = network.student_model.parameters()
        return torch.optim.SGD(student, lr=0.4, momentum=0.9, weight_decay=1e-3)


MODEL = Stfpm
