"""Where the workers of a command are: on this machine, with a scheduler, or in a job queue."""

import logging
import os
import sys
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager

import dask
from distributed import Client, Nanny, Scheduler, SpecCluster
from distributed.security import Security

from brl.cluster.admission import Admission, Proof
from brl.cluster.queue import CLASSES, job_queue
from brl.cluster.workers import Workers
from brl.support.errors import UserError
from brl.support.gpus import one_gpu_each
from brl.support.processes import end_children

HERE = "127.0.0.1"
SECONDS_TO_ANSWER = 10


@contextmanager
def workers(jobs: int, cluster: str | None, name: str, proof: Proof) -> Iterator[Workers]:
    """Workers that have passed a proof; see `Admission` for its name.

    jobs     the number of workers that are started
    cluster  the address of a scheduler that has workers, such as tcp://host:8786; or a queue, such
             as slurm, whose jobs are workers; None: they are processes of this machine. Those that
             are started end with this process

    Raises UserError if no scheduler is there.
    """
    with _client(jobs, cluster) as client:
        print(f"dashboard: {client.dashboard_link}", file=sys.stderr)
        client.register_plugin(Admission(name, proof, None if cluster else os.getpid()))
        yield Workers(client, name, cluster or "")


@contextmanager
def _client(jobs: int, cluster: str | None) -> Iterator[Client]:
    if cluster is None:
        with local_cluster(jobs) as started, Client(started) as client:
            yield client
    elif cluster in CLASSES:
        with job_queue(cluster, jobs) as started, Client(started) as client:
            yield client
    else:
        with connected(cluster) as client, _while_it_answers(client, cluster):
            yield client


@contextmanager
def _while_it_answers(client: Client, address: str) -> Iterator[None]:
    """Raises UserError if the scheduler of a client ends before the block does."""
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # which says it as well
    try:
        yield
    except (OSError, CancelledError) as error:
        if client.status == "running":
            raise
        raise UserError(
            f"the Dask scheduler at {address} has ended: start it and its workers again, and "
            "repeat this command to resume"
        ) from error


def connected(address: str) -> Client:
    """A client of the scheduler at an address. Raises UserError if none is there."""
    try:
        return Client(address, timeout=SECONDS_TO_ANSWER)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no Dask scheduler answers at {address}: start one there with `dask scheduler`, or "
            f"leave the cluster out"
        ) from error


@contextmanager
def local_cluster(jobs: int) -> Iterator[SpecCluster]:
    """A scheduler in this process with workers in others, which take the GPUs in turn."""
    # Without a certificate, all users of this machine could have the workers run what they like.
    security = Security.temporary()
    options = {
        "security": security,
        "nthreads": 1,
        "memory_limit": None,
        "dashboard": False,
        "silence_logs": logging.CRITICAL,
    }
    # Dask would limit the threads of NumPy in the workers and in this process.
    with dask.config.set({"distributed.nanny.pre-spawn-environ": {}}):
        cluster = SpecCluster(
            workers={
                number: {"cls": Nanny, "options": {**options, "env": gpu}}
                for number, gpu in enumerate(one_gpu_each(jobs))
            },
            scheduler={
                "cls": Scheduler,
                "options": {
                    "protocol": "tls://",
                    "host": HERE,
                    "port": 0,
                    "dashboard_address": f"{HERE}:0",
                    "security": security,
                },
            },
            security=security,
            silence_logs=logging.CRITICAL,
        )
    try:
        yield cluster
    except BaseException:  # they would end their tasks first
        for nanny in cluster.workers.values():
            nanny.auto_restart = False
        end_children()
        raise
    finally:
        cluster.close()
