"""An address as it is used, and as it may be shown: never with what opens it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from ...errors import LoadError

__all__ = ["Address", "is_address"]

LONGEST_ADDRESS = 8192
LONGEST_NAME = 128

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?:/|:[a-z])")
"""`s3://bucket/key`, `models:/name/1`, `zip::s3://…`; a drive has one letter."""

_USER = re.compile(r"(?<=://)(?:[^/?#]*@|[^/?#:\[]+:(?!\d+/)[^?#]*@)")
"""Also a password with slashes in it, as the secrets of S3 have them."""

_QUERY = re.compile(r"[?#].*", re.DOTALL)
_ANY_USER = re.compile(r"(?<=://)[^\s/]*@")
_ANY_QUERY = re.compile(r"(?<=[\w/])\?[^\s'\"<>]*=[^\s'\"<>]*")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]+")


def is_address(text: str) -> bool:
    """Whether it names a place by its scheme, and is no path."""
    return _ADDRESS.match(text) is not None


@dataclass(frozen=True, slots=True)
class Address:
    """Where an artifact is. `text` is the whole of it, and goes to its storage alone; `shown` is for everybody.

    `name` is what it is called: the last part of its path, of a registered model its name.
    """

    text: str = field(repr=False)
    scheme: str
    shown: str
    name: str

    @classmethod
    def read(cls, text: str) -> Address:
        """Raises `LoadError` for what no storage could mean."""
        found = _ADDRESS.match(text)
        if found is None or len(text) > LONGEST_ADDRESS or any(each.isspace() or each < " " for each in text):
            raise LoadError(
                "That is no address: it has spaces or control characters, or is longer than "
                f"{LONGEST_ADDRESS} characters.",
                "Write it as https://host/path, s3://bucket/key or models:/name/version.",
            )
        shown = _QUERY.sub("", _USER.sub("", text))
        try:
            urlsplit(text)
        except ValueError:  # of its host: what is before it may open it, and is not repeated
            raise LoadError("That is no address: its host cannot be read.", "Write it as https://host/path.") from None
        return cls(text, found[1].lower(), shown, _name(found[1].lower(), shown))

    @property
    def key(self) -> str:
        """What the cache knows it by: nothing can be read from it."""
        return sha256(self.text.encode()).hexdigest()[:40]

    def scrubbed(self, words: str) -> str:
        """What somebody else has said of the address, without what opens it."""
        words = words.replace(self.text, self.shown)
        for secret in self._secrets():
            words = words.replace(secret, "…")
        return _ANY_QUERY.sub("?…", _ANY_USER.sub("", words))

    def _secrets(self) -> list[str]:
        """The parts that open it, as they are written and as they are meant; the longest first."""
        users = [user.removesuffix("@") for user in _USER.findall(self.text)]
        parts = [part for user in users for part in (user, *user.split(":", 1))]
        query = _QUERY.search(self.text)
        if query is not None:
            pairs = re.split(r"[?&#;]", query[0])
            parts += [query[0], *(pair.partition("=")[2] for pair in pairs)]
        written = {part for part in parts if len(part) > 3}
        return sorted(written | {unquote(part) for part in written}, key=len, reverse=True)


def _name(scheme: str, shown: str) -> str:
    parts = [unquote(part) for part in re.split(r"[/:]*/", shown)[1:] if part]
    if scheme == "models" and parts:
        return _clean(parts[0].partition("@")[0])
    return _clean(parts[-1] if parts else "")


def _clean(name: str) -> str:
    """A name that a file can have on any machine."""
    return _UNSAFE.sub("-", name).strip(" .-")[-LONGEST_NAME:] or "model"
