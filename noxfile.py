"""`nox`: the tests of all that needs no torch, on each Python that nnlint supports.

    nox                      all of them; `nox --session static-3.13` one of them
    nox -- -k notebook       with arguments for pytest

A Python that is not on the machine is passed over, unless `--error-on-missing-interpreters` is given.
"""

from __future__ import annotations

import nox

# Those that the classifiers promise.
PYTHONS = nox.project.python_versions(nox.project.load_toml("pyproject.toml"))
# What runs scripts needs torch, which has a build for few of these Pythons at a time.
RUNS = (
    "capture",
    "executors",
    "experiments",
    "graph",
    "test_auditing.py",
    "test_cli_graph.py",
    "test_cli_run.py",
    "test_cli_shown.py",
    "test_examine_notebook.py",
    "test_explained.py",
    "test_report_board.py",
    "test_report_browser.py",
    # It looks up what torch calls things.
    "test_rewritings.py",
    "test_searching.py",
)

nox.options.default_venv_backend = "venv"


@nox.session(python=PYTHONS)
def static(session: nox.Session) -> None:
    """The static tier, the editors' server, the formats."""
    session.install("-c", "constraints.txt", "-e", ".[report,server,test,watch]")
    ignored = (f"--ignore=tests/{name}" for name in RUNS)
    session.run("pytest", "-n", "logical", *ignored, *session.posargs)
