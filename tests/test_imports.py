"""The house: who may import whom, and what an import may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import synthgen

HOME = Path(synthgen.__file__).parent
# A module imports only from rows above its own (DESIGN section 3); modules of one row may import each other.
ROWS = [
    {"errors", "version", "process", "compiled"},
    {"exports", "options", "machine", "extras", "lazy", "seeding", "splitmix", "philox", "threads"},
    {"sample"},
    {"shards"},
    {"tables", "boxes"},
    {"ifs", "mandelbulb", "radial", "surface"},
    {"compose"},
    {"texture"},
    {"families"},
    {"naming"},
    {"recipe"},
    {"cards"},
    {"run"},
    {"__init__"},
    {"layouts", "metrics"},
    {"look"},
    {"cli", "__main__"},
    {"torch"},
]
ROW_OF = {name: number for number, row in enumerate(ROWS) for name in row}


# Commands of the companion: they import it when they run.
OF_TORCH = {
    "cli/anomaly.py", "cli/benchmark.py", "cli/data.py", "cli/distill.py", "cli/export.py", "cli/export_model.py",
    "cli/fit.py", "cli/gallery.py", "cli/look_weights.py", "cli/measuring.py", "cli/pretrain.py", "cli/refine.py",
    "cli/weights.py",
}  # fmt: skip


def imported(path: Path):
    """Yield the parts of synthgen that a file imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "synthgen":
                yield parts[1] if len(parts) > 1 and parts[1] in ROW_OF else "__init__"


def test_every_module_has_a_row():
    parts = {p.stem if p.suffix == ".py" else p.name for p in HOME.iterdir() if p.suffix == ".py" or p.is_dir()}
    assert parts - {"__pycache__"} <= set(ROW_OF)


def test_modules_import_only_from_rows_above():
    wrong = []
    for path in HOME.rglob("*.py"):
        own = path.relative_to(HOME).parts[0].removesuffix(".py")
        if path == HOME / "__init__.py":
            continue  # names are loaded lazily there
        for other in imported(path):
            if other == "torch" and str(path.relative_to(HOME)) in OF_TORCH:
                continue
            same_row_but_other_part = ROW_OF[other] == ROW_OF[own] and other != own
            if ROW_OF[other] > ROW_OF[own] or (
                same_row_but_other_part and own in ("ifs", "mandelbulb", "radial", "surface")
            ):
                wrong.append(f"{path.relative_to(HOME)} imports {other}")
    assert not wrong


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_loads_nothing_heavy():
    heavy = "numba,torch,pyopencl,pyrender,h5py,PIL,numpy"
    code = f"import sys, synthgen; print([m for m in {heavy.split(',')} if m in sys.modules])"
    assert run_python(code).strip() == "[]"


def test_help_loads_nothing_heavy():
    code = (
        "import sys, synthgen.cli; "
        "print([m for m in ('numpy', 'numba', 'torch', 'pyopencl', 'pyrender', 'h5py', 'PIL') if m in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_public_names_exist():
    for name in synthgen.__all__:
        if name not in ("torch", "mandelbulb"):
            assert getattr(synthgen, name) is not None
