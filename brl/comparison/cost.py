"""What a training costs: steps, processor time, and operations."""

from functools import cache

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from brl.comparison.fusions import fusions_of
from brl.comparison.learned import learned_fusions
from brl.comparison.made import seconds_of, steps_of
from brl.comparison.plan import Run
from brl.comparison.run import Data, weights_file
from brl.streams.weights import Recipe

# A backward pass has twice the operations of the forward pass.
PASSES = 3


def with_costs(results: pd.DataFrame, runs: list[Run], data: Data) -> pd.DataFrame:
    """The results with the columns of `cost`; a fusion costs what its streams cost together.

    One that learns also costs the trainings without a fold.
    """
    of_runs = costs_of(runs, data)
    further = costs_of([run for fusion in learned_fusions(runs) for run in fusion.further], data)
    all_runs = pd.concat([of_runs, further]) if len(further) else of_runs
    fused = [
        all_runs[all_runs["method"].eq(method) & all_runs["what"].isin(streams)].assign(what=name)
        for method, fusions in fusions_of(runs).items()
        for name, streams in fusions.items()
    ]
    keys = ["method", "what", "seed"]
    costs = pd.concat([of_runs, *fused]).groupby(keys).agg(lambda costs: costs.sum(skipna=False))
    return results.merge(costs.reset_index(), "left", on=keys)


def costs_of(runs: list[Run], data: Data) -> pd.DataFrame:
    """The costs of runs, with `method`, `seed`, and the stream as `what`."""
    return pd.DataFrame(
        [
            {"method": run.method, "seed": run.seed, "what": run.stream} | cost(run, data)
            for run in runs
        ]
    )


def cost(run: Run, data: Data) -> dict[str, float]:
    """Steps of a training, minutes of processor time, and operations in 10^12.

    A multiply-add counts as two operations. Clips are counted as if each batch were full and had
    the bodies of the training clips. NaN where nothing is noted.
    """
    weights = weights_file(data.trained_key(run))
    steps = steps_of(weights)
    bodies = data.store.bodies[data.parts(run)[0].clips]
    recipe = Recipe.on(
        data.store, stream=run.job.stream, model=run.job.model, train=run.params.train
    )
    shown = data.store.max_bodies if run.params.model.absent_bodies == "pad" else bodies.mean()
    operations = PASSES * operations_of(recipe.model_dump_json()) * shown
    return {
        "steps": steps,
        "minutes": round(seconds_of(weights) / 60, 4),
        "tflop": round(steps * run.params.train.batch_size * operations / 1e12, 6),
    }


@cache
def operations_of(recipe: str) -> int:
    """Operations of a forward pass of one body of a clip; recipe: as JSON."""
    content = Recipe.model_validate_json(recipe)
    network, shape = content.build().eval(), content.batch_shape
    clips = torch.zeros(1, *shape)
    present = torch.arange(shape[0])[None] == 0
    network.pads = False  # in evaluation it would compute absent bodies once more
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(clips, present)
    return counter.get_total_flops()
