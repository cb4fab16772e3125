"""Depth and normals as RGB PNG: what is rounded, and that it is rounded once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.sample import FieldSpec
from synthgen.shards.codecs import DEPTH_UNIT, as_stored, decode, encode


@given(st.integers(0, 2**32))
def test_depth_is_rounded_to_its_unit(seed):
    rng = np.random.default_rng(seed)
    depth = np.where(rng.random((6, 7)) < 0.5, rng.random((6, 7)) * 7.9, np.inf).astype(np.float32)
    back = as_stored(depth, "depth")
    hit = np.isfinite(depth)
    assert np.array_equal(np.isfinite(back), hit)
    assert np.abs(back[hit] - depth[hit]).max(initial=0) <= DEPTH_UNIT
    assert np.array_equal(as_stored(back, "depth"), back)


@given(st.integers(0, 2**32))
def test_normals_stay_unit_vectors(seed):
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=(5, 6, 3)).astype(np.float32)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    normal[rng.random((5, 6)) < 0.3] = 0
    back = as_stored(normal, "normal")
    hit = normal.any(axis=-1)
    assert np.array_equal(back.any(axis=-1), hit)
    assert np.allclose(np.linalg.norm(back[hit], axis=-1), 1, atol=0.01)
    assert np.abs(back - normal).max() < 0.01
    assert np.array_equal(as_stored(back, "normal"), back)


@pytest.mark.parametrize(("kind", "shape"), [("depth", (8, 9)), ("normal", (8, 9, 3))])
def test_encoding_keeps_what_is_stored(kind, shape):
    rng = np.random.default_rng(1)
    value = rng.random(shape).astype(np.float32)
    if kind == "normal":
        value /= np.linalg.norm(value, axis=-1, keepdims=True)
    value = as_stored(value, kind)
    assert np.array_equal(decode(encode(value, "png", kind), FieldSpec("float32", shape, kind)), value)


def test_the_codes_are_those_of_the_specification():
    # literals from FORMAT.md: 16 * 256 / 8192 = 0.5, and 255 is +1, 1 is -1
    depth = decode(
        encode(np.array([[[16, 0, 0], [0, 0, 0]]], np.uint8), "png"), FieldSpec("float32", (1, 2), "depth")
    )
    assert depth.tolist() == [[0.5, np.inf]]
    pixels = np.array([[[255, 128, 128], [128, 1, 128], [128, 128, 128]]], np.uint8)
    normal = decode(encode(pixels, "png"), FieldSpec("float32", (1, 3, 3), "normal"))
    assert normal.tolist() == [[[1, 0, 0], [0, -1, 0], [0, 0, 0]]]
