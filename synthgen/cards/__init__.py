"""Cards of data sets: a ``README.md`` that Hugging Face reads, and ``croissant.json`` for MLCommons' Croissant.

`synthgen.run.generate` writes both when a data set is finished, without a creator. `write_card` writes them with
what a publisher has to add.
"""

from synthgen.cards.details import Details
from synthgen.cards.writing import (
    CARD,
    CROISSANT,
    MAX_CARD,
    is_beside_data,
    unchanged_cards,
    write_card,
    write_first_card,
)

__all__ = [
    "CARD",
    "CROISSANT",
    "MAX_CARD",
    "Details",
    "is_beside_data",
    "unchanged_cards",
    "write_card",
    "write_first_card",
]
