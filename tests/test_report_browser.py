"""The report in a headless Chromium: both schemes, a wide and a narrow window, by keyboard, on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser, browser
from looking import HEADINGS, capture, report

from nnlint.report.document import build

pytestmark = [
    pytest.mark.slow,
    # One browser for all of them.
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
HOSTILE = '<script>alert("x")</script>\'"&$\\alpha$' + "A" * 10_000
SEEN = "[...document.querySelectorAll('%s')].filter(part => part.checkVisibility()).length"
# For each text that is seen: its colour, what it lies on, and whether it is large, as WCAG has it.
CONTRASTS = """(() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const part = [r, g, b].map(v => linear(v / 255));
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const seen = colour => colour.length === 3 || colour[3] > 0;
  const behind = element => {
    const node = element.closest('g.node');
    const shape = node && node.querySelector('polygon, ellipse, path');
    if (shape && getComputedStyle(shape).fill !== 'none') return parse(getComputedStyle(shape).fill);
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length && seen(colour)) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length) continue;
    if (['STYLE', 'title'].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const own = parse(element instanceof SVGElement ? style.fill : style.color);
    const pair = [light(own), light(behind(element))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize), bold = parseInt(style.fontWeight) >= 700;
    const enough = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    found.push([contrast >= enough, contrast, element.tagName, walker.currentNode.data.trim().slice(0, 40)]);
  }
  return found;
})()"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of an ordinary run, and one where everything has a name that is out to break it."""
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for kind, name in (("plain", "train"), ("hostile", HOSTILE)):
        found[kind] = folder / f"{kind}.html"
        page = build(report(name), capture(name), ["nnlint", "run", name])
        found[kind].write_text(page, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all that is asked."""
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("kind", ["plain", "hostile"])
def test_a_page_stands_in_every_window(kind: str, tab: Browser, pages: dict[str, Path]) -> None:
    tab.complaints.clear()
    tab.open(pages[kind])
    assert (
        tab.evaluate("[...document.querySelectorAll('h2:not(.page h2)')].map(h => h.innerText)") == HEADINGS
    )
    for width in (1280, 390):
        for scheme in ("light", "dark"):
            tab.look(width, scheme)
            assert tab.evaluate("innerWidth") == width
            # Nothing sticks out to the side; what is wider has a pane of its own to be moved in.
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert tab.evaluate("document.images.length") == 8
    assert tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(scheme: str, tab: Browser, pages: dict[str, Path]) -> None:
    tab.open(pages["plain"])
    tab.look(1280, scheme)
    tab.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    texts = tab.evaluate(CONTRASTS)
    kinds = {kind for _, _, kind, _ in texts}
    # Of the page, of the rule's page folded in it, of the figures and of the graph.
    assert {"P", "TD", "LI", "text", "SUMMARY", "MARK"} <= kinds
    assert len(texts) > 200
    assert [text for text in texts if not text[0]] == []


def test_what_is_folded_opens_by_keyboard(tab: Browser, pages: dict[str, Path]) -> None:
    tab.open(pages["plain"])
    tab.look(1280, "light")
    reached: list[str] = []
    for _ in range(80):
        tab.press("Tab", 9)
        kind = tab.evaluate("document.activeElement.tagName + '.' + document.activeElement.className")
        if kind == "BODY.":
            break
        reached.append(kind)
        if kind == "SUMMARY." and reached.count(kind) == 1:
            was = tab.evaluate("document.activeElement.parentElement.open")
            tab.press("Enter", 13, "\r")
            assert tab.evaluate("document.activeElement.parentElement.open") != was
            outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"
    # Every summary, and every pane that may have to be moved, in turn.
    assert reached.count("SUMMARY.") == tab.evaluate(SEEN % "summary")
    assert sum(kind.startswith(("DIV.", "PRE.")) for kind in reached) == tab.evaluate(SEEN % "[tabindex]")


def test_it_prints(tab: Browser, pages: dict[str, Path]) -> None:
    tab.open(pages["plain"])
    tab.look(1280, "dark")
    printed = tab.printed()
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 2
    # Ink is for letters: on paper the page is light, whatever the screen is.
    tab.call("Emulation.setEmulatedMedia", media="print", features=[])
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    tab.call("Emulation.setEmulatedMedia", media="", features=[])
