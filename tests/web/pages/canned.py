"""Endpoints as the server would describe them, and what they answer: made from the real schema, without any model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from nbserve.core.schema import (
    Container,
    DataArgument,
    DataKind,
    Datatype,
    Feature,
    Finding,
    Parameter,
    Profile,
    Signature,
    Task,
)

Answers = dict[str, Callable[[dict[str, Any]], Any]]

IRIS_ROW = [5.1, 3.5, 1.4, 0.2]
IRIS_NAMES = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
SPECIES = ("setosa", "versicolor", "virginica")


def view(name: str, profile: Profile | None, **changes: Any) -> dict[str, Any]:
    """An endpoint's view as the routes give it."""
    return {
        "name": name,
        "version": 1,
        "state": "loaded",
        "loaded": True,
        "reason": None,
        "served_at": "2026-11-21T20:40:00Z",
        "title": None,
        "source": "the notebook",
        "described": True,
        "memory": {"model_bytes": 1_234_567, "spilled_bytes": 0, "session_bytes": 1_234_567, "budget_bytes": None},
        "last_used_s": None,
        "idle_unload_in_s": None,
        "loading": None,
        "counters": {"requests": 1204, "errors": 3, "rows": 48_210, "in_flight": 0, "loads": 1, "unloads": 0},
        "latency_ms": {"p50": 1.24, "p99": 3.4},
        "model": None if profile is None else profile.to_dict(),
    } | changes


def iris() -> Profile:
    columns = tuple(
        Feature(name, Datatype.NUMBER, "float64", example=value)
        for name, value in zip(IRIS_NAMES, IRIS_ROW, strict=True)
    )
    data = DataArgument("X", DataKind.MATRIX, Container.NUMPY, columns, width=4, dtype="float64")
    example = {"X": [IRIS_ROW]}
    chances = tuple(Feature(each, Datatype.NUMBER, "float64") for each in SPECIES)
    return Profile(
        "RandomForestClassifier",
        "sklearn.ensemble",
        "scikit-learn",
        "1.9.0",
        Task.CLASSIFICATION,
        True,
        (
            Signature("predict", data, example=example, doc="The most probable species of each row."),
            Signature("predict_proba", data, outputs=chances, example=example, doc="The probability of each species."),
            Signature("apply", data, example=example, doc="The leaf that each row ends in, for each tree."),
        ),
        classes=SPECIES,
        parameters={"n_estimators": 100, "max_depth": None, "criterion": "gini", "random_state": 0},
        findings=(
            Finding("task", "classification", "is_classifier(model)"),
            Finding("features", 4, "feature_names_in_"),
            Finding("classes", list(SPECIES), "classes_"),
        ),
        doc="Species of an iris from four measurements.",
    )


def iris_chances(body: dict[str, Any]) -> list[list[float]]:
    rows = [list(row.values()) if isinstance(row, dict) else row for row in body["X"]]
    return [[0.93, 0.06, 0.01] if row[2] < 2 else [0.02, 0.31, 0.67] for row in rows]


IRIS_ANSWERS: Answers = {
    "predict": lambda body: [SPECIES[row.index(max(row))] for row in iris_chances(body)],
    "predict_proba": iris_chances,
    "apply": lambda body: [list(range(100)) for _ in body["X"]],
}


def titanic() -> Profile:
    columns = (
        Feature("pclass", Datatype.INTEGER, "int64", categories=(1, 2, 3), closed=True, example=3),
        Feature("sex", Datatype.STRING, "category", categories=("female", "male"), closed=True, example="male"),
        Feature("age", Datatype.NUMBER, "float64", nullable=True, example=22.0),
        Feature("fare", Datatype.NUMBER, "float64", example=7.25),
        Feature("embarked", Datatype.STRING, "object", nullable=True, categories=("C", "Q", "S"), example="S"),
        Feature("alone", Datatype.BOOLEAN, "bool", example=True),
        Feature("boarded_at", Datatype.DATETIME, "datetime64[ns]", example="1912-04-10T12:00:00"),
        Feature("cabin", Datatype.STRING, "object", nullable=True, example=None),
    )
    data = DataArgument("X", DataKind.TABLE, Container.PANDAS, columns, width=len(columns))
    example = {"X": [{each.name: each.example for each in columns}]}
    threshold = Parameter("threshold", Datatype.NUMBER, default=0.5)
    strategy = Parameter("strategy", Datatype.STRING, default="mean", choices=("mean", "worst"))
    explain = Parameter("explain", Datatype.BOOLEAN, default=False, nullable=False)
    return Profile(
        "Pipeline",
        "sklearn.pipeline",
        "scikit-learn",
        "1.9.0",
        Task.CLASSIFICATION,
        True,
        (
            Signature("predict", data, (threshold, strategy, explain), example=example),
            Signature("predict_proba", data, example=example),
        ),
        classes=(0, 1),
        findings=(Finding("task", "classification", "the last step is a classifier"),),
    )


TITANIC_ANSWERS: Answers = {
    "predict": lambda body: [int(row["sex"] == "female") for row in body["X"]],
    "predict_proba": lambda body: [[0.26, 0.74] if row["sex"] == "female" else [0.81, 0.19] for row in body["X"]],
}


def sentiment() -> Profile:
    data = DataArgument("X", DataKind.TEXTS)
    example = {"X": ["What a lovely evening."]}
    return Profile(
        "Pipeline",
        "sklearn.pipeline",
        "scikit-learn",
        "1.9.0",
        Task.CLASSIFICATION,
        True,
        (Signature("predict", data, example=example), Signature("predict_proba", data, example=example)),
        classes=("negative", "neutral", "positive"),
    )


SENTIMENT_ANSWERS: Answers = {
    "predict": lambda body: ["positive" if "lovely" in text else "negative" for text in body["X"]],
    "predict_proba": lambda body: [[0.04, 0.15, 0.81] if "lovely" in t else [0.7, 0.2, 0.1] for t in body["X"]],
}


def houses() -> Profile:
    """Thirty features: the form scrolls and can be searched."""
    columns = tuple(Feature(f"measure_{at:02}", Datatype.NUMBER, "float64", example=at / 10) for at in range(30))
    data = DataArgument("X", DataKind.TABLE, Container.PANDAS, columns, width=30)
    example = {"X": [{each.name: each.example for each in columns}]}
    return Profile(
        "GradientBoostingRegressor",
        "sklearn.ensemble",
        "scikit-learn",
        "1.9.0",
        Task.REGRESSION,
        True,
        (Signature("predict", data, example=example),),
    )


HOUSES_ANSWERS: Answers = {"predict": lambda body: [sum(row.values()) * 4321.987654 for row in body["X"]]}


def loan() -> Profile:
    """A plain function: arguments only."""
    parameters = (
        Parameter("amount", Datatype.NUMBER, required=True, nullable=False, annotation=float),
        Parameter("months", Datatype.INTEGER, required=True, nullable=False, annotation=int),
        Parameter("currency", Datatype.STRING, default="EUR", choices=("EUR", "USD", "CHF"), annotation=str),
        Parameter("insured", Datatype.BOOLEAN, default=False, nullable=False, annotation=bool),
        Parameter("extra", Datatype.ANY, default=None),
    )
    example = {"amount": 12_000.0, "months": 36}
    doc = "The monthly rate of a loan."
    return Profile(
        "function", "__main__", signatures=(Signature("predict", None, parameters, example=example, doc=doc),), doc=doc
    )


LOAN_ANSWERS: Answers = {
    "predict": lambda body: {
        "rate": body["amount"] / body["months"],
        "currency": body.get("currency", "EUR"),
        "plan": [{"month": month, "due": 333.33} for month in range(body["months"])],
    }
}


def digits() -> Profile:
    """A matrix too wide to type: rows are pasted."""
    data = DataArgument("X", DataKind.MATRIX, Container.NUMPY, width=64)
    return Profile(
        "SVC",
        "sklearn.svm",
        "scikit-learn",
        "1.9.0",
        Task.CLASSIFICATION,
        True,
        (Signature("predict", data, example={"X": [[0.0] * 64]}),),
        classes=tuple(range(10)),
    )


DIGITS_ANSWERS: Answers = {"predict": lambda body: [7 for _ in body["X"]]}


def summary() -> Profile:
    """Any JSON value in, a text out."""
    data = DataArgument("document", DataKind.VALUE, annotation=dict[str, str])
    sentences = Parameter("sentences", Datatype.INTEGER, default=2)
    example = {"document": {"title": "A walk", "text": "We left at dawn. It rained."}}
    return Profile(
        "function",
        "__main__",
        task=Task.GENERATION,
        signatures=(Signature("predict", data, (sentences,), example=example),),
    )


SUMMARY_ANSWERS: Answers = {
    "predict": lambda body: f"{body['document']['title']}: {body['document']['text']} ({body.get('sentences', 2)})"
}


def booking() -> Profile:
    """Arguments of every type that Python writes down, with long names, and defaults that are lists."""
    required = {"required": True, "nullable": False}
    parameters = (
        Parameter("day", Datatype.DATETIME, annotation=dt.date, **required),
        Parameter("begins_at", Datatype.DATETIME, annotation=dt.datetime, **required),
        Parameter("doors_open", Datatype.ANY, annotation=dt.time, **required),
        Parameter("until", Datatype.DATETIME, default=None, annotation=dt.date | None),
        Parameter("closes", Datatype.ANY, default=None, annotation=dt.time | None),
        Parameter("tags", Datatype.ANY, default=["a"], nullable=False, annotation=list[str]),
        Parameter("weights", Datatype.ANY, default={"adult": (1, 2)}, nullable=False, annotation=dict),
        Parameter("seats", Datatype.ANY, default="3", nullable=False, annotation=int | str),
        Parameter("vegetarian", Datatype.BOOLEAN, default=None, annotation=bool | None),
        Parameter("heated", Datatype.BOOLEAN, default=True, annotation=bool | None),
        Parameter("loud", Datatype.BOOLEAN, default=False),
        Parameter("limit", Datatype.INTEGER, default=5, annotation=int | None),
        Parameter("maximum_number_of_guests_at_one_table", Datatype.NUMBER, default=0.5, annotation=float | None),
        Parameter(
            "remarks", Datatype.ANY, default=None, annotation=dict[str, dict[str, list[tuple[dt.date, dt.time]]]] | None
        ),
        Parameter("is_a_returning_guest_of_the_house", Datatype.BOOLEAN, default=False, nullable=False),
    )
    example = {"day": "2020-01-01", "begins_at": "2020-01-01T18:30:00.250+02:00", "doors_open": "12:00:00"}
    return Profile("function", "__main__", signatures=(Signature("predict", None, parameters, example=example),))


BOOKING_ANSWERS: Answers = {"predict": lambda body: body}


def survey() -> Profile:
    """A frame whose column of booleans is called a number, and whose names are long."""
    columns = (
        Feature("smokes", Datatype.NUMBER, "bool", example=False),
        Feature("insured", Datatype.INTEGER, "bool", example=True),
        Feature("moved", Datatype.BOOLEAN, "boolean", nullable=True, example=None),
        Feature("mean_income_of_the_household_in_euros", Datatype.NUMBER, "float64", nullable=True, example=1.5),
        Feature("day_of_the_first_interview_at_home", Datatype.DATETIME, "object", nullable=True, example="2020-01-01"),
        Feature("visited", Datatype.DATETIME, "datetime64[ns]", example="2020-01-01 00:00:00"),
    )
    data = DataArgument("X", DataKind.TABLE, Container.PANDAS, columns, width=len(columns))
    example = {"X": [{each.name: each.example for each in columns}]}
    return Profile("Pipeline", "sklearn.pipeline", signatures=(Signature("predict", data, example=example),))


SURVEY_ANSWERS: Answers = {"predict": lambda body: [1.0 for _ in body["X"]]}


def unseen(type_name: str = "", library: str | None = None) -> Profile:
    """What is known of a model that was never loaded: at most what its file's header tells."""
    return Profile(type_name, library=library, signatures=(Signature("predict"),))


CHURN_ANSWERS: Answers = {"predict": lambda body: [0 for _ in body["X"]]}
BUDGET = {"model_bytes": 204_000_000, "spilled_bytes": 0, "session_bytes": 1_200_000_000, "budget_bytes": 2_000_000_000}
UNLOADED = {"state": "unloaded", "loaded": False, "memory": BUDGET | {"model_bytes": 0}}
LOADING = {"seconds": 3.0, "done_bytes": 96_000_000, "total_bytes": 204_000_000}
UNSEEN = UNLOADED | {"source": "model.joblib", "described": False}

EVIL = '</script><img src=x onerror="window.stolen=1">\u2028\'"&'


def hostile() -> Profile:
    """Markup wherever a model's author can write."""
    column = Feature(EVIL, Datatype.STRING, EVIL, categories=(EVIL, "b"), closed=True, example=EVIL)
    data = DataArgument("X", DataKind.TABLE, Container.PANDAS, (column,), width=1)
    option = Parameter(f"{EVIL} option", Datatype.STRING, default=EVIL)
    return Profile(
        EVIL,
        library=EVIL,
        task=Task.CLASSIFICATION,
        signatures=(Signature("predict", data, (option,), example={"X": [{EVIL: EVIL}]}, doc=EVIL),),
        classes=(EVIL, "b"),
        parameters={EVIL: EVIL},
        findings=(Finding(EVIL, EVIL, EVIL),),
        doc=EVIL,
    )


HOSTILE_ANSWERS: Answers = {"predict": lambda body: [EVIL for _ in body["X"]]}

ENDPOINTS: dict[str, tuple[dict[str, Any], Answers]] = {
    "iris": (view("iris", iris()), IRIS_ANSWERS),
    "titanic": (
        view(
            "titanic", titanic(), state="unloaded", loaded=False, memory={"model_bytes": None, "spilled_bytes": 93_000}
        ),
        TITANIC_ANSWERS,
    ),
    "sentiment": (view("sentiment", sentiment(), state="loading", loaded=False), SENTIMENT_ANSWERS),
    "houses": (view("houses", houses()), HOUSES_ANSWERS),
    "loan": (view("loan", loan()), LOAN_ANSWERS),
    "booking": (view("booking", booking()), BOOKING_ANSWERS),
    "survey": (view("survey", survey()), SURVEY_ANSWERS),
    "digits": (view("digits", digits()), DIGITS_ANSWERS),
    "summary": (view("summary", summary()), SUMMARY_ANSWERS),
    "broken": (
        view("broken", None, state="failed", loaded=False, reason="The file 'model.joblib' ends too early."),
        {},
    ),
    "hostile": (view("hostile", hostile(), reason=EVIL, title=EVIL, source=EVIL), HOSTILE_ANSWERS),
    "warm": (
        view("warm", iris(), memory=BUDGET, last_used_s=12.0, idle_unload_in_s=588.0, title="Species of an iris"),
        IRIS_ANSWERS,
    ),
    "arriving": (view("arriving", iris(), **UNLOADED | {"state": "loading", "loading": LOADING}), IRIS_ANSWERS),
    "unseen": (view("unseen", unseen(), **UNSEEN), CHURN_ANSWERS),
    "header": (view("header", unseen("XGBClassifier", "xgboost"), **UNSEEN, title="Who leaves us"), CHURN_ANSWERS),
}
