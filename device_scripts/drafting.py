"""Let a smaller artifact draft tokens that a larger one reads at once: the larger one's greedy text in fewer passes.

In:  the field "draft" of a document of prompts (generation.py), beside a program that has a "verify":
     {"state": [tensor], "program": the smaller one's, "spelling": null or for each id of the larger one's the id, or a
      list of the ids, that stand for it in the smaller one's, "tie": number}
     Where nothing is spelt the ids are the same. "verify" is {"entry", "size"}: it takes so many ids as a column and
     gives the logits of each.
Out: what generation.py says of a text, the same token for token as without a draft, and "draft": {"passes", "drafted",
     "accepted", "drift"}: the larger one's passes behind the prompt's, how many tokens were drafted and how many of
     them it took, and the most that logits of one position differed by between "verify" and "decode".
A drafted token stays where it is the larger one's likeliest, and behind the first that is not the larger one's own
stands; what was read in vain is overwritten. Products of several rows may round otherwise than those of one: where the
likeliest leads by less than "tie" a pass of one token decides, as it does without a draft.
Needs Python 3.9 and NumPy. Imports nothing of Edgewright: it lies beside python_runner.py on devices.
"""

import math

from generation import SAME, Chooser, Program, Writer, checked, encoded, margin, now_ms, require_fields, rounded
from job_reading import CallsReader, Fault, bad_job, is_integer

LONGEST_SPELLING = 100
LARGEST_TIE = 1e30


class DraftPlan:
    """The smaller artifact's program and state, how ids of the larger one are spelt in it, and what counts as a tie."""

    def __init__(self, document, larger, prompts, path):
        require_fields("draft", document, {"state", "program", "spelling", "tie"})
        reader = CallsReader(document, path)
        self.state = reader.read_state()
        self.program = Program(document["program"], reader)
        self.tie = document["tie"]
        if isinstance(self.tie, bool) or not isinstance(self.tie, (int, float)) or not 0 <= self.tie <= LARGEST_TIE:
            raise bad_job("tie", f"must be a number from 0 to {LARGEST_TIE:g}")
        if larger.verify is None:
            raise bad_job("draft", 'needs a program that has a "verify"')
        self.spelling = self.read_spelling(document["spelling"], larger)
        self.larger = None if self.spelling is None else inverse_of(self.spelling)
        for place, prompt in enumerate(prompts):
            if prompt.temperature != 0 or prompt.repetition_penalty != 1:
                raise Fault(
                    "bad-job",
                    f"prompt {place} takes other tokens than the likeliest, and a draft is for those alone; leave it "
                    "out, or ask for temperature 0 and repetition_penalty 1",
                )

    def read_spelling(self, values, larger):
        """For each id of the larger one the ids of the smaller one; None where they are the same."""
        last = self.program.vocabulary - 1
        if values is None:
            if self.program.vocabulary != larger.vocabulary:
                raise bad_job("spelling", "must be given where the vocabularies differ")
            return None
        if not isinstance(values, list) or len(values) != larger.vocabulary:
            raise bad_job("spelling", f"must be a list of {larger.vocabulary}")
        spelling = [each if isinstance(each, list) else [each] for each in values]
        for each in spelling:
            if len(each) > LONGEST_SPELLING or not all(is_integer(id_, 0, last) for id_ in each):
                raise bad_job("spelling", f"must have ids from 0 to {last}, at most {LONGEST_SPELLING} for one")
        return spelling

    def spelt(self, ids):
        """Ids of the larger one in those of the smaller one."""
        return list(ids) if self.spelling is None else [each for id_ in ids for each in self.spelling[id_]]

    def larger_id(self, token):
        """The larger one's id of a token; None where it has none."""
        return token if self.larger is None else self.larger.get(token)


def inverse_of(spelling):
    """The larger one's id of each of the smaller one's that stands for one; the first of several."""
    found = {}
    for id_, each in enumerate(spelling):
        if len(each) == 1:
            found.setdefault(each[0], id_)
    return found


class Drafter:
    """The smaller artifact, which proposes how a text of the larger one's ids goes on."""

    def __init__(self, writer, plan):
        self.writer, self.plan = writer, plan
        self.begin()

    def begin(self):
        """Another text begins."""
        self.writer.backend.reset()
        self.taken, self.own, self.read = 0, [], []

    def proposed(self, text, count):
        """At most so many ids: fewer where the smaller one's context ends, or one has no id in the larger one."""
        self.own += self.plan.spelt(text[self.taken :])
        self.taken = len(text)
        ids, found = list(self.own), []
        while ids and len(found) < count and len(ids) <= self.writer.program.context:
            token = int(self.logits(ids).argmax())
            larger = self.plan.larger_id(token)
            if larger is None:
                break
            found.append(larger)
            ids.append(token)
        return found

    def logits(self, ids):
        """Those of the last id; what the cache has of the text is not read again."""
        most = min(len(self.read), len(ids) - 1)
        same = next((place for place in range(most) if self.read[place] != ids[place]), most)
        row = None
        for entry, position, size in self.writer.program.chunks(len(ids), same):
            row = self.writer.logits(entry, position, ids[position : position + size])
        self.read = list(ids)
        return checked(row)


class Text:
    """What comes after one prompt, as it is taken token by token."""

    def __init__(self, prompt, context, on_token, begun):
        self.prompt, self.context, self.on_token, self.mark = prompt, context, on_token, begun
        self.tokens, self.token_ms, self.margins = [], [], []
        self.stop, self.ended = None, None
        self.passes = self.drafted = self.accepted = 0
        self.drift = 0.0
        self.chooser = Chooser(prompt)

    @property
    def position(self):
        """Where the last token stands, which is not read yet."""
        return len(self.prompt.ids) + len(self.tokens) - 1

    @property
    def ids(self):
        """The prompt and the tokens."""
        return self.prompt.ids + self.tokens

    def take(self, row):
        """Choose the next token by its logits, and see whether it is the last; the token."""
        token = self.chooser.choose(row)
        self.tokens.append(token)
        if self.prompt.wants_logits:
            self.margins.append(margin(row, token))
        now = now_ms()
        self.token_ms.append(now - self.mark)
        self.mark = now
        self.on_token(token, rounded(self.token_ms[-1]))
        self.stop = self.prompt.stopped_by(self.tokens)
        if self.stop is not None:
            self.ended = "stop"
        elif len(self.tokens) == self.prompt.max_tokens:
            self.ended = "length"
        elif self.position == self.context:
            self.ended = "context"
        return token


class DraftedWriter(Writer):
    """A backend's model that writes, with a smaller one that drafts for it."""

    def __init__(self, backend, specs, program, drafter):
        super().__init__(backend, specs, program)
        self.drafter = drafter
        self.verifying = None

    def verified(self, position, ids):
        """The logits of each of the ids, of which the first stands at that position; the last ones may be anything."""
        import numpy

        entry, size = self.program.verify
        if self.verifying is None:
            self.verifying = self.program.call(entry, size, column=True)
            self.backend.accept(self.specs, [self.verifying])
        call = self.verifying
        call.inputs[0].array[:, 0] = [*ids, *[ids[-1]] * (size - len(ids))]
        call.inputs[1].array[0] = position
        found = numpy.asarray(self.backend.outputs(call, call.run())[0])
        if found.size != size * self.program.vocabulary:
            raise Fault(
                "bad-artifact", f"{entry!r} gives {found.size} logits, not {size} times {self.program.vocabulary}"
            )
        return found.reshape(size, -1)[: len(ids)]

    def check_reset(self, prompt, after_reading):
        """The same, and that tokens which were verified in vain are overwritten."""
        super().check_reset(prompt, after_reading)
        position, size = len(prompt.ids), self.program.verify[1]
        if position + max(size, 2) > self.program.context:
            return
        decode, token = self.program.decode, prompt.ids[-1]
        self.logits(decode, position, [token])
        first = checked(self.logits(decode, position + 1, [token])).copy()
        other = (token + 1) % self.program.vocabulary
        self.verified(position, [other] * size)
        self.logits(decode, position, [token])
        again = checked(self.logits(decode, position + 1, [token]))
        differ = float(abs(again - first).max())
        if differ > SAME * max(1.0, float(abs(first).max())):
            raise Fault(
                "bad-artifact",
                f"what a draft left in its state is not overwritten: the same ids gave logits up to {differ:.3g} "
                "apart; export the model again",
            )

    def write(self, prompt, on_token, interrupt):
        """What a result says of one prompt, as without a draft, and of the draft."""
        self.backend.reset()
        self.drafter.begin()
        begun = now_ms()
        first = self.read(prompt.ids).copy()
        read = now_ms()
        text = Text(prompt, self.program.context, on_token, begun)
        if not interrupt.came:
            text.take(first)
        while text.ended is None and not interrupt.came:
            self.advance(text, interrupt)
        return {
            "tokens": text.tokens,
            "ended": text.ended or "interrupted",
            "stop": text.stop,
            "prompt_tokens": len(prompt.ids),
            "prefill_ms": rounded(read - begun),
            "first_token_ms": rounded(text.token_ms[0]) if text.token_ms else None,
            "token_ms": [rounded(each) for each in text.token_ms[1:]],
            "draft": {
                "passes": text.passes,
                "drafted": text.drafted,
                "accepted": text.accepted,
                "drift": text.drift,
            },
            **({"logits": encoded(first), "margins": text.margins} if prompt.wants_logits else {}),
        }

    def advance(self, text, interrupt):
        """Draft some tokens, read them in one pass, and take those that are the model's own and one more."""
        position = text.position
        proposed = self.drafter.proposed(text.ids, self.room(text))
        if not proposed:
            text.take(self.single(text, position))
            return
        rows = self.verified(position, [text.tokens[-1], *proposed])
        text.passes += 1
        text.drafted += len(proposed)
        for place, row in enumerate(rows):
            if not lead(row) >= self.drafter.plan.tie:
                again = self.single(text, position + place)
                text.drift = max(text.drift, float(abs(again - row).max()))
                row = again
            token = text.take(checked(row))
            if place == len(proposed) or token != proposed[place]:
                break
            text.accepted += 1
            if text.ended is not None or interrupt.came:
                break

    def single(self, text, position):
        """The logits behind the last token, by a pass of it alone."""
        text.passes += 1
        return checked(self.logits(self.program.decode, position, text.tokens[-1:]))

    def room(self, text):
        """How many tokens may be drafted: what is read at once has to fit the context."""
        size = self.program.verify[1]
        if text.position + size > self.program.context:
            return 0
        return min(size - 1, text.prompt.max_tokens - len(text.tokens) - 1)


def lead(row):
    """By how much the largest logit lies above the next one."""
    import numpy

    if len(row) == 1:
        return math.inf
    second, first = numpy.partition(row.astype(numpy.float64), -2)[-2:]
    return float(first - second)
