"""A family of models of texts as a package of one's own has it: a bag of words' vectors and a layer behind it.

Its entry point is `"word bag" = "word_bag_family:FAMILY"` in the group `edgewright.families`. A recipe names a function
that makes one with its tokenizer by `model.factory`.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from edgewright.models.families import Family

SIZES, WEIGHTS = "bag.json", "bag.safetensors"


class WordBag(nn.Module):
    """Scores of classes, of the mean of what each word piece says."""

    family = "word bag"

    def __init__(self, *, pieces: int, width: int, classes: int) -> None:
        super().__init__()
        self.sizes = {"pieces": pieces, "width": width, "classes": classes}
        self.tokens, self.inner = nn.Embedding(pieces, width), nn.Linear(width, width)
        self.labels = nn.Linear(width, classes)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """ids (…, length), and ones and zeros of what counts, all where there is no mask → (…, classes)."""
        said = self.inner(self.tokens(ids)).relu()
        if mask is None:
            scores: Tensor = self.labels(said.mean(dim=-2))
            return scores
        counted = (said * mask[..., None]).sum(dim=-2)
        masked: Tensor = self.labels(counted / mask.sum(dim=-1, keepdim=True))
        return masked


class Files:
    """How a bag is written and read back."""

    def save(self, model: WordBag, folder: Path) -> None:
        """Write into an existing folder."""
        (folder / SIZES).write_text(json.dumps(model.sizes), encoding="utf-8")
        save_file(dict(model.state_dict()), folder / WEIGHTS)

    def load(self, folder: Path, *, factory: str = "") -> WordBag:
        """Read what `save` wrote."""
        model = WordBag(**json.loads((folder / SIZES).read_text(encoding="utf-8")))
        model.load_state_dict(load_file(folder / WEIGHTS))
        return model.eval()


class Words:
    """The table of word pieces, from which those can be taken that a task uses."""

    def table(self, model: WordBag) -> nn.Module:
        """The module that looks tokens up."""
        return model.tokens

    def projection(self, model: WordBag) -> nn.Linear | None:
        """None: the table is whole."""
        return None

    def pieces(self, model: WordBag) -> int:
        """How many rows it has."""
        return model.tokens.num_embeddings

    def with_vocabulary(self, model: WordBag, kept: Sequence[int]) -> WordBag:
        """A bag whose token i is this one's token `kept[i]`."""
        smaller = WordBag(**{**model.sizes, "pieces": len(kept)})
        state = dict(model.state_dict())
        state["tokens.weight"] = state["tokens.weight"][list(kept)].clone()
        smaller.load_state_dict(state)
        return smaller.eval()


class Fresh:
    """How a student of the same sizes begins anew."""

    def fresh(self, model: WordBag, *, seed: int) -> WordBag:
        """The same sizes, with weights of the seed."""
        torch.manual_seed(seed)
        return WordBag(**model.sizes).eval()


FAMILY = Family(
    title="bag of words",
    modality="text",
    capabilities={"stores": Files(), "token table": Words(), "rebuildable": Fresh()},
)
