"""The machine that a run is recorded on."""

import resource


def describe_device() -> str:
    """The GPU's name, or the CPU's threads and capability."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


def peak_memory_mb() -> float:
    """Peak memory of this process so far in MiB: of the GPU if present, else of the machine."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
