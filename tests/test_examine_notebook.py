"""`nnlint run notebook.ipynb`: what the run shows and what the source shows, in one list, by cell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import ran

MODEL = "%matplotlib inline\nimport torch\nfrom torch import nn\nnet = nn.Linear(3, 1)\nnet.eval\n"
TRAIN = """\
!nvidia-smi
def rate():
    return 1e-12

opt = torch.optim.SGD(net.parameters(), lr=rate()){comment}
%time x = torch.randn(8, 3)
files = !ls
display(x.shape)
for step in range(3):
    opt.zero_grad()
    net(x).pow(2).mean().backward()
    opt.step()
"""


def _write(folder: Path, *cells: str, name: str = "train.ipynb") -> None:
    found = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Training"]},
        *({"cell_type": "code", "metadata": {}, "outputs": [], "source": [cell]} for cell in cells),
    ]
    (folder / name).write_text(
        json.dumps({"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )


def test_both_tiers_meet_in_one_list(tmp_path: Path) -> None:
    _write(tmp_path, MODEL, "%%bash\nexit 1", TRAIN.format(comment=""))
    before = (tmp_path / "train.ipynb").read_bytes()
    rules = ("--select", "NNL309,NNL319")
    done = ran("run", *rules, "--output-format", "json", "train.ipynb", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert (done.returncode, report["not_run"]) == (1, []), done.stderr
    places = [
        (each["code"], each["tier"], each["cell"], each["location"]["row"], each["location"]["column"])
        for each in report["findings"]
    ]
    assert places == [("NNL309", "static", 2, 5, 1), ("NNL319", "experiment", 4, 5, 1)]
    shown = ran("run", *rules, "train.ipynb", cwd=tmp_path).stdout.decode()
    assert "train.ipynb:cell 4:5:1: NNL319 " in shown
    assert "\n5 | opt = torch.optim.SGD(net.parameters(), lr=rate())\n" in shown
    assert (tmp_path / "train.ipynb").read_bytes() == before


def test_a_comment_in_the_cell_silences_the_run(tmp_path: Path) -> None:
    comment = "  # nnlint: ignore[NNL319] it is about the rate"
    _write(tmp_path, MODEL.replace("net.eval", ""), TRAIN.format(comment=comment))
    done = ran("run", "--select", "NNL309,NNL319", "train.ipynb", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert ran("--select", "NNL309,NNL319", "train.ipynb", cwd=tmp_path).returncode == 0


def test_a_cell_may_await(tmp_path: Path) -> None:
    _write(tmp_path, MODEL, "import asyncio\nx = await asyncio.sleep(0, 3)", TRAIN.format(comment=""))
    done = ran("run", "--select", "NNL319", "train.ipynb", cwd=tmp_path)
    assert b"train.ipynb:cell 4:5:1: NNL319 " in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param('{"cells": [', b"train.ipynb:1: not a notebook: expecting", id="no JSON"),
        pytest.param('{"worksheets": [], "nbformat": 3}', b"format 3 is too old", id="old"),
        pytest.param(
            '{"cells": [], "metadata": {"language_info": {"name": "R"}}}',
            b"train.ipynb: a notebook in r, not in Python",
            id="another language",
        ),
        pytest.param(
            '{"cells": [{"cell_type": "code", "source": "import torch\\nx ="}]}',
            b"train.ipynb:cell 1:2: invalid syntax",
            id="no Python",
        ),
    ],
)
def test_what_cannot_be_run_is_said(content: str, said: bytes, tmp_path: Path) -> None:
    (tmp_path / "train.ipynb").write_text(content)
    done = ran("run", "train.ipynb", cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stdout, done.stdout
    assert b"Traceback" not in done.stdout + done.stderr
