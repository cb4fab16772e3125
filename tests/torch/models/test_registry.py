"""A model that nobody registered, or that lacks Options, help, a test or a line in the docs, fails here.

The messages say what is missing, so that a new model can be added by CONTRIBUTING.md and this file alone.
"""

import ast
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import msgspec
import pytest

from synthgen.errors import SynthgenError, UsageError
from synthgen.process import GO_ON
from synthgen.torch import models

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "synthgen" / "torch" / "models"


def kinds_in(path: Path):
    """Yield the kinds of the classes in a file: their attribute ``kind``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.Assign) and statement.targets[0].id == "kind":
                    yield statement.value.value


def test_every_model_is_registered():
    found = {kind for path in FOLDER.glob("*.py") for kind in kinds_in(path)}
    registered = set(models.MODELS)
    assert found - registered == set(), "add a line to MODELS in synthgen/torch/models/__init__.py"
    assert registered - found == set(), "add a file with a class of this `kind` to synthgen/torch/models"


@pytest.mark.parametrize("kind", models.MODELS)
def test_a_model_is_complete(kind):
    module = models.load(kind)
    lacking = [needed for needed in ("HELP", "Options", "MODEL") if not hasattr(module, needed)]
    assert lacking == [], f"add these to {module.__name__}; the docstring of its package says what they are"
    assert module.MODEL.kind == kind
    assert module.MODEL.Options is module.Options
    assert models.MODELS[kind].endswith(".")
    assert f"synthgen fit {kind}" in module.HELP, "add an example to HELP"


@pytest.mark.parametrize("kind", models.MODELS)
def test_all_that_belongs_to_a_model_is_there(kind):
    name = kind.replace("-", "_")
    there = {
        f"tests/torch/models/test_{name}.py": (ROOT / "tests" / "torch" / "models" / f"test_{name}.py").exists(),
        f"`synthgen fit {kind}` in docs/detection.md": f"synthgen fit {kind}"
        in (ROOT / "docs" / "detection.md").read_text(),
    }
    missing = [what for what, found in there.items() if not found]
    assert missing == [], f"the model {kind} still needs: {'; '.join(missing)}"


@pytest.mark.parametrize("kind", models.MODELS)
def test_every_option_has_a_help_text(kind):
    for field in msgspec.structs.fields(models.load(kind).Options):
        notes = getattr(field.type, "__metadata__", ())
        assert notes, f"annotate {field.name} with msgspec.Meta(description=..), a sentence"
        assert notes[0].description.endswith("."), field.name


@pytest.mark.parametrize("kind", models.MODELS)
def test_options_go_out_to_json_and_come_back_equal(kind):
    options = models.load(kind).Options()
    assert msgspec.json.decode(msgspec.json.encode(options), type=type(options)) == options


def test_options_and_help_are_read_without_torch():
    code = "import sys; from synthgen.torch import models; "
    code += "[models.load(kind).HELP for kind in models.MODELS]; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_ctrl_c_says_of_a_kind_is_true():
    assert sorted(kind for kind in models.MODELS if models.load(kind).MODEL.resumes) == sorted(GO_ON)


def test_unknown_kinds_are_named():
    with pytest.raises(UsageError, match=r"kind must be one of patchcore, .*, got 'os'"):
        models.load("os")


def imports_of(path: Path):
    """Yield the modules of the package that a file imports, at any depth of its code; not for type checkers."""
    tree = ast.parse(path.read_text())
    hidden = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in hidden:
            package, _, name = (node.module or "").rpartition("synthgen.torch.models.")
            if package == "" and name:
                yield name


def test_no_module_of_the_package_imports_itself_in_a_circle():
    graph = {path.stem: set(imports_of(path)) for path in FOLDER.glob("*.py")}
    for _ in graph:  # take away what imports nothing that is left
        free = {name for name, others in graph.items() if not others & set(graph)}
        graph = {name: others for name, others in graph.items() if name not in free}
    assert graph == {}


@pytest.fixture
def others(monkeypatch):
    """A function that makes entry points, name -> value, be there as if packages had brought them."""

    def install(**points):
        found = [EntryPoint(name, value, models.GROUP) for name, value in points.items()]
        monkeypatch.setattr(models, "entry_points", lambda group: found)

    return install


def test_a_model_of_another_package_is_found(others):
    others(theirs="synthgen.torch.models.padim")
    assert "theirs" in models.kinds()
    assert models.load("theirs") is models.load("padim")


def test_names_of_our_own_models_stay_ours(others):
    others(patchcore="synthgen.torch.models.padim")
    assert models.load("patchcore").MODEL.kind == "patchcore"
    assert list(models.kinds()) == list(models.MODELS)


def test_an_entry_point_that_cannot_be_loaded_is_one_line(others):
    others(theirs="nowhere.at_all")
    with pytest.raises(SynthgenError, match=r"^theirs: the entry point nowhere.at_all of .* cannot be loaded") as e:
        models.load("theirs")
    assert "\n" not in str(e.value)
