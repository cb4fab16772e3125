"""A device that is too small, or cannot do what is asked, is no traceback."""

import subprocess
import sys

import pytest

from synthgen.cli.failures import reason_of

# As torch 2.11 and 2.14 say it.
OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 139.81 GiB of which 1.50 GiB is "
    "free.\nProcess 7 has 138.30 GiB memory in use."
)
TOLD = [
    (OUT_OF_MEMORY, "the memory of the GPU is used up; fewer or smaller images at a time need less: --batch-size"),
    ("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
     "allocate 4000000000000000 bytes. Error code 12 (Cannot allocate memory)", "the memory is used up; fewer or"),
    ("median CUDA with indices output does not have a deterministic implementation, but you set "
     "'torch.use_deterministic_algorithms(True)'.", "this network has a step that is not deterministic on this"),
    ("CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be",
     "the GPU failed; --device cpu does without it (CUDA error: no kernel image"),
    ("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED", "the GPU failed"),
    ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "the GPU failed"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "told"), TOLD)
def test_what_torch_says_is_one_sentence_with_advice(said, told):
    reason = reason_of(RuntimeError(said))
    assert reason.startswith(told)
    assert "\n" not in reason


@pytest.mark.parametrize("error", [RuntimeError("a fault of ours"), ValueError(OUT_OF_MEMORY), KeyError("x")])
def test_other_errors_are_shown_whole(error):
    assert reason_of(error) is None


def test_a_command_that_needs_too_much_memory_ends_in_one_line(tmp_path):
    """The memory is really asked for, of a torch that has it not."""
    pytest.importorskip("torch")
    script = (
        "import torch\n"
        "from synthgen.torch import pretrain as module\n"
        "module.pretrain = lambda *_, **__: torch.empty(10**15)\n"
        "import sys\n"
        "sys.argv = ['synthgen', 'pretrain', 'tiny-fractals', '--arch', 'test_resnet', '--out', 'o']\n"
        "from synthgen.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("synthgen: the memory is used up; ")
    assert done.stderr.count("\n") == 1
