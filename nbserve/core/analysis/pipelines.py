"""Pipelines of transformers: texts or pictures in, what their task answers out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..schema import Container, DataKind, Datatype, Finding, Image, Parameter, Signature, Task
from .conventions import attribute_of
from .description import Description, data_argument
from .sklearn import Input

__all__ = ["describe_pipeline"]

GREY = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAD0lEQVR42mNowAEYhpYEAILzYAEllbNjAAAAAElFTkSuQmCC"
"""A picture, in base64: eight by eight pixels."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a task of transformers is here, what can be asked for beside its data, and whether that is pictures."""

    task: Task
    parameters: tuple[Parameter, ...] = ()
    is_of_pictures: bool = False


def _option(name: str, datatype: Datatype, *choices: str) -> Parameter:
    return Parameter(name, datatype, choices=choices or None, keyword_only=True)


TOP_K = _option("top_k", Datatype.INTEGER)
APPLIED = _option("function_to_apply", Datatype.STRING, "sigmoid", "softmax", "none")
LABELS = Parameter("candidate_labels", required=True, nullable=False, keyword_only=True, annotation=list[str])

KINDS: Mapping[str, Kind] = {
    "text-classification": Kind(Task.CLASSIFICATION, (TOP_K, APPLIED)),
    "zero-shot-classification": Kind(
        Task.CLASSIFICATION,
        (
            LABELS,
            _option("multi_label", Datatype.BOOLEAN),
            _option("hypothesis_template", Datatype.STRING),
        ),
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
    "image-classification": Kind(Task.CLASSIFICATION, (TOP_K, APPLIED), is_of_pictures=True),
    "image-feature-extraction": Kind(Task.EMBEDDING, is_of_pictures=True),
}


def describe_pipeline(pipe: Any) -> Description | None:
    kind = KINDS.get(attribute_of(pipe, "task", ""))
    if kind is None:
        return None
    because = f"a pipeline for {pipe.task}"
    seen = _pictures(because) if kind.is_of_pictures else _texts(pipe, because)
    apart = _apart(pipe, kind)
    signature = Signature(
        "predict",
        data_argument("images" if kind.is_of_pictures else "texts", seen),
        parameters=kind.parameters,
        attribute="__call__",
        convention="pipeline",
        row_wise=apart is None,
        doc=f"What the model answers to each {'picture' if kind.is_of_pictures else 'text'} ({pipe.task}).",
    )
    finding = Finding("row-wise", apart is None, apart or "texts are answered one by one")
    return Description(signature, seen, kind.task, because, _labels(pipe), findings=(finding,))


def _texts(pipe: Any, because: str) -> Input:
    mask = attribute_of(attribute_of(pipe, "tokenizer"), "mask_token") if pipe.task == "fill-mask" else None
    row = "some text" if mask is None else f"some {mask} text"
    return Input(DataKind.TEXTS, Container.PYTHON, row=row, because=because)


def _pictures(because: str) -> Input:
    """Pillow's own and nothing else: a text would be a path or an address to the pipeline, and be read."""
    return Input(DataKind.VALUE, Container.PYTHON, row=GREY, because=because, image=Image(is_array=False))


def _apart(pipe: Any, kind: Kind) -> str | None:
    """Why calls do not share runs; None: they do."""
    if kind.is_of_pictures:
        return "pictures are not joined"
    if pipe.task == "text-generation":
        return "it may draw at random"
    return None if attribute_of(pipe, "_batch_size") in (None, 1) else "texts of a batch are padded to one length"


def _labels(pipe: Any) -> tuple[Any, ...] | None:
    labels = attribute_of(attribute_of(attribute_of(pipe, "model"), "config"), "id2label")
    is_told = pipe.task in ("text-classification", "image-classification") and isinstance(labels, dict)
    return tuple(labels.values()) if is_told else None
