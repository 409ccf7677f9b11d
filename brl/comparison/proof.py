"""Whether a worker computes what this process would: by the same code, from the same clips."""

from dataclasses import dataclass
from pathlib import Path

import brl
from brl.cluster.versions import prove_versions, versions
from brl.comparison.data import Data
from brl.comparison.plan import key_of
from brl.support.errors import UserError
from brl.support.files import project_root, sha256

PULL = "dvc pull prepare subsample"


def _loaded_code() -> str:
    files = sorted(Path(brl.__file__).parent.rglob("*.py"))
    return key_of([sha256(file) for file in files])


CODE = _loaded_code()  # of when the process began: what it has loaded is not what is edited later


@dataclass(frozen=True)
class Project:
    """What the results of a process depend on, beside parameters.

    code: a hash of brl/. store, subset: digests of the clips. versions: of Python and libraries.
    """

    code: str
    store: str
    subset: str
    versions: dict[str, str]

    @classmethod
    def here(cls) -> "Project":
        """What this process would compute with. Raises UserError if there are no clips."""
        try:
            data = Data.read()
        except FileNotFoundError as error:
            raise UserError(f"{error.filename} is missing in {project_root()}: {PULL}") from error
        return cls(CODE, data.store.digest, data.digest, versions())

    @property
    def name(self) -> str:
        """A name that equal projects have in common."""
        return f"brl-{key_of(self.code, self.store, self.subset, self.versions)}"


def prove_same(expected: Project) -> None:
    """Raises UserError, with the remedy, if this process would compute with something else."""
    here, place = Project.here(), project_root()
    if here.code != expected.code:
        raise UserError(f"{place} has other code in brl/: git pull, then start the worker again")
    prove_versions(expected.versions)
    if here.store != expected.store:
        raise UserError(f"{place}/data/store has other clips: git pull && {PULL}")
    if here.subset != expected.subset:
        raise UserError(f"{place}/data/subset is another subset: git pull && {PULL}")
