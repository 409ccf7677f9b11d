"""Workers that are jobs of a queue such as Slurm, as `cluster.yaml` describes them."""

import logging
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from distributed import Status
from pydantic import Field

from brl.config.section import Count, Section
from brl.support.errors import UserError
from brl.support.files import project_root
from brl.support.packages import optional_package
from brl.support.yaml_file import read_yaml

if TYPE_CHECKING:
    from distributed import SpecCluster

FILE = Path("cluster.yaml")


class Queued(Section):
    """What a site wants to know of a job, which is one worker and does one training at a time.

    memory is such as 16GB, walltime such as "24:00:00". Empty: the site's own.

    directives  further options of the job's head, such as --gres=gpu:1
    prologue    shell commands before the worker starts, such as module load cuda
    interface   the network interface by which jobs reach this machine, such as ib0
    """

    cores: Count
    memory: Annotated[str, Field(pattern=r"^[0-9]+ ?[KMGT]i?B$")]
    walltime: Annotated[str, Field(pattern=r"^[0-9:-]+$")]
    queue: str | None = None
    account: str | None = None
    directives: list[str] = Field(default_factory=list)
    prologue: list[str] = Field(default_factory=list)
    interface: str | None = None


class ClusterFile(Section):
    """`cluster.yaml`: the queues of a site."""

    slurm: Queued | None = None
    pbs: Queued | None = None
    sge: Queued | None = None
    lsf: Queued | None = None


# dask-jobqueue's class of each queue, and how it calls the account.
CLASSES = {
    "slurm": ("SLURMCluster", "account"),
    "pbs": ("PBSCluster", "account"),
    "sge": ("SGECluster", "project"),
    "lsf": ("LSFCluster", "project"),
}


def read_queue(kind: str) -> Queued:
    """The jobs of a kind of queue. Raises UserError if `cluster.yaml` lacks them or is wrong."""
    described = getattr(read_yaml(FILE, ClusterFile, str(FILE)), kind) if FILE.exists() else None
    if described is None:
        raise UserError(f"{FILE} does not describe the jobs of {kind}; docs/cluster.md shows how")
    return described


def job_queue(kind: str, jobs: int) -> "SpecCluster":
    """A scheduler in this process with `jobs` workers that a queue starts, and replaces.

    Raises UserError if the queue does not take the jobs.
    """
    described = read_queue(kind)
    name, account = CLASSES[kind]
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    kind_of_cluster = getattr(optional_package("dask_jobqueue", f"--cluster {kind}"), name)
    signal.signal(signal.SIGINT, on_ctrl_c)  # the package had Ctrl-C end with code 0
    submit = kind_of_cluster.job_cls.submit_command.split()[0]
    if shutil.which(submit) is None:
        raise UserError(f"--cluster {kind}: this machine has no {submit}; run it where it is")
    logs = project_root() / "logs"
    for path in (str(logs), sys.executable):
        if len(path.split()) > 1:
            raise UserError(
                f"--cluster {kind}: {path!r} has a space, where a job script ends a name; choose "
                "another folder"
            )
    logs.mkdir(exist_ok=True)
    for logger in ("asyncio", "tornado.application"):  # they would tell of refusals at length
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    cluster = kind_of_cluster(
        n_workers=jobs,
        processes=1,
        cores=described.cores,
        memory=described.memory,
        walltime=described.walltime,
        queue=described.queue,
        interface=described.interface,
        python=sys.executable,
        job_extra_directives=described.directives,
        job_script_prologue=described.prologue,
        log_directory=str(logs),
        security=True,  # else everybody in the network could run programs as this user
        shared_temp_directory=str(logs),
        **{account: described.account},
    )
    if refusal := _refusal(cluster):
        raise UserError(f"--cluster {kind}: {submit} refused the job: {refusal}")
    cluster.adapt(minimum=jobs, maximum=jobs)
    return cluster


def _refusal(cluster: "SpecCluster") -> str:
    """Why the queue has not taken the jobs of a new cluster, which is closed then; else empty."""

    async def tried() -> None:
        await cluster

    cluster.sync(tried)
    refused = [job for job in cluster.workers.values() if job.job_id is None]
    try:
        for job in refused:
            cluster.sync(job.start)  # once more: why it failed was lost
    except RuntimeError as error:  # with all that the command said
        for job in refused:
            job.status = Status.closed  # those of status `created` cannot be closed
        cluster.close()
        return [line for line in str(error).splitlines() if line.strip()][-1]
    return ""
