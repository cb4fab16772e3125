"""Rows of features that a network is trained on: in half precision, on disk where they are many."""

import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synthgen.errors import UsageError
from synthgen.shards.files import storage_errors
from synthgen.torch.models.bank import Rows

HALF_BYTES = 2
_SOME = 4096
_LARGEST = torch.finfo(torch.float16).max


def bytes_of(rows: int, channels: int) -> int:
    """Return the size of a table of so many rows, in bytes."""
    return HALF_BYTES * rows * channels


class KeptRows:
    """A table of rows (N, D) that is filled once, and of which rows are then taken at random.

    Parameters
    ----------
    expected : int
        Rows that will come; 0 where their number is not known.
    channels : int
    device : torch.device
        Where the rows that are taken are wanted.
    limit : float
        Bytes that the table may take in memory. A larger one lies in a temporary file, which goes when the table
        goes.
    """

    def __init__(self, expected: int, channels: int, device, limit: float):
        self.channels = channels
        self.device = device
        self.limit = limit
        self._count = 0
        self._stored: np.ndarray | None = None

        is_large = bytes_of(expected, channels) > limit
        self._file: Any = self._new_file() if is_large else None
        self._rows = Rows(0 if is_large else expected, channels, device, torch.float16)

    def __len__(self) -> int:
        return self._count

    @property
    def on_disk(self) -> bool:
        """Whether the rows lie in a file."""
        return self._file is not None

    def append(self, block: torch.Tensor) -> None:
        """Append rows (n, D).

        Raises
        ------
        UsageError
            If they are too large for half precision.
        StorageError
            If the disk is full.
        """
        largest = float(block.abs().max())
        if largest > _LARGEST:
            raise UsageError(f"features must lie within +-{_LARGEST:,.0f}, got {largest:,.0f}")

        self._count += len(block)
        if not self.on_disk and bytes_of(self._count, self.channels) > self.limit:
            self._move_to_disk()
        if self.on_disk:
            self._write(block.half())
        else:
            self._rows.append(block)

    def take(self, places: np.ndarray) -> torch.Tensor:
        """Return the rows at some places, float32 (len(places), D), on the device."""
        if not self.on_disk:
            numbers = torch.from_numpy(places).to(self.device)
            return self._rows.filled()[numbers].float()

        found = torch.from_numpy(self._mapped()[places])
        return found.to(self.device).float()

    def some(self) -> torch.Tensor:
        """Return some rows, evenly spread, by which tables are told apart."""
        count = min(self._count, _SOME)
        places = np.linspace(0, self._count - 1, count).astype(int)
        return self.take(places)

    def _move_to_disk(self) -> None:
        self._file = self._new_file()
        self._write(self._rows.filled())
        self._rows = Rows(0, self.channels, self.device, torch.float16)

    def _new_file(self):
        """Return a file without a name, which is closed when the table goes."""
        with storage_errors(_folder()):
            file = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, file.close)
        return file

    def _write(self, block: torch.Tensor) -> None:
        numbers = block.cpu().contiguous().numpy()
        with storage_errors(_folder()):
            self._file.write(numbers.data)

    def _mapped(self) -> np.ndarray:
        """Return the rows in the file."""
        if self._stored is None:
            with storage_errors(_folder()):
                self._file.flush()
            numbers = np.memmap(self._file, np.float16, "r")
            self._stored = numbers.reshape(-1, self.channels)
        return self._stored


def _folder() -> Path:
    return Path(tempfile.gettempdir())
