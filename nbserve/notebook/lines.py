"""What can be typed after a magic's name: its help, its parsing, the words it completes to."""

from __future__ import annotations

import argparse
import re
import shlex
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..errors import OptionError, nearest
from ..options import OPTIONS, Option
from ..terms import TERMS

__all__ = ["NBSERVE", "SERVE", "UNSERVE", "Given", "Line"]

_OPTION = re.compile(r"--?[A-Za-z][\w-]*(=.*)?")
"""What ends the model: an expression may well have a minus in it."""


@dataclass(slots=True)
class Given:
    """A line that was typed: the first word (a model, a name or a verb), and the rest by name."""

    target: str | None
    options: dict[str, Any] = field(default_factory=dict)


class _Parser(argparse.ArgumentParser):
    """Raises `OptionError` where argparse would end the program."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(f"{message[:1].upper()}{message[1:]}.", f"%{self.prog} --help shows what can be typed.")


class Line:
    """The grammar of one magic's line."""

    def __init__(self, magic: str, target: str, about: str, examples: str) -> None:
        self.magic = magic
        self._target = target
        self._parser = _Parser(
            prog=magic,
            usage=f"%%{magic} [{target}] [options]",
            description=about,
            epilog=examples,
            add_help=False,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self._parser.add_argument("-h", "--help", action="store_true", help="show this")
        self._flags: dict[str, Option | None] = {"--help": None}

    def add_option(self, option: Option) -> None:
        self._flags[option.flag] = option
        if option.metavar is None:
            self._parser.add_argument(
                option.flag, dest=option.name, action="store_const", const=not option.default, help=option.help
            )
        else:
            self._parser.add_argument(option.flag, dest=option.name, metavar=option.metavar, help=option.help)

    def add_switch(self, flag: str, about: str) -> None:
        self._flags[flag] = None
        self._parser.add_argument(flag, action="store_true", help=about)

    @property
    def flags(self) -> list[str]:
        return list(self._flags)

    def help(self) -> str:
        return self._parser.format_help()

    def read(self, line: str) -> Given | None:
        """What was typed; None when it was a call for help, which has been given. Raises `OptionError`."""
        words, rest = _split(line)
        known, unknown = self._parser.parse_known_args(rest)
        if known.help:
            print(self.help())  # noqa: T201 - the user asked for it
            return None
        if unknown:
            self._refuse(unknown[0])
        options = {name: value for name, value in vars(known).items() if name != "help" and value is not None}
        return Given(" ".join(words) or None, options)

    def _refuse(self, word: str) -> NoReturn:
        if word.startswith("-"):
            raise OptionError(
                f"%{self.magic} has no option {word!r}.{nearest(word, self.flags)}",
                f"%{self.magic} --help lists them.",
            )
        raise OptionError(f"{word!r} is one word too many.", f"Type %{self.magic} [{self._target}] [options].")


def _split(line: str) -> tuple[list[str], list[str]]:
    """The words before the first option, as typed, and everything from it on."""
    words = _words(line)
    first = next((at for at, word in enumerate(words) if _OPTION.fullmatch(word)), len(words))
    return words[:first], [_unquoted(word) for word in words[first:]]


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=False, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        return list(lexer)
    except ValueError as error:
        raise OptionError(f"The line cannot be read: {error}.", "Close the quotation.") from None


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"" else word


SERVE = Line(
    "serve",
    "MODEL",
    "Serve a model over HTTP and show its card; alone: the dashboard of everything served.\n\n"
    "MODEL is a variable, or an expression without spaces before its options, that gives a fitted model, a function,\n"
    "any object with a method such as predict, or a ModelResource; or it is a file or an address, loaded with\n"
    "the first request, or a file of settings (.yaml, .toml, .json), which names models and their options.\n"
    "Where the name is served already, the model is swapped in place:\n"
    "same URL, same token, no request lost. As a cell magic, %%serve NAME serves the function or class that the cell\n"
    "defines last.",
    "examples:\n"
    "  %serve model\n"
    "  %serve model --name iris --deadline 5s\n"
    "  %serve churn.joblib --idle 10m\n"
    "  %serve https://example.org/churn.onnx\n"
    "  %serve models.yaml                      all that the file describes\n"
    "  %serve                                  the dashboard",
)
for _option in OPTIONS:
    SERVE.add_option(_option)

UNSERVE = Line("unserve", "NAME", "Stop serving an endpoint.", "examples:\n  %unserve iris\n  %unserve --all")
UNSERVE.add_switch("--all", "stop all of them, and the server")

NBSERVE = Line(
    "nbserve",
    "VERB NAME",
    "Ask or order something of an endpoint; alone: the verbs. NAME may be left away when only one is served.",
    "examples:\n  %nbserve status\n  %nbserve unload iris --forget\n"
    "  %nbserve share iris --for 2h --label Ann --rate 10/s",
)
NBSERVE.add_switch("--forget", "unload: the notebook's variables let go of the model, too")
for _term in TERMS:
    NBSERVE.add_option(_term)
