"""The machine at hand: its device and the arithmetic it has."""

import contextlib
import ctypes

import torch

# Parameters of mallopt, of which Python knows no names.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def best_device() -> torch.device:
    """The GPU where there is one, this process's own where several train; else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 itself; where it is emulated it only costs time."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Private names: a release of torch that lacks one answers no.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in checks)


def arithmetic(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Autocast to bfloat16 where asked for and where the device has it, else plain float32."""
    enabled = precision == "bfloat16" and has_bfloat16(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def keep_freed_memory() -> None:
    """Has the C library keep memory that is freed, for the next step of the same size.

    By default glibc gives back each large tensor's memory to the system, which clears every page
    that it hands out again: several percent of a training step on a CPU.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the most that is allowed
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def resident(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor, on a GPU where it takes no more than half of the memory that is free there.

    The rest is for the network; what does not fit stays where it is, mapped from its file.
    """
    if device.type == "cpu":
        return tensor
    free, _ = torch.cuda.mem_get_info(device)
    return tensor.to(device) if tensor.nbytes <= free / 2 else tensor
