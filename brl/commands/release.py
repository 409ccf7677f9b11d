"""Packs what was trained into one file to pass on: `brl release`."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from brl.commands import results
from brl.commands.record import check_up_to_date
from brl.config.params import Params, read_params
from brl.config.presets import edit_params
from brl.scores.scores import load_scores
from brl.serving.card import accuracies, model_card, terms_of
from brl.serving.export import export, extreme_clips, store_of
from brl.serving.recognizer import Recognizer
from brl.serving.release import pack
from brl.subset.subset import read_counts
from brl.support.files import sha256
from brl.support.paths import FUSED_SCORES, RELEASE, RESULTS, SUBSET

GRAPH = "recognizer.onnx"
SETTINGS = Path("params.yaml")
LICENCE = Path("LICENSE")


def release() -> None:
    """Writes the release, and prints its files and how to use it.

    Raises UserError for data or checkpoints that may not be passed on, and if the pipeline is not
    up to date: weights and figures would not belong together.
    """
    params = read_params()
    terms_of(params)
    recognizer = Recognizer.of_project(params)
    check_up_to_date()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "recognizer"
        recognizer.save(folder)
        describe(folder, params, recognizer)
        export(recognizer, folder / GRAPH, extreme_clips(store_of(recognizer.recipe)))
        pack(folder, RELEASE)
        sizes = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
    report(sizes)


def describe(folder: Path, params: Params, recognizer: Recognizer) -> None:
    """Adds the model card, the settings and, where it is the project's to give, the licence."""
    table = results.markdown(results.table_rows(RESULTS))
    by_class = accuracies(read_counts(SUBSET), load_scores(FUSED_SCORES).predictions, params)
    card = model_card(params, recognizer, table, by_class)
    (folder / "README.md").write_text(card, encoding="utf-8")
    shutil.copy(SETTINGS, folder)
    edit_params(folder / SETTINGS, forget_mirror)
    if params.dataset.name == "synthetic":
        shutil.copy(LICENCE, folder)


def forget_mirror(content: dict[str, Any]) -> None:
    """Takes out where the raw files are: a place on this machine, or an address with a password."""
    content["dataset"]["mirror"] = None


def report(sizes: dict[str, int]) -> None:
    """Prints what the release holds, its checksum, and the commands that use it."""
    for name, size in sizes.items():
        print(f"  {size / 1000:8,.0f} kB  {name}")
    digest = sha256(RELEASE)
    print(
        f"{RELEASE}: {RELEASE.stat().st_size / 1e6:.1f} MB, sha256 {digest}\n"
        f"  use it: brl predict --from {RELEASE} clip.npy\n"
        f"  from a server: brl predict --from 'URL/{RELEASE.name}#sha256={digest}' clip.npy"
    )
