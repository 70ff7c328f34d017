"""Reads `a.b` and `a[b]`."""

from __future__ import annotations

from typing import Any, TypeGuard

import libcst as cst

from nnlint.static import duck
from nnlint.static.scan import ClassInfo
from nnlint.static.state import ReaderState
from nnlint.static.values import Kind, Value, join

TENSOR_ATTRIBUTES = {
    "T": "t",
    "mT": "t",
    "H": "t",
    "data": "data",
    "grad": "grad",
    "real": "real",
    "imag": "imag",
}
TENSOR_FACTS = frozenset(
    {
        "device",
        "dtype",
        "requires_grad",
        "is_cuda",
        "ndim",
        "layout",
        "grad_fn",
        "is_leaf",
        "itemsize",
        "names",
    }
)


def in_range(index: object, items: list[Value]) -> TypeGuard[int]:
    """Whether `items[index]` is there."""
    return type(index) is int and -len(items) <= index < len(items)


class AccessReader(ReaderState):
    """Attributes and items; `ExpressionReader` adds the rest."""

    def evaluate(self, node: cst.CSTNode) -> Value:
        raise NotImplementedError

    def const(self, node: cst.CSTNode | None, const: Any) -> Value:
        return self.make(Kind.CONST, "const", node, const=const)

    def call_function(
        self, function: Value, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
    ) -> Value:
        raise NotImplementedError

    # -- attributes and items -------------------------------------------------------------------

    def read_attribute(self, node: cst.Attribute) -> Value:
        return self.attribute(self.evaluate(node.value), node.attr.value, node)

    def attribute(self, base: Value, name: str, node: cst.CSTNode) -> Value:
        kind = base.kind
        if kind is Kind.NAME:
            return self.named(f"{base.op}.{name}")
        if name in base.attrs and kind is not Kind.MAPPING:
            return base.attrs[name]
        if kind is Kind.TENSOR or kind is Kind.PARAMETER:
            if name in TENSOR_ATTRIBUTES:
                return self.make(Kind.TENSOR, TENSOR_ATTRIBUTES[name], node, [base])
            if name == "shape":
                return self.make(Kind.SIZE, "shape", node, [base])
            if name in TENSOR_FACTS:
                return self.make(Kind.UNKNOWN, name, node, [base])
        elif name == "shape" and kind is Kind.UNKNOWN and not base.op.startswith(("numpy.", "pandas.")):
            return self.make(Kind.SIZE, "shape", node, [base])
        if base.alts and kind is Kind.UNKNOWN and len(only := base.alternatives()) == 1:
            return self.attribute(only[0], name, node)  # a global that is set once
        if base.alts and kind in (Kind.MODULE, Kind.INSTANCE, Kind.TENSOR, Kind.MAPPING):
            parts = [
                self.attribute(item, name, node)
                for item in base.alternatives()[:4]
                if not item.is_const(None)
            ]
            return join(parts) or self.make(Kind.UNKNOWN, "getattr", node, [base], const=name)
        if base.cls is not None:
            found = self.class_attribute(base, base.cls, name, node)
            if found is not None:
                return found
        if kind is Kind.MAPPING and name in base.attrs:
            return base.attrs[name]
        if kind is Kind.MODULE and name == "training":
            # The mode as it is now: `was_training = model.training` is tested after `model.eval()`.
            return self.make(Kind.UNKNOWN, "training", node, [base], const=self.mode_of(base))
        if base.op == "torch.compile" and base.args and base.args[0].kind is Kind.MODULE:
            return self.attribute(base.args[0], name, node)  # passed on to the module itself
        child = self.make(Kind.UNKNOWN, "getattr", node, [base], const=name)
        child.name = f"{base.name}.{name}" if base.name else name
        if kind in (Kind.TENSOR, Kind.PARAMETER):
            child.kind = Kind.TENSOR
        elif kind is Kind.MODULE:
            child.owner = base
            if (
                base.op in {"torch.nn.parallel.DataParallel", "torch.nn.parallel.DistributedDataParallel"}
                and name == "module"
                and base.args
            ):
                child = base.args[0]
        uses: set[str] = set()
        if base.cls is not None:
            for cls in base.cls.lineage():
                uses |= cls.uses.get(name, set())
        if child.kind is Kind.UNKNOWN:
            kind_found = duck.kind_by_use(name, uses)
            if kind_found is None and base.cls is not None:
                kind_found = duck.kind_by_name(name, uses)
            if kind_found is not None:
                child.kind = kind_found
        if kind is not Kind.CONST and base.op != "const":
            base.attrs[name] = child  # the same unknown at every mention
        return child

    def class_attribute(self, base: Value, cls: ClassInfo, name: str, node: cst.CSTNode) -> Value | None:
        """A method or class-level attribute, looked up along the bases of this file."""
        for owner in cls.lineage():
            method = owner.methods.get(name)
            if method is not None:
                bound = self.make(Kind.FUNCTION, method.qualified_name, node)
                bound.function = method
                if method.decorated("property", "cached_property"):
                    bound.receiver = base
                    return self.call_function(bound, [], {}, node)
                if (base.kind is not Kind.CLASS and not method.decorated("staticmethod")) or method.decorated(
                    "classmethod"
                ):
                    bound.receiver = base
                return bound
            value = self.class_scopes.get(id(owner), {}).get(name)
            if value is not None:
                return value
        return None

    @property
    def class_scopes(self) -> dict[int, dict[str, Value]]:
        raise NotImplementedError

    def read_subscript(self, node: cst.Subscript) -> Value:
        base = self.evaluate(node.value)
        indices = [self.index(element.slice) for element in node.slice]
        if len(indices) == 1:
            key = indices[0]
            if key.kind is Kind.CONST:
                if base.kind is Kind.SEQUENCE and base.element is None and in_range(key.const, base.args):
                    return base.args[key.const]
                if base.kind is Kind.MAPPING and str(key.const) in base.attrs:
                    return base.attrs[str(key.const)]
                if base.kind is Kind.SIZE and base.op == "shape" and type(key.const) is int:
                    return self.make(Kind.SIZE, "size", node, [base.args[0], key])
            if base.kind is Kind.MODULE and base.op in {
                "torch.nn.ModuleList",
                "torch.nn.ModuleDict",
                "torch.nn.Sequential",
            }:
                return self.module_item(base, key, node)
            if base.element is not None and key.op != "slice":
                return base.element
        if base.op == "batch" and len(indices) > 1:  # the batch is one tensor
            return self.make(Kind.TENSOR, "getitem", node, [base, *indices])
        if base.op == "batch":
            return self.batch_item(base, indices[0].const if indices[0].kind is Kind.CONST else None, node)
        kind = base.kind if base.kind in (Kind.TENSOR, Kind.SIZE) else Kind.UNKNOWN
        if base.kind is Kind.PARAMETER:
            kind = Kind.TENSOR
        if (
            kind is Kind.UNKNOWN
            and len(indices) == 1
            and indices[0].op == "slice"
            and base.kind is Kind.SEQUENCE
        ):
            value = self.make(Kind.SEQUENCE, "getitem", node, base.args)
            value.element = base.element
            return value
        key_text = f"[{indices[0].const!r}]" if len(indices) == 1 and indices[0].kind is Kind.CONST else ""
        if kind is Kind.UNKNOWN and key_text:
            if key_text in base.attrs:
                return base.attrs[key_text]
            child = base.attrs[key_text] = self.make(Kind.UNKNOWN, "getitem", node, [base, *indices])
            child.name = f"{base.name}{key_text}"
            return child
        return self.make(kind, "getitem", node, [base, *indices])

    def module_item(self, base: Value, key: Value, node: cst.CSTNode) -> Value:
        items = base.args
        if (
            key.kind is Kind.CONST
            and type(key.const) is int
            and -len(items) <= key.const < len(items)
            and base.element is None
        ):
            return items[key.const]
        if key.kind is Kind.CONST and isinstance(key.const, str) and key.const in base.kwargs:
            return base.kwargs[key.const]
        if base.element is not None:
            return base.element
        found = join([*items, *base.kwargs.values()])
        if found is not None and found.kind is Kind.MODULE:
            return found
        return self.make(Kind.MODULE, "module_item", node, [base])

    def batch_item(self, batch: Value, key: Any, node: cst.CSTNode) -> Value:
        """One member of a loader's batch: the same value for the same key."""
        name = f"[{key!r}]"
        found = batch.attrs.get(name)
        if found is None or key is None:
            found = batch.attrs[name] = self.make(Kind.TENSOR, "batch_item", node, [batch], const=key)
            found.name = key if isinstance(key, str) else ""
        return found

    def index(self, node: cst.BaseSlice) -> Value:
        if isinstance(node, cst.Index):
            return self.evaluate(node.value)
        assert isinstance(node, cst.Slice)
        parts = [
            self.evaluate(part) if part is not None else self.const(None, None)
            for part in (node.lower, node.upper, node.step)
        ]
        return self.make(Kind.UNKNOWN, "slice", node, parts)
