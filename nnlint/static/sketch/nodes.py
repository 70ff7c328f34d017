"""libcst's nodes with nothing but code: no white space, no punctuation.

They are made without their constructors, which check every field: most of a parse's time. A field that is not
set raises AttributeError when it is asked for, so nobody can take a sketch for the file itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

# Makes a node from the given fields, by position.
Maker = Callable[..., Any]


class SketchError(Exception):
    """The tree that libcst would make of the code is not known."""


def maker(kind: type[cst.CSTNode], *fields: str) -> Maker:
    """A function that makes nodes of a kind."""
    new: Callable[[type], Any] = object.__new__
    # The descriptors of the slots, since the classes are frozen. One function a number of fields: a loop
    # would take twice the time.
    sets = [getattr(kind, field).__set__ for field in fields]
    if not sets:
        return lambda: new(kind)
    if len(sets) == 1:
        (only,) = sets

        def one(value: object) -> Any:
            node = new(kind)
            only(node, value)
            return node

        return one
    set_first, set_second, *others = sets
    if not others:

        def two(first: object, second: object) -> Any:
            node = new(kind)
            set_first(node, first)
            set_second(node, second)
            return node

        return two
    set_third, *others = others
    if not others:

        def three(first: object, second: object, third: object) -> Any:
            node = new(kind)
            set_first(node, first)
            set_second(node, second)
            set_third(node, third)
            return node

        return three

    def many(first: object, second: object, third: object, *values: object) -> Any:
        node = three_of(first, second, third)
        for set_value, value in zip(others, values, strict=True):
            set_value(node, value)
        return node

    three_of = maker(kind, *fields[:3])
    return many


module = maker(cst.Module, "body")
# Statements.
line = maker(cst.SimpleStatementLine, "body")
suite = maker(cst.SimpleStatementSuite, "body")
block = maker(cst.IndentedBlock, "body")
expression = maker(cst.Expr, "value")
assign = maker(cst.Assign, "targets", "value")
assign_target = maker(cst.AssignTarget, "target")
augmented = maker(cst.AugAssign, "target", "operator", "value")
annotated = maker(cst.AnnAssign, "target", "annotation", "value")
annotation = maker(cst.Annotation, "annotation")
returned = maker(cst.Return, "value")
raised = maker(cst.Raise, "exc", "cause")
origin = maker(cst.From, "item")
asserted = maker(cst.Assert, "test", "msg")
deleted = maker(cst.Del, "target")
passed = maker(cst.Pass)
broken = maker(cst.Break)
continued = maker(cst.Continue)
global_names = maker(cst.Global, "names")
nonlocal_names = maker(cst.Nonlocal, "names")
name_item = maker(cst.NameItem, "name")
imported = maker(cst.Import, "names")
imported_from = maker(cst.ImportFrom, "module", "names", "relative")
import_alias = maker(cst.ImportAlias, "name", "asname")
import_star = maker(cst.ImportStar)
as_name = maker(cst.AsName, "name")
dot = maker(cst.Dot)
branch = maker(cst.If, "test", "body", "orelse")
otherwise = maker(cst.Else, "body")
while_loop = maker(cst.While, "test", "body", "orelse")
for_loop = maker(cst.For, "target", "iter", "body", "orelse", "asynchronous")
with_block = maker(cst.With, "items", "body", "asynchronous")
with_item = maker(cst.WithItem, "item", "asname")
attempt = maker(cst.Try, "body", "handlers", "orelse", "finalbody")
handler = maker(cst.ExceptHandler, "type", "name", "body")
finally_block = maker(cst.Finally, "body")
function = maker(
    cst.FunctionDef, "name", "params", "body", "decorators", "returns", "asynchronous", "type_parameters"
)
class_definition = maker(cst.ClassDef, "name", "body", "bases", "keywords", "decorators", "type_parameters")
decorator = maker(cst.Decorator, "decorator")
asynchronous = maker(cst.Asynchronous)
# Parameters and arguments.
parameters = maker(
    cst.Parameters, "params", "star_arg", "kwonly_params", "star_kwarg", "posonly_params", "posonly_ind"
)
parameter = maker(cst.Param, "name", "annotation", "default", "star")
star_only = maker(cst.ParamStar)
slash = maker(cst.ParamSlash)
argument = maker(cst.Arg, "value", "keyword", "star")
# Expressions.
name = maker(cst.Name, "value")
attribute = maker(cst.Attribute, "value", "attr")
call = maker(cst.Call, "func", "args")
subscript = maker(cst.Subscript, "value", "slice")
subscript_element = maker(cst.SubscriptElement, "slice")
index = maker(cst.Index, "value")
slice_ = maker(cst.Slice, "lower", "upper", "step")
integer = maker(cst.Integer, "value")
floating = maker(cst.Float, "value")
imaginary = maker(cst.Imaginary, "value")
string = maker(cst.SimpleString, "value")
ellipsis = maker(cst.Ellipsis)
tuple_ = maker(cst.Tuple, "elements")
list_ = maker(cst.List, "elements")
set_ = maker(cst.Set, "elements")
element = maker(cst.Element, "value")
starred_element = maker(cst.StarredElement, "value")
dictionary = maker(cst.Dict, "elements")
dictionary_element = maker(cst.DictElement, "key", "value")
starred_dictionary = maker(cst.StarredDictElement, "value")
binary = maker(cst.BinaryOperation, "left", "operator", "right")
boolean = maker(cst.BooleanOperation, "left", "operator", "right")
unary = maker(cst.UnaryOperation, "operator", "expression")
comparison = maker(cst.Comparison, "left", "comparisons")
comparison_target = maker(cst.ComparisonTarget, "operator", "comparator")
lambda_ = maker(cst.Lambda, "params", "body")
conditional = maker(cst.IfExp, "test", "body", "orelse")
generator = maker(cst.GeneratorExp, "elt", "for_in")
list_comprehension = maker(cst.ListComp, "elt", "for_in")
set_comprehension = maker(cst.SetComp, "elt", "for_in")
dict_comprehension = maker(cst.DictComp, "key", "value", "for_in")
comp_for = maker(cst.CompFor, "target", "iter", "ifs", "inner_for_in", "asynchronous")
comp_if = maker(cst.CompIf, "test")
awaited = maker(cst.Await, "expression")
yielded = maker(cst.Yield, "value")
named = maker(cst.NamedExpr, "target", "value")
