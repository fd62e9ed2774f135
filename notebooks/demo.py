"""The proof: run the quickstart in a real kernel, and call its endpoint from another process.

    python notebooks/demo.py

Prints the URL, the request and the prediction; ends with an error when anything of it fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("quickstart.ipynb")

ASK = """
import json
print(json.dumps({"url": endpoint.url + "predict/", "token": endpoint.token, "rows": [row]}))
"""

CALL = """
import json, sys
from urllib.request import Request, urlopen
asked = json.load(sys.stdin)
headers = {"Authorization": "Bearer " + asked["token"], "Content-Type": "application/json"}
body = json.dumps({"X": asked["rows"]}).encode()
print(urlopen(Request(asked["url"], body, headers), timeout=60).read().decode())
"""


def main() -> None:
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    notebook: Any = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]  # nbformat is untyped
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )
    notebook.cells.append(nbformat.v4.new_code_cell(ASK))  # type: ignore[no-untyped-call]
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
            _show_progress(index + 1, len(notebook.cells))
        asked = json.loads(_printed(notebook.cells[-1]))
        answered = subprocess.run(
            [sys.executable, "-c", CALL], input=json.dumps(asked), capture_output=True, text=True, check=True
        )
    _report(asked, json.loads(answered.stdout))


def _printed(cell: Any) -> str:
    return "".join(output["text"] for output in cell["outputs"] if output["output_type"] == "stream")


def _show_progress(done: int, total: int) -> None:
    if not sys.stdout.isatty() and done < total:
        return
    bar = "█" * (24 * done // total)
    sys.stdout.write(f"\r  {NOTEBOOK.name}  {bar:<24} {done}/{total} cells" + ("\n" if done == total else ""))
    sys.stdout.flush()


def _report(asked: dict[str, Any], answered: dict[str, Any]) -> None:
    print(f"""
  The kernel served   {asked["url"]}
  another process     POST {json.dumps({"X": asked["rows"]})}
  and was answered    {json.dumps(answered)}
""")
    if len(answered["predict_result"]) != len(asked["rows"]):
        sys.exit("There is not one prediction for each row.")


if __name__ == "__main__":
    main()
