"""Read a job and its calls, and refuse what is none, with the kind that a result gives a failure.

In:  a job file, the same as the native runner's (device_scripts/runner/job.hpp), and a document of calls (calls.hpp).
Out: the job as a dictionary whose fields were all checked, and `Call`s with their arrays.
Imports nothing of Edgewright, and NumPy only once there are inputs.
"""

import base64
import binascii
import json
import math
import os
import re

SCHEMA = 2  # of jobs, calls and results
LARGEST_FILE = 256 << 20
MOST_SAMPLES = 100_000
INTEGERS = {"threads": (1, 256), "warmup_runs": (0, MOST_SAMPLES), "samples": (0, MOST_SAMPLES)}
SECONDS = ("warmup_s", "max_seconds")
TEXTS = ("artifact", "sha256", "calls")
DRAFT = "draft"  # another artifact, which drafts for the first: {"artifact", "sha256"} (drafting.py)
PROMPTS = "prompts"  # in place of calls: the file of a document of generation.py
OPTIONAL = {"min_seconds": 0, "profile": False, "cold": False, "cores": [], "serve": False}
MOST_CORES = 1024
FIELDS = {"schema", *OPTIONAL, *INTEGERS, *SECONDS, *TEXTS, PROMPTS, DRAFT}
DTYPES = {
    "bool": 1,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "float16": 2,
    "float32": 4,
    "float64": 8,
}  # with the bytes of each number
CALL_FIELDS = {"entry", "inputs", "outputs", "state", "reset"}
MOST_TENSORS, MOST_AXES, LONGEST_NAME = 1000, 16, 300
LARGEST_STATE = 1 << 30  # bytes, all together


class Fault(Exception):
    """A failure with the kind that the result document gives it."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def bad_job(name, what):
    """A fault of one field of the job."""
    return Fault("bad-job", f'"{name}" {what}')


def content_of(path, most=LARGEST_FILE):
    """The bytes of a file of the job, to be written to: of others a runtime makes a copy each time."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise Fault("bad-job", f"{path} is larger than 256 MB")
            content = bytearray(size)
            if file.readinto(content) == size:
                return content
    except (OSError, ValueError):  # a path may hold a null character
        pass
    raise Fault("bad-job", f"cannot read {path}")


def read_json(path):
    """The JSON object in a file."""
    return parsed_json(content_of(path), path)


def parsed_json(content, what):
    """The JSON object in a text; `what` names it in a fault."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Fault("bad-job", f"{what} is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise Fault("bad-job", f"{what} is not a JSON object")
    return document


def is_integer(value, least, most):
    """Whether it is an integer in the range; JSON's true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_seconds(value):
    """Whether it is a number of seconds up to a day."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 86400


def read_job(path):
    """The job with every field checked; its paths become relative to where this process runs."""
    job = read_json(path)
    if job.get("serve") is True or PROMPTS in job:
        job.setdefault("calls", ".")  # they come line by line, or there are prompts
    for name in sorted(FIELDS - set(OPTIONAL) - set(job) - {PROMPTS, DRAFT}):
        raise bad_job(name, "is missing")
    refuse_others(job, FIELDS)
    job = {**OPTIONAL, **job}
    for name, (least, most) in INTEGERS.items():
        if not is_integer(job[name], least, most):
            raise bad_job(name, f"must be an integer from {least} to {most}")
    for name in (*SECONDS, "min_seconds"):
        if not is_seconds(job[name]):
            raise bad_job(name, "must be a number of seconds from 0 to 86400")
    for name in ("profile", "cold", "serve"):
        if not isinstance(job[name], bool):
            raise bad_job(name, "must be true or false")
    if not isinstance(job["cores"], list) or not all(is_integer(each, 0, MOST_CORES - 1) for each in job["cores"]):
        raise bad_job("cores", f"must be a list of cores from 0 to {MOST_CORES - 1}")
    for name in (*TEXTS, *([PROMPTS] if PROMPTS in job else [])):
        if not isinstance(job[name], str) or not job[name]:
            raise bad_job(name, "must be a text that is not empty")
    if not re.fullmatch("[0-9a-f]{64}", job["sha256"]):
        raise bad_job("sha256", "must be 64 lower-case hexadecimal digits")
    for name in {"artifact", "calls", PROMPTS}.intersection(job):
        job[name] = path.parent / job[name]
    if DRAFT in job:
        job[DRAFT] = read_draft(job[DRAFT], path)
    return job


def read_draft(document, path):
    """The artifact that drafts, and its hash."""
    if not isinstance(document, dict) or set(document) != {"artifact", "sha256"}:
        raise bad_job(DRAFT, 'must be an object of "artifact" and "sha256"')
    if not all(isinstance(each, str) and each for each in document.values()):
        raise bad_job(DRAFT, "must have texts that are not empty")
    if not re.fullmatch("[0-9a-f]{64}", document["sha256"]):
        raise bad_job(DRAFT, 'must have a "sha256" of 64 lower-case hexadecimal digits')
    return {**document, "artifact": path.parent / document["artifact"]}


def refuse_others(document, known):
    """Refuse a document of another schema, or with fields that it does not have."""
    if document.get("schema") != SCHEMA:
        raise bad_job("schema", f"must be {SCHEMA}")
    for name in sorted(set(document) - known):
        raise bad_job(name, "is not a field here")


class Tensor:
    """A tensor's name, dtype and shape; `array` where it is an input."""

    def __init__(self, name, dtype, shape):
        self.name, self.dtype, self.shape = name, dtype, shape
        self.array = None

    @property
    def size_bytes(self):
        """What its numbers take."""
        return math.prod(self.shape) * DTYPES[self.dtype]

    def __eq__(self, other):
        return (self.name, self.dtype, self.shape) == (other.name, other.dtype, other.shape)

    __hash__ = None


class Call:
    """One call: its entry, its input tensors, the names of its outputs and of its state, and whether it resets that.

    `run` is what is timed: handing over the inputs, running, and copying the outputs out. A backend binds it.
    """

    def __init__(self, entry, inputs, outputs, state, reset):
        self.entry, self.inputs, self.outputs, self.state, self.reset = entry, inputs, outputs, state, reset
        self.arrays = {each.name: each.array for each in inputs}
        self.run = None


class CallsReader:
    """Reads a document of calls; `path` is where it lies, None for a line whose inputs are base64."""

    def __init__(self, document, path):
        self.document, self.path = document, path
        self.where, self.files, self.read_bytes = "the state", {}, 0

    def read(self):
        """(tensors of the state, calls)."""
        refuse_others(self.document, {"schema", "state", "calls"})
        state, calls = self.read_state(), []
        for place, each in enumerate(self.items(self.document, "calls", MOST_SAMPLES)):
            self.where = f"call {place}"
            calls.append(self.call(each, {tensor.name for tensor in state}))
        if not calls:
            raise bad_job("calls", "must be a list that is not empty")
        return state, calls

    def read_state(self):
        """The tensors of the state."""
        state = [self.spec(each, set()) for each in self.items(self.document, "state", MOST_TENSORS, optional=True)]
        self.refuse_repeated([each.name for each in state])
        if sum(each.size_bytes for each in state) > LARGEST_STATE:
            raise self.bad("takes more than 1 GB")
        return state

    def bad(self, what):
        """A fault of the call that is being read."""
        return Fault("bad-job", f"{self.where} {what}")

    def items(self, document, name, most, optional=False):
        """A list in the document; without it where it is optional an empty one."""
        found = document.get(name, [] if optional else None)
        if not isinstance(found, list):
            raise bad_job(name, "must be a list")
        if len(found) > most:
            raise bad_job(name, f"must have at most {most} items")
        return found

    def call(self, document, states):
        """One call, whose state is among those that there are."""
        if not isinstance(document, dict):
            raise self.bad("must be an object")
        for name in sorted(set(document) - CALL_FIELDS):
            raise self.bad(f'has a field "{name}" that no call has')
        entry = self.name(document, "entry")
        inputs = [self.input(each) for each in self.items(document, "inputs", MOST_TENSORS)]
        outputs = [self.checked_name(each) for each in self.items(document, "outputs", MOST_TENSORS)]
        state = [self.checked_name(each) for each in self.items(document, "state", MOST_TENSORS, optional=True)]
        for name in state:
            if name not in states:
                raise self.bad(f'names the state "{name}", which is not there')
        self.refuse_repeated([*(each.name for each in inputs), *state])
        self.refuse_repeated([*outputs, *state])
        if not isinstance(document.get("reset", False), bool):
            raise self.bad('must have a "reset" that is true or false')
        return Call(entry, inputs, outputs, state, document.get("reset", False))

    def refuse_repeated(self, names):
        """Refuse a name that stands for two tensors."""
        for name in sorted({name for name in names if names.count(name) > 1}):
            raise self.bad(f'names the tensor "{name}" twice')

    def input(self, document):
        """An input with its numbers."""
        import numpy

        tensor = self.spec(document, {"data"} if self.path is None else {"file", "offset"})
        content, first = self.content(document, tensor)
        array = numpy.frombuffer(content, dtype=tensor.dtype, count=math.prod(tensor.shape), offset=first)
        if tensor.dtype == "bool" and array.view(numpy.uint8).max() > 1:
            raise self.bad(f'has the input "{tensor.name}" of bool whose bytes are not all 0 or 1')
        tensor.array = array.reshape(tensor.shape)
        return tensor

    def content(self, document, tensor):
        """(bytes, the place in them) of an input."""
        its = f'has the input "{tensor.name}"'
        if self.path is None:
            try:
                content = bytearray(base64.b64decode(document.get("data"), validate=True))
            except (TypeError, ValueError, binascii.Error):
                raise self.bad(f'{its} whose "data" is no base64') from None
            if len(content) != tensor.size_bytes:
                raise self.bad(f"{its} of {len(content)} bytes, and its shape has {tensor.size_bytes}")
            return content, 0
        content, offset = self.file(self.name(document, "file")), document.get("offset")
        step = DTYPES[tensor.dtype]
        if not is_integer(offset, 0, 2**63) or offset % step:
            raise self.bad(f'{its} whose "offset" is no multiple of {step}')
        if offset + tensor.size_bytes > len(content):
            size = f"{tensor.size_bytes} bytes from {offset} on"
            raise self.bad(f"{its} of {size}, beyond the end of its file of {len(content)}")
        return content, offset

    def file(self, name):
        """The bytes of a file beside the document, read once."""
        path = self.path.parent / name
        if path not in self.files:
            self.files[path] = content_of(path, LARGEST_FILE - self.read_bytes)
            self.read_bytes += len(self.files[path])
        return self.files[path]

    def spec(self, document, others):
        """A tensor's name, dtype and shape; it has the `others` beside them."""
        if not isinstance(document, dict):
            raise self.bad("must name tensors as objects")
        for name in sorted(set(document) - {"name", "dtype", "shape"} - others):
            raise self.bad(f'has a tensor with a field "{name}" that no tensor has here')
        name, dtype, shape = self.name(document, "name"), self.name(document, "dtype"), document.get("shape")
        if dtype not in DTYPES:
            raise self.bad(f'has the tensor "{name}" of a "dtype" that is none of jobs')
        sizes = isinstance(shape, list) and len(shape) <= MOST_AXES
        if not sizes or not all(is_integer(size, 1, 2**31 - 1) for size in shape):
            rule = f'whose "shape" must be a list of at most {MOST_AXES} sizes from 1 to {2**31 - 1}'
            raise self.bad(f'has the tensor "{name}" {rule}')
        tensor = Tensor(name, dtype, tuple(shape))
        if tensor.size_bytes > LARGEST_STATE:
            raise self.bad(f'has the tensor "{name}" of more than 1 GB')
        return tensor

    def name(self, document, field):
        """A text of a document."""
        if field not in document:
            raise self.bad(f'lacks its "{field}"')
        return self.checked_name(document[field], field)

    def checked_name(self, value, field="name"):
        """A text that is not empty and not long."""
        if not isinstance(value, str) or not 0 < len(value.encode(errors="replace")) <= LONGEST_NAME:
            raise self.bad(f'has a "{field}" that is no text of 1 to {LONGEST_NAME} bytes')
        return value
