"""Small data sets that many tests read, and one skip for a test file whose packages are not installed."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

import synthgen
from synthgen.extras import EXTRAS, install_hint
from synthgen.recipe import Recipe

# Before torch is loaded, here and in the processes that tests start: small work gains nothing from threads, and on
# a busy machine they wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What the tests expect is what a CPU gives; those of GPUs are run by `make test-gpu`.
if "SYNTHGEN_TEST_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

# Tests check behaviour, never time: the first call of a compiled function may take seconds. The same examples on
# each run, so that a failure is due to the change at hand; `pytest --hypothesis-profile=explore` looks for new
# ones.
settings.register_profile("synthgen", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("synthgen")

ROOT = Path(__file__).parents[1]
# What the files of a folder, or one file, import beside the core and the test runner.
NEEDS = {
    "synthgen/torch": ("torch", "timm"),
    "tests/cli/test_anomaly.py": ("torch", "timm"),
    "tests/cli/test_commands.py": ("torch", "timm"),
    "tests/cli/test_fit.py": ("torch", "timm"),
    "tests/cli/test_measuring.py": ("torch", "timm"),
    "tests/cli/test_refine.py": ("torch", "timm"),
    "tests/cli/test_remote.py": ("torch", "timm"),
    "tests/consumers/test_anomalib.py": ("anomalib", "torch", "timm"),
    "tests/consumers/test_autoencoder.py": ("transformers", "torch", "timm"),
    "tests/consumers/test_bridge.py": ("anomalib", "torch", "timm"),
    "tests/consumers/test_cflow.py": ("anomalib", "torch", "timm"),
    "tests/consumers/test_croissant.py": ("mlcroissant",),
    "tests/consumers/test_exports.py": ("anomalib", "datasets", "pandas", "pycocotools", "torch", "timm"),
    # a browser, and half a minute: with the other consumers
    "tests/consumers/test_gallery.py": ("mlcroissant",),
    "tests/consumers/test_huggingface.py": ("datasets", "pyarrow"),
    "tests/consumers/test_onnx.py": ("onnx", "onnxruntime", "torch", "timm"),
    "tests/consumers/test_ray.py": ("ray",),
    # nothing of a consumer's, but a minute of one core
    "tests/consumers/test_studies.py": ("mlcroissant", "torch", "timm"),
    "tests/consumers/test_stores.py": ("moto", "s3fs"),
    "tests/layouts/test_loco.py": ("sklearn",),
    "tests/layouts/test_outlines.py": ("scipy",),
    "tests/mandelbulb/test_renderer.py": ("skimage",),
    "tests/metrics/test_boxes.py": ("skimage",),
    "tests/metrics/test_curves.py": ("sklearn",),
    "tests/metrics/test_features.py": ("sklearn",),
    "tests/metrics/test_intervals.py": ("scipy",),
    "tests/metrics/test_localisation.py": ("scipy", "skimage"),
    "tests/metrics/test_pixels.py": ("sklearn",),
    "tests/metrics/test_regions.py": ("skimage", "sklearn"),
    "tests/metrics/test_signed_ranks.py": ("scipy",),
    "tests/run/test_store.py": ("fsspec",),
    "tests/shards/test_damage.py": ("torch",),
    "tests/shards/test_mirror.py": ("fsspec",),
    "tests/shards/test_places.py": ("fsspec",),
    "tests/surface/mesh": ("trimesh",),
    "tests/surface/test_perlin.py": ("noise",),
    "tests/test_naming.py": ("trimesh",),
    "tests/tools/test_imports_of_scripts.py": ("torch", "timm"),
    "tests/torch": ("torch", "timm"),
}
# What else brings packages: extra -> packages, by the names under which they are imported.
OF_TESTS = {
    "consumers": ("anomalib", "datasets", "mlcroissant", "moto", "pandas", "pyarrow", "pycocotools"),
    "test": ("noise", "proportion_localised", "torchdata", "webdataset"),
}


def packages_for(path: Path) -> list[str]:
    """Return the packages that the table names for a file and the folders that hold it."""
    places = [path, *path.parents]
    inside = [place.relative_to(ROOT).as_posix() for place in places if place.is_relative_to(ROOT)]
    return [package for place in inside for package in NEEDS.get(place, ())]


def what_is_missing(path: Path) -> str | None:
    """Return the sentence that says which package of a file's is missing, or None if all are installed."""
    for package in packages_for(path):
        if find_spec(package) is None:
            known = {**EXTRAS, **OF_TESTS}
            extra = next(extra for extra, packages in known.items() if package in packages)
            return f"needs {package}: {install_hint(extra)}"
    return None


class SkippedFile(pytest.File):
    """A file that is not imported: its one result is a skip with the reason."""

    def collect(self):
        pytest.skip(what_is_missing(self.path), allow_module_level=True)


class SkipWhatIsMissing:
    """Skip each file whose packages are not installed, doctests of the package among them.

    A plugin of its own, since the hooks of this file are not called for files outside its folder.
    """

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(self, file_path, parent):
        collectors = yield
        if not collectors or what_is_missing(file_path) is None:
            return collectors
        return [SkippedFile.from_parent(parent, path=file_path)]


def pytest_configure(config):
    config.pluginmanager.register(SkipWhatIsMissing())


def small_recipe(**changes) -> Recipe:
    """Return a recipe that draws in a blink: 5 classes x 8 images of 32 x 32 in 5 shards of 9."""
    values = {
        "family": "fractals", "classes": 5, "per_class": 8, "size": 32, "points": 500, "systems": 3,
        "storage": {"shard_size": 9},
    }  # fmt: skip
    storage = {**values["storage"], **changes.pop("storage", {})}
    return Recipe.from_dict({**values, **changes, "storage": storage})


@pytest.fixture(scope="session")
def needs_of():
    return packages_for


@pytest.fixture(scope="session")
def make_recipe():
    return small_recipe


@pytest.fixture(scope="session", params=["hdf5", "webdataset"])
def data_set(request, tmp_path_factory):
    """A finished small data set in each format; tests must not change it."""
    folder = tmp_path_factory.mktemp("data") / request.param
    synthgen.generate(small_recipe(storage={"format": request.param}), folder, workers=0, progress=False)
    return folder


@pytest.fixture
def drawn_here(monkeypatch):
    """Where no number of workers is given, data sets are drawn by this process: starting others takes longer."""
    from synthgen.run.executors import Local

    usual = Local.offered

    def offered(executor, plan):
        return 0 if executor._crew.workers is None else usual(executor, plan)

    monkeypatch.setattr(Local, "offered", offered)


@pytest.fixture
def memory():
    """The address of a store in the memory of this process, empty before and after."""
    import fsspec

    store = fsspec.filesystem("memory").store
    store.clear()
    yield "memory://bucket"
    store.clear()


@pytest.fixture
def address(memory, data_set):
    """The small data set in a store."""
    from synthgen.shards.places import Place

    place = Place(f"{memory}/d")
    for path in data_set.rglob("*"):
        if path.is_file():
            place.put(path, path.relative_to(data_set).as_posix())
    return place.address


@pytest.fixture
def copy_of(tmp_path):
    """Return a function that copies a data set, so that a test may damage it."""
    import shutil

    def copy(folder):
        target = tmp_path / "copy"
        shutil.copytree(folder, target)
        return target

    return copy


@pytest.fixture(scope="session")
def plates(tmp_path_factory):
    """A test set of plates: good, scratch, dent and bump with stains and stickers, 5 images each, as tar."""
    folder = tmp_path_factory.mktemp("plates") / "plates"
    values = {
        "family": "stains", "layout": "test", "cell_size": 20, "impurities": ["sticker"], "fields": ["clean"],
        "per_class": 5, "size": "72x60", "storage": {"format": "webdataset", "shard_size": 7},
    }  # fmt: skip
    synthgen.generate(Recipe.from_dict(values), folder, workers=0, progress=False)
    return folder


@pytest.fixture(scope="session")
def formulas(tmp_path_factory):
    """A multi-formula data set: 3 classes of 4 images, objects with holes and in pieces, numbered, as HDF5."""
    folder = tmp_path_factory.mktemp("formulas") / "formulas"
    values = {
        "family": "multiformula", "source_classes": 9, "classes": 3, "per_class": 4, "size": 64, "points": 2000,
    }  # fmt: skip
    synthgen.generate(Recipe.from_dict(values), folder, workers=0, progress=False)
    return folder
