"""Run one LiteRT artifact as a job file says and print one JSON document: times, memory, outputs.

In:  argv[1], a job file, the same as the native runner's (device_scripts/runner/job.hpp); its "lengths" name the
     artifact's signatures: "length_16" takes int32 "ids" (1, 16) and gives float "output".
Out: the result on standard output and exit status 0, or {"schema": 1, "error": {"kind", "message"}} and 1.
One latency sample is: hand over the ids, run, copy the output out; by CLOCK_MONOTONIC. An input is padded with 0 to
the smallest length that fits, outside the timed part. Memory is VmRSS before the model is loaded, then with it, and
after the last sample, and VmHWM, the highest it has ever been; both include the Python interpreter.
Needs Python 3.9, NumPy and one of ai-edge-litert and tflite-runtime. Imports nothing of Edgewright: it runs on devices.
"""

import hashlib
import json
import math
import os
import re
import sys
import time
from pathlib import Path

LARGEST_FILE = 256 << 20
MOST_SAMPLES = 100_000
INTEGERS = {"threads": (1, 256), "warmup_runs": (0, MOST_SAMPLES), "samples": (0, MOST_SAMPLES)}
SECONDS = ("warmup_s", "max_seconds")
TEXTS = ("artifact", "sha256", "vectors")
FIELDS = {"schema", "lengths", "min_seconds", *INTEGERS, *SECONDS, *TEXTS}


class Fault(Exception):
    """A failure with the kind that the result document gives it."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def bad_job(name, what):
    """A fault of one field of the job."""
    return Fault("bad-job", f'"{name}" {what}')


def read_json(path):
    """The JSON object in a file."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise Fault("bad-job", f"{path} is larger than 256 MB")
        document = json.loads(path.read_bytes())
    except OSError:
        raise Fault("bad-job", f"cannot read {path}") from None
    except (ValueError, RecursionError) as error:
        raise Fault("bad-job", f"{path} is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise Fault("bad-job", f"{path} is not a JSON object")
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
    for name in sorted(FIELDS - {"min_seconds"} - set(job)):
        raise bad_job(name, "is missing")
    for name in sorted(set(job) - FIELDS):
        raise bad_job(name, "is not a field of a job")
    if job["schema"] != 1:
        raise bad_job("schema", "must be 1")
    job.setdefault("min_seconds", 0)
    for name, (least, most) in INTEGERS.items():
        if not is_integer(job[name], least, most):
            raise bad_job(name, f"must be an integer from {least} to {most}")
    for name in (*SECONDS, "min_seconds"):
        if not is_seconds(job[name]):
            raise bad_job(name, "must be a number of seconds from 0 to 86400")
    for name in TEXTS:
        if not isinstance(job[name], str) or not job[name]:
            raise bad_job(name, "must be a text that is not empty")
    if not re.fullmatch("[0-9a-f]{64}", job["sha256"]):
        raise bad_job("sha256", "must be 64 lower-case hexadecimal digits")
    lengths = job["lengths"]
    if not isinstance(lengths, list) or not lengths or not all(is_integer(item, 1, 1 << 20) for item in lengths):
        raise bad_job("lengths", "must list the length of each signature of a LiteRT artifact")
    for name in ("artifact", "vectors"):
        job[name] = path.parent / job[name]
    return job


def read_inputs(path):
    """The ids of each input; the outputs beside them are for whoever compares."""
    inputs = read_json(path).get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise bad_job("inputs", "must be a list that is not empty")
    for place, ids in enumerate(inputs):
        if not isinstance(ids, list) or not ids or not all(is_integer(item, 0, 2**31 - 1) for item in ids):
            raise bad_job("inputs", f"[{place}] must be a list of ids from 0 to 2147483647")
    return inputs


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


def status_bytes(name):
    """One line of /proc/self/status in bytes; -1 where the kernel does not say."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return -1


def runtime_version(package, module):
    """What the package calls its version."""
    try:
        from importlib.metadata import version

        return version(package)
    except ImportError:  # unpacked without its metadata
        return getattr(module, "__version__", "unknown")


def import_runtime():
    """The interpreter class, and the version of the package it comes from."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy would start a thread a core, which nothing here uses
    try:
        import ai_edge_litert
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter, runtime_version("ai-edge-litert", ai_edge_litert)
    except ImportError as first:
        try:
            import tflite_runtime
            from tflite_runtime.interpreter import Interpreter

            return Interpreter, runtime_version("tflite-runtime", tflite_runtime)
        except ImportError:
            raise Fault("run-failed", f"no LiteRT interpreter can be imported: {first}") from None


class Model:
    """An artifact with one signature a length; only the lengths that are asked for take memory."""

    def __init__(self, interpreter_class, job, needed):
        try:
            # A path rather than bytes: the interpreter maps the file instead of copying it.
            self.interpreter = interpreter_class(model_path=str(job["artifact"]), num_threads=job["threads"])
            signatures = self.interpreter.get_signature_list()
        except (ValueError, RuntimeError) as error:
            raise Fault("bad-artifact", f"the model cannot be loaded: {one_line(error)}") from None
        self.runners = {}
        for length in needed:
            name = f"length_{length}"
            if name not in signatures:
                raise Fault("bad-artifact", f"there is no signature {name!r}; there are {sorted(signatures)}")
            self.runners[length] = self.prepared(name, length)

    def prepared(self, name, length):
        """The runner of one signature, its tensors allocated."""
        runner = self.interpreter.get_signature_runner(name)
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        if set(inputs) != {"ids"} or list(inputs["ids"]["shape"]) != [1, length] or set(outputs) != {"output"}:
            raise Fault("bad-artifact", f'signature {name!r} must take "ids" of shape (1, {length}) and give "output"')
        if inputs["ids"]["dtype"].__name__ != "int32" or outputs["output"]["dtype"].__name__ != "float32":
            raise Fault("bad-artifact", f"signature {name!r} must take int32 and give float32")
        wrapper = self.interpreter._interpreter
        try:
            # Loading ends once the kernels have packed their weights, which the public interface does on first use.
            wrapper.AllocateTensors(wrapper.GetSubgraphIndexFromSignature(name))
        except (AttributeError, TypeError):
            pass  # another version of the interpreter: the first inference includes it
        except (ValueError, RuntimeError) as error:
            raise Fault("bad-artifact", f"signature {name!r} cannot be prepared: {one_line(error)}") from None
        return runner

    def run(self, length, ids):
        """What is timed: handing over the ids, running, and copying the output out."""
        return self.runners[length](ids=ids)["output"]


def one_line(error):
    """The message of an error without line breaks."""
    return " ".join(str(error).split())


def padded_inputs(inputs, lengths):
    """(length, ids) of each input: an int32 array of the smallest length that fits."""
    import numpy

    pairs = []
    for place, ids in enumerate(inputs):
        length = min((item for item in lengths if item >= len(ids)), default=None)
        if length is None:
            raise Fault("bad-job", f"input {place} has {len(ids)} ids; the artifact takes at most {max(lengths)}")
        array = numpy.zeros((1, length), dtype=numpy.int32)
        array[0, : len(ids)] = ids
        pairs.append((length, array))
    return pairs


class Session:
    """The measurement of one loaded model."""

    def __init__(self, job, pairs):
        self.job, self.pairs, self.result = job, pairs, {}

    def measure(self, interpreter_class):
        """Load the model, run each input once, then sample."""
        job, result = self.job, self.result
        result["rss_start_bytes"] = status_bytes("VmRSS")
        start = time.monotonic()
        model = Model(interpreter_class, job, sorted({length for length, _ in self.pairs}))
        result["load_ms"] = (time.monotonic() - start) * 1e3
        result["rss_loaded_bytes"] = status_bytes("VmRSS")
        try:
            self.collect_outputs(model)
            result["latency_ms"] = self.sampled_ms(model) if job["samples"] else []
        except (ValueError, RuntimeError) as error:
            raise Fault("run-failed", f"the model stopped with: {one_line(error)}") from None
        result["rss_steady_bytes"] = status_bytes("VmRSS")
        return result

    def collect_outputs(self, model):
        """Run each input once; the first run is the first inference."""
        self.result["outputs"] = []
        for place, (length, ids) in enumerate(self.pairs):
            start = time.monotonic()
            output = model.run(length, ids)
            if place == 0:
                self.result["first_inference_ms"] = (time.monotonic() - start) * 1e3
            values = output.ravel().tolist()
            check_finite(values, place)
            self.result["outputs"].append([nine_digits(value) for value in values])

    def sampled_ms(self, model):
        """Whole passes over the inputs until `samples` and `min_seconds` are both reached; less once `max_seconds` end.

        Whole passes, because inputs of unlike lengths take unlike times, and each shall weigh the same.
        """
        job, pairs, count = self.job, self.pairs, 0
        start = time.monotonic()
        while count < job["warmup_runs"] or time.monotonic() - start < job["warmup_s"]:
            model.run(*pairs[count % len(pairs)])
            count += 1
        samples = []
        start = time.monotonic()
        while len(samples) < MOST_SAMPLES:
            elapsed = time.monotonic() - start
            enough = len(samples) >= job["samples"] and elapsed >= job["min_seconds"] and len(samples) % len(pairs) == 0
            if samples and (enough or elapsed >= job["max_seconds"]):
                break
            length, ids = pairs[len(samples) % len(pairs)]
            before = time.monotonic()
            model.run(length, ids)
            samples.append(nine_digits((time.monotonic() - before) * 1e3))
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


def main(arguments):
    """Print the result of the job named by the only argument; the exit status."""
    try:
        if len(arguments) != 1:
            raise Fault("bad-job", "give one argument: the path of a job file")
        job = read_job(Path(arguments[0]))
        inputs = read_inputs(job["vectors"])
        check_hash(job)
        interpreter_class, version = import_runtime()
        measured = Session(job, padded_inputs(inputs, job["lengths"])).measure(interpreter_class)
        result = {"schema": 1, "runtime": "litert", "runtime_version": version, "sha256": job["sha256"]}
        result.update(threads=job["threads"], **measured)
        # The kernel updates its high-water mark lazily; it may lie a page below what was just seen.
        peaks = [status_bytes("VmHWM"), *(value for name, value in measured.items() if name.startswith("rss_"))]
        result["peak_rss_bytes"] = max(peaks)
    except Fault as fault:
        result = {"schema": 1, "error": {"kind": fault.kind, "message": str(fault)}}
    except MemoryError:
        result = {"schema": 1, "error": {"kind": "run-failed", "message": "memory ran out"}}
    print(json.dumps(result, allow_nan=False))
    return 1 if "error" in result else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
