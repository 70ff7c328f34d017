"""`nnlint explain` and `nnlint rules`: the rule book on a terminal, or for other programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from nnlint.options import fail, rule_names, wants_color

if TYPE_CHECKING:
    from nnlint.page import Page


@click.command()
@click.argument("rule", shell_complete=rule_names)
def explain(rule: str) -> None:
    """Explain one rule, by code or by name."""
    from nnlint.registry import SelectorError, find

    try:
        page = find(_pages(), rule)
    except SelectorError as error:
        fail(str(error))
    default = "on" if page.default else "off"
    facts = f"{page.severity.value} · {_tiers(page)} · {default} by default · since {page.since}"
    if not wants_color():
        click.echo(f"{page.body.rstrip()}\n\n{facts}")
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(force_terminal=True)
    console.print(Markdown(page.markdown))
    console.print(f"\n[dim]{facts}[/dim]")


@click.command()
@click.option(
    "--output-format", type=click.Choice(["text", "json"]), default="text", help="How to print them."
)
def rules(output_format: str) -> None:
    """List every rule."""
    pages = _pages()
    if output_format == "json":
        click.echo(json.dumps([_facts(page) for page in pages], indent=2, ensure_ascii=False))
    elif wants_color():
        _print_table(pages)
    else:
        width = max(len(page.name) for page in pages)
        for page in pages:
            default = "on " if page.default else "off"
            click.echo(f"{page.code}  {page.name:{width}}  {page.severity.value:7}  {default}  {page.lead}")


def _print_table(pages: tuple[Page, ...]) -> None:
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.table import Table

    styles = {"error": "bold red", "warning": "bold yellow", "info": "bold cyan"}
    table = Table("code", "name", "severity", "default", "what it finds", header_style="bold")
    for page in pages:
        severity = f"[{styles[page.severity.value]}]{page.severity.value}[/]"
        default = "on" if page.default else "off"
        table.add_row(page.code, page.name, severity, default, Markdown(page.lead))
    Console(force_terminal=True).print(table)


def _facts(page: Page) -> dict[str, Any]:
    return {
        "code": page.code,
        "name": page.name,
        "severity": page.severity.value,
        "tiers": list(page.tiers),
        "default": page.default,
        "fix": page.fix.value if page.fix else None,
        "since": page.since,
        "lead": page.lead,
        "url": page.url,
    }


def _tiers(page: Page) -> str:
    names = {"S": "static", "G": "graph", "E": "experiment"}
    if page.command:
        return "a command of its own"
    return " and ".join(names[tier] for tier in page.tiers) or "about the input itself"


def _pages() -> tuple[Page, ...]:
    from nnlint.page import PageError
    from nnlint.registry import RegistryError, pages

    try:
        found = pages()
        for page in found:
            # Read here, where a page that breaks the form can still be said in one line.
            page.content  # noqa: B018
    except (PageError, RegistryError) as error:
        fail(str(error))
    return found
