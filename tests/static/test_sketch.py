"""A sketch and libcst's own tree say the same: node for node, and word for word where a text is asked for."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libcst as cst
import pytest
from support import CHECKOUT

from nnlint.static.positions import Place, positions
from nnlint.static.sketch import Sketch, SketchError, sketch
from nnlint.static.walk import fields_of, same_code

FILES = (
    sorted((CHECKOUT / "nnlint").rglob("*.py"))[::24] + sorted((CHECKOUT / "fixtures").glob("*/*.py"))[::12]
)

EVERYTHING = r'''
"""Docstring""" "in two parts"
from __future__ import annotations
import os, torch.nn as nn; import torch . utils . data
from . import sibling
from ..above . far import (name as other, third,)
from everything import *
x = y = -1; z: int = 0x1F; w: float; del x, y; del (z)
a, *b = (c), d = 1e-3, 2j, *[...]
v[0], v[1:2], v[::3, ...], v[(1, 2)], v[(1), 2], v[(a + b) * c, d], v[()], v[(a), (b)], v[1,] = it
assert x, "why"; assert (x)
if x: pass
elif (y
      ): continue
else:
    if z:
        break
    else: pass
for i, (j, k) in enumerate(zip(p, q)): print(i, *rest, sep="", *more, **options)
else:
    w += 1; w @= 2; w //= 3; w **= 4; w >>= 5; w |= 6; w ^= 7; w &= 8; w <<= 9; w %= 10; w -= 11
while not (done and this and that or other): total = (yield)
with open(p) as f, (lock): pass
with (open(p) as f, open(q) as (g, h)): pass
try: raise
except (A, B) as error: raise C(error) from error
except D: raise E
else: pass
finally:
    pass
@decorate
@decorate.more(1)
def function(a, b: int = 1, /, c=2, *args: int, d, e=3, **kwargs) -> "int":
    global g, h
    return
async def other(*, only):
    nonlocal_ = lambda: 0
    async with a as b: await c
    async for d in e: yield d
    return [f async for f in g if h if i for j in k]
def inner():
    nonlocal x
    return (yield from z)
class Thing(Base, *bases, metaclass=Meta, **options):
    field: str
class Empty: ...
value = {**a, "b": c}, {d, *e}, {f: g for f, g in h}, {i for i in j}, sum(k for k in l), (m for m in n)
value = a if b else (c if d else e), not f, ~g, +h, i is not j, k not in l < m != n, (o := p), b"q" rb'\d'
value = f"{a!r:>{width}} {b.c[0]}" 'more' "" if """ quote " inside """ else u'' '\'' r"\\" + '# no comment'
value = (  # a comment
    a
    # another
).b(
    (c),  # about c
    ( d ),
    e
) (f) (
    (g))
text = (a), ((b)), f((c)), f((d), e), [(g)][(h)], {(i): (j)}, -(k), not(l), lambda: (m), print ((n))
'''


def differences(drawn: Any, parsed: Any, path: str = "module") -> Iterator[str]:
    """Where two trees differ in code; in a sketch, only what is code has to be there."""
    if isinstance(parsed, (list, tuple)):
        if len(drawn) != len(parsed):
            yield f"{path}: {len(drawn)} and {len(parsed)} items"
            return
        for place, (one, other) in enumerate(zip(drawn, parsed, strict=True)):
            yield from differences(one, other, f"{path}[{place}]")
    elif type(drawn) is not type(parsed):
        yield f"{path}: {type(drawn).__name__} and {type(parsed).__name__}"
    elif isinstance(parsed, cst.CSTNode):
        names = {field.name for field in dataclasses.fields(parsed) if hasattr(drawn, field.name)}
        if isinstance(parsed, (cst.BaseBinaryOp, cst.BaseAugOp, cst.BaseCompOp, cst.BaseUnaryOp, cst.Dot)):
            names = set()  # one for all
        elif isinstance(parsed, cst.BaseBooleanOp | cst.ParamStar | cst.ParamSlash | cst.Asynchronous):
            names = set()
        elif isinstance(parsed, cst.Module | cst.BaseFormattedStringContent | cst.ConcatenatedString):
            names = set(fields_of(type(parsed)))
        elif isinstance(parsed, cst.FormattedString | cst.SimpleString):
            names -= {"lpar", "rpar"}
        for name in names | set(fields_of(type(parsed))):
            yield from differences(getattr(drawn, name), getattr(parsed, name), f"{path}.{name}")
    elif drawn != parsed:
        yield f"{path}: {drawn!r} and {parsed!r}"


def pairs(found: Sketch, module: cst.Module) -> Iterator[tuple[Any, cst.CSTNode]]:
    """Each node of the sketch beside libcst's own."""
    stack: list[tuple[Any, Any]] = [(found.module, module)]
    while stack:
        drawn, parsed = stack.pop()
        if isinstance(parsed, (list, tuple)):
            stack.extend(zip(drawn, parsed, strict=True))
        elif isinstance(parsed, cst.CSTNode):
            stack.extend((getattr(drawn, name), getattr(parsed, name)) for name in fields_of(type(parsed)))
            yield drawn, parsed


def misquoted(found: Sketch, module: cst.Module) -> Iterator[str]:
    """Expressions that the sketch would write otherwise; and how many it can write at all, at the end."""
    known = 0
    for drawn, parsed in pairs(found, module):
        if isinstance(parsed, cst.BaseExpression):
            try:
                said = found.code(drawn)
            except SketchError:
                continue
            known += 1
            written = module.code_for_node(parsed)
            if said.split() != written.split():
                yield f"{said!r} for {written!r}"
    if not known:
        yield "nothing at all"


def misplaced(found: Sketch, module: cst.Module) -> list[str]:
    """What stands elsewhere than the sketch says."""
    said: dict[cst.CSTNode, Place] = {}
    for drawn, parsed in pairs(found, module):
        with contextlib.suppress(SketchError):
            said[parsed] = found.place(drawn)
    right = positions(module, said)
    wrong = [f"{node}: {place}, not {right[node]}" for node, place in said.items() if place != right[node]]
    return wrong if said else ["nothing at all"]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text", [EVERYTHING, *map(read, FILES)], ids=["everything", *(f.stem for f in FILES)]
)
def test_a_sketch_is_libcsts_tree_without_white_space(text: str) -> None:
    module = cst.parse_module(text)
    found = sketch(text)
    assert list(differences(found.module, module)) == []
    assert list(misquoted(found, module)) == []
    assert misplaced(found, module) == []


# What stands in parentheses, whose they are, and what is known of it.
PARENTHESES = r"""
sum(x for x in y); sum( x for x in y ); sum((x for x in y)); f(b, (x for x in y)); f(*(x for x in y))
z = (x for x in y); z = ((x for x in y)); f(a)(x for x in y); f[0] (x for x in y); f(b=((x for x in y)))
f((x)); f( (x), y ); f(a, *(b), **(c), d=(e)); f((1, 2)); f((a) + (b)); f((x).y,); f(x if y else z)
f'{(x for x in y)} {sum(x for x in z)} { 1 +  a.b [c]}'
f(
    (x)  # why
)
"""


def test_parentheses_are_those_of_libcst() -> None:
    module = cst.parse_module(PARENTHESES)
    found = sketch(PARENTHESES)
    assert misplaced(found, module) == []
    told = {}
    for drawn, parsed in pairs(found, module):
        if isinstance(parsed, (cst.GeneratorExp, cst.BinaryOperation)):
            with contextlib.suppress(SketchError):
                told[parsed] = found.code(drawn)
    assert {written for node, written in told.items() if written != module.code_for_node(node)} == set()
    assert len(told) > 10
    known = [drawn for drawn, parsed in pairs(found, module) if isinstance(parsed, cst.Arg)]
    placed = 0
    for drawn in known:
        with contextlib.suppress(SketchError):
            placed += found.place(drawn) is not None
    assert len(known) / 2 < placed < len(known)


@pytest.mark.parametrize(
    ("before", "after"),
    [("x + 1", "x + 2"), ("f(a)", "f(b)"), ("a.b", "a.c"), ("'a'", '"a"'), ("0x10", "16")],
)
def test_the_comparison_can_fail(before: str, after: str) -> None:
    found, module = sketch(f"y = {before}\n"), cst.parse_module(f"y = {after}\n")
    assert list(differences(found.module, module))
    assert list(misquoted(found, module))


def test_the_comparison_of_places_can_fail() -> None:
    assert misplaced(sketch("y = 1 +  2\n"), cst.parse_module("y = 1 + 2\n"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("match x:\n    case 1: pass\n", id="match"),
        pytest.param("ﬁ = 1\n", id="a ligature that Python reads as fi"),
        pytest.param("print 1\n", id="not Python 3"),
        pytest.param("del x,\n", id="deletes a tuple"),
        pytest.param("if x: \\\n  y\n", id="a continued line"),
        pytest.param("try: pass\nexcept* A: pass\n", id="except*"),
        pytest.param("x[*y]\n", id="a star in an index"),
        pytest.param("x\0y\n", id="null"),
    ],
)
def test_what_it_does_not_know_it_leaves_to_libcst(text: str) -> None:
    with pytest.raises(SketchError):
        sketch(text)


def test_a_sketch_does_not_pass_for_the_file() -> None:
    with pytest.raises(AttributeError):
        sketch("x = 1  # one\n").module.body[0].leading_lines  # noqa: B018
    with pytest.raises(AttributeError):
        cst.Module([]).code_for_node(sketch("x = 1\n").module.body[0])


def test_same_code_is_blind_to_layout_and_nothing_else() -> None:
    def parsed(code: str) -> cst.BaseExpression:
        return cst.parse_expression(code)

    assert same_code(parsed("f( a ,b)[ 'c' ]"), parsed("(f(a, (b))['c'])"))
    assert not same_code(parsed("f(a, b)"), parsed("f(a, c)"))
    assert not same_code(parsed("f(a, b)"), parsed("f(a)"))
    assert not same_code(parsed("f(a)"), parsed("f[a]"))
    assert not same_code(parsed("f(a=b)"), parsed("f(c=b)"))
