"""The user's own resources: what they declare is served, what they override is replaced, the rest stays."""

# ruff: noqa: B008, DTZ005, DTZ011, RUF012 - resources as users and the tutorial write them

import typing
from datetime import date, datetime
from pathlib import Path

import joblib
import numpy as np
import pytest
from fastapi import Depends, Request
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

import nbserve
from nbserve import Model, ModelComponent, ModelResource, resource_method
from nbserve.web.resources import ResourceRoutes
from tests.client import Caller, assert_error
from tests.conftest import Serve
from tests.resources import Loads, Scores

POINTS = [[0, 0], [0, 1], [1, 0], [1, 1]]

MODELS = {
    "MLPClassifier": (MLPClassifier((10,), activation="tanh", max_iter=2000, random_state=0), [0, 1, 1, 0]),
    "LogisticRegression": (LogisticRegression(C=1000.0), [0, 0, 1, 1]),
}


# --- the tutorial


class MyCustomModel(Model):
    def inspect(self) -> typing.Any:
        return self.model.get_params()

    def predict(self, x: typing.Any) -> typing.Any:
        return self.model.predict(x)


class MyCustomModelComponent(ModelComponent):
    def __init__(self, model_path: str):
        self._model_path = model_path
        self.model = MyCustomModel(None)

    def load_model(self):
        self.model = MyCustomModel(nbserve.load(self._model_path, trust=True).model)

    def unload_model(self):
        self.model = MyCustomModel(None)

    def resolve(self) -> MyCustomModel:
        if not self.model.model:
            self.load_model()

        return self.model


def tutorial_resource(path: Path) -> type[ModelResource]:
    component = MyCustomModelComponent(str(path))
    return _resource_of(component)


def _resource_of(component_: ModelComponent) -> type[ModelResource]:
    class MyCustomModelResource(ModelResource):
        name = "custom_model"
        verbose_name = "Lazy-loaded ScikitLearn Model"
        component = component_

        info = {
            "model_version": "1.0.0",
            "library_version": "1.0.2",
        }

        def _get_metadata(self):
            return {
                "metadata": {
                    "built-in": {
                        "verbose_name": self._meta.verbose_name,
                        "name": self._meta.name,
                    },
                    "custom": {
                        **self.info,
                        "loaded": self.component.model.model is not None,
                        "date": datetime.now().date(),
                        "time": datetime.now().time(),
                    },
                }
            }

        @resource_method("/unload/", methods=["GET"], name="unload-method")
        def unload(self):
            """
            tags:
                - Lazy-loaded ScikitLearn Model
            summary:
                Unload the model.
            """
            self.component.unload_model()
            return self._get_metadata()

        @resource_method("/metadata/", methods=["GET"], name="metadata-method")
        def metadata(self):
            """
            tags:
                - Lazy-loaded ScikitLearn Model
            summary:
                Get metadata info.
            """
            return self._get_metadata()

    return MyCustomModelResource


@pytest.fixture(params=MODELS)
def artifact(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[int]]:
    """A saved model, and what it predicts for `POINTS`."""
    model, expected = MODELS[request.param]
    joblib.dump(model.fit(POINTS, expected), tmp_path / "sklearn_model.joblib")
    return tmp_path / "sklearn_model.joblib", expected


def test_the_tutorial_gives_the_tutorials_sequence(
    serve: Serve, caller: Caller, artifact: tuple[Path, list[int]]
) -> None:
    path, expected = artifact
    serve(tutorial_resource(path), path="/model")

    def is_loaded(path: str) -> bool:
        answer = caller.get(path)
        assert answer.status_code == 200, answer.text
        metadata = answer.json()["metadata"]
        assert metadata["built-in"] == {"verbose_name": "Lazy-loaded ScikitLearn Model", "name": "custom_model"}
        assert metadata["custom"]["model_version"] == "1.0.0"
        assert metadata["custom"]["date"] == date.today().isoformat()
        return metadata["custom"]["loaded"]

    assert not is_loaded("/model/metadata/")
    assert caller.get("/model/inspect/").json() == _plain(joblib.load(path).get_params())
    assert is_loaded("/model/metadata/")
    assert not is_loaded("/model/unload/")
    assert not is_loaded("/model/metadata/")
    assert caller.predict("/model/predict/", json={"input": POINTS}) == expected
    assert is_loaded("/model/metadata/")


def _plain(settings: dict[str, object]) -> dict[str, object]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}


# --- the model


def test_two_endpoints_of_one_class_have_two_models(serve: Serve, caller: Caller) -> None:
    first, second = Loads(2), Loads(3)
    serve(Scores(component=first), name="one")
    serve(Scores(component=second), name="two")
    assert [caller.post(f"/{name}/score/").json() for name in ("one", "two")] == [{"score": 2}, {"score": 3}]
    assert caller.predict("/one/predict/", json=[1]) == [2]
    assert caller.predict("/two/predict/", json=[1]) == [3]
    assert caller.post("/one/unload/").status_code == 200
    assert (first.model, second.model is None) == (None, False)


@pytest.mark.filterwarnings("ignore:.*runs the code")
def test_a_resource_may_name_a_file(serve: Serve, caller: Caller, artifact: tuple[Path, list[int]]) -> None:
    class OfFile(ModelResource):
        model_path = artifact[0]

        @resource_method("/first/")
        def first(self):
            return self.model.predict(POINTS)[0]

    serve(OfFile, name="file")
    assert caller.get("/file/first/").json() == artifact[1][0]
    assert caller.predict("/file/predict/", json={"X": POINTS}) == artifact[1]


def test_a_component_may_be_injected_into_any_route_of_the_application(serve: Serve, caller: Caller) -> None:
    component = Loads(5)
    endpoint = serve(Scores(component=component), name="five")

    @endpoint.app.get("/elsewhere")
    def elsewhere(model=Depends(component)):
        assert endpoint.loaded
        return {"factor": model.model}

    assert not endpoint.loaded
    assert caller.get("/elsewhere").json() == {"factor": 5}


# --- overriding


class Overrides(ModelResource):
    def predict(self, X):
        return {"mine": [2 * value for value in X]}

    async def metadata(self):
        return "my metadata"

    def predict_proba(self, X):
        return "my probabilities"

    def explain(self, X):
        return "no method of the model"


def test_a_method_named_like_a_route_takes_its_place(serve: Serve, caller: Caller) -> None:
    serve(Overrides(component=Loads()), name="mine")
    assert caller.post("/mine/predict/", json={"X": [1, 2]}).json() == {"mine": [2, 4]}
    assert caller.get("/mine/metadata").json() == "my metadata"
    assert caller.post("/mine/predict_proba", json={"X": []}).json() == "my probabilities"
    assert_error(caller.get("/mine/predict"), 405, "method_not_allowed")
    assert caller.get("/mine/").json()["described"] is True
    assert caller.post("/mine/load/").json()["loaded"] is True


def test_what_is_named_like_nothing_is_no_route(serve: Serve, caller: Caller) -> None:
    """Also while the model was never seen, and might have a method of that name."""
    serve(Overrides(component=Loads()), name="mine")
    for _ in range(2):
        assert_error(caller.post("/mine/explain/", json={"X": [1]}), 404, "not_found")
        assert_error(caller.post("/mine/_meta/"), 404, "not_found")


def test_a_route_of_another_verb_leaves_nothing_of_the_built_in_one(serve: Serve, caller: Caller) -> None:
    class GetOnly(ModelResource):
        component = Loads()

        @resource_method("/unload/", methods=["GET"])
        def forget(self):
            self.component.unload_model()

        @resource_method("/state/")
        def metadata(self):
            return "mine"

    serve(GetOnly, name="m")
    refused = caller.post("/m/unload/")
    assert_error(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "GET, HEAD"
    assert caller.get("/m/unload/").json() is None
    assert caller.get("/m/state").json() == "mine"
    assert_error(caller.get("/m/metadata/"), 404, "not_found")


def test_a_method_that_overrides_a_marked_one_keeps_its_route(serve: Serve, caller: Caller) -> None:
    class Sharper(Scores):
        def score(self, factor: int = 10):
            return {"sharper": factor}

    serve(Sharper(component=Loads()), name="m")
    assert caller.post("/m/score/").json() == {"sharper": 10}


# --- coming and going


def test_a_plain_model_served_in_its_place_has_none_of_its_routes(serve: Serve, caller: Caller) -> None:
    serve(Scores(component=Loads()), name="m")
    serve(len, name="m")
    assert_error(caller.post("/m/score/"), 404, "not_found")


def test_a_resource_that_is_refused_leaves_what_was_served(serve: Serve, caller: Caller) -> None:
    routes = ResourceRoutes()
    routes.put("m", Scores(component=Loads()))

    class Odd(ModelResource):
        @resource_method("/odd/")
        def odd(self, rows: np.ndarray):
            return rows

    with pytest.raises(nbserve.NbserveError, match=r"Odd\.odd takes rows: ndarray"):
        routes.put("m", Odd(component=Loads()))
    assert [route.path for route in routes.of(["m", "other"])] == ["/m/score/"]


def test_routes_are_found_by_their_names(serve: Serve, caller: Caller) -> None:
    class Links(ModelResource):
        @resource_method("/links/", name="the-links")
        def links(self, request: Request):
            return [
                request.url_for("m:the-links").path,
                request.url_for("m:item", number="3").path,
                request.url_for("elsewhere").path,
            ]

        @resource_method("/items/{number}/")
        def item(self, number: int):
            return number

    endpoint = serve(Links(component=Loads()), name="m")
    endpoint.app.add_api_route("/elsewhere", lambda: None, name="elsewhere")
    assert caller.get("/m/links/").json() == ["/m/links/", "/m/items/3/", "/elsewhere"]
