"""FastFlow: normalizing flows over whole maps of features (Yu et al. 2021), by anomalib."""

from __future__ import annotations

from synthgen.torch.models.bridge import BridgeModel, BridgeOptions, text_as_value

HELP = """
Fit FastFlow by anomalib: the density of whole maps of features, by a flow for each layer.

\b
synthgen fit fastflow --normal photos/good --backbone resnet18 --epochs 100 --out part.safetensors
synthgen fit fastflow --normal mvtec/bottle --backbone out/best.safetensors --set flow_steps=8 --out b.safetensors
"""

# Pixels of a side of an image whose network is small.
_SMALL = 64
_NORMS = "net.norms."


class Options(BridgeOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of FastFlow: the published ones."""


class FastFlow(BridgeModel):
    """Train anomalib's FastFlow; see `BridgeModel`. Arguments: flow_steps, conv3x3_only, hidden_ratio."""

    kind = "fastflow"
    Options = Options
    takes = ("resnet18", "wide_resnet50_2")
    frozen = "feature_extractor"

    def _built(self, size):
        from anomalib.models.image.fastflow.torch_model import FastflowModel

        given = {name: text_as_value(value) for name, value in self.settings.set.items()}
        return FastflowModel(input_size=size, backbone=self.arch, pre_trained=False, **given)

    def _outline(self, size):
        import torch

        # anomalib cannot build this network without memory: only the norms of its layers grow with the image
        outline = self._learned(self._checked_network((_SMALL, _SMALL)))
        for name, tensor in outline.items():
            if name.startswith(_NORMS):
                channels, rows, _ = tensor.shape
                step = _SMALL // rows
                outline[name] = torch.empty(channels, size[0] // step, size[1] // step, device="meta")
        return outline

    def _loss(self, answer):
        from anomalib.models.image.fastflow.loss import FastflowLoss

        return FastflowLoss()(*answer)

    def _optimizer(self, network):
        import torch

        trained = [weight for weight in network.parameters() if weight.requires_grad]
        return torch.optim.Adam(trained, lr=1e-3, weight_decay=1e-5)


MODEL = FastFlow
