# ruff: noqa: F821 - run as a cell of a notebook
import asyncio

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.background import BackgroundTask

import nbserve

get_ipython().run_line_magic("load_ext", "nbserve")


class Double:
    def predict(self, X):
        return [[2 * each for each in row] for row in X]


class Holds(nbserve.ModelComponent):
    def load_model(self):
        self.model = Double()


class Shop(nbserve.ModelResource):
    component = Holds()
    begun, ended = [], []

    @nbserve.resource_method("/echo/", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def echo(self, request: Request):
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
        told = {
            "method": request.method,
            "path": request.url.path,
            "query": request.url.query,
            "root": request.scope.get("root_path", ""),
            "headers": request.headers.items(),
            "size": size,
            "scheme": request.url.scheme,
            "client": request.client.host,
        }
        return JSONResponse(told, headers={"ETag": '"1"', "X-Mine": "kept"})

    @nbserve.resource_method("/events/", methods=["GET"])
    async def events(self):
        async def told():
            Shop.begun.append("events")
            try:
                number = 0
                while True:
                    yield f"data: {number}\n\n"
                    number += 1
                    await asyncio.sleep(0.02)
            finally:
                Shop.ended.append("events")

        return StreamingResponse(told(), media_type="text/event-stream")

    @nbserve.resource_method("/flood/", methods=["GET"])
    async def flood(self, mib: int):
        async def chunks():
            for _ in range(4 * mib):
                yield b"x" * 262144

        return StreamingResponse(chunks(), media_type="application/octet-stream")

    @nbserve.resource_method("/cut/", methods=["GET"])
    async def cut(self, kind: str):
        async def chunks():
            yield b"x" * 10
            raise SystemError("cut off")

        length = {"content-length": "1000"} if kind == "length" else {}
        return StreamingResponse(chunks(), headers=length)

    @nbserve.resource_method("/hostile/", methods=["GET"])
    async def hostile(self):
        page = HTMLResponse("<script>document.title = document.cookie</script>")
        page.headers["Content-Security-Policy"] = "sandbox allow-same-origin allow-scripts"
        for name in NOT_PASSED_ON:
            page.headers[name] = "x"
        page.headers["X-Mine"] = "kept"
        return page

    @nbserve.resource_method("/header/", methods=["GET"])
    async def header(self, size: int):
        return Response("", headers={"X-Large": "x" * size})

    @nbserve.resource_method("/to/", methods=["GET"])
    async def to(self, request: Request, where: str):
        return RedirectResponse(where.replace("HOST", request.headers["host"]))

    @nbserve.resource_method("/empty/", methods=["GET", "DELETE"])
    async def empty(self):
        return Response(None, 204, background=BackgroundTask(lambda: None))


NOT_PASSED_ON = (
    "Set-Cookie",
    "Clear-Site-Data",
    "Strict-Transport-Security",
    "WWW-Authenticate",
    "Service-Worker-Allowed",
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Credentials",
    "Refresh",
    "Alt-Svc",
    "NEL",
    "Report-To",
    "Reporting-Endpoints",
    "Origin-Agent-Cluster",
    "Public-Key-Pins",
    "Set-Cookie2",
)

nbserve.serve(Double(), name="double")
nbserve.serve(Double(), name="free", token=False)
nbserve.serve(Shop, name="shop")
