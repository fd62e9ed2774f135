"""A picture as a body: PNG or JPEG."""

from __future__ import annotations

from typing import Any, NoReturn

from ....errors import MediaTypeError, NotAcceptable
from ...schema import DataArgument, Signature
from ..blocks import Picture
from ..images import NoImage, read_image
from .medium import Body, body_error

__all__ = ["read", "write"]


def read(body: Body, data: DataArgument) -> Picture:
    """Raises `MediaTypeError` for a model that takes none."""
    if data.image is None:
        raise MediaTypeError("The model takes rows, and no pictures.", "Send its rows as JSON.")
    try:
        return Picture(read_image(body.content, data.image, body.bounds.limit))
    except NoImage as error:
        problem = f"{str(error)[:1].upper()}{str(error)[1:]}."
        raise body_error(problem, error.remedy, error.kind) from None


def write(answer: Any, signature: Signature) -> NoReturn:  # noqa: ARG001
    raise NotAcceptable("No answer is written as a picture.", "Ask for JSON.")
