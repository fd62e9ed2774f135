"""The models that tests share: small, really fitted, made once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

__all__ = ["CASES", "ModelCase", "iris_array", "iris_frame", "titanic_frame"]


@dataclass(frozen=True)
class ModelCase:
    """A model to serve. `make` gives the same object each time, `rows` are what its main method takes natively."""

    id: str
    make: Callable[[], Any]
    rows: Any
    namespace: dict[str, Any] | None = None

    def __str__(self) -> str:
        return self.id


# --- data


@functools.cache
def _iris() -> Any:
    return load_iris(as_frame=True)


def iris_array() -> Any:
    return _iris().data.to_numpy()


def iris_frame() -> Any:
    return _iris().data


def iris_target() -> Any:
    return _iris().target.to_numpy()


@functools.cache
def titanic_frame() -> Any:
    """Passengers that never were: numbers with holes, two categories, and who survived."""
    draw = np.random.default_rng(7)
    count = 200
    sex = draw.choice(["female", "male"], count)
    age = np.round(draw.uniform(1, 80, count), 1)
    fare = np.round(draw.gamma(2.0, 15.0, count), 2)
    survived = ((sex == "female") & (fare > 10)) | (age < 10)
    age[draw.random(count) < 0.15] = np.nan
    return pd.DataFrame(
        {
            "pclass": draw.choice([1, 2, 3], count),
            "sex": sex,
            "age": age,
            "fare": fare,
            "embarked": draw.choice(["C", "Q", "S"], count),
            "survived": survived.astype(int),
        }
    )


def titanic_input() -> Any:
    return titanic_frame().drop(columns="survived")


TEXTS = ["good and great", "great fun", "good fun", "bad and dull", "dull and slow", "bad and slow"] * 5
LABELS = ["pos", "pos", "pos", "neg", "neg", "neg"] * 5


# --- scikit-learn


@functools.cache
def logistic_on_arrays() -> Any:
    return LogisticRegression(max_iter=500).fit(iris_array(), iris_target())


@functools.cache
def logistic_on_frame() -> Any:
    return LogisticRegression(max_iter=500).fit(iris_frame(), iris_target())


def _on_iris(make: Callable[[], Any]) -> Callable[[], Any]:
    return functools.cache(lambda: make().fit(iris_array(), iris_target()))


def _on_numbers(make: Callable[[], Any]) -> Callable[[], Any]:
    return functools.cache(lambda: make().fit(iris_array()[:, :3], iris_array()[:, 3]))


@functools.cache
def multi_output_regressor() -> Any:
    return MultiOutputRegressor(Ridge()).fit(iris_array()[:, :2], iris_array()[:, 2:])


@functools.cache
def multi_output_classifier() -> Any:
    targets = np.column_stack([iris_target(), np.where(iris_array()[:, 0] > 5.8, "long", "short")])
    return MultiOutputClassifier(LogisticRegression(max_iter=500)).fit(iris_array(), targets)


@functools.cache
def titanic_pipeline() -> Any:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, ["age", "fare"]),
            ("port", OneHotEncoder(handle_unknown="ignore"), ["embarked"]),
            ("sex", OneHotEncoder(drop="if_binary"), ["sex"]),
            ("class", OrdinalEncoder(), ["pclass"]),
        ]
    )
    model = Pipeline([("columns", columns), ("model", LogisticRegression())])
    return model.fit(titanic_input(), titanic_frame()["survived"])


@functools.cache
def text_pipeline() -> Any:
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, LABELS)


@functools.cache
def target_transformed() -> Any:
    model = TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1)
    return model.fit(iris_array()[:, :3], iris_array()[:, 3])


def _voting() -> Any:
    return VotingClassifier([("a", LogisticRegression(max_iter=500)), ("b", SVC())], voting="hard")


# --- functions and classes as people write them


def double(X):
    """Twice each number."""
    return [[value * 2 for value in row] for row in X]


def scaled(factor, X):
    return np.asarray(X) * factor


def area(*, rows, unit="cm"):
    return [f"{height * width}{unit}" for height, width in rows]


def total(*values):
    return sum(values)


def add(a: int, b: int = 2) -> int:
    return a + b


def shout(texts: list[str]) -> list[str]:
    return [text.upper() for text in texts]


def age_in_months(df):
    return df["age"].fillna(0) * 12


def convert(value: float, unit: Literal["km", "mile"] = "km", digits: int | None = None) -> float:
    return round(value * (1.0 if unit == "km" else 1.609), digits if digits is not None else 3)


@dataclass
class House:
    rooms: int
    area: float
    town: str = "Ghent"


def price(houses: list[House]) -> list[float]:
    return [house.rooms * 1000 + house.area * 10 for house in houses]


class Passenger(BaseModel):
    name: str
    age: Annotated[int, Field(ge=18)]
    fare: float = 10.0


def greeting(passenger: Passenger) -> str:
    return f"{passenger.name}, {passenger.age}"


def mean_of(X: np.ndarray) -> Any:
    return X.mean(axis=1)


@dataclass
class Adder:
    """Adds a number."""

    amount: float = 1.0

    def __call__(self, X):
        return [[value + self.amount for value in row] for row in X]

    def add(self, X):
        return self(X)


class Ranker:
    """Ranks rows by their sum."""

    def predict(self, X, top=None):
        order = np.argsort(-np.asarray(X).sum(axis=1))
        return order[:top]

    def explain(self, X):
        return [list(row) for row in X]

    def fit(self, X, y=None):
        return self


class Slow:
    """Answers in its own time."""

    async def predict(self, X):
        return [len(row) for row in X]


class Tagged:
    def predict(self, ids, X):
        return {str(key): sum(row) for key, row in zip(ids, X, strict=True)}


class Wrapped:
    """Holds an estimator and hands its rows on."""

    def __init__(self):
        self.model = logistic_on_frame()

    def predict(self, X):
        return self.model.predict(X)


def cached(make: Callable[[], Any]) -> Callable[[], Any]:
    return functools.cache(make)


SAMPLE_ROWS = [[5.1, 3.5, 1.4, 0.2], [6.2, 3.4, 5.4, 2.3]]
IRIS_ROWS = np.array(SAMPLE_ROWS)
PAIRS = [[1.0, 2.0], [3.0, 4.0]]

CASES: list[ModelCase] = [
    ModelCase("logistic on arrays", logistic_on_arrays, IRIS_ROWS),
    ModelCase("logistic on arrays, array in the notebook", logistic_on_arrays, IRIS_ROWS, {"X_test": iris_array()}),
    ModelCase("logistic on frame", logistic_on_frame, iris_frame().head(2)),
    ModelCase(
        "logistic on frame, frame in the notebook", logistic_on_frame, iris_frame().head(2), {"df": iris_frame()}
    ),
    ModelCase(
        "scaled logistic",
        _on_iris(lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))),
        IRIS_ROWS,
    ),
    ModelCase("forest", _on_iris(lambda: RandomForestClassifier(5, random_state=0)), IRIS_ROWS),
    ModelCase("boosting", _on_iris(lambda: GradientBoostingClassifier(n_estimators=3)), IRIS_ROWS),
    ModelCase("histogram boosting", _on_iris(lambda: HistGradientBoostingClassifier(max_iter=3)), IRIS_ROWS),
    ModelCase("svc", _on_iris(SVC), IRIS_ROWS),
    ModelCase("neighbours", _on_iris(KNeighborsClassifier), IRIS_ROWS),
    ModelCase("linear regression", _on_numbers(LinearRegression), IRIS_ROWS[:, :3]),
    ModelCase("several numbers", multi_output_regressor, IRIS_ROWS[:, :2]),
    ModelCase("several classes", multi_output_classifier, IRIS_ROWS),
    ModelCase("k-means", _on_iris(lambda: KMeans(3, n_init=1, random_state=0)), IRIS_ROWS),
    ModelCase("pca", _on_iris(lambda: PCA(2)), IRIS_ROWS),
    ModelCase("isolation forest", _on_iris(lambda: IsolationForest(n_estimators=5, random_state=0)), IRIS_ROWS),
    ModelCase("titanic", titanic_pipeline, titanic_input().head(2)),
    ModelCase("titanic, frame in the notebook", titanic_pipeline, titanic_input().head(2), {"df": titanic_frame()}),
    ModelCase("texts", text_pipeline, TEXTS[:2]),
    ModelCase("texts, list in the notebook", text_pipeline, TEXTS[:2], {"texts": TEXTS}),
    ModelCase("grid search", _on_iris(lambda: GridSearchCV(SVC(), {"C": [0.5, 1.0]}, cv=2)), IRIS_ROWS),
    ModelCase("voting", _on_iris(_voting), IRIS_ROWS),
    ModelCase("transformed target", target_transformed, IRIS_ROWS[:, :3]),
    ModelCase("scaler", _on_iris(StandardScaler), IRIS_ROWS),
    ModelCase("mixture", _on_iris(lambda: GaussianMixture(3, random_state=0)), IRIS_ROWS),
    ModelCase("network", _on_iris(lambda: MLPClassifier((4,), max_iter=1000, random_state=0, tol=1e-2)), IRIS_ROWS),
    ModelCase("dummy", _on_iris(DummyClassifier), IRIS_ROWS),
    ModelCase("function", lambda: double, PAIRS),
    ModelCase("lambda", cached(lambda: lambda x: x * 2), np.array(PAIRS)),
    ModelCase("partial", cached(lambda: functools.partial(scaled, 3)), PAIRS),
    ModelCase("bound method", cached(lambda: Adder(2.0).add), PAIRS),
    ModelCase("bound method of an estimator", cached(lambda: logistic_on_frame().predict_proba), iris_frame().head(2)),
    ModelCase("callable", cached(Adder), PAIRS),
    ModelCase("class", cached(Ranker), PAIRS),
    ModelCase("async class", cached(Slow), PAIRS),
    ModelCase("class around an estimator", cached(Wrapped), iris_frame().head(2)),
    ModelCase("keyword only", lambda: area, PAIRS),
    ModelCase("arguments before X", cached(Tagged), PAIRS),
    ModelCase("any number of arguments", lambda: total, [1.0, 2.0]),
    ModelCase("plain arguments", lambda: add, None),
    ModelCase("literal", lambda: convert, None),
    ModelCase("dataclasses", lambda: price, [House(2, 50.0)]),
    ModelCase("pydantic model", lambda: greeting, Passenger(name="Ada", age=36)),
    ModelCase("list of texts", lambda: shout, TEXTS[:2]),
    ModelCase("frame function", lambda: age_in_months, titanic_input().head(2)),
    ModelCase("frame function, frame in the notebook", lambda: age_in_months, titanic_input(), {"df": titanic_frame()}),
    ModelCase("annotated array", lambda: mean_of, np.array(PAIRS)),
]
