"""Training of one stream by several processes, each with a part of every batch.

The result is that of one process, but for rounding. All processes draw the same random numbers for
the whole batch and compute their part of it; batch norms share their statistics
(brl/models/common/batch_norm.py), the loss sees the logits of all, and gradients are summed.
"""

import logging
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import RLock
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from tqdm import tqdm

from brl.streams.device import best_device
from brl.support.errors import UserError

# A process that loses another fails too, at once. So long it waits before it ends, that the
# launcher, which looks ten times a second, sees the one that ended first.
SECONDS_TO_FIND_THE_CAUSE = 2


def requested_processes() -> int:
    """How many processes shall train: BRL_PROCESSES, or one a GPU, or one.

    Raises UserError on what is no such number, or more than the machine's GPUs where it has any.
    """
    gpus = torch.cuda.device_count()
    asked = os.environ.get("BRL_PROCESSES")
    if not asked:
        return gpus or 1
    if not re.fullmatch("[1-9][0-9]{0,3}", asked):
        raise UserError(
            f"BRL_PROCESSES: {asked} is no number of processes; give a whole number from 1 on, "
            "or unset it for one process a GPU"
        )
    if gpus and int(asked) > gpus:
        raise UserError(
            f"BRL_PROCESSES: {asked} processes need a GPU each, but this machine has {gpus}; "
            f"give at most {gpus}"
        )
    return int(asked)


def launch(processes: int, function: Callable[..., None], *arguments: Any) -> None:
    """Calls `function(*arguments)` in that many new processes, connected, and waits for them.

    The function is one of a module, so that it can be sent. What the first process prints is
    seen, the others are silent. When one fails all are ended: UserError with its message where it
    was a UserError or an OSError, or where it was killed; KeyboardInterrupt on Ctrl-C.
    """
    # Slow to import, and needed here alone.
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    _silence_the_launcher()
    with tempfile.TemporaryDirectory() as folder:
        error = Path(folder) / "error"
        silent = dict.fromkeys(range(1, processes), Std.ALL)
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            run_id="train",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(f"{folder}/logs", redirects=silent),
        )
        try:
            elastic_launch(config, _run_connected)(error, function, *arguments)
        except SignalException as signalled:
            if signalled.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            sys.exit(128 + signalled.sigval)
        except ChildFailedError as failed:
            if error.exists():
                raise UserError(error.read_text(encoding="utf-8")) from None
            _, failure = failed.get_first_failure()
            if failure.exitcode < 0:
                raise UserError(
                    f"one of {processes} processes was ended by {failure.signal_name()}, perhaps "
                    "for want of memory; the next `dvc repro` goes on from the last whole epoch"
                ) from None
            raise


def _silence_the_launcher() -> None:
    """What it would say of a process that ended is said in one line here."""
    for name in ("torch.distributed.elastic", "torch.multiprocessing"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    # For the processes to come: warnings of connections that broke when one ended.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def _run_connected(error: Path, function: Callable[..., None], *arguments: Any) -> None:
    """One of the processes: connects to the others and calls the function."""
    signal.signal(signal.SIGINT, _interrupt_once)
    # A bar's own lock is known to the whole machine, and a killed process leaves it behind.
    tqdm.set_lock(RLock())
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl", device_id=best_device())
    else:
        dist.init_process_group("gloo")
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // num_processes()))
    try:
        function(*arguments)
    except (UserError, OSError) as reason:
        error.write_text(str(reason), encoding="utf-8")
        raise
    except Exception:
        time.sleep(SECONDS_TO_FIND_THE_CAUSE)
        raise
    dist.destroy_process_group()


def _interrupt_once(*_: Any) -> None:
    """Ctrl-C reaches a process from the terminal and from the launcher; the second time it would
    disturb the tidying up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def num_processes() -> int:
    """How many processes share each batch."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes and tells."""
    return num_processes() == 1 or dist.get_rank() == 0


def wait_for_all() -> None:
    """Returns when every process has come here."""
    if num_processes() > 1:
        dist.barrier()


def own_part(count: int) -> slice:
    """This process's part of `count` clips, as torch.tensor_split divides them; it may be empty."""
    if num_processes() == 1:
        return slice(count)
    size, remainder = divmod(count, num_processes())
    rank = dist.get_rank()
    start = rank * size + min(rank, remainder)
    return slice(start, start + size + (rank < remainder))


def of_whole_batch(own: Tensor, count: int) -> Tensor:
    """The whole batch's rows (N, ...) of all processes' parts; N is `count`.

    Gradients flow into this process's part alone: each process computes the same loss, and a
    gradient that reaches the others' rows is theirs to follow.
    """
    if num_processes() == 1:
        return own
    part = own_part(count)
    whole = own.new_zeros(count, *own.shape[1:])
    whole[part] = own.detach()
    dist.all_reduce(whole)
    whole[part] = own
    return whole


def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Replaces each gradient by its sum over processes.

    DistributedDataParallel would average them, as if each process had a loss of its own, and
    waits for the gradient of every parameter, where some biases never get one. Networks here are
    small: one exchange after the backward pass costs little.
    """
    if num_processes() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    total = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(total)
    sums = total.split([gradient.numel() for gradient in gradients])
    for gradient, summed in zip(gradients, sums, strict=True):
        gradient.copy_(summed.view_as(gradient))
