"""The libraries whose models tell what they take in ways of their own: a row each.

They are recognised by the names of their classes; nothing is imported that the user has not imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .boosters import describe_lightgbm, describe_xgboost
from .description import Description
from .keras_models import describe_keras
from .onnx_sessions import describe_session
from .pipelines import describe_pipeline
from .plain import root_package
from .pyfuncs import describe_pyfunc
from .torch_modules import describe_module

__all__ = ["FRAMEWORKS", "Framework", "framework_of"]


@dataclass(frozen=True, slots=True)
class Framework:
    """A library: the class that its models have, in which packages, and what is said of one.

    `describe` gives None for a model of which no more is known than of any other object.
    """

    packages: tuple[str, ...]
    base: str
    describe: Callable[[Any], Description | None]


FRAMEWORKS = (
    Framework(("lightgbm",), "Booster", describe_lightgbm),
    Framework(("xgboost",), "Booster", describe_xgboost),
    Framework(("keras", "tf_keras"), "Model", describe_keras),
    Framework(("torch",), "Module", describe_module),
    Framework(("onnxruntime",), "InferenceSession", describe_session),
    Framework(("transformers",), "Pipeline", describe_pipeline),
    Framework(("mlflow",), "PyFuncModel", describe_pyfunc),
)


def framework_of(model: object) -> Framework | None:
    """The library that the model's class is made from."""
    kinds = {(root_package(kind), kind.__name__) for kind in type(model).__mro__}
    return next((each for each in FRAMEWORKS if any((name, each.base) in kinds for name in each.packages)), None)
