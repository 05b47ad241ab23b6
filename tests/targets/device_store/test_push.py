import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from edgewright.errors import DeviceFullError, InputError, TransferError, UnreachableError
from edgewright.targets import open_target
from edgewright.targets.base import Completed
from edgewright.targets.device_store.push import push_files
from edgewright.targets.transports.fake import FakeTarget
from tests.targets.servers import Server


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    folder = tmp_path / "bundle"
    folder.mkdir()
    made = {}
    for name, content in {
        "model.pte": os.urandom(300_000),
        "runner": b"#!/bin/sh\necho ran\n",
        "data/with space/ü.txt": b"",
        **{f"many/{i}": str(i).encode() for i in range(200)},
    }.items():
        made[name] = folder / name.replace("/", "-")
        made[name].write_bytes(content)
    made["runner"].chmod(0o755)
    return made


def below(place: PurePosixPath | Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in Path(place).rglob("*") if path.is_file()}


def test_files_arrive_whole_over_ssh_under_a_name_of_their_content(server: Server, files: dict[str, Path]) -> None:
    with closing(open_target(server.address)) as target:
        place = push_files(target, files, kind="bundles")
        assert target.run([str(place / "runner")], timeout_s=20).stdout == "ran\n"
    assert place.parent == PurePosixPath(server.remote_home) / ".edgewright" / "bundles"
    assert below(place) == {name: path.read_bytes() for name, path in files.items()}
    assert [path.name for path in Path(place.parent).iterdir()] == [place.name]


def test_a_second_push_costs_one_command_and_sends_nothing(tmp_path: Path, files: dict[str, Path]) -> None:
    target = FakeTarget(tmp_path)
    first = push_files(target, files, kind="bundles")
    target.commands.clear()
    target.puts.clear()
    assert push_files(target, files, kind="bundles") == first
    assert (len(target.commands), target.puts) == (1, [])


def test_other_content_or_another_executable_bit_gets_another_place(tmp_path: Path, files: dict[str, Path]) -> None:
    target = FakeTarget(tmp_path)
    places = {push_files(target, files, kind="bundles")}
    files["runner"].chmod(0o644)
    places.add(push_files(target, files, kind="bundles"))
    files["model.pte"].write_bytes(b"other")
    places.add(push_files(target, files, kind="bundles"))
    places.add(push_files(target, files, kind="runtimes"))
    assert len(places) == 4


def test_what_was_damaged_on_the_device_is_sent_again(tmp_path: Path, files: dict[str, Path]) -> None:
    target = FakeTarget(tmp_path)
    place = push_files(target, files, kind="bundles")
    harmed = Path(place / "model.pte")
    harmed.write_bytes(b"x" + harmed.read_bytes()[1:])
    assert push_files(target, files, kind="bundles") == place
    assert below(place) == {name: path.read_bytes() for name, path in files.items()}
    assert [path.name for path in Path(place.parent).iterdir()] == [place.name]


@pytest.mark.parametrize("part_bytes", [8 << 20, 100_000], ids=["in one part", "in several"])
def test_one_flipped_bit_on_the_way_is_noticed_and_leaves_nothing(
    tmp_path: Path, files: dict[str, Path], part_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgewright.targets.device_store.push.PART_BYTES", part_bytes)

    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    target = FakeTarget(tmp_path, on_put=flip)
    with pytest.raises(TransferError, match="differ from what was sent"):
        push_files(target, {"model.pte": files["model.pte"]}, kind="bundles")
    assert below(target.home) == {}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TransferError("cut off")], ids=["ctrl-c", "cut off"])
def test_an_interrupted_push_leaves_nothing(tmp_path: Path, files: dict[str, Path], error: BaseException) -> None:
    def interrupt(path: Path) -> None:
        raise error

    target = FakeTarget(tmp_path, on_put=interrupt)
    with pytest.raises(type(error)):
        push_files(target, files, kind="bundles")
    assert below(target.home) == {}


def test_half_an_archive_is_noticed_and_leaves_nothing(tmp_path: Path, files: dict[str, Path]) -> None:
    target = FakeTarget(tmp_path, on_put=lambda path: os.truncate(path, path.stat().st_size // 2))
    with pytest.raises(TransferError, match="could not be unpacked"):
        push_files(target, files, kind="bundles")
    assert below(target.home) == {}


def test_what_a_killed_push_left_is_swept_a_day_later(tmp_path: Path, files: dict[str, Path]) -> None:
    target = FakeTarget(tmp_path)
    folder = Path(target.home / "bundles")
    (folder / ".incoming-old").mkdir(parents=True)
    (folder / "..incoming-old.tar.1234.part").write_text("half")
    for left in folder.iterdir():
        subprocess.run(["touch", "-d", "2 days ago", str(left)], check=True)
    (folder / ".incoming-new").mkdir()
    place = push_files(target, files, kind="bundles")
    assert {path.name for path in folder.iterdir()} == {place.name, ".incoming-new"}


def test_what_a_killed_command_on_the_device_left_goes_at_the_next_push(tmp_path: Path, files: dict[str, Path]) -> None:
    target = FakeTarget(tmp_path)
    place = Path(push_files(target, files, kind="bundles"))
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = "".join(filter(str.isdigit, str(Path("/proc/self/ns/pid").readlink())))
    alive = f".incoming-a,{boot},{namespace},{os.getpid()}"
    for name in (alive, f".incoming-b,{boot},{namespace},999999999", f".incoming-c,before,{namespace},{os.getpid()}"):
        (place.parent / name / "set").mkdir(parents=True)
    others = f".incoming-parts-4567-0123,{boot}"  # of a push that may go on
    for name in (f".incoming-parts-{place.name}-0123,{boot}", ".incoming-parts-4567-0123,before", others):
        (place.parent / name).mkdir()
    push_files(target, files, kind="bundles")
    assert {path.name for path in place.parent.iterdir()} == {place.name, alive, others}


def test_a_device_without_room_is_reported_before_anything_is_sent(tmp_path: Path, files: dict[str, Path]) -> None:
    def no_room(argv: object, stdin: str) -> Completed:
        df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/root 29000000 28999000 100 100% /\n"
        return Completed(argv=(), status=2, stdout=df, stderr="")

    target = FakeTarget(tmp_path, answers={"sh -c": no_room})
    with pytest.raises(DeviceFullError, match=r"needs 3\.\d MB and has 0\.1 MB free"):
        push_files(target, files, kind="bundles")
    assert target.puts == []


def test_a_device_that_is_really_full_is_reported_and_nothing_stays(
    server_with_a_small_disk: tuple[Server, Path], tmp_path: Path
) -> None:
    server, disk = server_with_a_small_disk
    (tmp_path / "large").write_bytes(os.urandom(1_500_000))
    with closing(open_target(server.address)) as target:
        with pytest.raises(DeviceFullError, match="free"):
            push_files(target, {"large": tmp_path / "large"}, kind="bundles")
        assert target.run(["find", str(disk), "-type", "f"], timeout_s=20).stdout == ""


@pytest.mark.parametrize("part_bytes", [8 << 20, 20_000], ids=["one part", "many parts"])
def test_two_pushes_at_once_do_not_harm_each_other(
    server: Server, files: dict[str, Path], part_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgewright.targets.device_store.push.PART_BYTES", part_bytes)
    places: list[PurePosixPath] = []

    def push() -> None:
        with closing(open_target(server.address)) as target:
            places.append(push_files(target, files, kind="bundles"))

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(places) == 4
    assert len(set(places)) == 1
    assert below(places[0]) == {name: path.read_bytes() for name, path in files.items()}
    assert [path.name for path in Path(places[0].parent).iterdir()] == [places[0].name]


def test_a_small_server_without_sftp_takes_pushes_too(
    start_server: Callable[..., Server], files: dict[str, Path]
) -> None:
    server = start_server(sftp=False)
    server.trust()
    with closing(open_target(server.address)) as target:
        place = push_files(target, files, kind="bundles")
    assert below(place) == {name: path.read_bytes() for name, path in files.items()}


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../up", "a/../../up", "a//b", "./a", "a/", "new\nline", "back\\slash", ".hidden"]
)
def test_a_name_that_could_leave_its_place_is_refused(tmp_path: Path, files: dict[str, Path], name: str) -> None:
    target = FakeTarget(tmp_path)
    with pytest.raises(InputError, match="cannot be a pushed file's name"):
        push_files(target, {name: files["runner"]}, kind="bundles")
    assert target.commands == []


def test_no_files_a_missing_file_and_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    target = FakeTarget(tmp_path)
    with pytest.raises(InputError, match="no files"):
        push_files(target, {}, kind="bundles")
    with pytest.raises(InputError, match="cannot be read"):
        push_files(target, {"a": tmp_path / "missing"}, kind="bundles")
    with pytest.raises(InputError, match="kind"):
        push_files(target, {"a": Path(__file__)}, kind="../etc")


def test_only_what_no_set_on_the_device_has_travels(tmp_path: Path, files: dict[str, Path]) -> None:
    target = FakeTarget(tmp_path)
    first = push_files(target, files, kind="bundles")
    files["many/7"].write_bytes(b"new")
    files["another/model.pte"] = files.pop("model.pte")  # the same content under another name
    sent: list[int] = []
    target = FakeTarget(tmp_path, on_put=lambda path: sent.append(path.stat().st_size))
    second = push_files(target, files, kind="bundles")
    assert below(second) == {name: path.read_bytes() for name, path in files.items()}
    assert sent == [2048]  # tar's four blocks, around three bytes
    assert Path(second / "another/model.pte").samefile(Path(first / "model.pte"))
    files.pop("many/7")
    push_files(target, files, kind="runtimes")
    assert len(sent) == 1
    assert os.access(second / "runner", os.X_OK)


def test_a_damaged_file_of_another_set_is_not_taken_over(tmp_path: Path, files: dict[str, Path]) -> None:
    first = push_files(FakeTarget(tmp_path), files, kind="bundles")
    harmed = Path(first / "model.pte")
    harmed.write_bytes(b"x" + harmed.read_bytes()[1:])
    files["many/7"].write_bytes(b"new")
    second = push_files(FakeTarget(tmp_path), files, kind="bundles")
    assert below(second) == {name: path.read_bytes() for name, path in files.items()}


@pytest.mark.parametrize("restarted", [False, True], ids=["the same start", "restarted since"])
def test_a_push_cut_in_half_goes_on_where_it_was_unless_the_device_went_down_and_arrives_whole(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    monkeypatch.setattr("edgewright.targets.device_store.push.PART_BYTES", 100_000)
    (tmp_path / "large").write_bytes(os.urandom(950_000))
    files = {"large": tmp_path / "large"}
    with closing(open_target(server.address)) as target:
        put, sent = target.put, []

        def cut_off_at_the_fifth(local: Path, remote: PurePosixPath) -> None:
            if len(sent) == 5:
                target.close()
            put(local, remote)
            sent.append(remote.name)

        monkeypatch.setattr(target, "put", cut_off_at_the_fifth)
        with pytest.raises(UnreachableError):
            push_files(target, files, kind="bundles")
    if restarted:  # and what was written last is nothing but zeros
        (parts,) = Path(server.remote_home, ".edgewright", "bundles").glob(".incoming-parts-*")
        for part in parts.iterdir():
            part.write_bytes(bytes(part.stat().st_size))
        parts.rename(parts.with_name(f"{parts.name.partition(',')[0]},before"))
        sent.clear()
    with closing(open_target(server.address)) as target:
        again = target.put
        monkeypatch.setattr(target, "put", lambda local, remote: (again(local, remote), sent.append(remote.name)))
        place = push_files(target, files, kind="bundles")
    content = hashlib.sha256(files["large"].read_bytes()).hexdigest()
    assert sent == [f"{content}--{number:06d}.part" for number in range(10)]
    assert below(place) == {"large": files["large"].read_bytes()}
    assert [path.name for path in Path(place.parent).iterdir()] == [place.name]


def test_a_large_file_keeps_its_mode_and_all_its_names(
    tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgewright.targets.device_store.push.PART_BYTES", 100_000)
    program = tmp_path / "program"
    program.write_bytes(b"#!/bin/sh\necho ran\nexit\n" + os.urandom(250_000))
    program.chmod(0o755)
    files |= {"a program ": program, "more/of it": program, "data/model.pte": files["model.pte"]}
    place = push_files(FakeTarget(tmp_path), files, kind="bundles")
    assert below(place) == {name: path.read_bytes() for name, path in files.items()}
    assert subprocess.run([str(place / "a program ")], capture_output=True, check=True).stdout == b"ran\n"
    assert not os.access(place / "model.pte", os.X_OK)


def test_a_device_without_openssl_checks_by_other_means(
    tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "openssl").write_text("#!/bin/sh\necho no such command >&2\nexit 1\n")
    (tools / "openssl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    target = FakeTarget(tmp_path)
    place = push_files(target, files, kind="bundles")
    target.puts.clear()
    assert push_files(target, files, kind="bundles") == place
    assert target.puts == []
    Path(place / "many/7").write_bytes(b"8")
    push_files(target, files, kind="bundles")
    assert len(target.puts) == 1


def test_what_a_slow_link_would_take_long_over_travels_compressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgewright.targets.device_store.push.PART_BYTES", 100_000)
    files = {"text": tmp_path / "text", "noise": tmp_path / "noise"}
    files["text"].write_bytes(b"".join(str(number).encode() for number in range(200_000)))
    files["noise"].write_bytes(os.urandom(500_000))
    target = FakeTarget(tmp_path, on_put=lambda path: time.sleep(0.02))
    place = push_files(target, files, kind="bundles")
    assert below(place) == {name: path.read_bytes() for name, path in files.items()}
    text, noise = (hashlib.sha256(files[name].read_bytes()).hexdigest() for name in ("text", "noise"))
    packed = [path.name for path in target.puts if path.suffix == ".gz"]
    assert len([name for name in packed if name.startswith(text)]) >= 8
    assert not [name for name in packed if name.startswith(noise)]


def test_a_set_nobody_asked_for_in_a_month_goes_and_one_that_is_asked_for_stays(
    tmp_path: Path, files: dict[str, Path]
) -> None:
    target = FakeTarget(tmp_path)
    places = []
    for content in (b"one", b"two", b"three"):
        files["many/7"].write_bytes(content)
        places.append(push_files(target, files, kind="bundles"))
        subprocess.run(["touch", "-d", "40 days ago", str(places[-1])], check=True)
    files["many/7"].write_bytes(b"two")
    push_files(target, files, kind="bundles")
    files["many/7"].write_bytes(b"four")
    places.append(push_files(target, files, kind="bundles"))
    assert [Path(place).exists() for place in places] == [False, True, False, True]
    plans = [path.name for path in Path(target.home / "sums").iterdir()]
    assert sorted(plans) == sorted(f"bundles-{places[kept].name}" for kept in (1, 3))
