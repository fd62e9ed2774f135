"""What a module of torch tells about the rows that it takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

from ..schema import Container, DataKind, Datatype, Feature, Finding, Image, Parameter
from .bytecode import usage_of
from .callables import read_callable
from .conventions import attribute_of, is_users_own
from .description import Description, data_argument, number_columns, numeric_input, per_row
from .mixing import mixing_in
from .plain import root_package, words
from .scope import code_owner
from .sklearn import Input
from .symbols import Attribute, Name

__all__ = ["describe_module"]

SIZES = (28, 32, 224, 64, 8, 16, 48, 96, 128, 256, 299, 10, 12, 14, 20, 24, 6, 5, 4, 3)
"""Of made-up images, as high as they are wide."""

KEEP_WIDTH = frozenset(["torch.nn.modules.activation", "torch.nn.modules.dropout", "torch.nn.modules.linear"])
"""Where the layers without parameters are that give a row as wide as the one they get."""

RESHAPING = words("amax amin bmm einsum flatten matmul max mean min permute reshape sum transpose unsqueeze view")
"""Code that names these may take rows that are lists of lists."""

SEQUENCE_LAYERS = words("MultiheadAttention RNNBase Transformer TransformerDecoderLayer TransformerEncoderLayer")
DEEP_LAYERS = SEQUENCE_LAYERS | {"Flatten", "Unflatten", "_ConvNd"}
SURROUNDING = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}
"""Modules around another one, and where they hold it."""

EMBEDDINGS = frozenset(["Embedding", "EmbeddingBag"])
WIDTHS = (("in_features", "Linear"), ("num_features", "BatchNorm1d"))


def describe_module(module: Any) -> Description | None:
    if "torch" not in sys.modules or not callable(attribute_of(module, "modules")):
        return None
    module = _inner(module)
    call = module.forward
    reading = read_callable(call, "predict", is_prediction=True, attribute="__call__", reads_code=False)
    data = reading.signature.data
    if data is None or not _is_tensor(data.annotation):
        return None
    seen, dtype = _input(module, call, data.name)
    parameters = tuple(_parameter(each) for each in reading.signature.parameters)
    because = _mixing(module, call, parameters) or _ambiguous(module, dtype)
    signature = replace(
        reading.signature,
        data=data_argument(
            data.name, seen, dtype, positional=data.positional, position=data.position, by_keyword=data.by_keyword
        ),
        parameters=parameters,
        outputs=_outputs(module),
        row_wise=because is None,
        runs_users_code=any(is_users_own(type(each)) for each in module.modules()),
        by_position=not data.by_keyword,
        convention="torch",
        doc="" if root_package(type(module)) == "torch" else reading.signature.doc,
    )
    return Description(signature, seen, findings=_findings(module, because))


def _inner(module: Any) -> Any:
    """The module that `torch.compile` and the like have been given."""
    inside = attribute_of(module, SURROUNDING.get(type(module).__name__, ""))
    return module if inside is None else _inner(inside)


def _is_tensor(annotation: Any) -> bool:
    """Whether it says tensor, or nothing, or one of both."""
    members = [each for each in get_args(annotation) or (annotation,) if each not in (None, type(None))]
    return all(getattr(each, "__name__", "").endswith("Tensor") for each in members)


def _parameter(each: Parameter) -> Parameter:
    is_plain = each.datatype is not Datatype.ANY or each.choices is not None
    return each if is_plain or each.is_variadic else per_row(each)


def _findings(module: Any, because: str | None) -> tuple[Finding, ...]:
    told = "every layer is in eval mode and keeps rows apart" if because is None else because
    found = Finding("row-wise", because is None, told)
    if not _trains(module) or not _has_modes(module):
        return (found,)
    remedy = "it is in training mode, where dropout and batch normalization act: call eval() and serve it again"
    return found, Finding("mode", "training", remedy)


# --- rows


def _input(module: Any, call: Any, name: str) -> tuple[Input, str | None]:
    """What the first layer takes; its width is held to where nothing stands before that layer."""
    entry = _entry(module, call, name)
    first = entry if entry is not None else _first_layer(module)
    kinds = _kinds(first)
    if kinds & EMBEDDINGS:
        because = f"{_name(first)} takes whole numbers"
        return replace(numeric_input((), None, because), row=[0, 1, 2]), "int64" if entry is not None else None
    dtype = _dtype(module)
    width = _width(first)
    if width is not None and entry is not None and not _is_deep(module):
        return numeric_input(
            number_columns(width, nullable=False, dtype=dtype), width, f"the first {_name(first)}"
        ), dtype
    row = [1.0] * width if width is not None else _made_up_row(module, first, kinds)
    because = f"{_name(first)}: rows of numbers"
    return Input(DataKind.MATRIX, Container.NUMPY, row=row, because=because, image=_image(first, kinds)), dtype


def _image(layer: Any, kinds: set[str]) -> Image | None:
    """Pictures, of a layer that convolves so many channels in two dimensions as a picture has."""
    channels = attribute_of(layer, "in_channels")
    return Image(channels, channels_first=True) if "Conv2d" in kinds and channels in (1, 3, 4) else None


def _name(layer: Any) -> str:
    return "module" if layer is None else type(layer).__name__


def _dtype(module: Any) -> str:
    """The type that rows are read as; narrower ones are made of it."""
    torch: Any = sys.modules["torch"]
    dtype = next((each.dtype for each in module.parameters() if each.is_floating_point()), None)
    return "float64" if dtype is torch.float64 else "float32"


def _entry(module: Any, call: Any, name: str) -> Any:
    """The layer that gets the rows as they are sent, as far as that is plain to see; None: it is not."""
    if type(module).__module__.startswith("torch.nn.modules") and type(module).__name__ != "Sequential":
        return module if _width(module) is not None or not list(module.children()) else None
    if type(module).__name__ == "Sequential":
        return _first_of(list(module.children()))
    function, _ = code_owner(call)
    if function is None:
        return None
    for symbol in usage_of(function.__code__, name).calls:
        layer = _submodule(module, symbol, function.__code__.co_varnames[0])
        if layer is not None:
            return _entry(layer, layer.forward, "input")
    return None


def _first_of(layers: list[Any]) -> Any:
    for layer in layers:
        is_plain = type(layer).__module__ in KEEP_WIDTH and next(layer.parameters(), None) is None
        if not is_plain:
            return _entry(layer, layer.forward, "input")
    return None


def _submodule(module: Any, symbol: Any, own: str) -> Any:
    """What `self.layer` stands for: torch keeps its layers aside."""
    if symbol == Name(own):
        return module
    if not isinstance(symbol, Attribute):
        return None
    of = _submodule(module, symbol.of, own)
    return None if of is None else getattr(of, "_modules", {}).get(symbol.name)


def _first_layer(module: Any) -> Any:
    """The first layer that has parameters of its own, in the order of their making."""
    return next((each for each in module.modules() if next(each.parameters(recurse=False), None) is not None), None)


def _width(layer: Any) -> int | None:
    kinds = {kind.__name__ for kind in type(layer).__mro__}
    for attribute, kind in WIDTHS:
        width = attribute_of(layer, attribute)
        if kind in kinds and isinstance(width, int) and width > 0:
            return width
    shape = attribute_of(layer, "normalized_shape")
    return int(shape[0]) if "LayerNorm" in kinds and len(shape) == 1 else None


def _is_deep(module: Any) -> bool:
    """Whether something in it may take more than a list of numbers for each row."""
    return any(_kinds(each) & DEEP_LAYERS or _reshapes(each) for each in module.modules())


def _reshapes(layer: Any) -> bool:
    code = getattr(type(layer).forward, "__code__", None)
    is_torchs = root_package(type(layer)) == "torch"
    return not is_torchs and (code is None or bool(RESHAPING & set(code.co_names)))


def _kinds(layer: Any) -> set[str]:
    return set() if layer is None else {kind.__name__ for kind in type(layer).__mro__}


def _made_up_row(module: Any, layer: Any, kinds: set[str]) -> Any:
    channels = attribute_of(layer, "in_channels")
    if isinstance(channels, int) and channels > 0:
        dimensions = next((count for count in (1, 2, 3) if f"Conv{count}d" in kinds), 2)
        return _numbers([channels] + [_size(module, channels, dimensions)] * dimensions)
    width = attribute_of(layer, "input_size", attribute_of(layer, "embed_dim"))
    if isinstance(width, int):
        return _numbers([4, width])
    shape = next((each.shape for each in module.parameters() if each.dim() in (1, 2)), None)
    return [1.0] * int(shape[-1]) if shape is not None else None


def _numbers(shape: list[int]) -> Any:
    row: Any = 1.0
    for length in reversed(shape):
        row = [row] * length
    return row


def _size(module: Any, channels: int, dimensions: int) -> int:
    """A size that torch's own layers fit together for, tried without numbers; user's code is not run."""
    torch: Any = sys.modules["torch"]
    if any(root_package(type(each)) != "torch" or _has_hooks(each) for each in module.modules()):
        return SIZES[0]
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    state = {name: torch.empty_like(each, device="meta") for name, each in state.items()}
    dtype = next(iter(state.values())).dtype
    for size in SIZES:
        made = torch.empty((2, channels, *[size] * dimensions), device="meta", dtype=dtype)
        try:
            with torch.no_grad():
                torch.func.functional_call(module, state, (made,))
        except (RuntimeError, ValueError, TypeError):
            continue
        return size
    return SIZES[0]


def _outputs(module: Any) -> tuple[Feature, ...]:
    """Of layers one after another, the width of the last that changes it."""
    if type(module).__name__ != "Sequential" or not list(module.children()):
        return ()
    for layer in reversed(list(module.children())):
        width = attribute_of(layer, "out_features")
        if isinstance(width, int):
            names = ["prediction"] if width == 1 else [str(index) for index in range(width)]
            return tuple(Feature(name, Datatype.NUMBER) for name in names)
        if type(layer).__module__ not in KEEP_WIDTH:
            return ()
    return ()


# --- do rows depend on each other?


def _trains(module: Any) -> bool:
    return any(each.training for each in module.modules())


def _has_modes(module: Any) -> bool:
    """Not a graph, or a script: what they do in training was decided when they were made."""
    return not {kind.__name__ for kind in type(module).__mro__} & {"GraphModule", "ScriptModule"}


def _mixing(module: Any, call: Any, parameters: tuple[Parameter, ...]) -> str | None:
    """Why the answer for a row may depend on the other rows; None: it does not."""
    if not _has_modes(module):
        return "its code cannot be read"
    if _trains(module):
        return "it is in training mode"
    # one that may be left out is an array where it is given, and calls with an array of their own run alone
    if any(each.is_variadic or (each.required and each.container is not Container.PYTHON) for each in parameters):
        return "it has several inputs"
    for each in module.modules():
        found = _layer_mixing(each, each.forward if each is not module else call)
        if found is not None:
            return f"{type(each).__name__}: {found}"
    return None


def _ambiguous(module: Any, dtype: str | None) -> str | None:
    """Sequences may be sent one by one, without an axis of rows, unless they are of whole numbers."""
    is_plain = dtype == "int64" or not any(_kinds(each) & SEQUENCE_LAYERS for each in module.modules())
    return None if is_plain else "a sequence may be sent without an axis of rows"


def _layer_mixing(layer: Any, forward: Callable[..., Any]) -> str | None:
    if _has_hooks(layer):
        return "it has hooks"
    is_torchs = type(layer).__module__.startswith(("torch.nn.modules", "torch.ao.nn"))
    if not is_torchs:
        return mixing_in(forward, layer)
    kinds = {kind.__name__ for kind in type(layer).__mro__}
    return next((why for names, asks, why in MIXING_LAYERS if kinds & names and asks(layer)), None)


def _has_hooks(layer: Any) -> bool:
    return any(attribute_of(layer, name) for name in ("_forward_hooks", "_forward_pre_hooks"))


def _counts_rows_second(layer: Any) -> bool:
    return attribute_of(layer, "batch_first", False) is not True


def _has_states_of_many_layers(layer: Any) -> bool:
    """They could be as many as the rows, and be taken for them."""
    return int(layer.num_layers) * (1 + int(layer.bidirectional)) > 1


def _works_along_rows(layer: Any) -> bool:
    dim = attribute_of(layer, "dim")
    return dim is None or dim == 0 or dim < -1


MIXING_LAYERS: tuple[tuple[frozenset[str], Callable[[Any], bool], str], ...] = (
    (words("RNNBase"), _has_states_of_many_layers, "its states are kept layer by layer"),
    (words("RNNBase MultiheadAttention Transformer"),
     _counts_rows_second, "rows are its second axis"),
    (words("RNNCellBase Bilinear CosineSimilarity PairwiseDistance"), lambda _: True, "it takes several inputs"),
    (words("Softmax LogSoftmax Softmin GLU"), _works_along_rows, "it works along the rows"),
    (words("_NormBase"), lambda layer: "BatchNorm" in type(layer).__name__ and layer.running_mean is None,
     "it keeps no statistics of its training"),
    (words("Flatten"), lambda layer: layer.start_dim < 1, "it joins rows"),
    (words("Unflatten"), _works_along_rows, "it splits rows"),
    (words("EmbeddingBag"), lambda layer: layer.include_last_offset, "it takes offsets"),
)  # fmt: skip
"""Layers' classes, when they keep rows apart no longer, and why."""
