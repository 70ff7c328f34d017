"""`python -m nnlint.newrule NAME` writes the two files of a rule, with the next free code of a family."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NoReturn

import click

import nnlint.rules
from nnlint import __version__, atomic
from nnlint.page import PageError, find_pages_dir, load_pages

PAGE = """\
---
code: {code}
tier: S
severity: warning
default: on
fix: none
since: {version}
sources: field practice
---
# {name} ({code})

Say in one sentence what is wrong with the code.

## Why this is bad

Say what one sees in training.

## How it is detected

Say what the rule looks at, and what it must see before it speaks.

## Example

Say what the author of this script meant.

```py bad
import torch

wrong = torch.zeros(3)  # error: [{name}] "part of the message"
```

```py good
import torch

right = torch.ones(3)
```

## Known limits

Say what the rule cannot see.

## References

- Where the advice comes from.

## Edge cases

Say why this looks wrong and is right.

```py good
import torch

unusual = torch.zeros(3)
```
"""

MODULE = '''\
"""See rules/{name}.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnlint.rule import Problem, Rule

if TYPE_CHECKING:
    from nnlint.static.model import ScriptModel


class {cls}(Rule):
    words = ("torch",)

    def check_source(self, script: ScriptModel) -> Iterator[Problem]:
        # Ask the script, and report with: yield self.problem(node, "what is wrong here")
        yield from ()
'''


def write(name: str, code: str, pages_dir: Path, modules_dir: Path) -> tuple[Path, Path]:
    """The paths of the page and the module written; FileExistsError rather than overwriting either."""
    page = pages_dir / f"{name}.md"
    module = modules_dir / f"{name.replace('-', '_')}.py"
    for path in (page, module):
        if path.exists():
            raise FileExistsError(f"{path} exists")
    cls = "".join(word.capitalize() for word in name.split("-"))
    atomic.write(page, PAGE.format(code=code, name=name, version=__version__).encode())
    atomic.write(module, MODULE.format(name=name, cls=cls).encode())
    return page, module


def next_code(taken: set[str], family: int) -> str:
    """The lowest code of the family (its hundred) above all that are taken, so none is used twice."""
    numbers = [int(code[3:]) for code in taken if int(code[3:]) // 100 == family]
    number = max(numbers, default=family * 100) + 1
    if number // 100 != family:
        raise ValueError(f"no code is free above NNL{max(numbers)}; choose one with --code")
    return f"NNL{number:03}"


@click.command()
@click.argument("name")
@click.option(
    "--family", type=click.IntRange(1, 9), help="The hundred of the code: the next free one is taken."
)
@click.option("--code", help="The code itself, such as NNL321.")
def main(name: str, family: int | None, code: str | None) -> None:
    """Write the page and the module of the rule NAME, such as softmax-dim.

    Families: 1 layout and shape, 2 loss, 3 training loop, 4 model, 5 numerics, 6 data and metrics,
    7 choices, 8 several processes, 9 conclusions of experiments.
    """
    pages_dir = find_pages_dir()
    if pages_dir.name != "rules":
        _fail("rules are written in a checkout, not in an installed package")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        _fail(f"{name!r} is not a rule name: lower-case words joined by hyphens, such as softmax-dim")
    if (family is None) == (code is None):
        _fail("give either --family or --code")
    try:
        taken = {page.code: page.name for page in load_pages(pages_dir)}
        code = code or next_code(set(taken), family or 0)
        if not re.fullmatch(r"NNL\d{3}", code):
            _fail(f"{code!r} is not a code: NNL and three digits")
        if code in taken:
            _fail(f"{code} is already the code of {taken[code]}")
        modules_dir = Path(nnlint.rules.__path__[0])
        for path in write(name, code, pages_dir, modules_dir):
            click.echo(f"wrote {path}")
    except (FileExistsError, PageError, ValueError) as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    click.echo(f"newrule: {message}", err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
