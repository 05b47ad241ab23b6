"""Android's own daemon on this machine, for tests: built from Debian's sources of Android's platform tools.

Debian has those sources and packages only what runs beside a device, `adb` itself among it. The daemon's sources know
Linux without Android; what they want of Android is a permission table and a property, which `HOST` stands in for.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from edgewright.targets.board.disk_image import debian_mirror
from tests.targets.servers import free_port, wait_for_port

SUITE, PACKAGE = "bookworm", "android-platform-tools"
DEFAULT_MIRROR = (f"deb http://deb.debian.org/debian {SUITE} main",)
CACHE = user_cache_path("edgewright-tests", appauthor=False)  # found before a test has a home of its own

ADB = """adb adb_io adb_listeners adb_trace adb_unique_fd adb_utils fdevent/fdevent fdevent/fdevent_poll
    fdevent/fdevent_epoll services sockets socket_spec sysdeps/errno transport transport_fd transport_local
    transport_usb types sysdeps_unix sysdeps/posix/network daemon/auth daemon/jdwp_service daemon/usb_dummy
    daemon/file_sync_service daemon/services daemon/shell_service shell_service_protocol daemon/main
    adbconnection/adbconnection_server"""
OTHERS = (
    "diagnose_usb/diagnose_usb.cpp",
    "libasyncio/AsyncIO.cpp",
    "base/properties.cpp",
    "base/parsenetaddress.cpp",
    "libcrypto_utils/android_pubkey.c",
    "../../frameworks/native/libs/adbd_auth/adbd_auth.cpp",
)
FOLDERS = (
    "adb",
    "adb/daemon/include",
    "adb/adbconnection/include",
    "base/include",
    "diagnose_usb/include",
    "include",
    "libcrypto_utils/include",
    "libcutils/include",
    "liblog/include",
    "libasyncio/include",
    "../../frameworks/native/libs/adbd_auth/include",
    "/usr/include/android",
)
FLAGS = ("-O1", "-fPIC", "-w", "-D_GNU_SOURCE", "-DADB_HOST=0", "-DALLOW_ADBD_NO_AUTH=1", "-DALLOW_ADBD_ROOT=1",
         '-DPLATFORM_TOOLS_VERSION="29.0.6"', '-DADB_VERSION="29.0.6"')  # fmt: skip
LIBRARIES = ("-lcutils", "-lbase", "-llog", "-lcrypto", "-lresolv", "-lutil", "-lcap", "-lpthread")
HEADER = """#pragma once
#include <stdint.h>
#ifdef __cplusplus
#include <atomic>
#include <optional>
extern "C" void fs_config(const char*, int, const char*, unsigned*, unsigned*, unsigned*, uint64_t*);
#endif
"""
HOST = """#include <stdlib.h>
#include <android-base/properties.h>
extern "C" void fs_config(const char*, int, const char*, unsigned*, unsigned*, unsigned*, uint64_t*) {}
static bool secure = [] {
    const char* wanted = getenv("ADBD_SECURE");
    return wanted != nullptr && android::base::SetProperty("ro.adb.secure", wanted);
}();
"""


@dataclass(frozen=True, kw_only=True)
class Device:
    """A daemon that listens on the loopback interface; everything that it runs is a child of its process."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"adb://{self.serial}"


@contextmanager
def started_device(**environment: str) -> Iterator[Device]:
    """A device, until the context ends; with ADBD_SECURE=1 one that trusts nobody."""
    chosen = {"ADBD_PORT": str(free_port()), **environment}
    with subprocess.Popen(
        [adbd_program()],
        env={**os.environ, **chosen},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            wait_for_port(int(chosen["ADBD_PORT"]), process, Path(os.devnull))
            yield Device(port=int(chosen["ADBD_PORT"]), process=process)
        finally:
            process.kill()


@contextmanager
def adb_server(home: Path) -> Iterator[Mapping[str, str]]:
    """The environment of an adb whose server, keys and devices are this test's alone."""
    adb = shutil.which("adb") or "adb"
    environment = {"ANDROID_ADB_SERVER_PORT": str(free_port()), "HOME": str(home), "ADB_MDNS": "0"}
    try:
        yield environment
    finally:
        subprocess.run([adb, "kill-server"], env={**os.environ, **environment}, capture_output=True, check=False)


def adbd_program() -> Path:
    """The daemon, built on first use: a minute on two cores."""
    text = "".join((ADB, *OTHERS, *FOLDERS, *FLAGS, HEADER, HOST))
    program = CACHE / f"adbd-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "adbd.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            with tempfile.TemporaryDirectory() as folder:
                os.replace(_built(Path(folder)), program)
    return program


def _built(folder: Path) -> Path:
    core = _sources(folder) / "system" / "core"
    annotations = core / "base/include/android-base/thread_annotations.h"
    annotations.write_text(annotations.read_text().replace("__attribute__((x))", ""))  # clang's alone
    (folder / "host.h").write_text(HEADER)
    (folder / "host.cpp").write_text(HOST)
    sources = [*(core / f"adb/{name}.cpp" for name in ADB.split()), *(core / name for name in OTHERS)]
    with ThreadPoolExecutor(os.cpu_count()) as jobs:
        numbered = enumerate([*sources, folder / "host.cpp"])
        objects = list(jobs.map(lambda each: _compiled(core, each[1], folder / f"{each[0]}.o"), numbered))
    machine = _said("gcc", "-print-multiarch").strip()
    libraries = f"/usr/lib/{machine}/android"
    program = folder / "adbd"
    _said("g++", "-o", str(program), *map(str, objects), f"-L{libraries}", f"-Wl,-rpath={libraries}", *LIBRARIES)
    return program


def _sources(folder: Path) -> Path:
    (folder / "lists" / "partial").mkdir(parents=True)
    (line,) = debian_mirror() or DEFAULT_MIRROR
    signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    (folder / "sources.list").write_text(line.replace("deb ", f"deb-src {signed} ", 1) + "\n")
    options = {"Dir::Etc::SourceList": "sources.list", "Dir::Etc::SourceParts": "none", "Dir::State::Lists": "lists"}
    words = [f"-o{name}={folder / value}" for name, value in options.items()]
    _said("apt-get", *words, "-q", "update", cwd=folder)
    _said("apt-get", *words, "-q", "source", PACKAGE, cwd=folder)
    (found,) = (path for path in folder.glob(f"{PACKAGE}-*") if path.is_dir())
    return found


def _compiled(core: Path, source: Path, into: Path) -> Path:
    language = ["gcc"] if source.suffix == ".c" else ["g++", "-std=gnu++2a", "-fno-exceptions", "-fpermissive"]
    folders = [f"-I{core / name}" for name in FOLDERS]
    include = ["-include", str(into.parent / "host.h")]
    _said(*language, *FLAGS, *include, *folders, "-c", "-o", str(into), str(source))
    return into


def _said(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-4000:]}"
    return done.stdout
