"""Which files are linted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nnlint.files import discover


def _tree(root: Path, *files: str, **texts: str) -> None:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    for name, text in texts.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / f".{path.name}").write_text(text)


def _found(root: Path, *exclude: str, start: str = ".") -> list[str]:
    found = discover([root / start], exclude, root)
    assert found.not_run == []
    return [Path(file).relative_to(root).as_posix() for file in found.files]


def test_a_folder_gives_its_python_files_in_order(tmp_path: Path) -> None:
    _tree(tmp_path, "b.py", "a.py", "a.pyi", "a.txt", "sub/deep/c.py", "a/z.py")
    assert _found(tmp_path) == ["a.py", "b.py", "a/z.py", "sub/deep/c.py"]


@pytest.mark.parametrize(
    "folder", [".git", ".tox", "__pycache__", "node_modules", "build", "dist", "site-packages", "venv"]
)
def test_some_folders_are_never_walked(folder: str, tmp_path: Path) -> None:
    _tree(tmp_path, f"{folder}/a.py", f"sub/{folder}/a.py", "b.py")
    assert _found(tmp_path) == ["b.py"]


def test_a_virtual_environment_of_any_name_is_not_walked(tmp_path: Path) -> None:
    _tree(tmp_path, "env39/pyvenv.cfg", "env39/lib/a.py", "b.py")
    assert _found(tmp_path) == ["b.py"]


def test_a_folder_named_on_the_command_line_is_walked_whatever_its_name(tmp_path: Path) -> None:
    _tree(tmp_path, "build/a.py")
    assert _found(tmp_path, start="build") == ["build/a.py"]


def test_a_file_named_on_the_command_line_is_always_linted(tmp_path: Path) -> None:
    _tree(tmp_path, "build/a.txt", gitignore="*.txt")
    assert _found(tmp_path, "build", start="build/a.txt") == ["build/a.txt"]


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        pytest.param("a.py", ["b.py"], id="a name anywhere"),
        pytest.param("/a.py", ["b.py", "sub/a.py"], id="a name at the top"),
        pytest.param("sub/", ["a.py", "b.py"], id="a folder"),
        pytest.param("*.py\n!b.py", ["b.py"], id="all but one"),
        pytest.param("# a.py\n\n", ["a.py", "b.py", "sub/a.py"], id="a comment"),
    ],
)
def test_gitignore_is_honoured(ignore: str, left: list[str], tmp_path: Path) -> None:
    _tree(tmp_path, "a.py", "b.py", "sub/a.py", gitignore=ignore)
    assert _found(tmp_path) == left


def test_a_nested_gitignore_speaks_for_its_folder_and_overrules_the_outer_one(tmp_path: Path) -> None:
    _tree(tmp_path, "a.py", "b.py", "sub/a.py", "sub/b.py", gitignore="b.py", sub__gitignore="/a.py\n!b.py")
    assert _found(tmp_path) == ["a.py", "sub/b.py"]


def test_a_gitignore_above_holds_within_one_repository(tmp_path: Path) -> None:
    _tree(tmp_path, ".git/x", "sub/a.py", "sub/b.py", gitignore="b.py")
    assert _found(tmp_path, start="sub") == ["sub/a.py"]


def test_a_gitignore_above_means_nothing_outside_a_repository(tmp_path: Path) -> None:
    _tree(tmp_path, "sub/b.py", gitignore="b.py")
    assert _found(tmp_path, start="sub") == ["sub/b.py"]


def test_exclude_is_relative_to_the_settings_and_no_gitignore_brings_it_back(tmp_path: Path) -> None:
    _tree(tmp_path, "a.py", "old/a.py", "sub/old/b.py", old__gitignore="!a.py", gitignore="!old/")
    assert _found(tmp_path, "/old/") == ["a.py", "sub/old/b.py"]
    assert _found(tmp_path, "/old/", start="sub") == ["sub/old/b.py"]
    assert _found(tmp_path, "old/*.py") == ["a.py", "sub/old/b.py"]


def test_a_file_named_twice_is_linted_once(tmp_path: Path) -> None:
    _tree(tmp_path, "a.py")
    assert len(discover([tmp_path / "a.py", tmp_path, tmp_path / "." / "a.py"]).files) == 1


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    _tree(tmp_path, "a.py")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert _found(tmp_path) == ["a.py"]


def test_a_dangling_link_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gone.py").symlink_to(tmp_path / "nothing")
    assert _found(tmp_path) == []


def test_what_cannot_be_read_is_said_and_the_rest_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By patching: the tests may run as root, whom no permission stops.
    _tree(tmp_path, "a.py", "secret/b.py")
    scandir = os.scandir

    def refuse(path: Path) -> Any:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = discover([tmp_path, tmp_path / "missing"])
    assert [Path(file).name for file in found.files] == ["a.py"]
    assert [(Path(entry.filename).name, entry.why) for entry in found.not_run] == [
        ("secret", "Permission denied"),
        ("missing", "No such file or directory"),
    ]


@pytest.fixture(autouse=True)
def _outside_repositories(tmp_path: Path) -> None:
    # Were the temporary folder inside a repository, its .gitignore would have a say in these tests.
    assert not any((parent / ".git").exists() for parent in tmp_path.parents)
