"""Device, arithmetic and memory settings of the machine."""

import contextlib
import ctypes
import os
import zlib

import torch
from torch import Generator

from brl.support.errors import UserError

# Parameters of mallopt (malloc.h); Python has no names for them.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# Units of processors that compute in bfloat16, and functions of torch.cpu that find them. These are
# private: a torch release without one counts as unsupported.
BFLOAT16_UNITS = {
    "avx512_bf16": "_is_avx512_bf16_supported",
    "amx_tile": "_is_amx_tile_supported",
}


def best_device() -> torch.device:
    """The current GPU of this process if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 natively; emulation would be slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(bfloat16_units())


def bfloat16_units() -> list[str]:
    """The names of the processor's units for bfloat16."""
    return [name for name, check in BFLOAT16_UNITS.items() if getattr(torch.cpu, check, bool)()]


def used_precision(precision: str, device: torch.device) -> str:
    """`bfloat16` if `precision` asks for it and the device has it, else `float32`."""
    return "bfloat16" if precision == "bfloat16" and has_bfloat16(device) else "float32"


def arithmetic(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Autocast to bfloat16 if that is the precision used, else plain float32."""
    enabled = used_precision(precision, device) == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def uses_cuda_graphs() -> bool:
    """Whether BRL_CUDA_GRAPHS asks for CUDA graphs.

    Raises UserError if it is neither 0 nor 1, or if there is no GPU.
    """
    asked = os.environ.get("BRL_CUDA_GRAPHS") or "0"
    if asked not in ("0", "1"):
        raise UserError(f"BRL_CUDA_GRAPHS: {asked} is neither 0 nor 1")
    if asked == "1" and not torch.cuda.is_available():
        raise UserError("BRL_CUDA_GRAPHS: this machine has no GPU; unset the variable")
    return asked == "1"


def on_host(generator: Generator) -> Generator:
    """A generator for numbers that the program itself needs, so that it need not wait for a GPU.

    On the CPU it is the given one. On a GPU it is another one, which the state of the given one
    seeds: that state is known on the CPU, and every draw on the GPU moves it.
    """
    if generator.device.type == "cpu":
        return generator
    state = generator.get_state().numpy().tobytes()
    return Generator().manual_seed(zlib.crc32(state))


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory, so that the next step of the same size reuses it.

    By default glibc returns the memory of each large tensor to the system, which clears every page
    before it hands it out again. On a CPU this takes several percent of a training step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries lack it
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the allowed maximum
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def resident(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor, moved to a GPU if it takes at most half of the free memory there.

    The rest is left for the network. A tensor that does not fit stays mapped from its file.
    """
    if device.type == "cpu":
        return tensor
    free, _ = torch.cuda.mem_get_info(device)
    return tensor.to(device) if tensor.nbytes <= free / 2 else tensor
