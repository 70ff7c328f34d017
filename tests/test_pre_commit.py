"""The hooks in the real pre-commit: a repository of its own, nnlint installed in the hook's environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import CHECKOUT

pytest.importorskip("pre_commit")
# Each process would make an environment of its own.
pytestmark = pytest.mark.xdist_group("pre-commit")

CONFIG = """\
repos:
  - repo: {hooks}
    rev: {rev}
    hooks:
      - id: {hook}
        args: [--select, "NNL309"]
"""
SCRIPT = "import torch\nfrom torch import nn\n\nnet = nn.Linear(2, 2)\nnet.eval\n"


def _git(*args: str, cwd: Path) -> str:
    # Neither the user's settings nor an outer hook's repository have a say.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env = {**clean, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{who}_NAME": "test", f"GIT_{who}_EMAIL": "test@example.org"}
    done = subprocess.run(["git", *args], cwd=cwd, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of nnlint as it stands in this checkout, without its history."""
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    folder = tmp_path_factory.mktemp("hooks")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(CHECKOUT / name, folder)
    for name in ("nnlint", "rules"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    _git("init", "-q", cwd=folder)
    _git("add", "-A", cwd=folder)
    _git("commit", "-qm", "nnlint", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit keeps the environment that it makes; shared, as making it takes the most time."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    _git("init", "-q", cwd=tmp_path)
    book = {"cells": [{"cell_type": "code", "source": [SCRIPT]}], "metadata": {}, "nbformat": 4}
    (tmp_path / "book.ipynb").write_text(json.dumps(book, indent=1) + "\n")
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "data.txt").write_text("net.eval\n")
    return tmp_path


def _pre_commit(hook: str, project: Path, hooks: Path, home: Path) -> subprocess.CompletedProcess[str]:
    rev = _git("rev-parse", "HEAD", cwd=hooks)
    (project / ".pre-commit-config.yaml").write_text(CONFIG.format(hooks=hooks, rev=rev, hook=hook))
    _git("add", "-A", cwd=project)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env = {**clean, "PRE_COMMIT_HOME": str(home), "PIP_CONSTRAINT": str(CHECKOUT / "constraints.txt")}
    command = [sys.executable, "-m", "pre_commit", "run", "--color=never"]
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if "Could not find a version" in said or "No matching distribution" in said:
        pytest.skip("pip reaches no package index, so pre-commit cannot make the hook's environment")
    assert done.returncode != 3, said
    return done


@pytest.mark.slow
def test_the_hook_reports_scripts_and_notebooks(project: Path, hooks: Path, home: Path) -> None:
    done = _pre_commit("nnlint", project, hooks, home)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "train.py:5:1: NNL309 " in done.stdout
    assert "book.ipynb:cell 1:5:1: NNL309 " in done.stdout
    assert "in 2 files" in done.stdout
    assert (project / "train.py").read_text() == SCRIPT


@pytest.mark.slow
def test_the_fixing_hook_fixes_and_fails_until_there_is_nothing_left(
    project: Path, hooks: Path, home: Path
) -> None:
    done = _pre_commit("nnlint-fix", project, hooks, home)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "files were modified by this hook" in done.stdout
    assert (project / "train.py").read_text() == SCRIPT.replace("net.eval", "net.eval()")
    assert "net.eval()" in (project / "book.ipynb").read_text()
    assert (project / "data.txt").read_text() == "net.eval\n"
    again = _pre_commit("nnlint-fix", project, hooks, home)
    assert again.returncode == 0, again.stdout + again.stderr
    assert _pre_commit("nnlint", project, hooks, home).returncode == 0
