"""What a file is, told by what is in it; its name only ever breaks a tie."""

from __future__ import annotations

import lzma
import stat
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import LoadError, nearest
from ..blame import reason_of
from .archive import checked_members
from .loader import Look
from .streams import opened, packing_of

__all__ = ["glance", "likeness", "no_such_file"]

HEAD_BYTES = 64 << 10
ZIP = (b"PK\x03\x04", b"PK\x05\x06")

WEAK_MARKS = frozenset({"zlib", "lzma"})
"""Packed data of these begins with what a text may begin with, too."""

DAMAGED = (EOFError, OSError, RuntimeError, ValueError, lzma.LZMAError, zlib.error)
"""What the unpackers raise."""


def glance(path: Path) -> Look:
    """What a file or folder shows of itself. Raises `LoadError` for one that is missing, closed to us, or damaged."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return _folder(path)
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, a device has no end
            raise LoadError(f"{path.name} is neither a file nor a folder.")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise no_such_file(path) from None
    except OSError as error:
        raise LoadError(f"{path.name} cannot be read: {error.strerror or type(error).__name__}.") from None
    size = status.st_size
    if head.startswith(ZIP):
        return Look(path, size, head, content=head, members=checked_members(path))
    packing, content = _content(path, head)
    return Look(path, size, head, packing, content)


def no_such_file(path: Path) -> LoadError:
    """The sentence for a path where nothing is, with the nearest name that there is."""
    if not path.parent.is_dir():
        return LoadError(f"There is no folder {path.parent.name!r} that would hold {path.name}.", "Check the path.")
    try:
        there = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        there = []
    return LoadError(f"There is no file {path.name!r} in {path.parent.name or '/'}.{nearest(path.name, there)}")


def likeness(look: Look) -> Likeness:
    """What a file that no loader reads looks like."""
    return next(row for row in LIKENESSES if row.is_like(look))


@dataclass(frozen=True, slots=True)
class Likeness:
    """Something that is no model, or none that is read: what to call it, and what to do instead."""

    is_like: Callable[[Look], bool]
    what: str
    remedy: str = ""


def _begins(*magics: bytes) -> Callable[[Look], bool]:
    return lambda look: look.content.startswith(magics)


def _is_text(look: Look) -> bool:
    text = look.content.removesuffix(b"\xef\xbf\xbd")
    try:
        text[:-4].decode()  # the last character may have been cut
    except UnicodeDecodeError:
        return False
    return b"\0" not in text


LIKENESSES = (
    Likeness(lambda look: look.is_folder, "a folder without a model that is known"),
    Likeness(lambda look: look.size_bytes == 0, "an empty file", "Save the model again."),
    Likeness(
        lambda look: look.path.suffix == ".flm",
        "no file of Flama's, or one from before 1.12, which newer ones do not read either",
        "Save it with flama.dump of today.",
    ),
    Likeness(
        _begins(b"version https://git-lfs"), "a pointer of Git LFS, and not the file that it points to", "git lfs pull"
    ),
    Likeness(
        lambda look: look.content.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")),
        "a web page: a download that went to a login page or an error, perhaps",
        "Download it again.",
    ),
    Likeness(
        lambda look: bool(look.members) and all(name.endswith(".npy") for name in look.members), "arrays of numpy's"
    ),
    Likeness(
        lambda look: (
            look.content.lstrip()[:1] == b"{" and b'"tree_info"' in look.content and b'"version":' in look.content
        ),
        "a dump of LightGBM's, which LightGBM itself does not read back",
        "Save the model: booster.save_model('model.txt').",
    ),
    Likeness(
        _begins(b"booster[0]:", b'[\n  { "nodeid"'),
        "a dump of XGBoost's, which XGBoost itself does not read back",
        "Save the model: booster.save_model('model.ubj').",
    ),
    Likeness(
        _begins(b"binf"),
        "a model of XGBoost's in the binary form that it has given up",
        "Load it with XGBoost 2 and save it as model.ubj.",
    ),
    Likeness(_begins(b"\x93NUMPY"), "an array of numpy's"),
    Likeness(_begins(b"PAR1"), "a table (Parquet)"),
    Likeness(_begins(b"SQLite format 3\0"), "a database (SQLite)"),
    Likeness(_begins(b"ZF"), "a file of joblib before 0.10", "Load it there and save it again."),
    Likeness(_begins(b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"%PDF"), "a picture or a document"),
    Likeness(lambda look: look.head.startswith(ZIP), "a zip archive of something else"),
    Likeness(lambda look: look.content[257:262] == b"ustar", "a tar archive", "Unpack it and serve what is in it."),
    Likeness(lambda look: look.content.lstrip()[:1] in {b"{", b"["} and _is_text(look), "JSON"),
    Likeness(_is_text, "text"),
    Likeness(lambda look: look.packing is not None, "packed data of a format that is not known"),
    Likeness(lambda _: True, "of a format that is not known"),
)


def _folder(path: Path) -> Look:
    entries = list(path.rglob("*"))
    astray = next((entry for entry in entries if entry.is_symlink() and not _stays(path, entry)), None)
    if astray is not None:
        raise LoadError(f"{path.name} holds the link {astray.name!r}, which leads out of it.", "Do not use it.")
    files = [entry for entry in entries if entry.is_file()]
    names = tuple(sorted(entry.name for entry in path.iterdir()))
    return Look(path, sum(file.stat().st_size for file in files), members=names, is_folder=True)


def _stays(folder: Path, link: Path) -> bool:
    """Whether it leads to what is in the folder, or, as in the cache of the Hugging Face Hub, to what that shares."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # to nowhere, or in a circle
        return False
    homes = [folder.resolve()]
    if folder.parent.name == "snapshots":
        homes.append(folder.resolve().parent.parent / "blobs")
    return any(target.is_relative_to(home) for home in homes)


def _content(path: Path, head: bytes) -> tuple[str | None, bytes]:
    """How the file is packed, and the beginning of what is in it: as far as it comes, when it is damaged."""
    packing = packing_of(head)
    if packing is None:
        return None, head
    content = bytearray()
    try:
        with opened(path, packing) as file:
            while len(content) < HEAD_BYTES and (part := file.read1(HEAD_BYTES)):
                content += part
    except DAMAGED as error:
        if not content and packing in WEAK_MARKS:
            return None, head
        if not content:
            raise LoadError(
                f"{path.name} is packed with {packing}, and is damaged or cut short ({reason_of(error)}).",
                "Save or copy it again.",
            ) from None
    if not content and packing not in WEAK_MARKS:  # not every unpacker minds an end that comes too early
        raise LoadError(f"{path.name} is packed with {packing}, and is empty or cut short.", "Save or copy it again.")
    return packing, bytes(content)
