"""The machine at hand: its device and the arithmetic it has."""

import contextlib

import torch


def best_device() -> torch.device:
    """The GPU where there is one, this process's own where several train; else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def describe_device() -> str:
    """In words, for records."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


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
