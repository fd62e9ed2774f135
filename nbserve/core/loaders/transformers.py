"""Folders of transformers: a model with what reads its texts or pictures, loaded as the pipeline for its task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import LoadError
from .library import fetched
from .loader import Loaded, Look, Reading

__all__ = ["is_transformers", "load_transformers", "peek_transformers"]

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model")
PICTURES = "preprocessor_config.json"
LARGEST_CONFIG_BYTES = 16 << 20

TASKS = (
    ("ForSequenceClassification", "text-classification", "AutoModelForSequenceClassification"),
    ("ForTokenClassification", "token-classification", "AutoModelForTokenClassification"),
    ("ForImageClassification", "image-classification", "AutoModelForImageClassification"),
    ("ForMaskedLM", "fill-mask", "AutoModelForMaskedLM"),
    ("ForCausalLM", "text-generation", "AutoModelForCausalLM"),
    ("LMHeadModel", "text-generation", "AutoModelForCausalLM"),
    ("Model", "feature-extraction", "AutoModel"),
)
"""What the names of architectures end with, what they are for, and what loads them."""


def is_transformers(look: Look) -> bool:
    is_like = look.is_folder and CONFIG in look.members and any(name in look.members for name in WEIGHTS)
    return is_like and bool(_config(look.path, CONFIG).keys() & {"architectures", "model_type"})


def load_transformers(reading: Reading) -> Loaded:
    folder = reading.path
    task, loads = _task(reading.look)
    reader, reads = _reader(reading.look, task)
    if not reading.trust:
        _refuse_code(folder)
    library = fetched("transformers")
    fetched("torch")
    how = {"local_files_only": True, "trust_remote_code": reading.trust}
    model = getattr(library, loads).from_pretrained(str(folder), **how)
    read = {reader: getattr(library, reads).from_pretrained(str(folder), **how)}
    return Loaded(library.pipeline(task, model=model, **read), peek_transformers(reading.look))


def peek_transformers(look: Look) -> dict[str, Any]:
    config = _config(look.path, CONFIG)
    labels = config.get("id2label")
    weights = [entry.stat().st_size for entry in look.path.iterdir() if entry.suffix in {".safetensors", ".bin"}]
    return {
        "library": "transformers",
        "library_version": config.get("transformers_version"),
        "type": _architecture(config),
        "task": _named_task(look, _architecture(config))[0],
        "labels": list(labels.values()) if isinstance(labels, dict) else None,
        "parameter_bytes": sum(weights),
    }


def _task(look: Look) -> tuple[str, str]:
    architecture = _architecture(_config(look.path, CONFIG))
    task, loads = _named_task(look, architecture)
    if task is None:
        raise LoadError(
            f"{look.name} is a {architecture or 'model'} of transformers, and what it takes and answers is not known.",
            "Load it in the notebook, and serve the function that asks it.",
        )
    return task, loads


def _named_task(look: Look, architecture: str) -> tuple[str | None, str]:
    task, loads = next(((task, loads) for end, task, loads in TASKS if architecture.endswith(end)), (None, ""))
    is_of_pictures = task == "feature-extraction" and PICTURES in look.members and not _has_tokenizer(look)
    return ("image-feature-extraction" if is_of_pictures else task), loads


def _reader(look: Look, task: str) -> tuple[str, str]:
    """What reads what is sent, as a pipeline calls it, and what loads that. Raises `LoadError` where it is missing."""
    if task.startswith("image-"):
        if PICTURES not in look.members:
            raise LoadError(
                f"{look.name} has no image processor in it.", "Save it there: image_processor.save_pretrained(folder)."
            )
        return "image_processor", "AutoImageProcessor"
    if not _has_tokenizer(look):
        raise LoadError(f"{look.name} has no tokenizer in it.", "Save it there: tokenizer.save_pretrained(folder).")
    return "tokenizer", "AutoTokenizer"


def _has_tokenizer(look: Look) -> bool:
    return any(name in look.members for name in TOKENIZERS)


def _architecture(config: dict[str, Any]) -> str:
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else ""


def _refuse_code(folder: Path) -> None:
    """Raise `LoadError` for a model or tokenizer that is made by code in the folder, or wherever it points to."""
    with_code = [name for name in (CONFIG, "tokenizer_config.json", PICTURES) if "auto_map" in _config(folder, name)]
    if with_code:
        raise LoadError(
            f"{folder.name} is made by code of its own ({with_code[0]} says so, auto_map).",
            "Say that you trust it with --trust (in Python: trust=True).",
        )


def _config(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    try:
        if path.stat().st_size > LARGEST_CONFIG_BYTES:
            return {}
        read = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
