"""Every error that nbserve raises on purpose, in one tree.

    NbserveError
    ├── OptionError                  an option, a name or a line that was typed
    ├── ModelRefused                 what was given cannot be served
    │   └── NotFitted
    ├── InputError                   the caller's data
    │   ├── BodyError                the bytes are not what their type says
    │   ├── BodyIncomplete
    │   ├── BodyTooLarge
    │   ├── MediaTypeError
    │   └── TooManyRows
    ├── ModelError                   the model's own fault
    │   └── OutputError
    ├── LoadError                    the model could not be brought into memory
    │   ├── OverBudget               … since there is no room for it
    │   ├── SpillError               … or could not be put aside
    │   └── UnloadError              … or was not let go of
    ├── AccessError
    │   ├── TokenMissing
    │   ├── TokenRefused
    │   ├── SharingOff               no link may be made, or none from here
    │   ├── ShareEnded               a link that has opened this, and does no more
    │   └── QuotaUsed
    ├── NotFound
    ├── MethodNotAllowed
    ├── NotAcceptable
    ├── Conflict
    ├── Busy
    │   └── RateExceeded
    ├── ResultPending
    ├── DeadlineExceeded
    ├── ServerError                  the HTTP server itself
    │   ├── PortTaken
    │   └── KernelGone
    ├── Unreachable                  a client could not ask
    └── AnswerLost                   … or has asked, and the answer did not arrive

Each is a problem, a remedy and a code. What the code means over HTTP is one table, in `nbserve.web.app`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import ClassVar

__all__ = [
    "AccessError",
    "AnswerLost",
    "BodyError",
    "BodyIncomplete",
    "BodyTooLarge",
    "Busy",
    "Conflict",
    "DeadlineExceeded",
    "Fault",
    "InputError",
    "KernelGone",
    "LoadError",
    "MediaTypeError",
    "MethodNotAllowed",
    "ModelError",
    "ModelRefused",
    "NbserveError",
    "NotAcceptable",
    "NotFitted",
    "NotFound",
    "OptionError",
    "OutputError",
    "OverBudget",
    "PortTaken",
    "QuotaUsed",
    "RateExceeded",
    "ResultPending",
    "ServerError",
    "ShareEnded",
    "SharingOff",
    "SpillError",
    "TokenMissing",
    "TokenRefused",
    "TooManyRows",
    "UnloadError",
    "Unreachable",
    "nearest",
    "shortened",
]


LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong at one place of what was sent."""

    loc: tuple[str | int, ...]
    msg: str
    type: str

    def to_dict(self) -> dict[str, object]:
        return {"loc": list(self.loc), "msg": self.msg, "type": self.type}


class NbserveError(Exception):
    """The root: `str(error)` is the problem, `remedy` what to do about it, `code` its stable name.

    `predict_id` is that of the request which was answered with it, None anywhere but in a client.
    """

    code: ClassVar[str] = "nbserve_error"
    predict_id: str | None = None

    def __init__(self, problem: str, remedy: str = "", *, faults: Sequence[Fault] = ()) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".rstrip()


class OptionError(NbserveError):
    """An option, a name or a value that was typed is not one that is allowed."""

    code = "option_invalid"


class ModelRefused(NbserveError):
    """What was given has nothing to serve."""

    code = "model_refused"


class NotFitted(ModelRefused):
    """The model has not learned anything yet."""

    code = "model_not_fitted"


class InputError(NbserveError):
    """The caller's data cannot be given to the model; `faults` say where."""

    code = "input_invalid"


class BodyError(InputError):
    """The body is not what its content type says."""

    code = "body_invalid"


class BodyIncomplete(InputError):
    """The body did not come to its end, or not in time."""

    code = "body_incomplete"


class BodyTooLarge(InputError):
    """The body is over the limit."""

    code = "body_too_large"


class MediaTypeError(InputError):
    """The content type is not one that is read."""

    code = "media_type_unsupported"


class TooManyRows(InputError):
    """One request asks about more rows than one may."""

    code = "too_many_rows"


class ModelError(NbserveError):
    """The model raised; the cause is in `__cause__` and never leaves the kernel."""

    code = "model_failed"


class OutputError(ModelError):
    """The model's answer has no JSON form."""

    code = "output_invalid"


class LoadError(NbserveError):
    """The model could not be brought into memory."""

    code = "load_failed"


class SpillError(LoadError):
    """The model could not be put aside on disk; it stays loaded."""

    code = "spill_failed"


class OverBudget(LoadError):
    """The session's memory budget has no room for the model."""

    code = "over_budget"


class UnloadError(LoadError):
    """The user's own code did not let go of the model."""

    code = "unload_failed"


class AccessError(NbserveError):
    """The caller may not."""

    code = "access_denied"


class TokenMissing(AccessError):
    """No token, or one that nobody issued."""

    code = "token_missing"


class TokenRefused(AccessError):
    """The token is known and does not allow this."""

    code = "token_refused"


class SharingOff(AccessError):
    """Links are not allowed here, or nothing is here that could answer them."""

    code = "sharing_off"


class ShareEnded(AccessError):
    """The link has expired, was revoked, or its rows are used up."""

    code = "share_ended"


class QuotaUsed(AccessError):
    """The link has fewer rows left than this request has."""

    code = "quota_used"


class NotFound(NbserveError):
    """No endpoint, method or page of that name."""

    code = "not_found"


class MethodNotAllowed(NbserveError):
    """The page exists, the HTTP method does not; `allowed` are those that do."""

    code = "method_not_allowed"

    def __init__(self, problem: str, remedy: str = "", *, allowed: Sequence[str] = ()) -> None:
        super().__init__(problem, remedy)
        self.allowed = tuple(allowed)


class NotAcceptable(NbserveError):
    """The answer cannot be given in any of the forms that are asked for."""

    code = "not_acceptable"


class Conflict(NbserveError):
    """Two things of one name, or two orders that exclude each other."""

    code = "conflict"


class Busy(NbserveError):
    """The queue is full; ask again in `retry_after_s` seconds."""

    code = "busy"

    def __init__(self, problem: str, remedy: str = "", *, retry_after_s: float = 1.0) -> None:
        super().__init__(problem, remedy)
        self.retry_after_s = retry_after_s


class RateExceeded(Busy):
    """The link is used more often than it allows."""

    code = "rate_exceeded"


class ResultPending(NbserveError):
    """A ticket has no result yet; ask again, in `retry_after_s` seconds or at once."""

    code = "result_pending"
    retry_after_s = 1.0


class DeadlineExceeded(NbserveError):
    """The answer did not come in time."""

    code = "deadline_exceeded"


class ServerError(NbserveError):
    """The HTTP server did not start or has stopped."""

    code = "server_failed"


class PortTaken(ServerError):
    """Somebody else listens on the wanted port."""

    code = "port_taken"


class KernelGone(ServerError):
    """The kernel that served this has ended, or does not speak any more."""

    code = "kernel_gone"


class Unreachable(NbserveError):
    """A client could not ask: the endpoint has not seen the request."""

    code = "unreachable"


class AnswerLost(NbserveError):
    """What a client got is not the endpoint's whole answer; the request may have been carried out."""

    code = "answer_lost"


def nearest(word: str, known: Sequence[str]) -> str:
    """A sentence's tail that names the known word nearest to `word`, or nothing: ` Did you mean 'age'?`"""
    begun = [each for each in known if len(word) > 2 and each.startswith(word)]
    close = begun or get_close_matches(word, known, n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def shortened(name: str) -> str:
    """A name that was sent, in quotes: as much of it as any name can have."""
    return repr(name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "…")
