"""`python docs/licences.py`: writes licences.md, the licences of all that nnlint imports, as installed here.

What another Python needs in place of something (`tomli` before 3.11) keeps the line that it has.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = Path(__file__).with_name("licences.md")
# The extras with which users install it; those of development bring tools, which nothing imports.
EXTRAS = ("report", "run", "server", "tensorboard", "watch")
HEAD = """\
# Licences

nnlint is under the MIT licence. What it imports, with all extras for users, and what that imports in turn.
Written by `python docs/licences.py`.

| package | licence |
|---|---|
"""


def needed() -> Iterator[str]:
    """The names of what nnlint needs here, and of what that needs."""
    seen: set[tuple[str, str]] = set()
    left = [entry for requirement in _own() for entry in _parts(requirement, "")]
    while left:
        name, extra = left.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        with contextlib.suppress(metadata.PackageNotFoundError):
            for requirement in metadata.requires(name) or ():
                left += _parts(requirement, extra)
    yield from sorted({name for name, _ in seen})


def _own() -> Iterator[str]:
    text = (PAGE.parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    yield from project["dependencies"]
    for extra in EXTRAS:
        yield from project["optional-dependencies"][extra]


def _parts(text: str, extra: str) -> Iterator[tuple[str, str]]:
    """A requirement's package, and each of the extras that it asks for; nothing if it is for elsewhere."""
    requirement = Requirement(text)
    if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
        name = canonicalize_name(requirement.name)
        yield from ((name, wanted) for wanted in ("", *sorted(requirement.extras)))


def licence(package: str) -> str:
    """What its own metadata says; empty if it says nothing."""
    facts = metadata.metadata(package)
    if expression := facts.get("License-Expression"):
        return str(expression)
    classes = [
        line.rpartition(" :: ")[2]
        for line in facts.get_all("Classifier") or ()
        if line.startswith("License :: OSI Approved :: ")
    ]
    return ", ".join(classes) or str(facts.get("License") or "").partition("\n")[0]


def here() -> dict[str, str]:
    """The licence of each package that is installed."""
    found = {}
    for name in needed():
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = licence(name)
    return found


def told() -> dict[str, str]:
    """The licences that the page tells."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {name: text for name, text in rows if name != "package"}


def main() -> None:
    lines = [f"| {name} | {text} |\n" for name, text in sorted({**told(), **here()}.items())]
    PAGE.write_text(HEAD + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
