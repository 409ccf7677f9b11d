"""The machine, the software and the arithmetic that a run is recorded with."""

import platform
import resource
import subprocess
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from brl.support.files import project_root

# Torch takes seconds to import: not before something is recorded.
if TYPE_CHECKING:
    import torch

LIBRARIES = ("torch", "numpy", "mlflow")


def surroundings(**asked: str) -> dict[str, str]:
    """Facts that change rounding, and with it the results, as tags.

    Device, features of the processor that torch computes with, threads, processes, versions, and
    the commit of the project if it is in git. asked: precisions of params.yaml, by their use:
    `train="bfloat16"` adds `precision.train`, which is float32 where the device lacks bfloat16.
    """
    import torch
    import torch.distributed as dist

    from brl.streams.device import best_device, used_precision

    device = best_device()
    together = dist.is_available() and dist.is_initialized()
    facts = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "device.features": features(device),
        "threads": str(torch.get_num_threads()),
        "processes": str(dist.get_world_size() if together else 1),
        "python": platform.python_version(),
    }
    facts |= {name: version(name) for name in LIBRARIES} | commit()
    used = {f"precision.{use}": used_precision(name, device) for use, name in asked.items()}
    return facts | used


def processor() -> str:
    """The model name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")  # Linux; elsewhere Python knows the name
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def features(device: "torch.device") -> str:
    """What the kernels of torch make use of: AVX level and bfloat16 units, or CUDA's versions."""
    import torch

    from brl.streams.device import bfloat16_units

    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return f"compute capability {major}.{minor}, CUDA {torch.version.cuda}"
    return ", ".join([torch.backends.cpu.get_cpu_capability(), *bfloat16_units()])


def commit() -> dict[str, str]:
    """The present commit as `git.commit`, with -dirty if files differ; empty without git.

    Reports do not count: the pipeline writes them, so its first run would differ from its second.
    """
    git = partial(subprocess.run, cwd=project_root(), capture_output=True, text=True)
    try:
        head = git(["git", "rev-parse", "HEAD"], check=True).stdout.strip()
        differs = git(["git", "diff", "--quiet", "HEAD", "--", ".", ":(exclude)reports"]).returncode
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"git.commit": f"{head}-dirty" if differs else head}


def peak_memory_mb() -> float:
    """Peak memory of this process so far in MiB: of the GPU if present, else of the machine."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
