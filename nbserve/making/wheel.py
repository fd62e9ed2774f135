"""nbserve itself, beside a program of one's own: where what is installed here came from no index."""

from __future__ import annotations

import base64
import zipfile
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from ..version import __version__
from .texts import OWN

__all__ = ["own_wheel"]

PACKAGE = Path(__file__).parents[1]
NAME = OWN.replace("-", "_")
WHEEL = "Wheel-Version: 1.0\nGenerator: nbserve\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def own_wheel(folder: Path) -> Path | None:
    """A wheel of the very code that runs here; None where an index has it: it was installed from there."""
    try:
        distribution = metadata.distribution(OWN)
        is_from_index = distribution.read_text("direct_url.json") is None
        about = distribution.read_text("METADATA") or ""
    except metadata.PackageNotFoundError:
        return None
    if is_from_index:
        return None
    path = folder / f"{NAME}-{__version__}-py3-none-any.whl"
    info = f"{NAME}-{__version__}.dist-info"
    members = {
        f"nbserve/{each.relative_to(PACKAGE).as_posix()}": each.read_bytes()
        for each in sorted(PACKAGE.rglob("*"))
        if each.is_file() and "__pycache__" not in each.parts
    }
    members |= {f"{info}/METADATA": about.encode(), f"{info}/WHEEL": WHEEL.encode()}
    entrances = distribution.read_text("entry_points.txt")
    if entrances is not None:
        members[f"{info}/entry_points.txt"] = entrances.encode()
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in members.items())
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()
