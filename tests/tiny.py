"""A real BERT, tiny: three layers, random weights and a WordPiece vocabulary of 250 pieces, made once for all tests.

Also texts that it splits into known words, with which tests train, compare and build.
"""

import atexit
import json
import random
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch

from toolchain.models import teacher as teachers
from toolchain.models.encoder import Encoder
from toolchain.models.text import TextModel
from toolchain.models.tokenizer import Encoded, TextTokenizer
from toolchain.recipe import ModelSource

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
THINGS = {
    "weather": "rain snow wind storm cloud sun cold warm sky ice fog frost heat flood thunder season",
    "kitchen": "bread butter cheese soup pan oven knife salt sugar flour onion apple plate spoon cup tea",
    "garden": "tree flower grass seed root leaf soil rose bush weed worm bee fence spade path pond",
}
LABELS = tuple(sorted(THINGS))
COMMON = (
    "the a of to and in is it on for with that this was are be at by from as or an not we you they he she there "
    "have has had will can may one two three four many some all no more very near under over after before old new "
    "good bad big small long short red green blue white black day night week year man woman child house road water "
    "fire earth stone wood iron book word line page read write open close find lose give take make break see hear "
    "say tell ask answer come go run walk stand sit eat drink sleep work play begin end how why what when where who"
)
SUFFIXES = "##s ##ed ##ing ##er ##ly ##est ##ness ##ful"
MAX_LENGTH = 32
POSITIONS = 64


def pieces() -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = [*COMMON.split(), *(word for things in THINGS.values() for word in things.split()), *SUFFIXES.split()]
    single = [*letters, *(f"##{letter}" for letter in letters), *".,!?'-"]
    return list(dict.fromkeys([*SPECIAL, *single, *words]))


@cache
def scratch() -> Path:
    """A folder that the process's last act removes."""
    place = Path(tempfile.mkdtemp(prefix="edgewright-tests-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def bert_config(**changes: Any) -> Any:
    from transformers import BertConfig

    sizes = {
        "vocab_size": len(pieces()),
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": POSITIONS,
        # Larger than BERT's 0.02, so that random weights still tell one text from another.
        "initializer_range": 0.15,
    }
    return BertConfig(**{**sizes, **changes})


@cache
def bert() -> Any:
    """The model as transformers has it; read it, do not change it."""
    from transformers import BertModel

    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.inference_mode(False):  # whoever asks first: others train with it
        model = BertModel(bert_config()).eval()
        for name, parameter in model.named_parameters():  # new biases are 0 and new norms 1: they would prove nothing
            if name.endswith("bias") or "LayerNorm" in name:
                parameter.data += 0.1 * torch.randn_like(parameter)
    return model


@cache
def bert_folder() -> Path:
    """What `save_pretrained` writes: config, safetensors and tokenizer. Copy it before changing it."""
    from transformers import BertTokenizerFast

    folder = scratch() / "bert"
    bert().save_pretrained(folder)
    (scratch() / "vocab.txt").write_text("\n".join(pieces()) + "\n", encoding="utf-8")
    BertTokenizerFast(vocab=str(scratch() / "vocab.txt"), do_lower_case=True).save_pretrained(folder)
    return folder


def sentence_transformers_folder(place: Path, *, mode: str, normalised: bool = True) -> Path:
    """A copy of the model as sentence-transformers lays it out, pooling by "cls", "mean" or "max" tokens."""
    shutil.copytree(bert_folder(), place)
    modes = {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens", "max": "pooling_mode_max_tokens"}
    described = {"word_embedding_dimension": 32, **{name: key == mode for key, name in modes.items()}}
    (place / "1_Pooling").mkdir()
    (place / "1_Pooling" / "config.json").write_text(json.dumps(described))
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalised else [])]
    modules = [{"idx": index, "type": f"sentence_transformers.models.{kind}"} for index, kind in enumerate(kinds)]
    (place / "modules.json").write_text(json.dumps(modules))
    return place


@cache
def teacher() -> teachers.Teacher:
    """The model in Edgewright's own form; read it, do not change it."""
    with torch.inference_mode(False):
        return teachers.load(ModelSource(folder=bert_folder()), labels=(), max_length=MAX_LENGTH)


def encoder() -> Encoder:
    return teacher().model.encoder


def tokenizer() -> TextTokenizer:
    return teacher().tokenizer


def model_copy() -> TextModel:
    """One that may be changed."""
    return teachers.load(ModelSource(folder=bert_folder()), labels=(), max_length=MAX_LENGTH).model


def sentences(count: int, *, seed: int = 0, label: str | None = None) -> list[str]:
    """Seeded heaps of 4 to 12 words, of which every third is one of a label's things."""
    chosen = random.Random(f"{seed} {label}")
    made: dict[str, None] = {}
    while len(made) < count:
        things = THINGS[label or chosen.choice(LABELS)].split()
        words = [chosen.choice(things if place % 3 == 1 else COMMON.split()) for place in range(chosen.randint(4, 12))]
        made.setdefault(" ".join(words))
    return list(made)


def rows(count: int, *, seed: int = 0) -> list[Encoded]:
    return tokenizer().encode(sentences(count, seed=seed))


def factory() -> tuple[Any, Any]:
    """What a recipe's `model.factory` names: (model, tokenizer)."""
    from transformers import AutoTokenizer, BertModel

    return BertModel.from_pretrained(bert_folder()), AutoTokenizer.from_pretrained(bert_folder())


def no_pair() -> str:
    """A factory that returns something else."""
    return "a model"
