"""What features tell of a backbone: neighbors of one class, directions, compact classes."""

import numpy as np
import pytest
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from synthgen.errors import UsageError
from synthgen.metrics.features import effective_dimensions, intraclass_compactness, knn_accuracy

RNG = np.random.default_rng(0)  # test data only
LABELS = np.repeat([3, 5, 9], 12)


def clusters(spread):
    """Return features of three classes, each around a direction of its own."""
    centers = np.repeat(np.eye(3, 8), 12, axis=0)
    return centers + spread * RNG.normal(size=(36, 8))


def test_neighbors_vote_as_in_scikit_learn():
    features = clusters(0.6)
    model = KNeighborsClassifier(5, metric="cosine")
    expected = cross_val_score(model, features, LABELS, cv=LeaveOneOut()).mean()
    assert knn_accuracy(features, LABELS, neighbors=5) == pytest.approx(expected)
    assert knn_accuracy(clusters(0.01), LABELS, neighbors=5) == 1


def test_dimensions_are_one_on_a_line_and_all_where_directions_are_alike():
    line = RNG.normal(size=(50, 1)) @ RNG.normal(size=(1, 6)) + 4
    assert effective_dimensions(line) == pytest.approx(1)
    assert effective_dimensions(np.vstack([np.eye(6), -np.eye(6)])) == pytest.approx(6)
    assert effective_dimensions(np.ones((4, 3))) == 0


def test_compactness_is_the_mean_cosine_of_pairs_of_one_class():
    features = clusters(0.5)
    centered = features - features.mean(axis=0)
    unit = centered / np.linalg.norm(centered, axis=1, keepdims=True)
    means = []
    for label in np.unique(LABELS):
        own = unit[label == LABELS]
        means.append(np.mean([own[i] @ own[j] for i in range(12) for j in range(12) if i != j]))
    assert intraclass_compactness(features, LABELS) == pytest.approx(np.mean(means))
    assert intraclass_compactness(clusters(1e-6), LABELS) == pytest.approx(1, abs=1e-3)
    assert abs(intraclass_compactness(RNG.normal(size=(36, 8)), LABELS)) < 0.1


@pytest.mark.parametrize("metric", [knn_accuracy, intraclass_compactness])
def test_features_without_their_labels_are_refused(metric):
    with pytest.raises(UsageError, match=r"^features must be \(N, D\) of two images or more, with N labels"):
        metric(np.ones((3, 2)), np.ones(2))
