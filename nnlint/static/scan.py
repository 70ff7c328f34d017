"""The first look at a tree: which functions and classes it has, and how each name is used.

How a name is used says what it is where nothing else does: something that has `zero_grad` and `step` is an
optimizer, whatever it is called.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from nnlint.static.walk import fields_of

CALLED = "()"


@dataclass(eq=False)
class Parameter:
    """One parameter of a function; `star` is "", "*" or "**"."""

    name: str
    node: cst.Param
    default: cst.BaseExpression | None
    annotation: cst.BaseExpression | None
    star: str = ""
    keyword_only: bool = False


@dataclass(eq=False)
class FunctionInfo:
    """A `def` of the file. `uses` maps a name to the attributes read from it (`()` where it is called)."""

    name: str
    node: cst.FunctionDef
    cls: ClassInfo | None
    outer: FunctionInfo | None
    parameters: list[Parameter]
    uses: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    is_generator: bool = False
    reads: int = 0  # how often the reader has followed it
    quiet: bool = False  # following it once showed nothing but plain computation

    @property
    def qualified_name(self) -> str:
        return f"{self.cls.name}.{self.name}" if self.cls else self.name

    def decorated(self, *names: str) -> bool:
        """Whether a decorator's last name is one of these."""
        return any(last_name(decorator.decorator) in names for decorator in self.node.decorators)


@dataclass(eq=False)
class ClassInfo:
    """A `class` of the file."""

    name: str
    node: cst.ClassDef
    outer: FunctionInfo | None
    methods: dict[str, FunctionInfo] = field(default_factory=dict)
    uses: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # of `self.<name>`
    assigned: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # times `self.<name>` is set
    set_outside_init: set[str] = field(default_factory=set)
    bases: list[str] = field(default_factory=list)  # qualified names, filled by the reader
    parents: list[ClassInfo] = field(default_factory=list)  # bases in this file, filled by the reader
    read: bool = False

    def lineage(self) -> Iterator[ClassInfo]:
        """The class and its bases in this file, nearest first."""
        seen: set[int] = set()
        stack: list[ClassInfo] = [self]
        while stack:
            current = stack.pop(0)
            if id(current) not in seen:
                seen.add(id(current))
                yield current
                stack.extend(current.parents)

    def method(self, name: str) -> FunctionInfo | None:
        return next((cls.methods[name] for cls in self.lineage() if name in cls.methods), None)

    def base_names(self) -> set[str]:
        return {base for cls in self.lineage() for base in cls.bases}

    def fully_seen(self) -> bool:
        """Whether all of its ancestors are in this file or are plain `torch.nn.Module` or `object`."""
        known = {
            "torch.nn.Module",
            "builtins.object",
            "lightning.LightningModule",
            "abc.ABC",
            "typing.Generic",
        }
        return all(
            base in known or any(base == f".{cls.name}" for cls in self.lineage())
            for base in self.base_names()
        )

    @property
    def is_module(self) -> bool:
        """An nn.Module, as far as the file shows."""
        for base in self.base_names():
            if base.startswith(("torch.nn.", "torchvision.models.", "timm.models.", "torch_geometric.nn.")):
                return True
            if base in {
                "lightning.LightningModule",
                "torch.jit.ScriptModule",
                "transformers.PreTrainedModel",
            }:
                return True
            if base.rpartition(".")[2].endswith(("PreTrainedModel", "LightningModule")):
                return True
        # A base from another file: the class is a module if it behaves like one.
        unseen = any(not base.startswith((".", "builtins.", "torch.")) for base in self.base_names())
        return unseen and "forward" in self.methods

    @property
    def is_lightning(self) -> bool:
        return any(base.rpartition(".")[2] == "LightningModule" for base in self.base_names()) or (
            "training_step" in self.methods and "configure_optimizers" in self.methods
        )

    @property
    def is_dataset(self) -> bool:
        return any(
            base.rpartition(".")[2] in {"Dataset", "IterableDataset"} for base in self.base_names()
        ) or ("__getitem__" in self.methods and "__len__" in self.methods and not self.is_module)

    @property
    def is_autograd_function(self) -> bool:
        return any(
            base in {"torch.autograd.Function", "torch.autograd.function.Function"}
            for base in self.base_names()
        )


@dataclass(eq=False)
class Scan:
    """What one walk over the whole tree found."""

    functions: list[FunctionInfo] = field(default_factory=list)
    classes: list[ClassInfo] = field(default_factory=list)
    by_node: dict[int, FunctionInfo | ClassInfo] = field(default_factory=dict)
    loop_names: dict[int, set[str]] = field(default_factory=dict)  # id(For/While) -> names assigned inside
    uses: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # of module-level code
    globals: set[str] = field(default_factory=set)  # names that some function declares `global`
    mentioned: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # names and attributes read
    statements: int = 0


def last_name(node: cst.CSTNode) -> str:
    """`c` of `a.b.c`, `a.b.c(…)` and `c`."""
    if isinstance(node, cst.Call):
        node = node.func
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


def scan(module: cst.Module) -> Scan:
    """Walk the tree once."""
    walker = _Walker()
    walker.visit(module)
    return walker.found


class _Handlers(dict[type, Callable[[Any], None]]):
    """What to do with a node, by its class: look below, unless something else is said or nothing is there."""

    def __init__(self, below: Callable[[Any], None]) -> None:
        super().__init__()
        self.below = below

    def __missing__(self, kind: type) -> Callable[[Any], None]:
        self[kind] = handler = self.below if fields_of(kind) else _pass_by
        return handler


def _pass_by(_: object) -> None:
    """For what has no code below it."""


class _Walker:
    def __init__(self) -> None:
        self.found = Scan()
        self.functions: list[FunctionInfo] = []
        self.classes: list[ClassInfo | None] = []
        self.loops: list[set[str]] = []
        self.handlers = _Handlers(self.below)
        self.handlers |= {
            cst.FunctionDef: self.function,
            cst.ClassDef: self.cls,
            cst.For: self.loop,
            cst.While: self.loop,
            cst.Attribute: self.attribute,
            cst.Call: self.call,
            cst.Name: self.name,
            cst.AssignTarget: self.assign_target,
            cst.AugAssign: self.assign,
            cst.AnnAssign: self.assign,
            cst.NamedExpr: self.assign,
            cst.AsName: self.as_name,
            cst.Global: self.global_names,
            cst.Yield: self.generator,
        }

    def visit(self, node: cst.CSTNode) -> None:
        self.handlers[type(node)](node)

    def below(self, node: cst.CSTNode) -> None:
        handlers = self.handlers
        for name in fields_of(type(node)):
            value = getattr(node, name)
            kind = type(value)
            if kind is list or kind is tuple:
                for item in value:
                    handlers[type(item)](item)
            else:
                handlers[kind](value)

    # -- definitions ----------------------------------------------------------------------------

    def function(self, node: cst.FunctionDef) -> None:
        cls = self.classes[-1] if self.classes else None
        outer = self.functions[-1] if self.functions else None
        info = FunctionInfo(node.name.value, node, cls, outer, _parameters(node.params))
        self.found.functions.append(info)
        self.found.by_node[id(node)] = info
        self.bound(node.name.value)
        if cls is not None:
            cls.methods.setdefault(info.name, info)
        for decorator in node.decorators:
            self.visit(decorator)
        self.visit(node.params)
        self.functions.append(info)
        self.classes.append(None)
        loops, self.loops = self.loops, []
        self.visit(node.body)
        self.loops = loops
        self.classes.pop()
        self.functions.pop()

    def cls(self, node: cst.ClassDef) -> None:
        info = ClassInfo(node.name.value, node, self.functions[-1] if self.functions else None)
        self.found.classes.append(info)
        self.found.by_node[id(node)] = info
        self.bound(node.name.value)
        for argument in (*node.bases, *node.keywords, *node.decorators):
            self.visit(argument)
        self.classes.append(info)
        self.visit(node.body)
        self.classes.pop()

    def enclosing_class(self) -> ClassInfo | None:
        """The class whose method we are in, through nested functions."""
        for function in reversed(self.functions):
            if function.cls is not None:
                return function.cls
        return None

    # -- loops and assignments ------------------------------------------------------------------

    def loop(self, node: cst.For | cst.While) -> None:
        names: set[str] = set()
        self.found.loop_names[id(node)] = names
        self.found.statements += 1
        if isinstance(node, cst.For):
            self.visit(node.iter)
            self.loops.append(names)
            self.target(node.target)
        else:
            self.loops.append(names)
            self.visit(node.test)
        self.visit(node.body)
        self.loops.pop()
        if node.orelse is not None:
            self.visit(node.orelse)

    def bound(self, name: str) -> None:
        for names in self.loops:
            names.add(name)

    def target(self, node: cst.CSTNode) -> None:
        if isinstance(node, cst.Name):
            self.bound(node.value)
        elif isinstance(node, (cst.Tuple, cst.List)):
            for element in node.elements:
                self.target(element.value)
        elif isinstance(node, cst.Attribute):
            if isinstance(node.value, cst.Name):
                cls = self.enclosing_class()
                if cls is not None and node.value.value == "self":
                    cls.assigned[node.attr.value] += 1
                    if self.functions[-1].name != "__init__" or self.loops:
                        cls.set_outside_init.add(node.attr.value)
            self.visit(node.value)
        else:
            self.below(node)

    def assign_target(self, node: cst.AssignTarget) -> None:
        self.found.statements += 1
        self.target(node.target)

    def assign(self, node: cst.AugAssign | cst.AnnAssign | cst.NamedExpr) -> None:
        self.found.statements += 1
        self.target(node.target)
        if isinstance(node, cst.AugAssign):
            self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def as_name(self, node: cst.AsName) -> None:
        self.target(node.name)

    def global_names(self, node: cst.Global) -> None:
        self.found.globals.update(item.name.value for item in node.names)

    def generator(self, node: cst.Yield) -> None:
        if self.functions:
            self.functions[-1].is_generator = True
        self.below(node)

    # -- uses -----------------------------------------------------------------------------------

    def use(self, name: str, attribute: str) -> None:
        if self.functions:
            for function in self.functions:
                function.uses[name].add(attribute)
        else:
            self.found.uses[name].add(attribute)

    def self_use(self, name: str, attribute: str) -> None:
        cls = self.enclosing_class()
        if cls is not None:
            cls.uses[name].add(attribute)

    def name(self, node: cst.Name) -> None:
        self.found.mentioned[node.value] += 1

    def attribute(self, node: cst.Attribute) -> None:
        base = node.value
        self.found.mentioned[node.attr.value] += 1
        if isinstance(base, cst.Name):
            self.use(base.value, node.attr.value)
            self.found.mentioned[base.value] += 1
            return
        if (
            isinstance(base, cst.Attribute)
            and isinstance(base.value, cst.Name)
            and base.value.value == "self"
        ):
            self.self_use(base.attr.value, node.attr.value)
        self.visit(base)

    def call(self, node: cst.Call) -> None:
        self.found.statements += 1
        if isinstance(node.func, cst.Name):
            self.use(node.func.value, CALLED)
        elif (
            isinstance(node.func, cst.Attribute)
            and isinstance(node.func.value, cst.Name)
            and node.func.value.value == "self"
        ):
            self.self_use(node.func.attr.value, CALLED)
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument.value)


def _parameters(node: cst.Parameters) -> list[Parameter]:
    def made(param: cst.Param, star: str = "", keyword_only: bool = False) -> Parameter:
        annotation = param.annotation.annotation if param.annotation is not None else None
        return Parameter(param.name.value, param, param.default, annotation, star, keyword_only)

    found = [made(param) for param in (*node.posonly_params, *node.params)]
    if isinstance(node.star_arg, cst.Param):
        found.append(made(node.star_arg, "*"))
    found.extend(made(param, keyword_only=True) for param in node.kwonly_params)
    if node.star_kwarg is not None:
        found.append(made(node.star_kwarg, "**"))
    return found
