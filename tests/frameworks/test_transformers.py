"""Models of transformers: texts or pictures in, and out what the library's own pipeline answers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import tokenizers
import torch
import transformers

from nbserve.core import loaders
from nbserve.core.analysis import analyse
from nbserve.core.schema import Task
from nbserve.errors import LoadError
from tests.client import Caller, assert_error
from tests.conftest import Serve
from tests.core.codecs.test_images import RGB, encoded, text

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]  # of the libraries, about themselves

WORDS = ["[PAD]", "[UNK]", "[MASK]", "good", "bad", "very", "not", "some", "text", "another"]
SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
TEXTS = ["good good", "very bad text", "not"]


def tokenizer() -> Any:
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]", mask_token="[MASK]", eos_token="[PAD]"
    )


def bert(kind: str) -> Any:
    torch.manual_seed(0)
    labels = {0: "NEGATIVE", 1: "POSITIVE"}
    config = transformers.BertConfig(
        vocab_size=len(WORDS), id2label=labels, label2id={"NEGATIVE": 0, "POSITIVE": 1}, **SIZES
    )
    return getattr(transformers, kind)(config).eval()


def gpt() -> Any:
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(WORDS),
        n_positions=32,
        n_embd=8,
        n_layer=1,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    return transformers.GPT2LMHeadModel(config).eval()


MODELS: dict[str, tuple[Callable[[], Any], str, Task, dict[str, Any]]] = {
    "labels": (lambda: bert("BertForSequenceClassification"), "text-classification", Task.CLASSIFICATION, {"top_k": 2}),
    "tokens": (
        lambda: bert("BertForTokenClassification"), "token-classification", Task.CLASSIFICATION,
        {"aggregation_strategy": "simple"},
    ),
    "masks": (lambda: bert("BertForMaskedLM"), "fill-mask", Task.GENERATION, {"top_k": 2}),
    "embeddings": (lambda: bert("BertModel"), "feature-extraction", Task.EMBEDDING, {}),
    "text": (gpt, "text-generation", Task.GENERATION, {"max_new_tokens": 3, "do_sample": False}),
}  # fmt: skip


def saved(name: str, folder: Path) -> Any:
    """The library's own pipeline for what was saved to the folder."""
    make, task, _, _ = MODELS[name]
    model = make()
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return transformers.pipeline(task, model=model, tokenizer=tokenizer())


def plainly(answer: Any) -> Any:
    """As JSON: narrow numbers with as many digits as tell them apart."""
    return json.loads(json.dumps(answer, default=lambda number: float(str(number))))


@pytest.mark.parametrize("name", MODELS)
def test_a_folder_is_served_as_the_pipeline_for_its_task(
    name: str, serve: Serve, caller: Caller, tmp_path: Path
) -> None:
    _, task, kind, asked = MODELS[name]
    pipe = saved(name, tmp_path / "net")
    header = loaders.peek(tmp_path / "net")
    assert header is not None
    assert (header["library"], header["task"]) == ("transformers", task)
    assert not loaders.find_loader(tmp_path / "net").runs_code
    ep = serve(str(tmp_path / "net"), name="m", trust=False)
    texts = [f"{text} [MASK]" for text in TEXTS] if name == "masks" else TEXTS
    for some in (texts, texts[:1]):
        fitting = [pipe(each, **asked) for each in some]
        assert caller.predict("/m/predict", json={"texts": some, **asked}) == plainly(fitting)
    example = ep.inspect()["model"]["methods"][0]["example"]
    assert len(caller.predict("/m/predict", json=example | ({"max_new_tokens": 3} if name == "text" else {}))) == 2
    assert_error(caller.post("/m/predict", json=[]), 422, "input_invalid")
    assert_error(caller.post("/m/predict", json=[3]), 422, "input_invalid")
    assert_error(caller.post("/m/predict", json={"texts": texts, "no_such": 1}), 422, "input_invalid")
    assert ep.inspect()["model"]["task"] == str(kind)


def test_the_labels_are_the_classes() -> None:
    pipe = transformers.pipeline(
        "text-classification", model=bert("BertForSequenceClassification"), tokenizer=tokenizer()
    )
    profile = analyse(pipe)
    assert profile.classes == ("NEGATIVE", "POSITIVE")
    assert (profile.library, profile.main.row_wise) == ("transformers", True)
    batched = transformers.pipeline("text-classification", model=pipe.model, tokenizer=tokenizer(), batch_size=8)
    assert not analyse(batched).main.row_wise


def test_code_in_the_folder_is_run_only_for_who_trusts_it(tmp_path: Path) -> None:
    saved("labels", tmp_path / "net")
    config = json.loads((tmp_path / "net" / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": "own.Own"}
    config["model_type"] = "own"
    (tmp_path / "net" / "config.json").write_text(json.dumps(config))
    (tmp_path / "net" / "own.py").write_text("raise RuntimeError('the code of the folder has run')")
    with pytest.raises(LoadError, match=r"made by code of its own \(config\.json says so, auto_map\).*--trust"):
        loaders.load(tmp_path / "net")


def test_labels_of_the_callers_own_are_asked_for(serve: Serve, caller: Caller) -> None:
    """A model that tells what follows from what; as a folder it is one that labels texts."""
    model = bert("BertForSequenceClassification")
    model.config.label2id, model.config.id2label = {"no": 0, "entailment": 1}, {0: "no", 1: "entailment"}
    pipe = transformers.pipeline("zero-shot-classification", model=model, tokenizer=tokenizer())
    ep = serve(pipe, name="m")
    for asked in ({"candidate_labels": ["good", "bad"]}, {"candidate_labels": ["good"], "multi_label": True}):
        for some in (TEXTS, TEXTS[:1]):
            fitting = [pipe(each, **asked) for each in some]
            assert caller.predict("/m/predict", json={"texts": some, **asked}) == plainly(fitting)
    assert_error(caller.post("/m/predict", json={"texts": TEXTS}), 422, "input_invalid")
    assert_error(caller.post("/m/predict", json={"texts": TEXTS, "candidate_labels": [3]}), 422, "input_invalid")
    described = ep.inspect()["model"]
    assert (described["task"], described["classes"]) == ("classification", None)
    assert len(caller.predict("/m/predict", json=described["methods"][0]["example"])) == 2


def vit(kind: str) -> Any:
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        image_size=8, patch_size=4, id2label={0: "cat", 1: "dog"}, label2id={"cat": 0, "dog": 1}, **SIZES
    )
    return getattr(transformers, kind)(config).eval()


PICTURES = {
    "image-classification": ("ViTForImageClassification", Task.CLASSIFICATION, {"top_k": 1}),
    "image-feature-extraction": ("ViTModel", Task.EMBEDDING, {}),
}


@pytest.mark.parametrize("task", PICTURES)
def test_a_folder_of_a_model_of_pictures_takes_pictures_and_nothing_that_would_be_read(
    task: str, serve: Serve, caller: Caller, tmp_path: Path
) -> None:
    kind, meaning, asked = PICTURES[task]
    model, processor = vit(kind), transformers.ViTImageProcessor(size={"height": 8, "width": 8})
    model.save_pretrained(tmp_path / "net")
    with pytest.raises(LoadError, match=r"net has no (image processor|tokenizer) in it\. Save it there"):
        loaders.load(tmp_path / "net")
    processor.save_pretrained(tmp_path / "net")
    pipe = transformers.pipeline(task, model=model, image_processor=processor)
    header = loaders.peek(tmp_path / "net")
    assert header is not None
    assert header["task"] == task
    ep = serve(str(tmp_path / "net"), name="m", trust=False)
    content = encoded(RGB)
    fitting = plainly([pipe(PIL.Image.open(io.BytesIO(content)), **asked)])
    assert caller.predict("/m/predict", json={"images": [text(content)], **asked}) == fitting
    assert caller.predict("/m/predict", json={"images": [text(content)] * 3, **asked}) == fitting * 3
    if not asked:
        assert caller.predict("/m/predict", content=content, headers={"content-type": "image/png"}) == fitting
    (tmp_path / "secret.png").write_bytes(content)
    for sent in (str(tmp_path / "secret.png"), "http://127.0.0.1:1/a.png", [[1, 2]], []):
        assert_error(caller.post("/m/predict", json={"images": sent}), 422, "input_invalid")
        assert_error(caller.post("/m/predict", json={"images": [sent]}), 422, "input_invalid")
    described = ep.inspect()["model"]
    assert described["task"] == str(meaning)
    assert described["classes"] == (["cat", "dog"] if meaning is Task.CLASSIFICATION else None)
    assert len(caller.predict("/m/predict", json=described["methods"][0]["example"])) == 2


def damaged(folder: Path, name: str, content: bytes) -> Path:
    saved("labels", folder)
    (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("model.safetensors", b"", "net could not be loaded"),
        ("model.safetensors", b"\x08" + bytes(7) + b'{"a": 1}', "net could not be loaded"),
        ("tokenizer.json", b"{", "net "),
        ("config.json", b"{}", "a folder without a model that is known"),
        ("config.json", b"{", "a folder without a model that is known"),
        (
            "config.json",
            json.dumps({"architectures": ["DetrForObjectDetection"]}).encode(),
            "DetrForObjectDetection",
        ),
    ],
)
def test_a_damaged_folder_is_a_sentence(name: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=sentence) as caught:
        loaders.load(damaged(tmp_path / "net", name, content))
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_tokenizer_says_so(tmp_path: Path) -> None:
    bert("BertModel").save_pretrained(tmp_path / "net")
    with pytest.raises(LoadError, match=r"has no tokenizer in it\. Save it there"):
        loaders.load(tmp_path / "net")
