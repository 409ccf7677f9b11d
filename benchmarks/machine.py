"""The machine of a measurement."""

import os
import platform

import psutil

from brl.tracking.machine import processor


def described_machine() -> str:
    """Processor, cores, memory and load of this machine, and Python's version, in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{processor()}, {cores} cores, {memory:.0f} GiB, "
        f"load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}"
    )


def described_gpu() -> str:
    """The GPU and the versions of PyTorch and CUDA, in one phrase."""
    import torch

    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{name}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}"
