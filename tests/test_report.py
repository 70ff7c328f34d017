"""The page that `nnlint run --report` writes: complete, self-contained, and safe whatever names it shows."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support import CHECKOUT, nnlint

from nnlint.capture.plan import Step, Trajectory
from nnlint.capture.supervise import Capture
from nnlint.experiments.health import HEALTH
from nnlint.finding import Finding, NotRun, Report, Severity, Span, Tier
from nnlint.report.document import build
from nnlint.report.verdict import verdict

CHROMIUM = shutil.which("chromium")
HOSTILE = '<script>alert("x")</script>\'"&$\\alpha$' + "A" * 10_000


def _finding(message: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(
        code="NNL307",
        name="best-metric-direction",
        message=message,
        filename=f"{HOSTILE}.py",
        span=Span.of(2, 1, 2, 9),
        severity=severity,
        tier=Tier.STATIC,
        url="https://example.org/",
        evidence={HOSTILE: [HOSTILE]},
    )


def _page() -> str:
    steps = tuple(Step(2.0 / (at + 1), 1.0, 0) for at in range(12))
    seen = Capture(trajectories={HOSTILE: Trajectory(HOSTILE, "none", steps, "steps", 1.0)})
    finding = _finding(f"`{HOSTILE}` is wrong")
    source = f"# {HOSTILE}\n{HOSTILE}\nlast\n"
    report = Report(
        findings=(finding,),
        not_run=(NotRun(HOSTILE, HOSTILE, HOSTILE),),
        files=1,
        sources={finding.shown_name: source},
    )
    return build(report, seen, ["nnlint", "run", HOSTILE])


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
    assert names.isdisjoint({"script", "iframe", "object", "img", "base"})
    for _, attributes in tags.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "https://")), value
    assert "default-src 'none'" in page


def test_every_part_is_there() -> None:
    page = _page()
    for heading in ("Findings", "What was not looked at", "How it trains", "To see it again"):
        assert re.search(rf"<h2[^>]*>{heading}</h2>", page)
    assert "<mark>" in page
    assert "Why this is bad" in page


@pytest.mark.parametrize(
    ("report", "word", "part"),
    [
        (Report(), "good", "Nothing was found"),
        (Report(not_run=(NotRun("a", "b", "c"),)), "warning", "not everything"),
        (Report(findings=(_finding("x", Severity.WARNING),)), "warning", "Look before"),
        (Report(findings=(_finding("x"),)), "error", "Do not train yet: 1 error"),
    ],
)
def test_the_verdict_is_one_sentence(report: Report, word: str, part: str) -> None:
    colour, sentence = verdict(report)
    assert colour == word
    assert part in sentence


def test_the_format_html_needs_no_run(tmp_path: Path) -> None:
    script = CHECKOUT / "fixtures" / "buggy" / "mnist_best_metric.py"
    done = nnlint("--isolated", "--output-format", "html", str(script), cwd=tmp_path)
    assert done.returncode == 1
    assert b"NNL307" in done.stdout


@pytest.mark.slow
def test_a_run_writes_its_page(tmp_path: Path) -> None:
    script = CHECKOUT / "fixtures" / "buggy" / "mnist_best_metric.py"
    done = nnlint(
        "run", "--isolated", "--only", HEALTH.meters[0], "--report", "r.html", str(script), cwd=tmp_path
    )
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert done.returncode in (1, 2)
    assert "Gradient norm by layer and update" in page
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_has_nothing_to_complain_of(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(_page(), encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    printed = tmp_path / "report.pdf"
    done = subprocess.run(
        [*command, f"--print-to-pdf={printed}", f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "CONSOLE" not in done.stderr
    assert printed.read_bytes().startswith(b"%PDF")
