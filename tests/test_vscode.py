"""The extension for VS Code: built by npm, its own unit tests run, packaged as people install it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from support import CHECKOUT

import nnlint

# Each process would install and build of its own.
pytestmark = pytest.mark.xdist_group("vscode")

EXTENSION = CHECKOUT / "editors" / "vscode"


def _npm(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["npm", *args],
        cwd=folder,
        env={**os.environ, "CI": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension in a folder of its own, with what its lock file names installed."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm")
    folder = tmp_path_factory.mktemp("vscode") / "extension"
    shutil.copytree(EXTENSION, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "*.vsix"))
    done = _npm(folder, "ci", "--prefer-offline", "--no-audit", "--no-fund")
    if done.returncode and any(
        word in done.stderr for word in ("ENOTFOUND", "ECONN", "ETIMEDOUT", "EAI_AGAIN")
    ):
        pytest.skip("npm's registry cannot be reached")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_its_types_are_right_and_its_own_tests_pass(built: Path) -> None:
    done = _npm(built, "test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
    assert "# pass 0" not in done.stdout


@pytest.mark.slow
def test_the_package_holds_the_extension_and_what_it_is(built: Path) -> None:
    done = _npm(built, "run", "package")
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(built / "nnlint.vsix") as package:
        names = set(package.namelist())
        facts = json.loads(package.read("extension/package.json"))
        assert facts["version"] == nnlint.__version__
        assert f"extension/{Path(facts['main'])}" in names
        assert b"nnlint.run" in package.read(f"extension/{Path(facts['main'])}")
    assert not [name for name in names if "node_modules" in name or "/src/" in name or "/test/" in name]
