"""Our CFLOW-AD has the flows of anomalib's and is trained as they are. Skipped where anomalib is not installed."""

import copy
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch

from synthgen.torch.backbones import load_backbone
from synthgen.torch.course import shuffled
from synthgen.torch.models import Cflow
from synthgen.torch.models.flows import CODES, place_codes

# anomalib warns of itself
pytestmark = pytest.mark.filterwarnings("ignore")

SMALL = {"layers": (1, 2), "blocks": 3, "epochs": 2, "patches": 64, "seed": 3}
IMAGES = 6
SIZE = (64, 64)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (IMAGES, 3, *SIZE), dtype=torch.uint8, generator=torch.manual_seed(1))


def decoder_of(flow):
    """Return anomalib's flow with the weights of ours."""
    from anomalib.models.image.cflow import utils

    decoder = utils.cflow_head(CODES, len(flow.blocks), clamp_alpha=1.9, n_features=flow.channels)
    for theirs, ours in zip(decoder.module_list, flow.steps(), strict=True):
        theirs.subnet.load_state_dict(copy.deepcopy(ours.net.state_dict()))
        theirs.global_scale.data = ours.scale.data[None].clone()
        theirs.global_offset.data = ours.offset.data[None].clone()
        theirs.w_perm.data = torch.eye(flow.channels)[ours.permutation]
    return decoder


def density(decoder, rows, codes):
    """Return what anomalib takes for the logarithm of the density, by channels."""
    from anomalib.models.image.cflow import utils

    moved, logarithm = decoder(rows, [codes])
    return utils.get_logp(rows.shape[1], moved, logarithm) / rows.shape[1]


@pytest.mark.parametrize(("height", "width"), [(3, 5), (8, 8), (1, 1)])
def test_codes_of_places_are_those_of_anomalib(height, width):
    from anomalib.models.image.cflow import utils

    expected = utils.positional_encoding_2d(CODES, height, width).flatten(1).T
    torch.testing.assert_close(place_codes(height, width), expected)


def test_training_is_that_of_anomalib(images, monkeypatch):
    """The same first weights and batches through anomalib's own training step and optimizer: the same densities."""
    from anomalib.models.image.cflow.lightning_model import Cflow as Lightning

    net = load_backbone("random:resnet18")
    first = Cflow(net, **SMALL)
    first._begin(SIZE)
    decoders = torch.nn.ModuleList(decoder_of(flow) for flow in first.flows)
    model = SimpleNamespace(
        encoder=lambda given: dict(enumerate(first._features(given))),
        pool_layers=[0, 1],
        decoders=decoders,
        condition_vector=CODES,
        fiber_batch_size=SMALL["patches"],
    )
    trainer = SimpleNamespace(
        model=model,
        learning_rate=Cflow.Options().rate,
        manual_backward=lambda loss: loss.backward(),
        log=lambda *arguments, **options: None,
    )
    optimizer = Lightning.configure_optimizers(trainer)
    trainer.optimizers = lambda: optimizer

    for epoch in range(SMALL["epochs"]):
        # the step of anomalib asks for one order of all patches for each layer
        orders = [order_of(number, epoch, len(first.codes[number])) for number in model.pool_layers]
        given = Mock(side_effect=orders)
        monkeypatch.setattr(torch, "randperm", given)
        Lightning.training_step(trainer, SimpleNamespace(image=images))
        assert [call.args for call in given.call_args_list] == [(len(order),) for order in orders]
    monkeypatch.undo()

    fitted = Cflow(net, **SMALL).fit([images], progress="none")
    for number, maps in enumerate(first._features(images)):
        rows = maps.movedim(1, -1).flatten(0, 2)
        codes = fitted.codes[number].repeat(IMAGES, 1)
        with torch.no_grad():
            expected = density(decoders[number], rows, codes)
            before = first.flows[number](rows, codes)
            found = fitted.flows[number](rows, codes)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        assert (found - before).abs().mean() > 0.05


def order_of(number: int, epoch: int, places: int) -> torch.Tensor:
    """Return the order in which our training goes through the patches of a layer in an epoch."""
    count = IMAGES * places
    at_once = SMALL["patches"]
    assert count % at_once == 0
    steps = range(epoch * count // at_once, (epoch + 1) * count // at_once)
    parts = [shuffled(count, at_once, SMALL["seed"], f"cflow.patches.{number}", step) for step in steps]
    return torch.cat([torch.from_numpy(part) for part in parts])
