# syntax=docker/dockerfile:1
# Every function is this image; FUNCTION_TARGET says which one a container is. Built from the root of the clone:
#   docker build -f infra/images/functions.Dockerfile -t eventrain/functions:0.1.0 .
# A tag moves: a release names its base by digest, --build-arg PYTHON=python:3.11-slim-bookworm@sha256:...
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
ARG UV_VERSION=0.13.8
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==${UV_VERSION}
WORKDIR /app
# The lock covers the trainer and the client, so their metadata must be there; neither is installed.
COPY trainer/pyproject.toml trainer/README.md trainer/
COPY infra/client/pyproject.toml infra/client/README.md infra/client/
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-dev --no-install-project
COPY common common
COPY eventing eventing
COPY functions functions
RUN python -m compileall -q common eventing functions

FROM ${PYTHON}
ENV PATH=/app/.venv/bin:${PATH} \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY --from=build /app/common common
COPY --from=build /app/eventing eventing
COPY --from=build /app/functions functions
USER 65532:65532
EXPOSE 8080
CMD ["python", "-m", "common.serve"]
