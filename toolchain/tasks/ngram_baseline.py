"""What counting tokens achieves on the writing of texts: an n-gram model no larger than the student may be.

In:  documents in the teacher's tokens, and the most bytes.
Out: a `Baseline` in bits per byte.
"""

from __future__ import annotations

from edgewright.tasks.baselines import Baseline
from edgewright.tasks.examples import WrittenExamples
from edgewright.tasks.ngram import fitted_ngrams
from edgewright.tasks.token_score import TokenScore


def ngram_baseline(examples: WrittenExamples, score: TokenScore, *, part: str = "test") -> Baseline:
    """Fitted to the training documents and the extra ones; raises `BadDataError` where these hold no tokens.

    Where a document ends is not told by it, as little as it begins: of a completion's end its bits say nothing.
    """
    documents = [*examples.tokens("train"), *examples.tokens("extra")]
    model = fitted_ngrams(documents, examples.vocabulary, most_bytes=examples.baseline_bytes)
    bits = -sum(float(model.log2_probabilities(each).sum()) for each in examples.tokens(part))
    size = sum(len(text.encode()) for text in score.texts)  # of all of them, as no row cuts them off here
    return Baseline(name=f"{model.order}-gram of tokens, {model.size_bytes / 1e6:.3g} MB", score=bits / size)
