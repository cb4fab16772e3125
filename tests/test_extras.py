"""Optional packages: what is missing is named with the line that installs it."""

import re
import shlex
from configparser import ConfigParser
from pathlib import Path

import pytest

from synthgen import extras
from synthgen.errors import MissingExtraError

ROOT = Path(__file__).parents[1]
# Names of packages at the registry, where they are imported under others.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "skimage": "scikit-image"}
# Comes with another package of its extra.
BROUGHT = {"OpenGL"}

PACKAGES = [(extra, package) for extra, packages in extras.EXTRAS.items() for package in packages]


def config():
    """Return what setup.cfg says."""
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.mark.parametrize(("extra", "package"), PACKAGES)
@pytest.mark.parametrize("module", ["", ".part"])
def test_a_missing_package_is_named_with_its_extra(extra, package, module):
    message = re.escape(f"training: needs {package}, {extras.install_hint(extra)}")
    with pytest.raises(MissingExtraError, match=message), extras.needed_for("training"):
        raise ModuleNotFoundError("no such module", name=package + module)


@pytest.mark.parametrize("extra", [*extras.EXTRAS, "opencl-cpu"])
@pytest.mark.parametrize("installed", [True, False])
def test_a_hint_names_what_is_there_to_install(monkeypatch, installed, extra):
    monkeypatch.setattr(extras, "_is_installed", lambda: installed)
    *command, place = shlex.split(extras.install_hint(extra))
    if installed:
        assert (command, place) == (["pip", "install"], f"{config()['metadata']['name']}[{extra}]")
    else:
        assert command == ["pip", "install", "-e"]
        assert (Path(place.removesuffix(f"[{extra}]")) / "setup.cfg").samefile(ROOT / "setup.cfg")
    assert extra in config()["options.extras_require"]


def test_a_wheel_holds_every_package():
    listed = config()["options"]["packages"].split()
    folders = {file.parent.relative_to(ROOT) for file in ROOT.glob("synthgen/**/__init__.py")}
    found = {".".join(folder.parts) for folder in folders}
    assert sorted(listed) == sorted(found | {"synthgen.kernels", "synthgen.recipes"})


def test_an_extra_of_extras_names_this_distribution():
    assert config()["options.extras_require"]["all"].strip().startswith(f"{extras.DISTRIBUTION}[")


def test_what_is_no_package_of_an_extra_is_raised_as_it_is():
    with pytest.raises(ModuleNotFoundError) as error, extras.needed_for("training"):
        import synthgen.no_such_module  # noqa: F401
    assert not isinstance(error.value, MissingExtraError)


def test_other_errors_go_through():
    with pytest.raises(ZeroDivisionError), extras.needed_for("training"):
        1 / 0  # noqa: B018


@pytest.mark.parametrize(("extra", "package"), PACKAGES)
def test_an_extra_installs_its_packages(extra, package):
    lines = config()["options.extras_require"][extra].split("\n")
    installed = {line.partition(" ")[0] for line in lines}
    assert package in BROUGHT or DISTRIBUTIONS.get(package, package) in installed


def test_an_extra_is_there_where_all_of_its_packages_are(monkeypatch):
    monkeypatch.setitem(extras.EXTRAS, "both", ("json", "no_such_package"))
    monkeypatch.setitem(extras.EXTRAS, "one", ("json",))
    assert (extras.has_extra("both"), extras.has_extra("one")) == (False, True)
