"""The words of the command line; each command is one function, in a module that is imported when it is called."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from ..errors import NbserveError, OptionError
from ..options import OPTIONS, Option, read_option
from ..version import __version__
from .exits import FAILED, INTERRUPTED

__all__ = ["main"]


def main(words: Sequence[str] | None = None) -> int:
    """Carry out what was typed, and answer the exit code. Mistakes are one line, and never a traceback."""
    try:
        typed = list(sys.argv[1:] if words is None else words)
        return int(nbserve.main(typed, prog_name="nbserve", standalone_mode=False, obj=typed) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        _tell(error.format_message())
        return error.exit_code
    except NbserveError as error:
        _tell(str(error))
        return FAILED
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # who has read enough has gone
        sys.stderr.close()
        return FAILED


def _tell(sentence: str) -> None:
    click.echo(f"nbserve: {sentence}", err=True)


class _Read(click.ParamType[Any]):
    """The value of an option of the table."""

    def __init__(self, option: Option) -> None:
        self.name = option.metavar or ""
        self._option = option

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ARG002 - click's own signature
        try:
            read_option(self._option.name, value)
        except OptionError as error:
            raise click.UsageError(str(error)) from None
        return value


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Every option of an endpoint, from the one table."""
    for option in reversed(OPTIONS):
        command = _option(option)(command)
    return command


_ABOUT = {
    "name": "the endpoint's name, the first part of its path (default: the file's)",
    "port": "listen here (default: 8000; 0 for any free port)",
    "columns": 'the columns of the rows, with their types: [{"name": "age", "type": "number"}, …]',
    "row": "a pydantic class that checks each row: module:Name",
    "eager": "--no-eager: load it with the first request, and not at once",
}
"""What is different from a notebook."""


def _option(option: Option) -> Callable[..., Any]:
    about = _ABOUT.get(option.name, option.help)
    if option.metavar is not None:
        return click.option(f"--{option.label}", option.name, type=_Read(option), metavar=option.metavar, help=about)
    about = f"{option.flag}: {about}" if option.default else about
    return click.option(f"--{option.label}/--no-{option.label}", option.name, default=None, help=about)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="%(version)s")
def nbserve() -> None:
    """Serve models over HTTP, without a notebook."""


@nbserve.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--workers", type=click.IntRange(1, 64), default=1, metavar="N", help="processes, each with its models")
@_options
@click.pass_obj
def run(words: list[str], /, models: tuple[str, ...], workers: int, **given: Any) -> int:
    """Serve each MODEL: the file or the address of one, or a file of settings (.yaml, .toml, .json).

    They are loaded at once (--no-eager: with the first request), and listened for on port 8000. SIGTERM and Ctrl-C let
    what is in flight be answered.
    """
    from .running import run as run_models

    return run_models(models, {name: value for name, value in given.items() if value is not None}, workers, words)


@nbserve.command()
@click.argument("file")
@click.option("--load", is_flag=True, help="load it, and look at the model itself")
@click.option("--trust/--no-trust", default=None, help="loading the file may run the code in it")
@click.option("--json", "as_json", is_flag=True, help="for a program")
def inspect(file: str, load: bool, trust: bool | None, as_json: bool) -> int:
    """Tell what FILE says about its model, without loading it."""
    from .looking import inspect as look

    return look(file, load=load, trust=trust, as_json=as_json)


@nbserve.command()
@click.argument("files", nargs=-1, required=True, metavar="CONFIG...")
def validate(files: tuple[str, ...]) -> int:
    """Check files of settings: every option, and that each model is there, of a known format, and trusted if need be.

    Nothing is loaded. Exits with 1 where something is wrong.
    """
    from .looking import validate as check

    return check(files)


@nbserve.command("make-app")
@click.argument("model", metavar="MODEL|CONFIG")
@click.argument("folder", metavar="DIR")
@click.option("--force", is_flag=True, help="replace files of the same names")
@click.option("--copy/--no-copy", default=None, help="of an address: copy what is there, or write it down")
@_options
def make_app(model: str, folder: str, force: bool, copy: bool | None, **given: Any) -> int:
    """Write a program of your own to DIR that serves the same: app.py, pinned requirements, a Dockerfile, the model."""
    from ..making import make_app as made

    options = {name: value for name, value in given.items() if value is not None}
    for path in made(model, folder, force=force, copy=copy, **options):
        click.echo(f"{path.parent.name}/{path.name}")
    return 0
