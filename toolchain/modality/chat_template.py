"""How messages become one text: a model's chat template, kept as the text it is and run in a sandbox.

In:  the template that comes with a tokenizer, and messages by role.
Out: the text that the model was trained on. A template that is code beyond what the sandbox allows is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from edgewright.base.extras import need
from edgewright.errors import BadModelError, InputError, UnsupportedModelError

if TYPE_CHECKING:
    from jinja2 import Template, nodes

    from edgewright.modality.bounded_templates import BoundedEnvironment

PURPOSE = "write messages by a model's chat template"
REMEDY = "give a tokenizer whose chat_template only puts messages together, or none"
LONGEST = 1 << 20  # characters of a template, or of what one writes
HIDDEN = "_"  # what begins with it is a way out of a sandbox, and no part of a message

Message = Mapping[str, str]


@dataclass(frozen=True)
class ChatTemplate:
    """A template that was looked at; `tokens` are the special tokens by the names it knows them by ("bos_token").

    Raises `BadModelError` for one that is no template, `UnsupportedModelError` for one that is code.
    """

    text: str
    tokens: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._compiled  # noqa: B018 - what is wrong with it is told before anything is asked of it

    def write(self, messages: Sequence[Message], *, asks: bool = True) -> str:
        """The text of these messages, each with its `role` and `content`; with `asks` the model is to answer next.

        Raises `InputError` for messages that the template does not take.
        """
        from jinja2 import TemplateError
        from jinja2.exceptions import SecurityError

        from edgewright.modality.bounded_templates import TooMuchWorkError

        wanted = {"messages": [dict(each) for each in messages], "add_generation_prompt": asks, **self.tokens}
        environment, compiled = self._compiled
        try:
            environment.fresh_budget()
            parts, size = [], 0
            for part in compiled.generate(**wanted):
                parts.append(part)
                size += len(part)
                if size > LONGEST:
                    raise _code("it writes without end")
        except (SecurityError, TooMuchWorkError) as error:
            raise _code(str(error)) from error
        except (OverflowError, RecursionError, MemoryError) as error:
            raise _code(f"it takes more than a template may: {type(error).__name__}") from error
        except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
            raise InputError(
                f"the model's chat template does not take these messages ({' '.join(str(error).split())[:200]}); give "
                "messages with the roles it knows"
            ) from error
        return "".join(parts)

    @cached_property
    def _compiled(self) -> tuple[BoundedEnvironment, Template]:
        if len(self.text) > LONGEST:
            raise _code(f"it is {len(self.text)} characters long")
        need(("jinja2",), purpose=PURPOSE, extra="build")
        from jinja2 import TemplateError

        from edgewright.modality.bounded_templates import BoundedEnvironment

        environment = BoundedEnvironment()
        try:
            tree = environment.parse(self.text)
            for reason in _reasons(tree):
                raise _code(reason)
            return environment, environment.from_string(environment.bounded(tree))
        except TemplateError as error:
            raise BadModelError("chat_template", f"it is no template of jinja2 ({str(error)[:200]})") from error
        except (RecursionError, MemoryError, ValueError, SyntaxError) as error:  # nested too deep, or too long a number
            raise _code(f"it is more than a template may be: {type(error).__name__}") from error


def _reasons(tree: nodes.Template) -> Iterator[str]:
    """What makes a template code, found without running it."""
    from jinja2 import nodes

    from edgewright.modality.bounded_templates import FILTERS

    for found in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Filter)):
        if isinstance(found, nodes.Getattr) and found.attr.startswith(HIDDEN):
            yield f"it reaches for {found.attr}"
        named = found.arg if isinstance(found, nodes.Getitem) else None
        if isinstance(named, nodes.Const) and str(named.value).startswith(HIDDEN):
            yield f"it reaches for {named.value}"
        if isinstance(found, nodes.Filter) and found.name == "attr":
            yield "it reaches for attributes by name"
        elif isinstance(found, nodes.Filter) and found.name not in FILTERS:
            yield f"it uses the filter {found.name}, which no messages need"
    for read in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        yield f"it reads another file ({type(read).__name__.lower()})"


def _code(reason: str) -> UnsupportedModelError:
    return UnsupportedModelError(f"a chat template that is code ({reason})", ("what puts messages together",), REMEDY)
