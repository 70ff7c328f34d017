"""The house rules, as tests."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import CHECKOUT, python

import nnlint
from nnlint.page import load_pages

MODULES = sorted((CHECKOUT / "nnlint").rglob("*.py"))

PROBE = """
import sys
from pathlib import Path
from nnlint.config import Config
from nnlint.engine import Linter

report = Linter.load(Config(select=("ALL",))).check(sys.argv[1:])
assert report.files == len(sys.argv) - 1 and not report.not_run
{extra}
# Nor what rules need once a script is run.
run = ("nnlint.capture", "nnlint.executors", "nnlint.experiments", "nnlint.graph")
sys.exit("torch" in sys.modules or any(name.startswith(run) for name in sys.modules))
"""


@pytest.fixture
def fake_torch(tmp_path: Path) -> dict[str, str]:
    """An importable torch, so that an import hidden in try/except shows even where torch is missing."""
    (tmp_path / "torch.py").write_text("")
    return {"PYTHONPATH": f"{tmp_path}:{CHECKOUT}"}


def _scripts() -> list[str]:
    # A sample: what a rule imports, it imports on its first file.
    return [str(path) for path in sorted((CHECKOUT / "fixtures").glob("*/*.py"))[::10]]


def test_linting_imports_neither_torch_nor_what_runs_need(fake_torch: dict[str, str], tmp_path: Path) -> None:
    done = python("-c", PROBE.format(extra=""), *_scripts(), cwd=tmp_path, env=fake_torch)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("module", ["torch", "nnlint.experiments.loops"])
def test_the_test_above_can_fail(module: str, fake_torch: dict[str, str], tmp_path: Path) -> None:
    done = python("-c", PROBE.format(extra=f"import {module}"), _scripts()[0], cwd=tmp_path, env=fake_torch)
    assert (done.returncode, done.stderr) == (1, b"")


def test_listing_and_explaining_import_no_libcst(tmp_path: Path) -> None:
    code = (
        "import sys, runpy\n"
        "try: runpy.run_module('nnlint', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'libcst', 'rich', 'pathspec'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    for args in (["rules"], ["explain", "NNL000"], ["--help"], ["--version"]):
        done = python("-c", code, *args, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, b""), args


def _modules_with_exports() -> Iterator[str]:
    yield "nnlint"
    for module in pkgutil.walk_packages(nnlint.__path__, "nnlint."):
        if not module.name.endswith("__main__"):
            yield module.name


@pytest.mark.parametrize("name", list(_modules_with_exports()))
def test_every_export_exists_and_the_list_is_sorted(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        pytest.skip("what runs scripts needs torch")
    exports = getattr(module, "__all__", [])
    assert list(exports) == sorted(exports)
    assert [export for export in exports if not hasattr(module, export)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_a_module_is_short_and_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 400
    assert ast.get_docstring(ast.parse(text)), "a module starts with a docstring"
    assert path.stem not in ("utils", "helpers", "common")


def test_no_work_is_left_for_later() -> None:
    mark = "TO" + "DO"
    assert [path for path in MODULES if mark in path.read_text(encoding="utf-8")] == []


def test_the_rule_book_holds_nothing_but_pages() -> None:
    assert {path.stem for path in (CHECKOUT / "rules").iterdir()} == {page.name for page in load_pages()}


def _build(target: str, source: Path, into: Path) -> Path:
    code = f"import sys; from hatchling.build import build_{target} as build; print(build(sys.argv[1]))"
    done = python("-c", code, str(into), cwd=source)
    assert done.returncode == 0, done.stderr.decode()
    return into / done.stdout.decode().split()[-1]


@pytest.mark.parametrize("route", ["from the checkout", "by way of the sdist"])
def test_the_wheel_holds_the_pages_and_works(route: str, tmp_path: Path) -> None:
    source = CHECKOUT
    if route == "by way of the sdist":
        with tarfile.open(_build("sdist", source, tmp_path)) as archive:
            if sys.version_info >= (3, 12):
                archive.extractall(tmp_path, filter="data")
            else:
                archive.extractall(tmp_path)
        source = tmp_path / f"nnlint-{nnlint.__version__}"
    installed = tmp_path / "installed"
    with zipfile.ZipFile(_build("wheel", source, tmp_path)) as archive:
        archive.extractall(installed)
    pages = {path.name for path in (installed / "nnlint" / "_pages").iterdir()}
    assert pages == {path.name for path in (CHECKOUT / "rules").iterdir()}
    assert (installed / "nnlint" / "py.typed").exists()
    done = python("-m", "nnlint", "explain", "NNL000", cwd=tmp_path, env={"PYTHONPATH": str(installed)})
    assert done.stdout.startswith(b"# syntax-error (NNL000)"), done.stderr.decode()


def test_the_readme_gives_both_commands() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    commands = [line for line in readme.splitlines() if line.startswith("python3 -m venv .venv && ")]
    assert [command.split(" && ")[-1] for command in commands] == [
        ".venv/bin/nnlint fixtures/buggy/mnist_best_metric.py",
        ".venv/bin/pytest -n logical",
    ]
    assert all("-c constraints.txt" in command for command in commands)
    assert (CHECKOUT / "fixtures/buggy/mnist_best_metric.py").exists()


def test_contributing_stays_short() -> None:
    assert len((CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) < 60
