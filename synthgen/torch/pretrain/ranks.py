"""Devices, threads, and the processes that `torchrun` starts."""

import os
from contextlib import contextmanager

import msgspec
import torch
from torch import distributed

from synthgen.errors import DeviceError, UsageError
from synthgen.machine import available_cpus


class Ranks(msgspec.Struct, frozen=True):
    """A process among those that train together.

    Attributes
    ----------
    rank, world : int
    device : torch.device
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
    """Yield the `Ranks` of this process; on leaving, torch's settings are as they were.

    Raises
    ------
    UsageError
        If there is no such device.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device must be one of auto, cpu, cuda, got {device!r}")
    if threads is not None and not 1 <= threads <= 1024:
        raise UsageError(f"--threads must lie in 1..1024, got {threads}")
    on_gpu = torch.cuda.is_available() if device == "auto" else device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        raise DeviceError("--device cuda: torch finds no GPU here")
    world, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_RANK", 0))
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    local_world = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    torch.set_num_threads(threads or max(1, available_cpus() // local_world))
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = not deterministic
    if on_gpu:
        torch.cuda.set_device(local)
    started = world > 1 and not distributed.is_initialized()
    if started:
        distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        rank = distributed.get_rank() if world > 1 else 0
        yield Ranks(rank, world, torch.device(f"cuda:{local}" if on_gpu else "cpu"))
    finally:
        if started:
            distributed.destroy_process_group()
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        torch.backends.cudnn.benchmark = before[2]


def choose_precision(precision: str, device: torch.device) -> str:
    """Return fp32 or bf16. On CPUs bf16 has to be asked for: without instructions for it, it is 15 times slower."""
    if precision != "auto":
        return precision
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
