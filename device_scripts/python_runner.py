"""Run one LiteRT, TFLite or ONNX artifact as a job file says and print one JSON document: times, memory, the machine.

In:  argv[1], the runtime, "litert", "tflite" or "onnx"; argv[2], a job file, the same as the native runner's
     (device_scripts/runner/job.hpp), which names a file of calls (calls.hpp). For LiteRT and TFLite a call's entry is a
     signature of the file, for ONNX, which has one graph, it is "forward". Names, dtypes and shapes are checked against
     what the file says. As a graph cannot have an input and an output of one name, an ONNX output of the state "kv" is
     named "next_kv"; and for each axis of free size its metadata say the most, "max_length" for the axis "length".
Out: the result on standard output and exit status 0, or {"schema": 2, "error": {"kind", "message"}} and 1.
One latency sample is one call: hand over its inputs, run, copy its outputs out; by CLOCK_MONOTONIC. State lives from
call to call, also from one pass over the calls to the next, until a call resets it first. Memory is reported phase by
phase: before the model is loaded, with it, once every call was made, after the last sample; all with the Python
interpreter. With "profile" a second copy of an ONNX model then says how long each kind of operator takes. With "serve"
nothing is timed: each line of standard input is a document of calls, whose inputs are base64, and is answered by a line
{"schema": 2, "outputs"} or {"schema": 2, "error"}, after a first line that says "ready". State lives from line to line
as long as lines name the same. With "prompts" in place of calls the artifact writes text of its own (generation.py); a
line of standard input may be such a document, too: then a line {"schema": 2, "token", "prompt"} comes with each token,
and at last one {"schema": 2, "generated"}. Ctrl-C and SIGTERM end that between two tokens, and what was made is told.
Needs Python 3.9, NumPy and ai-edge-litert, tflite-runtime or onnxruntime. Imports nothing of Edgewright: it runs on
devices.
"""

import base64
import hashlib
import json
import math
import mmap
import os
import struct
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from job_reading import DTYPES, MOST_SAMPLES, SCHEMA, CallsReader, Fault, bad_job, parsed_json, read_job, read_json
from machine_watch import MemoryLog, Watch, drop_cached

PROFILED_RUNS = 50


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


class Backend:
    """What the runtimes have in common: a loaded model, the state of its calls, and a check of each call."""

    def __init__(self, job):
        self.job, self.specs, self.state = job, [], {}

    def accept(self, specs, calls):
        """Make ready for these calls and their state, which is kept where it is the same as before."""
        if specs != self.specs or not self.state:
            self.specs = specs
            self.reset_state()
        known = {each.name: each for each in specs}
        for place, call in enumerate(calls):
            self.check(place, call, [known[name] for name in call.state])
            call.run = self.bound(call)

    def reset_state(self):
        """The state at its first: zeros."""
        import numpy

        self.state = {each.name: numpy.zeros(each.shape, dtype=each.dtype) for each in self.specs}

    def check(self, place, call, state):
        """Refuse a call that names another entry, tensor, dtype or shape than the file has."""
        there, results = self.interface(call.entry)
        inputs = [*call.inputs, *state]
        check_names(f"call {place} gives {call.entry!r}", [each.name for each in inputs], "takes", there)
        outputs = {**{name: name for name in call.outputs}, **{self.state_output(name): name for name in call.state}}
        check_names(f"call {place} asks {call.entry!r} for", outputs, "gives", results)
        for each in inputs:
            self.check_tensor(f'the tensor "{each.name}" of call {place}', each, there[each.name], "takes")
        for each in state:
            which = f'the state "{each.name}" of call {place}'
            self.check_tensor(which, each, results[self.state_output(each.name)], "gives")
        for name in call.outputs:
            dtype, _ = results[name]
            if dtype not in DTYPES:
                raise Fault("bad-artifact", f"{call.entry!r} gives {name!r} of {dtype}, which no result knows")

    @staticmethod
    def state_output(name):
        """What an entry's output of this state is called."""
        return name

    def check_tensor(self, which, tensor, there, verb):
        """Refuse another dtype, or a shape that the file's own does not allow."""
        dtype, shape = there
        if tensor.dtype != dtype:
            raise Fault("bad-job", f"{which} is {tensor.dtype}; the artifact {verb} {dtype}")
        if len(shape) != len(tensor.shape) or not all(map(self.fits, tensor.shape, shape)):
            allowed = ", ".join(map(self.size_text, shape))
            raise Fault("bad-job", f"{which} has shape {shape_text(tensor.shape)}; the artifact {verb} ({allowed})")

    def fits(self, size, allowed):
        """Whether an axis of the file may have this size."""
        return size == allowed

    def size_text(self, size):
        """How a message names the size of an axis."""
        return str(size)

    def profile(self, _calls):
        """Nothing, where a runtime does not tell the time of an operator."""
        return {}


def check_names(which, named, verb, there):
    """Refuse where those that a call names are not those of the file."""
    for name in sorted(set(named) ^ set(there)):
        lacks = "also " if name in there else "no "
        raise Fault(
            "bad-job", f'{which} {", ".join(sorted(named)) or "nothing"}; it {verb} {lacks}"{name}": {described(there)}'
        )


def described(tensors):
    """Names, dtypes and shapes of a file as a message has them."""
    texts = [f"{dtype} {name!r} {shape_text(shape)}" for name, (dtype, shape) in sorted(tensors.items())]
    return ", ".join(texts) or "nothing"


def shape_text(shape):
    """ "(1, 16)"."""
    return f"({', '.join(map(str, shape))})"


class LiteRt(Backend):
    """An artifact with any number of signatures; only those that are called take memory."""

    name = "litert"

    def __init__(self, job):
        super().__init__(job)
        self.interpreter_class, self.version = self.imported()
        self.interpreter, self.signatures, self.runners, self.interfaces = None, {}, {}, {}

    @staticmethod
    def imported():
        """The interpreter class, and the version of the package it comes from."""
        try:
            import ai_edge_litert
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise Fault("run-failed", f"no LiteRT interpreter can be imported: {error}") from None
        return Interpreter, runtime_version("ai-edge-litert", ai_edge_litert)

    def load(self, calls):
        """The model, and a runner for each signature that is called."""
        try:
            # A path rather than bytes: the interpreter maps the file instead of copying it.
            self.interpreter = self.interpreter_class(
                model_path=str(self.job["artifact"]), num_threads=self.job["threads"]
            )
            self.signatures = self.interpreter.get_signature_list()
        except (ValueError, RuntimeError) as error:
            raise cannot_load(error) from None
        for call in calls:
            self.allocated(call.entry)

    def allocated(self, entry):
        """Make a runner of a signature, its tensors allocated, when it is first asked for."""
        if entry not in self.signatures:
            raise Fault("bad-artifact", f"there is no entry {entry!r}; there are {sorted(self.signatures)}")
        if entry not in self.runners:
            runner = self.interpreter.get_signature_runner(entry)
            self.allocate(entry)
            self.runners[entry], self.interfaces[entry] = runner, interface_of(runner)

    def allocate(self, entry):
        """Loading ends once the kernels have packed their weights, which the public interface does on first use."""
        wrapper = self.interpreter._interpreter
        try:
            wrapper.AllocateTensors(wrapper.GetSubgraphIndexFromSignature(entry))
        except (AttributeError, TypeError):
            pass  # another version of the interpreter: the first inference includes it
        except (ValueError, RuntimeError) as error:
            raise Fault("bad-artifact", f"entry {entry!r} cannot be prepared: {one_line(error)}") from None

    def interface(self, entry):
        """{name: (dtype, shape)} of what a signature takes, and of what it gives."""
        self.allocated(entry)
        return self.interfaces[entry]

    def bound(self, call):
        """A function that makes the call and gives its outputs by name; without state it does nothing beside that."""
        runner, arrays, names = self.runners[call.entry], call.arrays, call.state
        if not names:
            return lambda: runner(**arrays)

        def run():
            outputs = runner(**arrays, **{name: self.state[name] for name in names})
            for name in names:
                self.state[name] = outputs[name]
            return outputs

        return run

    @staticmethod
    def outputs(call, outputs):
        """What a call gave, in the order that it names its outputs."""
        return [outputs[name] for name in call.outputs]

    def reset(self):
        """The state as it is at first: that of calls, and the variables of the file."""
        self.reset_state()
        self.interpreter.reset_all_variables()


def interface_of(runner):
    """{name: (dtype, shape)} of what a LiteRT signature takes, and of what it gives."""
    details = runner.get_input_details(), runner.get_output_details()
    return [
        {name: (each["dtype"].__name__.rstrip("_"), tuple(map(int, each["shape"]))) for name, each in one.items()}
        for one in details
    ]


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

    def load(self, calls):
        """As for LiteRT, which looks itself whether a file is complete; this one would run past its end."""
        complete = False
        # An empty file cannot be mapped, and an offset may lead out of the file.
        with self.job["artifact"].open("rb") as file, suppress(ValueError, struct.error), mapped(file) as content:
            complete = end_of_buffers(content) <= len(content)
        if not complete:
            raise Fault("bad-artifact", "the model cannot be loaded: the file is cut short")
        super().load(calls)


class OnnxRuntime(Backend):
    """An artifact with one graph, whose free axes its metadata bound."""

    name = "onnx"
    ENTRY = "forward"

    def __init__(self, job):
        super().__init__(job)
        try:
            import onnxruntime
        except ImportError as error:
            raise Fault("run-failed", f"ONNX Runtime cannot be imported: {error}") from None
        onnxruntime.set_default_logger_severity(4)  # what it finds odd about a board is no part of a result
        self.onnxruntime, self.session = onnxruntime, None
        self.version = runtime_version("onnxruntime", onnxruntime)

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

    def load(self, _calls):
        """The model and the bounds of its axes."""
        try:
            self.session = self.opened(self.onnxruntime.SessionOptions())
        except Exception as error:  # its errors share no base of their own
            raise cannot_load(error) from None
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.takes = {each.name: (onnx_dtype(each.type), tuple(each.shape)) for each in self.session.get_inputs()}
        self.gives = {each.name: (onnx_dtype(each.type), tuple(each.shape)) for each in self.session.get_outputs()}
        free = {axis for _, shape in self.takes.values() for axis in shape if not isinstance(axis, int)}
        self.most = {}
        for axis in sorted(free, key=str):
            bound = metadata.get(f"max_{axis}", "")
            if not bound.isdecimal():
                raise Fault("bad-artifact", f'the model\'s metadata give no "max_{axis}"')
            self.most[axis] = int(bound)

    def interface(self, entry):
        """{name: (dtype, shape)} of what the graph takes, and of what it gives."""
        if entry != self.ENTRY:
            raise Fault("bad-artifact", f"there is no entry {entry!r}; there are {[self.ENTRY]}")
        return self.takes, self.gives

    @staticmethod
    def state_output(name):
        """What the graph's output of this state is called."""
        return f"next_{name}"

    def fits(self, size, allowed):
        """Whether an axis of the file may have this size."""
        return size == allowed if isinstance(allowed, int) else size <= self.most.get(allowed, size)

    def size_text(self, size):
        """How a message names the size of an axis."""
        return f"at most {self.most[size]}" if size in self.most else str(size)

    def bound(self, call):
        """A function that makes the call and gives its outputs in order."""
        session, arrays, names = self.session, call.arrays, list(call.outputs)
        names += map(self.state_output, call.state)

        def run():
            try:
                if not call.state:
                    return session.run(names, arrays)
                outputs = session.run(names, {**arrays, **{name: self.state[name] for name in call.state}})
            except Exception as error:  # its errors share no base of their own
                raise RuntimeError(one_line(error)) from None
            for place, name in enumerate(call.state, len(call.outputs)):
                self.state[name] = outputs[place]
            return outputs

        return run

    @staticmethod
    def outputs(call, outputs):
        """What a call gave, in the order that it names its outputs."""
        return outputs[: len(call.outputs)]

    def reset(self):
        """The state as it is at first."""
        self.reset_state()

    def profile(self, calls):
        """How long each kind of node takes in one call, by a second session: a mean of whole passes."""
        options, plain = self.onnxruntime.SessionOptions(), self.session
        options.enable_profiling = True
        with tempfile.TemporaryDirectory() as place:
            options.profile_file_prefix = str(Path(place) / "profile")
            self.session = self.opened(options)
            passes = 1 + max(2, math.ceil(PROFILED_RUNS / len(calls)))  # the first one does not count
            bound = [(call, self.bound(call)) for call in calls]
            for call, run in bound * passes:
                if call.reset:
                    self.reset()
                run()
            events = json.loads(Path(self.session.end_profiling()).read_bytes())
            self.session = plain
        runs = sorted((each["ts"], each["dur"]) for each in events if each.get("name") == "model_run")
        counted = runs[len(calls) :]
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


ONNX_DTYPES = {"float": "float32", "double": "float64"}  # all others are called as everywhere


def onnx_dtype(kind):
    """ "tensor(float)" → "float32"."""
    inner = kind[len("tensor(") : -1] if kind.startswith("tensor(") else kind
    return ONNX_DTYPES.get(inner, inner)


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


def cannot_load(error):
    """A fault of a file that is no model."""
    return Fault("bad-artifact", f"the model cannot be loaded: {one_line(error)}")


class Session:
    """The measurement of one backend's model with its calls."""

    def __init__(self, job, backend, specs, calls):
        self.job, self.backend, self.specs, self.calls, self.result = job, backend, specs, calls, {}

    def measure(self):
        """Load the model, make each call once, then sample."""
        job, result, memory = self.job, self.result, MemoryLog()
        if job["cold"]:
            drop_cached(job["artifact"])
        memory.end("start")
        start = time.monotonic()
        self.backend.load(self.calls)
        result["load_ms"] = (time.monotonic() - start) * 1e3
        memory.end("loaded")
        self.backend.accept(self.specs, self.calls)
        try:
            self.collect_outputs()
            memory.end("first")
            result["latency_ms"] = self.sampled_ms() if job["samples"] else []
            memory.end("steady")
            result.update(memory=memory.phases, peak_rss_bytes=memory.peak)
            if job["profile"]:
                result.update(self.backend.profile(self.calls))
        except (ValueError, RuntimeError) as error:
            raise Fault("run-failed", f"the model stopped with: {one_line(error)}") from None
        return result

    def timed(self, call):
        """(milliseconds, what it gave) of one call; what it resets first is not timed."""
        if call.reset:
            self.backend.reset()
        run = call.run
        start = time.monotonic()
        outputs = run()
        took_s = time.monotonic() - start
        if took_s < 0:
            raise Fault("run-failed", "the device's monotonic clock ran backwards")
        return took_s * 1e3, outputs

    def collect_outputs(self):
        """Make each call once; the first one is the first inference."""
        self.result["outputs"] = []
        for place, call in enumerate(self.calls):
            took_ms, outputs = self.timed(call)
            if place == 0:
                self.result["first_inference_ms"] = took_ms
            self.result["outputs"].append(documents_of(call, self.backend.outputs(call, outputs), place))

    def sampled_ms(self):
        """Whole passes over the calls until `samples` and `min_seconds` are both reached; less once `max_seconds` end.

        Whole passes, because calls of unlike sizes take unlike times, and each shall weigh the same.
        """
        job, calls, count = self.job, self.calls, 0
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
            samples.append(round(self.timed(calls[len(samples) % len(calls)])[0], 6))  # the clock tells whole ns
            watch.look_if_due()
        self.result["sampling"] = watch.document()
        return samples


def documents_of(call, outputs, place):
    """The outputs of one call as a result carries them; `place` is the call's."""
    return [output_document(name, outputs[index], place) for index, name in enumerate(call.outputs)]


def output_document(name, array, place):
    """An output as a result carries it; numbers that no model should give are refused."""
    import numpy

    dtype = array.dtype.name
    if dtype not in DTYPES:
        raise Fault("bad-artifact", f"the output {name!r} is of {dtype}, which no result knows")
    if not numpy.isfinite(array).all():
        index = int(numpy.flatnonzero(~numpy.isfinite(array))[0])
        what = "not a number" if numpy.isnan(array.ravel()[index]) else "infinite"
        raise Fault("run-failed", f'value {index} of the output "{name}" of call {place} is {what}')
    data = base64.b64encode(numpy.ascontiguousarray(array).tobytes()).decode()
    return {"name": name, "dtype": dtype, "shape": list(array.shape), "data": data}


def serve(job, kind, lines):
    """Answer each line of calls by one line of outputs; the model is loaded with the first, and stays."""
    backend, generator = None, None
    tell({"ready": True, "runtime": kind.name, "sha256": job["sha256"], "threads": job["threads"]})
    for line in lines:
        try:
            document = parsed_json(line, "a line of standard input")
            if "prompts" in document:
                generator = generator or Generator(job, backend or kind(job), is_loaded=backend is not None)
                if write(generator, document):
                    break
                backend = generator.backend
                continue
            specs, calls = CallsReader(document, None).read()
            if backend is None:
                loading = kind(job)
                loading.load(calls)
                backend = loading
            backend.accept(specs, calls)
            tell({"outputs": answers(backend, calls)})
        except Fault as fault:
            tell({"error": {"kind": fault.kind, "message": str(fault)}})


def write(generator, document):
    """Print what comes after the prompts of a document, token by token; whether that was interrupted."""
    from generation import Interrupt

    interrupt = Interrupt()
    with interrupt.watched():
        found = generator.generated(
            document, None, interrupt, on_token=lambda place, *of: tell({"token": of[0], "prompt": place, "ms": of[1]})
        )
        tell({"generated": found["generated"]})
    return interrupt.came


def answers(backend, calls):
    """The outputs of each call, made once and not timed."""
    documents = []
    try:
        for place, call in enumerate(calls):
            if call.reset:
                backend.reset()
            documents.append(documents_of(call, backend.outputs(call, call.run()), place))
    except (ValueError, RuntimeError) as error:
        raise Fault("run-failed", f"the model stopped with: {one_line(error)}") from None
    return documents


class Generator:
    """A backend that writes text of its own, loaded with the first prompts and checked once."""

    def __init__(self, job, backend, is_loaded=False):
        self.job, self.backend, self.is_loaded, self.is_checked = job, backend, is_loaded, False
        self.drafting, self.is_draft_checked = None, False

    def generated(self, document, path, interrupt, memory=None, on_token=None):
        """What a result says of generation, for a document of prompts."""
        from generation import Writer, read_prompts

        specs, program, prompts, plan = read_prompts(document, path)
        backend, entries = self.backend, Writer.verifying(program) if plan else Writer.entries(program)
        start = time.monotonic()
        if not self.is_loaded:
            backend.load(entries)
            self.is_loaded = True
        drafter = self.drafter(plan) if plan else None
        load_ms = (time.monotonic() - start) * 1e3
        phase = memory.end if memory else lambda _: None
        phase("loaded")
        backend.accept(specs, entries)
        writer, found = self.writer(specs, program, drafter), []
        try:
            if not (self.is_draft_checked if drafter else self.is_checked):
                writer.check_reset(prompts[0], lambda: phase("prefill"))
                self.is_checked, self.is_draft_checked = True, self.is_draft_checked or drafter is not None
            for place, prompt in enumerate(prompts):
                hear = (lambda *of, place=place: on_token(place, *of)) if on_token else (lambda *_: None)
                found.append(writer.write(prompt, hear, interrupt))
                if interrupt.came:
                    break
        except (ValueError, RuntimeError) as error:
            raise Fault("run-failed", f"the model stopped with: {one_line(error)}") from None
        phase("decode")
        return {"load_ms": load_ms, "generated": found}

    def writer(self, specs, program, drafter):
        """What writes; with a draft where there is one."""
        from generation import Writer

        if drafter is None:
            return Writer(self.backend, specs, program)
        from drafting import DraftedWriter

        return DraftedWriter(self.backend, specs, program, drafter)

    def drafter(self, plan):
        """What drafts: an artifact of its own, loaded when it is first asked for."""
        from drafting import Drafter
        from generation import Writer

        if "draft" not in self.job:
            raise bad_job("draft", "is in the prompts, and the job names no artifact that drafts")
        entries = Writer.entries(plan.program)
        if self.drafting is None:
            loading = type(self.backend)({**self.job, **self.job["draft"]})
            check_hash(loading.job)
            loading.load(entries)
            self.drafting = loading
        self.drafting.accept(plan.state, entries)
        return Drafter(Writer(self.drafting, plan.state, plan.program), plan)

    def measured(self, interrupt):
        """The result of a job of prompts."""
        job, memory, watch = self.job, MemoryLog(), Watch()
        document = read_json(job["prompts"])
        if job["cold"]:
            drop_cached(job["artifact"])
        memory.end("start")
        watch.start()
        result = self.generated(document, job["prompts"], interrupt, memory, lambda *_: watch.look_if_due())
        sampling = watch.document()
        return {**result, "sampling": sampling, "memory": memory.phases, "peak_rss_bytes": memory.peak}


def tell(document):
    """Print one line at once."""
    print(json.dumps({"schema": SCHEMA, **document}, allow_nan=False), flush=True)


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
        if "prompts" in job:
            from generation import Interrupt

            check_hash(job)
            backend, interrupt = kind(job), Interrupt()
            interrupt.listen()  # until the result is printed
            measured = Generator(job, backend).measured(interrupt)
        else:
            specs, calls = CallsReader(read_json(job["calls"]), job["calls"]).read()
            check_hash(job)
            backend = kind(job)
            measured = Session(job, backend, specs, calls).measure()
        result = {"schema": SCHEMA, "runtime": kind.name, "runtime_version": backend.version, "sha256": job["sha256"]}
        result.update(threads=job["threads"], **measured)
    except Fault as fault:
        result = {"schema": SCHEMA, "error": {"kind": fault.kind, "message": str(fault)}}
    except MemoryError:
        result = {"schema": SCHEMA, "error": {"kind": "out-of-memory", "message": "memory ran out"}}
    print(json.dumps(result, allow_nan=False))
    return 1 if "error" in result else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
