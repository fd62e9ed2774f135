"""Pictures come to the arrays that they hold, or are refused with what is wanted; nothing is done to them silently."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from typing import Any

import numpy as np
import PIL.Image
import pytest

from nbserve.core.codecs import Body, Bounds, Decoder, request_schema, sent_as
from nbserve.core.schema import Container, DataArgument, DataKind, Image, Signature
from nbserve.errors import BodyError, InputError, MediaTypeError

RGB = np.arange(2 * 3 * 3, dtype="uint8").reshape(2, 3, 3) * 10
GREY = RGB[:, :, 0]


def encoded(array: Any, kind: str = "PNG", mode: str | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    picture = PIL.Image.fromarray(array)
    (picture if mode is None else picture.convert(mode)).save(file, kind, **options)
    return file.getvalue()


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def decoder(image: Image, dtype: str | None = "float32", kind: DataKind = DataKind.MATRIX) -> Decoder:
    return Decoder(Signature("predict", DataArgument("X", kind, Container.NUMPY, dtype=dtype, image=image)))


def given_to(decode: Decoder, sent: Any) -> Any:
    return decode.placement.data_of(decode.from_bytes(json.dumps({"X": sent}).encode()))


def refused(decode: Decoder, sent: Any) -> tuple[Any, ...]:
    with pytest.raises(InputError) as error:
        given_to(decode, sent)
    fault = error.value.faults[0]
    return fault.loc, fault.type, f"{fault.msg} {error.value.remedy}"


def body(decode: Decoder, content: bytes, kind: str = "image/png", limit: int = 1 << 24) -> Any:
    medium, parameters = sent_as(kind)
    assert medium is not None
    return decode.placement.data_of(Body(medium, content, Bounds(limit), parameters, {}).read(decode))


LAST, FIRST = Image(3, 2, 3), Image(3, channels_first=True)


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,", "data:;base64,"])
@pytest.mark.parametrize("is_listed", [True, False])
def test_a_picture_in_base64_is_the_array_that_it_holds(prefix: str, is_listed: bool) -> None:
    sent = prefix + text(encoded(RGB))
    array = given_to(decoder(LAST), [sent] if is_listed else sent)
    assert array.dtype == "float32"
    assert np.array_equal(array, RGB[None])


def test_several_pictures_are_rows_and_channels_stand_where_the_model_wants_them() -> None:
    array = given_to(decoder(FIRST), [text(encoded(RGB)), text(encoded(RGB[::-1]))])
    assert array.shape == (2, 3, 2, 3)
    assert np.array_equal(array[1], RGB[::-1].transpose(2, 0, 1))
    grey = given_to(decoder(Image(1, channels_first=True)), text(encoded(GREY)))
    assert np.array_equal(grey, GREY[None, None])
    assert given_to(decoder(Image(1)), text(encoded(GREY))).shape == (1, 2, 3, 1)


def test_a_picture_may_be_the_body_itself() -> None:
    assert np.array_equal(body(decoder(LAST), encoded(RGB)), RGB[None])
    smooth = np.full((16, 16, 3), 100, dtype="uint8")
    array = body(decoder(FIRST), encoded(smooth, "JPEG", quality=95), "image/jpeg")
    assert array.shape == (1, 3, 16, 16)
    assert np.abs(array - 100).max() <= 2


def test_a_table_of_colours_and_bits_are_read_as_the_colours_that_they_stand_for() -> None:
    black = (GREY > 60).astype("uint8") * 255
    assert np.array_equal(given_to(decoder(Image(1)), text(encoded(black, mode="1")))[0, :, :, 0], black)
    assert given_to(decoder(Image(3)), text(encoded(RGB, mode="P"))).shape == (1, 2, 3, 3)


def test_numbers_are_read_as_before() -> None:
    assert np.array_equal(given_to(decoder(LAST), RGB[None].tolist()), RGB[None])
    with pytest.raises(InputError):
        given_to(decoder(LAST), [["x"]])


@pytest.mark.parametrize(
    ("image", "sent", "kind", "words"),
    [
        (
            LAST,
            text(encoded(RGB[:1])),
            "image_size",
            "has 3 by 1 pixels. Send a PNG or JPEG of 3 by 2 pixels in colour",
        ),
        (Image(3, None, 4), text(encoded(RGB)), "image_size", "of 4 by any pixels"),
        (LAST, text(encoded(GREY)), "image_colours", "the picture is in shades of grey. Send a PNG or JPEG"),
        (Image(1), text(encoded(RGB)), "image_colours", "in colour (RGB). Send a PNG or JPEG in shades of grey"),
        (Image(3), text(encoded(RGB, mode="RGBA")), "image_colours", "with transparency"),
        (Image(3), text(encoded(RGB, "JPEG", "CMYK")), "image_colours", "not read here (CMYK)"),
        (Image(1), text(encoded(GREY.astype("uint16"))), "image_colours", "not read here (I"),
        (LAST, "no base64!", "image_expected", "this is no base64"),
        (LAST, "data:image/png,abc", "image_expected", "the data URL is not in base64"),
        (LAST, text(b"GIF89a......"), "image_expected", "neither a PNG nor a JPEG"),
        (LAST, text(encoded(RGB, "GIF")), "image_expected", "neither a PNG nor a JPEG"),
        (LAST, "", "image_expected", "neither a PNG nor a JPEG"),
        (LAST, text(encoded(RGB)[:-30]), "image_broken", "broken, or ends too early"),
    ],
    ids=lambda each: each[:40] if isinstance(each, str) else "",
)
def test_what_is_not_as_the_model_wants_it_is_refused_and_told_what_is(
    image: Image, sent: str, kind: str, words: str
) -> None:
    loc, found, said = refused(decoder(image), [sent])
    assert (loc, found) == (("X", 0), kind)
    assert words in said


def test_pictures_of_different_sizes_are_no_array() -> None:
    assert refused(decoder(FIRST), [text(encoded(RGB)), text(encoded(RGB[:1]))])[1] == "ragged"


def bomb(side: int) -> bytes:
    """A small file that claims to be a large picture."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [5_000, 12_000, 60_000])
def test_a_picture_that_claims_to_be_large_is_not_unpacked(side: int) -> None:
    assert refused(decoder(FIRST), text(bomb(side)))[1] == "image_size"
    with pytest.raises(BodyError, match="too large"):
        body(decoder(FIRST), bomb(side))


def test_a_picture_may_come_to_as_much_as_a_body() -> None:
    whole = encoded(np.zeros((10, 10, 3), dtype="uint8"))
    assert body(decoder(FIRST), whole, limit=400).shape == (1, 3, 10, 10)
    with pytest.raises(BodyError, match="too large"):
        body(decoder(FIRST), whole, limit=399)


def test_a_model_of_rows_takes_no_picture() -> None:
    decode = Decoder(Signature("predict", DataArgument("X", DataKind.MATRIX, Container.NUMPY)))
    with pytest.raises(MediaTypeError, match="takes rows, and no pictures"):
        body(decode, encoded(RGB))


def test_whatever_is_changed_in_a_picture_it_is_read_or_refused() -> None:
    whole, decode = encoded(RGB), decoder(LAST)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        try:
            assert body(decode, bytes(changed)).shape == (1, 2, 3, 3)
        except InputError:
            continue


def test_without_pillow_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbserve.core.codecs.images.find_spec", lambda name: None)
    assert 'pip install "jupyter-nbserve[images]"' in refused(decoder(LAST), text(encoded(RGB)))[2]


def test_the_document_tells_of_pictures() -> None:
    schema = request_schema(decoder(LAST).signature)["anyOf"][0]["properties"]["X"]
    assert schema["anyOf"][0]["contentEncoding"] == "base64"
    assert len(schema["anyOf"]) == 3
    assert decoder(LAST).signature.to_dict()["data"]["image"] == {"channels": 3, "height": 2, "width": 3, "many": True}
