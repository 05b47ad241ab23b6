"""Let an artifact write: read each prompt, then add a token at a time, chosen as the prompt says.

In:  a document of prompts, a job's or a line of standard input's:
     {"schema": 2, "state": [{"name", "dtype", "shape"}],
      "program": {"prefill": [{"entry", "least", "most"}], "decode": entry, "ids": {"name", "dtype"},
                  "position": {"name", "dtype"}, "logits": name, "state": [name], "context", "vocabulary",
                  "verify": {"entry", "size"}},
      "prompts": [{"ids": [id], "max_tokens", "temperature", "top_k", "top_p", "repetition_penalty", "seed",
                   "stop": [[id]], "logits": bool}],
      "draft": see drafting.py}
     An entry takes the ids (1, from `least` to `most`) and the position (1,) of the first, and gives the logits
     (1, vocabulary) of the last. "logits", "verify" and "draft" may be left out.
Out: for each prompt its tokens, those that ended it among them, why it ended and how long everything took; where its
     logits are asked for, too, those of the prompt's last id, float32 in base64, and of each token by how much its
     logit lay above the largest of the others ("margins").
A prompt is read in as few calls as its length lets: where no entry has the size of the rest, one that is larger reads
some ids before it again, which puts the same into the cache, and a single id goes to `decode`. Nothing is ever padded.

How a token is chosen, so that every runner chooses the same (all numbers are float64):
1. With a repetition penalty p other than 1, the logit of each id of the prompt and of the tokens so far is divided by p
   where it is positive, else multiplied.
2. At temperature 0 the largest is chosen, the first of several. Else every logit is divided by the temperature.
3. Where top_k or top_p leave some out, they are ordered from the largest down, equal ones by id, else by id; of them
   the first top_k stay (0: all). Each weighs `exponential` of its distance from the largest. Summed up in that order,
   with top_p below 1 those stay up to the first whose sum reaches top_p times the sum of all.
4. SplitMix64, seeded by the prompt's seed, gives 64 bits, of which the upper 53 are a number u from 0 to 1. The first
   whose sum exceeds u times the sum of those that stay is chosen.
Needs Python 3.9 and NumPy. Imports nothing of Edgewright: it lies beside python_runner.py on devices.
"""

import base64
import math
import signal
import time
from contextlib import contextmanager

from job_reading import DTYPES, Call, CallsReader, Fault, Tensor, bad_job, is_integer, refuse_others

MOST_PROMPTS = 10_000
MOST_IDS = 1 << 20
MOST_STOPS = 100
MOST_VERIFIED = 1000
LARGEST_SEED = 2**53 - 1
UNUSED_STEPS = 4  # tokens that are added before a prompt is read again, to see that nothing of them is left
SAME = 1e-5  # as a share of the largest logit
MASK = (1 << 64) - 1
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
LEAST_EXPONENT = -700.0


class Program:
    """The entries of an artifact that generates, by their names and sizes."""

    def __init__(self, document, reader):
        known = {"prefill", "decode", "ids", "position", "logits", "state", "context", "vocabulary"}
        require_fields("program", document, known, may={"verify"})
        self.prefill = [self.entry(each) for each in items(document, "prefill", 100)]
        self.decode = reader.name(document, "decode")
        self.ids, self.position = (self.named(document[name], name, reader) for name in ("ids", "position"))
        self.logits = reader.name(document, "logits")
        self.state = [reader.checked_name(each) for each in items(document, "state", 1000)]
        for name, most in (("context", MOST_IDS), ("vocabulary", 1 << 31)):
            if not is_integer(document[name], 1, most):
                raise bad_job(name, f"must be an integer from 1 to {most}")
        self.context, self.vocabulary = document["context"], document["vocabulary"]
        self.reader = reader
        self.verify = self.verifying(document["verify"]) if "verify" in document else None

    def entry(self, document):
        """(its name, the least and the most ids that it takes)."""
        require_fields("prefill", document, {"entry", "least", "most"})
        least, most = document["least"], document["most"]
        if not is_integer(least, 1, MOST_IDS) or not is_integer(most, least, MOST_IDS):
            raise bad_job("prefill", f'must have a "least" and a "most" from 1 to {MOST_IDS}')
        if not isinstance(document["entry"], str) or not document["entry"]:
            raise bad_job("prefill", 'must have an "entry"')
        return document["entry"], least, most

    @staticmethod
    def verifying(document):
        """(its name, how many ids it takes) of the entry that gives the logits of each id."""
        require_fields("verify", document, {"entry", "size"})
        if not isinstance(document["entry"], str) or not document["entry"]:
            raise bad_job("verify", 'must have an "entry"')
        if not is_integer(document["size"], 2, MOST_VERIFIED):
            raise bad_job("verify", f'must have a "size" from 2 to {MOST_VERIFIED}')
        return document["entry"], document["size"]

    @staticmethod
    def named(document, field, reader):
        """(name, dtype) of an input."""
        require_fields(field, document, {"name", "dtype"})
        if document["dtype"] not in ("int32", "int64"):
            raise bad_job(field, 'must have a "dtype" of int32 or int64')
        return reader.name(document, "name"), document["dtype"]

    def chunks(self, count, done=0):
        """[(entry, first position, size)] by which a prompt of so many ids is read, the first of which are `done`."""
        found = []
        while done < count:
            left = count - done
            entry, size = self.chunk(left, count)
            found.append((entry, done if size <= left else count - size, size))
            done = min(done + size, count)
        return found

    def chunk(self, left, count):
        """(entry, size) of the next call, with so many ids left of a prompt of `count`."""
        if left == 1:
            return self.decode, 1
        enough = [(max(left, least), entry) for entry, least, most in self.prefill if most >= left and least <= count]
        below = [(min(left, most), entry) for entry, least, most in self.prefill if least <= left]
        if enough and (min(enough)[0] <= 2 * left or not below):
            size, entry = min(enough)
        elif below:
            size, entry = max(below)
        else:
            size, entry = 1, self.decode
        return entry, size

    def call(self, entry, size, column=False):
        """A call of an entry with so many ids, under each other or in a row; they are filled in when it is made."""
        import numpy

        (ids, of_ids), (position, of_position) = self.ids, self.position
        inputs = [Tensor(ids, of_ids, (size, 1) if column else (1, size)), Tensor(position, of_position, (1,))]
        for each in inputs:
            each.array = numpy.zeros(each.shape, dtype=each.dtype)
        return Call(entry, inputs, [self.logits], self.state, False)


class Prompt:
    """The ids of one text, and how it goes on."""

    def __init__(self, document, place, program):
        fields = {"ids", "max_tokens", "temperature", "top_k", "top_p", "repetition_penalty", "seed", "stop"}
        require_fields(f"prompt {place}", document, fields, may={"logits"})
        self.wants_logits = document.get("logits", False)
        if not isinstance(self.wants_logits, bool):
            raise bad_job("logits", "must be true or false")
        self.ids = self.read_ids(document["ids"], MOST_IDS, f"prompt {place}", program)
        if len(self.ids) > program.context:
            over = len(self.ids) - program.context
            raise Fault(
                "bad-job",
                f"prompt {place} has {len(self.ids)} ids, {over} more than the context of {program.context}; shorten "
                "it, or ask for it to be cut",
            )
        self.max_tokens = self.integer(document, "max_tokens", 1, MOST_IDS)
        self.top_k = self.integer(document, "top_k", 0, (1 << 31) - 1)
        self.seed = self.integer(document, "seed", 0, LARGEST_SEED)
        self.temperature = self.number(document, "temperature", 0, 100)
        self.top_p = self.number(document, "top_p", 1e-9, 1)
        self.repetition_penalty = self.number(document, "repetition_penalty", 0.01, 100)
        self.stop = [
            self.read_ids(each, MOST_STOPS, f"a stop sequence of prompt {place}", program)
            for each in items(document, "stop", MOST_STOPS)
        ]

    @staticmethod
    def read_ids(values, most, which, program):
        """A list of ids that is not empty."""
        if not isinstance(values, list) or len(values) > most:
            raise Fault("bad-job", f"{which} must be a list of at most {most} ids")
        if not values:
            raise Fault("bad-job", f"{which} has no ids; give one at least, such as the id that begins a text")
        for each in values:
            if not is_integer(each, 0, program.vocabulary - 1):
                last = program.vocabulary - 1
                raise Fault(
                    "bad-job", f"{which} has the id {each!r:.30}, and the vocabulary has those from 0 to {last}"
                )
        return values

    @staticmethod
    def integer(document, name, least, most):
        """An integer field within bounds."""
        if not is_integer(document[name], least, most):
            raise bad_job(name, f"must be an integer from {least} to {most}")
        return document[name]

    @staticmethod
    def number(document, name, least, most):
        """A number field within bounds."""
        value = document[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise bad_job(name, f"must be a number from {least:g} to {most:g}")
        return float(value)

    def stopped_by(self, tokens):
        """Which stop sequence the tokens end with; None where with none."""
        return next((place for place, each in enumerate(self.stop) if tokens[-len(each) :] == each), None)


def read_prompts(document, path=None):
    """(tensors of the state, program, prompts, what "draft" says or None) of a document."""
    refuse_others(document, {"schema", "state", "program", "prompts", "draft"})
    reader = CallsReader(document, path)
    state = reader.read_state()
    program = Program(document.get("program"), reader)
    for name in program.state:
        if name not in {each.name for each in state}:
            raise bad_job("state", f'has no "{name}", which the program names')
    prompts = [Prompt(each, place, program) for place, each in enumerate(items(document, "prompts", MOST_PROMPTS))]
    if not prompts:
        raise bad_job("prompts", "must be a list that is not empty")
    if "draft" not in document:
        return state, program, prompts, None
    from drafting import DraftPlan

    return state, program, prompts, DraftPlan(document["draft"], program, prompts, path)


def require_fields(which, document, known, may=frozenset()):
    """Refuse what is no object, or has other fields than these and those that it may have."""
    if not isinstance(document, dict):
        raise bad_job(which, "must be an object")
    for name in sorted(known ^ (set(document) - may)):
        raise bad_job(name, f"is missing in {which}" if name in known else f"is not a field of {which}")


def items(document, name, most):
    """A list in the document."""
    if not isinstance(document.get(name), list) or len(document[name]) > most:
        raise bad_job(name, f"must be a list of at most {most} items")
    return document[name]


def exponential(values):
    """e to each of them, none above 0, by the same steps on every machine: a library's own may differ in a bit."""
    import numpy

    values = numpy.asarray(values, dtype=numpy.float64)
    scaled = numpy.maximum(values, LEAST_EXPONENT)
    whole = numpy.floor(scaled * LOG2_E + 0.5)
    rest = scaled - whole * LN2_HIGH
    rest = rest - whole * LN2_LOW
    total = numpy.ones_like(rest)
    for divisor in range(13, 0, -1):
        total = total * rest
        total = total / divisor
        total = total + 1.0
    return numpy.where(values < LEAST_EXPONENT, 0.0, numpy.ldexp(total, whole.astype(numpy.int32)))


class Chooser:
    """Chooses the tokens of one prompt."""

    def __init__(self, prompt):
        self.prompt, self.random, self.seen = prompt, prompt.seed, set(prompt.ids)

    def choose(self, logits):
        """The next token, by the logits of float32; see the module's text."""
        import numpy

        prompt, values = self.prompt, logits.astype(numpy.float64)
        if prompt.repetition_penalty != 1:
            places = numpy.fromiter(self.seen, dtype=numpy.int64, count=len(self.seen))
            there = values[places]
            penalty = prompt.repetition_penalty
            values[places] = numpy.where(there > 0, there / penalty, there * penalty)
        token = int(values.argmax()) if prompt.temperature == 0 else self.drawn(values / prompt.temperature)
        self.seen.add(token)
        return token

    def drawn(self, values):
        """One of all by chance."""
        import numpy

        top_k, top_p = self.prompt.top_k, self.prompt.top_p
        narrowed = 0 < top_k < len(values)
        order = numpy.argsort(-values, kind="stable") if narrowed or top_p < 1 else numpy.arange(len(values))
        if narrowed:
            order = order[:top_k]
        sums = numpy.cumsum(exponential(values[order] - values.max()))
        kept = len(sums) if top_p >= 1 else int(numpy.searchsorted(sums, top_p * sums[-1], side="left")) + 1
        kept = min(kept, len(sums))
        place = int(numpy.searchsorted(sums[:kept], self.uniform() * sums[kept - 1], side="right"))
        return int(order[min(place, kept - 1)])

    def uniform(self):
        """A number from 0 to below 1."""
        self.random = (self.random + 0x9E3779B97F4A7C15) & MASK
        mixed = self.random
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        return ((mixed ^ (mixed >> 31)) >> 11) * 2.0**-53


class Interrupt:
    """Whether Ctrl-C or SIGTERM came, which ends what is written between two tokens."""

    def __init__(self):
        self.came = False

    def listen(self):
        """Hear of both from now on; {signal: who heard before}."""
        return {each: signal.signal(each, self.on_signal) for each in (signal.SIGINT, signal.SIGTERM)}

    @contextmanager
    def watched(self):
        """Hear of both as long as this lasts."""
        before = self.listen()
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def on_signal(self, *_):
        """A signal came."""
        self.came = True


class Writer:
    """A backend's model that reads prompts and adds tokens. `backend` must be loaded with the program's entries."""

    def __init__(self, backend, specs, program):
        self.backend, self.specs, self.program, self.calls = backend, specs, program, {}

    @staticmethod
    def entries(program):
        """A call of each entry, by which a backend loads them."""
        calls = [program.call(entry, least) for entry, least, _ in program.prefill]
        return [*calls, program.call(program.decode, 1)]

    @staticmethod
    def verifying(program):
        """The same, and a call of the entry that verifies a draft."""
        return [*Writer.entries(program), program.call(*program.verify, column=True)]

    def logits(self, entry, position, ids):
        """(1, vocabulary) of the last of the ids, as one row."""
        call = self.calls.get((entry, len(ids)))
        if call is None:
            call = self.program.call(entry, len(ids))
            self.backend.accept(self.specs, [call])
            self.calls[entry, len(ids)] = call
        call.inputs[0].array[0], call.inputs[1].array[0] = ids, position
        row = self.backend.outputs(call, call.run())[0].reshape(-1)
        if row.size != self.program.vocabulary:
            raise Fault("bad-artifact", f"{entry!r} gives {row.size} logits, not {self.program.vocabulary}")
        return row

    def read(self, ids, finite=True):
        """Read a prompt from the first position on; the logits of its last id."""
        row = None
        for entry, position, size in self.program.chunks(len(ids)):
            row = self.logits(entry, position, ids[position : position + size])
        return checked(row) if finite else row

    def check_reset(self, prompt, after_reading):
        """Read a prompt, add some tokens and read it again: what is left of them must change nothing."""
        self.backend.reset()
        first = self.read(prompt.ids)
        after_reading()
        row, position = first, len(prompt.ids)
        while position < min(self.program.context, len(prompt.ids) + UNUSED_STEPS):
            row = checked(self.logits(self.program.decode, position, [int(row.argmax())]))
            position += 1
        again = self.read(prompt.ids)
        differ = float(abs(again - first).max())
        if differ > SAME * max(1.0, float(abs(first).max())):
            raise Fault(
                "bad-artifact",
                f"its state does not reset: read a second time, the same prompt gave logits up to {differ:.3g} "
                "apart; export the model again",
            )

    def write(self, prompt, on_token, interrupt):
        """What a result says of one prompt; `on_token` hears of each token as it comes, and of its milliseconds."""
        self.backend.reset()
        chooser, tokens, token_ms = Chooser(prompt), [], []
        begun = now_ms()
        row = first = self.read(prompt.ids)
        read = now_ms()
        stop, ended, margins = None, "interrupted", []
        mark = begun
        while not interrupt.came:
            tokens.append(chooser.choose(row))
            if prompt.wants_logits:
                margins.append(margin(row, tokens[-1]))
            token_ms.append(now_ms() - mark)
            on_token(tokens[-1], rounded(token_ms[-1]))
            stop, position = prompt.stopped_by(tokens), len(prompt.ids) + len(tokens) - 1
            if stop is not None or len(tokens) == prompt.max_tokens or position == self.program.context:
                ended = "stop" if stop is not None else "length" if len(tokens) == prompt.max_tokens else "context"
                break
            mark = now_ms()
            row = checked(self.logits(self.program.decode, position, tokens[-1:]))
        return {
            "tokens": tokens,
            "ended": ended,
            "stop": stop,
            "prompt_tokens": len(prompt.ids),
            "prefill_ms": rounded(read - begun),
            "first_token_ms": rounded(token_ms[0]) if token_ms else None,
            "token_ms": [rounded(each) for each in token_ms[1:]],
            **({"logits": encoded(first), "margins": margins} if prompt.wants_logits else {}),
        }


def checked(row):
    """Logits, once they are known to be numbers."""
    import numpy

    if not numpy.isfinite(row).all():
        place = int(numpy.flatnonzero(~numpy.isfinite(row))[0])
        what = "not a number" if numpy.isnan(row[place]) else "infinite"
        raise Fault("run-failed", f"the logit of the id {place} is {what}; export the model again")
    return row


def encoded(row):
    """Logits as float32 in base64, the least byte of each first."""
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def margin(row, token):
    """By how much a token's logit lies above the largest of the others."""
    others = row.astype("float64")
    own, others[token] = float(others[token]), -math.inf
    return own - float(others.max()) if len(row) > 1 else 0.0


def now_ms():
    """CLOCK_MONOTONIC in milliseconds."""
    return time.monotonic() * 1e3


def rounded(milliseconds):
    """The clock tells whole nanoseconds."""
    if milliseconds < 0 or math.isnan(milliseconds):
        raise Fault("run-failed", "the device's monotonic clock ran backwards")
    return round(milliseconds, 6)


def state_bytes(specs):
    """What the tensors of a state take."""
    return sum(math.prod(each.shape) * DTYPES[each.dtype] for each in specs)
