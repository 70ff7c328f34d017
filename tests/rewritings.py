"""The same program written differently: what is wrong with it stays the same."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch

Rewriting: TypeAlias = Callable[[str], str]


def _api() -> set[str]:
    """Names that mean something to Python, torch or a framework wherever they stand."""
    owners = (
        torch,
        torch.nn,
        torch.nn.functional,
        torch.Tensor,
        torch.nn.Module,
        torch.nn.Linear,
        torch.nn.Conv2d,
        torch.nn.LSTM,
        torch.nn.MultiheadAttention,
        torch.nn.BatchNorm2d,
        torch.nn.Embedding,
        torch.optim,
        torch.optim.Optimizer,
        torch.optim.lr_scheduler.LRScheduler,
        torch.utils.data,
        torch.utils.data.DataLoader,
        torch.amp.GradScaler,
        torch.distributed,
        builtins,
        str,
        list,
        dict,
    )
    return {name for owner in owners for name in dir(owner)}


_API = _api()
# What frameworks look for by name in a user's class.
_HOOKS = ("step", "dataloader", "configure", "setup", "forward", "on_", "prepare", "compute")


def _bound(tree: ast.Module) -> set[str]:
    """The names that the script gives: variables, parameters, functions, classes, its own attributes."""
    given: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            given.add(node.id)
        elif isinstance(node, ast.arg):
            given.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            given.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            given.add(node.attr)
    return given


def _kept(tree: ast.Module) -> set[str]:
    """The names that are somebody else's, or are also spelled where a renaming does not look."""
    kept = {"self", "cls", "args", "kwargs"}
    for node in ast.walk(tree):
        if isinstance(node, ast.alias):
            kept.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.keyword) and node.arg:
            kept.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # Options of a command line, keys, names of layers.
            kept.update(node.value.replace("-", "_").replace(".", " ").split())
            kept.add(node.value.lstrip("-").replace("-", "_"))
    return kept


class _Renamer(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field in ("id", "arg", "attr", "name"):
            value = getattr(node, field, None)
            if isinstance(value, str) and not isinstance(node, (ast.keyword, ast.alias)):
                setattr(node, field, self.names.get(value, value))
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            node.names = [self.names.get(name, name) for name in node.names]
        return super().generic_visit(node)


def renamed(text: str) -> str:
    """Every name that the script gives says nothing any more."""
    tree = ast.parse(text)
    own = sorted(
        name
        for name in _bound(tree) - _kept(tree) - _API
        if not name.startswith("__") and not any(hook in name for hook in _HOOKS)
    )
    return ast.unparse(_Renamer({name: f"v{number}" for number, name in enumerate(own)}).visit(tree))


def reformatted(text: str) -> str:
    """No comments, other line breaks, other quotes."""
    return ast.unparse(ast.parse(text))


class _Aliases(ast.NodeTransformer):
    """`import torch as th`, and `from … import F as …` under another name."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def _import(self, node: ast.Import | ast.ImportFrom) -> ast.AST:
        for alias in node.names:
            name = alias.asname or alias.name
            if "." in name or alias.name == "*" or getattr(node, "module", "") == "__future__":
                continue
            alias.asname = self.names[name] = f"{name}_imported"
        return node

    visit_Import = visit_ImportFrom = _import  # noqa: N815


def aliased(text: str) -> str:
    """Everything imported has another name."""
    tree = ast.parse(text)
    # `import torch.nn` binds `torch`, which may be imported plainly as well.
    dotted = any(
        "." in alias.name and not alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    )
    if dotted:
        return text
    aliases = _Aliases()
    tree = aliases.visit(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = aliases.names.get(node.id, node.id)
    return ast.unparse(tree)


def dead_code(text: str) -> str:
    """Statements that do nothing, and a function that nobody calls."""
    tree = ast.parse(text)
    for block in _blocks(tree):
        first = int(_is_docstring(block[0]))
        for at in range(len(block), first, -1):
            if not isinstance(
                block[at - 1], (ast.Return, ast.Raise, ast.Break, ast.Continue, ast.ImportFrom)
            ):
                block.insert(at, ast.parse("unused_here = 'nothing'").body[0])
    tree.body += ast.parse("def never_called(some, thing):\n    return [some, thing]").body
    return ast.unparse(ast.fix_missing_locations(tree))


def _blocks(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    for node in list(ast.walk(tree)):
        if isinstance(node, (ast.FunctionDef, ast.For, ast.While, ast.With)):
            yield node.body


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def loop_in_a_function(text: str) -> str:
    """What the script does at its top level is done in a function; not where its functions read globals."""
    tree = ast.parse(text)
    stay = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    kept = [node for node in tree.body if isinstance(node, stay)]
    moved = [node for node in tree.body if not isinstance(node, stay)]
    set_here = {name for node in moved for name in _names(node, ast.Store)}
    read_there = {name for node in kept for name in _names(node, ast.Load)}
    if not moved or set_here & read_there:
        return text
    function = ast.FunctionDef("run_everything", _NO_PARAMETERS, moved, [])
    tree.body = [*kept, function, *ast.parse("run_everything()").body]
    return ast.unparse(ast.fix_missing_locations(tree))


_NO_PARAMETERS = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])


def _names(node: ast.AST, context: type[ast.expr_context]) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, context):
            yield inner.id


REWRITINGS: tuple[Rewriting, ...] = (renamed, reformatted, aliased, dead_code, loop_in_a_function)
