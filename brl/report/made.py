"""What made the results, in words: the code, versions, the machine and the arithmetic."""

from collections.abc import Mapping, Sequence

Line = Mapping[str, str]  # what `brl.tracking.machine.surroundings` says of a process
Notes = Mapping[str, Mapping[str, Sequence[Line]]]  # by stage and stream

NOTHING = {"pretraining": "none"}
STAGES = {"pretrain": "pre-training", "train": "training", "predict": "test"}


def made_by(notes: Notes) -> list[tuple[str, str]]:
    """What was done, and by what: a row for each of several machines, versions or precisions.

    Of a stage that is equal for all streams, they are not named.
    """
    rows: dict[str, dict[str, list[str]]] = {}
    for stage, of_streams in notes.items():
        for stream, lines in of_streams.items():
            for words in dict.fromkeys(in_words(line) for line in lines if line != NOTHING):
                rows.setdefault(words, {}).setdefault(stage, []).append(stream)
    return [
        (", ".join(_work(stage, streams, notes) for stage, streams in done.items()), words)
        for words, done in rows.items()
    ]


def _work(stage: str, streams: list[str], notes: Notes) -> str:
    everywhere = len(streams) == len(notes[stage])
    return STAGES[stage] + ("" if everywhere else f" of {' and '.join(streams)}")


def in_words(line: Line) -> str:
    """The facts of a process, or where the work was done that none did here."""
    if elsewhere := line.get("trained"):
        return elsewhere
    commit, *changed = line.get("git.commit", "").split("-")
    code = f"{commit[:12]}{' with changes' if changed else ''}" if commit else "without git"
    precision = [value for name, value in line.items() if name.startswith("precision.")]
    versions = [f"Python {line['python']}", f"torch {line['torch']}", f"NumPy {line['numpy']}"]
    machine = [f"{line['device']} ({line['device.features']})", f"threads {line['threads']}"]
    together = [f"processes {line['processes']}"] if line["processes"] != "1" else []
    return ", ".join([f"brl {code}", *versions, *machine, *together, *precision])
