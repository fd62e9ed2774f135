"""An address is used whole, and shown without what opens it."""

from __future__ import annotations

import pytest

from nbserve.core.storages import Address, is_address
from nbserve.errors import LoadError

SHOWN = [
    ("https://example.org/models/churn.onnx", "https://example.org/models/churn.onnx", "churn.onnx"),
    ("https://user:pa55word@example.org:8443/m.onnx", "https://example.org:8443/m.onnx", "m.onnx"),
    ("https://example.org/m.onnx?sig=s3cr3t&se=2030", "https://example.org/m.onnx", "m.onnx"),
    ("https://example.org/m.onnx#t0ken", "https://example.org/m.onnx", "m.onnx"),
    ("https://example.org/a%20b.onnx", "https://example.org/a%20b.onnx", "a b.onnx"),
    ("https://example.org/%2e%2e%2fevil", "https://example.org/%2e%2e%2fevil", "evil"),
    ("https://example.org", "https://example.org", "example.org"),
    ("https://example.org:80/", "https://example.org:80/", "example.org-80"),
    ("s3://key:pa55word/s3cr3t@bucket/m.joblib", "s3://bucket/m.joblib", "m.joblib"),
    ("http://[::1]:80/a@b.onnx", "http://[::1]:80/a@b.onnx", "a@b.onnx"),
    ("hf://org/repo@v1/m.onnx", "hf://org/repo@v1/m.onnx", "m.onnx"),
    ("s3://key:s3cr3t@bucket/models/m.joblib", "s3://bucket/models/m.joblib", "m.joblib"),
    ("S3://bucket/folder/", "S3://bucket/folder/", "folder"),
    ("memory://m.joblib", "memory://m.joblib", "m.joblib"),
    ("zip::s3://key:s3cr3t@bucket/m.zip", "zip::s3://bucket/m.zip", "m.zip"),
    ("models:/churn/1", "models:/churn/1", "churn"),
    ("models:/churn@champion", "models:/churn@champion", "churn"),
    ("runs:/0123/model", "runs:/0123/model", "model"),
]


@pytest.mark.parametrize(("text", "shown", "name"), SHOWN)
def test_it_is_shown_without_what_opens_it_and_called_by_its_last_part(text: str, shown: str, name: str) -> None:
    address = Address.read(text)
    assert (address.shown, address.name, address.text) == (shown, name, text)
    for secret in ("pa55word", "s3cr3t", "t0ken", "2030"):
        assert secret not in f"{address!r} {address} {address.key} {address.name} {address.shown}"


@pytest.mark.parametrize("text", ["model.joblib", "/a/b", "C:/models/m.pkl", "C:\\m.pkl", "a:b", "", "~/m", "1://x"])
def test_a_path_is_no_address(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize(
    "text", ["https://a b/c", "https://a/\nb", "https://a/" + "x" * 8192, "https://a/\0", "https://u:pa55@[::1/x"]
)
def test_what_no_storage_could_mean_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(LoadError, match="That is no address") as refused:
        Address.read(text)
    assert text not in str(refused.value)


def test_what_others_say_of_it_is_told_without_what_opens_it() -> None:
    address = Address.read("https://us%40er:pa55%2Fword@example.org/m.onnx?sig=s3cr%2B3t&se=2030")
    for words in (
        f"cannot open {address.text} today",
        "bad user us@er with pa55/word",
        "signature s3cr+3t (s3cr%2B3t) is wrong",
        "GET https://us%40er:pa55%2Fword@example.org/m.onnx failed",
        "GET http://other:h1dden@example.net/x?token=h1dden failed",
    ):
        said = address.scrubbed(words)
        assert not any(secret in said for secret in ("pa55", "s3cr", "us@er", "2030", "h1dden")), said
    assert address.scrubbed("No such file: m.onnx") == "No such file: m.onnx"


def test_another_query_is_another_place() -> None:
    one, two = (Address.read(f"https://example.org/m?id={each}") for each in (1, 2))
    assert one.key != two.key
    assert one.key == Address.read(one.text).key
