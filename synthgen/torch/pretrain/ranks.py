"""Devices, threads, and the processes that `torchrun` starts."""

import os
from contextlib import contextmanager

import msgspec
import torch
from torch import distributed

from synthgen.errors import DeviceError, UsageError
from synthgen.machine import available_cpus


class TrainingGroup(msgspec.Struct, frozen=True):
    """The processes that train together, as one of them sees them.

    Attributes
    ----------
    rank, world : int
        Number of this process, and how many there are.
    device : torch.device
        Where this process trains.
    """

    rank: int
    world: int
    device: torch.device

    def total(self, sums: torch.Tensor) -> torch.Tensor:
        """Return the sum over all ranks."""
        if self.world > 1:
            sums = sums.to(self.device)
            distributed.all_reduce(sums)
        return sums.cpu()

    def share_buffers(self, model: torch.nn.Module) -> None:
        """Give all ranks the batch-norm statistics of the first, which are those that are saved."""
        if self.world > 1:
            for buffer in model.buffers():
                distributed.broadcast(buffer, 0)

    def wait(self) -> None:
        """Wait for all ranks."""
        if self.world > 1:
            distributed.barrier()


@contextmanager
def joined_ranks(device: str = "auto", threads: int | None = None, deterministic: bool = False):
    """Yield the `TrainingGroup` of this process; on leaving, torch's settings are as they were.

    Raises
    ------
    UsageError
        If `device` or `threads` breaks a rule.
    DeviceError
        If there is no GPU.
    """
    on_gpu = _uses_gpu(device)
    if threads is not None and not 1 <= threads <= 1024:
        raise UsageError(f"threads must lie in 1..1024, got {threads}")

    world = _environment("WORLD_SIZE", 1)
    local = _environment("LOCAL_RANK", 0)
    threads = threads or max(1, available_cpus() // _environment("LOCAL_WORLD_SIZE", 1))
    if on_gpu:
        torch.cuda.set_device(local)

    with _settings(threads, deterministic), _process_group(world, "nccl" if on_gpu else "gloo"):
        rank = distributed.get_rank() if world > 1 else 0
        yield TrainingGroup(rank, world, torch.device(f"cuda:{local}" if on_gpu else "cpu"))


def _environment(name: str, default: int) -> int:
    """Return a number that `torchrun` gives to each process."""
    return int(os.environ.get(name, default))


def _uses_gpu(device: str) -> bool:
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device must be one of auto, cpu, cuda, got {device!r}")
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise DeviceError("device cuda is asked for, but torch finds no GPU here")
    return has_gpu and device != "cpu"


@contextmanager
def _settings(threads: int, deterministic: bool):
    """Change torch's settings while the block runs."""
    threads_before = torch.get_num_threads()
    deterministic_before = torch.are_deterministic_algorithms_enabled()
    benchmark_before = torch.backends.cudnn.benchmark

    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = not deterministic
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
        torch.use_deterministic_algorithms(deterministic_before)
        torch.backends.cudnn.benchmark = benchmark_before


@contextmanager
def _process_group(world: int, backend: str):
    """Connect the ranks while the block runs, where there are several and nobody did so before."""
    starts = world > 1 and not distributed.is_initialized()
    if starts:
        distributed.init_process_group(backend)
    try:
        yield
    finally:
        if starts:
            distributed.destroy_process_group()


def choose_precision(precision: str, device: torch.device) -> str:
    """Return fp32 or bf16. On CPUs bf16 has to be asked for: without instructions for it, it is 15 times slower."""
    if precision != "auto":
        return precision
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
