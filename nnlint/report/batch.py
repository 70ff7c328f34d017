"""The first batch as the page shows it: images as PNG, the rest as text."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup
from PIL import Image

from nnlint.experiments.preview import PREVIEW, Part, Preview

if TYPE_CHECKING:
    from nnlint.capture.supervise import Capture


@dataclass(frozen=True, slots=True)
class Shown:
    """A part of the batch; `images` are addresses that hold the image itself."""

    part: Part
    images: tuple[Markup, ...]


def preview_of(seen: Capture) -> Preview | None:
    """What was taken down of the first batch."""
    trajectory = seen.trajectories.get(PREVIEW.name)
    return trajectory.measure(Preview) if trajectory is not None else None


def shown(preview: Preview) -> list[Shown]:
    """Its parts in order."""
    return [Shown(part, tuple(map(_address, images(part)))) for part in preview.parts]


def captions(preview: Preview) -> list[str]:
    """What to write beneath each sample: its labels, in the order of the parts."""
    labels = [part.labels for part in preview.parts if part.labels]
    return [" · ".join(own) for own in zip(*labels, strict=False)]


def images(part: Part) -> Iterator[Image.Image]:
    """The pictures of a part."""
    found = part.pictures
    if found is None:
        return
    for data in found.data:
        mode = "L" if found.channels == 1 else "RGB"
        yield Image.frombytes(mode, (found.width, found.height), base64.b64decode(data))


def _address(image: Image.Image) -> Markup:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    # As markup it is not cut, however long it is.
    return Markup("data:image/png;base64,{}").format(base64.b64encode(file.getvalue()).decode())
