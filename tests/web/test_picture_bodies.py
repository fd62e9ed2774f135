"""Pictures over HTTP, for functions that want Pillow's."""

from __future__ import annotations

import base64

import numpy as np
import PIL.Image

from tests.client import Caller, assert_error
from tests.conftest import Serve
from tests.core.codecs.test_images import RGB, encoded


def brightest(image: PIL.Image.Image) -> list[int]:
    return [*image.size, int(np.asarray(image).max())]


def sizes(images: list[PIL.Image.Image]) -> list[tuple[int, int]]:
    return [each.size for each in images]


def test_a_picture_comes_as_the_body_or_in_base64(serve: Serve, caller: Caller) -> None:
    serve(brightest, name="one")
    whole = encoded(RGB)
    answer = caller.predict("/one/predict", content=whole, headers={"content-type": "image/png"})
    assert answer == [3, 2, 170]
    text = base64.b64encode(whole).decode()
    assert caller.predict("/one/predict", json={"image": text}) == answer
    assert caller.predict("/one/predict", json={"image": f"data:image/png;base64,{text}"}) == answer
    assert_error(caller.post("/one/predict", json={"image": [text, text]}), 422, "input_invalid")
    assert_error(caller.post("/one/predict", json={"image": [[1, 2]]}), 422, "input_invalid")
    assert_error(caller.post("/one/predict", json={"image": "x"}), 422, "input_invalid")
    broken = caller.post("/one/predict", content=whole[:40], headers={"content-type": "image/png"})
    assert_error(broken, 422, "body_invalid")


def test_a_list_of_pictures_is_one(serve: Serve, caller: Caller) -> None:
    serve(sizes, name="many")
    text = base64.b64encode(encoded(RGB)).decode()
    assert caller.predict("/many/predict", json={"images": [text, text]}) == [[3, 2], [3, 2]]
    assert caller.predict("/many/predict", content=encoded(RGB), headers={"content-type": "image/png"}) == [[3, 2]]
    assert_error(caller.post("/many/predict", json={"images": []}), 422, "input_invalid")


def test_a_model_of_rows_answers_a_picture_with_415_and_none_is_answered_as_one(serve: Serve, caller: Caller) -> None:
    serve(lambda X: X, name="rows")
    picture = {"content": encoded(RGB), "headers": {"content-type": "image/png"}}
    assert_error(caller.post("/rows/predict", **picture), 415, "media_type_unsupported")
    assert_error(caller.post("/rows/predict", json=[1], headers={"accept": "image/png"}), 406, "not_acceptable")


def test_the_document_names_pictures_where_they_are_taken(serve: Serve, caller: Caller) -> None:
    serve(brightest, name="one")
    serve(lambda X: X, name="rows")
    paths = caller.get("/openapi.json").json()["paths"]
    taken = paths["/one/predict/"]["post"]
    assert {"image/png", "image/jpeg", "application/json"} <= set(taken["requestBody"]["content"])
    assert "image/png" not in taken["responses"]["200"]["content"]
    assert "image/png" not in paths["/rows/predict/"]["post"]["requestBody"]["content"]
