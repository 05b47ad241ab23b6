"""Text from data as text: nothing of it steers a terminal, or is Markdown or HTML.

In:  text from anywhere.
Out: text that is fit to be shown. HTML pages escape by their template.
"""

MARKUP = "\\`*_[]<>#|~"


def printable(text: str) -> str:
    """Without control characters, for which XML has no place either."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def one_line(text: str) -> str:
    """Fit for a terminal: one line, without control characters."""
    return " ".join(printable(text).split())


def escaped(text: str) -> str:
    """Fit for a line of Markdown."""
    return "".join(f"\\{sign}" if sign in MARKUP else sign for sign in one_line(text))
