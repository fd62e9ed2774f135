"""Pictures that are sent as they are, PNG or JPEG, in base64 or as the body itself → arrays, or Pillow's own.

Nothing is done to a picture silently: it is neither resized nor are its colours changed, and its pixels keep their
numbers, 0 to 255. What it claims to be is judged by its head, before it is unpacked.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from ..schema import DataArgument, Image
from .blocks import Picture
from .faults import Faults, Loc
from .rows import called, thawed

__all__ = ["INSTALL", "Images", "ImagesIntake", "NoImage", "read_image"]

LARGEST_BYTES = 64 * 1024**2
"""What one picture may be unpacked to."""

INSTALL = 'pip install "jupyter-nbserve[images]"'

_BANDS = {"L": 1, "RGB": 3, "RGBA": 4}
_COLOURS = {1: "in shades of grey", 3: "in colour (RGB)", 4: "in colour with transparency (RGBA)"}

Decode = Callable[[Any, Loc, Faults], Any]


class NoImage(Exception):
    """What was sent is none, or not one as is wanted: a problem, a kind of fault, and what is."""

    def __init__(self, problem: str, kind: str, wanted: Image) -> None:
        super().__init__(problem)
        self.kind = kind
        self.remedy = f"Send {_wanted(wanted)}."


class Images:
    """Decodes pictures; of a model that takes them as arrays, `rest` decodes their numbers, too."""

    def __init__(self, data: DataArgument, rest: Decode) -> None:
        assert data.image is not None
        self._image = data.image
        self._dtype = data.dtype
        self.rest = rest

    def __call__(self, value: Any, loc: Loc, faults: Faults) -> Any:
        texts = [value] if isinstance(value, str) else thawed(value)
        if not isinstance(texts, list) or not texts or not all(isinstance(each, str) for each in texts):
            return self.rest(value, loc, faults) if self._image.is_array else self._refused(value, loc, faults)
        pictures = []
        for place, text in enumerate(texts):
            try:
                pictures.append(read_image(_bytes_of(text, self._image), self._image))
            except NoImage as error:
                where = loc if isinstance(value, str) else (*loc, place)
                faults.add(where, f"{called(where)}: {error}.", error.kind, error.remedy)
        return None if len(faults) else self.given(pictures, loc, faults)

    def given(self, pictures: list[Any], loc: Loc, faults: Faults) -> Any:
        """What the model is given for pictures that are as it wants them."""
        if not self._image.is_array:
            if self._image.is_many:
                return pictures
            if len(pictures) > 1:
                faults.add(loc, f"{called(loc)} holds {len(pictures)} pictures.", "one_expected", "Send one.")
            return pictures[0]
        sizes = {(each.size, each.mode) for each in pictures}
        if len(sizes) > 1:
            faults.add(loc, f"{called(loc)} holds pictures of different sizes.", "ragged", "Send one size at a time.")
            return None
        return self.rest(self._array(pictures), loc, faults)

    def _array(self, pictures: list[Any]) -> Any:
        import numpy as np

        array = np.stack([np.asarray(each).reshape(each.height, each.width, -1) for each in pictures])
        if self._image.channels_first:
            array = array.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(array, dtype=self._dtype)

    def _refused(self, value: Any, loc: Loc, faults: Faults) -> Any:
        what = "is empty" if value in ([], "") else "holds no picture"
        faults.add(loc, f"{called(loc)} {what}.", "image_expected", f"Send {_wanted(self._image)}, in base64.")


def read_image(content: bytes | bytearray, wanted: Image, limit: int = LARGEST_BYTES) -> Any:
    """The picture, unpacked. Raises `NoImage`."""
    if find_spec("PIL") is None:
        raise NoImage(f"pictures are not read here without Pillow: {INSTALL}", "images", wanted)
    import PIL.Image

    try:
        picture = PIL.Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise NoImage("the picture is too large", "image_size", wanted) from None
    except Exception:  # noqa: BLE001 - whatever a parser of files raises for what is none
        raise NoImage("this is neither a PNG nor a JPEG", "image_expected", wanted) from None
    _check_size(picture, wanted, limit)
    try:
        picture.load()
        picture = _plain(picture)
    except Exception:  # noqa: BLE001 - a broken file
        raise NoImage("the picture is broken, or ends too early", "image_broken", wanted) from None
    bands = _BANDS.get(picture.mode)
    if bands is None or wanted.channels not in (None, bands):
        found = _COLOURS.get(bands or 0, f"of a kind that is not read here ({picture.mode})")
        raise NoImage(f"the picture is {found}", "image_colours", wanted)
    return picture


def _check_size(picture: Any, wanted: Image, limit: int) -> None:
    width, height = picture.size
    if width * height * 4 > limit:
        raise NoImage(f"the picture has {width} by {height} pixels, which is too large", "image_size", wanted)
    if wanted.width not in (None, width) or wanted.height not in (None, height):
        raise NoImage(f"the picture has {width} by {height} pixels", "image_size", wanted)


def _plain(picture: Any) -> Any:
    """The colours themselves, where a picture has a table of them, or bits."""
    if picture.mode == "P":
        return picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    return picture.convert("L") if picture.mode == "1" else picture


def _bytes_of(text: str, wanted: Image) -> bytes:
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            raise NoImage("the data URL is not in base64", "image_expected", wanted)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoImage("this is no base64", "image_expected", wanted) from None


def _wanted(image: Image) -> str:
    size = f" of {image.width or 'any'} by {image.height or 'any'} pixels" if image.width or image.height else ""
    colours = f" {_COLOURS[image.channels]}" if image.channels in _COLOURS else ""
    return f"a PNG or JPEG{size}{colours}"


class ImagesIntake:
    """Pictures that are a body themselves; arrays and columns go the usual way."""

    def __init__(self, images: Images, rest: Decode) -> None:
        self._images = images
        self._rest = rest

    def __call__(self, sent: Any, loc: Loc, faults: Faults) -> Any:
        if isinstance(sent, Picture):
            return self._images.given([sent.content], loc, faults)
        return self._rest(sent, loc, faults)
