"""What nnlint reads is data: a hostile project runs nothing, writes nothing and forges nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import CHECKOUT, make_page, python

from nnlint.finding import Finding, NotRun, Related, Report, Result, Severity, Span, Tier
from nnlint.reporters import reporter, reporter_names

# Tells of every code of the folder that is run, of every program, socket and file that is opened for writing.
WATCHED = r"""
import os, sys
sys.path = [entry for entry in sys.path if entry]
folder, said = os.getcwd(), os.dup(2)
files = {os.path.abspath(name) for name in os.listdir()}

def told(*words):
    os.write(said, ("AUDIT " + " ".join(map(str, words)).replace("\n", " ") + "\n").encode(errors="replace"))

def hook(event, arguments):
    if event == "exec" and os.path.abspath(getattr(arguments[0], "co_filename", "")) in files:
        told(event, arguments[0].co_filename)
    elif event == "import" and isinstance(arguments[1], str) and arguments[1].startswith(folder):
        told(event, arguments[1])
    elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn"):
        told(event, arguments[0])
    elif event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "ctypes.dlopen/user"):
        told(event, arguments[1:])
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        if arguments[0] != os.devnull and not isinstance(arguments[0], int):
            told(event, arguments[0])

ACTION
"""
# Each of the command lines that it is given as JSON, one after the other.
COMMANDS = """
import json
from nnlint.cli import main
sys.addaudithook(hook)
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as ending:
        print("status", ending.code)
"""
PAYLOAD = "open('ran', 'w').close()\n"
BUG = "import torch\nnet = torch.nn.Linear(2, 2)\nnet.eval\n"
NAMES = (
    "$(touch ran).py",
    "`touch ran`.py",
    "{{7*7}}.py",
    "%s%n.py",
    "-rf.py",
    "<img src=x onerror=alert(1)>.py",
)
CELLS = (
    "!touch ran",
    "%%bash\ntouch ran",
    "%run evil.py",
    "%load_ext evil",
    "files = !touch ran",
    "get_ipython().system('touch ran')",
)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A project that would leave a file named `ran`, were any of it run."""
    for name in ("train", "evil", "conftest", "setup", "sitecustomize", "usercustomize"):
        (tmp_path / f"{name}.py").write_text(PAYLOAD + BUG, encoding="utf-8")
    # What nnlint itself imports, or might.
    for name in ("click", "rich", "libcst", "torch", "pygls", "tomllib", "nnlint", "pathspec", "jinja2"):
        (tmp_path / f"{name}.py").write_text(PAYLOAD, encoding="utf-8")
    for name in NAMES:
        (tmp_path / name).write_text(BUG, encoding="utf-8")
    cells = [{"cell_type": "code", "source": text, "metadata": {}, "outputs": []} for text in (*CELLS, BUG)]
    (tmp_path / "notebook.ipynb").write_text(
        json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8"
    )
    (tmp_path / "pyproject.toml").write_text(
        "[tool.nnlint]\n"
        """exclude = ["$(touch ran)", "__import__('os').system('touch ran')"]\n"""
        """docs-url = "https://example.org/{{7*7}}/$(touch ran)"\n"""
        """per-file-ignores = {"(((((a+)+)+)+)+)$" = ["NNL303"], "{0.__class__}" = ["NNL303"]}\n""",
        encoding="utf-8",
    )
    return tmp_path


def _watched(
    folder: Path, *commands: Sequence[str], action: str = COMMANDS, stdin: bytes = b""
) -> tuple[bytes, list[str]]:
    """What the commands print, and what they did beyond reading."""
    done = python(
        "-c",
        WATCHED.replace("ACTION", action),
        json.dumps(commands),
        cwd=folder,
        env={"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=stdin,
    )
    errors = done.stderr.decode(errors="replace")
    assert "Traceback" not in errors, errors
    return done.stdout, re.findall(r"^AUDIT (.*)$", errors, re.MULTILINE)


WHOLE = ("--jobs", "1", "--no-cache", ".")


def test_reading_a_hostile_project_runs_and_writes_nothing(hostile: Path) -> None:
    pytest.importorskip("jinja2")
    before = {path: path.read_bytes() for path in hostile.iterdir()}
    formats = [("--output-format", style, *WHOLE) for style in reporter_names()]
    others = [("--diff", *WHOLE), ("--show-files", *WHOLE), ("rules",), ("explain", "NNL309")]
    printed, did = _watched(hostile, *formats, *others)
    # `platform.platform()`, for the page of the format html, asks the machine for its name.
    assert set(did) <= {"subprocess.Popen uname"}
    assert {path: path.read_bytes() for path in hostile.iterdir()} == before
    assert b"49.py" not in printed
    ends = printed.splitlines()
    assert [ends.count(b"status %d" % status) for status in (0, 1, 2)] == [3, len(formats) + 1, 0]
    assert printed.count(b"evil.py") > len(formats)


def test_what_is_fixed_is_written_and_nothing_else(hostile: Path) -> None:
    names = {path.name for path in hostile.iterdir()}
    _, did = _watched(hostile, ("--fix", *WHOLE))
    assert {path.name for path in hostile.iterdir()} == names
    assert did
    assert all(entry.startswith("open ") and entry.endswith(".nnlint") for entry in did), did
    assert "net.eval()" in (hostile / "notebook.ipynb").read_text(encoding="utf-8")


def test_the_tests_above_can_fail(hostile: Path) -> None:
    run = "sys.addaudithook(hook)\nexec(compile(open('evil.py').readline(), 'evil.py', 'exec'))"
    _, did = _watched(hostile, action=run)
    assert did == ["exec evil.py", "open ran"]


def _spoken(*messages: dict[str, object]) -> bytes:
    bodies = [json.dumps({"jsonrpc": "2.0", **message}).encode() for message in messages]
    return b"".join(b"Content-Length: %d\r\n\r\n%b" % (len(body), body) for body in bodies)


def test_a_language_server_in_a_hostile_folder_runs_nothing(hostile: Path) -> None:
    pytest.importorskip("pygls")
    uri = (hostile / "train.py").as_uri()
    place = {"textDocument": {"uri": uri}, "position": {"line": 3, "character": 1}}
    spot = {"line": 3, "character": 0}
    told = _spoken(
        {
            "id": 1,
            "method": "initialize",
            "params": {"processId": None, "rootUri": hostile.as_uri(), "capabilities": {}},
        },
        {"method": "initialized", "params": {}},
        {
            "method": "textDocument/didOpen",
            "params": {
                "textDocument": {"uri": uri, "languageId": "python", "version": 1, "text": PAYLOAD + BUG}
            },
        },
        {"id": 2, "method": "textDocument/hover", "params": place},
        {
            "id": 3,
            "method": "textDocument/codeAction",
            "params": {**place, "range": {"start": spot, "end": spot}, "context": {"diagnostics": []}},
        },
        {"id": 4, "method": "shutdown", "params": None},
        {"method": "exit", "params": None},
    )
    # The command of the extension for VS Code, which starts it in the folder that was opened.
    source = (CHECKOUT / "editors" / "vscode" / "src" / "launch.ts").read_text(encoding="utf-8")
    (start,) = re.findall(r'^const START = "(.*)";$', source, re.MULTILINE)
    done = python("-c", start, "server", cwd=hostile, env={"PYTHONPATH": str(CHECKOUT)}, stdin=told)
    assert b'"id": 1' in done.stdout or b'"id":1' in done.stdout, done.stderr.decode()
    assert not (hostile / "ran").exists()
    spoken, did = _watched(hostile, ("server",), stdin=told)
    assert b'"id": 3' in spoken or b'"id":3' in spoken
    assert did == []


CONTROLS = "a\x1b[31m\r\n::error::x\x07\x9b\u202e\udc80.py"


def _report(name: str) -> Report:
    span = Span.of(1, 1, 1, 4)
    finding = Finding(
        "NNL309",
        "uncalled-method",
        f"`{name}` says",
        name,
        span,
        Severity.ERROR,
        Tier.STATIC,
        "",
        related=(Related(f"{name} too", name, span),),
    )
    entry = NotRun(f"rule of {name}", f"because of {name}", name)
    return Report(
        findings=(finding,),
        not_run=(entry,),
        skipped=(entry,),
        results=(Result(name, name, name),),
        sources={name: "x = 1\n"},
        files=1,
    )


def test_no_name_forges_output_for_a_terminal() -> None:
    plain, hostile = (reporter("text")(_report(name)) for name in ("a.py", CONTROLS))
    assert hostile.count("\n") == plain.count("\n")
    assert all(character.isprintable() for character in hostile.replace("\n", ""))


def test_no_name_forges_a_workflow_command() -> None:
    said = reporter("github")(_report(CONTROLS)).splitlines()
    assert [line.split(" ")[0] for line in said] == ["::error", "::error"]
    assert all(line.count("::") == 2 or "%0A::" in line for line in said)


def test_a_name_is_one_string_in_json_and_one_address_in_sarif() -> None:
    assert json.loads(reporter("json")(_report(CONTROLS)))["findings"][0]["filename"] == CONTROLS
    sarif = json.loads(reporter("sarif")(_report("../%2e%2e/a b?#\n<x>.py")))
    (result,) = sarif["runs"][0]["results"]
    address = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert re.fullmatch(r"[\w./%-]+", address)
    assert "?" not in address


def test_a_page_is_text_and_no_template(monkeypatch: pytest.MonkeyPatch) -> None:
    document = pytest.importorskip("nnlint.report.document")
    sound = make_page()
    hostile = "{{ 7 * 7 }} {% raw %} <script>alert(1)</script> [x](javascript:1)"
    text = sound.markdown.replace("## Why this is bad", f"## Why this is bad\n\n{hostile}", 1)
    page = SimpleNamespace(code="NNL309", markdown=text)
    monkeypatch.setattr(document.registry, "pages", lambda: [page])
    shown = document.build(_report("a.py"))
    assert "{{ 7 * 7 }} {% raw %}" in shown
    assert "<script>" not in shown
    assert 'href="javascript' not in shown


@pytest.mark.parametrize("name", ["../README", "/etc/passwd", "NNL309/../NNL309", "uncalled-method.md", ""])
def test_a_name_of_a_rule_is_no_path(name: str, tmp_path: Path) -> None:
    done = python("-m", "nnlint", "explain", name, cwd=tmp_path, env={"PYTHONPATH": str(CHECKOUT)})
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") <= 6
