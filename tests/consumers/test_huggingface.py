"""What Hugging Face `datasets` makes of our files. Skipped where it is not installed."""

import datasets
import numpy as np
import pyarrow
import pytest

import synthgen


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    """Keep the caches of `datasets` in the test's folder, and its bars and the network out."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def features_of(dataset, endings):
    """Return the features of a data set: the types of `params` are those of all its samples."""
    params = [dataset.params(i) for i in range(len(dataset))]
    schema = pyarrow.Table.from_pylist([{"json": values} for values in params]).schema
    columns = {ending: datasets.Image() for ending in endings}
    types = datasets.Features.from_arrow_schema(schema)
    text = datasets.Value("string")
    return datasets.Features({**columns, "cls": datasets.Value("int64"), **types, "__key__": text, "__url__": text})


def without_nulls(value):
    """Return a value without the keys that are null: tables fill in what an object does not have."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


@pytest.mark.parametrize("family", ["fractals", "multiformula", "stains"])
@pytest.mark.parametrize("streaming", [False, True])
def test_tar_shards_are_read_whole(tmp_path, family, streaming):
    from synthgen.recipe import Recipe

    classes = {} if family == "stains" else {"classes": 3}
    values = {"family": family, "per_class": 6, "size": 64, **classes, "storage": {"format": "webdataset"}}
    synthgen.generate(Recipe.from_dict(values), tmp_path / "d", workers=0, progress=False)
    ours = synthgen.open(tmp_path / "d")
    endings = ["png", *(f"{name}.png" for name in ours.manifest.fields if name != "image")]

    files = sorted(map(str, (tmp_path / "d" / "shards").glob("*.tar")))
    theirs = datasets.load_dataset(
        "webdataset", data_files={"train": files}, split="train", streaming=streaming,
        features=features_of(ours, endings), cache_dir=str(tmp_path / "cache"),
    )  # fmt: skip
    for mine, other in zip(ours, theirs, strict=True):
        assert other["__key__"] == mine.key
        assert other["cls"] == mine.label
        assert np.array_equal(np.asarray(other["png"].convert("RGB")), np.atleast_3d(mine.image) * np.ones(3, int))
        for name, value in mine.fields.items():
            assert np.array_equal(np.asarray(other[f"{name}.png"]), value)
        assert without_nulls(other["json"]) == without_nulls(mine.params)


@pytest.mark.parametrize("kind", [datasets.Dataset, datasets.IterableDataset])
def test_hdf5_shards_are_read_through_a_generator(make_recipe, tmp_path, kind):
    synthgen.generate(make_recipe(), tmp_path / "d", workers=0, progress=False)
    ours = synthgen.open(tmp_path / "d")

    def samples(path):
        import synthgen  # `datasets` pickles what a generator refers to

        for sample in synthgen.open(path):
            yield {"image": sample.image, "label": sample.label, "mask": sample.fields["mask"]}

    theirs = kind.from_generator(samples, gen_kwargs={"path": str(tmp_path / "d")})
    for mine, other in zip(ours, theirs, strict=True):
        assert other["label"] == mine.label
        assert np.array_equal(np.asarray(other["image"]), mine.image)
        assert np.array_equal(np.asarray(other["mask"]), mine.fields["mask"])


def test_a_folder_has_no_sidecars_for_loaders(data_set):
    visible = [path for path in (data_set / "shards").iterdir() if not path.name.startswith(".")]
    assert {path.suffix for path in visible} <= {".h5", ".tar"}
