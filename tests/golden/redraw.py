"""Draws the golden data sets of the format's version anew and prints their content digests.

    python tests/golden/redraw.py

Only for a version that has not been released: golden data sets of released versions never change.
"""

import shutil
from pathlib import Path

import synthgen
from synthgen.recipe import Recipe

HERE = Path(__file__).parent
VALUES = {
    "name": "golden", "family": "fractals", "classes": 2, "per_class": 3, "size": 32, "points": 2000, "systems": 2,
    "maps": [2, 4], "patch": True,
}  # fmt: skip


def main() -> None:
    for storage in ("hdf5", "webdataset"):
        folder = HERE / f"v1-{storage}"
        recipe = Recipe.from_dict({**VALUES, "storage": {"format": storage, "shard_size": 4}})
        shutil.rmtree(folder, ignore_errors=True)
        synthgen.generate(recipe, folder, workers=0, progress=False)
        print(f'    "{folder.name}": "{synthgen.verify(folder, pixels=True).digest}",')


if __name__ == "__main__":
    main()
