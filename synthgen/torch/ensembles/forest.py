"""A forest that tells drawn defects from normal pixels by the scores of all members (Breiman 2001).

It is grown by scikit-learn and kept as plain numbers: complete trees of one depth, so that a file holds no code.
"""

import numpy as np
import torch

from synthgen.seeding import generator

TREES = 32
DEPTH = 5
_INNER = 2**DEPTH - 1
_LEAVES = 2**DEPTH
# Rows of each class that a forest is grown on.
_ROWS = 50_000
_LEAST_IN_LEAF = 10
# Where a tree ends early all scores go left.
_ALL_LEFT = float(np.finfo(np.float32).max)
#: Numbers of a forest: of each inner node a member and a threshold, and of each leaf a share of defects.
LENGTH = TREES * (2 * _INNER + _LEAVES)


def grown(normal: torch.Tensor, defects: torch.Tensor, seed: int) -> torch.Tensor:
    """Return a forest, (LENGTH,), of the scores of all members on normal pixels (M, N) and on defects (M, K)."""
    from sklearn.ensemble import RandomForestClassifier

    rng = generator(seed, 0, 0, "ensembles.forest")
    rows = [_some(scores, rng) for scores in (normal, defects)]
    labels = np.repeat([0, 1], [len(each) for each in rows])
    forest = RandomForestClassifier(
        TREES,
        max_depth=DEPTH,
        min_samples_leaf=_LEAST_IN_LEAF,
        class_weight="balanced",
        random_state=int(rng.integers(2**31)),
    )
    forest.fit(np.concatenate(rows), labels)
    trees = [_complete(each.tree_) for each in forest.estimators_]
    return torch.from_numpy(np.concatenate(trees).astype(np.float32))


def _some(scores: torch.Tensor, rng: np.random.Generator) -> np.ndarray:
    """Return the scores of some pixels as rows, (n, M)."""
    rows = scores.T.cpu().numpy()
    if len(rows) <= _ROWS:
        return rows
    return rows[rng.choice(len(rows), _ROWS, replace=False)]


def _complete(tree) -> np.ndarray:
    """Return a tree of scikit-learn as a complete one: members, thresholds, shares."""
    members = np.zeros(_INNER)
    thresholds = np.full(_INNER, _ALL_LEFT)
    shares = np.zeros(_LEAVES)

    nodes = [0]  # of the tree, at the places of a level
    for level in range(DEPTH):
        below = []
        for number, node in enumerate(nodes):
            place = 2**level - 1 + number
            left = tree.children_left[node]
            right = tree.children_right[node]
            if left < 0:  # a leaf, which is handed down
                below += [node, node]
                continue
            members[place] = tree.feature[node]
            thresholds[place] = tree.threshold[node]
            below += [left, right]
        nodes = below

    for number, node in enumerate(nodes):
        counts = tree.value[node, 0]
        shares[number] = counts[1] / counts.sum()
    return np.concatenate([members, thresholds, shares])


def shares(scores: torch.Tensor, forest: torch.Tensor) -> torch.Tensor:
    """Return the mean over the trees of the share of defects, (..), of scores (M, ..)."""
    rows = scores.flatten(1)
    total = torch.zeros(rows.shape[1], device=rows.device)
    for tree in forest.to(rows.device).view(TREES, -1):
        members, thresholds, of_leaves = tree.split([_INNER, _INNER, _LEAVES])
        place = torch.zeros(rows.shape[1], dtype=torch.int64, device=rows.device)
        for _ in range(DEPTH):
            member = members.long()[place]
            score = rows.gather(0, member.unsqueeze(0))[0]
            goes_right = score > thresholds[place]
            place = 2 * place + 1 + goes_right
        total += of_leaves[place - _INNER]
    mean = total / TREES
    return mean.view(scores.shape[1:])
