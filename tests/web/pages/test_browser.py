"""The pages in a real browser, against a stand-in for the server."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from canned import ENDPOINTS, EVIL, IRIS_ANSWERS, IRIS_NAMES, IRIS_ROW, iris
from playwright.sync_api import Page, expect
from stand_in import TOKEN, StandIn

from tests.kernel.harness import eventually

pytestmark = pytest.mark.browser

Show = Callable[[str], Page]

POLL_MS = 2000
OFTEN_MS = 400
BY = "\N{MULTIPLICATION SIGN}"


def predict(page: Page) -> None:
    page.get_by_role("button", name="Predict").click()


def sent(stand_in: StandIn, method: str = "predict") -> Any:
    """The last body that a method was asked with."""
    return [body for path, body in stand_in.asked if path.endswith(f"/{method}/")][-1]


@pytest.mark.parametrize("path", ["/iris", "/iris/"], ids=["without slash", "with slash"])
def test_a_prediction_works_wherever_the_page_is(page: Page, server: StandIn, path: str) -> None:
    page.goto(f"{server.url}{path}?token={TOKEN}")
    predict(page)
    expect(page.locator(".verdict")).to_have_text("setosa")
    assert sent(server) == {"X": [IRIS_ROW]}


def test_a_classification_shows_its_probabilities_as_bars(show: Show) -> None:
    page = show("/iris/")
    page.get_by_label("petal length (cm)").fill("5")
    predict(page)
    expect(page.locator(".verdict")).to_have_text("virginica")
    expect(page.locator(".bars li")).to_have_text(["virginica67.0 %", "versicolor31.0 %", "setosa2.0 %"])
    widths = page.locator(".bars .fill").evaluate_all("bars => bars.map((bar) => Math.round(bar.offsetWidth))")
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > widths[1] > widths[2]


def test_the_form_is_made_from_the_features(show: Show, stand_in: StandIn) -> None:
    page = show("/titanic/")
    page.get_by_label("pclass").select_option("1")
    page.get_by_label("sex").select_option("female")
    page.get_by_label("age").fill("")
    page.get_by_label("embarked").first.select_option("another …")
    page.get_by_label("embarked, another value").fill("X")
    page.get_by_label("alone").uncheck()
    page.get_by_label("threshold").fill("0.7")
    predict(page)
    expect(page.locator(".verdict")).to_have_text("1")
    row = {"pclass": 1, "sex": "female", "age": None, "fare": 7.25, "embarked": "X", "alone": False}
    row |= {"boarded_at": "1912-04-10T12:00:00", "cabin": None}
    assert sent(stand_in) == {"X": [row], "threshold": 0.7}
    assert sent(stand_in, "predict_proba") == {"X": [row]}


@pytest.mark.parametrize("keys", ["Control+Enter", "Meta+Enter"])
def test_the_keyboard_alone_predicts(show: Show, keys: str) -> None:
    page = show("/iris/")
    page.get_by_label("sepal width (cm)").focus()
    page.keyboard.press(keys)
    expect(page.locator(".verdict")).to_have_text("setosa")


def test_arrow_keys_choose_the_method(show: Show, stand_in: StandIn) -> None:
    page = show("/iris/")
    page.get_by_role("radio", name="predict", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Call predict_proba").click()
    expect(page.locator(".verdict")).to_have_text("setosa")
    assert stand_in.asked == [("/iris/predict_proba/", {"X": [IRIS_ROW]})]


def test_an_empty_field_that_needs_a_value_is_not_sent(show: Show, stand_in: StandIn) -> None:
    page = show("/iris/")
    page.get_by_label("sepal width (cm)").fill("")
    predict(page)
    expect(page.locator(".fault:visible")).to_have_text("Needs a value.")
    expect(page.get_by_label("sepal width (cm)")).to_be_focused()
    assert stand_in.asked == []


@pytest.mark.parametrize(
    ("loc", "label"),
    [(["X", 0, "age"], "age"), (["X", 0, 3], "fare"), (["threshold"], "threshold")],
    ids=["by name", "by position", "an argument"],
)
def test_the_servers_faults_are_shown_at_their_fields(
    show: Show, stand_in: StandIn, loc: list[str | int], label: str
) -> None:
    fault = {"loc": loc, "msg": "Too <b>old</b>.", "type": "range"}
    refusal = {"error": "The data do not fit.", "code": "input_invalid", "remedy": "Mend it.", "detail": [fault]}
    stand_in.refusals["/titanic/predict/"] = (422, refusal)
    page = show("/titanic/")
    predict(page)
    field = page.get_by_label(label)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description("Too <b>old</b>.")
    expect(field).to_be_focused()
    expect(page.locator("#result")).to_contain_text("The data do not fit.")
    expect(page.locator("#result")).to_contain_text("Mend it.")
    field.fill("1")
    expect(field).to_have_attribute("aria-invalid", "false")


CSV = "\ufeff" + ";".join((*IRIS_NAMES, "note")) + '\r\n5.1;3.5;1.4;0.2;"a; ""b""\nc"\r\n6;3;5;2;\r\n'


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (CSV, [dict(zip(IRIS_NAMES, IRIS_ROW, strict=True)), dict(zip(IRIS_NAMES, [6, 3, 5, 2], strict=True))]),
        ("5.1\t3.5\t1.4\t0.2\n6\t3\t5\t2", [IRIS_ROW, [6, 3, 5, 2]]),
        ("[[5.1, 3.5, 1.4, 0.2], [6, 3, 5, 2]]", [IRIS_ROW, [6, 3, 5, 2]]),
        ("[5.1, 3.5, 1.4, 0.2]\n[6, 3, 5, 2]", [IRIS_ROW, [6, 3, 5, 2]]),
        ('{"instances": [[5.1, 3.5, 1.4, 0.2], [6, 3, 5, 2]]}', [IRIS_ROW, [6, 3, 5, 2]]),
    ],
    ids=["CSV with a header", "TSV without one", "JSON lists", "JSON lines", "a whole body"],
)
def test_rows_can_be_pasted(show: Show, stand_in: StandIn, text: str, rows: list[Any]) -> None:
    page = show("/iris/")
    page.get_by_role("radio", name="Many rows").check()
    page.get_by_label("Rows as JSON or CSV").fill(text)
    expect(page.locator(".count")).to_contain_text(f"2 rows {BY} 4 columns")
    predict(page)
    expect(page.locator("#result tbody tr")).to_have_text(["0setosa93.0 %", "1virginica67.0 %"])
    assert sent(stand_in) == {"X": rows}


def test_columns_and_single_records_are_rows_too(show: Show, stand_in: StandIn) -> None:
    page = show("/titanic/")
    page.get_by_role("radio", name="Many rows").check()
    box = page.get_by_label("Rows as JSON or CSV")
    box.fill('{"sex": ["male", "female"], "age": [1, 2], "ship": ["T", "T"]}')
    expect(page.locator(".count")).to_contain_text(f"2 rows {BY} 3 columns")
    expect(page.locator(".count")).to_contain_text("Missing: pclass, fare, embarked, alone, boarded_at and 1 more.")
    expect(page.locator(".count")).to_contain_text("Not known to the model: ship.")
    box.fill('{"sex": "male"}')
    expect(page.locator(".count")).to_contain_text(f"1 row {BY} 1 column")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("[[1, 2", "This is not JSON"), ('a,b\n"1,2', "never closed"), ("a,b\n1,2\n3", "Row 2 has 1 cells")],
    ids=["broken JSON", "open quote", "uneven"],
)
def test_what_cannot_be_read_is_said_at_once_and_not_sent(
    show: Show, stand_in: StandIn, text: str, problem: str
) -> None:
    page = show("/iris/")
    page.get_by_role("radio", name="Many rows").check()
    page.get_by_label("Rows as JSON or CSV").fill(text)
    expect(page.locator(".count")).to_contain_text(problem)
    predict(page)
    expect(page.locator(".fault:visible")).to_contain_text(problem)
    assert stand_in.asked == []


def test_a_dropped_file_is_read(show: Show) -> None:
    page = show("/iris/")
    page.get_by_role("radio", name="Many rows").check()
    data = page.evaluate_handle(
        "text => { const data = new DataTransfer(); data.items.add(new File([text], 'rows.csv')); return data; }", CSV
    )
    page.dispatch_event("textarea", "drop", {"dataTransfer": data})
    expect(page.locator(".count")).to_contain_text(f"2 rows {BY} 4 columns · Left out")


def test_predictions_download_with_what_was_asked(show: Show, tmp_path: Path) -> None:
    page = show("/iris/")
    page.get_by_role("radio", name="Many rows").check()
    page.get_by_label("Rows as JSON or CSV").fill("5.1,3.5,1.4,0.2\n6,3,5,2")
    predict(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    assert download.value.suggested_filename == "iris-predict.csv"
    download.value.save_as(tmp_path / "out.csv")
    heads = [*IRIS_NAMES, "prediction", *(f"probability {each}" for each in ("setosa", "versicolor", "virginica"))]
    assert (tmp_path / "out.csv").read_text().splitlines() == [
        ",".join(heads),
        "5.1,3.5,1.4,0.2,setosa,0.93,0.06,0.01",
        "6,3,5,2,virginica,0.02,0.31,0.67",
    ]


def test_lines_are_texts_only_when_asked(show: Show, stand_in: StandIn) -> None:
    page = show("/sentiment/")
    page.get_by_role("textbox", name="Text").fill("lovely\n\nawful")
    predict(page)
    expect(page.locator(".verdict")).to_have_text("positive")
    assert sent(stand_in) == {"X": ["lovely\n\nawful"]}
    page.get_by_label("Each line is a text of its own").check()
    predict(page)
    expect(page.locator("#result tbody tr")).to_have_text(["0positive81.0 %", "1negative70.0 %"])
    assert sent(stand_in) == {"X": ["lovely", "awful"]}


@pytest.mark.parametrize("width", [1180, 390, 340])
def test_who_waits_long_for_an_answer_is_told_that_he_does(show: Show, width: int) -> None:
    page, held = show("/iris/"), []
    page.set_viewport_size({"width": width, "height": 900})
    page.route("**/iris/predict/", lambda route: held.append(route))
    told = "() => getComputedStyle(document.querySelector('.send'), '::after').visibility"
    assert page.evaluate(told) == "hidden"
    predict(page)
    assert eventually(lambda: page.evaluate(told) == "visible")
    assert page.locator(".send").bounding_box()["height"] == 42  # beside the button, wherever it is read
    held[0].continue_()
    expect(page.locator(".verdict")).to_have_text("setosa")
    assert page.evaluate(told) == "hidden"


@pytest.mark.parametrize("width", [1180, 390])
def test_inputs_beside_each_other_are_at_one_height_whatever_their_labels_and_faults_take(
    show: Show, width: int
) -> None:
    page = show("/titanic/")
    page.set_viewport_size({"width": width, "height": 900})
    page.locator(".label-name").nth(1).evaluate("node => (node.textContent = 'an_endlessly_long_name '.repeat(3))")
    first, second = (page.locator(".grid .field").nth(each).locator("input, select").first for each in (0, 1))
    before = second.bounding_box()
    assert before["x"] > first.bounding_box()["x"]
    assert before["y"] == first.bounding_box()["y"]
    page.locator(".grid .field .fault").first.evaluate("node => ((node.hidden = false), (node.textContent = 'No.'))")
    assert second.bounding_box() == before


def test_many_features_can_be_searched(show: Show, stand_in: StandIn) -> None:
    page = show("/houses/")
    page.get_by_label("Find a feature").fill("_07")
    expect(page.locator(".grid .field:visible")).to_have_count(1)
    page.get_by_label("measure_07").fill("-1e3")
    predict(page)
    expect(page.locator(".verdict")).to_have_text("-4,137,006.58")
    assert sent(stand_in)["X"][0]["measure_07"] == -1000


def test_a_plain_function_gets_its_arguments(show: Show, stand_in: StandIn) -> None:
    page = show("/loan/")
    page.get_by_label("months").fill("2")
    page.get_by_label("currency").select_option("CHF")
    page.get_by_label("extra").fill('{"a": [1]}')
    predict(page)
    expect(page.locator("#result pre")).to_contain_text('"rate": 6000')
    assert sent(stand_in) == {"amount": 12000, "months": 2, "currency": "CHF", "extra": {"a": [1]}}


SURVEY_ROW = {
    "smokes": 0,
    "insured": 1,
    "moved": None,
    "mean_income_of_the_household_in_euros": 1.5,
    "day_of_the_first_interview_at_home": "2020-01-01",
    "visited": "2020-01-01 00:00:00",
}


def test_booleans_in_a_column_of_numbers_are_one_and_zero(show: Show, stand_in: StandIn) -> None:
    page = show("/survey/")
    expect(page.get_by_label("smokes")).to_have_value("0")
    expect(page.get_by_label("insured")).to_have_value("1")
    expect(page.locator("#code pre")).to_contain_text('"smokes": 0')
    predict(page)
    expect(page.locator(".verdict")).to_be_visible()
    assert sent(stand_in) == {"X": [SURVEY_ROW]}


def test_booleans_in_a_pasted_table_are_booleans_whatever_their_column_is_called(show: Show, stand_in: StandIn) -> None:
    page = show("/survey/")
    page.get_by_role("radio", name="Many rows").check()
    page.get_by_label("Rows as JSON or CSV").fill("smokes,insured,moved\nTrue,0,\nfalse,1,true")
    predict(page)
    expect(page.locator("#result tbody tr")).to_have_count(2)
    rows = [(True, False, None), (False, True, True)]
    assert sent(stand_in)["X"] == [dict(zip(("smokes", "insured", "moved"), row, strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("choice", "value"), [("true", True), ("false", False), ("\N{EM DASH}", None)], ids=["true", "false", "neither"]
)
def test_a_boolean_that_may_be_null_is_a_choice(show: Show, stand_in: StandIn, choice: str, value: bool | None) -> None:
    page = show("/survey/")
    expect(page.get_by_label("moved").locator("option:checked")).to_have_text("\N{EM DASH}")
    page.get_by_label("moved").select_option(choice)
    predict(page)
    expect(page.locator(".verdict")).to_be_visible()
    assert sent(stand_in)["X"][0]["moved"] is value


BOOKING = {"day": "2020-01-01", "begins_at": "2020-01-01T18:30:00.250+02:00", "doors_open": "12:00:00"}


@pytest.mark.parametrize(
    ("label", "kind", "typed", "value"),
    [
        ("day", "date", "2021-02-03", "2021-02-03"),
        ("begins_at", "datetime-local", "2021-02-03T04:05:06", "2021-02-03T04:05:06+02:00"),
        ("begins_at", "datetime-local", "2021-02-03T04:05", "2021-02-03T04:05:00+02:00"),
        ("doors_open", "time", "23:59", "23:59:00"),
        ("until", "date", "2021-02-03", "2021-02-03"),
        ("closes", "time", "23:59:01", "23:59:01"),
    ],
    ids=["date", "date and time", "without seconds", "time", "date or null", "time or null"],
)
def test_a_moment_is_asked_for_and_sent_in_the_form_of_its_type(
    show: Show, stand_in: StandIn, label: str, kind: str, typed: str, value: str
) -> None:
    page = show("/booking/")
    field = page.get_by_label(label).first
    expect(field).to_have_attribute("type", kind)
    field.fill(typed)
    predict(page)
    expect(page.locator("#result pre")).to_be_visible()
    assert sent(stand_in) == BOOKING | {label: value}


def test_a_moment_in_a_column_is_sent_in_the_form_of_its_example(show: Show, stand_in: StandIn) -> None:
    page = show("/survey/")
    page.get_by_label("day_of_the_first").fill("2021-02-03")
    page.get_by_label("visited").fill("2021-02-03T04:05:06")
    predict(page)
    expect(page.locator(".verdict")).to_be_visible()
    changed = {"day_of_the_first_interview_at_home": "2021-02-03", "visited": "2021-02-03 04:05:06"}
    assert sent(stand_in) == {"X": [SURVEY_ROW | changed]}


def test_defaults_are_shown_and_left_out_of_the_body_until_they_are_changed(show: Show, stand_in: StandIn) -> None:
    page = show("/booking/")
    expect(page.get_by_label("tags")).to_have_value('["a"]')
    expect(page.get_by_label("weights")).to_have_value('{"adult": [1, 2]}')
    expect(page.get_by_label("seats")).to_have_value("3")
    predict(page)
    expect(page.locator("#result pre")).to_be_visible()
    assert sent(stand_in) == BOOKING
    page.get_by_label("tags").fill('["a", "b"]')
    page.get_by_label("weights").fill('{ "adult": [1,2] }')
    page.get_by_label("seats").fill("4")
    predict(page)
    expect(page.locator("#result pre")).to_contain_text('"b"')
    assert sent(stand_in) == BOOKING | {"tags": ["a", "b"], "seats": 4}


def test_a_default_taken_away_is_null_where_the_type_has_null(show: Show, stand_in: StandIn) -> None:
    page = show("/booking/")
    expect(page.get_by_label("heated").locator("option:checked")).to_have_text("true")
    page.get_by_label("heated").select_option("\N{EM DASH}")
    page.get_by_label("limit").fill("")
    predict(page)
    expect(page.locator("#result pre")).to_be_visible()
    assert sent(stand_in) == BOOKING | {"heated": None, "limit": None}


@pytest.mark.parametrize("width", [390, 1180])
@pytest.mark.parametrize("name", ["booking", "survey"])
def test_long_names_and_types_stay_inside_their_fields(page: Page, show: Show, name: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    show(f"/{name}/")
    page.locator("#send").wait_for()
    outside = """() => [...document.querySelectorAll(".field label *, .field input, .field select, .field textarea")]
        .filter((each) => each.offsetWidth && each.getBoundingClientRect().right
            > each.closest(".field").getBoundingClientRect().right + 0.5)
        .map((each) => each.outerHTML)"""
    assert page.evaluate(outside) == []


@pytest.mark.parametrize(
    ("name", "label"),
    [("booking", "maximum_number_of_guests_at_one_table"), ("survey", "mean_income_of_the_household_in_euros")],
    ids=["argument", "feature"],
)
def test_a_long_name_is_broken_between_its_words_and_stays_one_name(
    page: Page, show: Show, name: str, label: str
) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    show(f"/{name}/")
    heights = """label => [...label.querySelector(".label-name").childNodes].filter((each) => each.nodeType === 3)
        .map((word) => { const range = document.createRange(); range.selectNode(word); return range; })
        .map((range) => range.getClientRects().length)"""
    words = page.locator(".field label", has_text=label).evaluate(heights)
    assert words == [1] * len(label.split("_"))
    expect(page.get_by_label(label)).to_be_visible()


def test_long_answers_are_shortened(show: Show) -> None:
    page = show("/loan/")
    predict(page)
    expect(page.locator("#result pre")).to_contain_text('"… 16 more"')


def test_a_wide_matrix_is_pasted(show: Show, stand_in: StandIn) -> None:
    page = show("/digits/")
    expect(page.locator(".count")).to_have_text(f"1 row {BY} 64 columns")
    page.get_by_label("Rows as JSON or CSV").fill("[1, 2]")
    expect(page.locator(".count")).to_have_text(f"1 row {BY} 2 columns · The model expects 64 columns.")


def test_any_json_value_can_be_edited(show: Show, stand_in: StandIn) -> None:
    page = show("/summary/")
    page.get_by_label("document").fill('{"title": "T", "text": "x"}')
    predict(page)
    expect(page.locator(".verdict")).to_have_text("T: x (2)")
    page.get_by_label("document").fill("{")
    predict(page)
    expect(page.locator(".fault:visible")).to_contain_text("Not JSON")


def test_a_failed_endpoint_says_why(show: Show) -> None:
    page = show("/broken/")
    expect(page.locator("#state")).to_have_text("failed")
    expect(page.locator("#reason")).to_have_text("The file 'model.joblib' ends too early.")


def test_state_and_counters_are_live(page: Page, show: Show, stand_in: StandIn) -> None:
    page.clock.install()
    show("/iris/")
    stand_in.endpoints["iris"][0].update(
        state="unloaded", counters={"requests": 7, "errors": 0, "rows": 0, "in_flight": 0}
    )
    page.clock.run_for(POLL_MS)
    expect(page.locator("#state")).to_have_text("unloaded")
    expect(page.locator("[data-figure=Requests] dd")).to_have_text("7")
    stand_in.endpoints["iris"][0].update(version=2)
    page.clock.run_for(POLL_MS)
    expect(page.locator("#notice")).to_contain_text("Another version is served now.")
    stand_in.refusals["/iris/metadata/"] = (404, {"error": "It was stopped.", "code": "not_found"})
    page.clock.run_for(POLL_MS)
    expect(page.locator("#state")).to_have_text("gone")


def drawn(bar: Any) -> list[int]:
    """What each part takes of the bar, in percent."""
    widths = bar.evaluate("bar => [bar, ...bar.children].map((part) => part.getBoundingClientRect().width)")
    return [round(100 * each / widths[0]) for each in widths[1:]]


def test_memory_is_shown_against_the_budget_and_time_goes_on(page: Page, show: Show) -> None:
    page.clock.install()
    show("/warm/")
    bar = page.locator(".gauge-bar")
    expect(bar).to_have_role("meter")
    expect(bar).to_have_accessible_name("204 MB of 1.2 GB used, budget 2 GB")
    assert drawn(bar) == [10, 50]
    page.clock.pause_at(page.evaluate("Date.now()") + 60_000)
    facts = page.locator(".gauge-facts span")
    expect(facts.first).to_have_text("204 MB of 1.2 GB used, budget 2 GB")
    expect(facts.last).to_have_text(re.compile(r"last used \d+ (s|min) ago · unloads in \d:\d\d"))
    expect(page.locator(".subtitle")).to_have_text("Species of an iris")


def test_the_clocks_are_told_from_the_last_answer_on(page: Page, show: Show, stand_in: StandIn) -> None:
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    show("/warm/")
    when = page.locator(".gauge-facts span").last
    expect(when).to_have_text("last used 12 s ago · unloads in 9:48")
    page.route("**/metadata/", lambda route: None)  # an answer that does not come
    page.clock.run_for(3000)
    expect(when).to_have_text("last used 15 s ago · unloads in 9:45")


def test_a_load_shows_how_far_it_is_and_is_asked_for_often(page: Page, show: Show, stand_in: StandIn) -> None:
    page.clock.install()
    show("/arriving/")
    bar = page.locator(".gauge-bar")
    expect(bar).to_have_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "47")
    expect(page.locator(".gauge-facts")).to_contain_text("Loading · 47 %")
    view = stand_in.endpoints["arriving"][0]
    view.update(loading={"seconds": 4.0, "done_bytes": 153_000_000, "total_bytes": 204_000_000})
    page.clock.run_for(OFTEN_MS)
    expect(bar).to_have_attribute("aria-valuenow", "75")
    view.update(loading={"seconds": 5.0, "done_bytes": None, "total_bytes": None})
    page.clock.run_for(OFTEN_MS)
    expect(bar.locator("span")).to_have_attribute("data-look", "moving")
    assert bar.get_attribute("aria-valuenow") is None
    view.update(state="loaded", loading=None)
    page.clock.run_for(OFTEN_MS)
    expect(page.locator("#state")).to_have_text("loaded")
    expect(bar).to_have_role("meter")


def test_who_wants_no_motion_gets_none(page: Page, show: Show) -> None:
    page.emulate_media(reduced_motion="reduce")
    show("/sentiment/")
    part = page.locator(".gauge-bar span")
    expect(part).to_have_attribute("data-look", "moving")
    assert page.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize(
    ("name", "chips"), [("unseen", ["model.joblib"]), ("header", ["XGBClassifier", "xgboost", "from model.joblib"])]
)
def test_a_model_that_was_never_loaded_is_loaded_from_its_page(
    page: Page, show: Show, stand_in: StandIn, name: str, chips: list[str]
) -> None:
    show(f"/{name}/")
    expect(page.locator(".chip")).to_have_text(chips)
    expect(page.locator("#form")).to_contain_text("Columns are found when it is first loaded.")
    stand_in.endpoints[name] = (stand_in.endpoints[name][0] | {"model": iris().to_dict()}, IRIS_ANSWERS)
    page.get_by_role("button", name="Load").click()
    expect(page.get_by_label("sepal length (cm)")).to_be_visible()
    expect(page.locator("#state")).to_have_text("loaded")


def test_a_model_that_was_never_loaded_takes_a_body_as_it_is(page: Page, show: Show, stand_in: StandIn) -> None:
    page.clock.install()
    show("/unseen/")
    page.get_by_label("Body").fill('{"X": [[1, 2], [3, 4]]}')
    predict(page)
    expect(page.locator("#result tbody tr")).to_have_count(2)
    assert sent(stand_in) == {"X": [[1, 2], [3, 4]]}
    stand_in.endpoints["unseen"][0].update(state="loaded", described=True)
    page.clock.run_for(POLL_MS)
    expect(page.locator("#notice")).to_contain_text("Its columns are known now.")
    expect(page.locator("#undescribed")).to_be_hidden()
    expect(page.get_by_label("Body")).to_have_value('{"X": [[1, 2], [3, 4]]}')


def test_a_load_that_is_refused_says_why(page: Page, show: Show, stand_in: StandIn) -> None:
    stand_in.refusals["/unseen/load/"] = (503, {"error": "The file is gone.", "remedy": "Serve it again."})
    show("/unseen/")
    page.get_by_role("button", name="Load").click()
    expect(page.locator("#notice")).to_have_text("The file is gone. Serve it again.")
    expect(page.get_by_role("button", name="Load")).to_be_enabled()


def test_an_unloaded_model_can_be_loaded_and_a_loaded_one_cannot(page: Page, show: Show) -> None:
    page.clock.install()
    show("/titanic/")
    page.get_by_role("button", name="Load").click()
    page.clock.run_for(POLL_MS)
    expect(page.locator("#state")).to_have_text("loaded")
    expect(page.get_by_role("button", name="Load")).to_be_hidden()


@pytest.mark.parametrize(
    "answer",
    [(200, {"metadata": {"loaded": False}}), (405, {"error": "Only POST."}), (403, {"error": "Not by this link."})],
    ids=["another", "none", "closed"],
)
def test_a_page_stays_live_where_the_users_own_route_answers_metadata(
    page: Page, show: Show, stand_in: StandIn, answer: tuple[int, Any]
) -> None:
    page.clock.install()
    stand_in.refusals["/iris/metadata/"] = answer
    show("/iris/")
    stand_in.endpoints["iris"][0].update(state="unloaded")
    page.clock.run_for(2 * POLL_MS)
    page.clock.run_for(POLL_MS)
    expect(page.locator("#state")).to_have_text("unloaded")
    expect(page.locator("#notice")).to_be_hidden()


def test_a_page_never_asks_the_users_own_route_for_metadata(page: Page, show: Show, stand_in: StandIn) -> None:
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    stand_in.endpoints["iris"][0]["replaced"] = ["metadata"]
    show("/iris/")
    stand_in.endpoints["iris"][0].update(state="unloaded")
    page.clock.run_for(2 * POLL_MS)
    expect(page.locator("#state")).to_have_text("unloaded")
    assert not [url for url in asked if "metadata" in url]


def test_the_list_shows_memory_loads_and_what_was_never_loaded(page: Page, show: Show, stand_in: StandIn) -> None:
    for view, _ in stand_in.endpoints.values():
        view["memory"] |= {"session_bytes": 1_200_000_000, "budget_bytes": 2_000_000_000}
    show("/")
    expect(page.locator("#total")).to_have_text("1.2 GB used, budget 2 GB")
    assert drawn(page.locator("#total-bar")) == [10, 50]
    expect(page.locator("#total-bar span").first).to_have_attribute("title", "warm: 204 MB")
    assert drawn(page.locator("[data-name=warm] .gauge-bar")) == [10, 50]
    expect(page.locator("[data-name=warm] .gauge-facts")).to_contain_text("unloads in 9:4")
    expect(page.locator("[data-name=arriving] .gauge-bar")).to_have_attribute("aria-valuenow", "47")
    card = page.locator("[data-name=unseen]")
    expect(card.locator(".gauge-bar")).to_be_hidden()
    expect(card.locator(".undescribed")).to_contain_text("Columns are found when it is first loaded.")
    expect(page.locator("[data-name=iris] .undescribed")).to_be_hidden()
    card.get_by_role("button", name="Load").click()
    expect(card.locator(".state")).to_have_text("loaded")
    expect(card.locator(".undescribed")).to_be_hidden()
    assert page.url.startswith(f"{stand_in.url}/?")


def test_the_list_of_endpoints_is_live_and_its_links_keep_the_token(page: Page, show: Show, stand_in: StandIn) -> None:
    page.clock.install()
    show("/")
    card = page.locator("[data-name=iris]")
    expect(card.locator(".state")).to_have_text("loaded")
    stand_in.endpoints["iris"][0].update(state="unloaded")
    page.clock.run_for(POLL_MS)
    expect(card.locator(".state")).to_have_text("unloaded")
    card.get_by_role("link", name="iris").click()
    predict(page)
    expect(page.locator(".verdict")).to_have_text("setosa")
    page.get_by_role("link", name="Endpoints").click()
    expect(page).to_have_url(f"{stand_in.url}/?token={TOKEN}")


def test_a_token_typed_into_the_sign_in_page_opens_the_page(page: Page, stand_in: StandIn) -> None:
    page.goto(f"{stand_in.url}/iris/")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Open").click()
    predict(page)
    expect(page.locator(".verdict")).to_have_text("setosa")


def test_an_error_page_leads_back(show: Show, stand_in: StandIn) -> None:
    page = show("/nowhere/")
    expect(page.get_by_role("heading")).to_have_text("Nothing is served as 'nowhere'.")
    page.get_by_role("link", name="All endpoints").click()
    expect(page.get_by_role("heading", name="Endpoints")).to_be_visible()


@pytest.fixture
def clipboard(page: Page) -> Callable[[str], str]:
    """Choose a language, press Copy, and read what was copied."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    def copied(language: str) -> str:
        page.get_by_role("radio", name=language).check()
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        return str(page.evaluate("navigator.clipboard.readText()"))

    return copied


def run_curl(code: str, page: Page) -> Any:
    return json.loads(_output("sh", "-c", code.replace("curl ", "curl -sS ", 1)))["predict_result"]


def run_python(code: str, page: Page) -> Any:
    return ast.literal_eval(_output(sys.executable, "-c", code))


def run_javascript(code: str, page: Page) -> Any:
    with page.expect_console_message() as said:
        page.evaluate(f"async () => {{ {code} }}")
    return said.value.args[0].json_value()


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


@pytest.mark.parametrize(
    ("language", "run"),
    [("curl", run_curl), ("Python", run_python), ("JavaScript", run_javascript)],
    ids=["curl", "Python", "JavaScript"],
)
def test_copied_code_runs_as_it_stands(
    show: Show, stand_in: StandIn, clipboard: Callable[[str], str], language: str, run: Callable[[str, Page], Any]
) -> None:
    text = 'it\'s `lovely` $HOME \\n "really" \u2028 \U0001f600 ${x}'
    page = show("/sentiment/")
    page.get_by_role("textbox", name="Text").fill(text)
    assert run(clipboard(language), page) == ["positive"]
    assert stand_in.asked == [("/sentiment/predict/", {"X": [text]})]


def test_the_code_follows_the_form_and_hides_the_token(show: Show) -> None:
    page = show("/titanic/")
    code = page.locator("#code pre")
    page.get_by_label("fare").fill("99.5")
    expect(code).to_contain_text('"fare": 99.5')
    page.get_by_role("radio", name="Python").check()
    expect(code).to_contain_text('"cabin": None')
    expect(code).not_to_contain_text(TOKEN)
    page.get_by_role("button", name="Show token").click()
    expect(code).to_contain_text(f"Bearer {TOKEN}")


def test_markup_in_names_classes_values_and_errors_does_nothing(page: Page, show: Show, stand_in: StandIn) -> None:
    page.clock.install()
    show("/hostile/")
    predict(page)
    expect(page.locator(".verdict")).to_contain_text("</script><img")
    stand_in.refusals["/hostile/predict/"] = (
        422,
        {"error": EVIL, "code": EVIL, "remedy": EVIL, "detail": [{"loc": [EVIL], "msg": EVIL, "type": EVIL}]},
    )
    stand_in.endpoints["hostile"][0].update(reason=EVIL, state=EVIL)
    predict(page)
    page.clock.run_for(POLL_MS)
    expect(page.locator(".refusal")).to_contain_text("</script><img")
    expect(page.locator("#state")).to_contain_text("</script><img")
    assert page.locator("main img").count() == 0
    assert page.evaluate("window.stolen") is None


def test_every_control_has_a_name_and_ids_are_unique(show: Show) -> None:
    nameless = """() => [...document.querySelectorAll("input, select, textarea, button")]
        .filter((each) => !each.hidden && !each.labels?.length && !each.textContent && !each.ariaLabel)
        .map((each) => each.outerHTML)"""
    for name in ENDPOINTS:
        page = show(f"/{name}/")
        page.locator("#send").wait_for()
        assert page.evaluate(nameless) == []
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((each) => each.id)")
        assert len(ids) == len(set(ids)), name


def test_nothing_is_wider_than_a_phone(show: Show, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for path in (*(f"/{each}/" for each in ENDPOINTS), "/", "/docs", "/nowhere/"):
        show(path)
        page.locator("#send, .card, .opblock, .note").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_the_documentation_calls_the_server_with_the_token(show: Show, stand_in: StandIn) -> None:
    page = show("/docs")
    page.locator(".opblock-summary-control").first.click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table")).to_contain_text("setosa")
    assert stand_in.asked == [("/iris/predict/", {"X": [IRIS_ROW]})]


def test_documentation_that_cannot_be_read_says_why(show: Show, stand_in: StandIn) -> None:
    stand_in.refusals["/openapi.json"] = (403, {"error": "This token opens one endpoint.", "remedy": "Ask for more."})
    page = show("/docs")
    expect(page.get_by_role("alert")).to_have_text("This token opens one endpoint. Ask for more.")
