"""Folders of Hugging Face's transformers: a model with its tokenizer, loaded as the pipeline for its task."""

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
LARGEST_CONFIG_BYTES = 16 << 20

TASKS = (
    ("ForSequenceClassification", "text-classification", "AutoModelForSequenceClassification"),
    ("ForTokenClassification", "token-classification", "AutoModelForTokenClassification"),
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
    if not any(name in reading.look.members for name in TOKENIZERS):
        raise LoadError(f"{folder.name} has no tokenizer in it.", "Save it there: tokenizer.save_pretrained(folder).")
    if not reading.trust:
        _refuse_code(folder)
    library = fetched("transformers")
    fetched("torch")
    how = {"local_files_only": True, "trust_remote_code": reading.trust}
    model = getattr(library, loads).from_pretrained(str(folder), **how)
    tokenizer = library.AutoTokenizer.from_pretrained(str(folder), **how)
    return Loaded(library.pipeline(task, model=model, tokenizer=tokenizer), peek_transformers(reading.look))


def peek_transformers(look: Look) -> dict[str, Any]:
    config = _config(look.path, CONFIG)
    labels = config.get("id2label")
    weights = [entry.stat().st_size for entry in look.path.iterdir() if entry.suffix in {".safetensors", ".bin"}]
    return {
        "library": "transformers",
        "library_version": config.get("transformers_version"),
        "type": _architecture(config),
        "task": next((task for end, task, _ in TASKS if _architecture(config).endswith(end)), None),
        "labels": list(labels.values()) if isinstance(labels, dict) else None,
        "parameter_bytes": sum(weights),
    }


def _task(look: Look) -> tuple[str, str]:
    architecture = _architecture(_config(look.path, CONFIG))
    found = next(((task, loads) for end, task, loads in TASKS if architecture.endswith(end)), None)
    if found is None:
        raise LoadError(
            f"{look.name} is a {architecture or 'model'} of transformers, and what it answers texts with is not known.",
            "Load it in the notebook, and serve the function that asks it.",
        )
    return found


def _architecture(config: dict[str, Any]) -> str:
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else ""


def _refuse_code(folder: Path) -> None:
    """Raise `LoadError` for a model or tokenizer that is made by code in the folder, or wherever it points to."""
    with_code = [name for name in (CONFIG, "tokenizer_config.json") if "auto_map" in _config(folder, name)]
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
