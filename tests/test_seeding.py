import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthgen.seeding import MAX_SEED, generator, noise_generator, noise_words

numbers = st.integers(0, 10**9)


@given(st.integers(0, MAX_SEED), numbers, numbers, st.sampled_from(["system", "image"]))
def test_a_stream_is_a_function_of_its_name(seed, label, index, name):
    assert (
        generator(seed, label, index, name).random(3).tolist()
        == generator(seed, label, index, name).random(3).tolist()
    )


def test_streams_of_different_names_differ():
    base = (7, 3, 5, "image")
    streams = [
        base,
        (8, 3, 5, "image"),
        (7, 4, 5, "image"),
        (7, 3, 6, "image"),
        (7, 3, 5, "system"),
        (7, 5, 3, "image"),
    ]
    assert len({generator(*s).integers(2**63) for s in streams}) == len(streams)


def test_streams_are_those_of_philox():
    # frozen: a change here would change every data set
    key = int.from_bytes(__import__("hashlib").blake2b(b"image", digest_size=8).digest(), "little")
    plain = np.random.Generator(
        np.random.Philox(key=np.array([7, key], dtype=np.uint64), counter=np.array([0, 0, 5, 3], dtype=np.uint64))
    )
    assert generator(7, 3, 5, "image").random(4).tolist() == plain.random(4).tolist()


@given(st.integers(0, MAX_SEED), st.integers(0, 90), st.integers(0, 40))
def test_noise_may_begin_anywhere_in_its_stream(seed, first, count):
    whole = noise_generator(seed).integers(0, 2**32, first + count, np.uint32)
    assert noise_words(seed, first, count).tolist() == whole[first:].tolist()


def test_noise_is_a_function_of_its_seed():
    assert noise_generator(2**63).random() == noise_generator(2**63).random()
    assert noise_generator(1).random() != noise_generator(2).random()
