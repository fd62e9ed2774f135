"""The shapes of the answers that are not predictions, and the one table from error to status."""

from __future__ import annotations

import math
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from ..core.codecs import to_plain
from ..errors import Busy, MethodNotAllowed, NbserveError, ResultPending, TokenMissing

__all__ = [
    "STATUS",
    "Cancelled",
    "Captured",
    "Error",
    "Exchange",
    "Health",
    "Inspection",
    "Metadata",
    "Ready",
    "Receipt",
    "Stopped",
    "Unloaded",
    "error_body",
    "error_headers",
]

STATUS: dict[str, int] = {
    "token_missing": 401,
    "access_denied": 403,
    "token_refused": 403,
    "quota_used": 403,
    "sharing_off": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "body_incomplete": 408,
    "result_pending": 408,
    "conflict": 409,
    "share_ended": 410,
    "body_too_large": 413,
    "too_many_rows": 413,
    "media_type_unsupported": 415,
    "body_invalid": 422,
    "input_invalid": 422,
    "option_invalid": 422,
    "busy": 429,
    "rate_exceeded": 429,
    "model_failed": 500,
    "nbserve_error": 500,
    "output_invalid": 500,
    "unload_failed": 500,
    "answer_lost": 502,
    "unreachable": 502,
    "kernel_gone": 503,
    "load_failed": 503,
    "model_not_fitted": 503,
    "model_refused": 503,
    "port_taken": 503,
    "server_failed": 503,
    "deadline_exceeded": 504,
    "over_budget": 507,
    "spill_failed": 507,
}
"""Code → HTTP status. A model's bug is never a 4xx; the caller's data is never a 5xx."""


class FaultShape(BaseModel):
    loc: list[str | int]
    msg: str
    type: str


class Error(BaseModel):
    """Every error, of every route."""

    error: str = Field(description="What is wrong, in a sentence.")
    code: str = Field(description="The stable name of the kind of error.")
    remedy: str = Field(description="What to do about it; may be empty.")
    detail: list[FaultShape] = Field(description="Where in what was sent.")
    predict_id: str | None = Field(description="The request's id, as in the header X-Predict-id; null elsewhere.")


class Memory(BaseModel):
    model_bytes: int = Field(description="What the model weighs; the last known when it is not loaded.")
    spilled_bytes: int = Field(description="What was put aside weighs on disk.")
    session_bytes: int = Field(description="What all loaded models of the session weigh.")
    budget_bytes: int | None = Field(description="What they may weigh; null: no limit.")


class Loading(BaseModel):
    """A load that runs."""

    seconds: float
    done_bytes: int | None
    total_bytes: int | None


class Counters(BaseModel):
    requests: int
    errors: int
    rows: int
    in_flight: int
    loads: int
    unloads: int


class Latency(BaseModel):
    p50: float | None
    p99: float | None


class Metadata(BaseModel):
    name: str
    title: str | None
    version: int
    source: str = Field(description="Where the model comes from: the notebook, a file, a component.")
    state: str = Field(json_schema_extra={"enum": ["unloaded", "loading", "loaded", "failed"]})
    loaded: bool
    described: bool = Field(description="False as long as the model was never loaded: its columns are not known.")
    reason: str | None
    served_at: str
    memory: Memory
    last_used_s: float | None = Field(description="Seconds since the last call ended; null before the first.")
    idle_unload_in_s: float | None = Field(
        description="Seconds until it is unloaded as idle; null: it is not going to."
    )
    loading: Loading | None
    counters: Counters
    rate: float = Field(description="Requests a second, over the last ten.")
    latency_ms: Latency
    methods: list[str]


class Inspection(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    name: str
    version: int
    model: dict[str, Any]


class Unloaded(BaseModel):
    state: str
    freed_bytes: int = Field(description="What came back to the system; 0 as long as somebody holds the model.")
    resident_before_bytes: int
    resident_after_bytes: int
    holders: list[str] = Field(description="Who still holds the model.")
    forgotten: list[str] = Field(description="Which names in the notebook were let go of.")
    said: str = Field(description="The same as a sentence.")


class Unloading(BaseModel):
    """What an owner may ask for beside."""

    model_config = ConfigDict(extra="forbid")
    forget: bool = Field(default=False, strict=True, description="Let the notebook's own variables go of it, too.")


class ExchangeLine(BaseModel):
    """One request, as a list shows it."""

    id: str = Field(description="As in the header X-Predict-id.")
    at: str = Field(description="When it was answered.")
    caller: str = Field(description="The user of the Jupyter server, else an address; notebook: called from there.")
    method: str
    rows: int | None
    ms: float = Field(description="What the caller waited.")
    status: int


class Captured(BaseModel):
    captures: bool = Field(description="Whether requests are kept; not with --no-capture.")
    captured_bytes: int = Field(description="What is kept of their bodies.")
    exchanges: list[ExchangeLine] = Field(description="The newest first.")


class Exchange(ExchangeLine):
    """One request with its answer; fields that are marked by --mask are masked."""

    query: str
    request_type: str
    request_bytes: int = Field(description="As it was sent.")
    request: str = Field(description="The beginning of what was sent, or why there is nothing to be seen.")
    answer_type: str
    answer_bytes: int
    answer: str


class Stopped(BaseModel):
    name: str
    stopped: bool


class Receipt(BaseModel):
    ticket: str
    result_url: str = Field(description="Where its result is, as in the header Location.")
    kept_s: float = Field(description="How long the result is kept, once there is one.")


class Cancelled(BaseModel):
    ticket: str
    cancelled: bool = Field(description="Whether there was no result yet.")


class Health(BaseModel):
    status: str


class Ready(BaseModel):
    ready: bool
    endpoints: int


def error_body(error: NbserveError, predict_id: str | None = None) -> dict[str, Any]:
    body = {
        "error": error.problem,
        "code": error.code,
        "remedy": error.remedy,
        "detail": [fault.to_dict() for fault in error.faults],
        "predict_id": predict_id,
    }
    plain: dict[str, Any] = to_plain(body)  # what users' code raises may hold half a character
    return plain


def error_headers(error: NbserveError) -> dict[str, str]:
    """The headers that belong to an error: what else is allowed, when to come again, how to sign in."""
    if isinstance(error, MethodNotAllowed):
        return {"allow": ", ".join(error.allowed)}
    if isinstance(error, (Busy, ResultPending)):
        return {"retry-after": str(max(1, math.ceil(error.retry_after_s)))}
    return {"www-authenticate": "Bearer"} if isinstance(error, TokenMissing) else {}


def error_bytes(error: NbserveError, predict_id: str | None = None) -> bytes:
    return orjson.dumps(error_body(error, predict_id))
