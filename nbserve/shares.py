"""Shares: what links open, in private files that the kernel and the Jupyter server read.

A share opens one endpoint to whoever has its token, which is stored nowhere: its digest is. The record is written by
the kernel that made it, and once more when it is revoked: nothing else changes it, so that no revocation is ever lost
to somebody who writes at the same time. It belongs to the notebook: when that serves the same name again, from another
kernel, it takes its shares along, and where they lead is a file of its own. So is what a share was used for, which is
written often, and by the kernel alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from .directory import find
from .private import folder, is_part, read, read_all, sweep_unfinished, write

__all__ = [
    "Share",
    "Use",
    "adopt_shares",
    "find_share",
    "new_share",
    "revoke_share",
    "shares",
    "sweep_shares",
    "use_of",
    "write_use",
]

KEPT_S = 30 * 24 * 3600.0
"""So long after its end, a link's owner can still see what it was used for, and its visitor why it does not open."""

_RECORDS, _LEADS, _USES = "shares", "leads", "uses"


@dataclass(frozen=True, slots=True)
class Share:
    """What a link opens: for whom, which methods (none named: all), until when, how often (`10/s`), how many rows.

    Empty, or 0, is no limit; `until`, `created` and `revoked` are seconds of the clock.
    """

    id: str
    digest: str = field(repr=False)
    name: str
    notebook: str
    kernel_id: str
    label: str
    methods: tuple[str, ...]
    until: float
    rate: str
    rows: int
    created: float
    revoked: float = 0.0

    @property
    def path(self) -> Path:
        return _path(self.id)

    def opens_with(self, token: str) -> bool:
        """Whether it is its token; how long that takes tells nothing."""
        return hmac.compare_digest(_digest(token), self.digest)

    def has_expired(self, now: float) -> bool:
        return now >= self.until

    def is_of(self, kernel_id: str, notebook: str) -> bool:
        """Whether that kernel, or that notebook in whichever kernel, has made it."""
        return self.kernel_id == kernel_id or (bool(notebook) and self.notebook == notebook)


@dataclass(frozen=True, slots=True)
class Use:
    """What a share was used for so far; `refused` is what it did not allow."""

    requests: int = 0
    rows: int = 0
    errors: int = 0
    refused: int = 0
    last_used: float = 0.0


@dataclass(frozen=True, slots=True)
class _Lead:
    """Which kernel a share leads to, when that is not the one that made it."""

    kernel_id: str


def new_share(**given: object) -> tuple[Share, str]:
    """A share that is recorded from now on, and its token, which nobody will be told again. Raises OSError."""
    token = secrets.token_urlsafe(24)
    share = Share(id=secrets.token_hex(8), digest=_digest(token), **given)  # type: ignore[arg-type]
    write(share.path, share, lasts=True)
    return share, token


def find_share(share_id: str) -> Share | None:
    if not is_part(share_id):
        return None
    share = read(_path(share_id), Share)
    return _led(share) if share is not None and share.id == share_id else None


def shares() -> Iterator[Share]:
    """All of this user, the newest first."""
    found = [_led(share) for path, share in read_all(folder(_RECORDS), Share) if share.path == path]
    yield from sorted(found, key=lambda share: share.created, reverse=True)


def revoke_share(share: Share) -> Share:
    """It opens nothing from now on. Raises OSError."""
    if share.revoked:
        return share
    revoked = replace(share, revoked=time.time())
    write(revoked.path, revoked, lasts=True)
    return revoked


def adopt_shares(name: str, kernel_id: str, notebook: str) -> list[Share]:
    """The notebook serves the name again, in this kernel: its links lead here; tells which. Raises OSError.

    They stay where they are as long as the kernel that they lead to serves it still.
    """
    adopted = []
    for share in shares():
        if share.name != name or share.kernel_id == kernel_id or not share.is_of(kernel_id, notebook):
            continue
        before = find(share.kernel_id, name)
        if before is None or before.is_stale:
            write(_lead_of(share.id), _Lead(kernel_id), lasts=True)
            adopted.append(replace(share, kernel_id=kernel_id))
    return adopted


def use_of(share_id: str) -> Use:
    return read(folder(_USES) / f"{share_id}.json", Use) or Use()


def write_use(share_id: str, use: Use) -> None:
    """Raises OSError."""
    write(folder(_USES) / f"{share_id}.json", use, lasts=True)


def sweep_shares() -> None:
    """Remove those that have ended long ago, and what nobody writes any more."""
    now = time.time()
    for records in (_RECORDS, _LEADS, _USES):
        sweep_unfinished(folder(records))
    for share in shares():
        if now - (share.revoked or share.until) > KEPT_S:
            for path in (share.path, _lead_of(share.id), folder(_USES) / f"{share.id}.json"):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


def _path(share_id: str) -> Path:
    return folder(_RECORDS) / f"{share_id}.json"


def _lead_of(share_id: str) -> Path:
    return folder(_LEADS) / f"{share_id}.json"


def _led(share: Share) -> Share:
    lead = read(_lead_of(share.id), _Lead)
    return share if lead is None else replace(share, kernel_id=lead.kernel_id)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
