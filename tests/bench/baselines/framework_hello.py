"""The functions framework's asynchronous hello world.

Fair: it is the framework's own way to serve an `async` function, by uvicorn alone, which starts
quicker than its command line does; it opens no database, reads no token, and its answer is a
constant.
"""

import os

import uvicorn
from functions_framework.aio import create_asgi_app
from starlette.requests import Request


async def hello(request: Request) -> str:
    return "Hello, world"


if __name__ == "__main__":
    uvicorn.run(
        create_asgi_app("hello", __file__),
        port=int(os.environ["PORT"]),
        access_log=False,
        log_level="warning",
    )
