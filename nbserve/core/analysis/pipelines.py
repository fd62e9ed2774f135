"""Pipelines of transformers: texts in, what their task answers out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..schema import Container, DataKind, Datatype, Finding, Parameter, Signature, Task
from .conventions import attribute_of
from .description import Description, data_argument
from .sklearn import Input

__all__ = ["describe_pipeline"]

DATA = "texts"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a task of transformers is here, and what can be asked for beside the texts."""

    task: Task
    parameters: tuple[Parameter, ...] = ()


def _option(name: str, datatype: Datatype, *choices: str) -> Parameter:
    return Parameter(name, datatype, choices=choices or None, keyword_only=True)


TOP_K = _option("top_k", Datatype.INTEGER)

KINDS: Mapping[str, Kind] = {
    "text-classification": Kind(
        Task.CLASSIFICATION,
        (TOP_K, _option("function_to_apply", Datatype.STRING, "sigmoid", "softmax", "none")),
    ),
    "token-classification": Kind(
        Task.CLASSIFICATION,
        (_option("aggregation_strategy", Datatype.STRING, "none", "simple", "first", "average", "max"),),
    ),
    "fill-mask": Kind(Task.GENERATION, (TOP_K,)),
    "text-generation": Kind(
        Task.GENERATION,
        (
            _option("max_new_tokens", Datatype.INTEGER),
            _option("do_sample", Datatype.BOOLEAN),
            _option("temperature", Datatype.NUMBER),
            TOP_K,
            _option("top_p", Datatype.NUMBER),
            _option("num_return_sequences", Datatype.INTEGER),
            _option("return_full_text", Datatype.BOOLEAN),
        ),
    ),
    "feature-extraction": Kind(Task.EMBEDDING),
}


def describe_pipeline(pipe: Any) -> Description | None:
    kind = KINDS.get(attribute_of(pipe, "task", ""))
    if kind is None:
        return None
    because = f"a pipeline for {pipe.task}"
    mask = attribute_of(attribute_of(pipe, "tokenizer"), "mask_token") if pipe.task == "fill-mask" else None
    row = "some text" if mask is None else f"some {mask} text"
    seen = Input(DataKind.TEXTS, Container.PYTHON, row=row, because=because)
    apart = _apart(pipe)
    signature = Signature(
        "predict",
        data_argument(DATA, seen),
        parameters=kind.parameters,
        attribute="__call__",
        convention="pipeline",
        row_wise=apart is None,
        doc=f"What the model answers to each text ({pipe.task}).",
    )
    finding = Finding("row-wise", apart is None, apart or "texts are answered one by one")
    return Description(signature, seen, kind.task, because, _labels(pipe), findings=(finding,))


def _apart(pipe: Any) -> str | None:
    """Why calls do not share runs; None: they do."""
    if pipe.task == "text-generation":
        return "it may draw at random"
    return None if attribute_of(pipe, "_batch_size") in (None, 1) else "texts of a batch are padded to one length"


def _labels(pipe: Any) -> tuple[Any, ...] | None:
    labels = attribute_of(attribute_of(attribute_of(pipe, "model"), "config"), "id2label")
    is_told = pipe.task == "text-classification" and isinstance(labels, dict)
    return tuple(labels.values()) if is_told else None
