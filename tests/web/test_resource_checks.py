"""What can be served as a resource, what it replaces, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from nbserve import Model, ModelComponent, ModelResource, resource_method
from nbserve.core.custom import FileComponent
from nbserve.errors import ModelRefused, OptionError
from nbserve.web.resources import replaced_by, resource_of
from nbserve.web.resources.docstrings import Documentation, read_docstring
from tests.client import Caller
from tests.conftest import Serve


class Loads(ModelComponent):
    def load_model(self) -> None:
        self.model = Model(sum)


class Kept(ModelResource):
    name = "kept"
    component = Loads()


# --- what is a resource


def test_a_class_is_made_and_an_instance_is_taken_as_it_is() -> None:
    made = resource_of(Kept)
    assert isinstance(made, Kept)
    assert resource_of(made) is made
    assert made.component is Kept.component


def test_what_is_given_at_construction_goes_before_what_the_class_says() -> None:
    component = Loads()
    resource = Kept(name="other", verbose_name="The other", component=component, info={"a": 1})
    assert (resource.name, resource.verbose_name, resource.component, resource.info) == (
        "other",
        "The other",
        component,
        {"a": 1},
    )
    assert (resource._meta.name, resource._meta.verbose_name) == ("other", "The other")
    assert (Kept()._meta.name, Kept()._meta.verbose_name) == ("kept", "kept")
    assert ModelResource()._meta.name == "ModelResource"


def test_a_class_may_have_an_init_of_its_own_that_calls_no_other() -> None:
    class Own(ModelResource):
        def __init__(self) -> None:
            self.component = Loads()

    assert isinstance(resource_of(Own).component, Loads)


def test_a_path_becomes_a_component_once(tmp_path: Path) -> None:
    joblib.dump(Kept, tmp_path / "m.joblib")
    resource = resource_of(ModelResource(model_path=tmp_path / "m.joblib"))
    component = resource.component
    assert isinstance(component, FileComponent)
    assert resource_of(resource).component is component


def test_the_model_is_loaded_when_it_is_asked_for() -> None:
    resource = Kept(component=Loads())
    assert resource.model.model is sum
    with pytest.raises(ModelRefused, match="has no component"):
        _ = ModelResource().model


def _with(**attributes: Any) -> type[ModelResource]:
    return type("Odd", (ModelResource,), {"component": Loads(), **attributes})


def _route(path: Any, **options: Any) -> Any:
    def score(self: Any) -> None:
        """Nothing."""

    return resource_method(path, **options)(score)


def _raises(self: Any) -> None:
    raise KeyError("settings")


REFUSED: dict[str, tuple[Any, str]] = {
    "no model": (_with(component=None), "Odd has no model. Give it a component, or a model_path."),
    "a class": (_with(component=Loads), "Odd.component is a class. Make one: component = Loads(…)."),
    "no component": (_with(component=sum), "Odd.component is a builtin_function_or_method, and no ModelComponent."),
    "both": (_with(model_path="m.joblib"), "Odd has a component and a model_path. Leave one of them away."),
    "no path": (_with(component=None, model_path=3), "Odd.model_path is a int, and no path."),
    "reserved name": (_with(name="health"), "The name of Odd cannot be 'health'. Allowed: a name other than docs"),
    "odd name": (_with(name="my model"), "The name of Odd cannot be 'my model'. Allowed: letters"),
    "no name": (_with(name=3), "The name of Odd cannot be 3."),
    "init": (_with(__init__=_raises), "Odd() raised KeyError: 'settings'. Make one, and serve that."),
    "no resource": (dict, "dict is no ModelResource."),
    "nothing": (None, "NoneType is no ModelResource."),
    "no slash": (_with(score=_route("score/")), "The path of Odd.score, 'score/', has no slash before it. Write '/sc"),
    "two slashes": (_with(score=_route("/a//b/")), "The path of Odd.score cannot be '/a//b/'. Write it like"),
    "dots": (_with(score=_route("/../b/")), "The path of Odd.score cannot be '/../b/'."),
    "blank": (_with(score=_route("/a b/")), "The path of Odd.score cannot be '/a b/'."),
    "query": (_with(score=_route("/a?b=1")), "The path of Odd.score cannot be '/a?b=1'."),
    "brace": (_with(score=_route("/{a/")), "The path of Odd.score cannot be '/{a/'."),
    "kind": (_with(score=_route("/{a:banana}/")), "The path of Odd.score cannot be '/{a:banana}/': Unknown path"),
    "twice": (_with(score=_route("/{a}/{a}/")), "The path of Odd.score cannot be '/{a}/{a}/': Duplicated param"),
    "verb": (_with(score=_route("/a/", methods=["FETCH"])), "There is no HTTP method 'FETCH' for Odd.score to answer."),
    "no verb": (_with(score=_route("/a/", methods=[])), "There is no HTTP method for Odd.score to answer."),
    "same place": (
        _with(a=_route("/{x}/"), b=_route("/{y}", methods=["POST", "GET"])),
        "Odd answers GET /{x}/ by a and b. Give each a path of its own.",
    ),
    "overridden too": (
        _with(a=_route("/predict/", methods="POST"), predict=lambda self: None),
        "Odd answers POST /predict/ by a and predict.",
    ),
}


@pytest.mark.parametrize(("given", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_served_is_refused_with_a_sentence(given: Any, says: str) -> None:
    with pytest.raises(ModelRefused) as refusal:
        resource_of(given)
    assert str(refusal.value).startswith(says)


def test_the_marker_needs_its_path() -> None:
    with pytest.raises(ModelRefused, match="needs a path"):
        resource_method(_raises)  # type: ignore[arg-type]


def test_marking_changes_nothing_about_a_function() -> None:
    function = _route("/a/")
    assert function(None) is None
    assert not isinstance(OptionError("x"), ModelRefused)


# --- what it replaces


class Replaces(ModelResource):
    component = Loads()
    threshold = 0.5

    def predict(self, X: Any) -> None: ...

    def explain(self, X: Any) -> None: ...

    def _hidden(self) -> None: ...

    @resource_method("/unload/")
    def drop(self) -> None: ...

    @resource_method("/state/now/")
    def metadata(self) -> None: ...

    @resource_method("/transform/")
    def other(self) -> None: ...

    @resource_method("/")
    def page(self) -> None: ...


def test_what_is_replaced_are_names_that_are_taken_and_paths() -> None:
    assert replaced_by(resource_of(Replaces)) == {
        "explain",
        "metadata",
        "predict",
        "state/now",
        "transform",
        "unload",
    }
    assert replaced_by(resource_of(Kept)) == frozenset()


# --- what is said of it


YAML = """
    tags:
        - One
        - 2
    summary:
        Score it.
    description: >
        So
        well.
    """

RESPONSES = """tags: One
responses:
  200:
    description: Fine.
  '404': None there.
  x: {}
"""

MIXED = """Score it.

    Well.
    ---
    tags: [One]
    deprecated: true
    """

DOCSTRINGS: dict[str, tuple[str | None, Documentation]] = {
    "none": (None, Documentation()),
    "line": ("Score it.", Documentation(summary="Score it.")),
    "text": (
        "Score it.\n\n    As well\n    as you can.",
        Documentation(summary="Score it.", description="As well\nas you can."),
    ),
    "yaml": (YAML, Documentation(("One", "2"), "Score it.", "So well.")),
    "responses": (
        RESPONSES,
        Documentation(("One",), responses={200: {"description": "Fine."}, 404: {"description": "None there."}}),
    ),
    "both": (MIXED, Documentation(("One",), "Score it.", "Well.", deprecated=True)),
    "colon": ("Note: it is slow.", Documentation(summary="Note: it is slow.")),
    "no yaml": ("tags: [unclosed", Documentation(summary="tags: [unclosed")),
    "list": ("- a\n- b", Documentation(summary="- a", description="- b")),
    "no date": ("2024-99-99", Documentation(summary="2024-99-99")),
}


@pytest.mark.parametrize(("text", "expected"), DOCSTRINGS.values(), ids=DOCSTRINGS)
def test_a_docstring_is_read_as_yaml_if_it_is_that(text: str | None, expected: Documentation) -> None:
    assert read_docstring(text) == expected


class Score(BaseModel):
    value: float


class Described(ModelResource):
    @resource_method("/score/{number}/", methods=["POST", "PUT"])
    def score(self, number: int, factor: float = 1.0) -> Score:
        """
        tags: [Scores]
        summary: Score a number.
        responses:
          200: {description: The score.}
          418: {description: It is a teapot.}
        """
        return Score(value=number * factor)

    @resource_method("/drop/", tags=["Mine"], summary="Drop it", description="All of it.", deprecated=True)
    def drop(self, score: Score, model: Model) -> None:
        """This is not said."""

    @resource_method("/hidden/", include_in_schema=False)
    def hidden(self) -> None: ...

    def predict(self, rows):
        """Predict, in my own way."""
        return rows

    def predict_proba(self, rows):  # the model has none
        return rows

    @resource_method("/unload/", name="the unload")
    def unload(self) -> dict[str, Any]:
        return {}


def test_the_document_shows_what_a_resource_answers(serve: Serve, caller: Caller) -> None:
    serve(Described(component=Loads()), name="m")
    document = caller.get("/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    paths = document["paths"]
    own = {path: set(operations) for path, operations in paths.items() if path.startswith("/m/")}
    assert own == {
        "/m/": {"delete"},
        "/m/score/{number}/": {"post", "put"},
        "/m/drop/": {"get"},
        "/m/predict/": {"post"},
        "/m/unload/": {"get"},
        "/m/inspect/": {"get"},
        "/m/metadata/": {"get"},
        "/m/traffic/": {"get"},
        "/m/traffic/{id}/": {"get"},
        "/m/load/": {"post"},
    }
    score = paths["/m/score/{number}/"]["post"]
    assert (score["tags"], score["summary"]) == (["Scores"], "Score a number.")
    assert score["responses"]["200"]["description"] == "The score."
    assert score["responses"]["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Score"}
    assert score["responses"]["418"]["description"] == "It is a teapot."
    drop = paths["/m/drop/"]["get"]
    assert (drop["tags"], drop["summary"], drop["description"], drop["deprecated"]) == (
        ["Mine"],
        "Drop it",
        "All of it.",
        True,
    )
    assert paths["/m/predict/"]["post"]["summary"] == "Predict, in my own way."
    assert paths["/m/predict/"]["post"]["tags"] == ["m"]
    for path, operations in paths.items():
        for operation in operations.values():
            if path.startswith("/m/"):
                assert {"401", "403"} <= set(operation["responses"])
            for status in {"401", "403", "422", "500", "503"} & set(operation["responses"]):
                if path != "/ready":
                    schema = operation["responses"][status]["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/nbserve.Error"}


def test_operations_of_many_resources_have_ids_of_their_own(serve: Serve, caller: Caller) -> None:
    for name in ("a", "a.b", "a-b", "a_b"):
        endpoint = serve(Described(component=Loads()), name=name)

    @endpoint.app.post("/paint")
    def paint(score: Score) -> Score:
        return score

    document = caller.get("/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    ids = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))
    assert {"a_predict", "a_b_predict", "a_drop"} <= set(ids)


def test_the_document_has_only_what_the_token_opens(serve: Serve, caller: Caller) -> None:
    mine = serve(Described(component=Loads()), name="mine")
    serve(Described(component=Loads()), name="theirs")
    paths = caller.get("/openapi.json", token=mine.token).json()["paths"]
    assert "/mine/drop/" in paths
    assert not [path for path in paths if path.startswith("/theirs/")]
