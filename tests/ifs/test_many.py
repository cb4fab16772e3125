"""Many systems in one call are the systems that are drawn one by one."""

import numpy as np
import pytest

from synthgen import ifs, philox
from synthgen.errors import UsageError
from synthgen.ifs import many
from synthgen.seeding import generator

SYSTEMS = 40
LABELS = np.arange(SYSTEMS)
INDICES = LABELS % 7


def words(name, count):
    return philox.words(5, LABELS, INDICES, name, count)


def generators(name):
    return [generator(5, label, index, name) for label, index in zip(LABELS, INDICES, strict=True)]


def sampled(maps=(2, 4)):
    return many.sample_systems(words("system", many.WORDS_OF_SYSTEM), maps, ifs.system.GOOD_SIGMA)


@pytest.mark.parametrize("maps", [(2, 4), (3, 3), (2, 8)])
def test_systems_are_those_of_their_streams(maps):
    drawn, lengths = sampled(maps)
    for row, length, rng in zip(drawn, lengths, generators("system"), strict=True):
        assert np.array_equal(row[:length], ifs.sample_system(rng, maps).maps)


def test_systems_are_scaled_as_their_streams_say():
    drawn, lengths = sampled()
    before = [ifs.System(row[:length]) for row, length in zip(drawn, lengths, strict=True)]
    many.scale_systems(words("variation", many.WORDS_OF_SCALING), drawn, lengths)
    pairs = zip(before, generators("variation"), strict=True)
    scaled = [ifs.scale_system(rng, system) for system, rng in pairs]

    assert sum(one is not other for one, other in zip(before, scaled, strict=True)) > SYSTEMS / 2
    for row, system in zip(drawn, scaled, strict=True):
        assert np.array_equal(row[: len(system.maps)], system.maps)


def games(**changes):
    drawn, lengths = sampled()
    rng = np.random.default_rng(0)
    made = many.Games(
        maps=drawn,
        lengths=lengths,
        seeds=rng.integers(0, 2**64, SYSTEMS, np.uint64),
        patches=rng.integers(0, 512, SYSTEMS),
        orientations=rng.integers(0, 8, SYSTEMS),
        windows=rng.uniform(0.5, 1.5, (SYSTEMS, 4)),
    )
    return made._replace(**changes)


def test_counts_and_levels_are_those_of_single_games():
    played = games()
    counts = many.densities(played, (40, 56), 900)
    for k, image in enumerate(counts):
        maps, length, seed, patch, orientation, window = (values[k] for values in played)
        one = ifs.density(
            ifs.System(maps[:length]),
            (40, 56),
            900,
            int(seed),
            patch=int(patch),
            window=window,
            orientation=int(orientation),
        )
        assert np.array_equal(image, one)

    for least in (0, 64):
        singly = [ifs.gray_levels(image, least) for image in counts]
        assert np.array_equal(many.gray_levels_of(counts, least), singly)


def test_points_that_run_to_infinity_are_refused():
    drawn, _ = sampled()
    wandering = games(maps=20 * drawn)
    with pytest.raises(UsageError, match="must have maps that contract"):
        many.densities(wandering, (16, 16), 5000)
