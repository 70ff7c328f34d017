"""Reads assignments: names, attributes, items, unpacking."""

from __future__ import annotations

import libcst as cst

from nnlint.static import duck
from nnlint.static.expressions import BINARY
from nnlint.static.functions import FunctionReader, dotted
from nnlint.static.state import adopt
from nnlint.static.values import Frame, Kind, Value, join


class AssignmentReader(FunctionReader):
    """Everything that binds a value to a name or a place."""

    def read_assign(self, node: cst.Assign) -> None:
        value = self.evaluate(node.value)
        for target in node.targets:
            self.assign(target.target, value, node)

    def read_annotated(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value), node)

    def read_augmented(self, node: cst.AugAssign) -> None:
        before = self.evaluate(node.target)
        right = self.evaluate(node.value)
        op = BINARY.get(type(node.operator), "?")
        if before.kind is Kind.SEQUENCE and op == "add" and right.kind is Kind.SEQUENCE:
            before.args.extend(right.args[:64])
            before.element = before.element or right.element
            return
        if before.op == "torch.nn.ModuleList" and op == "add" and right.kind is Kind.SEQUENCE:
            before.args.extend(right.args[:64])
            before.element = before.element or right.element
            for item in right.args:
                adopt(before, item)
            return
        value = self.binary(op, before, right, node)
        name = _name_of(node.target)
        self.fact("augmented", node, name, value, target=before)
        self.store(node.target, value, node)

    def assign(self, target: cst.BaseExpression, value: Value, statement: cst.CSTNode) -> None:
        if isinstance(target, (cst.Tuple, cst.List)):
            self.unpack(target, value, statement)
            return
        if isinstance(target, cst.Name):
            self.fact("name", statement, target.value, value)
        self.store(target, value, statement)

    def store(self, target: cst.BaseExpression, value: Value, statement: cst.CSTNode) -> None:
        if isinstance(target, cst.Name):
            self.bind(target.value, value)
        elif isinstance(target, cst.Attribute):
            owner = self.evaluate(target.value)
            self.fact("attribute", statement, target.attr.value, value, owner)
            for item in owner.alternatives() if owner.alts else [owner]:
                self.set_attribute(item, target.attr.value, value, target)
        elif isinstance(target, cst.Subscript):
            owner = self.evaluate(target.value)
            keys = [self.index(element.slice) for element in target.slice]
            self.fact("subscript", statement, "", value, owner)
            key = keys[0] if len(keys) == 1 else None
            if owner.kind is Kind.MAPPING:
                if key is not None and key.kind is Kind.CONST:
                    owner.attrs[str(key.const)] = value
                else:
                    owner.args.append(value)
            elif (
                owner.kind is Kind.SEQUENCE
                and key is not None
                and key.kind is Kind.CONST
                and type(key.const) is int
            ):
                if -len(owner.args) <= key.const < len(owner.args):
                    owner.args[key.const] = value
            elif owner.kind is Kind.MODULE:
                owner.attrs[f"?{len(owner.attrs)}"] = value
                adopt(owner, value)
            elif owner.const == "_modules" and owner.args:
                adopt(owner.args[0], value)
        elif isinstance(target, cst.StarredElement):
            self.assign(target.value, value, statement)

    def set_attribute(self, owner: Value, name: str, value: Value, node: cst.Attribute) -> None:
        if name == "requires_grad" and owner.kind is not Kind.INSTANCE:
            if owner.kind is Kind.MODULE:
                return  # a module has no such attribute: its parameters stay as they are
            self.freeze(self.make(Kind.CONST, "requires_grad", node, [owner, value]), owner, value)
            return
        if owner.kind is Kind.NAME:
            return
        if not value.name:
            value.name = f"{node.value.value}.{name}" if isinstance(node.value, cst.Name) else name
        if value.kind is Kind.MODULE and owner.kind is Kind.MODULE:
            adopt(owner, value)
        uses: set[str] = set()
        cls = owner.cls
        if cls is not None:
            for part in cls.lineage():
                uses |= part.uses.get(name, set())
            if value.kind is Kind.UNKNOWN and not value.alts:
                value.kind = duck.kind_by_use(name, uses) or value.kind
            if any(name in part.set_outside_init for part in cls.lineage()) and (
                value.kind in (Kind.CONST, Kind.NUMBER, Kind.UNKNOWN, Kind.TENSOR) or name in owner.attrs
            ):
                before = owner.attrs.get(name)
                if before is not None and before.op == "phi":
                    if len(before.alts) < 16:
                        before.alts.append(value)
                        _settle(before)
                    return
                if value.kind in (Kind.CONST, Kind.NUMBER) or before is not None:
                    owner.attrs[name] = self.phi(
                        [before, value] if before is not None and before is not value else [value]
                    )
                    owner.attrs[name].name = value.name
                    return
        before, place = owner.attrs.get(name), self.places.get((id(owner), name))
        self.places[id(owner), name] = self.frame
        if before is not None and place is not None and value.kind not in _WHOLE and self.otherwise_of(place):
            value = join([before, value]) or value
        owner.attrs[name] = value

    def otherwise_of(self, place: Frame) -> bool:
        """Whether we are on another branch of a test than `place`: the attribute set there may stand."""
        taken = {(id(frame.node), frame.branch) for frame in place.tests()}
        return any((id(frame.node), not frame.branch) in taken for frame in self.frame.tests())

    def unpack(self, target: cst.Tuple | cst.List, value: Value, statement: cst.CSTNode) -> None:
        elements = target.elements
        star = next(
            (i for i, element in enumerate(elements) if isinstance(element, cst.StarredElement)), None
        )
        sources = (
            [part for part in value.alternatives() if not part.is_const(None)] if value.alts else [value]
        )
        parts: list[list[Value]] = [self.items(part, len(elements), star, statement) for part in sources[:4]]
        for position, element in enumerate(elements):
            item = join([part[position] for part in parts])
            self.assign(element.value, item or self.make(Kind.UNKNOWN, "item", statement), statement)

    def items(self, value: Value, count: int, star: int | None, node: cst.CSTNode) -> list[Value]:
        """`count` values for `a, b, c = value`."""
        if value.kind is Kind.SEQUENCE and value.element is None:
            if star is None and len(value.args) == count:
                return list(value.args)
            if star is not None and len(value.args) >= count - 1:
                tail = count - 1 - star
                rest = value.args[star : len(value.args) - tail]
                middle = self.make(Kind.SEQUENCE, "list", node, rest)
                return [*value.args[:star], middle, *(value.args[len(value.args) - tail :] if tail else [])]
        if value.element is not None:
            if value.element.op == "part":
                return [self.part_of(value.element) for _ in range(count)]
            return [value.element] * count
        if value.op == "batch":
            return [
                self.batch_item(value, i if star is None else (i if i < star else None), node)
                for i in range(count)
            ]
        if value.op == "shape":
            return [
                self.make(
                    Kind.SIZE,
                    "size",
                    node,
                    [value.args[0], self.const(node, i if star is None else i - count)],
                )
                for i in range(count)
            ]
        if value.kind is Kind.MODULE:
            return [self.make(Kind.UNKNOWN, "item", node, [value]) for _ in range(count)]
        kind = Kind.TENSOR if value.kind is Kind.TENSOR else Kind.UNKNOWN
        items = [self.make(kind, "item_of", node, [value], const=i) for i in range(count)]
        for item in items:
            item.receiver = value.receiver
        return items

    def part_of(self, part: Value) -> Value:
        """One of the parts of a tensor that was split: alike in size, another tensor."""
        return self.make(part.kind, part.op, part.node, part.args, part.kwargs, part, part.const)

    def read_delete(self, node: cst.Del) -> None:
        target = node.target
        parts = [item.value for item in target.elements] if isinstance(target, cst.Tuple) else [target]
        for part in parts:
            if isinstance(part, cst.Name):
                value = self.scope.vars.pop(part.value, self.const(node, None))
                self.fact("del", node, part.value, value)
            elif isinstance(part, cst.Subscript):
                self.fact("del", node, "", self.evaluate(part), self.evaluate(part.value))

    def read_expression(self, node: cst.Expr) -> None:
        value = self.evaluate(node.value)
        self.fact("expression", node, "", value)


# Things that are followed by what they are: one of them stands for the others.
_WHOLE = (Kind.MODULE, Kind.OPTIMIZER, Kind.SCHEDULER, Kind.SCALER, Kind.CLASS, Kind.FUNCTION)


def _settle(phi: Value) -> None:
    """`self.model = None` first, a module later: it is a module wherever it is used."""
    kinds = {value.kind for value in phi.alternatives() if not value.is_const(None)}
    if phi.kind is Kind.UNKNOWN and len(kinds) == 1 and not kinds & {Kind.CONST, Kind.UNKNOWN}:
        phi.kind = kinds.pop()
        phi.cls = next((value.cls for value in phi.alts if value.cls is not None), None)


def _name_of(node: cst.CSTNode) -> str:
    if isinstance(node, (cst.Name, cst.Attribute)):
        return dotted(node)
    return _name_of(node.value) if isinstance(node, cst.Subscript) else ""
