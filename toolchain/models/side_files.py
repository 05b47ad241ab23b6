"""The files beside a text model's weights: which of their settings are understood, which change nothing, and the rest.

In:  a model's folder as sentence-transformers or transformers writes it, or the same on the hub.
Out: a `SentenceModel`, or an error that names the file, the setting and its value.
A setting that is neither understood nor known to leave the outputs alone is refused. Images' are `image_files`'.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgewright.base.json_values import JsonObject, JsonValue, as_list, as_object
from edgewright.errors import BadModelError, InputError, UnsupportedModelError
from edgewright.models.source import MODULES, TOKENIZER_CONFIG, described_in, read_side_file, side_file
from edgewright.specs.recipe import ModelSource

SENTENCE_MODULES = ("Transformer", "Pooling", "Normalize")
OWN_PACKAGE = "sentence_transformers."
MODES: Mapping[str, str] = {"mean": "mean", "cls": "first"}  # sentence-transformers' names and a head's
OF_ONE_DIRECTION = "mean_sqrt_len_tokens"  # the mean but for its length, which normalising takes away
OLD_MODES: Mapping[str, str] = {  # as written before sentence-transformers 5.4
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": OF_ONE_DIRECTION,
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
SENTENCE_SETTINGS = tuple(
    f"sentence_{family}_config.json"
    for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
UNBOUNDED = 10**6  # a tokenizer that knows no limit writes 10^30


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The settings of one file: those that are read, those that never change an output, and those that may stand at
    one of a few values and no other."""

    understood: frozenset[str] = frozenset()
    harmless: frozenset[str] = frozenset()
    fixed: Mapping[str, tuple[JsonValue, ...]] = field(default_factory=dict)


MODULE_KEYS = Keys(understood=frozenset({"type", "path"}), harmless=frozenset({"idx", "name"}), fixed={"kwargs": ([],)})
POOLING_KEYS = Keys(
    understood=frozenset({"pooling_mode", *OLD_MODES}),
    harmless=frozenset({"embedding_dimension", "word_embedding_dimension", "include_prompt"}),
)
NORMALIZE_KEYS = Keys(
    fixed={"module_input_name": ("sentence_embedding",), "module_output_name": ("sentence_embedding", None)}
)
SENTENCE_KEYS = Keys(
    understood=frozenset({"max_seq_length", "do_lower_case"}),
    harmless=frozenset({"unpad_inputs"}),
    fixed={
        "transformer_task": ("feature-extraction",),
        "modality_config": (None, {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}),
        "module_output_name": (None, "token_embeddings"),
        "processing_kwargs": (None, {}),
        "query_length": (None,),
        "document_length": (None,),
        "query_expansion": (None,),
        "model_args": (None, {}),
        "tokenizer_args": (None, {}),
        "config_args": (None, {}),
        "model_kwargs": (None, {}),
        "processor_kwargs": (None, {}),
        "config_kwargs": (None, {}),
    },
)
LIBRARY_KEYS = Keys(
    understood=frozenset({"default_prompt_name", "prompts"}),
    harmless=frozenset({"__version__", "similarity_fn_name"}),
    fixed={"model_type": ("SentenceTransformer",), "truncate_dim": (None,)},
)
# What transformers builds into the tokenizer that is read, or only a decoder, a chat or a slow tokenizer uses.
TOKENIZER_KEYS = Keys(
    understood=frozenset({"model_max_length", "truncation_side"}),
    harmless=frozenset(
        "add_bos_token add_eos_token add_prefix_space added_tokens_decoder additional_special_tokens backend "
        "bos_token chat_template clean_up_tokenization_spaces cls_token content_tokens do_basic_tokenize "
        "do_lower_case do_subword_tokenize do_word_tokenize eos_token errors extra_ids extra_special_tokens "
        "full_tokenizer_file is_local keep_accents legacy local_files_only mask_token max_len max_length merges_file "
        "model_input_names name_or_path never_split pad_to_multiple_of pad_token pad_token_type_id padding_side "
        "processor_class remove_space return_token_type_ids sep_token single_word sp_model_kwargs special_tokens "
        "special_tokens_map_file split_by_punct split_special_tokens strip_accents tokenize_chinese_chars "
        "tokenizer_class tokenizer_file trim_offsets truncation_strategy stride unk_token unk_id use_fast "
        "vocab_file vocab_type wordpieces_prefix spaces_between_special_tokens add_dummy_prefix_space "
        "add_special_tokens from_slow special_tokens_map mecab_kwargs revision _commit_hash device_map "
        "transformers_version tokenizer_version cache_dir token use_auth_token subfolder model_type tokenizer_type "
        "vocab_size init_inputs bos_token_id eos_token_id pad_token_id cls_token_id sep_token_id unk_token_id "
        "mask_token_id trust_remote_code auto_map".split()
    ),
)


@dataclass(frozen=True, kw_only=True)
class SentenceModel:
    """How token vectors become a sentence's, as a model's files say it, and what a text goes through before."""

    pooling: str = "mean"
    normalised: bool = True
    lower_case: bool = False
    note: str = "nothing says how to pool: the mean over all tokens, normalised"


def sentence_model(source: ModelSource, *, max_length: int) -> SentenceModel:
    """What sentence-transformers' files say of the model; the mean, normalised, where there are none.

    Raises `UnsupportedModelError` for a setting that is not understood, `BadModelError` for a damaged file,
    `InputError` where texts of `max_length` tokens are longer than the model's own limit.
    """
    modules = _modules(source)
    pooling_file = next((f"{path}/config.json" for kind, path in modules if kind == "Pooling"), "1_Pooling/config.json")
    described = described_in(source, pooling_file)
    if described is None:
        if modules:
            raise BadModelError(str(side_file(source, MODULES)), f"the file {pooling_file} that it asks for is missing")
        return SentenceModel()
    for kind, path in modules:
        if kind == "Normalize":
            check_keys(f"{path}/config.json", described_in(source, f"{path}/config.json") or {}, NORMALIZE_KEYS)
    normalised = not modules or any(kind == "Normalize" for kind, _ in modules)
    pooling = _pooling(pooling_file, described, normalised)
    lower_case = _sentence_settings(source, max_length)
    note = _library_settings(source)
    pooled = f"pooled by {'the first token' if pooling == 'first' else 'the mean over all tokens'}" + (
        ", normalised" if normalised else ", not normalised"
    )
    return SentenceModel(
        pooling=pooling, normalised=normalised, lower_case=lower_case, note=f"{pooled}, as {pooling_file} says{note}"
    )


def check_tokenizer_config(source: ModelSource, *, max_length: int) -> None:
    """Refuse settings of `tokenizer_config.json` that are not understood; raises as `sentence_model` does."""
    described = described_in(source, TOKENIZER_CONFIG) or {}
    check_keys(TOKENIZER_CONFIG, described, TOKENIZER_KEYS)
    if described.get("truncation_side", "right") != "right":
        raise UnsupportedModelError(
            f'truncation_side = "{described["truncation_side"]}" in {TOKENIZER_CONFIG}',
            supported=("right",),
            remedy="which keeps the beginning of a long text: shorten your texts to their ends yourself and set it to "
            '"right"',
        )
    _check_length(described.get("model_max_length"), f"model_max_length in {TOKENIZER_CONFIG}", max_length)


def _modules(source: ModelSource) -> list[tuple[str, str]]:
    """(kind, folder) of each of a sentence model's modules; none where it is no such model."""
    file = side_file(source, MODULES)
    if file is None:
        return []
    entries = _listed(file)
    for entry in entries:
        check_keys(MODULES, entry, MODULE_KEYS)
    modules: list[tuple[str, str]] = []
    for entry in entries:
        kind, path = str(entry["type"]), str(entry.get("path", ""))
        name = kind.rpartition(".")[2]
        if name not in SENTENCE_MODULES or not kind.startswith(OWN_PACKAGE):
            raise UnsupportedModelError(
                f"the layer {kind} that {file} asks for",
                supported=SENTENCE_MODULES,
                remedy="put what it does into a TransformerModel of your own (HeadShape's projected) and name the "
                "function that makes it as model.factory",
            )
        modules.append((name, path or (f"{len(modules)}_{name}" if name != "Transformer" else "")))
    order = [name for name, _ in modules]
    if order not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise UnsupportedModelError(
            f"the order {', '.join(order) or 'of no layers'} that {file} asks for",
            supported=("Transformer, Pooling", "Transformer, Pooling, Normalize"),
            remedy="save the model in one of these orders by sentence-transformers",
        )
    return modules


def _listed(file: Path) -> list[JsonObject]:
    """The modules as the file lists them, each with its type."""

    def damaged(place: str, what: str) -> BadModelError:
        return BadModelError(str(file), f"it is damaged: {place} {what}")

    listed = as_list(read_side_file(file), MODULES, error=damaged)
    entries = [as_object(entry, MODULES, place, error=damaged) for place, entry in enumerate(listed)]
    for place, entry in enumerate(entries):
        if "type" not in entry:
            raise damaged(f"[{place}].type", "is missing")
    return entries


def _pooling(file: str, described: JsonObject, normalised: bool) -> str:
    """A head's name for the one way of pooling that the file asks for, in its old form or its new one."""
    check_keys(file, described, POOLING_KEYS)
    stated = described.get("pooling_mode")
    if stated is None:
        stated = [mode for key, mode in OLD_MODES.items() if described.get(key)] or ["mean"]
    listed = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else []
    modes = [mode for mode in listed if isinstance(mode, str)]
    if not modes or len(modes) != len(listed):
        raise BadModelError(file, f"its pooling_mode {stated!r} is no name")
    if modes == [OF_ONE_DIRECTION] and normalised:
        modes = ["mean"]
    if len(modes) == 1 and modes[0] in MODES:
        return MODES[modes[0]]
    several = " side by side" if len(modes) > 1 else ""
    raise UnsupportedModelError(
        f"the pooling {' and '.join(modes)}{several} that {file} asks for",
        supported=("mean", "cls", f"{OF_ONE_DIRECTION} before Normalize"),
        remedy="take a model that pools in one of these ways, or fit this one anew with such a pooling",
    )


def _sentence_settings(source: ModelSource, max_length: int) -> bool:
    """Whether texts are made lower case, as `sentence_bert_config.json` or an older name of it says."""
    file = next((name for name in SENTENCE_SETTINGS if side_file(source, name)), None)
    described = (described_in(source, file) if file else None) or {}
    check_keys(file or "", described, SENTENCE_KEYS)
    _check_length(described.get("max_seq_length"), f"max_seq_length in {file}", max_length)
    return bool(described.get("do_lower_case"))


def _library_settings(source: ModelSource) -> str:
    """A note on prompts; one that is put before every text is refused."""
    file = "config_sentence_transformers.json"
    described = described_in(source, file) or {}
    check_keys(file, described, LIBRARY_KEYS)
    prompts = described.get("prompts") or {}
    if not isinstance(prompts, Mapping) or not all(isinstance(text, str | None) for text in prompts.values()):
        raise BadModelError(file, f"its prompts are no texts by name: {prompts!r:.80}")
    name = described.get("default_prompt_name")
    if isinstance(name, str) and prompts.get(name):
        raise UnsupportedModelError(
            f"the prompt {prompts[name]!r} that {file} puts before every text (default_prompt_name = {name!r})",
            supported=("models without a default prompt",),
            remedy="write the prompt before your texts yourself, those of the data and those asked later, and set "
            "default_prompt_name to null",
        )
    named = [key for key, text in prompts.items() if text]
    return f"; its prompts ({', '.join(named)}) are put before no text: write them into the data" if named else ""


def _check_length(limit: object, where: str, max_length: int) -> None:
    if isinstance(limit, int | float) and 0 < limit < min(max_length, UNBOUNDED):
        raise InputError(
            f"task.max_length is {max_length}, but the model reads at most {limit:g} tokens ({where}); lower "
            "task.max_length to that"
        )


def check_keys(file: str | Path, described: JsonObject, keys: Keys) -> None:
    """Refuse the first setting that is not understood, or that stands at a value which is not."""
    for name, value in described.items():
        if name in keys.understood or name in keys.harmless:
            continue
        if name in keys.fixed:
            if value in keys.fixed[name]:
                continue
            allowed = tuple(json.dumps(each) for each in keys.fixed[name])
        else:
            allowed = (f"the {len(keys.understood | keys.harmless | keys.fixed.keys())} that are known of this file",)
        raise UnsupportedModelError(
            f"the setting {name} = {json.dumps(value, default=str)[:80]} in {file}",
            supported=allowed,
            remedy="Edgewright does not know it, and it may change what the model answers: remove it if it does not",
        )
