"""What nnlint is installed with: one version each, with hashes, and under licences that go with its own."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import CHECKOUT

# What needs a build of torch, or comes with it: requirements.lock leaves it to whoever installs.
TORCH = {"filelock", "fsspec", "mpmath", "networkx", "psutil", "sympy", "torch"}
# Licences that leave others free. MPL is about changes to the package's own files.
FREE = re.compile(
    r"MIT|BSD|Apache|PSF|Python Software Foundation|ISC|0BSD|Zlib|CC0|BSL-1\.0|MPL|Mozilla|HPND|Unlicense"
)
VIRAL = re.compile(r"\b(A|L)?GPL|General Public|EUPL|CC-BY-SA|Proprietary|Other")


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", CHECKOUT / "docs" / "licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _pins(path: Path) -> list[tuple[Requirement, list[str]]]:
    """Each requirement of the file, and the hashes that it may have."""
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split("--hash=") for line in text.splitlines()]
    return [(Requirement(line[0].strip()), [entry.strip() for entry in line[1:]]) for line in lines]


def test_constraints_and_lock_say_one_version_for_each_python() -> None:
    constraints = _pins(CHECKOUT / "constraints.txt")
    known: set[tuple[str, str]] = set()
    for version in ("3.10.13", "3.11.7", "3.12.1", "3.13.0"):
        names: list[str] = []
        where = {"python_full_version": version, "python_version": version.rpartition(".")[0]}
        for pin, _ in constraints:
            assert re.fullmatch(r"==[\w.!]+", str(pin.specifier)), pin
            if pin.marker is None or pin.marker.evaluate({**where, "extra": ""}):
                names.append(canonicalize_name(pin.name))
                known.add((names[-1], str(pin.specifier)))
        assert len(names) == len(set(names)), version
    locked = {
        (canonicalize_name(pin.name), str(pin.specifier)) for pin, _ in _pins(CHECKOUT / "requirements.lock")
    }
    assert locked <= known


def test_the_lock_has_hashes_for_all_that_users_need_but_torch(licences: ModuleType) -> None:
    lock = _pins(CHECKOUT / "requirements.lock")
    assert all(
        hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes) for _, hashes in lock
    )
    locked = {canonicalize_name(pin.name) for pin, _ in lock}
    assert set(licences.needed()) - TORCH <= locked
    assert not locked & {"torch", "nnlint"}


def test_the_licences_are_told_and_go_with_ours(licences: ModuleType) -> None:
    told = licences.told()
    here = licences.here()
    assert set(here) <= set(told), "python docs/licences.py writes the page anew"
    assert {"click", "libcst", "rich"} <= set(told)
    assert {
        name: text
        for name, text in (*told.items(), *here.items())
        if not FREE.search(text) or VIRAL.search(text)
    } == {}


@pytest.mark.parametrize("text", ["GPL-3.0-only", "GNU Affero General Public License v3", "LGPL-2.1", ""])
def test_the_test_above_can_fail(text: str) -> None:
    assert not FREE.search(text) or VIRAL.search(text)
