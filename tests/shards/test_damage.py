"""Under any damage every reader gives the right sample or one error, and never another sample."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

import synthgen
import synthgen.torch as torch_data
from synthgen.errors import FormatError, SynthgenError
from synthgen.shards import manifest

CASES = {
    "hdf5": {"format": "hdf5"},
    "hdf5-stored": {"format": "hdf5", "codec": "png-stored"},
    "hdf5-jpeg": {"format": "hdf5", "codec": "jpeg"},
    "hdf5-raw": {"format": "hdf5", "codec": "raw"},
    "webdataset": {"format": "webdataset"},
    "webdataset-raw": {"format": "webdataset", "codec": "raw"},
    "webdataset-jpeg": {"format": "webdataset", "codec": "jpeg"},
}
ROWS = 9


@pytest.fixture(scope="module", params=CASES)
def whole(request, make_recipe, tmp_path_factory):
    """A data set, and its samples."""
    folder = tmp_path_factory.mktemp("whole") / request.param
    synthgen.generate(make_recipe(storage=CASES[request.param]), folder, workers=0, progress=False)
    samples = list(synthgen.open(folder))
    return folder, samples


def first_shards(folder):
    run = manifest.read_run(folder)
    return [folder / "shards" / run.shard_name(k) for k in range(run.shards)]


@st.composite
def damages(draw):
    """Yield a function that damages the shards of a folder."""
    kind = draw(st.sampled_from(["flip", "flip", "flip", "swap", "cut", "shift", "copy"]))
    place = draw(st.floats(0, 1, exclude_max=True))
    bit = draw(st.integers(0, 7))
    near_start = draw(st.booleans())

    def damage(paths):
        raw = bytearray(paths[0].read_bytes())
        at = int(place * (min(len(raw), 4096) if near_start else len(raw)))
        if kind == "flip":
            raw[at] ^= 1 << bit
        elif kind == "swap":
            raw[:] = paths[1].read_bytes()
            paths[1].write_bytes(paths[0].read_bytes())
        elif kind == "cut":
            del raw[at:]
        elif kind == "shift":
            # what an offset that is moved gives: bytes of a neighbor
            raw[at : at + 64] = raw[at + 1 : at + 65]
        elif kind == "copy":
            raw[at : at + 512] = raw[at - at % 512 : at - at % 512 + 512][: len(raw[at : at + 512])]
        paths[0].write_bytes(raw)

    return damage


def read_by_position(read):
    """Yield (position, what `read` gives) for the first two shards; errors of ours give nothing."""
    for i in range(2 * ROWS):
        try:
            yield i, read(i)
        except SynthgenError as error:
            assert "\n" not in str(error)


def read_in_order(stream):
    """Yield (position, sample) of a stream, up to the first error."""
    try:
        yield from enumerate(stream)
    except SynthgenError as error:
        assert "\n" not in str(error)


def read_by_batches(dataset, size):
    """Yield (position, sample) of the first two shards, read a batch at a time; errors of ours give nothing."""
    rng = np.random.default_rng(size)
    for order in (np.arange(2 * ROWS), rng.permutation(2 * ROWS)):
        for positions in np.array_split(order, 2 * ROWS // size):
            try:
                yield from zip(positions.tolist(), dataset.__getitems__(positions.tolist()), strict=True)
            except SynthgenError as error:
                assert "\n" not in str(error)


def collated(loader):
    """Yield (position, sample) of the batches of a loader, up to the first error."""
    try:
        yield from enumerate(item for batch in loader for item in zip(*batch, strict=True))
    except SynthgenError as error:
        assert "\n" not in str(error)


def readers_of(folder):
    """Return for each reader an iterable of (position, (image, label, mask)), channels first."""
    dataset = synthgen.open(folder)

    def of_dataset(i):
        sample = dataset[i]
        return sample.image.transpose(2, 0, 1), sample.label, sample.fields["mask"]

    shards = torch_data.ShardDataset(folder, fields=("mask",))
    with_threads = torch_data.ShardDataset(folder, fields=("mask",), threads=2)
    stream = torch_data.StreamDataset(folder, fields=("mask",))
    return {
        "Dataset": read_by_position(of_dataset),
        "ShardDataset": read_by_position(shards.__getitem__),
        "ShardDataset, batches": read_by_batches(shards, 3),
        "ShardDataset, threads": read_by_batches(with_threads, 6),
        "ShardDataset, loader": collated(DataLoader(shards, 5)),
        "StreamDataset": read_in_order(stream),
        "StreamDataset, loader": collated(DataLoader(stream, 4)),
    }


@given(damages())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_reader_gives_the_right_sample_or_an_error(whole, tmp_path_factory, damage):
    folder, samples = whole
    copy = tmp_path_factory.mktemp("damaged") / "d"
    shutil.copytree(folder, copy)
    damage(first_shards(copy))

    for reader, given_samples in readers_of(copy).items():
        for i, (image, label, mask) in given_samples:
            assert np.array_equal(image, samples[i].image.transpose(2, 0, 1)), reader
            assert label == samples[i].label, reader
            assert np.array_equal(mask, samples[i].fields["mask"]), reader
    shutil.rmtree(copy)


def shift_offsets(folder):
    import h5py

    with h5py.File(folder / "shards" / "train-000000.h5", "r+") as file:
        ends = file["mask_offsets"][:]
        file["mask_offsets"][2:4] = ends[3:5]


def flip_label(folder):
    import h5py

    with h5py.File(folder / "shards" / "train-000000.h5", "r+") as file:
        file["label"][3] += 1


def rename_key(folder):
    import h5py

    with h5py.File(folder / "shards" / "train-000000.h5", "r+") as file:
        file["key"][3] = file["key"][4]


@pytest.mark.parametrize("change", [shift_offsets, flip_label, rename_key])
def test_changes_that_hdf5_itself_makes_are_errors(make_recipe, tmp_path, change):
    synthgen.generate(make_recipe(), tmp_path / "d", workers=0, progress=False)
    change(tmp_path / "d")
    for read in (synthgen.open(tmp_path / "d"), torch_data.ShardDataset(tmp_path / "d", fields=("mask",))):
        with pytest.raises(FormatError, match=r"train-000000\.h5"):
            read[2 if change is shift_offsets else 0]


def test_a_tar_without_checksums_is_refused(make_recipe, tmp_path):
    folder = tmp_path / "d"
    synthgen.generate(make_recipe(storage={"format": "webdataset"}), folder, workers=0, progress=False)
    path = folder / "shards" / "train-000000.tar"
    raw = bytearray(path.read_bytes())
    # the owner's name is emptied, and the sum of the header follows
    total = int(raw[148:154], 8) - sum(raw[265:297])
    raw[265:297] = bytes(32)
    raw[148:156] = b"%06o\0 " % total
    path.write_bytes(raw)
    with pytest.raises(FormatError, match="must have a checksum"):
        synthgen.open(folder)[0]
