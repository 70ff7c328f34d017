"""A model's forward recorded from nothing but its class and the shapes of its inputs, without a script.

On fake tensors, as `torch.export` traces, but with the recorder that watches a script's step: one kind of
torch.fx graph for all rules, of the same operators, with the user's lines. An exported program keeps
composite operators whole (`gru_cell`, `conv2d`), and neither `export` nor `symbolic_trace` takes a forward
whose Python depends on numbers.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import itertools
import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from nnlint.capture.plan import Place
from nnlint.capture.samples import telling_number
from nnlint.capture.watch import is_library
from nnlint.graph.nodes import Graph
from nnlint.graph.record import record
from nnlint.graph.running import found

_TARGET = re.compile(r"(?P<where>[^:()]+):(?P<name>[A-Za-z_][\w.]*)(?P<call>\(.*\))?", re.DOTALL)
_SHAPE = re.compile(
    r"(?:(?P<name>[A-Za-z_]\w*)=)?(?P<sizes>(?:\d+|N)(?:,(?:\d+|N))*)(?::(?P<dtype>\w+))?(?:<(?P<below>\d+))?"
)


class TraceError(Exception):
    """A model that cannot be traced; the message is one line."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One input: `[name=]sizes[:dtype][<below]`. Integers are drawn from 0 up to `below`.

    A size of 0 stands for N, the number of samples.
    """

    name: str
    sizes: tuple[int, ...]
    dtype: torch.dtype
    below: int

    @classmethod
    def read(cls, text: str) -> Shape:
        """Of the form that a person writes: `2,3,224,224`, `tokens=128,N:int64<50257`."""
        match = _SHAPE.fullmatch(text.replace(" ", ""))
        dtype = getattr(torch, (match["dtype"] or "float32") if match else "", None)
        if match is None or not isinstance(dtype, torch.dtype):
            raise TraceError(f"`{text}` is no shape: write N,3,224,224 or tokens=N,128:int64<50257")
        sizes = tuple(0 if size == "N" else int(size) for size in match["sizes"].split(","))
        return cls(match["name"] or "", sizes, dtype, int(match["below"] or 2))

    def tensor(self, samples: int) -> torch.Tensor:
        """Random numbers of this shape."""
        sizes = tuple(size or samples for size in self.sizes)
        if self.dtype.is_floating_point or self.dtype.is_complex:
            return torch.randn(sizes, dtype=self.dtype)
        return torch.randint(0, self.below, sizes).to(self.dtype)


def trace(target: str, shapes: Sequence[str]) -> Graph:
    """Record the forward of `module:Class`, `file.py:Class` or `module:Class(arguments)`.

    On tensors without memory, as torch.export does it, if the model does not ask for their numbers: it may
    need some while it is built, or in its forward. Where no size is N, the first of each is, if they agree.
    N becomes a number that no other axis has, or, if the model refuses that, what was given.
    """
    build = _builder(target)
    inputs = [Shape.read(text) for text in shapes]
    given = 0
    if all(all(shape.sizes) for shape in inputs) and len({shape.sizes[0] for shape in inputs}) == 1:
        given = inputs[0].sizes[0]
        inputs = [replace(shape, sizes=(0, *shape.sizes[1:])) for shape in inputs]
    logging.getLogger("torch._subclasses.fake_tensor").setLevel(logging.CRITICAL)
    for samples, way in itertools.product((0, given) if given else (0,), _WAYS):
        found = _attempt(build, inputs, samples, *way())
        if isinstance(found, Graph):
            return found
    text = " ".join(f"{type(found).__name__}: {found}".split())
    raise TraceError(f"{target} cannot be called with these shapes: {text[:300]}")


def _imagined() -> tuple[Mode, Mode]:
    mode = FakeTensorMode()
    return mode, mode


# How a model is built, and how it runs: the numbers of neither, of the model only, of both.
Mode: TypeAlias = AbstractContextManager[Any]
_WAYS: tuple[Callable[[], tuple[Mode, Mode]], ...] = (
    _imagined,
    lambda: (nullcontext(), FakeTensorMode(allow_non_fake_inputs=True)),
    lambda: (nullcontext(), nullcontext()),
)


def _attempt(
    build: Callable[[], nn.Module], inputs: Sequence[Shape], samples: int, building: Mode, running: Mode
) -> Graph | Exception:
    """The graph, or why there is none: a model may fail in any way."""
    try:
        with building, _unfilled() if isinstance(building, FakeTensorMode) else nullcontext():
            model = build()
        with running:
            return _recorded(model, inputs, samples)
    except TraceError:
        raise
    except Exception as error:
        return error


@contextmanager
def _unfilled() -> Iterator[None]:
    """Weights get no initial values: without memory there are none, and torch.nn.init asks for some."""
    filling = {name: value for name, value in vars(nn.init).items() if name.startswith("_no_grad_")}
    try:
        for name in filling:
            setattr(nn.init, name, lambda tensor, *_, **__: tensor)
        yield
    finally:
        for name, value in filling.items():
            setattr(nn.init, name, value)


def _recorded(model: nn.Module, inputs: Sequence[Shape], samples: int) -> Graph:
    if not samples and not all(all(shape.sizes) for shape in inputs):
        sizes = {size for tensor in _held(model) for size in tensor.shape}
        samples = telling_number(sys.maxsize, sizes | {size for shape in inputs for size in shape.sizes})
    tensors = [shape.tensor(samples) for shape in inputs]
    args = [tensor for tensor, shape in zip(tensors, inputs, strict=True) if not shape.name]
    kwargs = {shape.name: tensor for tensor, shape in zip(tensors, inputs, strict=True) if shape.name}
    try:
        bound = inspect.signature(model.forward).bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TraceError(f"{type(model).__name__}.forward: {error}") from None
    given = {name: tensor for key, value in bound.items() for name, tensor in found(value, key)}

    def step() -> None:
        model(*args, **kwargs)

    return record(step, given, [model], batch=samples, place=_place(model))


def _held(model: nn.Module) -> Iterator[torch.Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def _place(model: nn.Module) -> Place | None:
    """Where its forward is written."""
    try:
        filename = inspect.getsourcefile(type(model).forward)
        _, row = inspect.getsourcelines(type(model).forward)
    except (TypeError, OSError):
        return None
    return Place(filename, row) if filename and not is_library(filename) else None


def _builder(target: str) -> Callable[[], nn.Module]:
    match = _TARGET.fullmatch(target)
    if match is None:
        raise TraceError(f"`{target}` names no model: write module:Class, file.py:Class or module:Class(8)")
    args, kwargs = _arguments(match["call"] or "()")
    found: Any = _module(match["where"])
    for name in match["name"].split("."):
        if not hasattr(found, name):
            raise TraceError(f"{match['where']} has no `{match['name']}`")
        found = getattr(found, name)

    def build() -> nn.Module:
        try:
            model = found if isinstance(found, nn.Module) else found(*args, **kwargs)
        except TypeError as error:
            raise TraceError(f"{target}: {error}") from None
        if not isinstance(model, nn.Module):
            raise TraceError(f"{target} is no model, but {type(model).__name__}")
        return model

    return build


def _module(where: str) -> Any:
    try:
        if where.endswith(".py"):
            path = Path(where).resolve()
            sys.path.insert(0, str(path.parent))
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[path.stem] = module
            spec.loader.exec_module(module)
            return module
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(where)
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise TraceError(f"{where} cannot be imported: {text[:300]}") from None


def _arguments(call: str) -> tuple[list[Any], dict[str, Any]]:
    """The literal arguments of `(8, hidden=32)`."""
    try:
        node = ast.parse(f"f{call}", mode="eval").body
        assert isinstance(node, ast.Call)
        args = [ast.literal_eval(value) for value in node.args]
        return args, {str(entry.arg): ast.literal_eval(entry.value) for entry in node.keywords}
    except (SyntaxError, ValueError, AssertionError):
        raise TraceError(f"the arguments {call} must be literals") from None
