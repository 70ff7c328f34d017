"""Batches of every kind, and the first samples of them."""

from __future__ import annotations

import pytest
import torch

from nnlint.capture.picks import count, pick

FIRST = torch.arange(3)


def _numbered(*shape: int) -> torch.Tensor:
    """A tensor whose elements tell which sample of the first axis they belong to."""
    return torch.arange(shape[0], dtype=torch.float32).view(-1, *[1] * (len(shape) - 1)).expand(shape)


def test_pairs_mappings_and_nested_batches() -> None:
    batch = ({"image": _numbered(8, 2, 2), "name": [f"n{at}" for at in range(8)]}, [_numbered(8), 5])
    assert count(batch) == 8
    first, (labels, other) = pick(batch, FIRST, 8)
    assert first["image"].shape == (3, 2, 2)
    assert first["name"] == ["n0", "n1", "n2"]
    assert labels.tolist() == [0.0, 1.0, 2.0]
    assert other == 5


def test_time_comes_first() -> None:
    source, target = torch.arange(8).expand(5, 8), torch.arange(8).expand(7, 8)
    assert count((source, target)) == 8
    assert count((source, target), hint=8) == 8
    chosen = pick((source, target), torch.tensor([6, 1]), 8)
    assert [part.shape for part in chosen] == [(5, 2), (7, 2)]
    assert chosen[0][0].tolist() == [6, 1]


def test_a_mask_without_samples_stays() -> None:
    images, mask = _numbered(8, 4), torch.ones(5, 5)
    assert pick((images, mask), FIRST, 8)[1].shape == (5, 5)


def test_a_list_with_an_entry_a_sample_is_shortened_and_one_with_an_entry_a_field_is_not() -> None:
    images = [torch.zeros(3, size, size) for size in range(4, 9)]
    boxes = [{"box": torch.zeros(2, 4)} for _ in range(5)]
    chosen = pick((images, boxes), FIRST, 5)
    assert [len(part) for part in chosen] == [3, 3]
    fields = [_numbered(3, 2) for _ in range(3)]
    assert [part.shape for part in pick(fields, torch.arange(2), 3)] == [(2, 2)] * 3


def test_what_needs_a_gradient_still_does() -> None:
    assert pick(_numbered(8, 2).clone().requires_grad_(True), FIRST, 8).requires_grad


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_batches_of_graphs() -> None:
    from torch_geometric.data import Batch, Data  # type: ignore[import-untyped]

    edges = torch.tensor([[0, 1], [1, 0]])
    batch = Batch.from_data_list([Data(x=torch.full((2, 3), float(at)), edge_index=edges) for at in range(5)])
    assert count(batch) == 5
    chosen = pick(batch, torch.tensor([4, 0]), 5)
    assert chosen.num_graphs == 2
    assert chosen.x[:, 0].tolist() == [4, 4, 0, 0]
    assert chosen.edge_index.tolist() == [[0, 1, 2, 3], [1, 0, 3, 2]]
