"""An artifact goes to a target with its own hash, and a runner that fails says where it is too old."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.bundles import delivery
from edgewright.bundles.delivery import blamed_on_age, deploy_from
from edgewright.errors import RunnerError, UnreachableError


def artifact(version: str = "1.5.1") -> Any:
    return SimpleNamespace(
        runtime="litert", runtime_version=version, file="model.tflite", signature=SimpleNamespace(operators=("own",))
    )


def there(version: str) -> Any:
    return SimpleNamespace(runtime=SimpleNamespace(runtime=SimpleNamespace(version=version)))


@pytest.mark.parametrize(("file", "sha256"), [(None, "a" * 64), ("float.tflite", "b" * 64)])
def test_the_file_that_is_asked_for_goes_with_its_own_hash(
    monkeypatch: pytest.MonkeyPatch, file: str | None, sha256: str
) -> None:
    pushed: list[Any] = []
    monkeypatch.setattr(delivery, "deploy", lambda *given, **how: pushed.append((given, how)))
    files = {"model.tflite": "a" * 64, "float.tflite": "b" * 64}
    bundle: Any = SimpleNamespace(
        file=lambda name: Path("bundle", name), manifest=SimpleNamespace(files=files, artifacts=())
    )
    target: Any = object()
    deploy_from(bundle, artifact(), target, file=file)
    (((given_target, path, *_), how),) = pushed
    assert given_target is target
    assert path == Path("bundle", file or "model.tflite")
    assert (how["runtime"], how["sha256"], how["operators"]) == ("litert", sha256, ("own",))


@pytest.mark.parametrize(("made", "runs"), [("1.5.1", "1.5.0"), ("1.10.0", "1.9.9"), ("2.0", "2.0rc1")])
def test_an_artifact_that_is_newer_than_the_runtime_there_is_told_with_both_versions(made: str, runs: str) -> None:
    with pytest.raises(RunnerError) as caught, blamed_on_age(artifact(made), there(runs)):
        raise RunnerError("unknown operator")
    assert str(caught.value).startswith(f"unknown operator; it was made with litert {made}, and what runs it there is ")
    assert f"{runs}: update Edgewright" in str(caught.value)
    assert str(caught.value.__cause__) == "unknown operator"


@pytest.mark.parametrize(("made", "runs"), [("1.5.1", "1.5.1"), ("1.9.9", "1.10.0"), ("new", "1.0"), ("1.0", "")])
def test_where_age_is_no_reason_the_error_stays_as_it_is(made: str, runs: str) -> None:
    with pytest.raises(RunnerError, match=r"^unknown operator$"), blamed_on_age(artifact(made), there(runs)):
        raise RunnerError("unknown operator")


def test_what_is_no_fault_of_the_runner_is_not_blamed_on_age() -> None:
    with pytest.raises(UnreachableError, match=r"^gone$"), blamed_on_age(artifact("9"), there("1")):
        raise UnreachableError("gone")
    with blamed_on_age(artifact("9"), there("1")):
        pass
