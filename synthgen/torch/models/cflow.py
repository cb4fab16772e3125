"""CFLOW-AD: the density of normal features at each place, by conditional flows (Gudovskiy et al. 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

from synthgen.errors import UsageError
from synthgen.torch.models.bank import Rows
from synthgen.torch.models.base import FLOAT_BYTES
from synthgen.torch.models.batches import batches, begun, expecting, image_progress, images_in, size_of
from synthgen.torch.models.layered import LayeredModel
from synthgen.torch.models.memory import refuse_too_many
from synthgen.torch.models.options import Layers, Meta, ModelOptions

if TYPE_CHECKING:
    import torch

    from synthgen.torch.models.flows import Flow

HELP = """
Fit CFLOW-AD: the density of normal features, given the place, by a normalizing flow for each layer.

\b
synthgen fit cflow --normal photos/good --backbone resnet18 --out part.safetensors
synthgen fit cflow --normal mvtec/capsule --backbone efficientnet_b6 --layers 1,2 --epochs 20 --out c.safetensors
"""


class Options(ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of CFLOW-AD; see the annotations."""

    layers: Layers = (1, 2, 3)
    pool: Annotated[
        int, Meta(ge=1, le=99, description="Side of the local average of features, in places; 1 for none.")
    ] = 1
    blocks: Annotated[int, Meta(ge=1, le=64, description="Blocks of each flow.")] = 8
    epochs: Annotated[int, Meta(ge=1, le=10**6, description="Passes through the patches of all images.")] = 8
    rate: Annotated[float, Meta(gt=0, le=1, description="Learning rate.")] = 1e-3
    patches: Annotated[int, Meta(ge=2, le=10**6, description="Patches in a step of the training.")] = 256


# Within the class the name `Options` means its attribute.
_Options = Options


class Cflow(LayeredModel):
    """Learn a flow for each layer, and score patches by minus the log-sigmoid of their log-density.

    Parameters
    ----------
    backbone, memory, device
        As for `AnomalyModel`.
    blocks : int
        Of each flow.
    epochs, rate, patches
        Of the training, by Adam.
    **options
        As for `AnomalyModel`. `alignment` has no effect: each layer keeps its own size.

    Notes
    -----
    The features of all images are computed once and held while the flows are trained: the memory for that grows
    with the images.

    The map of an image is the sum of the layers' maps, and its score the largest value: both depend on one image
    only, unlike those of the published code, which divides by the largest density of the test set.
    """

    kind = "cflow"
    of_places = True
    resumes = True
    Options = Options
    state = ("weights", "permutations")
    differentiable = True
    settings: _Options

    @property
    def weights(self) -> torch.Tensor:
        """All weights of the flows, one after the other, (W,)."""
        import torch

        return torch.nn.utils.parameters_to_vector(self.flows.parameters()).detach()

    @weights.setter
    def weights(self, vector: torch.Tensor) -> None:
        import torch

        self._begin(self._need_fit())
        torch.nn.utils.vector_to_parameters(vector, self.flows.parameters())
        self.flows.requires_grad_(False)

    @property
    def permutations(self) -> torch.Tensor:
        """The orders of channels after each block of each flow, one after the other, int64."""
        import torch

        return torch.cat(list(self.flows.buffers()))

    @permutations.setter
    def permutations(self, orders: torch.Tensor) -> None:
        first = 0
        for flow in self._flows():
            for block in flow.steps():
                last = first + flow.channels
                block.permutation = orders[first:last]
                first = last

    def _flows(self) -> list[Flow]:
        """Return the flows, one for each layer."""
        return cast("list[Flow]", list(self.flows))

    def _begin(self, size: tuple[int, int]) -> None:
        """Make untrained flows, and the codes of the places, for images of a size."""
        import torch

        from synthgen.torch.models.flows import Flow, place_codes

        flows = []
        codes = []
        for number, (channels, height, width) in enumerate(self._shapes(size)):
            flow = Flow(channels, self.settings.blocks)
            flows.append(flow.draw(self.settings.seed, number))
            codes.append(place_codes(height, width).to(self.device))
        self.flows = torch.nn.ModuleList(flows).to(self.device)
        self.codes = codes

    def state_forms(self, shape):
        """Return the forms of weights and permutations; see `AnomalyModel.state_forms`."""
        import torch

        weights, orders = self._lengths(self._need_fit())
        return {"weights": ((weights,), torch.float32), "permutations": ((orders,), torch.int64)}

    def _lengths(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the number of weights, and that of the numbers in permutations."""
        from synthgen.torch.models.flows import CODES

        weights = 0
        orders = 0
        for channels, _, _ in self._shapes(size):
            width = (channels + 1) // 2 + CODES
            hidden = 2 * width
            last = 2 * (channels // 2)
            block = width * hidden + hidden + hidden * last + last + 2 * channels
            weights += self.settings.blocks * block
            orders += self.settings.blocks * channels
        return weights, orders

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of the flows, in bytes, for any number of images."""
        weights, orders = self._lengths(size)
        return FLOAT_BYTES * weights + 8 * orders

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the backbone's own, in bytes."""
        features = sum(channels * height * width for channels, height, width in self._shapes(size))
        weights, _ = self._lengths(size)
        # Adam keeps two more numbers of each weight, beside its gradient
        return FLOAT_BYTES * (images * features + 4 * weights)

    def fit(self, loader, progress="auto", log=None) -> Cflow:
        """Learn normal images; see `AnomalyModel.fit`."""
        given, first = begun(batches(loader))
        size = size_of(first)
        expected = images_in(loader) or 0
        self._check(max(expected, len(first)), size)
        self._report(log, max(expected, len(first)), size)

        self._begin(size)
        tables = self._collected(loader, given, size, expected, progress)
        self._train(tables, progress)
        self.image_size = size
        return self

    def _check(self, images: int, size: tuple[int, int]) -> None:
        """Refuse images whose features do not fit into the memory."""
        for channels, _, _ in self._shapes(size):
            if channels < 2:
                raise UsageError(f"layers must have at least 2 channels, got {channels}")

        def needed(count: int) -> int:
            return self.needed_bytes(count, size)

        what = f"the features of {images} images and the flows"
        refuse_too_many(what, images, needed, self._limit(), "{} images would fit")

    def _collected(self, loader, given, size, expected: int, progress) -> list[torch.Tensor]:
        """Return the patches of all images for each layer, (N * h * w, D), image by image."""
        from synthgen.torch.features import as_vectors

        tables = []
        for channels, height, width in self._shapes(size):
            tables.append(Rows(expected * height * width, channels, self.device))

        given = expecting(given, expected, lambda seen: self._check(seen, size))
        with image_progress(progress, loader) as bar:
            for images in given:
                for table, maps in zip(tables, self._features(images), strict=True):
                    table.append(as_vectors(maps))
                bar.advance(len(images))
        return [table.filled() for table in tables]

    def _train(self, tables: list[torch.Tensor], progress) -> None:
        """Train the flows, an epoch of each in turn: no layer knows of another, and a deadline is fair to all."""
        import torch

        from synthgen.torch.course import Course, steps_in_epoch

        settings = self.settings
        optimizer = torch.optim.Adam(self.flows.parameters(), settings.rate)
        lengths = [steps_in_epoch(len(table), settings.patches) for table in tables]
        steps = settings.epochs * sum(lengths)
        course = Course(self.flows, optimizer, steps, settings.seed, self.kind, self.kept_in, tables, progress)
        with course:
            for step in course:
                number, of_flow = _place_in(lengths, step)
                course.descend(self._loss(number, tables[number], of_flow))
        self.flows.requires_grad_(False)
        self.history = course.history

    def _loss(self, number: int, table: torch.Tensor, step: int) -> torch.Tensor:
        """Return the loss of a flow on the patches of one of its steps."""
        import torch

        from synthgen.torch.course import shuffled

        settings = self.settings
        places = shuffled(len(table), settings.patches, settings.seed, f"cflow.patches.{number}", step)
        chosen = torch.from_numpy(places).to(self.device)
        codes = self.codes[number]
        return self._flows()[number].scores(table[chosen], codes[chosen % len(codes)]).mean()

    def _scores(self, features):
        from synthgen.torch.features import as_vectors

        scores = []
        for maps, flow, codes in zip(features, self.flows, self.codes, strict=True):
            count, _, height, width = maps.shape
            found = flow.scores(as_vectors(maps), codes.repeat(count, 1)).detach()
            scores.append(found.view(count, height, width))
        return None, scores

    def _pixel_maps(self, patch_scores, size: tuple[int, int]):
        import torch

        from synthgen.torch.features import enlarged
        from synthgen.torch.models.scoring import smoothed, with_border

        layers = []
        for scores, grid in zip(patch_scores, self.grids(size), strict=True):
            whole = with_border(scores, grid[2]).unsqueeze(1)
            layers.append(enlarged(whole, size, self.settings.interpolation).squeeze(1))
        return smoothed(torch.stack(layers).sum(0), self.settings.sigma)

    def local_scores(self, reference, places):
        """Return the scores of each layer's places as functions of the images; see `AnomalyModel.local_scores`."""
        rows_of = self._local_rows(reference, places)
        codes = []
        for each, of_layer in zip(places, self.codes, strict=True):
            place = each.flatten(1).nonzero()[:, 1]
            codes.append(of_layer[place])

        def scores(images):
            layers = zip(self.flows, rows_of(images), codes, strict=True)
            return [flow.scores(rows, code) for flow, rows, code in layers]

        return scores


def _place_in(lengths: list[int], step: int) -> tuple[int, int]:
    """Return which of several trainings a step belongs to, an epoch of each in turn, and its number there.

    Parameters
    ----------
    lengths : list of int
        Steps of an epoch, of each training.
    step : int
    """
    epoch, within = divmod(step, sum(lengths))
    number = 0
    while within >= lengths[number]:
        within -= lengths[number]
        number += 1
    return number, epoch * lengths[number] + within


MODEL = Cflow
