"""A format of bodies beside JSON, and one body of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any

from ....errors import BodyError, BodyTooLarge, Fault, MediaTypeError
from ...schema import DataArgument, Signature
from ..blocks import Block, Grid, Picture
from ..call import Call
from ..decode import Decoder

__all__ = ["Body", "Bounds", "Medium", "body_error", "too_large"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a body may come to when it is unpacked: as much as a body may have."""

    limit: int

    def check(self, size: int) -> None:
        """Raises `BodyTooLarge`."""
        if size > self.limit:
            raise too_large(self.limit)

    def check_cells(self, rows: int, columns: int) -> None:
        """A value takes 8 bytes at least, whatever it took on its way. Raises `BodyTooLarge`."""
        self.check(rows * columns * 8)


@dataclass(frozen=True, slots=True)
class Medium:
    """One format. The first of its `types` is that of answers; `parameters` go with it.

    `read` gives what a body holds, for the data argument, and raises `BodyError` and `BodyTooLarge` only. `write` makes
    an answer's bytes, and raises `NotAcceptable` for one that the format cannot hold. `needs` names a library that has
    to be installed, with that `extra`. Without `is_answered` it is a format of requests alone. A body of up to
    `quick_bytes` is read in no time.
    """

    title: str
    types: tuple[str, ...]
    read: Callable[[Body, DataArgument], Block | Grid | Picture]
    write: Callable[[Any, Signature], bytes]
    needs: str | None = None
    quick_bytes: int = 0
    parameters: str = ""
    extra: str = "arrow"
    is_answered: bool = True

    @property
    def type(self) -> str:
        return self.types[0]

    @property
    def answered_as(self) -> str:
        """The content type of an answer."""
        return f"{self.type}{self.parameters}"

    @property
    def is_available(self) -> bool:
        return self.needs is None or find_spec(self.needs) is not None

    @property
    def is_at_hand(self) -> bool:
        """Whether its library has been imported, which takes a while."""
        return self.needs is None or self.needs in sys.modules

    @property
    def remedy(self) -> str:
        return (
            f'Install it with pip install "jupyter-nbserve[{self.extra}]", or use JSON: {self.needs} is not installed.'
        )


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body that is no JSON. The other arguments came beside it; `parameters` are of its content type.

    A model may be given a view of it. Libraries leave alone what they are given; the user's code gets bytes of its own.
    """

    medium: Medium
    content: bytes | bytearray
    bounds: Bounds
    parameters: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def read(self, decode: Decoder) -> Call:
        """The call that it asks for. Raises `InputError`."""
        signature = decode.signature
        if signature.data is None:
            raise MediaTypeError(f"{signature.method} takes no rows.", "Send its arguments as JSON.")
        if not self.content:
            raise body_error("The body is empty.", f"Send {self.medium.title}.", "empty")
        body = self if signature.row_wise else replace(self, content=bytearray(self.content))
        return decode.of_sent(self.medium.read(body, signature.data), self.arguments)

    def __len__(self) -> int:
        return len(self.content)

    @property
    def is_quick(self) -> bool:
        """Whether to read it takes no time to speak of."""
        return len(self.content) <= self.medium.quick_bytes and self.medium.is_at_hand


def body_error(problem: str, remedy: str, kind: str) -> BodyError:
    return BodyError(problem, remedy, faults=[Fault((), problem, kind)])


def too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body comes to more than {limit / 1024**2:g} MiB.", "Send fewer rows at a time.")
