"""Tar shards of strangers: anything but the members that FORMAT.md lists is refused."""

import io
import tarfile

import pytest

import synthgen
from synthgen.errors import FormatError


@pytest.fixture
def folder(make_recipe, tmp_path):
    synthgen.generate(make_recipe(storage={"format": "webdataset"}), tmp_path / "d", workers=0, progress=False)
    return tmp_path / "d"


def rewrite(folder, change):
    """Write the first shard again by tarfile, each (info, data) passed through `change`."""
    path = folder / "shards" / "train-000000.tar"
    with tarfile.open(path) as old:
        members = [(m, old.extractfile(m).read()) for m in old.getmembers()]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as new:
        for k, (info, data) in enumerate(members):
            info, data = change(k, info, data)
            info.size = len(data)
            new.addfile(info, io.BytesIO(data))
    raw = path.read_bytes()
    path.write_bytes(raw.rstrip(b"\0") + bytes(-len(raw.rstrip(b"\0")) % 512) + bytes(1024))


def renamed(name):
    def change(k, info, data):
        if k == 4:
            info.name = name(info.name)
        return info, data

    return change


def linked(k, info, data):
    if k == 4:
        info.type, info.linkname, data = tarfile.SYMTYPE, "/etc/passwd", b""
    return info, data


CHANGES = {
    "a member outside": renamed(lambda name: "../" + name),
    "an absolute member": renamed(lambda name: "/tmp/" + name),
    "a member of another sample": renamed(lambda name: "c000009-i00000009" + name[17:]),
    "another ending": renamed(lambda name: name.replace(".png", ".pkl")),
    "digits of another script": renamed(lambda name: "c00000\u0661" + name[7:]),
    "a link": linked,
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_members_are_refused(folder, change):
    rewrite(folder, CHANGES[change])
    with pytest.raises(FormatError, match=r"train-000000\.tar"):
        synthgen.open(folder)[0]


def test_shards_of_plain_tarfile_are_read(folder):
    before = synthgen.open(folder)[3]
    rewrite(folder, lambda k, info, data: (info, data))
    assert (synthgen.open(folder)[3].image == before.image).all()


def test_a_manifest_that_promises_more_samples_takes_no_memory(folder):
    import json

    path = folder / "dataset.json"
    values = json.loads(path.read_text())
    values.update(count=10**12, classes=10**6, per_class=10**6, shard_size=10**12, shards=1)
    values["shard_list"] = [{**values["shard_list"][0], "count": 10**12}]
    values["splits"] = {"train": [values["shard_list"][0]["name"]]}
    path.write_text(json.dumps(values))
    with pytest.raises(FormatError, match="bytes or more"):
        synthgen.open(folder)[0]
    assert not synthgen.verify(folder).ok
