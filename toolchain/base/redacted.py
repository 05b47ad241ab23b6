"""Take the secrets out of addresses and URLs, wherever they stand in a text that is shown, stored or raised.

In:  any text: an address, an error's message, a traceback, a log line.
Out: the same text with each password, token or key replaced by `***`; users, hosts and ports stay.
That a target's address holds no secret at all is `targets`' rule; this is the net under all other ways.
"""

import re
from urllib.parse import unquote, unquote_plus

HIDDEN = "***"
OWN_SCHEMES = ("adb", "emulated", "local", "ssh")

# A password ends at the last @ before white space, or before a comma behind which another address begins: people write
# passwords with @, / and quotes in them as they are. Digits that an address's end or query follows are a port. Every
# part has a longest length, so that no text takes more than linear time.
_NOT_A_PORT = r"(?!\d{1,5}(?:[\s,;?#'\")\]]|$))"
_WITHIN = r"(?:(?!,[A-Za-z][A-Za-z0-9+.-]{0,30}:)\S){1,2000}"
_USERINFO = re.compile(
    rf"((?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{{0,30}}:/{{2,4}}[^\s:/?#@,\[\]]{{0,256}}?)(:|%3A){_NOT_A_PORT}{_WITHIN}@",
    re.IGNORECASE,
)
# The same with no scheme, or with no // behind it: `pi:password@host`.
_BARE = re.compile(
    rf"(?<![\w.%+-])(?<!//)(?!(?:{'|'.join(OWN_SCHEMES)}|mailto):)([\w.%+-]{{1,256}}):(?!//){_NOT_A_PORT}"
    r"[^\s/@]{1,2000}@(?=[\w\[])"
)
# A whole address that was percent-encoded, as one parameter of another.
_ENCODED = re.compile(r"(%3A(?:%2F){2}(?:(?!%3A|%40|%2F)[^\s&]){0,256})%3A(?:(?!%40)[^\s&]){1,2000}%40", re.IGNORECASE)
# A parameter of a URL up to its value; the value's closing punctuation is the text's.
_PARAMETER = re.compile(r"(?:[?&;]|%3F|%26)([^\s=&?;'\"]{1,80}?)(?:=|%3D)", re.IGNORECASE)
_VALUE = re.compile(r"(?:(?!%26)[^\s&;])+")
_CLOSING = "]'\")}>,.:"
# Words of a database's connection string.
_WORD = re.compile(
    r"""(?P<name>\b(?:password|passwd|pwd|passphrase|secret|token|sslpassword))(?P<is>\s?=\s?)"""
    r"""(?P<value>'[^']{1,2000}'|"[^"]{1,2000}"|[^\s&;,]+)""",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|credential|auth|signature|^sig$|^pw$", re.IGNORECASE)


def redacted(text: str) -> str:
    """The text without the secrets of the addresses and URLs in it; a text without any stays as it is."""
    if ":" not in text and "=" not in text and "%3" not in text:
        return text
    text = _USERINFO.sub(rf"\1\2{HIDDEN}@", text)
    text = _BARE.sub(rf"\1:{HIDDEN}@", text)
    text = _ENCODED.sub(rf"\1%3A{HIDDEN}%40", text)
    text = _without_values(text)
    return _WORD.sub(rf"\g<name>\g<is>{HIDDEN}", text)


def holds_secret(address: str) -> bool:
    """Whether an address, taken as a whole, holds a password or another secret."""
    joined = "".join(address.split())  # a password may have spaces in it
    return redacted(joined) != joined or HIDDEN in joined


def _without_values(text: str) -> str:
    """The text without the values of those parameters whose names say that they are secret."""
    pieces, end = [], 0
    for match in _PARAMETER.finditer(text):
        if match.start() < end or not _SECRET_NAME.search(unquote(unquote_plus(match[1]))):
            continue
        if value := _VALUE.match(text, match.end()):
            pieces += [text[end : match.end()], HIDDEN]
            end = match.end() + max(1, len(value[0].rstrip(_CLOSING)))
    return "".join(pieces) + text[end:]
