"""Evaluates pre-trained encoders: `brl probe`."""

import sys
from collections.abc import Iterator
from functools import partial
from itertools import groupby, product
from operator import itemgetter
from typing import Any

import pandas as pd
from rich.table import Table

from brl.commands import pipeline
from brl.commands.results import figures, markdown
from brl.config.params import Params, read_params
from brl.probing.encoder import EVALUATIONS, Encoder, Labelled, probing_job
from brl.report.columns import COLUMNS
from brl.report.words import data_in_words, pretraining_in_words
from brl.streams.weights import load_encoder
from brl.subset.subset import read_summary
from brl.support.errors import UserError
from brl.support.files import project_root, sha256, write_csv, written_whole
from brl.support.locks import alone
from brl.support.paths import PROBE, SUBSET, pretrained_encoder
from brl.support.text import console
from brl.tracking.description import Description, SubsetRecord, of_probe, surroundings
from brl.tracking.results import Result, record_probe
from brl.tracking.store import enabled
from brl.tracking.unsent import recorded as in_store

NAMES, LABELS = ("stream", "evaluation", "encoder"), "labels"


def probe() -> None:
    """Evaluates the encoders of all streams; records, prints and writes the results.

    What was computed before is not computed again. Raises UserError without encoders that belong
    to the present params.yaml.
    """
    pipeline.set_up()
    params = read_params()
    streams = pretrained_streams(params)
    check_encoders(streams)
    subset = SubsetRecord(params.dataset.name, *read_summary(SUBSET))
    clips = Labelled.read(params.dataset.split, subset.digest)
    with alone("probe", project_root() / ".probe" / "probe"):
        results = [row for stream in streams for row in evaluations(params, stream, clips, subset)]
    report(params, pd.DataFrame(results))


def pretrained_streams(params: Params) -> list[str]:
    """The streams that are pre-trained; raises UserError if there are none."""
    if params.pretraining is None:
        raise UserError(
            "params.yaml: pretrain.kind: none, so there is no encoder to evaluate; must be a kind "
            "of pre-training, such as masked; then: make repro"
        )
    streams = [name for name, stream in params.streams.items() if stream.weights is None]
    if not streams:
        raise UserError(
            "params.yaml: streams: each has a checkpoint, so none is pre-trained; "
            f"brl weights {next(iter(params.streams))} none takes one out; then: make repro"
        )
    return streams


def check_encoders(streams: list[str]) -> None:
    """Raises UserError where an encoder or the subset is missing or out of date."""
    changed = pipeline.changed_stages()
    for stage in ("subsample", *(f"pretrain@{stream}" for stream in streams)):
        if stage in changed:
            raise UserError(
                f"{stage}: its results are not there, or not those of the present params.yaml, "
                "data and code (brl why); first: make repro"
            )


def evaluations(
    params: Params, stream: str, clips: Labelled, subset: SubsetRecord
) -> Iterator[dict[str, Any]]:
    """Yields the rows of a stream; each result is recorded before the next one is computed."""
    job, file = probing_job(params, stream), pretrained_encoder(stream)
    digest = sha256(file)
    encoders = {
        "pre-trained": Encoder(params, job, clips, load_encoder(file), digest),
        "random": Encoder(params, job, clips),
    }
    for evaluation, (name, encoder) in product(EVALUATIONS, encoders.items()):
        about = of_probe(params, stream, subset, evaluation, name)
        headline = recorded(about, encoder, evaluation, digest).headline
        names = dict(zip(NAMES, (stream, evaluation, name), strict=True))
        print(f"{', '.join(names.values())}: {headline['top1']:.1f} %", file=sys.stderr)
        labels = len(encoder.labelled(evaluation).clips)
        yield names | {LABELS: labels} | {column: headline[column] for column in COLUMNS}


def recorded(about: Description, encoder: Encoder, evaluation: str, digest: str) -> Result:
    """The result of an evaluation, which is in MLflow if runs are recorded.

    digest: hash of the pre-trained encoder's file.
    """
    params, clips, file = encoder.params, encoder.clips, encoder.scores_file(evaluation)
    # Of scores that are there, nobody knows on which machine they were computed.
    asked = {"train": params.train.precision, "predict": params.predict.precision}
    tags = {} if file.exists() or not enabled() else surroundings(**asked)
    scores = encoder.scores(evaluation)
    classes = pd.DataFrame({"class": clips.store.classes, "train_clips": clips.subset.counts})
    result = Result.of(
        about, about.digest(sha256(file)), scores.predictions, classes, params.evaluate
    )
    if enabled():
        in_store(partial(record_probe, result=result, encoder=digest, tags=tags))
    return result


def report(params: Params, results: pd.DataFrame) -> None:
    """Prints the results, and writes them as CSV and Markdown."""
    write_csv(results, PROBE)
    rows = [[*NAMES, LABELS, *COLUMNS.values()]]
    for record in results.to_dict("records"):
        rows.append([*(str(record[name]) for name in (*NAMES, LABELS)), *figures(record)])
    lines = [
        "# `brl probe`",
        f"{data_in_words(params)}; {pretraining_in_words(params)}, seed {params.seed}. Test "
        f"accuracy in %; `{LABELS}`: the training clips whose labels are used.",
        markdown(rows, names=len(NAMES)),
    ]
    with written_whole(PROBE.with_suffix(".md")) as unfinished:
        unfinished.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    console().print(*printed(rows[0], rows[1:]))


def printed(headings: list[str], rows: list[list[str]]) -> Iterator[Table]:
    """A table for each stream; its headings have two lines, so that it fits into a terminal."""
    for stream, of_stream in groupby(rows, key=itemgetter(0)):
        table = Table(title=stream, box=None, header_style="bold")
        for number, heading in enumerate(headings[1:], start=1):
            lines = heading.replace("-shot", "-\nshot").replace(" ", "\n")
            table.add_column(lines, justify="left" if number < len(NAMES) else "right")
        for _, *cells in of_stream:
            table.add_row(*cells)
        yield table
