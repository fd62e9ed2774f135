"""What is written: plain text, to be read and changed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..version import __version__
from .needs import Needs

__all__ = ["OWN", "Part", "dockerfile", "program", "readme", "requirements"]

OWN = "jupyter-nbserve"


@dataclass(frozen=True, slots=True)
class Part:
    """One endpoint: its model is a file beside the program, or at an address."""

    name: str
    file: str | None
    address: str | None
    options: Mapping[str, Any]
    runs_code: bool

    @property
    def source(self) -> str:
        """The expression that says where its model is."""
        return repr(self.address) if self.file is None else f"FOLDER / {self.file!r}"


PROGRAM = '''\
"""Serves {names}: python app.py, or any ASGI server with app:app."""

import os
{imports}
import nbserve
{folder}
app = nbserve.App(title={title!r})
{serving}

if __name__ == "__main__":
    nbserve.run(
        app,
        server_host=os.environ.get("HOST", "127.0.0.1"),
        server_port=int(os.environ.get("PORT", "8000")),
    )
'''


def program(parts: tuple[Part, ...]) -> str:
    has_files = any(part.file is not None for part in parts)
    return PROGRAM.format(
        names=_listed(parts),
        imports="from pathlib import Path\n" if has_files else "",
        folder="\nFOLDER = Path(__file__).parent\n" if has_files else "",
        title=_listed(parts),
        serving="\n".join(map(_serving, parts)),
    )


def _serving(part: Part) -> str:
    given = {"name": part.name, **part.options, **({"trust": True} if part.runs_code else {})}
    arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
    return f"app.serve({part.source}, {arguments})"


def requirements(needs: Needs, *, is_local: bool) -> str:
    own = f"--find-links .\n{OWN}=={__version__}\n" if is_local else f"{OWN}=={__version__}\n"
    return own + "".join(f"{name}=={version}\n" for name, version in sorted(needs.pins.items()))


DOCKERFILE = """\
FROM python:{python}-slim
{system}WORKDIR /app
COPY {first} ./
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN useradd --create-home served
USER served
ENV HOST=0.0.0.0 PORT=8000
EXPOSE 8000
CMD ["python", "app.py"]
"""

SYSTEM = """\
RUN apt-get update && apt-get install --yes --no-install-recommends {packages} && rm -rf /var/lib/apt/lists/*
"""


def dockerfile(needs: Needs, wheel: Path | None) -> str:
    return DOCKERFILE.format(
        python=f"{sys.version_info[0]}.{sys.version_info[1]}",
        system=SYSTEM.format(packages=" ".join(needs.system)) if needs.system else "",
        first="requirements.txt" if wheel is None else f"requirements.txt {wheel.name}",
    )


README = """\
# {names}

Serves {what} over HTTP, as it was served in the notebook that this was made from.

    python -m pip install -r requirements.txt
    python app.py

It prints its address and its token. `HOST` and `PORT` say where it listens, `NBSERVE_SESSION_TOKEN` is a token of your
own choice.

    curl -H "Authorization: Bearer $NBSERVE_SESSION_TOKEN" -H "Content-Type: application/json" \\
      -d '{{"X": [...]}}' http://127.0.0.1:8000/{first}/predict/

`http://127.0.0.1:8000/{first}/` shows what it expects, `/docs` all routes. In a container:

    docker build -t {first} .
    docker run -p 8000:8000 -e NBSERVE_SESSION_TOKEN=... {first}
{code}"""

CODE = """
Loading {files} runs the code in them: keep them as you keep the program.
"""


def readme(parts: tuple[Part, ...]) -> str:
    runs_code = [f"`{part.file or part.address}`" for part in parts if part.runs_code]
    return README.format(
        names=_listed(parts),
        what="one model" if len(parts) == 1 else f"{len(parts)} models",
        first=parts[0].name,
        code=CODE.format(files=", ".join(runs_code)) if runs_code else "",
    )


def _listed(parts: tuple[Part, ...]) -> str:
    return ", ".join(part.name for part in parts)
