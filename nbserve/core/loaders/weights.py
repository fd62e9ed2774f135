"""Weights of PyTorch without their model: for a class that the user names."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import LoadError
from .classes import made, named
from .library import fetched
from .loader import Loaded, Look, Reading
from .pytorch import device_of, is_saved_module, is_script, peek_saved_module, saved_type

__all__ = ["fill", "is_weights", "load_weights", "module_for", "peek_weights"]

SAVED_AS = frozenset({"dict", "collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "list", "tuple"})

STATES = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
"""What training loops call the weights among the other things that they save."""

SETTINGS = ("hyper_parameters", "hparams", "model_config", "config", "model_args", "init_args", "kwargs")
"""… and what the model was made with."""

ADDED = ("module.", "_orig_mod.")
"""What `DataParallel` and `torch.compile` put before each name."""

MOST_SAID = 3


def is_weights(look: Look) -> bool:
    """Whether `torch.save` was given tensors and no module."""
    return is_saved_module(look) and not is_script(look) and saved_type(look) in SAVED_AS


def load_weights(reading: Reading) -> Loaded:
    torch = fetched("torch")
    try:
        saved = torch.load(reading.path, map_location=device_of(torch), weights_only=not reading.trust)
    except pickle.UnpicklingError as error:
        raise LoadError(
            f"{reading.path.name} holds more than weights, or is damaged: reading the rest of it may run code.",
            "Save model.state_dict() alone, or say that you trust it with --trust (in Python: trust=True).",
        ) from error
    state, settings = _state(reading, saved, torch)
    model = module_for(reading, settings, torch)
    fill(reading, model, lambda: model.load_state_dict(_renamed(state, model)))
    return Loaded(model.eval(), peek_weights(reading.look))


def peek_weights(look: Look) -> dict[str, Any]:
    told = peek_saved_module(look)
    return {name: value for name, value in told.items() if name not in {"type", "module"}} | {"library": "torch"}


def module_for(reading: Reading, settings: Mapping[str, Any], torch: Any) -> Any:
    """An empty model of the class that was named."""
    assert reading.make is not None  # `find_loader` refuses weights without
    model = made(reading.make, settings, reading.path.name)
    if not isinstance(model, torch.nn.Module):
        raise LoadError(
            f"{named(reading.make)} made a {type(model).__name__}, which is no module of PyTorch.",
            "Give the class that the weights are of, or a function that makes it.",
        )
    return model


def fill(reading: Reading, model: Any, load: Callable[[], object]) -> None:
    """`load` the weights into the model. Raises `LoadError` that says what does not fit."""
    try:
        load()
    except RuntimeError as error:
        said = [line.strip().rstrip(".") for line in str(error).splitlines()[1:] if line.strip()]
        shown = "; ".join(said[:MOST_SAID]) or str(error)
        more = f"; and {len(said) - MOST_SAID} more" if len(said) > MOST_SAID else ""
        raise LoadError(
            f"{reading.path.name} does not fit {type(model).__name__}: {shown}{more}.",
            "Give the class, with the sizes, that it was saved from.",
        ) from error


def _state(reading: Reading, saved: Any, torch: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The weights in what was saved, and what the model was made with, as far as it says so."""
    if _is_state(saved, torch):
        return saved, {}
    found = saved if isinstance(saved, Mapping) else {}
    state = next((found[name] for name in STATES if _is_state(found.get(name), torch)), None)
    if state is None:
        raise LoadError(
            f"{reading.path.name} holds no weights under a name that is known ({', '.join(STATES)}).",
            "Save them alone: torch.save(model.state_dict(), path).",
        )
    return state, next((found[name] for name in SETTINGS if isinstance(found.get(name), Mapping)), {})


def _is_state(value: Any, torch: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and all(isinstance(name, str) for name in value)
        and any(isinstance(each, torch.Tensor) for each in value.values())
        and all(isinstance(each, torch.Tensor) or name.endswith("_extra_state") for name, each in value.items())
    )


def _renamed(state: Mapping[str, Any], model: Any) -> Mapping[str, Any]:
    """Without what was only put before the names: the model has none that begins so."""
    for added in ADDED:
        if all(name.startswith(added) for name in state) and not any(n.startswith(added) for n in model.state_dict()):
            state = {name.removeprefix(added): value for name, value in state.items()}
    return state
