"""Shap-Mix agrees with the published implementation."""

import numpy as np
import pytest
import torch
from torch import nn

from brl.clips.layouts import COCO17, NTU25
from brl.training.losses import Criterion
from brl.training.mixing import Batch, Targets, unmixed
from brl.training.prototypes import label_shares
from brl.training.shap_mix import SUBSETS, ShapMix, blended, body_parts, moved, pasted, window
from tests.methods import method
from tests.reference import shared
from tests.test_networks import assert_agrees


class Reference:
    """The published arrays; our state with the published parts, in the published order."""

    def __init__(self) -> None:
        self.arrays = np.load(shared("reference/systems/shapmix.npz"))
        clips, self.labels = self.tensor("clips"), self.tensor("labels")
        # As published, absent bodies are mixed like present ones.
        self.batch = unmixed(clips, torch.ones(clips.shape[:2], dtype=torch.bool), self.labels)
        parts = torch.zeros(5, 25, dtype=torch.bool)
        for part in range(5):
            parts[part, self.tensor(f"parts/{part}")] = True
        self.counts = self.tensor("counts")
        self.shap = ShapMix(self.tensor("shapley/mean"), parts, self.counts, "float32")
        self.shap.table = self.tensor("table")

    def tensor(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[name])

    def windows(self, name: str) -> tuple[range, range]:
        kinds = ("start", "length", "source_start", "source_length")
        start, length, *source = (int(self.arrays[f"{name}/{kind}"]) for kind in kinds)
        return window(start, length, 64), window(*source, 64)

    def assert_labelled(self, mixed: Batch, name: str) -> None:
        assert_agrees(label_shares(mixed.targets, 6), self.arrays[f"{name}/label_weights"])


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


def test_the_rarer_class_keeps_its_salient_parts_as_published(reference):
    batch, shap, labels = reference.batch, reference.shap, reference.labels
    partners = reference.tensor("paste/partner")
    salient = reference.tensor("paste/salient_clip")
    assert_agrees(shap.salience(labels[salient]), reference.arrays["paste/probability"])
    assert torch.equal(shap.rarer(labels, labels[partners]), labels[salient])
    subsets = reference.tensor("paste/drawn_subset")
    joints = shap.joints_of_partners(labels, labels[partners], subsets)
    mixed = pasted(batch, partners, joints, *reference.windows("paste"))
    assert_agrees(mixed.clips, reference.arrays["paste/mixed"])
    assert_agrees(1 - mixed.targets.share, reference.arrays["paste/share"])
    reference.assert_labelled(mixed, "paste")


def test_early_mixtures_as_published(reference):
    parts = reference.tensor("naive/parts")
    joints = reference.shap.parts[parts].any(dim=0).expand(5, -1)
    partners = reference.tensor("naive/partner")
    mixed = pasted(reference.batch, partners, joints, *reference.windows("naive"))
    assert_agrees(mixed.clips, reference.arrays["naive/mixed"])
    reference.assert_labelled(mixed, "naive")


def test_blended_clips_as_published(reference):
    share = float(reference.arrays["blend/lambda"])
    mixed = blended(reference.batch, reference.tensor("blend/partner"), share)
    assert_agrees(mixed.clips[:, :, 0], reference.arrays["blend/mixed_first_frame"])
    reference.assert_labelled(mixed, "blend")


class MeanPose(nn.Module):
    """Logits that are linear in the mean of a clip over bodies and frames."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, clips: torch.Tensor, _present: torch.Tensor) -> torch.Tensor:
        assert not self.training and not torch.is_grad_enabled()
        return clips.mean(dim=(1, 2)).flatten(1) @ self.weights.T


def test_values_and_table_as_published():
    reference = Reference()
    shap, network = reference.shap, MeanPose(reference.tensor("shapley/model"))
    for name, others, decay in (("early", [], 0.0), ("late", "shapley/late/others", 0.9)):
        chosen = int(reference.arrays[f"shapley/{name}/subset"])
        beside = torch.zeros(5, dtype=torch.bool)
        beside[reference.tensor(others) if others else []] = True
        values = shap.values(reference.batch, network, SUBSETS[chosen], beside)
        assert_agrees(values, reference.arrays[f"shapley/{name}/value"])
        shap.table[:, chosen] = moved(shap.table[:, chosen], values, reference.labels, decay)
        assert_agrees(shap.table, reference.arrays[f"shapley/{name}/table_after"])
    assert network.training


def test_the_loss_as_published(reference):
    """Of clean clips, and of the mixture that the rarer class guides."""
    arrays, labels = reference.arrays, reference.labels
    partners, share = labels[reference.tensor("paste/partner")], reference.tensor("paste/share")
    both = Targets(
        labels.repeat(2), torch.cat([labels, partners]), torch.cat([torch.ones(5), 1 - share])
    )
    clean, mixed = (reference.tensor(f"loss/logits_{which}") for which in ("clean", "mixed"))
    criterion = Criterion(method("shap_mix"), reference.counts, 1)
    assert_agrees(criterion(torch.cat([clean, mixed]), both, 0), arrays["loss/total"])
    for which, logits, part in (("clean", clean, slice(5)), ("mixed", mixed, slice(5, None))):
        doubled = Targets(*(rows[part].repeat(2) for rows in both))
        loss = criterion(logits.repeat(2, 1), doubled, 0)
        assert_agrees(loss / 2, arrays[f"loss/{which}"])


def test_the_parts_are_the_published_ones(reference):
    for layout, name in ((NTU25, "parts"), (COCO17, "parts_coco")):
        ours = body_parts(layout, range(layout.num_joints))
        published = {frozenset(reference.tensor(f"{name}/{part}").tolist()) for part in range(5)}
        assert {frozenset(part.nonzero()[:, 0].tolist()) for part in ours} == published
        assert set(ours[0].nonzero()[:, 0].tolist()) == set(reference.tensor(f"{name}/0").tolist())


def test_the_subsets_are_the_published_ones(reference):
    assert torch.equal(SUBSETS, reference.tensor("subsets"))
