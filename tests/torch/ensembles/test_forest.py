"""The forest that is kept says what scikit-learn's says, also where defects are no half space."""

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier

from synthgen.torch.ensembles import forest


def test_a_forest_is_the_one_that_was_grown(monkeypatch):
    made = []

    class Watched(RandomForestClassifier):
        def fit(self, *given):
            made.append(self)
            return super().fit(*given)

    monkeypatch.setattr("sklearn.ensemble.RandomForestClassifier", Watched)
    rng = np.random.default_rng(0)
    normal = torch.from_numpy(rng.normal(0, 1, (3, 400)).astype(np.float32))
    defects = torch.from_numpy(rng.normal(0, 2, (3, 300)).astype(np.float32))
    numbers = forest.grown(normal, defects, 5)
    assert len(numbers) == forest.LENGTH
    assert torch.isfinite(numbers).all()

    expected = made[0].predict_proba(normal.T.numpy())[:, 1]
    np.testing.assert_allclose(forest.shares(normal.view(3, 20, 20), numbers).flatten(), expected, atol=1e-5)
    assert torch.equal(forest.grown(normal, defects, 5), numbers)


def test_what_lies_between_normal_scores_is_found():
    """Defects where the members disagree: no weights of a sum tell them apart."""
    rng = np.random.default_rng(1)
    normal = np.repeat(rng.normal(0, 1, (1, 2000)), 2, 0) + rng.normal(0, 0.1, (2, 2000))
    defects = rng.normal(0, 1, (2, 2000))
    defects[1] = defects[0] + 2
    normal, defects = (torch.from_numpy(each.astype(np.float32)) for each in (normal, defects))
    numbers = forest.grown(normal, defects, 0)
    assert forest.shares(defects, numbers).mean() > forest.shares(normal, numbers).mean() + 0.4
