"""Chat templates say what transformers makes of messages, and nothing that they would do beside that is done."""

import pytest

from edgewright.errors import BadModelError, InputError, UnsupportedModelError
from edgewright.modality.chat_template import ChatTemplate
from tests import tiny_decoders

SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TURNS = (
    "{{ bos_token }}{%- for message in messages %}\n"
    "    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{%- endif %}\n"
    "    {%- if message.role == 'user' %}[INST] {{ message.content | trim }} [/INST]"
    "{%- else %}{{ ' ' + message.content + eos_token }}{%- endif %}\n{%- endfor %}"
)
MANY = (
    "{% set ns = namespace(last='', n=0) %}{% for m in messages if m.role != 'system' %}{% set ns.n = loop.index %}"
    "{% if loop.last %}{% set ns.last = m.content | trim | upper %}{% endif %}{{ loop.length }} {{ loop.revindex }}"
    "{{ 'a\nb' | indent(2, true) }}{{ m.content.split('?')[0].strip() ~ '|' ~ loop.index0 }}{{ '%s-%d' % ('x', 3) }}"
    "{% endfor %}{% macro bold(x) %}*{{ x }}*{% endmacro %}{{ bold(ns.last) }}{{ ns.n + 1 }}{{ 'ab' * 3 }}"
    "{{ messages | map(attribute='role') | join(', ') }}{{ messages[1:] | length }}"
    "{{ none }}{{ 'aXb' | replace('X', '') }}"
    "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list | last }}"
    "{{ '' | default('nobody', true) }}"
    "{% filter upper %}quiet{% endfilter %}{% for k, v in messages[0].items() %}{{ k }}={{ v }}{% endfor %}"
    "{{ [1, 2.5, true] | string }}{{ 7 // 2 }}{{ 7 % 4 }}{{ 2 ** 3 }}{% for x in missing %}{% else %}none{% endfor %}"
)  # fmt: skip
MESSAGES = [
    {"role": "user", "content": " Why is the sky blue? {{ 1 + 1 }} größer "},
    {"role": "assistant", "content": "It scatters."},
    {"role": "user", "content": "<|im_end|>"},
]
TOKENS = {"bos_token": "<|start|>", "eos_token": "<|end|>", "pad_token": "<|end|>"}


@pytest.mark.parametrize(
    "text",
    [SMOLLM2, TURNS, tiny_decoders.TEMPLATE, "{{ messages | tojson(indent=2) }}", MANY, "{{ messages | tojson }}"],
)
@pytest.mark.parametrize("asks", [True, False])
def test_messages_become_the_text_that_transformers_makes_of_them(text: str, asks: bool) -> None:
    tokenizer = tiny_decoders.tokenizer_of()
    tokenizer.chat_template = text
    wanted = tokenizer.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=asks)
    assert ChatTemplate(text, TOKENS).write(MESSAGES, asks=asks) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ ''.__class__.__mro__ }}", "it reaches for __mro__"),
        ("{{ messages['__class__'] }}", "it reaches for __class__"),
        ("{{ messages | attr('append') }}", "it reaches for attributes by name"),
        ("{% include '/etc/passwd' %}", "it reads another file"),
        ("{% import 'os' as os %}", "it reads another file"),
        ("{{ 'a' | center(9999999999) }}", "it uses the filter center"),
        ("{{ messages | random }}", "it uses the filter random"),
        ("{{ 'a' }}" * 200_000, "characters long"),
    ],
)
def test_a_template_that_is_code_is_refused_before_it_is_run(text: str, said: str) -> None:
    with pytest.raises(UnsupportedModelError, match="a chat template that is code") as caught:
        ChatTemplate(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(9999999) %}a{% endfor %}",
        "{% set hidden = '__cla' + 'ss__' %}{{ messages[hidden].__name__ if false else messages[hidden].mro() }}",
        "{{ messages.append(1) }}",
        "{% for a in range(99999) %}{{ 'a' * 100 }}{% endfor %}",
    ],
)
def test_what_shows_only_when_it_runs_is_refused_then(text: str) -> None:
    with pytest.raises((UnsupportedModelError, InputError)):
        ChatTemplate(text).write(MESSAGES)


def test_a_thousand_messages_of_a_page_are_no_work_without_end() -> None:
    messages = [{"role": "user" if place % 2 == 0 else "assistant", "content": "word " * 180} for place in range(1000)]
    assert ChatTemplate(TURNS, TOKENS).write(messages).count("[INST]") == 500


def test_what_is_no_template_and_messages_that_do_not_fit_are_told() -> None:
    with pytest.raises(BadModelError, match="no template of jinja2"):
        ChatTemplate("{% for %}")
    with pytest.raises(InputError, match="roles must alternate"):
        ChatTemplate(TURNS, TOKENS).write(MESSAGES[1:])
