"""The site, built by the real mkdocs: every rule has its address, and every link leads somewhere."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from support import CHECKOUT, python

from nnlint.page import load_pages


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="the `docs` extra is not installed")
def test_the_site_is_built_strictly_and_every_rule_has_its_page(tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = python("-m", "mkdocs", "build", "--strict", "--site-dir", str(site), cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr.decode()
    table = (site / "rules" / "index.html").read_text(encoding="utf-8")
    for page in load_pages():
        text = (site / "rules" / page.name / "index.html").read_text(encoding="utf-8")
        assert f"{page.name} ({page.code})" in text
        assert "py bad" not in text
        assert f'href="{page.name}/"' in table
