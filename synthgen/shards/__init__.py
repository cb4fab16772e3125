"""The file format: writers, readers, verification. FORMAT.md in this folder is the specification."""

from synthgen.shards.dataset import Dataset, open_dataset
from synthgen.shards.verify import Verification, verify

__all__ = ["Dataset", "Verification", "open_dataset", "verify"]
