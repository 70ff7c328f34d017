"""Every figure in one command: runs the benchmarks one after the other. Each writes its own results file.

python benchmarks/all.py              the parts that are there
python benchmarks/all.py static run   some of them
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

HERE = Path(__file__).parent
# In this order; a part is the script of this name.
PARTS = ("static", "linearity", "startup", "cache", "latency", "graph", "run")


@click.command(help=(__doc__ or "").replace("\n\n", "\n\n\b\n", 1))
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
def main(parts: tuple[str, ...]) -> None:
    failed = []
    for part in parts or PARTS:
        script = HERE / f"{part}.py"
        if not script.exists():
            raise click.ClickException(f"{script} is not there")
        click.echo(f"== {part}", err=True)
        if subprocess.run([sys.executable, str(script)], check=False).returncode:
            failed.append(part)
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
