"""A user's own function that makes a model: found, called, copied, and known again by what it made.

In:  "module:function" of a recipe's `model.factory`, and the recipe's folder.
Out: a deep copy of what it returned, and a digest of that model's weights and code.
The function is the user's own code and is run as such; those who call it say what it must return.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import inspect
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn

from edgewright.errors import InputError

LIBRARIES = ("torch", "transformers", "builtins")  # their versions are part of every key
PLAIN = (bool, int, float, str, tuple)
MAKING_SEED = 0


def call_factory(name: str, beside: Path | None = None) -> object:
    """A deep copy of what the function returns, so that nothing made from it changes the user's own object.

    Its module may lie in the folder `beside`. Raises `InputError` where it cannot be imported, called or copied.
    """
    module, _, function = name.partition(":")
    try:
        returned: object = getattr(_module(module, beside), function)()
    except (ImportError, AttributeError, ValueError) as error:  # ValueError: an empty module name
        where = f", in the folder {beside} or as an installed package" if beside else ""
        raise InputError(
            f"model.factory {name!r} cannot be called: {error}; give an importable 'module:function'{where}"
        ) from error
    try:
        return copy.deepcopy(returned)
    except Exception as error:  # whatever the user's classes raise
        raise InputError(
            f"what model.factory {name!r} returned cannot be copied: {' '.join(str(error).split())[:200]}; return a "
            "module that copy.deepcopy takes (no open files, hooks with state or tensors within a graph)"
        ) from error


def made_digest(name: str, beside: Path | None = None) -> str:
    """A digest of what the factory makes: every parameter and buffer, sizes and settings, and the user's own code.

    Random weights are drawn from a fixed seed for it, so that they do not change from call to call.
    """
    with suppress(Exception), _seeded():  # what its module does when it is imported is not to be part of it
        _module(name.partition(":")[0], beside)
    with _seeded():
        returned = call_factory(name, beside)
    digest = hashlib.sha256()
    for part in returned if isinstance(returned, tuple) else (returned,):
        for piece in _pieces(part):
            digest.update(len(piece).to_bytes(8, "little") + piece)
    for file in sorted(_sources(name, returned)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


@contextmanager
def _seeded() -> Iterator[None]:
    """Within it every generator is seeded; behind it each is as it was."""
    python, numbers = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(MAKING_SEED)
            random.seed(MAKING_SEED)
            np.random.seed(MAKING_SEED)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)


def _module(name: str, beside: Path | None) -> ModuleType:
    """The module, from the folder `beside` where it lies there; that folder stays importable for what it imports."""
    if beside is None:
        return importlib.import_module(name)
    folder = str(beside.resolve())
    top = name.partition(".")[0]
    own = [path for path in (beside / f"{top}.py", beside / top / "__init__.py") if path.is_file()]
    if not own:
        return importlib.import_module(name)
    loaded = sys.modules.get(top)
    if loaded is not None and Path(str(getattr(loaded, "__file__", ""))).resolve() != own[0].resolve():
        raise InputError(
            f"model.factory names the module {top}, which lies beside the recipe ({own[0]}), but another "
            f"module of that name is in use ({getattr(loaded, '__file__', 'built in')}); rename the file"
        )
    sys.path.insert(0, folder)
    try:
        importlib.invalidate_caches()
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)


def _pieces(part: object) -> Iterator[bytes]:
    """What identifies one part of what a factory returned."""
    if isinstance(part, nn.Module):
        yield repr(part).encode()
        for name, tensor in {**dict(part.named_buffers()), **part.state_dict()}.items():
            yield name.encode()
            yield from _tensor(tensor)
        for name, module in part.named_modules():
            plain = {key: value for key, value in vars(module).items() if isinstance(value, PLAIN)}
            yield f"{name} {sorted(plain.items())}".encode()
        config = getattr(part, "config", None)
        if config is not None and hasattr(config, "to_json_string"):
            yield str(config.to_json_string()).encode()
    elif isinstance(part, Tensor):
        yield from _tensor(part)
    elif hasattr(part, "backend_tokenizer"):
        yield str(part.backend_tokenizer.to_str()).encode()
    else:
        shown = repr(part)  # one with an address would be another each time
        yield (type(part).__name__ if f"{id(part):x}" in shown else shown).encode()


def _tensor(tensor: object) -> Iterator[bytes]:
    if not isinstance(tensor, Tensor):  # a module's extra state
        yield repr(tensor).encode()
        return
    yield f"{tensor.dtype} {tuple(tensor.shape)}".encode()
    dense = tensor.detach().cpu().to_dense() if tensor.is_sparse else tensor.detach().cpu()
    yield dense.contiguous().flatten().view(torch.uint8).numpy().tobytes() if dense.numel() else b""


def _sources(name: str, returned: object) -> set[Path]:
    """The user's files that the function and the model's classes are written in."""
    modules = {name.partition(":")[0]}
    for part in returned if isinstance(returned, tuple) else (returned,):
        if isinstance(part, nn.Module):
            modules |= {type(module).__module__ for module in part.modules()}
    files = set()
    for each in modules:
        loaded = sys.modules.get(each)
        if loaded is None or each.partition(".")[0] in LIBRARIES:
            continue
        try:
            files.add(Path(inspect.getfile(loaded)))
        except TypeError:  # a built-in module
            continue
    return {file for file in files if file.is_file()}
