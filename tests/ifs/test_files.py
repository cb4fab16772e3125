"""Systems of the user's own: three ways to write them, one meaning."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.ifs import load_systems, sample_system


@settings(max_examples=25)
@given(st.lists(st.integers(2, 8), min_size=1, max_size=5), st.integers(0, 2**32))
def test_json_and_npz_give_the_systems_that_were_written(tmp_path_factory, sizes, seed):
    folder = tmp_path_factory.mktemp("systems")
    rng = np.random.default_rng(seed)
    written = [sample_system(rng, size).maps for size in sizes]
    (folder / "a.json").write_text(json.dumps([maps.tolist() for maps in written]))
    np.savez(folder / "a.npz", maps=np.concatenate(written), counts=sizes)
    np.savez(folder / "same.npz", maps=np.stack([written[0]] * 3))

    for name in ("a.json", "a.npz"):
        found = load_systems(folder / name)
        assert all(np.array_equal(a.maps, b) for a, b in zip(found, written, strict=True))
    assert [system.maps.tolist() for system in load_systems(folder / "same.npz")] == [written[0].tolist()] * 3


def test_a_file_that_changed_is_read_again(tmp_path):
    path = tmp_path / "a.npz"
    for count in (1, 3):
        np.savez(path, maps=np.zeros((count, 2, 2, 3)))
        assert len(load_systems(path)) == count


def test_a_pickle_is_never_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", maps=np.array([{"a": 1}], object))
    with pytest.raises(UsageError, match=r"a.npz: systems must be readable, got: .*allow_pickle"):
        load_systems(tmp_path / "a.npz")
