"""Whom known_hosts files vouch for: keys, authorities that sign keys of hosts, and keys that are revoked.

In:  the name a server is known under, the files' paths.
Out: `Trusted`: the keys and authorities for that name. Whether a server holds one is `ssh_login`'s concern.
"""

import base64
import binascii
import fnmatch
import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import SSHCertificate, SSHCertificateType, load_ssh_public_identity

from edgewright.errors import HostKeyError

CERTIFICATE = "-cert-v01@openssh.com"
AUTHORITY, REVOKED = "@cert-authority", "@revoked"


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """What is known of a server: its keys by their kinds, and the keys of authorities and of revoked ones, as bytes."""

    keys: Mapping[str, frozenset[bytes]]
    authorities: frozenset[bytes]
    revoked: frozenset[bytes]

    def __bool__(self) -> bool:
        return bool(self.keys or self.authorities)


def trusted(name: str, files: Iterable[Path]) -> Trusted:
    """What the files say of a name. Raises `HostKeyError` for one that cannot be read."""
    keys: dict[str, frozenset[bytes]] = {}
    authorities, revoked = set(), set()
    for file in files:
        for marker, kind, blob in _lines(file, name.lower()):
            if marker == REVOKED:
                revoked.add(blob)
            elif marker == AUTHORITY:
                authorities.add(blob)
            else:
                keys[kind] = keys.get(kind, frozenset()) | {blob}  # any of them may answer, as with ssh
    return Trusted(keys=keys, authorities=frozenset(authorities), revoked=frozenset(revoked))


def certificate_fault(key: paramiko.PKey, host: str, known: Trusted) -> str:
    """Why a server's certificate does not vouch for it as this host; nothing where it does."""
    presented = key.public_blob
    if presented is None:
        return "it is no certificate"
    line = str(presented.key_type).encode() + b" " + base64.b64encode(presented.key_blob)
    try:
        certificate = load_ssh_public_identity(line)
        if not isinstance(certificate, SSHCertificate):
            return "it is no certificate"
        certificate.verify_cert_signature()
    except (ValueError, InvalidSignature) as error:
        return f"its signature is wrong ({error or type(error).__name__})"
    authority = base64.b64decode(
        certificate.signature_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        .split()[1]
    )
    if authority in known.revoked:
        return "its authority is marked as revoked"
    if authority not in known.authorities:
        return "it is signed by another authority"
    if certificate.type is not SSHCertificateType.HOST:
        return "it is a user's"
    if certificate.critical_options:
        return "it has conditions that are not understood"
    if not certificate.valid_after <= time.time() < certificate.valid_before:
        return "it is not valid at this time"
    names = [each.decode("utf-8", "replace") for each in certificate.valid_principals]
    if not any(fnmatch.fnmatchcase(host.lower(), _glob(each.lower())) for each in names):
        return f"it is for {', '.join(names) or 'no host by its name'}"
    return ""


def _lines(file: Path, name: str) -> Iterable[tuple[str, str, bytes]]:
    """(marker, kind, key) of each line that speaks of the name."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    except OSError as error:
        raise HostKeyError(f"{file} cannot be read ({error.strerror}); check its permissions") from error
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) < 3 or not _speaks_of(words[0], name):
            continue
        if marker not in ("", AUTHORITY, REVOKED):
            raise HostKeyError(
                f"{file}, line {number}, begins with {marker}, which is not understood; correct that line"
            )
        try:
            yield marker, words[1], base64.b64decode(words[2], validate=True)
        except (binascii.Error, ValueError) as error:
            raise HostKeyError(f"{file}, line {number}, cannot be read ({error}); remove the damaged line") from error


def _speaks_of(hosts: str, name: str) -> bool:
    if hosts.startswith("|1|"):
        return _hashed(hosts, name)
    is_named = False
    for pattern in hosts.lower().split(","):
        if fnmatch.fnmatchcase(name, _glob(pattern.removeprefix("!"))):
            if pattern.startswith("!"):
                return False
            is_named = True
    return is_named


def _hashed(hosts: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(each) for each in hosts.split("|")[2:4])
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


def _glob(pattern: str) -> str:
    """A pattern of OpenSSH, in which only * and ? are special, as one of `fnmatch`."""
    return re.sub(r"\[", "[[]", pattern)
