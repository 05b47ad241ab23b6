"""A real Unigram tokenizer as SentencePiece trains it, tiny: learnt once, from sentences of nine languages.

Its ids stand as XLM-RoBERTa's do (<s> 0, <pad> 1, </s> 2, <unk> 3, and <mask> last), or as ALBERT's or DeBERTa's.
"""

import shutil
from functools import cache
from pathlib import Path

from edgewright.modality.tokenizer import TextTokenizer
from tests import tiny

SIZE = 420
MAX_LENGTH = 32
# One saying in nine languages, and a few more; what the model has never seen is in `STRANGE`.
SENTENCES = (
    "All human beings are born free and equal in dignity and rights.",
    "They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.",
    "The rain in the garden is cold, and the road to the house is under water.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
    "Der Zug nach Berlin hat Verspätung, und der Regen im Garten ist kalt.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "Ils sont doués de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "Они наделены разумом и совестью и должны поступать в отношении друг друга в духе братства.",
    "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "人人生而自由，在尊严和权利上一律平等。",
)
STRANGE = (
    "",
    "   two  spaces\tand a tab\n",
    "ﬁne ①② Ｆｕｌｌｗｉｄｔｈ",
    "Çа va? 42,5 % — ‹quoted›…",
    "ไม่มีในพจนานุกรม 👩‍🚀 ☃☃",
    "한국어 문장",
    "e\u0301té naïve",
)


NAMES = {"XLMRoberta": "sentencepiece.bpe.model", "Albert": "spiece.model", "DebertaV2": "spm.model"}
# What each family trained its model with.
OWN = {
    "XLMRoberta": {},
    "Albert": {
        "pad_id": 0,
        "pad_piece": "<pad>",
        "unk_id": 1,
        "bos_id": -1,
        "eos_id": -1,
        "control_symbols": ["[CLS]", "[SEP]"],
        "user_defined_symbols": ["[MASK]"],
    },
    "DebertaV2": {
        "pad_id": 0,
        "pad_piece": "[PAD]",
        "bos_id": 1,
        "bos_piece": "[CLS]",
        "eos_id": 2,
        "eos_piece": "[SEP]",
        "unk_id": 3,
        "unk_piece": "[UNK]",
    },
}


@cache
def trained(family: str = "XLMRoberta") -> Path:
    """What SentencePiece writes: the file of a model."""
    import sentencepiece

    folder = tiny.scratch() / f"sentencepiece-{family}"
    folder.mkdir(parents=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*SENTENCES * 3, *tiny.sentences(200)]),
        model_prefix=str(folder / "model"),
        vocab_size=SIZE,
        character_coverage=1.0,
        model_type="unigram",
        num_threads=1,
        hard_vocab_limit=False,
        minloglevel=2,
        **OWN[family],
    )
    return folder / "model.model"


def save(place: Path, family: str = "XLMRoberta") -> Path:
    """A family's tokenizer as transformers makes it of such a model, in a folder."""
    import transformers

    slow = place / "as-it-came"
    slow.mkdir(parents=True)
    shutil.copyfile(trained(family), slow / NAMES[family])
    getattr(transformers, f"{family}Tokenizer").from_pretrained(slow).save_pretrained(place)
    shutil.rmtree(slow)
    return place


@cache
def definition(family: str = "XLMRoberta") -> str:
    """Its tokenizer.json."""
    return (save(tiny.scratch() / f"tokenizer-{family}", family) / "tokenizer.json").read_text(encoding="utf-8")


@cache
def tokenizer(family: str = "XLMRoberta") -> TextTokenizer:
    """Ours, with padding first."""
    return TextTokenizer.from_definition(definition(family), max_length=MAX_LENGTH)[0]
