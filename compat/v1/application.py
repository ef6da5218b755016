"""A FastAPI application with the decorator of unkey.py 0.7.2, as its users wrote it."""

import asyncio
import contextlib
from typing import Annotated, Any

import aiohttp
import unkey
import uvicorn
from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse


def key_extractor(*args, **kwargs):
    """Return the key of a request without its scheme."""
    authorization = kwargs.get("authorization")
    return authorization.removeprefix("Bearer ") if authorization else None


def refused(data, verification=None):
    """Return the response to an invalid key."""
    return JSONResponse(data, 401)


def application(api):
    """Return an application whose keys are those of an API."""
    app = FastAPI()
    Authorization = Annotated[str | None, Header()]

    @app.get("/async")
    @unkey.protected(api, key_extractor, refused)
    async def route(*, authorization: Authorization = None, unkey_verification: Any = None):
        return {"owner": unkey_verification.owner_id, "remaining": unkey_verification.remaining}

    @app.get("/sync")
    @unkey.protected(api, key_extractor)
    def sync_route(*, authorization: Authorization = None, unkey_verification: Any = None):
        return {"owner": unkey_verification.owner_id}

    return app


@contextlib.asynccontextmanager
async def served(api):
    """Serve the application, and return a function that requests a path with a key."""
    server = uvicorn.Server(uvicorn.Config(application(api), port=0, log_level="warning"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    url = "http://127.0.0.1:%d" % server.servers[0].sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as session:

        async def get(path, key=None):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            async with session.get(url + path, headers=headers) as response:
                return response.status, await response.json()

        yield get
    server.should_exit = True
    await running
