"""PatchCore: which patches it keeps, and how many images fit."""

import numpy as np
import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch.features import as_vectors
from synthgen.torch.models import PatchCore


def test_patchcore_keeps_patches_of_the_images(backbone, images):
    model = PatchCore(backbone, coreset=37).fit(images.split(3))
    patches = torch.cat([as_vectors(model.features(part)) for part in images.split(3)])
    assert model.bank.shape == (37, patches.shape[1])
    assert (model.bank[:, None] == patches).all(2).any(1).all()
    everything = PatchCore(backbone, coreset=1.0, neighbours=1).fit([images])
    np.testing.assert_allclose(everything.predict(images)[0], 0, atol=1e-3)


def test_patchcore_takes_images_whose_number_is_not_known(backbone, images):
    lines = []
    streamed = PatchCore(backbone).fit((part for part in images.split(3)), log=lines.append)
    torch.testing.assert_close(streamed.bank, PatchCore(backbone).fit(images.split(3)).bank)
    assert len(lines) == 1
    short = PatchCore(backbone, memory=PatchCore(backbone).needed_bytes(2, (64, 64)) - 1)
    with pytest.raises(UsageError, match=r"3 images of 64 x 64 .*; 1 images would fit"):
        short.fit(part for part in images.split(3))


def test_patchcore_says_how_many_images_fit(backbone, images):
    limit = PatchCore(backbone).needed_bytes(5, (64, 64))
    with pytest.raises(UsageError, match=r"8 images of 64 x 64 .*; 5 images would fit"):
        PatchCore(backbone, memory=limit).fit([images])
    assert PatchCore(backbone, memory=limit).fit([images[:5]]).fitted
    with pytest.raises(UsageError, match="coreset must be at most the 512 patches of the images, got 513"):
        PatchCore(backbone, coreset=513).fit([images])
