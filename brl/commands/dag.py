"""Shows the pipeline with the streams as one: `brl dag`. The picture of `dvc dag` is very wide."""

import networkx as nx
from rich.table import Table

from brl.support.errors import UserError
from brl.support.text import console


def grouped_graph() -> "nx.DiGraph[str]":
    """The stages, with an edge to each stage whose outputs they read; `train` for `train@STREAM`.

    Raises UserError if DVC cannot read the pipeline.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    graph: nx.DiGraph[str] = nx.DiGraph()
    try:
        with Repo(".") as repo:
            of_dvc = repo.index.graph
            for stage in of_dvc:
                graph.add_node(_group(stage.addressing))
            for stage, read in of_dvc.edges:
                graph.add_edge(_group(stage.addressing), _group(read.addressing))
    except DvcException as error:
        raise UserError(f"DVC cannot read the pipeline here: {error}") from error
    return graph


def _group(stage: str) -> str:
    name, at, _ = stage.partition("@")
    return f"{name}@STREAM" if at else name


def show() -> None:
    """Prints the stages in the order in which they run, and what they read."""
    graph = grouped_graph()
    order = list(reversed(list(nx.lexicographical_topological_sort(graph))))
    table = Table("stage", "reads the outputs of", box=None, header_style="bold")
    for stage in order:
        table.add_row(stage, ", ".join(name for name in order if graph.has_edge(stage, name)))
    console().print(table)
