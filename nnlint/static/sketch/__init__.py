"""A sketch of libcst's tree, drawn from Python's own: the same nodes, without white space and comments.

CPython parses a file in a tenth of the time that libcst takes, and making libcst's nodes of the result takes
another tenth. So every file is read as a sketch first. libcst parses only where that is not enough: the file
has something that the sketch does not know, or a rule asks for what it does not hold, as most fixes do. What
is code is the same in both trees, and so are the text and the place of an expression, wherever the sketch
gives one (`tests/static/test_sketch.py` holds them side by side).
"""

from __future__ import annotations

import ast
import unicodedata
import warnings
from dataclasses import dataclass

import libcst as cst

from nnlint.static.positions import Place
from nnlint.static.sketch.blocks import Blocks
from nnlint.static.sketch.nodes import SketchError, module
from nnlint.static.sketch.terms import Terms
from nnlint.static.sketch.wording import place, wording

__all__ = ["Sketch", "SketchError", "sketch"]


@dataclass(frozen=True)
class Sketch:
    """The tree of a file without its white space."""

    module: cst.Module
    terms: Terms

    def code(self, node: cst.CSTNode) -> str:
        """How an expression is written in the file, line ends included; may raise SketchError."""
        return wording(self.terms, node)

    def place(self, node: cst.CSTNode) -> Place:
        """Where an expression or simple statement stands; may raise SketchError."""
        return place(self.terms, node)


def sketch(text: str) -> Sketch:
    """The tree of a Python file; raises SketchError where only libcst itself can tell what that is."""
    if not _names_stay(text):
        raise SketchError("a name that Python writes in another way")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a string
            tree = ast.parse(text)
        blocks = Blocks(text)
        made: cst.Module = module(blocks.statements(tree.body))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SketchError(str(error)) from None
    except KeyError as error:
        raise SketchError(f"no node is known for {error}") from None
    return Sketch(made, blocks)


def _names_stay(text: str) -> bool:
    """Whether every name is what the file says: Python's parser normalises letters, libcst's does not."""
    if text.isascii():
        return True
    letters = "".join({letter for letter in text if letter > "\x7f" and f"a{letter}".isidentifier()})
    return unicodedata.is_normalized("NFKC", letters)
