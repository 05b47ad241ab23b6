"""An environment of jinja2 in which a template's work is bounded: its steps, and the size of all that it makes.

In:  a template's text, written by whoever made a model.
Out: `BoundedEnvironment`, whose templates raise `TooMuchWorkError` instead of taking time or memory without end.
jinja2's own sandbox bounds one range alone: loops in loops, `'a' * 10 ** 10`, a text that is doubled in a loop, a width
of ten digits, or a list of itself many times over would take a machine. So every loop's items and every call are steps
of one budget, what an operator or filter would make is measured beforehand, and of filters and methods there are those
that chat templates use. Nothing is computed while a template is compiled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import NoReturn

from jinja2 import TemplateError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.ext import loopcontrols
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer
from typing_extensions import override

LONGEST = 1 << 20  # characters or items of one value, and of a template
MOST_STEPS = 200_000  # of loops and calls
CALL_STEPS = 4  # a call takes as long as so many items of a loop
MOST_WORK = 1 << 26  # characters and items that all of them handle
MOST_BITS = 4096  # of an integer
WIDEST = 1000  # columns
FILTERS = frozenset(
    "abs capitalize count d default dictsort e escape first float indent int items join last length list lower map "
    "max min reject rejectattr replace reverse round safe select selectattr sort string title tojson trim unique "
    "upper".split()
)
UNWEIGHED = frozenset({"length", "count", "first", "last", "default", "d"})  # they go through nothing
GLOBALS = frozenset({"dict", "namespace", "joiner", "cycler"})
METHODS = frozenset(
    "capitalize casefold count endswith find index isalnum isalpha isdecimal isdigit islower isnumeric isspace istitle "
    "isupper join lower lstrip partition removeprefix removesuffix replace rfind rindex rpartition rsplit rstrip split "
    "splitlines startswith strip swapcase title upper".split()
)  # of texts
WIDTHS = re.compile(r"%[^a-zA-Z%]*(?:\d{4}|\*)")


class TooMuchWorkError(Exception):
    """A template would take more steps or memory than any that puts messages together."""


class WorkBudget:
    """What a template may still do."""

    def __init__(self) -> None:
        self._steps, self._work = MOST_STEPS, MOST_WORK

    def step(self, steps: int = 1) -> None:
        """Of a loop; a call is several."""
        self._steps -= steps
        if self._steps < 0:
            raise TooMuchWorkError(f"it takes more than {MOST_STEPS} steps")

    def take(self, size: int) -> None:
        """Characters or items that are made or gone through."""
        self._work -= size
        if size > LONGEST:
            raise TooMuchWorkError(f"it makes something longer than {LONGEST} characters")
        if self._work < 0:
            raise TooMuchWorkError("it goes through more text than messages have")


_budget: ContextVar[WorkBudget] = ContextVar("_budget")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """As transformers has it for chat templates, without what reads clocks or files, and bounded.

    A template is rendered within `fresh_budget`.
    """

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], optimized=False, finalize=_printed
        )
        own = {"indent": _indented, "join": _joined, "replace": _replaced, "tojson": _as_json}
        self.filters = {name: each for name, each in self.filters.items() if name in FILTERS} | own
        self.filters |= {_STEPS: _stepwise, _WEIGHED: _weighed, _CONCAT: _concatenated}
        self.globals = {name: each for name, each in self.globals.items() if name in GLOBALS}
        self.globals |= {"range": _bounded_range, "raise_exception": _refuse}

    @override
    def concat(self, parts: Iterable[str]) -> str:
        return _concatenated(parts)

    def fresh_budget(self) -> None:
        """Begin to count; of one rendering at a time and thread."""
        _budget.set(WorkBudget())

    def bounded(self, tree: nodes.Template) -> nodes.Template:
        """The same template, whose loops, filters and concatenations count."""
        bounded = _Counting(self).visit(tree)
        assert isinstance(bounded, nodes.Template)
        return bounded

    @override
    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        _budget.get().take(_size_after(operator, left, right))
        return super().call_binop(context, operator, left, right)

    @override
    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        if isinstance(obj, str) and attr not in METHODS:
            return False
        if isinstance(obj, int | float | complex | bytes | range):
            return False
        return super().is_safe_attribute(obj, attr, value)

    @override
    def wrap_str_format(self, value: object) -> None:
        if getattr(value, "__name__", None) in ("format", "format_map"):
            raise SecurityError("it formats text by a pattern of its own")

    @override
    def call(self, context: Context, called: object, /, *args: object, **named: object) -> object:
        budget, owner = _budget.get(), getattr(called, "__self__", None)
        budget.step(CALL_STEPS)
        budget.take(_weight((owner, args, named) if isinstance(owner, str) else (args, named)))
        if isinstance(owner, str) and getattr(called, "__name__", "") == "replace":
            budget.take(_replaced_size(owner, *args))
        if isinstance(owner, str) and getattr(called, "__name__", "") == "join":
            budget.take(_joined_size([*args[0]] if args and isinstance(args[0], Iterable) else [], owner))
        return super().call(context, called, *args, **named)


_STEPS, _WEIGHED, _CONCAT = "_steps", "_weighed", "_concatenated"


class _Counting(NodeTransformer):
    """Put the filters of this module around what loops, filters and concatenations take."""

    def __init__(self, environment: BoundedEnvironment) -> None:
        self._environment = environment

    def visit_For(self, node: nodes.For) -> nodes.Node:
        """Its items are steps."""
        self.generic_visit(node)
        node.iter = self._filtered(node.iter, _STEPS)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        """What it takes is weighed; a block's was when it was put together."""
        self.generic_visit(node)
        if node.node is not None and node.name not in UNWEIGHED:
            node.node = self._filtered(node.node, _WEIGHED)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        """Its parts are measured before they are put together."""
        self.generic_visit(node)
        return self._filtered(nodes.List(node.nodes, lineno=node.lineno), _CONCAT)

    def _filtered(self, node: nodes.Node, name: str) -> nodes.Expr:
        made = nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
        made.set_environment(self._environment)
        return made


def _stepwise(items: Iterable[object]) -> Iterator[object]:
    budget = _budget.get()
    for item in items:
        budget.step()
        yield item


def _weighed(value: object) -> object:
    _budget.get().take(_weight(value))
    return value


def _concatenated(parts: Iterable[object]) -> str:
    parts = [*parts]
    _budget.get().take(_weight(parts))
    return "".join(map(str, parts))


@pass_context  # so that nothing is printed while a template is compiled
def _printed(_: Context, value: object) -> object:
    return _weighed(value)


@pass_context
def _joined(_: Context, values: Iterable[object], separator: str = "", attribute: str | int | None = None) -> str:
    found = [*values]
    if attribute is not None:
        found = [each.get(attribute, "") if isinstance(each, Mapping) else "" for each in found]
    _budget.get().take(_joined_size(found, separator))
    return str(separator).join(map(str, found))


@pass_context
def _replaced(_: Context, text: object, old: str, new: str, count: int | None = None) -> str:
    written = str(text)
    _budget.get().take(_replaced_size(written, old, new))
    return written.replace(str(old), str(new), -1 if count is None else count)


@pass_context
def _indented(_: Context, text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    space = width if isinstance(width, str) else " " * _width(width)
    written = str(text)
    lines = written.split("\n")
    _budget.get().take(len(written) + (len(lines) + 1) * len(space))
    rest = [line if not line and not blank else space + line for line in lines[1:]]
    return "\n".join([space + lines[0] if first else lines[0], *rest])


@pass_context
def _as_json(_: Context, value: object, indent: int | str | None = None) -> str:
    width = _width(indent) if isinstance(indent, int) else len(indent or "")
    _budget.get().take(_weight(value) * (1 + 8 * width))
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _bounded_range(*bounds: int) -> range:
    found = range(*bounds)
    if found and (len(found) > MOST_STEPS):
        raise TooMuchWorkError(f"it takes more than {MOST_STEPS} steps")
    _budget.get().take(len(found))
    return found


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _size_after(operator: str, left: object, right: object) -> int:
    """About how many characters or items an operator gives; raises where a number would be too long."""
    if isinstance(left, int) and isinstance(right, int):
        bits = {"+": 0, "%": 0, "*": left.bit_length() + right.bit_length(), "**": left.bit_length() * abs(right)}
        if bits[operator] > MOST_BITS:
            raise TooMuchWorkError("it reckons with a number of thousands of digits")
        return 1
    if operator == "*":
        times = left if isinstance(left, int) else right
        return max(_length(left), _length(right)) * max(times, 0) if isinstance(times, int) else 1
    if operator == "%" and isinstance(left, str):
        if WIDTHS.search(left):
            raise TooMuchWorkError("it pads text to thousands of columns")
        return len(left) * (WIDEST if "%" in left else 1) // 4 + _weight(right)
    return _length(left) + _length(right)


def _replaced_size(text: str, *arguments: object) -> int:
    old, new = (str(each) for each in (*arguments, "", "")[:2])
    return len(text) + (text.count(old) if len(new) > len(old) else 0) * len(new)


def _joined_size(parts: Sequence[object], separator: object) -> int:
    return _weight(parts) + len(parts) * len(str(separator))


def _width(columns: int) -> int:
    if columns > WIDEST:
        raise TooMuchWorkError("it pads text to thousands of columns")
    return max(columns, 0)


def _length(value: object) -> int:
    return len(value) if isinstance(value, str | list | tuple | dict) else 1


def _weight(value: object) -> int:
    """The characters and items of a value and of all in it, each as often as it is there; stops beyond `LONGEST`."""
    total, left = 0, [value]
    while left and total <= LONGEST:
        each = left.pop()
        if isinstance(each, str):
            total += len(each)
        elif isinstance(each, Mapping):
            total += len(each)
            left += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset):
            total += len(each)
            left += each
        else:
            total += 1
    return total
