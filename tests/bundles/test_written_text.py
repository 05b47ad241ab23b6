"""A bundle that writes goes on with a text: by its tokenizer and its chat template, streamed, and as it is asked to."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edgewright.bundles.answering import AskOptions, ask
from edgewright.bundles.bundle import Bundle
from edgewright.bundles.written_text import PromptMaker, WritingSettings
from edgewright.errors import BadModelError, BundleError, InputError, InvalidFileError, UnsupportedModelError
from edgewright.modality.decoder_tokenizer import DecoderTokenizer
from edgewright.targets.transports import local
from tests.bundles.generating import BEGIN, CONTEXT, STOP, artifact, generating_bundle
from tests.tiny_decoders import definition

TEMPLATE = "{% for message in messages %}<|start|>{{ message.role }}\n{{ message.content }}<|end|>{% endfor %}"
TEXT = "Return the zip file"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generating_bundle(tmp_path_factory.mktemp("writing") / "bundle").path


@pytest.fixture(scope="module")
def bundle(whole: Path) -> Iterator[Bundle]:
    with closing(Bundle.open(whole)) as opened:
        yield opened


@pytest.fixture(scope="module")
def chatting(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return generating_bundle(tmp_path_factory.mktemp("chatting") / "bundle", template={"text": TEMPLATE, "tokens": {}})


def tokenizer() -> DecoderTokenizer:
    return DecoderTokenizer(definition(), max_length=512)


def test_text_is_heard_in_pieces_that_are_together_what_the_tokens_spell(bundle: Bundle) -> None:
    heard: list[str] = []
    found: Any = bundle.generate(TEXT, WritingSettings(max_tokens=20), heard.append)
    assert "".join(heard) == found["text"] == tokenizer().decode([each for each in found["ids"] if each != STOP])
    assert found["tokens"] == len(found["ids"]) <= 20
    assert (found["kind"], found["input"], found["runtime"], found["target"]) == ("text", TEXT, "executorch", "local:")
    assert found["ended"] == ("stop" if found["ids"][-1] == STOP else "length")
    assert found["prompt_tokens"] == 1 + len(tokenizer().encode([TEXT])[0].ids)
    assert found["first_token_ms"] > 0
    assert found["tokens_per_second"] > 0
    assert len(heard) > 1
    same: Any = bundle.answer(TEXT)
    assert same["ids"][: len(found["ids"])] == found["ids"]


def test_another_seed_draws_another_text_and_the_same_one_the_same(bundle: Bundle) -> None:
    def drawn(seed: int) -> Any:
        return bundle.generate(TEXT, WritingSettings(max_tokens=20, temperature=3.0, seed=seed))["ids"]

    assert drawn(1) == drawn(1) != drawn(2)


def test_a_text_ends_before_what_it_is_to_end_at_however_that_lies_in_tokens(bundle: Bundle) -> None:
    plain: Any = bundle.generate(TEXT, WritingSettings(max_tokens=30, temperature=2.0, seed=5))
    assert len(plain["text"]) > 12
    for start, end in ((4, 6), (5, 10), (3, 4)):
        stop = plain["text"][start:end]
        found: Any = bundle.generate(TEXT, WritingSettings(max_tokens=30, temperature=2.0, seed=5, stop=("\0", stop)))
        assert found["text"] == plain["text"][: plain["text"].index(stop)]
        assert (found["ended"], found["stop"]) == ("stop", stop)
        assert found["tokens"] <= plain["tokens"]
    never: Any = bundle.generate(TEXT, WritingSettings(max_tokens=30, temperature=2.0, seed=5, stop=("\0never",)))
    assert (never["text"], never["ended"], never["stop"]) == (plain["text"], plain["ended"], None)


def test_a_prompt_that_is_too_long_is_cut_only_where_asked(bundle: Bundle) -> None:
    long = "zip " * 80
    count = 1 + len(tokenizer().encode([long])[0].ids)
    with pytest.raises(InputError, match=f"has {count} ids, {count - CONTEXT} more than the context of {CONTEXT}"):
        bundle.generate(long)
    found: Any = bundle.generate(long, WritingSettings(truncate=True, max_tokens=8))
    assert found["dropped_tokens"] == count - found["prompt_tokens"] > 0
    with pytest.raises(InputError, match="more than the context of 8"):
        bundle.generate("zip " * 20, WritingSettings(context=8))
    full: Any = bundle.generate("a", WritingSettings(context=8, max_tokens=1000))
    assert full["ended"] in ("context", "stop")
    assert full["prompt_tokens"] + full["tokens"] <= 9
    with pytest.raises(InputError, match="a context of 65 is asked for, and the artifact has 1 to 64 positions"):
        bundle.generate(TEXT, WritingSettings(context=65))


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        ("", {}, "the input is empty; give a text"),
        (os.fsdecode(b"caf\xe9"), {}, "the input is no Unicode text; give it in UTF-8"),
        (TEXT, {"stop": ("",)}, "the stop text is empty"),
        (TEXT, {"stop": ("\ud800",)}, "the stop text is no Unicode"),
        (TEXT, {"system": "Be short."}, "a message of the system is asked for, and the bundle has no chat template"),
        (TEXT, {"temperature": -1.0}, "a temperature of -1 is asked for, and it is from 0 to 100"),
        (TEXT, {"top_p": 0.0}, "a top_p of 0 is asked for"),
        (TEXT, {"max_tokens": 0}, "a max_tokens of 0 is asked for"),
        (TEXT, {"seed": 1 << 53}, "a seed of"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(bundle: Bundle, text: str, settings: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        bundle.generate(text, WritingSettings(**settings))


def test_what_a_bundle_of_another_kind_is_asked_with_is_refused_by_name(whole: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="--top is for labels and matches, and this bundle writes text; leave it out"):
        ask(whole, TEXT, AskOptions(top=3))
    with pytest.raises(InputError, match="--temperature, --stop are for bundles that write text, and this"):
        ask(folder, TEXT, AskOptions(settings=WritingSettings(temperature=1.0, stop=("x",))))
    with pytest.raises(InputError, match="--raw is for bundles that write text"):
        ask(folder, TEXT, AskOptions(settings=WritingSettings(raw=True)))
    with pytest.raises(InputError, match="generating is for bundles that write text"):
        Bundle.open(folder).generate(TEXT)


def test_a_message_is_written_by_the_chat_template_unless_it_is_raw(chatting: Bundle) -> None:
    maker, signature = PromptMaker(chatting), artifact("executorch")[1]

    def asked(**settings: Any) -> list[int]:
        return list(maker.prompt("hi", WritingSettings(**settings), signature).ids)

    def ids(text: str) -> list[int]:
        return list(tokenizer().encode([text])[0].ids)

    assert asked() == ids("<|start|>user\nhi<|end|>")
    assert asked(system="Be short.") == ids("<|start|>system\nBe short.<|end|><|start|>user\nhi<|end|>")
    assert asked(raw=True) == [BEGIN, *ids("hi")]
    with pytest.raises(InputError, match="--raw leaves it out"):
        asked(raw=True, system="Be short.")


@pytest.mark.parametrize(
    ("template", "error", "said"),
    [
        ({"text": "{{ ''.__class__ }}"}, UnsupportedModelError, "a chat template that is code"),
        ({"text": "{% for %}"}, BadModelError, "no template of jinja2"),
        ({"text": 3}, InvalidFileError, "text"),
        ({"text": "", "more": 1}, InvalidFileError, "more"),
        ([], (InvalidFileError, BundleError), "chat_template"),
    ],
)
def test_a_bundle_whose_template_is_code_or_damaged_is_not_opened(
    tmp_path: Path, template: Any, error: Any, said: str
) -> None:
    with pytest.raises(error, match=said):
        generating_bundle(tmp_path / "bundle", template=template)


def test_ctrl_c_ends_a_text_with_what_was_written_and_leaves_no_runner(whole: Path) -> None:
    heard: list[str] = []

    def hear(text: str) -> None:
        heard.append(text)
        if len(heard) == 3:
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()

    with Bundle.open(whole) as bundle:
        found: Any = bundle.generate(TEXT, WritingSettings(max_tokens=40, temperature=4.0, seed=1), hear)
        (runner,) = bundle.answerer._runners.values()
    assert found["ended"] in ("interrupted", "length")
    assert found["text"] == "".join(heard)
    assert not runner.is_alive


@pytest.mark.slow
def test_it_streams_from_another_machine_as_it_does_here(
    whole: Path, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgewright.bundles import answering

    monkeypatch.setattr(answering, "open_target", lambda address: local.LocalTarget(tmp_path / "there"))
    heard: list[str] = []
    settings = WritingSettings(max_tokens=16, temperature=2.0, seed=5)
    here: Any = bundle.generate(TEXT, settings)
    there: Any = ask(whole, TEXT, AskOptions(address="ssh://board", settings=settings, on_text=heard.append)).document
    assert (there["ids"], there["text"], there["ended"]) == (here["ids"], here["text"], here["ended"])
    assert "".join(heard) == there["text"]
    assert there["first_token_ms"] > 0
    stop = here["text"][4:7]
    settings = WritingSettings(max_tokens=16, temperature=2.0, seed=5, stop=(stop,))
    stopped: Any = ask(whole, TEXT, AskOptions(address="ssh://board", settings=settings)).document
    assert (stopped["text"], stopped["ended"]) == (here["text"][: here["text"].index(stop)], "stop")
