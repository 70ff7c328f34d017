"""The formats of one line a finding or file: GitHub's annotations and the editors' diagnostics."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from examples import SCRIPT, STRANGE, finding, linted

from nnlint.finding import Report, Span
from nnlint.reporters import reporter


def test_an_annotation_has_its_place_and_title() -> None:
    first, second = reporter("github")(linted()).splitlines()
    place = "file=src/train.py,line=5,endLine=5,col=15,endColumn=23"
    assert re.match(rf"::(error|warning) {place},title=NNL309 uncalled-method::", first)
    assert "title=NNL201 activation-before-cross-entropy::softmax is applied" in second


def test_what_github_would_misread_is_escaped() -> None:
    first, second, third, fourth = reporter("github")(STRANGE).splitlines()
    assert first == (
        "::notice file=a b/ü%25.py,line=1,endLine=1,col=1,endColumn=2,title=NNL999 gone::50 %25%0D%0Aa: b, c"
    )
    assert second == "::notice file=n.ipynb,line=1,title=NNL999 gone::cell 3, line 2: in a cell"
    assert third == "::error title=nnlint%3A not run::b,1:2.py: read: no such file"
    assert fourth == "::error title=nnlint%3A not run::graph: no"
    one = finding(filename="a:b,c\n.py")
    assert "file=a%3Ab%2Cc%0A.py," in reporter("github")(Report((one,)))


def test_commands_can_be_read_back() -> None:
    """As the runner does it: properties at commas, then their escapes, then the message."""
    back = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}

    def unescaped(text: str) -> str:
        return re.sub("|".join(back), lambda match: back[match[0]], text)

    for line, one in zip(reporter("github")(STRANGE).splitlines(), STRANGE.findings, strict=False):
        match = re.fullmatch(r"::(\w+) (.*?)::(.*)", line)
        assert match is not None
        properties = dict(pair.split("=", 1) for pair in match[2].split(","))
        assert unescaped(properties["file"]) == one.filename
        assert one.message in unescaped(match[3])


def test_several_lines_have_no_columns() -> None:
    one = replace(finding(), span=Span.of(1, 3, 4, 2))
    line = reporter("github")(Report((one,)))
    assert "line=1,endLine=4,title=" in line


def test_diagnostics_are_one_line_a_file_with_columns_in_utf_16() -> None:
    (line,) = reporter("lsp")(linted()).splitlines()
    params = json.loads(line)
    assert params["uri"] == (Path.cwd() / "src/train.py").as_uri()
    first, second = params["diagnostics"]
    # The emoji counts twice, the ideographs once.
    text = SCRIPT.splitlines()[4].encode("utf-16-le")
    start, end = first["range"]["start"], first["range"]["end"]
    assert text[2 * start["character"] : 2 * end["character"]].decode("utf-16-le") == "net.eval"
    assert (start["line"], first["code"], first["source"]) == (4, "NNL309", "nnlint")
    (related,) = second["relatedInformation"]
    assert related["location"]["range"]["start"] == {"line": 6, "character": 7}


def test_a_cell_is_a_document_of_its_own() -> None:
    uris = [json.loads(line)["uri"] for line in reporter("lsp")(STRANGE).splitlines()]
    assert uris[1].endswith("/n.ipynb#cell3")
    assert reporter("lsp")(Report()) == reporter("github")(Report()) == ""
