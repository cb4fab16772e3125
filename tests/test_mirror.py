"""Each module with code of its own has a test file, and a newcomer finds it."""

import ast
import re
from pathlib import Path

import pytest

import synthgen

HOME = Path(synthgen.__file__).parent
TESTS = Path(__file__).parent
# What is not tested in tests/PATH/test_NAME.py: module -> the file that tests it, in tests/.
ELSEWHERE = {
    "__main__.py": "test_process.py",
    "cli/data.py": "cli/test_cli.py",
    "cli/distill.py": "torch/distillation/test_command.py",
    "cli/export_model.py": "consumers/test_onnx.py",
    "cli/family.py": "cli/test_cli.py",
    "cli/look.py": "cli/test_cli.py",
    "cli/pretrain.py": "torch/pretrain/test_job.py",
    "cli/system.py": "cli/test_cli.py",
    "cli/weights.py": "torch/test_weights.py",
    "compose/bounded.py": "compose/test_anomalies.py",
    "compose/sources.py": "compose/test_anomalies.py",
    "exports.py": "layouts/export/test_job.py",
    "families/_drawer.py": "families/test_registry.py",
    "families/_inspection.py": "families/test_stains.py",
    "families/_many_fractals.py": "families/test_fractals.py",
    "families/_objects.py": "families/test_multiformula.py",
    "families/_records.py": "families/test_registry.py",
    "families/_source.py": "families/test_registry.py",
    "layouts/export/batches.py": "layouts/export/test_job.py",
    "layouts/export/record.py": "layouts/export/test_job.py",
    "layouts/export/sources.py": "layouts/export/test_objects.py",
    "layouts/export/tree.py": "layouts/export/test_job.py",
    "layouts/export/worker.py": "layouts/export/test_job.py",
    "layouts/export/writer.py": "layouts/export/test_objects.py",
    "look/gallery/classes.py": "look/gallery/test_making.py",
    "look/gallery/contents.py": "look/gallery/test_making.py",
    "look/gallery/head.py": "look/gallery/test_making.py",
    "mandelbulb/fallback.py": "mandelbulb/test_renderer.py",
    "mandelbulb/opencl.py": "mandelbulb/test_kernels.py",
    "run/classes.py": "run/test_damage.py",
    "run/draw.py": "run/test_generate.py",
    "run/gather.py": "run/test_damage.py",
    "run/job.py": "run/test_generate.py",
    "shards/mutex.py": "run/test_lock.py",
    "run/ray.py": "consumers/test_ray.py",
    "run/progress.py": "run/test_generate.py",
    "run/records.py": "run/test_damage.py",
    "run/shard.py": "run/test_generate.py",
    "run/target.py": "run/test_store.py",
    "run/work.py": "run/test_estimate.py",
    "run/worker.py": "run/test_kill.py",
    "shards/checker.py": "shards/test_verify.py",
    "shards/checking.py": "shards/test_verify.py",
    "shards/checksums.py": "shards/test_damage.py",
    "shards/hdf5.py": "shards/test_reading.py",
    "shards/manifest.py": "shards/test_dataset.py",
    "shards/opened.py": "shards/test_reading.py",
    "shards/webdataset.py": "shards/test_tar.py",
    "surface/connector/cloth.py": "families/test_connectors.py",
    "surface/connector/draw.py": "families/test_connectors.py",
    "surface/connector/findings.py": "families/test_connectors.py",
    "surface/connector/items.py": "families/test_connectors.py",
    "surface/connector/parts.py": "families/test_connectors.py",
    "surface/inspected.py": "families/test_stains.py",
    "surface/marks/fingerprints.py": "surface/marks/test_impurities.py",
    "surface/marks/stickers.py": "surface/marks/test_impurities.py",
    "surface/mesh/machined.py": "surface/mesh/test_draw.py",
    "surface/plate/draw.py": "families/test_stains.py",
    "surface/stains/planes.py": "surface/stains/test_field.py",
    "surface/stains/points.py": "surface/stains/test_field.py",
    "texture/flat.py": "texture/test_defects.py",
    "texture/shape.py": "texture/test_spectral.py",
    "torch/benchmark/building.py": "torch/benchmark/test_job.py",
    "torch/benchmark/formats.py": "torch/benchmark/test_tables.py",
    "torch/benchmark/keeping.py": "torch/benchmark/test_job.py",
    "torch/benchmark/measuring.py": "torch/benchmark/test_job.py",
    "torch/benchmark/merge.py": "torch/benchmark/test_running.py",
    "torch/benchmark/record.py": "torch/benchmark/test_results.py",
    "torch/benchmark/worker.py": "torch/benchmark/test_workers.py",
    "torch/coreset/greedy_compiled.py": "torch/coreset/test_greedy.py",
    "torch/data/items.py": "torch/data/test_shards.py",
    "torch/data/live.py": "torch/data/test_shards.py",
    "torch/export.py": "consumers/test_onnx.py",
    "torch/models/bank.py": "torch/models/test_base.py",
    "torch/models/bridge.py": "consumers/test_bridge.py",
    "torch/models/loading.py": "torch/models/test_store.py",
    "torch/models/options.py": "torch/models/test_base.py",
    "torch/models/pixels.py": "torch/models/test_floor.py",
    "torch/pretrain/folder.py": "torch/pretrain/test_job.py",
    "torch/pretrain/loop.py": "torch/pretrain/test_checkpoint.py",
    "torch/pretrain/ranks.py": "torch/pretrain/test_checkpoint.py",
    "torch/refinement/autoencoder.py": "consumers/test_autoencoder.py",
    "torch/refinement/options.py": "torch/refinement/test_outlines.py",
}
# Modules that tests reach through a command, a fixture or a file: module -> the word that the test has for it.
REACHED_BY = {
    "surface/connector/cloth.py": "background",
    "surface/connector/findings.py": "saturation",
    "surface/connector/items.py": "tray",
    "surface/connector/parts.py": "connectors.draw",
    "cli/export_model.py": "export-model",
    "cli/family.py": "fractals",
    "exports.py": "TARGETS",
    "families/_many_fractals.py": "draw_many",
    "families/_objects.py": "source",
    "families/_records.py": "visible_area",
    "look/gallery/contents.py": "megabytes",
    "look/gallery/head.py": "fingerprint",
    "mandelbulb/fallback.py": "engine",
    "run/classes.py": "classes.jsonl",
    "run/gather.py": "merge",
    "run/progress.py": "progress",
    "run/records.py": "run.json",
    "run/shard.py": "shard",
    "run/worker.py": "a worker died",
    "shards/checker.py": "workers",
    "shards/checking.py": "verify",
    "surface/inspected.py": "stains",
    "surface/plate/draw.py": "stains.draw",
    "texture/flat.py": "flattened",
    "torch/benchmark/building.py": "theirs:Bright",
    "torch/benchmark/keeping.py": "keep",
    "torch/benchmark/measuring.py": "rows",
    "torch/coreset/greedy_compiled.py": "k_center",
    "torch/data/items.py": "class_to_idx",
    "torch/models/bridge.py": "Methods of anomalib",
    "torch/models/pixels.py": "backbone",
    "torch/refinement/options.py": "RefineOptions",
}


def names_in(path):
    """Return the functions and classes that a module defines."""
    tree = ast.parse(path.read_text())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


MODULES = [path for path in sorted(HOME.rglob("*.py")) if path.name != "__init__.py" and names_in(path)]


def test_every_module_with_code_has_a_test_file():
    missing = []
    for path in MODULES:
        module = path.relative_to(HOME)
        own = module.with_name(f"test_{module.stem}.py")
        if not (TESTS / own).exists() and module.as_posix() not in ELSEWHERE:
            missing.append(f"synthgen/{module}: write tests/{own}")
    assert not missing


@pytest.mark.parametrize("module", ELSEWHERE)
def test_what_is_tested_elsewhere_is_named_there(module):
    words = [Path(module).stem, *names_in(HOME / module)]
    if module in REACHED_BY:
        words = [REACHED_BY[module]]
    text = (TESTS / ELSEWHERE[module]).read_text()
    assert any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for word in words)


def test_the_table_holds_only_what_has_no_file_of_its_own():
    doubled = [
        module for module in ELSEWHERE if (TESTS / module).with_name(f"test_{Path(module).stem}.py").exists()
    ]
    assert not doubled
    assert set(REACHED_BY) <= set(ELSEWHERE)
