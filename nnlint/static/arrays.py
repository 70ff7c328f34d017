"""The shapes of what data is loaded into: lists, NumPy arrays, data frames, and tensors made from them.

A list of lists is read like an array; a Python number has no axes. Rows keep their symbol wherever they stay
together: the columns of one data frame have the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import libcst as cst

from nnlint.static.arguments import argument, constant
from nnlint.static.axes import Axis, Shape, total
from nnlint.static.rearrange import argument_of, cut, fresh, is_index
from nnlint.static.splits import TRAIN_TEST_SPLIT
from nnlint.static.values import Kind, Value

if TYPE_CHECKING:
    from nnlint.static.shapes import Shapes

FRAMES = frozenset({"pandas.read_csv", "pandas.read_excel", "pandas.read_parquet", "pandas.DataFrame"})
# Methods of data frames and arrays that keep all axes; after these, the rows may be fewer.
SAME = frozenset({".astype", ".copy", ".to_numpy", ".round", ".fillna", ".reset_index", ".abs"})
FEWER = frozenset({".drop", ".dropna", ".sample", ".head", ".tail", ".sort_values", ".drop_duplicates"})
SCALERS = ("Scaler", "Normalizer", "Imputer", "Transformer")
LINES = frozenset({"arange", "linspace", "randperm", "numpy.arange", "numpy.linspace"})
NUMPY_POINTWISE = frozenset(
    f"numpy.{name}"
    for name in (
        "sin",
        "cos",
        "tan",
        "exp",
        "log",
        "log1p",
        "sqrt",
        "abs",
        "square",
        "tanh",
        "clip",
        "float32",
    )
)
NUMPY_NEW = frozenset({"numpy.zeros", "numpy.ones", "numpy.empty", "numpy.full", "numpy.random.random"})
NUMPY_SIZES = frozenset({"numpy.random.rand", "numpy.random.randn"})
RANDOM = frozenset({"randint", "normal", "full"})
GENERATORS = frozenset({"numpy.random.default_rng", "numpy.random.RandomState"})
DRAWS = frozenset(
    {".uniform", ".normal", ".integers", ".randint", ".random", ".standard_normal", ".rand", ".randn"}
)
NUMBERS = frozenset({
    "random.random", "random.randint", "random.randrange", "random.uniform", "random.gauss", "builtins.abs",
})  # fmt: skip
COMPARED = frozenset({
    "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul", "div", "is", "is not",
    "in", "not in",
})  # fmt: skip
TYPED = frozenset(
    {"torch.FloatTensor", "torch.LongTensor", "torch.DoubleTensor", "torch.IntTensor", "torch.Tensor"}
)


def content(shapes: Shapes, value: Value, depth: int = 0) -> Shape | None:
    """The axes that a list, array or number has once it becomes a tensor."""
    if depth > 12:
        return None
    if value.kind is Kind.NUMBER or (
        value.kind is Kind.CONST and isinstance(value.const, (int, float)) and not value.alts
    ):
        return ()
    if value.alts:
        found = {content(shapes, part, depth + 1) for part in value.alternatives() if not part.is_const(None)}
        return found.pop() if len(found) == 1 else None
    if value.kind is Kind.SEQUENCE:
        return _listed(shapes, value, depth)
    if value.op in NUMBERS or (
        value.op in COMPARED
        and value.args
        and value.kind is not Kind.TENSOR
        and all(content(shapes, arg, depth + 1) == () for arg in value.args)
    ):
        return ()
    return shapes.of(value)


def _listed(shapes: Shapes, value: Value, depth: int) -> Shape | None:
    if value.op not in {"list", "tuple", "comprehension", "collections.deque"}:
        return None
    items = [value.element] if value.element is not None else value.args
    found = {content(shapes, item, depth + 1) for item in items[:64]}
    if len(found) != 1:
        return None
    inner = found.pop()
    if inner is None:
        return None
    return (length(shapes, value), *inner)


def length(shapes: Shapes, value: Value) -> Axis:
    """The number of items of a sequence."""
    if value.op == "comprehension" and value.receiver is not None and "if" not in value.kwargs:
        clauses = value.node.for_in if isinstance(value.node, (cst.ListComp, cst.GeneratorExp)) else None
        if clauses is not None and clauses.inner_for_in is not None:
            return (("length", id(value)),)  # one loop inside another
        walked = value.receiver
        if walked.kind is Kind.SEQUENCE and walked.op != "range":
            return length(shapes, walked)
        if walked.op == "range" and len(walked.args) == 1:
            return shapes.amount(walked.args[0])
        return (("length", id(walked)),)
    if isinstance(value.node, (cst.List, cst.Tuple)) and len(value.node.elements) == len(value.args):
        return () if len(value.args) == 1 else (len(value.args),)  # written out, and nothing appended
    return (("length", id(value)),)


def is_frame(value: Value, depth: int = 0) -> bool:
    """Whether it surely is a data frame, with rows and columns."""
    if value.op in FRAMES:
        return True
    if depth > 12 or value.alts:
        return False
    if value.op in FEWER | (SAME - {".to_numpy"}) and value.receiver is not None:
        return is_frame(value.receiver, depth + 1)
    if value.op == "item_of" and value.args and value.args[0].op == TRAIN_TEST_SPLIT:
        source = _split_source(value)
        return source is not None and is_frame(source, depth + 1)
    if value.op == "getitem" and len(value.args) == 2:
        return value.args[1].kind is Kind.SEQUENCE and is_frame(value.args[0], depth + 1)
    return False


def is_row(value: Value) -> bool:
    """Whether it is one row of a data frame: `df.iloc[i]`."""
    located = value.args[0] if value.op == "getitem" and len(value.args) == 2 else None
    return (
        located is not None
        and located.op == "getattr"
        and located.const in {"iloc", "loc"}
        and is_index(value.args[1])
        and is_frame(located.args[0])
    )


def from_frame(shapes: Shapes, value: Value) -> Shape | None:
    """`df["y"]`, `df[["a", "b"]]`, `df.iloc[:, 0]`, `df.iloc[i]["y"]`."""
    base, indices = value.args[0], value.args[1:]
    if is_row(base):
        key = indices[0]
        if key.kind is Kind.SEQUENCE:
            return (length(shapes, key),)
        return () if key.kind is Kind.CONST and isinstance(key.const, str) else None
    located = base.op == "getattr" and base.const in {"iloc", "loc"} and base.args
    frame = base.args[0] if located else base
    if not is_frame(frame):
        return None
    whole = shapes.of(frame)
    if whole is None or len(whole) != 2:
        return None
    if not located:
        key = indices[0]
        if key.kind is Kind.CONST and isinstance(key.const, str):
            return whole[:1]
        if key.op == "slice":
            return (fresh(value, 0), whole[1])
        return (whole[0], length(shapes, key)) if key.kind is Kind.SEQUENCE else None
    axes: list[Axis] = []
    for place in range(2):
        index = indices[place] if place < len(indices) else None
        if index is None:
            axes.append(whole[place])
        elif index.op == "slice":
            axes.append(cut(whole[place], index, value, place))
        elif index.kind is Kind.SEQUENCE and index.element is None:
            axes.append(length(shapes, index))
        elif index.kind is not Kind.CONST and not is_index(index):
            return None
    return tuple(axes)


def _split_source(item: Value) -> Value | None:
    """What `train_test_split` cut this part from."""
    call = item.args[0]
    place = item.const // 2 if type(item.const) is int else -1
    return call.args[place] if 0 <= place < len(call.args) else None


def _item(shapes: Shapes, value: Value) -> Shape | None:
    call = value.args[0]
    if call.op == TRAIN_TEST_SPLIT:
        source = _split_source(value)
        shape = content(shapes, source) if source is not None else None
        return ((("split", id(call), value.const % 2),), *shape[1:]) if shape else None
    if call.op.startswith("sklearn.datasets.") and value.const in (0, 1):
        return _toy(value, call, value.const)
    # `q, k, v = qkv.permute(2, 0, 3, 1, 4)`: a tensor is unpacked along its first axis.
    shape = shapes.of(call) if call.kind is Kind.TENSOR else None
    return shape[1:] if shape else None


def _toy(value: Value, call: Value, part: int) -> Shape | None:
    """scikit-learn's data sets: a table and a line of targets."""
    if "n_targets" in call.kwargs or "multilabel" in call.op or "biclusters" in call.op:
        return None
    rows: Axis = (("length", id(call)),)
    return (rows,) if part else (rows, fresh(value, 1))


def _attribute(shapes: Shapes, value: Value) -> Shape | None:
    base = value.args[0]
    if value.const == "values":
        return shapes.of(base)
    if value.const in {"data", "target"} and base.op.startswith("sklearn.datasets."):
        return _toy(value, base, int(value.const == "target"))
    return None


def _method(shapes: Shapes, value: Value) -> Shape | None:
    base = value.receiver
    if base is None:
        return None
    if value.op in {".fit_transform", ".transform"}:
        fitted = base.op.startswith("sklearn.preprocessing.") and base.op.endswith(SCALERS)
        return content(shapes, value.args[0]) if fitted and value.args else None
    if value.op == ".pop":
        return (shapes.of(base) or ())[:1] or None if is_frame(base) else None
    shape = shapes.of(base)
    if shape is None:
        return None
    if value.op in {".ravel", ".flatten"}:
        return (
            (shape[0],)
            if len(shape) == 2 and shape[1] == ()
            else shape
            if len(shape) == 1
            else (fresh(value, 0),)
        )
    if value.op == ".reshape":
        return shapes.given(value, value.args, shape)
    if value.op == ".reset_index" and len(shape) == 1 and constant(value, "drop", False) is not True:
        return None  # a frame with the index as a column
    if value.op in FEWER and constant(value, "axis", None) == 1:
        return (shape[0], *(fresh(value, i) for i in range(1, len(shape))))
    return shape if value.op in SAME else (fresh(value, 0), *shape[1:]) if is_frame(base) else None


def _new(shapes: Shapes, value: Value) -> Shape | None:
    if value.op in NUMPY_SIZES:
        return shapes.given(value, value.args, None)
    size = value.args[0] if value.args else value.kwargs.get("shape", value.kwargs.get("size"))
    return shapes.given(value, [size], None) if size is not None else None


def _drawn(shapes: Shapes, value: Value) -> Shape | None:
    """`randint(0, 2, (n,))`, `normal(0, 1, size=(n, 3))`, `np.random.uniform(0, 1, n)`."""
    size = value.kwargs.get("size")
    if size is None:
        position = 1 if value.op == "full" else 2
        size = value.args[position] if len(value.args) > position else None
        if value.op == "full":
            size = value.args[0] if value.args else None
        elif size is None and value.op == "randint" and len(value.args) == 2:
            size = value.args[1]
    if size is None or (size.kind is not Kind.SEQUENCE and not value.op.startswith("numpy.")):
        return None
    return shapes.given(value, [size], None)


def _generated(shapes: Shapes, value: Value) -> Shape | None:
    """`rng.normal(0, 1, n)`, `rng.standard_normal((n, 3))` of NumPy's generators."""
    if value.receiver is None or value.receiver.op not in GENERATORS:
        return None
    if value.op in {".rand", ".randn"}:
        return shapes.given(value, value.args, None)
    position = 0 if value.op in {".random", ".standard_normal"} else 2
    size = value.kwargs.get("size") or next(iter(value.args[position:]), None)
    return shapes.given(value, [size], None) if size is not None else None


def _made(shapes: Shapes, value: Value) -> Shape | None:
    """`torch.tensor(…)`, `np.array(…)`, `torch.FloatTensor(…)`."""
    if not value.args:
        return None
    source = value.args[0]
    if value.op in TYPED and (len(value.args) > 1 or source.kind in (Kind.CONST, Kind.NUMBER, Kind.SIZE)):
        return shapes.given(value, value.args, None)
    return content(shapes, source)


def _joined(shapes: Shapes, value: Value) -> Shape | None:
    """`stack` and `cat` of a list."""
    if not value.args:
        return None
    parts = value.args[0]
    listed = _listed(shapes, parts, 0) if parts.kind is Kind.SEQUENCE else None
    given = argument_of(value, "dim", 1)
    place = 0 if given is None else given.const
    if type(place) is not int:
        return None
    if value.op == "stack":
        if listed is None or not -len(listed) <= place < len(listed):
            return None
        inner, place = listed[1:], place % len(listed)
        return (*inner[:place], listed[0], *inner[place:])
    known: list[Shape] = []
    if parts.kind is Kind.SEQUENCE and parts.element is None and parts.args:
        known = [shape for shape in map(shapes.of, parts.args) if shape is not None]
        if len(known) < len(parts.args) or len({len(shape) for shape in known}) != 1:
            return None
        listed = ((), *known[0])
    if listed is None or not -len(listed) < place < len(listed) - 1:
        return None
    axes = list(listed[1:])
    whole = total([shape[place] for shape in known]) if known else None
    axes[place] = whole if whole is not None else fresh(value, place % len(axes))
    return tuple(axes)


def _like_second(shapes: Shapes, value: Value) -> Shape | None:
    return shapes.of(value.args[1]) if len(value.args) > 1 else None


def _gathered(shapes: Shapes, value: Value) -> Shape | None:
    index = argument(value, "index")
    return shapes.of(index) if index is not None else None


def _same(shapes: Shapes, value: Value) -> Shape | None:
    return content(shapes, value.args[0]) if value.args else None


def _line(shapes: Shapes, value: Value) -> Shape | None:
    if value.op.endswith("linspace") and len(value.args) > 2:
        return (shapes.amount(value.args[2]),)
    if len(value.args) == 1:
        return (shapes.amount(value.args[0]),)
    return (fresh(value, 0),)


def _frame(_shapes: Shapes, value: Value) -> Shape | None:
    return (("length", id(value)),), fresh(value, 1)


Handler = Callable[["Shapes", Value], "Shape | None"]
ARRAYS: dict[str, Handler] = {
    **dict.fromkeys(FRAMES - {"pandas.DataFrame"}, _frame),
    **dict.fromkeys(LINES, _line),
    **dict.fromkeys(NUMPY_POINTWISE, _same),
    **dict.fromkeys(NUMPY_NEW | NUMPY_SIZES, _new),
    **dict.fromkeys(RANDOM, _drawn),
    **dict.fromkeys(("numpy.random.uniform", "numpy.random.normal", "numpy.random.randint"), _drawn),
    **dict.fromkeys(DRAWS, _generated),
    **dict.fromkeys(TYPED | {"tensor", "as_tensor", "from_numpy", "numpy.array", "numpy.asarray"}, _made),
    **dict.fromkeys(
        SAME | FEWER | {".fit_transform", ".transform", ".pop", ".ravel", ".flatten", ".reshape"}, _method
    ),
    **dict.fromkeys(("stack", "cat"), _joined),
    **dict.fromkeys(("view_as", "reshape_as", "expand_as"), _like_second),
    "gather": _gathered,
    "getattr": _attribute,
    "item_of": _item,
}
