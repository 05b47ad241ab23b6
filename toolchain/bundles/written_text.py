"""What a bundle that writes is asked, and its tokens as text: prompts by its tokenizer and chat template.

In:  an opened bundle, a text, and `WritingSettings`.
Out: a `Prompt` for a runner; `Spelling`, which makes text of the tokens as they come and says where it is to end; the
     JSON document of what was written. Who runs the artifact is `answering`'s concern. No torch is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

from edgewright.base.untrusted import is_unicode
from edgewright.bundles.bundle import Bundle
from edgewright.errors import InputError
from edgewright.measure.prompts import Decoding, Prompt, generation_of, prompt_of
from edgewright.measure.streaming import StreamedText
from edgewright.modality.causal_spec import CHAT_TEMPLATE, read_chat_template
from edgewright.modality.chat_template import ChatTemplate
from edgewright.modality.decoder_tokenizer import DecoderTokenizer
from edgewright.modality.token_text import EndingText, TokenText
from edgewright.specs.signature import Signature
from edgewright.tasks.task import Document

TOKENIZER = "tokenizer.json"
UNCUT = 1 << 24  # tokens: what is too long is told, not cut here
MOST_TOKENS = 1 << 20
OnText = Callable[[str], object]
"""Hears of the text as it comes, in whole characters."""


@dataclass(frozen=True, kw_only=True)
class WritingSettings:
    """How a text is written; None is what was not asked for.

    At most `max_tokens` tokens (128) are written, the likeliest at `temperature` 0 (which is usual), else one of the
    `top_k` likeliest that together have the probability `top_p`, by chance from `seed`. It ends with any of the texts
    `stop`. Of the artifact's positions `context` are used. With `truncate` a prompt that is too long loses its first
    tokens. `system` is a message before the prompt, which with `raw` is no message but the beginning of the text. With
    `no_draft` the larger model of a bundle of two writes alone.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    context: int | None = None
    truncate: bool = False
    system: str | None = None
    raw: bool = False
    no_draft: bool = False

    def asked_for(self) -> tuple[str, ...]:
        """The names of the settings that were asked for, as the command line has them."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return tuple(f"--{name.replace('_', '-')}" for name, value in named.items() if value not in (None, False, ()))

    def decoding(self, stop: Sequence[Sequence[int]]) -> Decoding:
        """How a runner chooses tokens. Raises `InputError` for a value out of bounds."""
        asked = {name: getattr(self, name) for name in _BOUNDS if getattr(self, name) is not None}
        for name, value in asked.items():
            least, most = _BOUNDS[name]
            if not least <= value <= most:
                raise InputError(f"a {name} of {value:g} is asked for, and it is from {least:g} to {most:g}")
        return Decoding(**asked, stop=tuple(tuple(each) for each in stop))


USUAL_WRITING = WritingSettings()
_BOUNDS: dict[str, tuple[float, float]] = {
    "max_tokens": (1, MOST_TOKENS),
    "temperature": (0, 100),
    "top_k": (0, (1 << 31) - 1),
    "top_p": (1e-9, 1),
    "repetition_penalty": (0.01, 100),
    "seed": (0, (1 << 53) - 1),
}


class PromptMaker:
    """Makes texts the prompts of one bundle; its tokenizer and chat template are read when they are first needed."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    @cached_property
    def tokenizer(self) -> DecoderTokenizer:
        """The bundle's tokenizer, which cuts nothing."""
        return DecoderTokenizer.load(self._bundle.file(TOKENIZER), max_length=UNCUT)

    @cached_property
    def template(self) -> ChatTemplate | None:
        """How messages are written, where the bundle says so."""
        if CHAT_TEMPLATE not in self._bundle.manifest.files:
            return None
        return read_chat_template(self._bundle.file(CHAT_TEMPLATE))

    def prompt(self, text: str, settings: WritingSettings, signature: Signature) -> Prompt:
        """What a runner is asked. Raises `InputError` for an empty text, no Unicode, and one that is too long."""
        ids = self._ids(text, settings, generation_of(signature).begin)
        stop = [self._encoded(each) for each in settings.stop]
        decoding = settings.decoding(stop)
        return prompt_of(ids, signature, decoding, context=settings.context, truncate=settings.truncate)

    def _ids(self, text: str, settings: WritingSettings, begin: int | None) -> tuple[int, ...]:
        asked = [("input", text), *(("stop text", each) for each in settings.stop)]
        _require_texts(asked if settings.system is None else [*asked, ("system message", settings.system)])
        if self.template is None or settings.raw:
            if settings.system is not None:
                reason = "--raw leaves it out" if settings.raw else "the bundle has no chat template"
                raise InputError(f"a message of the system is asked for, and {reason}; put it into --input")
            return (*(() if begin is None else (begin,)), *self._encoded(text))
        before = [] if settings.system is None else [{"role": "system", "content": settings.system}]
        return self._encoded(self.template.write([*before, {"role": "user", "content": text}]))

    def _encoded(self, text: str) -> tuple[int, ...]:
        """The tokens of a text with nothing around them."""
        (row,) = self.tokenizer.encode([text])
        return row.ids[len(self.tokenizer.before) :]


def _require_texts(named: Sequence[tuple[str, str]]) -> None:
    for name, text in named:
        if not text:
            raise InputError(f"the {name} is empty; give a text")
        if not is_unicode(text):  # bytes of the command line that are no UTF-8 arrive as halves of surrogate pairs
            raise InputError(f"the {name} is no Unicode text; give it in UTF-8, in a locale of it (LANG=C.UTF-8)")


class Spelling:
    """The text of one prompt's tokens as they come; `on_text` hears of it."""

    def __init__(
        self,
        tokenizer: DecoderTokenizer,
        prompt: Prompt,
        *,
        silent: Sequence[int],
        stop: Sequence[str],
        on_text: OnText,
    ) -> None:
        self._spelt, self._ending = TokenText(tokenizer, silent=silent), EndingText(stop)
        self._known, self._on_text = prompt.decoding.stop, on_text
        self._tokens: list[int] = []
        self._parts: list[str] = []

    def add(self, token: int) -> bool:
        """Take a token; True where the text has ended and the runner cannot know that by itself."""
        self._tokens.append(token)
        self._pass(self._ending.add(self._spelt.add(token)))
        return self.end is not None and not any(tuple(self._tokens[-len(each) :]) == each for each in self._known)

    def finish(self) -> str:
        """The whole text, once no token follows."""
        self._pass(self._ending.add(self._spelt.rest()))
        self._pass(self._ending.rest())
        return "".join(self._parts)

    @property
    def end(self) -> str | None:
        """Which of the texts that end it did."""
        return self._ending.end

    def _pass(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._on_text(text)


def document_of(spelling: Spelling, written: StreamedText, prompt: Prompt) -> Document:
    """What was written, as JSON; times are the runner's."""
    text = spelling.finish()
    return {
        "text": text,
        "tokens": len(written.tokens),
        "ids": list(written.tokens),
        "ended": "stop" if spelling.end is not None else written.ended,
        "stop": spelling.end,
        "prompt_tokens": len(prompt.ids),
        "dropped_tokens": prompt.dropped,
        "first_token_ms": written.first_token_ms,
        "tokens_per_second": written.tokens_per_second,
    }
