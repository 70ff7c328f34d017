"""The page that `nnlint run --report` writes: complete, self-contained, and safe whatever names it shows."""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from looking import CHANCE, HEADINGS, PIXELS, capture, finding, report, trajectory
from PIL import Image
from support import CHECKOUT, ran

from nnlint.experiments.baseline import ZEROED
from nnlint.experiments.first_loss import FirstLoss, Term
from nnlint.experiments.graph import step_of
from nnlint.experiments.health import HEALTH
from nnlint.experiments.loops import FIRST, REAL
from nnlint.experiments.overfit import TEN
from nnlint.experiments.preview import PREVIEW
from nnlint.experiments.ramp import RAMP, Ramp, read
from nnlint.finding import NotRun, Report, Severity
from nnlint.report import courses, figures, recorded
from nnlint.report.document import build
from nnlint.report.drawn import COLOURS
from nnlint.report.verdict import verdict

HOSTILE = '<script>alert("x")</script>\'"&$\\alpha$' + "A" * 10_000


@cache
def _page(name: str = HOSTILE) -> str:
    return build(report(name), capture(name), ["nnlint", "run", name])


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_nothing_of_a_script_becomes_markup_and_nothing_is_fetched() -> None:
    page = _page()
    tags = _Tags()
    tags.feed(page)
    names = {name for name, _ in tags.tags}
    assert names.isdisjoint({"script", "iframe", "object", "base", "link"})
    for _, attributes in tags.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name)
            own = (
                ("data:image/png;base64,",) if name == "src" else ("#", "https://", "data:image/png;base64,")
            )
            assert value is None or value.startswith(own), value
    assert "default-src 'none'" in page


def test_endless_names_are_cut_but_for_the_command() -> None:
    page = _page()
    assert page.count("A" * 10_000) == 1
    assert "A" * 1001 not in page.replace("A" * 10_000, "")


def test_every_part_is_there() -> None:
    page = _page("train")
    for heading in HEADINGS:
        assert re.search(rf"<h2[^>]*>{heading}</h2>", page), heading
    for figure in (
        "Loss",
        "Learning-rate range test",
        "Gradient norm by layer and update",
        "Update to weight ratio by layer and update",
        "Dead and saturated units",
        "Activation histograms",
        "What the layers put out",
    ):
        assert f"<h3>{figure}</h3>" in page
    assert "<mark>" in page
    assert "Why this is bad" in page
    assert "nnlint run train" in page
    assert "PYTHONHASHSEED" in page


def test_every_curve_and_what_guessing_gives() -> None:
    (loss, *_), seen = list(figures.of(capture())), capture()
    for course in courses.courses(seen):
        assert f">{course.name}</text>" in loss.svg
    assert [course.name for course in courses.courses(seen)] == [
        "real",
        "ten samples",
        "ten samples, zeroed",
        "first batch, regularisation off",
        "train",
    ]
    assert ">chance 2.303</text>" in loss.svg
    assert "one that knows only how often what comes among the ten samples, 1.6." in loss.caption


def test_chance_is_not_told_where_the_loss_has_parts_that_nobody_knows() -> None:
    seen = capture()
    part = FirstLoss(5.0, False, None, (), (Term(None, CHANCE, True, CHANCE),))
    seen.trajectories[FIRST.name] = trajectory(FIRST.name, [5.0], first_loss=part)
    assert courses.chance(seen) is None
    whole = FirstLoss(5.0, False, None, (), (*part.terms, Term(None, 5.0 - CHANCE, False, 0.0)))
    seen.trajectories[FIRST.name] = trajectory(FIRST.name, [5.0], first_loss=whole)
    assert courses.chance(seen) == pytest.approx(5.0)


def test_the_range_test_has_its_suggestion() -> None:
    seen = capture()
    drawn = next(drawn for drawn in figures.of(seen) if drawn.title.startswith("Learning"))
    both = courses.suggested(seen)
    assert both is not None
    assert f">suggested {both[1].suggestion:.2g}</text>" in drawn.svg
    assert ">the script's rate 0.1</text>" in drawn.svg


def test_a_range_test_that_ended_early_suggests_nothing() -> None:
    seen = capture()
    rates = tuple(1e-4 * 1.2**at for at in range(40))
    falling = tuple(2.3 - 20 * rate for rate in rates)
    ended = Ramp("SGD", None, 0.1, rates, falling)
    seen.trajectories[RAMP.name] = trajectory(RAMP.name, list(falling), ramp=ended)
    assert read(ended) is not None
    assert courses.suggested(seen) is None
    assert not any(drawn.title.startswith("Learning") for drawn in figures.of(seen))


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_the_graph_is_drawn_around_each_finding_and_as_a_whole() -> None:
    around, other, whole = recorded.pictures(capture(), report().findings)
    assert (around.finding, other.finding, whole.finding) == (1, 2, 0)
    thick = re.findall(r'stroke-width="3"', around.svg)
    assert len(thick) == 1
    assert len(re.findall(r'stroke-width="3"', whole.svg)) == 2
    # The batch axis, N, in its colour.
    assert re.search(r'fill="#c026d3">N', around.svg)
    page = _page("train")
    for number in (1, 2):
        assert f'href="#graph{number}"' in page
        assert f'id="graph{number}"' in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_only_what_a_finding_is_about_stands_out() -> None:
    step = step_of(capture())
    assert step is not None
    first, second = report().findings
    assert recorded.marked(step, first) == (1,)
    assert recorded.marked(step, second) == (2,)
    assert recorded.marked(step, replace(first, filename="other.py")) == ()


def test_the_batch_is_shown_as_what_it_is() -> None:
    page = _page("train")
    images = re.findall(r'<img src="data:image/png;base64,([^"]+)"[^>]*>([^<]*)</li>', page)
    assert [label for _, label in images] == [f"{at} train" for at in range(8)]
    with Image.open(io.BytesIO(base64.b64decode(images[0][0]))) as image:
        assert (image.size, image.mode) == ((24, 24), "RGB")
        assert image.tobytes() == PIXELS
    assert len(images[0][0]) > 2000
    assert "0 1 2 3" in page
    assert "and 2 more columns" in page


@pytest.mark.parametrize("back", [(255, 255, 255), (13, 17, 23)])
def test_curves_are_seen_on_white_and_on_black(back: tuple[int, int, int]) -> None:
    def light(colour: Sequence[float]) -> float:
        parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    for colour in COLOURS:
        one = light([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
        low, high = sorted((one, light([part / 255 for part in back])))
        assert (high + 0.05) / (low + 0.05) >= 3, colour


def test_a_page_without_a_run_has_no_figures() -> None:
    page = build(report())
    assert "How it trains" not in page
    assert "Findings" in page


def test_what_figures_are_made_of_follows_only_and_skip() -> None:
    names = {entry.name for entry in courses.wanted((), ())}
    assert {RAMP.name, TEN.name, ZEROED.name, REAL.name, FIRST.name} <= names
    assert RAMP.name not in {entry.name for entry in courses.wanted((), ("ramp",))}
    assert courses.wanted(("graph",), ()) == (PREVIEW,)


@pytest.mark.parametrize(
    ("what", "word", "part"),
    [
        (Report(), "good", "Nothing was found"),
        (Report(not_run=(NotRun("a", "b", "c"),)), "warning", "not everything"),
        (Report(findings=(finding("x", severity=Severity.WARNING),)), "warning", "Look before"),
        (Report(findings=(finding("x"),)), "error", "Do not train yet: 1 error"),
    ],
)
def test_the_verdict_is_one_sentence(what: Report, word: str, part: str) -> None:
    colour, sentence = verdict(what)
    assert colour == word
    assert part in sentence


def test_the_format_html_needs_no_run(tmp_path: Path) -> None:
    script = CHECKOUT / "fixtures" / "buggy" / "mnist_best_metric.py"
    done = ran("--isolated", "--output-format", "html", str(script), cwd=tmp_path)
    assert done.returncode == 1
    assert b"NNL307" in done.stdout


@pytest.mark.slow
def test_a_run_writes_its_page(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    script = CHECKOUT / "fixtures" / "buggy" / "mnist_best_metric.py"
    done = ran(
        "run", "--isolated", "--only", HEALTH.meters[0], "--report", "r.html", str(script), cwd=tmp_path
    )
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert done.returncode in (1, 2)
    assert "Gradient norm by layer and update" in page
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
