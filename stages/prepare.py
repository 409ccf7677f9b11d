"""Stage `prepare`: writes the clip store from raw files, and the data report."""

from brl.clips.store import ClipStore
from brl.config.params import read_params
from brl.datasets.data_report import by_class, findings
from brl.datasets.prepare import prepare
from brl.datasets.table import source_of
from brl.support.files import write_report
from brl.support.paths import DATA_FINDINGS, DATA_TABLE, RAW, STORE
from brl.support.stage import stage


def main() -> None:
    """Runs the stage."""
    params = read_params()
    name, max_bodies = params.dataset.name, params.prepare.max_bodies
    raw = RAW.absolute()  # other processes may have another working directory
    dataset = source_of(name).open(raw)
    facts = prepare(name, dataset, STORE, max_bodies, params.subsample.classes)
    store = ClipStore.open(STORE)
    suspicious = findings(store, facts, max_bodies)
    write_report(by_class(store, facts), DATA_TABLE)
    write_report(suspicious, DATA_FINDINGS)
    print(f"{name}: {len(store.names)} clips, {len(store.classes)} classes")
    if dataset.left_out:
        print(f"  {dataset.left_out} recordings are left out, as in the field: docs/datasets.md")
    if len(suspicious):
        print("  some clips look suspicious: brl data shows which")


if __name__ == "__main__":
    with stage():
        main()
