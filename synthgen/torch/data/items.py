"""What the data sets share: the form of an item, the names of fields, the names and labels of classes."""

from collections.abc import Sequence

import numpy as np

from synthgen.errors import UsageError, did_you_mean
from synthgen.torch.data.changes import Changes

# A field that is not stored: it is made of `instances` and the parameters.
SEMANTIC = "semantic"


def make_item(image, label: int, fields: list, changes: Changes) -> tuple:
    """Return (image, label, *fields), as the user's transforms leave them."""
    image, fields = changes(image, fields)
    return (image, label, *fields)


def check_fields(fields: Sequence[str], known: dict) -> tuple[str, ...]:
    """Return the names of the fields to return after the label.

    Raises
    ------
    UsageError
        If a name is not among the `known` fields of the data set.
    """
    names = (fields,) if isinstance(fields, str) else tuple(fields)
    offered = [name for name in known if name != "image"]
    if "instances" in known:
        offered.append(SEMANTIC)

    for name in names:
        if name not in offered:
            raise UsageError(
                f"fields must be among {', '.join(offered)}, got {name!r}{did_you_mean(name, offered)}"
            )
    return names


class ClassNames:
    """Names and labels of the classes, under the names that torchvision's data sets use."""

    def _class_table(self) -> list[dict]:
        """Return the rows of the class table, in the order of their ids."""
        raise NotImplementedError

    def _run_record(self):
        """Return the `RunRecord` of the data set."""
        raise NotImplementedError

    @property
    def classes(self) -> list[str]:
        """Name of each class, by label."""
        return [row["name"] for row in self._class_table()]

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Label of each class, by name."""
        return {name: label for label, name in enumerate(self.classes)}

    @property
    def targets(self) -> list[int]:
        """Label of each sample in stored order; no image is read for it."""
        record = self._run_record()
        labels, _ = record.arrangement.samples(np.arange(record.count))
        return labels.tolist()
