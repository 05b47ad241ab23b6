"""A real byte-level BPE tokenizer as RoBERTa has it, tiny: learnt once, from docstrings of Python itself.

Its ids stand as RoBERTa's do: <s> 0, <pad> 1, </s> 2, <unk> 3, and <mask> last.
"""

import argparse
import inspect
import json
import logging
import string
import subprocess
import tarfile
from functools import cache
from types import ModuleType
from typing import Any

from edgewright.modality.tokenizer import TextTokenizer

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
SIZE = 1200
MAX_LENGTH = 64
MODULES: tuple[ModuleType, ...] = (argparse, inspect, json, logging, string, subprocess, tarfile)


@cache
def docstrings() -> tuple[str, ...]:
    """What the tokenizer was learnt from, white space folded."""
    found: dict[str, None] = {}
    for module in MODULES:
        for thing in (module, *vars(module).values()):
            for each in (thing, *(vars(thing).values() if inspect.isclass(thing) else ())):
                text = each.__doc__ if isinstance(getattr(each, "__doc__", None), str) else ""
                for paragraph in text.split("\n\n"):
                    found.setdefault(" ".join(paragraph.split()))
    found.pop("", None)
    return tuple(sorted(found))


@cache
def definition(*, around: str = "roberta", add_prefix_space: bool = False) -> str:
    """Its tokenizer.json; the tokens around a text are put there by "roberta", "template" or a "sequence" of both."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.pre_tokenizer, tokenizer.decoder = byte_level, decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - 1,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(docstrings(), trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    first, last = ("<s>", 0), ("</s>", 2)
    template = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> </s> $B </s>", [first, last])
    tokenizer.post_processor = {
        "roberta": processors.RobertaProcessing(last, first, add_prefix_space=add_prefix_space),
        "template": template,
        "sequence": processors.Sequence([processors.ByteLevel(trim_offsets=False), template]),
    }[around]
    made = json.loads(tokenizer.to_str())
    made["model"]["vocab"]["<mask>"] = tokenizer.token_to_id("<mask>")  # as in RoBERTa's own file
    return json.dumps(made)


def transformers_tokenizer(**options: Any) -> Any:
    """The same as transformers has it; with `padding_side` and the like."""
    from transformers import RobertaTokenizerFast

    model = json.loads(definition())["model"]
    return RobertaTokenizerFast(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]], **options)


@cache
def renumbered(*, around: str = "roberta", add_prefix_space: bool = False) -> tuple[TextTokenizer, tuple[int, ...]]:
    """In our form, padding first, and which old id each id was."""
    text = definition(around=around, add_prefix_space=add_prefix_space)
    return TextTokenizer.from_definition(text, max_length=MAX_LENGTH)


def tokenizer() -> TextTokenizer:
    return renumbered()[0]
