"""What the tests of the data sets share."""

import pytest

import synthgen


@pytest.fixture(scope="session")
def fingerprint():
    """Return a function that says what an item holds: label, then the bytes of image and fields."""

    def of(item):
        image, label, *fields = item
        return (int(label), image.numpy().tobytes(), *(field.numpy().tobytes() for field in fields))

    return of


@pytest.fixture(scope="session")
def expected(make_recipe, tmp_path_factory):
    """The fingerprints of all samples, with their masks, as `synthgen.open` reads them."""
    folder = tmp_path_factory.mktemp("torch") / "d"
    synthgen.generate(make_recipe(), folder, workers=0, progress=False)
    return [
        (sample.label, sample.image.transpose(2, 0, 1).tobytes(), sample.fields["mask"].tobytes())
        for sample in synthgen.open(folder)
    ]


@pytest.fixture(scope="session")
def uneven(make_recipe, tmp_path_factory):
    """A data set of 21 samples."""
    folder = tmp_path_factory.mktemp("torch") / "uneven"
    synthgen.generate(make_recipe(classes=3, per_class=7), folder, workers=0, progress=False)
    return folder
