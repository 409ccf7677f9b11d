"""The GPUs of this machine that a command may use."""

import os


def visible_gpus() -> list[str]:
    """The available GPUs, named as in CUDA_VISIBLE_DEVICES."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = named.split(",") if named else map(str, range(count))
    return [name.strip() for name in names][:count]


def one_gpu_each(processes: int) -> list[dict[str, str]]:
    """The environment variables that give each of some processes one GPU, in turn."""
    gpus = visible_gpus()
    return [
        {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else {}
        for number in range(processes)
    ]
