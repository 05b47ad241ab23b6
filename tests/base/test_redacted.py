import time

import pytest

from edgewright.base.redacted import holds_secret, redacted
from edgewright.errors import BadDataError, InvalidFileError, UnknownNameError

SECRET = "h4nter2"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("ssh://pi:h4nter2@board", "ssh://pi:***@board"),
        ("ssh://pi:h4nter2@board:2222?identity=/k", "ssh://pi:***@board:2222?identity=/k"),
        ("SSH://pi:h4nter2@board", "SSH://pi:***@board"),
        ("ssh://:h4nter2@board", "ssh://:***@board"),
        ("ssh://pi:h4nter2%40x@board", "ssh://pi:***@board"),
        ("ssh://pi:x@h4nter2@board", "ssh://pi:***@board"),
        ("ssh://pi:x/h4nter2@board", "ssh://pi:***@board"),
        ("ssh://pi:12/h4nter2@board", "ssh://pi:***@board"),
        ("ssh://pi:it's'h4nter2@board", "ssh://pi:***@board"),
        ("ssh://pi:12345678h4nter2@[fe80::1]:22", "ssh://pi:***@[fe80::1]:22"),
        ("ssh://pi%3Ah4nter2@board", "ssh://pi%3A***@board"),
        ("ssh://pi%3ah4nter2@board", "ssh://pi%3a***@board"),
        ("ssh:pi:h4nter2@board", "ssh:pi:***@board"),
        ("ssh:/pi:h4nter2@board", "ssh:/pi:***@board"),
        ("pi:h4nter2@board", "pi:***@board"),
        ("ssh://a:h4nter2@b,ssh://c:h4nter2@d", "ssh://a:***@b,ssh://c:***@d"),
        ("ssh://near,ssh://c:h4nter2@d", "ssh://near,ssh://c:***@d"),
        ("adb://h4nter2:h4nter2@x".replace("h4nter2:", "u:"), "adb://u:***@x"),
        ("postgresql+psycopg://u:h4nter2@db/name", "postgresql+psycopg://u:***@db/name"),
        ("postgresql://db/name?user=u&password=h4nter2&sslmode=require",
         "postgresql://db/name?user=u&password=***&sslmode=require"),
        ("postgresql://db/name?pass%77ord=h4nter2", "postgresql://db/name?pass%77ord=***"),
        ("https://hub/x?access_token=h4nter2.", "https://hub/x?access_token=***."),
        ("https://hub/x?X-Amz-Signature=h4nter2&X-Amz-Date=1", "https://hub/x?X-Amz-Signature=***&X-Amz-Date=1"),
        ("(see 'https://hub/x?api_key=h4nter2')", "(see 'https://hub/x?api_key=***')"),
        ("https://a/?next=ssh%3A%2F%2Fpi%3Ah4nter2%40b", "https://a/?next=ssh%3A%2F%2Fpi%3A***%40b"),
        ("https://a/?next=https%3A%2F%2Fb%3Ftoken%3Dh4nter2", "https://a/?next=https%3A%2F%2Fb%3Ftoken%3D***"),
        ("host=db user=u password=h4nter2 dbname=x", "host=db user=u password=*** dbname=x"),
        ("password='h4nter2 and more'", "password=***"),
        ("cannot reach ssh://pi:h4nter2@board: refused; mail bob@lab.org", None),
    ],
)  # fmt: skip
def test_a_secret_is_taken_out_and_the_rest_of_an_address_stays(text: str, clean: str | None) -> None:
    found = redacted(text)
    assert SECRET not in found
    assert clean is None or found == clean
    assert redacted(found) == found
    assert redacted(f"one line\n{text}\nanother") == f"one line\n{found}\nanother"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh://pi@kitchen.local: the connection was lost (Broken pipe); run this again",
        "ssh://kitchen:22 did not answer; ask bob@lab.org",
        "ssh://kitchen:2222?identity=/home/me/key@home",
        "ssh://kitchen?identity=/home/me/key@home",
        "ssh://pi@board:22,ssh://me@far:2222",
        "me@near:22,root@far:2222",
        "ssh://pi%40corp@board",
        "ssh://pi@[fe80::1]:22",
        "adb://127.0.0.1:5555",
        "emulated://raspberry-pi-4",
        "local:",
        "sqlite:////home/me/history.sqlite",
        "https://example.org/page?name=value&sort=1#top",
        'File "/a/b.py", line 12, in <module>: x = y[1:2] @ z',
        "at 12:30:15 bob@lab.org wrote: key = value",
        "models/a:b",
        "line 3, targets.kitchen.address: begins with 'shh'; did you mean ssh?",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("address", ["ssh://pi:pw@h", "ssh://pi:open sesame@h", "ssh://pi:***@h", "ssh://h?password=x"])
def test_an_address_with_a_secret_is_known_for_one(address: str) -> None:
    assert holds_secret(address)


def test_every_error_is_raised_without_secrets_its_list_of_faults_too() -> None:
    error = InvalidFileError("x.toml", [("line 1", "'ssh://pi:h4nter2@b' is no address")])
    for text in (str(error), repr(error), repr(error.faults), str(BadDataError("at http://u:h4nter2@h")),
                 str(UnknownNameError("target", "pi:h4nter2@board", ["kitchen"]))):  # fmt: skip
        assert SECRET not in text
        assert "***" in text


@pytest.mark.parametrize("piece", ["a", "a:", "://", "x://a:", "?a=", "%3A%2F%2F", "password='", ".-%", "@", ")"])
def test_a_long_text_takes_no_long_time(piece: str) -> None:
    begun = time.process_time()
    redacted(piece * (200_000 // len(piece)) + "=:")
    assert time.process_time() - begun < 20
