"""Run one LiteRT, TFLite or ONNX artifact as a job file says and print one JSON document: times, memory, the machine.

In:  argv[1], the runtime, "litert", "tflite" or "onnx"; argv[2], a job file, the same as the native runner's
     (device_scripts/runner/job.hpp). For LiteRT its "lengths" name the artifact's signatures: "length_16" takes int32
     "ids" (1, 16) and gives float "output". An ONNX artifact takes int64 "ids" (1, n) up to the "max_length" of its
     metadata and gives float "output". Where the inputs are images the signature is "image", and both take uint8
     "pixels" (1, height, width, channels). With a "batch" of n each input holds n examples, one after another, and
     the signatures are "batch_n_length_16" and "batch_n_image".
Out: the result on standard output and exit status 0, or {"schema": 1, "error": {"kind", "message"}} and 1.
One latency sample is: hand over the ids, run, copy the output out; by CLOCK_MONOTONIC. For LiteRT an input is padded
with 0 to the smallest length that fits, outside the timed part. Memory is told phase by phase: before the model is
loaded, with it, once every input ran, after the last sample; all with the Python interpreter. With "profile" a second
copy of an ONNX model then says how long each kind of operator takes. With "serve" nothing is timed: each line of
standard input is a document of inputs as the vectors' file has them, and is answered by a line {"schema": 1, "outputs"}
or {"schema": 1, "error"}, after a first line that says "ready".
Needs Python 3.9, NumPy and ai-edge-litert, tflite-runtime or onnxruntime. Imports nothing of Edgewright: it runs on
devices.
"""

import hashlib
import json
import math
import mmap
import os
import re
import struct
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from machine_watch import MemoryLog, Watch, drop_cached

LARGEST_FILE = 256 << 20
MOST_SAMPLES = 100_000
INTEGERS = {"threads": (1, 256), "warmup_runs": (0, MOST_SAMPLES), "samples": (0, MOST_SAMPLES), "batch": (1, 1024)}
SECONDS = ("warmup_s", "max_seconds")
TEXTS = ("artifact", "sha256", "vectors")
OPTIONAL = {"min_seconds": 0, "profile": False, "batch": 1, "cold": False, "cores": [], "serve": False}
MOST_CORES = 1024
PROFILED_RUNS = 50
FIELDS = {"schema", "lengths", *OPTIONAL, *INTEGERS, *SECONDS, *TEXTS}


class Fault(Exception):
    """A failure with the kind that the result document gives it."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def bad_job(name, what):
    """A fault of one field of the job."""
    return Fault("bad-job", f'"{name}" {what}')


def content_of(path):
    """The bytes of a file of the job."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise Fault("bad-job", f"{path} is larger than 256 MB")
        return path.read_bytes()
    except OSError:
        raise Fault("bad-job", f"cannot read {path}") from None


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
    """Whether it is a whole number in the range; JSON's true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_seconds(value):
    """Whether it is a number of seconds up to a day."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 86400


def read_job(path):
    """The job with every field checked; its paths become relative to where this process runs."""
    job = read_json(path)
    for name in sorted(FIELDS - set(OPTIONAL) - set(job)):
        raise bad_job(name, "is missing")
    for name in sorted(set(job) - FIELDS):
        raise bad_job(name, "is not a field of a job")
    if job["schema"] != 1:
        raise bad_job("schema", "must be 1")
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
    for name in TEXTS:
        if not isinstance(job[name], str) or not job[name]:
            raise bad_job(name, "must be a text that is not empty")
    if not re.fullmatch("[0-9a-f]{64}", job["sha256"]):
        raise bad_job("sha256", "must be 64 lower-case hexadecimal digits")
    lengths = job["lengths"]
    if not isinstance(lengths, list) or not all(is_integer(item, 1, 1 << 20) for item in lengths):
        raise bad_job("lengths", "must be a list of lengths")
    for name in ("artifact", "vectors"):
        job[name] = path.parent / job[name]
    return job


def read_inputs(path):
    """The ids of each text, or the bytes of each image; the outputs beside them are for whoever compares."""
    return inputs_of(read_json(path), path)


def inputs_of(document, path):
    """The inputs in a document that lies at `path`, or is given in its place."""
    if "images" in document:
        return read_images(path, document["images"])
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise bad_job("inputs", "must be a list that is not empty")
    for place, ids in enumerate(inputs):
        if not isinstance(ids, list) or not ids or not all(is_integer(item, 0, 2**31 - 1) for item in ids):
            raise bad_job("inputs", f"[{place}] must be a list of ids from 0 to 2147483647")
    return inputs


def read_images(path, images):
    """Images lie in a file of their own, all of one size, one after another."""
    if not isinstance(images, dict) or not isinstance(images.get("file"), str) or not images["file"]:
        raise bad_job("images", "must be an object with a file and a count")
    count = images.get("count")
    if not is_integer(count, 1, MOST_SAMPLES):
        raise bad_job("count", f"must be an integer from 1 to {MOST_SAMPLES}")
    file = path.parent / images["file"]
    content = content_of(file)
    size = len(content) // count
    if not size or len(content) != size * count:
        raise Fault("bad-job", f"{file} cannot be split into {count} images")
    return [content[place : place + size] for place in range(0, len(content), size)]


def as_images(content, shape, dtype, batch):
    """The bytes of a call's images in the shape that the artifact takes, (batch, height, width, channels)."""
    import numpy

    shape = [int(size) for size in shape]
    wanted = math.prod(shape)
    if dtype != "uint8" or len(shape) != 4 or shape[0] != batch:
        raise Fault("bad-artifact", f"it must take uint8 ({batch}, height, width, channels), not {dtype} {shape}")
    if len(content) != wanted:
        raise Fault("bad-job", f"an input has {len(content)} bytes; the artifact takes {wanted}")
    return numpy.frombuffer(content, dtype=numpy.uint8).reshape(shape)


def check_hash(job):
    """Refuse an artifact other than the one that is meant; read through a small buffer, to keep peak memory down."""
    digest = hashlib.sha256()
    try:
        with job["artifact"].open("rb", buffering=0) as file:
            while chunk := file.read(32768):
                digest.update(chunk)
    except OSError:
        raise Fault("bad-artifact", f"cannot read {job['artifact']}") from None
    if digest.hexdigest() != job["sha256"]:
        raise Fault(
            "hash-mismatch", f"{job['artifact']} has sha256 {digest.hexdigest()}, the job expects {job['sha256']}"
        )


def keep_to(cores):
    """Run on these cores alone; must come before a thread is started."""
    try:
        if cores:
            os.sched_setaffinity(0, cores)
        if cores and os.sched_getaffinity(0) == set(cores):
            return
    except OSError:
        pass
    if cores:
        raise bad_job("cores", "must be cores that are there and on, and that this process may use")


def runtime_version(package, module):
    """What the package calls its version."""
    try:
        from importlib.metadata import version

        return version(package)
    except ImportError:  # unpacked without its metadata
        return getattr(module, "__version__", "unknown")


def one_line(error):
    """The message of an error without line breaks."""
    return " ".join(str(error).split())


class LiteRt:
    """An artifact with one signature a length and batch; only those that are asked for take memory."""

    name = "litert"

    def __init__(self, job, inputs):
        self.job = job
        self.interpreter_class, self.version = self.imported()
        self.interpreter, self.runners = None, {}
        self.accept(inputs)

    def accept(self, inputs):
        """Take these inputs in place of those before; a model that is loaded is made ready for them."""
        job = self.job
        self.images = inputs if isinstance(inputs[0], bytes) else []
        if not self.images and not job["lengths"]:
            raise bad_job("lengths", "must list the length of each signature of a LiteRT artifact")
        self.calls = [] if self.images else [self.padded(place, ids) for place, ids in enumerate(inputs)]
        if self.interpreter is not None:
            self.prepare()

    @staticmethod
    def imported():
        """The interpreter class, and the version of the package it comes from."""
        try:
            import ai_edge_litert
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise Fault("run-failed", f"no LiteRT interpreter can be imported: {error}") from None
        return Interpreter, runtime_version("ai-edge-litert", ai_edge_litert)

    def padded(self, place, ids):
        """(signature, ids) of a call's texts: an int32 array of the smallest length that fits."""
        import numpy

        lengths, batch = self.job["lengths"], self.job["batch"]
        if len(ids) % batch:
            raise Fault("bad-job", f"input {place} cannot be split into {batch} texts of one length")
        longest = len(ids) // batch
        length = min((item for item in lengths if item >= longest), default=None)
        if length is None:
            raise too_long(place, longest, max(lengths))
        array = numpy.zeros((batch, length), dtype=numpy.int32)
        array[:, :longest] = numpy.reshape(ids, (batch, longest))
        return self.signature(f"length_{length}"), {"ids": array}

    def signature(self, shape):
        """The name of the signature for so many examples of that shape."""
        batch = self.job["batch"]
        return shape if batch == 1 else f"batch_{batch}_{shape}"

    def load(self):
        """The model, and a runner for each signature that an input has."""
        try:
            # A path rather than bytes: the interpreter maps the file instead of copying it.
            self.interpreter = self.interpreter_class(
                model_path=str(self.job["artifact"]), num_threads=self.job["threads"]
            )
            self.signatures = self.interpreter.get_signature_list()
        except (ValueError, RuntimeError) as error:
            raise cannot_load(error) from None
        self.prepare()

    def prepare(self):
        """A runner for each signature that an input has and none was made for yet."""
        given = {name: call["ids"].shape for name, call in self.calls} or {self.signature("image"): None}
        for name, shape in sorted(given.items()):
            if name not in self.signatures:
                raise Fault("bad-artifact", f"there is no signature {name!r}; there are {sorted(self.signatures)}")
            if name not in self.runners or self.images:
                self.runners[name] = self.prepared(name, shape)

    def prepared(self, name, shape):
        """The runner of one signature, its tensors allocated; images get the shape that it takes."""
        runner = self.interpreter.get_signature_runner(name)
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        what = "pixels" if self.images else "ids"
        if set(inputs) != {what} or set(outputs) != {"output"}:
            raise Fault("bad-artifact", f'signature {name!r} must take "{what}" and give "output"')
        taken = inputs[what]
        if self.images:
            dtype = taken["dtype"].__name__
            self.calls = [
                (name, {what: as_images(each, taken["shape"], dtype, self.job["batch"])}) for each in self.images
            ]
        elif list(taken["shape"]) != list(shape) or taken["dtype"].__name__ != "int32":
            raise Fault("bad-artifact", f"signature {name!r} must take int32 of shape {shape}")
        if outputs["output"]["dtype"].__name__ != "float32":
            raise Fault("bad-artifact", f"signature {name!r} must give float32")
        wrapper = self.interpreter._interpreter
        try:
            # Loading ends once the kernels have packed their weights, which the public interface does on first use.
            wrapper.AllocateTensors(wrapper.GetSubgraphIndexFromSignature(name))
        except (AttributeError, TypeError):
            pass  # another version of the interpreter: the first inference includes it
        except (ValueError, RuntimeError) as error:
            raise Fault("bad-artifact", f"signature {name!r} cannot be prepared: {one_line(error)}") from None
        return runner

    def run(self, call):
        """What is timed: handing over the input, running, and copying the output out."""
        name, given = call
        return self.runners[name](**given)["output"]

    def profile(self):
        """Nothing: the interpreter's Python interface does not tell the time of an operator."""
        return {}


class TfLite(LiteRt):
    """The same under what LiteRT was before."""

    name = "tflite"

    @staticmethod
    def imported():
        """The interpreter class, and the version of the package it comes from."""
        try:
            import numpy  # noqa: F401
        except ImportError as error:
            remedy = "on a 32-bit system install it with: sudo apt-get install python3-numpy"
            raise Fault("run-failed", f"NumPy cannot be imported ({error}); {remedy}") from None
        try:
            import tflite_runtime
            from tflite_runtime.interpreter import Interpreter
        except ImportError as error:
            raise Fault("run-failed", f"tflite-runtime cannot be imported: {error}") from None
        return Interpreter, runtime_version("tflite-runtime", tflite_runtime)

    def load(self):
        """As for LiteRT, which looks itself whether a file is whole; this one would run past its end."""
        whole = False
        # An empty file cannot be mapped, and an offset may lead out of the file.
        with self.job["artifact"].open("rb") as file, suppress(ValueError, struct.error), mapped(file) as content:
            whole = end_of_buffers(content) <= len(content)
        if not whole:
            raise Fault("bad-artifact", "the model cannot be loaded: the file is cut short")
        super().load()


class OnnxRuntime:
    """An artifact that takes a text of any length up to the one in its metadata."""

    name = "onnx"

    def __init__(self, job, inputs):
        try:
            import onnxruntime
        except ImportError as error:
            raise Fault("run-failed", f"ONNX Runtime cannot be imported: {error}") from None
        if job["batch"] != 1:
            raise bad_job("batch", "must be 1: an ONNX artifact takes one example at a time")
        onnxruntime.set_default_logger_severity(4)  # what it finds odd about a board is no part of a result
        self.job, self.onnxruntime = job, onnxruntime
        self.version = runtime_version("onnxruntime", onnxruntime)
        self.session = None
        self.accept(inputs)

    def accept(self, inputs):
        """Take these inputs in place of those before; a model that is loaded is checked for them."""
        import numpy

        self.images = inputs if isinstance(inputs[0], bytes) else []
        texts = [] if self.images else inputs
        self.calls = [{"ids": numpy.array([ids], dtype=numpy.int64)} for ids in texts]
        if self.session is not None:
            self.prepare()

    def opened(self, options):
        """A session of the artifact on the processor alone."""
        options.intra_op_num_threads, options.inter_op_num_threads = self.job["threads"], 1
        # By itself it makes int8 of parts that were left float because int8 spoils them.
        return self.onnxruntime.InferenceSession(
            str(self.job["artifact"]),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["WeightBiasQuantization"],
        )

    def load(self):
        """The model, checked: one input, one output, and long enough for every text."""
        try:
            self.session = self.opened(self.onnxruntime.SessionOptions())
        except Exception as error:  # its errors share no base of their own
            raise cannot_load(error) from None
        self.prepare()

    def prepare(self):
        """Check the model for the inputs."""
        inputs = self.session.get_inputs()
        taken = [(each.name, each.type) for each in inputs]
        given = [(each.name, each.type) for each in self.session.get_outputs()]
        wanted = ("pixels", "tensor(uint8)") if self.images else ("ids", "tensor(int64)")
        if taken != [wanted] or given != [("output", "tensor(float)")]:
            raise Fault("bad-artifact", f'the model must take {wanted} and give float "output", not {taken}, {given}')
        if self.images:
            self.calls = [{"pixels": as_images(each, inputs[0].shape, "uint8", 1)} for each in self.images]
            return
        longest = self.session.get_modelmeta().custom_metadata_map.get("max_length", "")
        if not longest.isdecimal():
            raise Fault("bad-artifact", 'the model\'s metadata give no "max_length"')
        for place, call in enumerate(self.calls):
            if call["ids"].shape[1] > int(longest):
                raise too_long(place, call["ids"].shape[1], int(longest))

    def run(self, call):
        """What is timed: handing over the input, running, and copying the output out."""
        try:
            return self.session.run(["output"], call)[0]
        except Exception as error:  # its errors share no base of their own
            raise RuntimeError(one_line(error)) from None

    def profile(self):
        """How long each kind of node takes in one inference, by a second session: a mean of whole passes."""
        options = self.onnxruntime.SessionOptions()
        options.enable_profiling = True
        with tempfile.TemporaryDirectory() as place:
            options.profile_file_prefix = str(Path(place) / "profile")
            session = self.opened(options)
            passes = 1 + max(2, math.ceil(PROFILED_RUNS / len(self.calls)))  # the first one does not count
            for _ in range(passes):
                for call in self.calls:
                    session.run(["output"], call)
            events = json.loads(Path(session.end_profiling()).read_bytes())
        runs = sorted((each["ts"], each["dur"]) for each in events if each.get("name") == "model_run")
        counted = runs[len(self.calls) :]
        totals = {}
        for each in events:
            if each.get("cat") == "Node" and "op_name" in each.get("args", {}) and each["ts"] >= counted[0][0]:
                total = totals.setdefault(each["args"]["op_name"], [0, 0])
                total[0] += 1
                total[1] += each["dur"]
        operators = [
            {
                "name": name,
                "delegated": False,
                "calls": round(calls / len(counted)),
                "ms": microseconds / len(counted) / 1e3,
            }
            for name, (calls, microseconds) in totals.items()
        ]
        return {"profiled_ms": sum(took for _, took in counted) / len(counted) / 1e3, "operators": operators}


def mapped(file):
    """All of a file, read as it is looked at."""
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def end_of_buffers(content):
    """Where the last weights of a .tflite end, by the tables of its flatbuffer."""

    def referred(place):
        return place + struct.unpack_from("<I", content, place)[0]

    def field(table, number):
        vtable = table - struct.unpack_from("<i", content, table)[0]
        known = (struct.unpack_from("<H", content, vtable)[0] - 4) // 2
        offset = struct.unpack_from("<H", content, vtable + 4 + 2 * number)[0] if number < known else 0
        return referred(table + offset) if offset else None

    end = 0
    buffers = field(referred(0), 4)
    count = struct.unpack_from("<I", content, buffers)[0] if buffers else 0
    for place in range(count):
        data = field(referred(buffers + 4 + 4 * place), 0)
        end = max(end, data + 4 + struct.unpack_from("<I", content, data)[0] if data else 0)
    return end


BACKENDS = {backend.name: backend for backend in (LiteRt, TfLite, OnnxRuntime)}


def too_long(place, length, longest):
    """A fault of an input that no artifact of this length takes."""
    return Fault("bad-job", f"input {place} has {length} ids; the artifact takes at most {longest}")


def cannot_load(error):
    """A fault of a file that is no model."""
    return Fault("bad-artifact", f"the model cannot be loaded: {one_line(error)}")


class Session:
    """The measurement of one backend's model."""

    def __init__(self, job, backend):
        self.job, self.backend, self.result = job, backend, {}

    def measure(self):
        """Load the model, run each input once, then sample."""
        job, result, memory = self.job, self.result, MemoryLog()
        if job["cold"]:
            drop_cached(job["artifact"])
        memory.end("start")
        start = time.monotonic()
        self.backend.load()
        result["load_ms"] = (time.monotonic() - start) * 1e3
        memory.end("loaded")
        try:
            self.collect_outputs()
            memory.end("first")
            result["latency_ms"] = self.sampled_ms() if job["samples"] else []
        except (ValueError, RuntimeError) as error:
            raise Fault("run-failed", f"the model stopped with: {one_line(error)}") from None
        memory.end("steady")
        result.update(memory=memory.phases, peak_rss_bytes=memory.peak)
        if job["profile"]:
            result.update(self.backend.profile())
        return result

    def timed(self, call):
        """(milliseconds, output) of one inference."""
        start = time.monotonic()
        output = self.backend.run(call)
        took_s = time.monotonic() - start
        if took_s < 0:
            raise Fault("run-failed", "the device's monotonic clock ran backwards")
        return took_s * 1e3, output

    def answers(self):
        """The outputs of the inputs, each run once and not timed."""
        self.collect_outputs()
        return self.result["outputs"]

    def collect_outputs(self):
        """Run each input once; the first run is the first inference."""
        self.result["outputs"] = []
        for place, call in enumerate(self.backend.calls):
            took_ms, output = self.timed(call)
            if place == 0:
                self.result["first_inference_ms"] = took_ms
            values = output.ravel().tolist()
            check_finite(values, place)
            self.result["outputs"].append([nine_digits(value) for value in values])

    def sampled_ms(self):
        """Whole passes over the inputs until `samples` and `min_seconds` are both reached; less once `max_seconds` end.

        Whole passes, because inputs of unlike lengths take unlike times, and each shall weigh the same.
        """
        job, calls, count = self.job, self.backend.calls, 0
        start = time.monotonic()
        while count < job["warmup_runs"] or time.monotonic() - start < job["warmup_s"]:
            self.timed(calls[count % len(calls)])
            count += 1
        samples, watch = [], Watch()
        watch.start()
        start = time.monotonic()
        while len(samples) < MOST_SAMPLES:
            elapsed = time.monotonic() - start
            enough = len(samples) >= job["samples"] and elapsed >= job["min_seconds"] and len(samples) % len(calls) == 0
            if samples and (enough or elapsed >= job["max_seconds"]):
                break
            samples.append(nine_digits(self.timed(calls[len(samples) % len(calls)])[0]))
            watch.look_if_due()
        self.result["sampling"] = watch.told()
        return samples


def check_finite(values, place):
    """Refuse an output that JSON cannot tell and no model should give."""
    for index, value in enumerate(values):
        if not math.isfinite(value):
            what = "not a number" if math.isnan(value) else "infinite"
            raise Fault("run-failed", f"output value {index} of input {place} is {what}")


def nine_digits(value):
    """Nine digits give every 32-bit float back exactly."""
    return float(f"{value:.9g}")


def serve(job, kind, lines):
    """Answer each line of inputs by one line of outputs; the model is loaded with the first, and stays."""
    backend = None
    tell({"ready": True, "runtime": kind.name, "sha256": job["sha256"], "threads": job["threads"]})
    for line in lines:
        try:
            inputs = inputs_of(parsed_json(line, "a line of standard input"), job["vectors"])
            if backend is None:
                backend = kind(job, inputs)
                backend.load()
            else:
                backend.accept(inputs)
            tell({"outputs": Session(job, backend).answers()})
        except Fault as fault:
            backend = None  # what is half prepared is not used again
            tell({"error": {"kind": fault.kind, "message": str(fault)}})


def tell(document):
    """Print one line at once."""
    print(json.dumps({"schema": 1, **document}, allow_nan=False), flush=True)


def main(arguments):
    """Print the result of the job for the runtime that the arguments name; the exit status."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy would start a thread a core, which nothing here uses
    try:
        if len(arguments) != 2 or arguments[0] not in BACKENDS:
            raise Fault("bad-job", f"give two arguments: {' or '.join(BACKENDS)}, and the path of a job file")
        kind = BACKENDS[arguments[0]]
        job = read_job(Path(arguments[1]))
        keep_to(job["cores"])
        if job["serve"]:
            check_hash(job)
            serve(job, kind, sys.stdin)
            return 0
        inputs = read_inputs(job["vectors"])
        check_hash(job)
        backend = kind(job, inputs)
        measured = Session(job, backend).measure()
        result = {"schema": 1, "runtime": kind.name, "runtime_version": backend.version, "sha256": job["sha256"]}
        result.update(threads=job["threads"], **measured)
    except Fault as fault:
        result = {"schema": 1, "error": {"kind": fault.kind, "message": str(fault)}}
    except MemoryError:
        result = {"schema": 1, "error": {"kind": "out-of-memory", "message": "memory ran out"}}
    print(json.dumps(result, allow_nan=False))
    return 1 if "error" in result else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
