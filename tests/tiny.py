"""A real BERT, tiny: three layers, random weights and a WordPiece vocabulary of 250 pieces, made once for all tests.

Also texts that it splits into known words, with which tests train, compare and build; and models as tiny of the
other families, of texts and of images.
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

from edgewright.modality.encoded import Encoded
from edgewright.modality.tokenizer import TextTokenizer
from edgewright.models import teacher as teachers
from edgewright.models.encoder import Encoder
from edgewright.models.model import TransformerModel
from edgewright.specs.recipe import ModelSource

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
        return roughened(BertModel(bert_config()).eval())


def roughened(model: Any) -> Any:
    """New biases are 0, new norms 1 and new tokens of images 0: they would prove nothing."""
    for name, parameter in model.named_parameters():
        if name.endswith(("bias", "_token", "position_embeddings")) or "norm" in name.lower():
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


CLASSES = {
    "bert": "Bert",
    "roberta": "Roberta",
    "distilbert": "DistilBert",
    "electra": "Electra",
    "xlm-roberta": "XLMRoberta",
    "camembert": "Camembert",
    "mpnet": "MPNet",
    "albert": "Albert",
    "modernbert": "ModernBert",
    "deberta-v2": "DebertaV2",
}
OFFSET = ("roberta", "xlm-roberta", "camembert", "mpnet")  # a table of positions begins after the padding id, 1
UNIGRAM = {"xlm-roberta": "XLMRoberta", "camembert": "XLMRoberta", "albert": "Albert", "deberta-v2": "DebertaV2"}
IMAGE_CLASSES = {"vit": "ViT", "deit": "DeiT"}


def family_config(family: str, **changes: Any) -> Any:
    """As `bert_config`, of another family; images are of 8 × 12 pixels in 6 patches."""
    import transformers

    if family == "bert":
        return bert_config(**changes)
    sizes = bert_config().to_dict()
    common = {name: sizes[name] for name in ("vocab_size", "initializer_range")}
    if family == "distilbert":
        own = {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": POSITIONS}
    else:
        names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
        own = {name: sizes[name] for name in names}
    if family in OFFSET:
        own |= {"max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1, "pad_token_id": 1}
    if family == "mpnet":
        del own["type_vocab_size"]
    if family == "albert":  # two of its three layers share their weights
        own |= {"max_position_embeddings": POSITIONS, "embedding_size": 16, "num_hidden_groups": 2}
    if family == "modernbert":  # its first layer looks everywhere, the others nearby
        tokens = {"pad": 0, "cls": 2, "bos": 2, "sep": 3, "eos": 3}
        own |= {"max_position_embeddings": POSITIONS, "local_attention": 12}
        own |= {f"{name}_token_id": token for name, token in tokens.items()}
    if family == "deberta-v2":
        own |= {"max_position_embeddings": POSITIONS, "relative_attention": True, "pos_att_type": "p2c|c2p"}
        own |= {"position_buckets": 8, "share_att_key": True, "norm_rel_ebd": "layer_norm"}
        own |= {"position_biased_input": False, "type_vocab_size": 0}
    if family == "electra":
        own |= {"max_position_embeddings": POSITIONS, "embedding_size": 16}
    if family in IMAGE_CLASSES:
        own |= {"image_size": [8, 12], "patch_size": 4, "num_channels": 3}
        del common["vocab_size"]
    name = {**CLASSES, **IMAGE_CLASSES}[family]
    return getattr(transformers, f"{name}Config")(**{**common, **own, **changes})


def family_model(family: str, head: str = "Model", **changes: Any) -> Any:
    """A new model of a family as transformers has it, by the end of its class's name."""
    import transformers

    torch.set_num_threads(1)
    torch.manual_seed(3)
    name = {**CLASSES, **IMAGE_CLASSES}[family]
    with torch.inference_mode(False):
        return roughened(getattr(transformers, f"{name}{head}")(family_config(family, **changes)).eval())


def family_folder(place: Path, family: str, head: str = "Model", **changes: Any) -> tuple[Path, Any]:
    """What `save_pretrained` writes of `family_model`, with a tokenizer of the family where it reads texts."""
    if family == "roberta":
        changes = {"vocab_size": byte_tokenizer().get_vocab_size(), **changes}
    if family in UNIGRAM:
        from tests import tiny_unigram

        tiny_unigram.save(place, UNIGRAM[family])
        count = len(tiny_unigram.tokenizer(UNIGRAM[family]).vocabulary)
        changes = {"vocab_size": count, **changes}
    model = family_model(family, head, **changes)
    model.save_pretrained(place)
    if family == "roberta":
        byte_tokenizer().save(str(place / "tokenizer.json"))
    elif family == "mpnet":
        mpnet_tokenizer(place)
    elif family in UNIGRAM:
        pass  # it is there
    elif family in CLASSES:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(bert_folder() / name, place / name)
    return place, model


def mpnet_tokenizer(place: Path) -> None:
    """WordPiece as MPNet has it, padding with id 1."""
    from transformers import MPNetTokenizer

    special = {"[PAD]": "<pad>", "[CLS]": "<s>", "[SEP]": "</s>", "[MASK]": "<mask>"}
    own = [special.get(piece, piece) for piece in pieces()]
    first = ["<s>", "<pad>", "</s>", "[UNK]"]
    ordered = [*first, *(piece for piece in own if piece not in first)]
    MPNetTokenizer(vocab={piece: token for token, piece in enumerate(ordered)}).save_pretrained(place)


@cache
def byte_tokenizer() -> Any:
    """A byte-level BPE tokenizer as RoBERTa's, padding with id 1."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    made.train_from_iterator(sentences(200), trainer)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return made


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


def model_copy() -> TransformerModel:
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


def no_fast_tokenizer() -> tuple[Any, Any]:
    """A factory whose tokenizer is none."""
    return bert(), object()


def linear_factory() -> tuple[Any, Any]:
    """A factory of a model that is no transformer."""
    return torch.nn.Linear(2, 2), factory()[1]


def own_form_factory() -> tuple[Any, Any]:
    """A factory of a `TransformerModel` with three classes."""
    from edgewright.models.model import Head, HeadShape

    head = Head(HeadShape(pooling="first", classes=3), 32)
    head.classifier.bias.data = torch.arange(3.0)
    return TransformerModel(encoder(), head), factory()[1]


def vit_factory() -> Any:
    """A factory of a model of images."""
    return family_model("vit", "ForImageClassification", num_labels=2)


def own_form_vit_factory() -> Any:
    """A factory of a `TransformerModel` of images with two classes."""
    from edgewright.models.model import Head, HeadShape
    from edgewright.models.vision import from_transformers

    return TransformerModel(from_transformers(family_model("vit")), Head(HeadShape(pooling="first", classes=2), 32))


def linear_image_factory() -> Any:
    """A factory of a model that is no transformer."""
    return torch.nn.Linear(2, 2)


def own_form_text_as_image_factory() -> Any:
    """A factory of a model of texts where one of images is asked for."""
    return own_form_factory()[0]
