"""The form of data that is a picture, or columns that a user gives: before a real server, in a real browser."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Serve
from tests.core.codecs.test_images import RGB, encoded

pytestmark = pytest.mark.browser


def brightest(image: PIL.Image.Image) -> str:
    return f"{image.width} by {image.height}, at most {np.asarray(image).max()}"


def total(rows):
    return [f"{row['age']} and {row['fare']} and {row['marks']}" for row in rows]


COLUMNS: list[dict[str, object]] = [
    {"name": "age", "type": "int"},
    {"name": "fare", "type": "float", "required": False, "default": 7.5},
    {"name": "marks", "type": "int", "collection_type": "List"},
]


def shown(page: Page, endpoint: object) -> Page:
    page.goto(f"{endpoint.url}?token={endpoint.token}")  # type: ignore[attr-defined]
    return page


def test_a_picture_is_chosen_and_asked_about(page: Page, serve: Serve) -> None:
    shown(page, serve(brightest, name="pictures"))
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.get_by_text("Choose a picture.")).to_be_visible()
    picture = {"name": "cat.png", "mimeType": "image/png", "buffer": encoded(RGB)}
    page.get_by_label("image").set_input_files([picture])  # type: ignore[list-item]
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.locator(".verdict")).to_have_text("3 by 2, at most 170")


def test_what_is_no_picture_is_told_at_the_field(page: Page, serve: Serve) -> None:
    shown(page, serve(brightest, name="pictures"))
    page.get_by_label("image").set_input_files([{"name": "cat.png", "mimeType": "image/png", "buffer": b"GIF89a"}])
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.locator("#result")).to_contain_text("neither a PNG nor a JPEG")


def test_a_column_that_need_not_be_sent_may_be_left_empty(page: Page, serve: Serve) -> None:
    shown(page, serve(total, name="given", columns=COLUMNS))
    page.get_by_label("age").fill("3")
    page.get_by_label("fare").fill("")
    page.get_by_label("marks").fill("[4, 5]")
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.locator(".verdict")).to_have_text("3 and 7.5 and [4, 5]")
