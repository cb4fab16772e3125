"""PaDiM: batches, channels, sizes."""

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.torch.models import PaDiM


def test_padim_does_not_depend_on_batches_and_refuses_other_sizes(backbone, images):
    whole, single = (PaDiM(backbone, channels=10).fit(images.split(n)) for n in (8, 1))
    np.testing.assert_allclose(whole.predict(images)[1], single.predict(images)[1], rtol=2e-3)
    assert len(whole.subset) == len(set(whole.subset.tolist())) == 10
    with pytest.raises(UsageError, match="images must be 64 x 64"):
        whole.predict(images[:, :, :32])
