"""AnomalyGen: images with masks, and pairs of a normal image with a mask."""

import json

import numpy as np
from PIL import Image

from synthgen.layouts.export import export


def test_every_mask_is_paired_with_a_normal_image_of_its_size(plates, tmp_path):
    export("anomalygen", plates, tmp_path / "out", category="plate")
    out = tmp_path / "out"
    pairs = [json.loads(line) for line in (out / "pairs.jsonl").read_text().splitlines()]
    assert {pair["mask"] for pair in pairs} == {p.relative_to(out).as_posix() for p in out.glob("plate/mask/*/*")}
    for pair in pairs:
        mask = np.asarray(Image.open(out / pair["mask"])) > 0
        clean = np.asarray(Image.open(out / pair["normal"]))
        name = pair["mask"].replace("/mask/", "/anomaly_image/").replace("_mask.png", ".png")
        defect = np.asarray(Image.open(out / name))
        assert mask.shape == clean.shape == defect.shape
        assert (clean[mask] != defect[mask]).any()
