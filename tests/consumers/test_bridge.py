"""Methods of anomalib learn on our weights, and their files need no network. Skipped where anomalib is missing."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch import models
from synthgen.torch.backbones import load_backbone
from synthgen.torch.course import shuffled

pytest.importorskip("anomalib")
KINDS = ("fastflow", "reverse-distillation", "stfpm")
SMALL = {"epochs": 6, "step_images": 4, "seed": 3}


@pytest.fixture(scope="module")
def net():
    """Weights as `synthgen pretrain` makes them: of no published model, with a normalising of their own."""
    net = load_backbone("random:resnet18", seed=5)
    net.pretrained_cfg = {**net.pretrained_cfg, "mean": (0.5, 0.4, 0.3), "std": (0.3, 0.2, 0.1)}
    return net


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    stripes = 128 + 60 * np.sin(np.arange(64) / 5)
    return torch.from_numpy((stripes + rng.normal(0, 5, (12, 3, 64, 64))).astype(np.uint8))


@pytest.fixture(scope="module", params=KINDS)
def model(request, net, images):
    made = models.load(request.param).MODEL
    return made(net, **SMALL).fit([images[:8]], progress="none")


def test_a_defect_is_found(model, images):
    defect = images[8:].clone()
    defect[:, :, 36:52, 8:24] = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).tile(8, 8)
    scores, maps = model.predict(defect)
    assert maps.shape == (4, 64, 64)
    assert scores.shape == (4,)
    assert (scores > model.predict(images[8:])[0]).all()
    inside = maps[:, 36:52, 8:24].mean((1, 2))
    assert (inside > maps[:, :, 40:].mean((1, 2))).all()


def test_our_weights_are_in_the_network_and_stay_as_they_are(model, net):
    frozen = model.network.get_submodule(model.frozen)
    own = net.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in frozen.state_dict().items())


def test_a_prediction_depends_on_one_image(model, images):
    together = model.predict(images[8:])[1]
    alone = np.concatenate([model.predict(images[i : i + 1])[1] for i in range(8, 12)])
    np.testing.assert_allclose(alone, together, rtol=1e-3, atol=1e-5)


def test_a_file_keeps_all_and_is_read_without_a_network(model, images, tmp_path, monkeypatch):
    model.save(tmp_path / "m")
    monkeypatch.setattr("socket.socket.connect", lambda *arguments: pytest.fail("a connection was opened"))
    read = models.load_model(tmp_path / "m")
    assert read.options() == model.options()
    for one, again in zip(model.predict(images), read.predict(images), strict=True):
        assert np.array_equal(one, again)


def test_equal_seeds_give_equal_models(model, net, images):
    again = type(model)(net, **SMALL).fit([images[:8]], progress="none")
    assert np.array_equal(again.predict(images[8:])[1], model.predict(images[8:])[1])


def test_the_size_of_what_is_learned_is_predicted(model):
    assert model.predicted_bytes(8, (64, 64)) == sum(value.nbytes for value in model.tensors().values())


def lightning_of(kind):
    """Return the class and the loss with which anomalib itself trains a method."""
    if kind == "fastflow":
        from anomalib.models.image.fastflow.lightning_model import Fastflow
        from anomalib.models.image.fastflow.loss import FastflowLoss

        return Fastflow, FastflowLoss()
    if kind == "stfpm":
        from anomalib.models.image.stfpm.lightning_model import Stfpm
        from anomalib.models.image.stfpm.loss import STFPMLoss

        return Stfpm, STFPMLoss()
    from anomalib.models.image.reverse_distillation.lightning_model import ReverseDistillation
    from anomalib.models.image.reverse_distillation.loss import ReverseDistillationLoss

    return ReverseDistillation, ReverseDistillationLoss()


@pytest.mark.filterwarnings("ignore")  # anomalib warns of itself
def test_training_is_that_of_anomalib(model, images):
    """The same first weights and batches through anomalib's own training step and optimizer: the same maps."""
    network = model._made((64, 64)).train()
    lightning, loss = lightning_of(model.kind)
    trainer = SimpleNamespace(model=network, loss=loss, log=lambda *arguments, **options: None)
    optimizer = lightning.configure_optimizers(trainer)
    for step in range(12):
        places = shuffled(8, 4, SMALL["seed"], "bridge.images", step)
        batch = SimpleNamespace(image=model.features.normalise(images[places]))
        optimizer.zero_grad()
        lightning.training_step(trainer, batch)["loss"].backward()
        optimizer.step()

    network.eval()
    with torch.no_grad():
        maps = network(model.features.normalise(images[8:])).anomaly_map
    expected = maps.reshape(4, 64, 64).numpy()
    found = model.predict(images[8:])[1]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_arguments_of_anomalib_are_passed_on(net, images):
    flow = models.load("fastflow").MODEL(net, set={"flow_steps": "2"}, epochs=1).fit([images], progress="none")
    usual = models.load("fastflow").MODEL(net, epochs=1)
    assert flow.predicted_bytes(8, (64, 64)) < usual.predicted_bytes(8, (64, 64)) / 3
    with pytest.raises(UsageError, match="set must hold arguments of fastflow of anomalib, got flow_stepps"):
        models.load("fastflow").MODEL(net, set={"flow_stepps": "2"}).fit([images], progress="none")


def test_images_that_do_not_do_are_refused(model, images):
    with pytest.raises(UsageError, match="images must be 64 x 64 as the model's, got 32 x 32"):
        model.predict(images[:, :, :32, :32])
    with pytest.raises(UsageError, match=r"memory must be at least .* for 8 images and the network"):
        type(model)(load_backbone("random:resnet18"), memory=1000).fit([images[:8]], progress="none")
