"""The samples of a recipe, drawn when they are asked for."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.utils import data

from synthgen import families
from synthgen.recipe import load_recipe
from synthgen.run.draw import draw_sample
from synthgen.run.plan import make_plan
from synthgen.sample import Sample, semantic_map
from synthgen.torch.data.changes import Changes
from synthgen.torch.data.items import SEMANTIC, ClassNames, check_fields, make_item
from synthgen.torch.data.planes import channels_first


class LiveDataset(ClassNames, data.Dataset):
    """The samples of a recipe, map style, drawn when they are asked for: sample `i` is ``(image, label, *fields)``.

    They are equal to those that its shards would hold, in the same order, where the codec is lossless.

    Parameters
    ----------
    recipe : Recipe, str or Path
        As for `synthgen.load_recipe`.
    transform, fields, transforms
        As for `ShardDataset`.

    Attributes
    ----------
    classes, class_to_idx, targets
        As for `ShardDataset`.

    Raises
    ------
    UsageError
        If the recipe breaks a rule, or its samples have no such field.

    Notes
    -----
    Each worker of a loader loads, or compiles, what it draws with. Keep them from one epoch to the next by
    ``DataLoader(.., persistent_workers=True)``, or that is done in every epoch.
    """

    def __init__(
        self,
        recipe,
        transform: Callable | None = None,
        fields: Sequence[str] = (),
        transforms: Callable | None = None,
    ):
        whole = load_recipe(recipe)
        self.plan = make_plan(whole)
        self._places = self.plan.run.arrangement
        self._fields = check_fields(fields, self.plan.run.fields)
        self._transform = Changes(transform, transforms, self._fields)
        self._table: list[dict] | None = None

    def __len__(self) -> int:
        return self.plan.run.count

    def __getitem__(self, i: int) -> tuple:
        sample = self.sample(i)
        planes = channels_first(sample.pixels)
        image = torch.from_numpy(planes)
        fields = [self._field(sample, name) for name in self._fields]
        return make_item(image, sample.label, fields, self._transform)

    def sample(self, i: int) -> Sample:
        """Return the sample at a position, with all fields and its parameters."""
        label, index = self._class_and_index(i)
        return draw_sample(self.plan.recipe, label, index)

    def _class_and_index(self, i: int) -> tuple[int, int]:
        """Return class and index of the sample at a position, counted from the end if it is negative."""
        count = len(self)
        if not -count <= i < count:
            raise IndexError(f"sample {i} of {count}")
        position = i % count
        label, index = self._places.samples(position)
        return int(label), int(index)

    def _field(self, sample, name: str) -> torch.Tensor:
        if name == SEMANTIC:
            values = semantic_map(sample.fields["instances"], sample.params["objects"])
        else:
            values = sample.fields[name]
        return torch.from_numpy(np.ascontiguousarray(values))

    def _class_table(self) -> list[dict]:
        if self._table is None:
            recipe = self.plan.recipe
            family = families.load(recipe.family)
            labels = range(recipe.classes)
            self._table = [family.describe_class(recipe.options, recipe.seed, label) for label in labels]
        return self._table

    def _run_record(self):
        return self.plan.run
