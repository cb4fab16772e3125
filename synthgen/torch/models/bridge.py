"""Methods of anomalib on our backbones: its networks and losses, our training, normalising and files.

The networks are built with our weights in them, and nothing is downloaded. Images are normalised as the backbone
wants them. A prediction depends on one image only: what anomalib does afterwards, with the scores of a whole test
set, is left out.
"""

from __future__ import annotations

import abc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec

from synthgen.errors import UsageError, one_line
from synthgen.extras import needed_for
from synthgen.torch.models.base import FLOAT_BYTES
from synthgen.torch.models.batches import size_of
from synthgen.torch.models.held import HeldImages, held_bytes
from synthgen.torch.models.options import Meta, ModelOptions

if TYPE_CHECKING:
    import torch

_NET = "net."
# What anomalib calls the layers of a ResNet.
LAYERS = ("layer1", "layer2", "layer3")


class BridgeOptions(ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of all methods of anomalib; layers, pooling and alignment are the method's own."""

    layers: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=4)], ...],
        Meta(min_length=1, description="Layers of the backbone; anomalib takes 1,2,3."),
    ] = (1, 2, 3)
    pool: Annotated[int, Meta(ge=1, le=1, description="The method has no local average: 1.")] = 1
    border: Annotated[int, Meta(ge=0, le=0, description="The method has no border: 0.")] = 0
    sigma: Annotated[
        float, Meta(ge=0, le=1000, description="Pixels by which maps are smoothed, beside what the method does.")
    ] = 0.0
    epochs: Annotated[int, Meta(ge=1, le=10**6, description="Passes through the images.")] = 100
    step_images: Annotated[int, Meta(ge=1, le=10**5, description="Images in a step of the training.")] = 32
    set: Annotated[
        dict[str, Any],
        Meta(description="An argument of anomalib's network, KEY=VALUE. May be given several times."),
    ] = msgspec.field(default_factory=dict)

    def __post_init__(self):
        super().__post_init__()
        if self.layers != (1, 2, 3):
            given = ",".join(map(str, self.layers))
            raise ValueError(f"layers must be 1,2,3, which anomalib takes, got {given}")


class BridgeModel(HeldImages):
    """A method of anomalib: a network that is trained on normal images.

    Parameters
    ----------
    backbone, memory, device
        As for `AnomalyModel`; the architecture must be one of ``takes``.
    epochs, step_images
        Of the training. Images are shuffled in each epoch.
    set : dict
        Arguments of anomalib's network.
    **options
        As for `AnomalyModel`.

    Attributes
    ----------
    network : torch.nn.Module
        Of anomalib, with the weights of the backbone in it.

    Notes
    -----
    The images are held as bytes while the network is trained: the memory for that grows with the images.
    """

    Options = BridgeOptions
    state = ()
    of_places = True
    counts_channels = False
    resumes = True
    trained = "the network"
    extra = "anomalib"
    settings: BridgeOptions
    features: Any
    network: Any
    #: Architectures that the method of anomalib can take.
    takes: ClassVar[tuple[str, ...]]
    #: Where the weights of the backbone lie in the network.
    frozen: ClassVar[str]

    def __init__(self, backbone, **options):
        super().__init__(backbone, **options)
        self._sizes: dict[tuple[int, int], int] = {}
        config = getattr(self.features, "config", {})
        self.arch = str(config.get("architecture", type(self.features).__name__))
        if self.arch not in self.takes:
            known = ", ".join(self.takes)
            raise UsageError(
                f"backbone must be one that {self.kind} of anomalib can take ({known}), got {self.arch}"
            )

    @abc.abstractmethod
    def _built(self, size: tuple[int, int]) -> torch.nn.Module:
        """Return the network of anomalib for images of a size, with no weights that are worth anything."""

    @abc.abstractmethod
    def _loss(self, answer) -> torch.Tensor:
        """Return the loss of what the network answers in training."""

    @abc.abstractmethod
    def _optimizer(self, network) -> torch.optim.Optimizer:
        """Return the optimizer of the publication."""

    def _made(self, size: tuple[int, int]) -> torch.nn.Module:
        """Return the network for images of a size: random from the seed, but for the backbone's weights."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            network = self._checked_network(size)

        own = self.features.net.state_dict()
        frozen = network.get_submodule(self.frozen)
        frozen.load_state_dict({name: own[name] for name in frozen.state_dict()})
        frozen.requires_grad_(False)
        return network.to(self.device)

    def _checked_network(self, size: tuple[int, int]) -> torch.nn.Module:
        """Return what `_built` does; arguments that anomalib does not take are an error of the user's."""
        typed = ", ".join(self.settings.set)
        with needed_for(self.kind), _quiet(), _offline():
            try:
                return self._built(size)
            except TypeError as error:
                raise UsageError(
                    f"set must hold arguments of {self.kind} of anomalib, got {typed}: {error}"
                ) from None
            except (ValueError, RuntimeError) as error:
                raise UsageError(f"{self.kind} of anomalib cannot be built: {one_line(error)}") from None

    def _outline(self, size: tuple[int, int]) -> dict[str, torch.Tensor]:
        """Return tensors without memory of the forms that are learned: a forged size costs nothing."""
        import torch

        with torch.device("meta"):
            network = self._checked_network(size)
        return self._learned(network)

    def _learned(self, network) -> dict[str, torch.Tensor]:
        """Return the tensors of a network beside those of the backbone."""
        tensors = {}
        for name, value in network.state_dict().items():
            if not name.startswith(f"{self.frozen}."):
                tensors[_NET + name] = value
        return tensors

    def tensors(self):
        """Return what was learned; see `AnomalyModel.tensors`."""
        return self._learned(self.network)

    def take(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take what was learned; see `AnomalyModel.take`."""
        self.network = self._made(self._need_fit())
        stored = {name.removeprefix(_NET): value for name, value in tensors.items()}
        self.network.load_state_dict(stored, strict=False)
        self.network.eval().requires_grad_(False)

    def state_forms(self, shape):
        """Return the forms of what was learned; see `AnomalyModel.state_forms`."""
        learned = self._outline(self._need_fit())
        return {name: (tuple(value.shape), value.dtype) for name, value in learned.items()}

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of what is learned, in bytes, for any number of images."""
        if size not in self._sizes:
            outline = self._outline(size)
            self._sizes[size] = sum(value.nbytes for value in outline.values())
        return self._sizes[size]

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the backbone's own, in bytes, without what torch holds."""
        learned = self.predicted_bytes(images, size)
        in_a_step = min(images, self.settings.step_images)
        # gradients, and up to two more numbers of each weight
        return 4 * learned + held_bytes(images, size) + FLOAT_BYTES * held_bytes(in_a_step, size)

    def fit(self, loader, progress="auto", log=None) -> BridgeModel:
        """Learn normal images; see `AnomalyModel.fit`."""
        images = self._pictures(loader, progress, log)
        size = size_of(images)
        network = self._made(size)
        with _quiet():
            self._train(network, images, progress)

        self.network = network.eval().requires_grad_(False)
        self.image_size = size
        return self

    def _train(self, network, images: torch.Tensor, progress) -> None:
        from synthgen.torch.course import Course, shuffled, steps_in_epoch

        settings = self.settings
        optimizer = self._optimizer(network)
        network.train()
        steps = settings.epochs * steps_in_epoch(len(images), settings.step_images)
        course = Course(network, optimizer, steps, settings.seed, self.kind, self.kept_in, [images], progress)
        with course:
            for step in course:
                places = shuffled(len(images), settings.step_images, settings.seed, "bridge.images", step)
                batch = self.features.normalise(images[places])
                course.descend(self._loss(network(batch)))
        self.history = course.history

    def _features(self, images):
        """Return normalised images, which the network takes."""
        return self.features.normalise(images)

    def _scores(self, features):
        import torch

        with torch.no_grad(), _quiet():
            answer = self.network(features)
        return None, answer.anomaly_map.squeeze(1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep warnings of anomalib, and of what it imports, to itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _offline() -> Iterator[None]:
    """Let timm build networks without published weights, whoever asks for them: ours take their place."""
    from synthgen.torch.backbones import import_timm

    timm: Any = import_timm()
    create = timm.create_model

    def without_weights(name, *arguments, pretrained=False, **given):
        return create(name, *arguments, pretrained=False, **given)

    timm.create_model = without_weights
    try:
        yield
    finally:
        timm.create_model = create


def text_as_value(value):
    """Return text as the number or truth value that it spells; other values as they are.

    Examples
    --------
    >>> text_as_value("8"), text_as_value("0.5"), text_as_value("true"), text_as_value("add"), text_as_value(8)
    (8, 0.5, True, 'add', 8)
    """
    from synthgen.options import parse_scalar

    return parse_scalar(value) if isinstance(value, str) else value
