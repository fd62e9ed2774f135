"""Which methods are served, with which arguments."""

from __future__ import annotations

import functools
import math
from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.preprocessing import StandardScaler

from nbserve.core.analysis import analyse
from nbserve.core.schema import Container, DataKind, Datatype
from tests.models import CASES, Adder, House, Passenger, iris_array, scaled, titanic_frame

BY_ID = {case.id: case for case in CASES}


def methods_of(model: Any) -> list[str]:
    return [each.method for each in analyse(model).signatures]


@pytest.mark.parametrize(
    ("case", "methods"),
    [
        ("logistic on arrays", ["predict", "predict_proba", "predict_log_proba", "decision_function"]),
        ("svc", ["predict", "decision_function"]),
        ("neighbours", ["predict", "predict_proba", "kneighbors"]),
        ("k-means", ["predict", "transform"]),
        ("pca", ["transform", "score_samples", "inverse_transform"]),
        ("scaler", ["transform", "inverse_transform"]),
        ("isolation forest", ["predict", "decision_function", "score_samples"]),
        ("voting", ["predict", "transform"]),
        ("mixture", ["predict", "predict_proba", "score_samples"]),
        ("class", ["predict", "explain"]),
        ("function", ["predict"]),
        ("callable", ["predict"]),
    ],
)
def test_methods_that_take_data_and_answer_are_served(case: str, methods: list[str]) -> None:
    assert methods_of(BY_ID[case].make()) == methods


def test_methods_behind_a_getattr_are_found_unless_it_answers_to_any_name() -> None:
    class Passing:
        def __getattr__(self, name: str) -> Any:
            return getattr(BY_ID["svc"].make(), name)

    class Anything:
        def __getattr__(self, name: str) -> Any:
            return lambda *args: args

        def predict(self, X: Any) -> Any:
            return X

    assert methods_of(Passing()) == ["predict", "decision_function"]
    assert methods_of(Anything()) == ["predict"]


def test_a_property_that_fails_is_not_a_method() -> None:
    class Odd:
        def predict(self, X: Any) -> Any:
            return X

        @property
        def transform(self) -> Any:
            raise RuntimeError("not today")

    assert methods_of(Odd()) == ["predict"]


def test_analysis_calls_nothing_of_the_users() -> None:
    class Touchy:
        def predict(self, X: Any) -> Any:
            raise AssertionError("called")

        def __call__(self, X: Any) -> Any:
            raise AssertionError("called")

        def __bool__(self) -> bool:
            raise AssertionError("asked for truth")

        def __len__(self) -> int:
            raise AssertionError("asked for length")

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

        __hash__ = None  # type: ignore[assignment]

    assert methods_of(Touchy()) == ["predict", "__call__"]


def test_an_object_that_is_called_is_served_as_predict() -> None:
    for model in (Adder(), Adder().add, functools.partial(scaled, 2), len):
        main = analyse(model).main
        assert (main.method, main.attribute) == ("predict", "__call__")


def test_async_methods_functions_partials_and_callables_are_known() -> None:
    async def answer(scale: float, X: Any) -> Any:
        return X

    async def stream(X: Any) -> Any:
        yield X

    class Later:
        async def __call__(self, X: Any) -> Any:
            return X

    for model in (answer, stream, functools.partial(answer, 2), Later(), Later().__call__):
        assert analyse(model).main.is_async
    assert not analyse(Adder()).main.is_async


@pytest.mark.parametrize(
    ("function", "data", "others"),
    [
        pytest.param(lambda ids, X: X, "X", ["ids"], id="named like data"),
        pytest.param(lambda things: things, "things", [], id="the only required one"),
        pytest.param(lambda things, k=3: things, "things", ["k"], id="the only required one of two"),
        pytest.param(lambda a, b: a, None, ["a", "b"], id="several of no such name"),
        pytest.param(lambda k=3: k, None, ["k"], id="none required"),
        pytest.param(lambda *rows: rows, None, ["rows"], id="any number"),
        pytest.param(lambda *, X, k: X, "X", ["k"], id="by keyword"),
    ],
)
def test_the_data_argument_is_found_by_name_or_because_it_is_the_only_one(
    function: Any, data: Any, others: Any
) -> None:
    main = analyse(function).main
    assert (None if main.data is None else main.data.name) == data
    assert [each.name for each in main.parameters] == others


def test_the_first_argument_of_predict_is_the_data_whatever_its_name() -> None:
    class Model:
        def predict(self, stuff: Any, other: Any, *, k: int = 1) -> Any:
            return stuff

    data, others = analyse(Model()).main.data, analyse(Model()).main.parameters
    assert data is not None
    assert data.name == "stuff"
    assert [(each.name, each.required, each.keyword_only) for each in others] == [
        ("other", True, False),
        ("k", False, True),
    ]


def test_a_scalar_annotation_makes_a_plain_argument() -> None:
    class Sentiment:
        def predict(self, text: str) -> float:
            return len(text) / 10

    main = analyse(Sentiment()).main
    assert main.data is None
    assert main.example == {"text": "some text"}


def test_position_and_by_keyword_say_how_the_data_is_passed() -> None:
    def positional(first: int, X: Any, /) -> Any:
        return X

    data = analyse(positional).main.data
    assert data is not None
    assert (data.position, data.positional, data.by_keyword) == (1, True, False)
    keyword = analyse(lambda *, X: X).main.data
    assert keyword is not None
    assert keyword.by_keyword


def test_annotations_tell_type_null_and_choices() -> None:
    def predict(X: Any, a: int | None, b: Literal["low", "high"], c: "float" = 1.0, d: "Nowhere" = 2) -> Any:  # noqa: F821, UP037
        return X

    a, b, c, d = analyse(predict).main.parameters
    assert (a.datatype, a.nullable, a.required) == (Datatype.INTEGER, True, True)
    assert (b.datatype, b.nullable, b.choices) == (Datatype.STRING, False, ("low", "high"))
    assert (c.datatype, c.nullable, c.default) == (Datatype.NUMBER, False, 1.0)
    assert (d.datatype, d.default) == (Datatype.NUMBER, 2)


def test_an_argument_that_holds_a_model_is_not_offered_and_not_kept() -> None:
    scaler = StandardScaler().fit(iris_array())

    def predict(X: Any, model: Any = scaler, k: int = 2) -> Any:
        return model.transform(X)

    assert [each.name for each in analyse(predict).main.parameters] == ["k"]
    assert [each.name for each in analyse(functools.partial(predict, model=scaler)).main.parameters] == ["k"]


@pytest.mark.parametrize(
    ("annotation", "kind", "container"),
    [
        (np.ndarray, DataKind.MATRIX, Container.NUMPY),
        (np.ndarray | None, DataKind.MATRIX, Container.NUMPY),
        (pd.DataFrame, DataKind.VALUE, Container.PANDAS),
        (pd.Series, DataKind.VALUE, Container.SERIES),
        (pl.DataFrame, DataKind.VALUE, Container.POLARS),
        (list[str], DataKind.TEXTS, Container.PYTHON),
        (list[list[float]], DataKind.MATRIX, Container.PYTHON),
        (list[Passenger], DataKind.VALUE, Container.PYTHON),
        (list[House], DataKind.VALUE, Container.PYTHON),
        (dict[str, float], DataKind.VALUE, Container.PYTHON),
    ],
    ids=str,
)
def test_an_annotation_says_what_the_data_is_given_as(annotation: Any, kind: DataKind, container: Container) -> None:
    def predict(X: Any) -> Any:
        return X

    predict.__annotations__["X"] = annotation
    data = analyse(predict).main.data
    assert data is not None
    assert (data.kind, data.container) == (kind, container)
    assert data.annotation == annotation


@pytest.mark.parametrize(
    ("function", "kind", "container"),
    [
        pytest.param(lambda X: X.fillna(0), DataKind.VALUE, Container.PANDAS, id="frame attribute"),
        pytest.param(lambda X: X[["a", "b"]].sum(), DataKind.VALUE, Container.PANDAS, id="list of columns"),
        pytest.param(lambda X: X["a"] + X["b"], DataKind.VALUE, Container.PANDAS, id="columns"),
        pytest.param(lambda df: df, DataKind.VALUE, Container.PANDAS, id="called df"),
        pytest.param(lambda X: X[:, 0], DataKind.MATRIX, Container.NUMPY, id="tuple subscript"),
        pytest.param(lambda X: X.reshape(-1), DataKind.MATRIX, Container.NUMPY, id="array attribute"),
        pytest.param(lambda X: X * 2 + 1, DataKind.MATRIX, Container.NUMPY, id="arithmetic"),
        pytest.param(lambda X: X > 0, DataKind.MATRIX, Container.NUMPY, id="comparison"),
        pytest.param(lambda x: x**2, DataKind.VALUE, Container.NUMPY, id="arithmetic on anything"),
        pytest.param(lambda X: np.exp(X), DataKind.MATRIX, Container.NUMPY, id="given to numpy"),
        pytest.param(lambda X: [t.lower() for t in X], DataKind.TEXTS, Container.PYTHON, id="texts"),
        pytest.param(lambda X: [sum(row) for row in X], DataKind.VALUE, Container.PYTHON, id="item by item"),
        pytest.param(lambda X: [row["age"] for row in X], DataKind.VALUE, Container.PYTHON, id="records"),
        pytest.param(lambda n: math.sqrt(n), DataKind.VALUE, Container.PYTHON, id="a number"),
        pytest.param(lambda X: X, DataKind.VALUE, Container.PYTHON, id="nothing"),
    ],
)
def test_the_code_says_what_the_data_is_given_as(function: Any, kind: DataKind, container: Container) -> None:
    data = analyse(function).main.data
    assert data is not None
    assert (data.kind, data.container) == (kind, container)


@pytest.mark.parametrize(
    ("function", "example"),
    [
        pytest.param(lambda X: [row["age"] + 1 for row in X], [{"age": 1.0}] * 2, id="keys of records"),
        pytest.param(lambda X: [a * b + c for a, b, c in X], [[1.0, 1.0, 1.0]] * 2, id="unpacked rows"),
        pytest.param(lambda X: [row[0] * row[4] for row in X], [[1.0] * 5] * 2, id="places in rows"),
        pytest.param(lambda X: [value + 1 for value in X], [1.0, 1.0], id="numbers"),
        pytest.param(lambda X: X @ np_weights, [[1.0, 1.0, 1.0]] * 2, id="as wide as the weights"),
        pytest.param(lambda passenger: passenger["age"], {"age": 1.0}, id="one record"),
        pytest.param(lambda text: text.upper(), "some text", id="one text"),
    ],
)
def test_the_example_is_what_the_code_can_read(function: Any, example: Any) -> None:
    main = analyse(function).main
    assert main.data is not None
    assert main.example == {main.data.name: example}
    function(np.array(example) if main.data.container is Container.NUMPY else example)


np_weights = np.ones(3)


def test_evidence_is_given_for_what_the_data_is_given_as() -> None:
    finding = next(each for each in analyse(lambda X: X[:, 0]).findings if each.what == "predict: X is given as")
    assert (finding.value, finding.because) == ("numpy", "the code uses X[…, …]")


def test_a_function_around_an_estimator_takes_what_the_estimator_takes() -> None:
    model = BY_ID["titanic"].make()

    def predict(X: Any) -> Any:
        return model.predict_proba(X)[:, 1]

    for served in (predict, BY_ID["class around an estimator"].make(), model.predict_proba):
        data = analyse(served).main.data
        assert data is not None
        assert data.kind is DataKind.TABLE
        assert data.container is Container.PANDAS
    names = [each.name for each in analyse(predict).features]
    assert names == ["pclass", "sex", "age", "fare", "embarked"]


def test_a_frame_of_the_notebook_is_the_example_of_a_function_that_reads_its_columns() -> None:
    main = analyse(lambda rows: rows["age"] * 12, namespace={"people": titanic_frame()}).main
    assert main.example["rows"][0]["age"] == titanic_frame()["age"][0]


def test_a_torch_module_is_called_with_what_its_forward_takes() -> None:
    class Module:
        """Stands in for torch's: called through `__call__`, described by `forward`."""

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return self.forward(*args, **kwargs)

        def apply(self, function: Any) -> Any:
            return function(self)

    Module.__module__ = "torch.nn.modules.module"

    class Net(Module):
        def forward(self, tokens: Any, mask: Any = None) -> Any:
            return tokens

    signatures = analyse(Net()).signatures
    assert [(each.method, each.attribute) for each in signatures] == [("predict", "__call__")]
    assert signatures[0].data is not None
    assert signatures[0].data.name == "tokens"
    assert [each.name for each in signatures[0].parameters] == ["mask"]
