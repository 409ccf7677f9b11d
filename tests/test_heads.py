"""The heads: classifiers on a clip's features."""

import pytest
import torch
from torch.nn import functional as F

from brl.models.common.network import HEADS


def head_of(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return HEADS[name](16, 5)


def test_the_cosine_head_gives_thirty_times_cosines():
    """arXiv 1906.07413, section 4: the lengths of features and weights do not matter."""
    head = head_of("cosine")
    features = torch.randn(7, 16, generator=torch.Generator().manual_seed(1))
    cosines = F.cosine_similarity(features[:, None], head.fc_cls.weight, dim=2)
    torch.testing.assert_close(head(features), 30 * cosines)
    before = head(features)
    with torch.no_grad():
        head.fc_cls.weight.mul_(torch.rand(5, 1) + 0.5)
    torch.testing.assert_close(head(100 * features), before)
    assert [name for name, _ in head.named_parameters()] == ["fc_cls.weight"]


def test_the_cosine_heads_directions_turn_in_every_step():
    """They start with unit length; from short ones, the first step would go too far."""
    head = head_of("cosine")
    torch.testing.assert_close(head.fc_cls.weight.norm(dim=1), torch.ones(5))
    features, labels = torch.randn(64, 16), torch.arange(64) % 5
    optimizer = torch.optim.SGD(head.parameters(), lr=0.05)
    turned = []
    for _ in range(20):
        before = F.normalize(head.fc_cls.weight.detach())
        optimizer.zero_grad()
        F.cross_entropy(head(features), labels).backward()
        optimizer.step()
        turned.append((before * F.normalize(head.fc_cls.weight.detach())).sum(1).min().arccos())
    assert min(turned) > 0.01 and max(turned) < 1  # rad


@pytest.mark.parametrize("name", HEADS)
def test_a_head_keeps_the_first_classes(name):
    head, features = head_of(name), torch.randn(3, 16)
    before = head(features)
    head.keep(2)
    torch.testing.assert_close(head(features), before[:, :2])
    assert head.fc_cls.out_features == len(head.fc_cls.weight) == 2
