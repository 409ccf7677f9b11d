"""The machine at hand: its device and the arithmetic it has."""

import contextlib

import torch


def best_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe_device() -> str:
    """In words, for records."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


def arithmetic(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Autocast to bfloat16 where asked for and where the device has it, else plain float32."""
    if device.type == "cuda":
        available = torch.cuda.is_bf16_supported()
    else:
        available = "AVX512" in torch.backends.cpu.get_cpu_capability()
    enabled = precision == "bfloat16" and available
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
