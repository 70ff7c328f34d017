"""What a test error is made of: bias, variance, distribution shift, overfitting of the validation data.

The decomposition, and what to do next for each part, in order, are those of Josh Tobin's lecture
"Troubleshooting deep neural networks" (2019), after Andrew Ng, "Machine Learning Yearning", chapters 20-42.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NEXT: Mapping[str, tuple[str, ...]] = {
    "avoidable bias": (
        "make the model bigger (more layers, more units)",
        "reduce regularisation",
        "look at the training samples with the largest loss",
        "choose an architecture closer to the state of the art",
        "tune the learning rate, train longer",
        "add features",
    ),
    "variance": (
        "add training data",
        "add normalisation layers",
        "add data augmentation",
        "increase regularisation (dropout, weight decay)",
        "look at the validation samples with the largest loss",
        "choose another architecture",
        "tune hyper-parameters",
    ),
    "distribution shift": (
        "look at the errors on the test distribution, and collect such training data",
        "look at them, and synthesise such training data",
        "apply domain adaptation",
    ),
    "validation overfitting": (
        "collect new validation data, or more of them",
        "choose fewer things by the validation figure",
    ),
}
MEANING: Mapping[str, str] = {
    "avoidable bias": "training against target: what the model cannot even fit",
    "variance": "held-out data against training: what it has learned by heart",
    "distribution shift": "validation data against held-out training data: what is different in them",
    "validation overfitting": "test against validation: what was chosen by the validation figure",
}
SPLITS = ("train", "train_val", "val", "test")


class DecomposeError(Exception):
    """Figures that cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Errors, the less the better. `train_val` is held out from the training distribution.

    `target` is what can be reached at all: people, a published result, the noise of the labels.
    """

    target: float
    train: float
    val: float
    test: float | None = None
    train_val: float | None = None

    def __post_init__(self) -> None:
        for name in ("target", *SPLITS):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise DecomposeError(f"the {name.replace('_', '-')} figure is {value}, not a finite number")


@dataclass(frozen=True, slots=True)
class Part:
    """One summand of the test error."""

    name: str
    size: float

    @property
    def meaning(self) -> str:
        """Between which two figures it lies."""
        return MEANING[self.name]


def parts(figures: Figures) -> tuple[Part, ...]:
    """The summands: with the target's error they add up to the test (without one, the validation) error."""
    held_out = figures.val if figures.train_val is None else figures.train_val
    found = [
        Part("avoidable bias", figures.train - figures.target),
        Part("variance", held_out - figures.train),
    ]
    if figures.train_val is not None:
        found.append(Part("distribution shift", figures.val - figures.train_val))
    if figures.test is not None:
        found.append(Part("validation overfitting", figures.test - figures.val))
    return tuple(found)


def largest(found: Sequence[Part]) -> Part | None:
    """The part to work on next; None if none is above zero."""
    worst = max(found, key=lambda part: part.size)
    return worst if worst.size > 0 else None


def from_log(path: Path, higher_is_better: bool) -> dict[str, float]:
    """The figures of the epoch with the best validation figure, by split, out of a CSV or JSON log.

    A log is rows with one column a split, whatever else stands there: `train_loss`, `val/loss`,
    `valid_loss_epoch`. Of several figures of a split, the first is taken that training has, too.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DecomposeError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    rows = _epochs(_rows(text, path))
    columns: dict[str, dict[str, str]] = {}
    for name in dict.fromkeys(key for row in rows for key in row):
        split, metric = _split_and_metric(name)
        if split:
            columns.setdefault(metric, {}).setdefault(split, name)
    wanted = [metric for metric, splits in columns.items() if {"train", "val"} <= splits.keys()]
    better = [metric for metric in wanted if _is_score(metric) is higher_is_better]
    if not better:
        kind = "score" if higher_is_better else "loss or error"
        raise DecomposeError(f"{path}: no {kind} stands there for both training and validation")
    chosen = columns[better[0]]
    complete = [row for row in rows if chosen["train"] in row and chosen["val"] in row]
    if not complete:
        raise DecomposeError(f"{path}: no epoch has both {chosen['train']} and {chosen['val']}")
    pick = max if higher_is_better else min
    best = pick(complete, key=lambda row: row[chosen["val"]])
    found = {split: best[name] for split, name in chosen.items() if name in best}
    if "test" in chosen and "test" not in found:
        # The test figure usually stands in a row of its own, after training.
        last = [row[chosen["test"]] for row in rows if chosen["test"] in row]
        found["test"] = last[-1]
    return found


def _rows(text: str, path: Path) -> list[dict[str, Any]]:
    if path.suffix in (".json", ".jsonl", ".ndjson"):
        try:
            lines = (
                [json.loads(line) for line in text.splitlines() if line.strip()]
                if (path.suffix != ".json")
                else json.loads(text)
            )
        except ValueError:
            raise DecomposeError(f"{path}: not JSON") from None
        if isinstance(lines, dict) and isinstance(lines.get("log_history"), list):
            lines = lines["log_history"]
        if isinstance(lines, dict) and all(isinstance(column, list) for column in lines.values()):
            longest = max(map(len, lines.values()), default=0)
            lines = [
                {key: column[at] for key, column in lines.items() if at < len(column)}
                for at in range(longest)
            ]
        lines = lines if isinstance(lines, list) else [lines]
        if not all(isinstance(row, dict) for row in lines):
            raise DecomposeError(f"{path}: neither a list of epochs nor a table of columns")
        return lines
    return list(csv.DictReader(io.StringIO(text)))


def _epochs(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The numbers of each row; rows of one epoch become one, in which the last figure stands."""
    found: dict[Any, dict[str, float]] = {}
    for number, row in enumerate(rows):
        figures = {
            str(key).strip(): value for key, text in row.items() if (value := _number(text)) is not None
        }
        epoch = next((figures[key] for key in figures if key.lower() in ("epoch", "epochs")), f"row {number}")
        found.setdefault(epoch, {}).update(figures)
    return list(found.values())


def _number(text: Any) -> float | None:
    try:
        value = float(str(text).strip().rstrip("%"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _split_and_metric(name: str) -> tuple[str, str]:
    """`val/acc_epoch` -> ("val", "acc"); a plain `loss` beside `val_loss` is training's, as in Keras."""
    words = re.split(r"[/_\- ]", name.lower())
    words = [word for word in words if word and word not in ("epoch", "step", "avg", "mean", "epochs")]
    names = {"train": "train", "training": "train", "trn": "train", "tr": "train"}
    names |= {"val": "val", "valid": "val", "validation": "val", "dev": "val", "eval": "val"}
    names |= {"test": "test", "testing": "test"}
    splits = [names[word] for word in words if word in names]
    metric = "_".join(word for word in words if word not in names)
    if splits[:2] == ["train", "val"]:
        return "train_val", metric
    if not splits and metric and (_is_score(metric) or "loss" in words or "error" in words):
        return "train", metric
    return (splits[0], metric) if len(splits) == 1 and metric else ("", metric)


def _is_score(metric: str) -> bool:
    """Whether more of it is better."""
    scores = ("acc", "f1", "auc", "auroc", "precision", "recall", "iou", "dice", "bleu", "map", "r2", "score")
    return any(metric.startswith(score) or metric.endswith(score) for score in scores)
