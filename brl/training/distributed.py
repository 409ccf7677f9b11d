"""Data-parallel training: several processes train one stream, each on a part of every batch.

The result equals that of one process up to rounding. All processes draw the same random numbers
for the whole batch and compute their part of it. Batch norms share their statistics
(brl/models/common/batch_norm.py), the loss is computed from the logits of the whole batch, and
gradients are summed.
"""

import logging
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from tqdm import tqdm

from brl.streams.device import best_device
from brl.support.errors import UserError, in_words
from brl.support.launchers import end_with
from brl.training.meeting import meet

# When a process fails, those connected to it fail at once. They wait this long before they end, so
# that the launcher, which polls ten times a second, finds the process that failed first.
SECONDS_BEFORE_EXIT = 2


def requested_processes() -> int:
    """The number of training processes: BRL_PROCESSES, by default one per GPU, or one on a CPU.

    Raises UserError if BRL_PROCESSES is not a number of processes, or exceeds the number of GPUs
    of a machine that has GPUs.
    """
    gpus = torch.cuda.device_count()
    asked = os.environ.get("BRL_PROCESSES")
    if not asked:
        return gpus or 1
    if not re.fullmatch("[1-9][0-9]{0,3}", asked):
        raise UserError(
            f"BRL_PROCESSES: {asked} is not a number of processes; give a whole number of 1 or "
            "more, or unset it for one process per GPU"
        )
    if gpus and int(asked) > gpus:
        raise UserError(
            f"BRL_PROCESSES: {asked} processes need one GPU each, but this machine has {gpus}; "
            f"give at most {gpus}"
        )
    return int(asked)


def run_requested(function: Callable[..., None], *arguments: Any) -> None:
    """Calls `function(*arguments)` in as many processes as requested: in this one, or by `launch`.

    If torchrun has started this process, its calls in all processes, on one machine or several, are
    connected. Raises what `requested_processes`, the function and `launch` raise.
    """
    if dist.is_torchelastic_launched():
        with _connected(os.getppid()):
            function(*arguments)
        return
    processes = requested_processes()
    if processes == 1:
        function(*arguments)
    else:
        launch(processes, function, *arguments)


def launch(processes: int, function: Callable[..., None], *arguments: Any) -> None:
    """Calls `function(*arguments)` in several connected new processes and waits for them.

    The function must be defined at module level, so that it can be pickled. Only the first process
    prints. When a process fails, all are ended.

    Raises UserError with the message of the UserError or OSError of the process that failed, or
    if a process was killed; KeyboardInterrupt on Ctrl-C.
    """
    # These imports are slow, and only needed here.
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
            elastic_launch(config, _run_connected)(os.getpid(), error, function, *arguments)
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
                    f"one of {processes} processes was killed by {failure.signal_name()}, perhaps "
                    "for lack of memory; the next `dvc repro` resumes after the last complete epoch"
                ) from None
            raise


def _silence_the_launcher() -> None:
    """Hides the launcher's reports on a failed process: `launch` reports it in one line."""
    for name in ("torch.distributed.elastic", "torch.multiprocessing"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    # Inherited by the processes: hides warnings about connections to a process that ended.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def _run_connected(
    launcher: int, error: Path, function: Callable[..., None], *arguments: Any
) -> None:
    """Runs in each process: connects to the others and calls the function."""
    with _connected(launcher):
        try:
            function(*arguments)
        except (UserError, OSError) as reason:
            error.write_text(in_words(reason), encoding="utf-8")
            raise
        except Exception:
            time.sleep(SECONDS_BEFORE_EXIT)
            raise


@contextmanager
def _connected(launcher: int) -> Iterator[None]:
    """Connects this process to the others, from the variables that a launcher has set.

    launcher: its process id; this process ends with it.
    """
    end_with(launcher)
    signal.signal(signal.SIGINT, partial(_interrupt_once, launcher))
    # By default progress bars use a system-wide lock, which a killed process would leave locked.
    tqdm.set_lock(RLock())
    store, rank, size = meet()
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend, device = "nccl", best_device()
    else:
        backend, device = "gloo", None
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, device_id=device)
    yield
    dist.destroy_process_group()


def _interrupt_once(launcher: int, *_: Any) -> None:
    """Handles Ctrl-C once.

    The terminal and the launcher both send the signal; the second one would interrupt the cleanup.
    torch has it sent also when the launcher was killed. Then there is no cleanup, which could reach
    the run of a successor.
    """
    if os.getppid() != launcher:
        os.kill(os.getpid(), signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def num_processes() -> int:
    """The number of processes that share each batch."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this is the process that writes files and logs."""
    return num_processes() == 1 or dist.get_rank() == 0


def agree(about: str, own: Hashable) -> None:
    """Returns when all processes have called it, with equal values.

    about: what the values are, for the message. Raises UserError where they differ.
    """
    if num_processes() == 1:
        return
    values: list[Hashable] = [None] * num_processes()
    dist.all_gather_object(values, own)
    for process, value in enumerate(values):
        if value != values[0]:
            raise UserError(
                f"process {process} has another {about} than process 0: {value}, not {values[0]}; "
                "all machines must see the same folder"
            )


def own_part(count: int) -> slice:
    """The part of `count` clips of this process, as of torch.tensor_split; it may be empty."""
    if num_processes() == 1:
        return slice(count)
    size, remainder = divmod(count, num_processes())
    rank = dist.get_rank()
    start = rank * size + min(rank, remainder)
    return slice(start, start + size + (rank < remainder))


def rows_of_all(own: Tensor) -> int:
    """The number of rows of the whole batch, of which this process has `own`."""
    if num_processes() == 1:
        return len(own)
    count = torch.full((), len(own), device=own.device)
    dist.all_reduce(count)
    return int(count)


def gather_batch(own: Tensor, count: int) -> Tensor:
    """The rows (N, ...) of the whole batch from the parts of all processes; N is `count`.

    Only this process's own rows carry gradients: each process computes the same loss, and each
    backpropagates through its own part.
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
    """Replaces each gradient by its sum over all processes.

    DistributedDataParallel would average the gradients, as if each process had its own loss, and
    would wait for the gradient of every parameter, which some biases never get. The networks are
    small, so one exchange after the backward pass is cheap.
    """
    if num_processes() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    total = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(total)
    sums = total.split([gradient.numel() for gradient in gradients])
    for gradient, summed in zip(gradients, sums, strict=True):
        gradient.copy_(summed.view_as(gradient))
