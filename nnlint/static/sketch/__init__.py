"""A sketch of libcst's tree, drawn from Python's own: the same nodes, without white space and comments.

CPython parses a file in a tenth of the time that libcst takes, and making libcst's nodes of the result takes
another tenth. So every file is read as a sketch first; libcst parses only those on which a rule then has
something to say, and only that second reading is reported. What is code is the same in both trees
(`tests/static/test_sketch.py` holds them side by side), so a rule that is silent on the one is silent on the
other, as long as it asks no node for its white space, parentheses or comments.
"""

from __future__ import annotations

import ast
import unicodedata
import warnings
from dataclasses import dataclass

import libcst as cst

from nnlint.static.sketch.blocks import Blocks
from nnlint.static.sketch.nodes import SketchError, module
from nnlint.static.sketch.terms import Terms
from nnlint.static.sketch.wording import wording

__all__ = ["Sketch", "SketchError", "sketch"]


@dataclass(frozen=True)
class Sketch:
    """The tree of a file without its white space."""

    module: cst.Module
    terms: Terms

    def code(self, node: cst.CSTNode) -> str:
        """How an expression is written in the file, line ends included; may raise SketchError."""
        return wording(self.terms, node)


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
