"""What nnlint says about real code, and how much of it is true.

    python benchmarks/real_code.py                         pinned PyPI packages
    python benchmarks/real_code.py --package timm          only this one (repeatable)
    python benchmarks/real_code.py --corpus DIR            a folder instead (repeatable)
    python benchmarks/real_code.py --corpora DIR           each folder in DIR, as a package
    python benchmarks/real_code.py --unreviewed            list what nobody has judged

Judged findings stand in verdicts.jsonl. `--unreviewed` prints, below each excerpt, the line to put
there once `verdict` (true, false, debatable) and `reason` are filled in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from peers import NNLINT, ROOT
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sources import Package, SourceError, lines_of, package, project
from verdicts import Key, Review, Tally, VerdictError, line_hash, load

# Packages with training loops, losses, metrics or models of their own; raise the versions by hand.
PINS = (
    "alignn==2026.8.11",
    "allennlp==2.10.1",
    "asteroid==0.7.0",
    "avalanche-lib==0.6.0",
    "catalyst==22.4",
    "cellpose==4.2.1.1",
    "chemprop==2.3.1",
    "cogdl==0.6",
    "coqui-tts==0.28.0",
    "ctgan==0.12.1",
    "d3rlpy==2.8.1",
    "darts==0.48.1",
    "deepchem==2.8.0",
    "deepctr-torch==0.3.0",
    "deepod==0.4.1",
    "deeprobust==0.2.11",
    "demucs==4.1.0",
    "denoising-diffusion-pytorch==2.3.4",
    "easyfsl==1.5.0",
    "espnet==202511",
    "fastai==2.8.12",
    "flair==0.15.1",
    "gluonts==0.17.0",
    "kd-lib==0.0.32",
    "kornia==0.9.0",
    "lightly==1.6.0",
    "monai==1.6.1",
    "neuralforecast==3.3.0",
    "nnunetv2==2.8.1",
    "opacus==1.6.0",
    "open-clip-torch==3.3.0",
    "opennmt-py==3.5.1",
    "openunmix==1.3.0",
    "peft==0.21.2",
    "pygod==1.1.0",
    "pyhealth==1.1.6",
    "pykeen==1.11.1",
    "pyod==3.6.7",
    "pypots==1.5",
    "pythae==0.1.2",
    "pytorch-forecasting==1.8.0",
    "pytorch-ignite==0.5.5",
    "pytorch-metric-learning==2.9.0",
    "pytorch-pretrained-bert==0.6.2",
    "pytorch-tabnet==4.1.0",
    "pytorch-tabular==1.2.0",
    "pytorch-widedeep==1.7.0",
    "recbole==1.2.1",
    "rtdl==0.0.13",
    "sbi==0.27.0",
    "schnetpack==2.1.1",
    "scvi-tools==1.4.2",
    "segmentation-models-pytorch==0.6.0",
    "sentence-transformers==6.2.0",
    "simpletransformers==0.70.8",
    "skorch==1.4.0",
    "snntorch==1.0.0",
    "speechbrain==1.1.2",
    "stable-baselines3==2.9.2",
    "tape-proteins==0.5",
    "textattack==0.3.11",
    "tianshou==2.0.1",
    "timm==1.0.31",
    "torch-geometric==2.8.1",
    "torchattacks==3.5.1",
    "torchfm==0.2",
    "torchkge==0.17.7",
    "torchmeta==1.8.0",
    "trankit==1.1.2",
    "trl==1.16.0",
    "tsai==1.0.1",
    "ultralytics==8.4.190",
    "vit-pytorch==1.26.11",
    "x-transformers==2.31.10",
)

console = Console(width=120 if not sys.stdout.isatty() else None, highlight=False)
progress = Console(stderr=True)


@dataclass(frozen=True)
class Found:
    """One finding, with the key of its verdict and the lines around it."""

    key: Key
    name: str
    severity: str
    row: int
    message: str
    lines: tuple[str, ...]

    def excerpt(self, around: int) -> Iterator[str]:
        first, last = max(1, self.row - around), min(len(self.lines), self.row + around)
        for number in range(first, last + 1):
            mark = ">" if number == self.row else " "
            yield f"{mark}{number:5} {self.lines[number - 1]}"


@dataclass(frozen=True)
class Linted:
    """nnlint's answer about one package. `lines` counts files that mention torch: the others are not read."""

    lines: int
    found: tuple[Found, ...]
    not_run: tuple[str, ...]


def lint(part: Package, rules: Sequence[str]) -> Linted:
    lines = 0
    for file in part.files():
        data = file.read_bytes()
        lines += data.count(b"\n") if b"torch" in data else 0
    # With --select, rules that are off by default can be looked at too.
    command = [*NNLINT, *(f"--select={rule}" for rule in rules), str(part.folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.strip().splitlines() or ["no message"]
        raise click.ClickException(f"nnlint failed on {part.name}: {said[-1]}") from None
    found = [_found(part, finding) for finding in report["findings"]]
    not_run = [f"{entry['filename']}: {entry['what']}: {entry['why']}" for entry in report["not_run"]]
    return Linted(lines, tuple(found), tuple(not_run))


def _found(part: Package, finding: dict[str, Any]) -> Found:
    file = Path(finding["filename"])
    lines = lines_of(file, finding["cell"])
    row = finding["location"]["row"]
    text = lines[row - 1] if row <= len(lines) else ""
    path = file.relative_to(part.folder).as_posix()
    key = Key(part.name, path, finding["code"], line_hash(text))
    return Found(key, finding["name"], finding["severity"], row, finding["message"], lines)


def tallies(found: Sequence[Found], reviews: dict[Key, Review], group: str) -> dict[str, Tally]:
    result: defaultdict[str, Tally] = defaultdict(Tally)
    for one in found:
        review = reviews.get(one.key)
        name = one.severity if group == "severity" else f"{one.key.code} {one.name}"
        result[name].add(review.verdict if review else None)
    return dict(sorted(result.items()))


def table(title: str, rows: dict[str, Tally], lines: int, severities: dict[str, str] | None = None) -> Table:
    shown = Table(header_style="bold")
    shown.add_column(title, no_wrap=True)
    if severities:
        shown.add_column("severity")
    for name in ("found", "/1,000 lines", "true", "false", "debatable", "open", "precision"):
        shown.add_column(name, justify="right", no_wrap=True)
    for name, tally in (*rows.items(), ("all", Tally.total(rows.values()))):
        precision = "" if tally.precision is None else f"{tally.precision:.0%}"
        shown.add_row(
            name,
            *([severities.get(name, "")] if severities else []),
            f"{tally.findings:,}",
            f"{1000 * tally.findings / max(lines, 1):.3f}",
            *(str(count or "") for count in (tally.true, tally.false, tally.debatable, tally.unreviewed)),
            precision,
        )
    return shown


def packages(names: Sequence[str], corpus: Sequence[Path], corpora: Sequence[Path]) -> Iterator[Package]:
    """PyPI packages (all, unless some are named or a folder is given), then folders."""
    unknown = set(names) - {pin.partition("==")[0] for pin in PINS}
    if unknown:
        raise click.UsageError(f"not in the list: {', '.join(sorted(unknown))}")
    for pin in PINS:
        if pin.partition("==")[0] in names or not (names or corpus or corpora):
            with progress.status(f"fetching {pin}"):
                yield package(pin)
    for folder in (*corpus, *(sub for root in corpora for sub in sorted(root.iterdir()))):
        if folder.is_dir() and not folder.name.startswith("."):
            yield Package(project(folder.resolve().name), folder.resolve())


FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(help=(__doc__ or "").replace("\n\n", "\n\n\b\n", 1))
@click.option("--package", "names", multiple=True, metavar="NAME", help="Only these packages of the list.")
@click.option(
    "--corpus", multiple=True, type=FOLDER, help="A folder instead of the list; its name is the package's."
)
@click.option("--corpora", multiple=True, type=FOLDER, help="The same for every folder in this one.")
@click.option("--select", multiple=True, metavar="RULES", help="Only these rules, as in nnlint.")
@click.option("--unreviewed", is_flag=True, help="List the findings without a verdict.")
@click.option("--around", default=6, show_default=True, help="Lines shown on each side of a finding.")
def main(
    names: tuple[str, ...],
    corpus: tuple[Path, ...],
    corpora: tuple[Path, ...],
    select: tuple[str, ...],
    unreviewed: bool,
    around: int,
) -> None:
    try:
        reviews = load()
        parts = list(packages(names, corpus, corpora))
    except (SourceError, VerdictError) as error:
        raise click.ClickException(str(error)) from None
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = pool.map(lambda part: lint(part, select), parts)
        linted = list(track(answers, "linting", total=len(parts), console=progress, transient=True))
    found = [one for result in linted for one in result.found]
    lines = sum(result.lines for result in linted)
    if unreviewed:
        list_unreviewed([one for one in found if one.key not in reviews], around)
        return
    severities = {f"{one.key.code} {one.name}": one.severity for one in found}
    console.print(f"packages: {len(parts)}; lines in files that mention torch: {lines:,}")
    console.print(table("rule", tallies(found, reviews, "rule"), lines, severities))
    console.print(table("severity", tallies(found, reviews, "severity"), lines))
    for part, result in zip(parts, linted, strict=True):
        for line in result.not_run:
            console.print(f"not run: {part.name}: {line}", markup=False)
    seen, keys = {part.name for part in parts}, {one.key for one in found}
    stale = Counter(key.package for key in reviews if key.package in seen and key not in keys)
    if stale and not select:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(stale.items()))
        console.print(f"verdicts on findings that are no longer made: {counts}", markup=False)


def list_unreviewed(found: Sequence[Found], around: int) -> None:
    for one in sorted(found, key=lambda one: (one.key.code, one.key.package, one.key.path, one.row)):
        print(f"{one.key.package} {one.key.path}:{one.row} {one.severity} {one.key.code} {one.name}")
        print(f"  {one.message}")
        print("\n".join(one.excerpt(around)))
        print(f"{one.key.draft()}\n")
    print(f"{len(found)} findings without a verdict")


if __name__ == "__main__":
    main()
