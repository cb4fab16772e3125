"""Dense texture discrimination: every place of some layers tells which texture it lies on.

A place is compared with a prototype of each texture: the mean embedding of its places in the *other* images of the
batch. So nothing that is special to one image helps. The embeddings come from a small head on each layer, which is
thrown away afterwards. Beside that, the mean of the last layer may tell the classes of the whole image.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from synthgen.errors import UsageError, one_line
from synthgen.torch.backbones import create_model, size_options
from synthgen.torch.features import FeatureExtractor, levels_of
from synthgen.torch.pretrain.options import Options

# Labels of pixels and places that count for nothing.
NOTHING = -1
# Widths of a head: its hidden layer, and the embedding.
_HIDDEN = 128
_EMBEDDING = 64
# In place of the similarity to a texture that no other image has.
_NEVER = -1e4


class DenseOutputs(NamedTuple):
    """What a network says of a batch.

    Attributes
    ----------
    embeddings : list of Tensor, (N, 64, h, w)
        Of each layer.
    scores : Tensor, (N, classes), or None
        Of the classes of whole images.
    """

    embeddings: list[torch.Tensor]
    scores: torch.Tensor | None = None


class DenseNetwork(nn.Module):
    """A timm model with an embedding of each place of some layers.

    Parameters
    ----------
    net : torch.nn.Module
        A whole model of timm's.
    layers : sequence of int
        Of 1 to 4.
    widths : sequence of int
        Channels of these layers.
    classes : int
        That are scored by the mean of the last layer; 0 for none.
    """

    def __init__(self, net: nn.Module, layers: tuple[int, ...], widths: list[int], classes: int = 0):
        super().__init__()
        self.net = net
        self.heads = nn.ModuleList(map(_head, widths))
        self.classifier = _silent(widths[-1], classes) if classes else None
        self._extractor = FeatureExtractor(net, layers)

    def forward(self, values: torch.Tensor) -> DenseOutputs:
        """Return what the network says of normalised images."""
        maps = self._extractor.maps(values)
        embeddings = [head(each) for head, each in zip(self.heads, maps, strict=True)]
        if self.classifier is None:
            return DenseOutputs(embeddings)

        means = maps[-1].mean((2, 3))
        scores = self.classifier(means)
        return DenseOutputs(embeddings, scores)


def _head(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(width, _HIDDEN, 1),
        nn.ReLU(),
        nn.Conv2d(_HIDDEN, _EMBEDDING, 1),
    )


def _silent(width: int, classes: int) -> nn.Linear:
    """Return a classifier by which all classes score alike at first; see `network.silence`."""
    classifier = nn.Linear(width, classes)
    nn.init.zeros_(classifier.weight)
    nn.init.zeros_(classifier.bias)
    return classifier


def build_dense(arch: str, options: Options, size: tuple[int, int], classes: int) -> DenseNetwork:
    """Return a network with random weights that has been tried on an image of `size`.

    Weights behind the last layer that is used are not trained: they need no gradient. The network scores the
    `classes` of the data set where the options have a weight for them.

    Raises
    ------
    UsageError
        If the architecture has no such layers, or the image is too small for them.
    """
    layers = options.used_layers
    arguments = size_options(arch, size)
    net = create_model(arch, options.seed, num_classes=0, **arguments)
    maps = _tried(net, arch, layers, size)
    for layer, tried in zip(layers, maps, strict=True):
        _check_places(net, arch, layer, tried.shape, size)

    widths = [tried.shape[1] for tried in maps]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = DenseNetwork(net, layers, widths, classes if options.class_weight else 0)
    _freeze_unused(network, size)
    return network


def _tried(net: nn.Module, arch: str, layers: tuple[int, ...], size: tuple[int, int]) -> list[torch.Tensor]:
    """Return the maps of an image of `size`."""
    black = torch.zeros(1, 3, *size)
    try:
        extractor = FeatureExtractor(net, layers)
        with torch.no_grad():
            return extractor.maps(black)
    except (AssertionError, RuntimeError, ValueError, LookupError, TypeError) as error:
        height, width = size
        given = ",".join(map(str, layers))
        reason = one_line(error)
        rule = f"layers must be some that {arch} has on images of {width}x{height} pixels"
        raise UsageError(f"{rule}, got {given}: {reason}") from None


def _check_places(net: nn.Module, arch: str, layer: int, shape, size: tuple[int, int]) -> None:
    """Refuse images of which a layer sees less than 2 x 2 places."""
    rows, columns = shape[2:]
    if min(rows, columns) >= 2:
        return
    height, width = size
    stride = _stride(net, layer) or math.ceil(min(size) / min(rows, columns))
    rule = f"crop must be >= {2 * stride}, for 2 x 2 places of layer {layer} of {arch}"
    raise UsageError(f"{rule}, got images of {width}x{height}")


def _stride(net: nn.Module, layer: int) -> int | None:
    """Return the pixels from one place of a layer to the next, where timm knows them."""
    info: Any = net.feature_info
    rows = info.info if hasattr(info, "info") else info
    (level,) = levels_of([layer])
    return rows[level].get("reduction")


def _freeze_unused(network: DenseNetwork, size: tuple[int, int]) -> None:
    """Let only those weights be trained that the embeddings depend on."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        images = torch.randn(2, 3, *size)
    network.eval()
    embeddings, scores = network(images)
    outputs = embeddings if scores is None else [*embeddings, scores]
    total = sum(each.sum() for each in outputs)
    total.backward()

    for weights in network.parameters():
        is_used = weights.grad is not None
        weights.requires_grad_(is_used)
        weights.grad = None


class DenseLoss(NamedTuple):
    """The loss of a batch, and how well it does.

    Attributes
    ----------
    loss : Tensor
        Sum over the layers of the mean cross entropy of their places, and that of the classes by its weight.
    accuracy : Tensor
        Share of places whose texture is found, averaged over the layers.
    chance : float
        The loss of guessing; 0 where no places can be told apart.
    """

    loss: torch.Tensor
    accuracy: torch.Tensor
    chance: float


def dense_loss(outputs: DenseOutputs, labels: torch.Tensor, options: Options) -> DenseLoss:
    """Return how well the places of a batch tell the textures apart.

    Parameters
    ----------
    outputs : DenseOutputs
    labels : int Tensor, (N, H, W)
        The texture of each pixel, any number >= 0; -1 counts for nothing.
    options : Options

    Raises
    ------
    UsageError
        If classes are scored, and the textures are none.
    """
    embeddings, scores = outputs
    pure = []
    for each in embeddings:
        rows, columns = each.shape[2:]
        of_layer = pure_labels(labels, (rows, columns), options.purity)
        pure.append(of_layer)
    numbered, count = renumbered(pure)

    total = embeddings[0].sum() * 0.0
    hits = total.detach()
    chance = 0.0
    for each, wanted in zip(embeddings, numbered, strict=True):
        loss, accuracy, guessing = prototype_loss(each, wanted, count, options.temperature)
        total = total + loss
        hits = hits + accuracy
        chance += guessing

    if scores is not None:
        loss, guessing = class_loss(scores, pure[-1])
        total = total + options.class_weight * loss
        # where it is 0, there are no places to tell apart
        if chance:
            chance += options.class_weight * guessing

    accuracy = hits / len(embeddings)
    return DenseLoss(total, accuracy, chance)


def class_loss(scores: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return the mean cross entropy of the classes of images, and that of guessing.

    Parameters
    ----------
    scores : Tensor, (N, classes)
    labels : int Tensor, (N, h, w)
        The class of each place, -1 for places that do not count. What is to be told is the share of an image's
        places that lie on each class, as for images cut together by Yun et al. 2019, section 3.1.
    """
    classes = scores.shape[1]
    largest = int(labels.max())
    if largest >= classes:
        rule = f"class_weight needs a data set whose textures are its {classes} classes"
        raise UsageError(f"{rule}, got texture {largest}; give 0")

    lies_on = _one_hot(labels.flatten(1), classes)
    places = lies_on.sum(1)
    total = places.sum(1, keepdim=True)
    counts = total[:, 0] > 0
    if not counts.any():
        return scores.sum() * 0.0, 0.0
    shares = places / total.clamp(min=1)
    loss = functional.cross_entropy(scores[counts].float(), shares[counts])
    return loss, math.log(classes)


def pure_labels(labels: torch.Tensor, places: tuple[int, int], purity: float) -> torch.Tensor:
    """Return the texture of each place, -1 where no texture covers the share `purity` of it.

    Parameters
    ----------
    labels : int Tensor, (N, H, W)
    places : (int, int)
        Rows and columns, (h, w).
    purity : float
        More than a half.

    Returns
    -------
    int Tensor, (N, h, w)
    """
    rows, columns = places
    cells = _cells(labels, rows, columns)

    # a label on more than half of a cell is its median; torch.median is not deterministic on GPUs
    ordered = cells.sort(-1).values
    middle = ordered[..., cells.shape[-1] // 2]
    same = cells == middle[..., None]
    share = same.float().mean(-1)
    is_pure = share >= purity
    return torch.where(is_pure, middle, NOTHING)


def _cells(labels: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Return the labels of the pixels of each place, (N, h, w, pixels)."""
    count, height, width = labels.shape
    down = math.ceil(height / rows)
    across = math.ceil(width / columns)
    whole = (rows * down, columns * across)

    if whole != (height, width):
        planes = labels[:, None].double()
        planes = functional.interpolate(planes, whole, mode="nearest")
        labels = planes[:, 0].to(labels.dtype)

    split = labels.reshape(count, rows, down, columns, across)
    by_place = split.permute(0, 1, 3, 2, 4)
    return by_place.reshape(count, rows, columns, down * across)


def renumbered(labels: list[torch.Tensor]) -> tuple[list[torch.Tensor], int]:
    """Return labels of several layers as numbers from 0, -1 where they are, and how many there are."""
    flat = torch.cat([each.flatten() for each in labels])
    known, numbers = torch.unique(flat, return_inverse=True)
    has_nothing = len(known) > 0 and int(known[0]) == NOTHING
    if has_nothing:
        numbers = numbers - 1  # sorted: nothing comes first

    sizes = [each.numel() for each in labels]
    parts = numbers.split(sizes)
    shaped = []
    for part, each in zip(parts, labels, strict=True):
        of_layer = part.view(each.shape)
        shaped.append(of_layer)
    return shaped, len(known) - has_nothing


def prototype_loss(
    embeddings: torch.Tensor, labels: torch.Tensor, textures: int, temperature: float
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Return the mean cross entropy of the places of a layer, the share that is found, and the loss of guessing.

    Parameters
    ----------
    embeddings : Tensor, (N, D, h, w)
    labels : int Tensor, (N, h, w)
        From 0 to `textures` - 1, or -1 for places that do not count.
    textures : int
    temperature : float
        What cosines are divided by.

    Notes
    -----
    Places whose texture lies in no other image do not count either. Where none counts, loss and share are zero.
    """
    channels_last = embeddings.float().permute(0, 2, 3, 1)
    rows = channels_last.flatten(1, 2)
    rows = functional.normalize(rows, dim=-1)
    labels = labels.flatten(1)
    lies_on = _one_hot(labels, textures)

    # the mean over the other images: the sum over all, less the image's own
    own = torch.einsum("nlp,nld->npd", lies_on, rows)
    others = own.sum(0, keepdim=True) - own
    prototypes = functional.normalize(others, dim=-1)

    places = lies_on.sum(1)
    elsewhere = places.sum(0, keepdim=True) - places
    is_known = elsewhere > 0

    cosines = torch.einsum("nld,npd->nlp", rows, prototypes)
    scores = cosines / temperature
    is_known = is_known[:, None]
    scores = scores.masked_fill(~is_known, _NEVER)

    on_known = lies_on * is_known
    counts = on_known.sum(-1) > 0
    wanted = labels[counts]
    if not len(wanted):
        zero = embeddings.sum() * 0.0
        return zero, zero.detach(), 0.0

    scores = scores[counts]
    loss = functional.cross_entropy(scores, wanted)
    found = scores.argmax(-1) == wanted

    choices = is_known.sum(-1).float().expand_as(labels)
    guessing = choices[counts].log().mean()
    return loss, found.float().mean(), float(guessing)


def _one_hot(labels: torch.Tensor, count: int) -> torch.Tensor:
    """Return a float for each label, (..., count): 1 at its number; all are 0 for -1."""
    numbers = torch.arange(count, device=labels.device)
    is_there = labels[..., None] == numbers
    return is_there.float()
