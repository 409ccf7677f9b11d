"""The machine at hand, for records."""

import resource

import torch


def describe_device() -> str:
    """In words, for records."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


def peak_memory_mb() -> float:
    """The most memory that this process has taken so far: of the GPU, else of the machine."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
