"""In-painting: nothing outside changes, and what is smooth goes on."""

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.torch.refinement.inpaint import inpainted, most_similar


@pytest.mark.parametrize("size", [(40, 56), (150, 131)])
def test_a_ramp_goes_on_through_the_region(size):
    rows, columns = np.mgrid[: size[0], : size[1]]
    ramp = np.stack([rows / size[0], columns / size[1], (rows + columns) / sum(size)], axis=2)
    region = np.zeros(size, bool)
    region[15:30, 20:34] = True
    broken = np.where(region[..., None], 0.0, ramp)
    filled = inpainted(broken, region)
    np.testing.assert_allclose(filled, ramp, atol=0.02)
    assert (filled[~region] == ramp[~region].astype(np.float32)).all()


def test_the_most_similar_normal_image_is_taken():
    rng = np.random.default_rng(0)
    normal = rng.random((3, 12, 12, 3))
    region = np.zeros((12, 12), bool)
    region[2:6, 2:6] = True
    image = normal[1].copy()
    image[region] = 9
    np.testing.assert_array_equal(most_similar(image, region, normal), normal[1].astype(np.float32))
    with pytest.raises(UsageError, match=r"normal must be images \(N, 12, 12, 3\)"):
        most_similar(image, region, normal[:, 1:])
