"""Which texture a pixel lies on."""

import numpy as np
import pytest
import torch

from synthgen.recipe import Recipe
from synthgen.torch.data import LiveDataset
from synthgen.torch.pretrain import regions
from synthgen.torch.pretrain.regions import RegionImages, texture_map


def record(number, kind, **params):
    return {"id": number, "kind": kind, "params": params}


def test_objects_of_a_source_class_have_it_and_nothing_lies_behind_them():
    instances = np.array([[0, 1], [2, 2]], np.uint8)
    objects = [record(1, "fractal", source_class=7), record(2, "fractal", source_class=0)]
    assert texture_map(instances, objects).tolist() == [[-1, 7], [0, 0]]


def test_other_objects_are_told_apart_by_their_kind_and_from_the_background():
    instances = np.array([[0, 1], [2, 300]], np.uint16)
    objects = [record(1, "scratch"), record(2, "stain"), record(300, "scratch")]
    (behind, scratch), (stain, other) = texture_map(instances, objects).tolist()
    assert scratch == other
    assert len({behind, scratch, stain}) == 3
    assert min(behind, scratch, stain) >= 0
    assert texture_map(np.zeros((1, 1), np.uint8), []).tolist() == [[behind]]


def test_drawn_images_are_kept_while_there_is_room(monkeypatch):
    recipe = Recipe.from_dict({
        "family": "multiformula", "source": "fractals", "source_classes": 4, "groups": 2, "classes": 2,
        "per_class": 3, "size": 32, "systems": 1, "points": 500, "objects": "1:2",
    })  # fmt: skip
    dataset = LiveDataset(recipe)
    drawn = []
    plain = LiveDataset.sample
    monkeypatch.setattr(LiveDataset, "sample", lambda self, i: drawn.append(i) or plain(self, i))
    image_bytes = 3 * 32 * 32 + 4 * 32 * 32

    for room, expected in ((10 * image_bytes, [0, 1]), (image_bytes, [0, 1, 1])):
        drawn.clear()
        monkeypatch.setattr(regions, "available_bytes", lambda room=room: room / regions._KEPT_SHARE)
        images = RegionImages(dataset)
        for position in (0, 1, 0, 1):
            images[position]
        assert drawn == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_images_are_drawn_beforehand_while_there_is_room(monkeypatch, workers):
    recipe = Recipe.from_dict({
        "family": "multiformula", "source": "fractals", "source_classes": 4, "groups": 2, "classes": 2,
        "per_class": 3, "size": 32, "systems": 1, "points": 500, "objects": "1:2",
    })  # fmt: skip
    image_bytes = 3 * 32 * 32 + 4 * 32 * 32
    monkeypatch.setattr(regions, "available_bytes", lambda: 2 * image_bytes / regions._KEPT_SHARE)
    monkeypatch.setattr(regions, "_DRAWN_TOGETHER", 1)
    images = RegionImages(LiveDataset(recipe))
    images.draw([4, 1, 3], {"num_workers": workers})
    assert sorted(images._kept) == [1, 4]
    fresh = RegionImages(LiveDataset(recipe))
    for position in (1, 4, 3):
        assert all(map(torch.equal, images[position], fresh[position]))


@pytest.mark.parametrize("instances", [np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8)])
def test_one_texture_everywhere_takes_no_room(instances):
    textures = torch.from_numpy(texture_map(instances, [record(1, "a", source_class=3)]))
    kept = regions._compact(textures)
    assert torch.equal(kept, textures)
    assert kept.untyped_storage().nbytes() == 4
