"""The language server in a real Neovim, without a screen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NEOVIM = shutil.which("nvim")
SCRIPT = Path(__file__).parent / "data" / "neovim.lua"
TEXT = """\
import torch

model = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
history = []
for x, y in loader:
    note = "😀 漢字"; loss = torch.nn.functional.cross_entropy(model(x), y); history.append(loss)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.slow
@pytest.mark.skipif(NEOVIM is None, reason="Neovim is not installed")
def test_a_finding_is_shown_and_fixed_in_neovim(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TEXT, encoding="utf-8")
    environment = {**os.environ, "NNLINT_PYTHON": sys.executable, "HOME": str(tmp_path)}
    command = [str(NEOVIM), "--headless", "--clean", "-S", str(SCRIPT), "-c", "qall!"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, timeout=120, check=False, text=True
    )
    assert (tmp_path / "said.json").exists(), ended.stderr
    said = json.loads((tmp_path / "said.json").read_text(encoding="utf-8"))
    ((code, row, start, end),) = said["opened"]
    line = TEXT.splitlines()[row].encode()
    assert code == "NNL306"
    # Neovim counts in bytes.
    assert line[start:end].decode().startswith("history.append(loss")
    assert any(title.startswith("NNL306: ignore") for title in said["actions"])
    assert said["fixed"]
    assert "history.append(loss.item())" in "\n".join(said["text"])
