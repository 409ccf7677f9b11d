"""Processes that a launcher has started find each other, whatever earlier ones have left."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from unittest.mock import patch

import pytest
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st

from brl.support.errors import UserError
from brl.training import meeting
from brl.training.meeting import meet, name_of_start


def names(store: dist.Store, size: int, order: list[int]) -> list[str]:
    """The names of a start that its processes find, which begin in an order."""
    with patch.object(meeting, "SECONDS_BETWEEN_LOOKS", 0.001), ThreadPoolExecutor(size) as threads:
        found = [threads.submit(name_of_start, store, rank, size) for rank in order]
        return [each.result() for each in found]


@given(
    starts=st.lists(st.integers(1, 4).flatmap(lambda n: st.permutations(range(n))), min_size=1),
)
def test_the_processes_of_each_start_agree_on_a_name_of_its_own(starts):
    """A later start may have more processes than an earlier one, or fewer."""
    store = dist.HashStore()
    found = [names(store, len(order), order) for order in starts]
    assert [len(set(each)) for each in found] == [1] * len(starts)
    assert len({each[0] for each in found}) == len(starts)


@pytest.mark.parametrize("died", [0, 1])
def test_a_start_of_which_a_process_died_is_forgotten(died, monkeypatch):
    store = dist.HashStore()
    store.set_timeout(timedelta(seconds=0.2))
    monkeypatch.setattr(meeting, "LONGEST", timedelta(seconds=0.2))
    with pytest.raises((dist.DistStoreError, TimeoutError)):
        name_of_start(store, 1 - died, 2)
    store.set_timeout(timedelta(seconds=30))
    monkeypatch.setattr(meeting, "LONGEST", timedelta(seconds=30))
    first, second = names(store, 2, [1, 0])
    assert first == second


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_waits_in_vain_says_so(rank, monkeypatch):
    store = dist.HashStore()
    store.set_timeout(timedelta(seconds=0.1))
    monkeypatch.setattr(meeting, "LONGEST", timedelta(seconds=0.1))
    monkeypatch.setattr(dist, "rendezvous", lambda *_, **__: iter([(store, rank, 2)]))
    monkeypatch.setenv("MASTER_ADDR", "node1")
    with pytest.raises(UserError, match=f"^process {rank} waited ten minutes .* 1 at node1; if"):
        meet()
