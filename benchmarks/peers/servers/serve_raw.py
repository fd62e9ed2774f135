"""Raw ASGI on uvicorn, uvloop and httptools, with orjson: the limits of what a Python server can do.

- ``echo`` parses the JSON and answers, without any model;
- ``direct`` calls predict on the loop;
- ``batch`` calls it on a thread, for all requests that arrived while the previous call ran.
"""

from __future__ import annotations

import asyncio
import io
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import given
import numpy as np
import orjson
import uvicorn

predict = given.predictor()


def parsed(body: bytes, content_type: bytes) -> Any:
    if content_type == b"application/x-npy":
        return np.load(io.BytesIO(body), allow_pickle=False)
    return np.array(orjson.loads(body)["X"], dtype=float)


def written(answer: Any, content_type: bytes) -> bytes:
    if content_type == b"application/x-npy":
        buffer = io.BytesIO()
        np.save(buffer, answer)
        return buffer.getvalue()
    return orjson.dumps({"predict_result": answer}, option=orjson.OPT_SERIALIZE_NUMPY)


async def echo(body: bytes, _: bytes) -> bytes:
    return orjson.dumps({"predict_result": [0] * len(orjson.loads(body)["X"])})


async def direct(body: bytes, content_type: bytes) -> bytes:
    return written(predict(parsed(body, content_type)), content_type)


class Batches:
    """A batch forms while the previous one runs."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Any, asyncio.Future[Any]]] = deque()
        self._thread = ThreadPoolExecutor(1)
        self._is_running = False

    async def __call__(self, body: bytes, content_type: bytes) -> bytes:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((parsed(body, content_type), future))
        if not self._is_running:
            self._is_running = True
            self._task = asyncio.create_task(self._run())
        return written(await future, content_type)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = list(self._waiting)
            self._waiting.clear()
            answers = await loop.run_in_executor(self._thread, predict, np.concatenate([rows for rows, _ in batch]))
            begin = 0
            for rows, future in batch:
                if not future.cancelled():
                    future.set_result(answers[begin : begin + len(rows)])
                begin += len(rows)
        self._is_running = False


answer_to = {"echo": echo, "direct": direct, "batch": Batches()}[given.VARIANT]


async def app(scope: Any, receive: Any, send: Any) -> None:
    parts = []
    while True:
        message = await receive()
        parts.append(message["body"])
        if not message.get("more_body"):
            break
    content_type = next(value for name, value in scope["headers"] if name == b"content-type")
    body = await answer_to(b"".join(parts), content_type)
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(app, port=given.PORT, loop="uvloop", http="httptools", lifespan="off", log_level="error")
