"""What of a batch is taken down to be shown."""

from __future__ import annotations

import base64
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nnlint.capture.meters.preview import preview
from nnlint.experiments.preview import MOST_IDS, MOST_PIXELS, MOST_SAMPLES, Part, Preview


def _loader(batch_size: int = 16, **dataset: Any) -> Any:
    return SimpleNamespace(batch_size=batch_size, dataset=SimpleNamespace(**dataset), collate_fn=None)


def _parts(batch: Any, loader: Any = None) -> tuple[Part, ...]:
    return preview(batch, loader or _loader()).parts


def test_images_have_pixels_and_their_labels() -> None:
    images = torch.zeros(16, 3, 9, 7)
    images[1, 0, 2, 3] = 1.0
    images[2, 2] = torch.linspace(0, 1, 63).reshape(9, 7)
    names = ["cat", "dog"]
    pictures, labels = _parts([images, torch.tensor([0, 1] * 8)], _loader(classes=names))
    shown = pictures.pictures
    assert shown is not None
    assert (shown.width, shown.height, shown.channels, len(shown.data)) == (7, 9, 3, MOST_SAMPLES)
    assert not shown.stretched
    pixels = base64.b64decode(shown.data[1])
    assert len(pixels) == 7 * 9 * 3
    assert [at for at, value in enumerate(pixels) if value] == [(2 * 7 + 3) * 3]
    assert labels.labels[:2] == ("0 cat", "1 dog")


@pytest.mark.parametrize(
    "shape",
    [(16, 1, 28, 28), (16, 28, 28, 3), (16, 28, 28), (16, 5, 12, 12), (16, 4, 3, 20, 20), (16, 1, 8, 20, 20)],
)
def test_images_have_many_layouts(shape: tuple[int, ...]) -> None:
    (part,) = _parts(torch.randn(*shape))
    assert part.pictures is not None
    assert part.pictures.stretched
    for data in part.pictures.data:
        pixels = base64.b64decode(data)
        assert len(pixels) == part.pictures.width * part.pictures.height * part.pictures.channels
    everything = b"".join(map(base64.b64decode, part.pictures.data))
    assert (min(everything), max(everything)) == (0, 255)


def test_large_images_and_masks_are_made_smaller() -> None:
    masks = torch.zeros(16, 300, 200, dtype=torch.int64)
    masks[:, 150:] = 7
    (part,) = _parts(masks)
    assert part.pictures is not None
    assert (part.pictures.height, part.pictures.width) == (MOST_PIXELS, 43)
    assert set(base64.b64decode(part.pictures.data[0])) == {0, 255}


def test_what_is_not_finite_does_not_hide_the_rest() -> None:
    images = torch.rand(16, 1, 8, 8)
    images[0, 0, 0, 0] = torch.nan
    table = torch.ones(16, 3)
    table[3, 1] = torch.nan
    pictures, part = _parts([images, table])
    assert pictures.pictures is not None
    assert [column.missing for column in part.columns] == [0, 1, 0]
    assert part.columns[1].mean == 1.0


class _Tokenizer:
    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(chr(number) for number in ids)


def test_ids_are_read_by_the_tokenizer_of_the_data_set() -> None:
    ids = torch.tensor([list(map(ord, "hello world"))] * 16)
    loader = _loader(tokenizer=_Tokenizer())
    tokens, mask = _parts({"input_ids": ids, "mask": torch.ones_like(ids)}, loader)
    assert (tokens.name, tokens.length) == ("batch['input_ids']", 11)
    assert {sequence.text for sequence in tokens.sequences} == {"hello world"}
    assert tokens.sequences[0].ids[:2] == (104, 101)
    assert {sequence.text for sequence in mask.sequences} == {""}


def test_ids_are_read_by_the_word_book_of_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = torch.tensor([[0, 2, 1], [2, 2, 0]] * 8)
    monkeypatch.setattr(sys.modules["__main__"], "itos", {0: "a", 1: "b", 2: "c"}, raising=False)
    (part,) = _parts(ids)
    assert [sequence.text for sequence in part.sequences[:2]] == ["acb", "cca"]
    # Two that differ: nobody knows which is meant.
    monkeypatch.setattr(sys.modules["__main__"], "other", ["x", "y", "z"], raising=False)
    (part,) = _parts(ids)
    assert part.sequences[0].text == ""


def test_ids_without_a_word_book_are_numbers() -> None:
    (part,) = _parts(torch.randint(5, 5000, (16, 200)))
    assert (len(part.sequences), part.length) == (MOST_SAMPLES, 200)
    assert len(part.sequences[0].ids) == MOST_IDS
    assert part.sequences[0].text == ""


def test_time_first_is_turned() -> None:
    (part,) = _parts(torch.arange(20).reshape(20, 1).expand(20, 16) + 2)
    assert part.sequences[0].ids[:3] == (2, 3, 4)


def test_a_table_has_figures_of_the_whole_batch() -> None:
    table = torch.stack([torch.arange(16.0), torch.full((16,), 3.0)], 1)
    part, target = _parts((table, torch.arange(16.0).reshape(16, 1)))
    first, second = part.columns
    assert (first.low, first.mean, first.high) == (0.0, 7.5, 15.0)
    assert first.values == tuple(map(float, range(MOST_SAMPLES)))
    assert (second.deviation, part.width) == (0.0, 2)
    assert target.labels[:2] == ("0", "1")


def test_texts_are_texts_and_the_rest_is_named() -> None:
    result: Preview = preview([["one", "two"] * 8, torch.tensor(3.0), torch.eye(16).to_sparse()], _loader())
    scalar, sparse, texts = result.parts
    assert texts.sequences[0].text == "one"
    for part in (scalar, sparse):
        assert (part.pictures, part.sequences, part.columns) == (None, (), ())


def test_arguments_serve_where_there_is_no_loader() -> None:
    result = preview((torch.randn(32, 4),), None)
    assert (result.source, result.samples) == ("call", 32)
    assert result.parts[0].name == "arguments[0]"
    assert result.parts[0].width == 4
