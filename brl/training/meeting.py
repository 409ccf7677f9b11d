"""How the processes of a training find each other when a launcher has started them."""

import os
import time
from datetime import timedelta
from uuid import uuid4

import torch.distributed as dist

from brl.support.errors import UserError

LONGEST = timedelta(minutes=10)
SECONDS_BETWEEN_LOOKS = 0.05


def meet() -> tuple[dist.Store, int, int]:
    """A store that only the processes of this start have, this process's rank, and their number.

    torchrun starts all processes again when one fails. Its agents share a store, in which what the
    processes of an earlier start have left would mislead those of a later one: PyTorch tells starts
    apart by the number of restarts, which each agent counts for itself, and not always alike.

    Raises UserError if the others do not come within ten minutes.
    """
    store, rank, size = next(dist.rendezvous("env://", timeout=LONGEST))
    try:
        return dist.PrefixStore(name_of_start(store, rank, size), store), rank, size
    except (dist.DistStoreError, TimeoutError):
        raise UserError(
            f"process {rank} waited ten minutes for the other {size - 1} at "
            f"{os.environ['MASTER_ADDR']}; if they wait, too, start torchrun again, with "
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 on each machine"
        ) from None


def name_of_start(store: dist.Store, rank: int, size: int) -> str:
    """A name that the processes of this start agree on; others may have left theirs in the store.

    Relies on torchrun ending all processes of a start before it begins another one. Raises
    DistStoreError or TimeoutError if the others do not come.
    """
    own = uuid4().hex
    if rank == 0:
        store.set("start", own)
        came = [store.get(f"{own}/{other}").decode() for other in range(1, size)]
        store.set(f"{own}/came", " ".join(came))
        return own
    deadline = time.monotonic() + LONGEST.total_seconds()
    told = ""
    while time.monotonic() < deadline:
        start = store.get("start").decode()
        if start != told:
            store.set(f"{start}/{rank}", own)
            told = start
        # The list of an earlier start names other processes.
        if store.check([f"{start}/came"]) and own in store.get(f"{start}/came").decode().split():
            return start
        time.sleep(SECONDS_BETWEEN_LOOKS)
    raise TimeoutError
