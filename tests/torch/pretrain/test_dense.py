"""The objective dense: its loss beside a slow twin, and what counts as a place of a texture."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthgen.torch.pretrain import make_options
from synthgen.torch.pretrain.dense import (
    DenseOutputs,
    build_dense,
    class_loss,
    dense_loss,
    prototype_loss,
    pure_labels,
    renumbered,
)

ARCH = "test_efficientnet"


def slow_pure_labels(labels, places, purity):
    """Count the labels of each place; sizes are multiples."""
    height, width = labels.shape[0] // places[0], labels.shape[1] // places[1]
    found = np.full(places, -1)
    for row in range(places[0]):
        for column in range(places[1]):
            cell = labels[row * height : (row + 1) * height, column * width : (column + 1) * width]
            values, counts = np.unique(cell, return_counts=True)
            if counts.max() / cell.size >= purity:
                found[row, column] = values[counts.argmax()]
    return found


@given(st.integers(0, 10**6), st.sampled_from([0.51, 0.75, 0.95, 1.0]))
def test_a_place_has_a_label_where_one_texture_covers_it(seed, purity):
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1, 0, 7, 2**31 - 1], (12, 16), p=[0.05, 0.05, 0.05, 0.85]).astype(np.int32)
    labels[:6, :8] = -1
    found = pure_labels(torch.from_numpy(labels)[None], (3, 4), purity)
    assert np.array_equal(found[0].numpy(), slow_pure_labels(labels, (3, 4), purity))


def test_maps_that_do_not_divide_the_image_have_labels_too():
    labels = torch.zeros(1, 10, 10, dtype=torch.int32)
    labels[:, 5:] = 2**31 - 1
    found = pure_labels(labels, (2, 3), 0.95)
    assert found.tolist() == [[[0, 0, 0], [2**31 - 1] * 3]]


def slow_loss(embeddings, labels, temperature):
    """Go through the places one by one."""
    images, _, height, width = embeddings.shape
    rows = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    losses, hits = [], []
    for image in range(images):
        prototypes = {}
        for texture in np.unique(labels[labels >= 0]):
            members = [
                rows[other, :, y, x]
                for other in range(images)
                for y in range(height)
                for x in range(width)
                if other != image and labels[other, y, x] == texture
            ]
            if members:
                mean = np.sum(members, axis=0)
                prototypes[texture] = mean / np.linalg.norm(mean)
        for y in range(height):
            for x in range(width):
                wanted = labels[image, y, x]
                if wanted < 0 or wanted not in prototypes:
                    continue
                scores = {
                    texture: rows[image, :, y, x] @ mean / temperature for texture, mean in prototypes.items()
                }
                total = math.log(sum(map(math.exp, scores.values())))
                losses.append(total - scores[wanted])
                hits.append(max(scores, key=scores.get) == wanted)
    return np.mean(losses), np.mean(hits)


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_is_that_of_its_slow_twin(seed):
    rng = np.random.default_rng(seed)
    embeddings = rng.standard_normal((4, 6, 2, 3))
    labels = rng.integers(-1, 4, (4, 2, 3))
    loss, accuracy, _ = prototype_loss(torch.from_numpy(embeddings), torch.from_numpy(labels), 4, 0.1)
    expected, hits = slow_loss(embeddings, labels, 0.1)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(accuracy) == pytest.approx(hits, rel=1e-6)


def test_nothing_that_is_special_to_one_image_helps():
    """Textures that lie in one image each give neither loss nor gradient."""
    embeddings = torch.randn(3, 4, 2, 2, requires_grad=True)
    labels = torch.arange(3)[:, None, None].expand(3, 8, 8)
    found = dense_loss(DenseOutputs([embeddings]), labels, make_options(changes={"objective": "dense"}))
    found.loss.backward()
    assert found.loss.item() == 0
    assert found.chance == 0
    assert not embeddings.grad.any()

    options = make_options(changes={"objective": "dense", "class_weight": 1.0})
    with_classes = dense_loss(DenseOutputs([embeddings], torch.zeros(3, 3)), labels, options)
    assert with_classes.loss.item() == pytest.approx(math.log(3))
    assert with_classes.chance == 0


def test_labels_of_all_layers_get_the_same_numbers():
    labels, count = renumbered([torch.tensor([[5, -1], [9, 5]]), torch.tensor([[9]])])
    assert [each.tolist() for each in labels] == [[[0, -1], [1, 0]], [[1]]]
    assert count == 2
    labels, count = renumbered([torch.tensor([[3]])])
    assert (labels[0].tolist(), count) == ([[0]], 1)


@pytest.mark.parametrize("seed", range(5))
def test_classes_are_told_by_their_share_of_the_places(seed):
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((4, 5))
    labels = rng.integers(-1, 5, (4, 2, 3))
    labels[1] = -1
    losses = []
    for image in (0, 2, 3):
        logs = scores[image] - math.log(np.exp(scores[image]).sum())
        known = labels[image][labels[image] >= 0]
        losses.append(-np.mean(logs[known]))

    loss, guessing = class_loss(torch.from_numpy(scores), torch.from_numpy(labels))
    assert float(loss) == pytest.approx(np.mean(losses), rel=1e-5)
    assert guessing == pytest.approx(math.log(5))


def test_images_without_a_class_have_no_loss_of_classes():
    scores = torch.randn(2, 3, requires_grad=True)
    loss, guessing = class_loss(scores, torch.full((2, 4, 4), -1))
    loss.backward()
    assert (loss.item(), guessing, scores.grad.any().item()) == (0, 0, False)


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_the_loss_of_classes_counts_by_its_weight(weight):
    embeddings = torch.randn(4, 6, 2, 2)
    labels = torch.tensor([0, 0, 2, 2])[:, None, None].expand(4, 8, 8)
    scores = torch.zeros(4, 3)
    plain = make_options(changes={"objective": "dense"})
    options = make_options(changes={"objective": "dense", "class_weight": weight})
    without = dense_loss(DenseOutputs([embeddings]), labels, plain)
    found = dense_loss(DenseOutputs([embeddings], scores), labels, options)
    assert float(found.loss - without.loss) == pytest.approx(weight * math.log(3), abs=1e-5)
    assert found.chance - without.chance == pytest.approx(weight * math.log(3))


def test_all_classes_score_alike_at_first_and_are_trained():
    options = make_options(changes={"objective": "dense", "class_weight": 1.0})
    network = build_dense(ARCH, options, (64, 64), 7).train()
    _, scores = network(torch.randn(2, 3, 64, 64))
    assert scores.shape == (2, 7)
    assert not scores.any()
    assert all(weights.requires_grad for weights in network.classifier.parameters())


@pytest.mark.parametrize(("changes", "layers"), [
    ({}, (2, 3)), ({"until": 2}, (1, 2)), ({"until": 1}, (1,)), ({"layers": (1, 4)}, (1, 4)),
])  # fmt: skip
@pytest.mark.parametrize("arch", [ARCH, "test_vit"])
def test_only_the_trunk_up_to_the_last_layer_is_trained(arch, changes, layers):
    options = make_options(changes={"objective": "dense", **changes})
    network = build_dense(arch, options, (64, 64), 7).train()
    images = torch.randn(2, 3, 64, 64)
    embeddings, scores = network(images)
    assert scores is None
    assert len(embeddings) == len(layers) == len(network.heads)
    assert {each.shape[1] for each in embeddings} == {64}

    sum(each.square().mean() for each in embeddings).backward()
    for name, weights in network.named_parameters():
        assert weights.requires_grad == (weights.grad is not None), name
    # at least what comes behind the last layer
    assert not all(weights.requires_grad for weights in network.parameters())
