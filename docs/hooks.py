"""Makes the site's pages of the rule book: one for each rule, and the table of them all."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from mkdocs.structure.files import File, Files

from nnlint.page import Page
from nnlint.registry import pages

_TIERS = {"S": "source", "G": "graph", "E": "run"}


def on_files(files: Files, config: Any) -> Files:
    """Called by mkdocs when it has found the files of docs/."""
    book = pages()
    for page in book:
        files.append(File.generated(config, f"rules/{page.name}.md", content=_page(page)))
    files.append(File.generated(config, "rules/index.md", content=_table(book)))
    return files


def _page(page: Page) -> str:
    title, _, rest = page.markdown.partition("\n")
    facts = [
        page.severity.value,
        " and ".join(_TIERS[tier] for tier in page.tiers)
        or ("a command of its own" if page.command else "about the input itself"),
        "on by default" if page.default else "off by default",
        f"fix: {page.fix.value}" if page.fix else "no fix",
        f"since {page.since}",
    ]
    return f"{title}\n\n*{' · '.join(facts)}*\n{rest}"


def _table(book: tuple[Page, ...]) -> str:
    lines = ["# Rules", ""]
    for family, group in groupby(book, lambda page: page.code[:4]):
        lines += [f"## {family}xx", "", "| Code | Name | Severity | Seen in | Default | What it finds |"]
        lines += ["| --- | --- | --- | --- | --- | --- |"]
        for page in group:
            cells = (
                page.code,
                f"[{page.name}]({page.name}.md)",
                page.severity.value,
                ", ".join(_TIERS[tier] for tier in page.tiers) or "—",
                "on" if page.default else "off",
                page.lead.replace("|", "\\|"),
            )
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)
