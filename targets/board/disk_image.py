"""Make the disk, kernel and keys that every emulated board boots from: once, and from then on out of the cache.

In:  `board_recipe`, Debian's packages and the host's image-making programs.
Out: `BoardImage`: paths below the cache directory. Nothing is visible there until the image is whole.
Starting a machine from it is `board_process`'s concern.
"""

import logging
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgewright.base.places import cache_dir
from edgewright.errors import BoardError, EnvironmentFaultError
from edgewright.targets.board import packages as board_recipe

log = logging.getLogger(__name__)

TOOLS = {  # program → the Debian package it comes in
    "cpio": "cpio",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "tar": "tar",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR_VARIABLE = "EDGEWRIGHT_DEBIAN_MIRROR"


@dataclass(frozen=True, kw_only=True)
class BoardImage:
    """What a board boots from; the disk is never written to (boards run on a throw-away overlay)."""

    kernel: Path
    first_disk: Path
    disk: Path
    client_key: Path
    host_key: str


def board_image() -> BoardImage:
    """The image made from today's recipe, out of the cache or built now (under a minute, about 100 MB to download).

    Raises `EnvironmentFaultError` when a program is missing and `BoardError` when a step of the building fails.
    """
    from filelock import FileLock

    boards = cache_dir("boards")
    place = boards / board_recipe.recipe_digest()
    if not place.is_dir():
        with FileLock(boards / f"{place.name}.lock"):
            if not place.is_dir():
                _build(place)
    with suppress(OSError):
        os.utime(place)  # used last: what is swept first is what nobody uses
    return BoardImage(
        kernel=place / "vmlinuz",
        first_disk=place / "first-disk.cpio",
        disk=place / "disk.img",
        client_key=place / "client_key",
        host_key=(place / "host_key.pub").read_text().strip(),
    )


def _build(place: Path) -> None:
    _require_tools()
    log.info("making the disk of the emulated boards (this once; about a minute)")
    building = place.with_name(f"{place.name}.building")  # safe as a fixed name: the lock is held
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f"{place.name}.work-") as scratch:
            root = _unpack_debian(Path(scratch))
            _write_files(root, building)
            _write_first_disk(root, Path(scratch) / "first", building / "first-disk.cpio")
            shutil.copyfile(_only(root / "boot", "vmlinuz-*"), building / "vmlinuz")
            _write_disk(root, building / "disk.img")
        os.replace(building, place)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    log.info("the emulated boards' disk is ready")


def _require_tools() -> None:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])  # where mke2fs is for a user
    wanted = TOOLS if os.geteuid() == 0 else {**TOOLS, "newuidmap": "uidmap", "unshare": "util-linux"}
    missing = sorted({package for program, package in wanted.items() if shutil.which(program, path=path) is None})
    missing += [] if KEYRING.is_file() else ["debian-archive-keyring"]
    if missing:
        packages = " ".join(missing)
        remedy = f"run `sudo apt-get install {packages}`, or `make` in Edgewright's repository, which installs them"
        raise EnvironmentFaultError(packages, "make the disk of an emulated board", remedy)


def _unpack_debian(scratch: Path) -> Path:
    archive, root = scratch / "debian.tar", scratch / "root"
    root.mkdir()
    _step(
        [
            "mmdebstrap",
            f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
            "--architectures=arm64",
            "--variant=extract",
            "--skip=check/qemu",
            f"--keyring={KEYRING}",
            f"--include={','.join(board_recipe.BOARD_PACKAGES)}",
            '--aptopt=Acquire::Check-Valid-Until "false"',  # a mirror may be a dated snapshot
            '--aptopt=Acquire::Retries "3"',
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in board_recipe.LEFT_OUT),
            board_recipe.SUITE,
            str(archive),
            *debian_mirror(),
        ],
        "download and unpack Debian's packages",
        f"check that this machine reaches a Debian mirror (set {MIRROR_VARIABLE} to the URL of one that it does)"
        + ("" if os.geteuid() == 0 else " and may make user namespaces (/etc/subuid names you), or run this as root"),
    )
    _step(
        ["tar", "-x", "-f", str(archive), "-C", str(root), "--no-same-owner", "--exclude=./dev/*"],
        "unpack the board's files",
        "make room below the cache directory (2 GB) and run this again",
    )
    archive.unlink()
    return root


def debian_mirror(apt: Path = Path("/etc/apt")) -> tuple[str, ...]:
    """The machine's own Debian mirror as an argument for mmdebstrap; none where it has none (the default)."""
    url = os.environ.get(MIRROR_VARIABLE, "")
    for name in ("sources.list.d/debian.sources", "sources.list"):
        if url or not (apt / name).is_file():
            continue
        text = re.sub(r"(?m)^\s*#.*$", "", (apt / name).read_text())
        entries = re.split(r"\n\s*\n", text) if name.endswith(".sources") else text.splitlines()
        for entry in entries:
            address = re.search(r"https?://\S+", entry)
            if address and re.search(r"\bmain\b", entry) and not re.search(r"security|ubuntu|-backports", address[0]):
                url = address[0]
                break
    if not url:
        return ()
    return (f"deb {url} {board_recipe.SUITE} main",)


def _write_files(root: Path, building: Path) -> None:
    host_private, host_public = _new_key()
    client_private, client_public = _new_key()
    for name, (text, mode) in board_recipe.files_for(host_key=host_private, authorized_key=client_public).items():
        _write(root / name, text, mode)
    _write(building / "client_key", client_private, 0o600)
    _write(building / "host_key.pub", host_public, 0o644)
    init = root / "sbin/init"
    init.unlink(missing_ok=True)
    init.symlink_to("/bin/busybox")
    for folder in ("proc", "sys", "dev", "run", "tmp", "var/tmp"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    for folder in ("root", "root/.ssh"):
        (root / folder).chmod(0o700)


def _write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode & 0o700)  # a key is never readable by others, not even for a moment
    path.write_text(text)
    path.chmod(mode)


def _new_key() -> tuple[str, str]:
    """A private key as OpenSSH stores it, and its public line."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    return private.decode(), public.decode() + "\n"


def _write_first_disk(root: Path, staging: Path, archive: Path) -> None:
    """The initial RAM disk: busybox and the drivers without which the kernel does not see the real disk."""
    for folder in ("bin", "dev", "disk", "modules"):
        (staging / folder).mkdir(parents=True)
    shutil.copy(root / "bin/busybox", staging / "bin/busybox")
    for module in board_recipe.MODULES:
        for path in (root / "lib/modules").rglob(f"{module}.ko"):
            shutil.copy(path, staging / "modules")
    _write(staging / "init", board_recipe.FIRST_INIT, 0o755)
    names = "\n".join(str(path.relative_to(staging)) for path in sorted(staging.rglob("*")))
    _step(
        ["cpio", "--create", "--quiet", "--format=newc", "--owner=0:0", f"--file={archive}", f"--directory={staging}"],
        "pack the board's initial RAM disk",
        "make room below the cache directory and run this again",
        stdin=names,
    )


def _write_disk(root: Path, disk: Path) -> None:
    # A user who is not root owns what he unpacked; inside a namespace of his own he is root, and so the files are too.
    as_root = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
    shape = ["-t", "ext4", "-O", "^has_journal", "-m", "0", "-E", "root_owner=0:0"]
    _step(
        [*as_root, "mke2fs", "-q", "-F", *shape, "-d", str(root), str(disk), f"{board_recipe.DISK_MB}M"],
        "write the board's disk",
        "make room below the cache directory (2 GB) and run this again",
    )


def _only(folder: Path, pattern: str) -> Path:
    matching = sorted(folder.glob(pattern))
    if not matching:
        raise BoardError(f"the board's packages hold no {pattern}; report this with the Debian mirror that was used")
    return matching[-1]


def _step(argv: Sequence[str], purpose: str, remedy: str, stdin: str | None = None) -> None:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    environment["PATH"] = os.pathsep.join([environment.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    done = subprocess.run(argv, input=stdin, stdin=None if stdin else subprocess.DEVNULL, text=True, errors="replace",
                          capture_output=True, env=environment, check=False)  # fmt: skip
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        faults = [line for line in lines if line.startswith("E:")] or lines[-1:] or [f"status {done.returncode}"]
        raise BoardError(f"{argv[0]} could not {purpose} ({faults[0].strip()}); {remedy}")
