# syntax=docker/dockerfile:1
# A trainer that knows scikit-learn. Nothing of the control plane is in it. Built from the root of the clone:
#   docker build -f trainer/images/sklearn.Dockerfile -t eventrain/trainer-sklearn:0.1.0 .
# A tag moves: a release names its base by digest, --build-arg PYTHON=python:3.11-slim-bookworm@sha256:...
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
ARG UV_VERSION=0.13.8
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==${UV_VERSION}
WORKDIR /app
COPY trainer/pyproject.toml trainer/uv.lock trainer/README.md ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-dev --extra sklearn --no-install-project
COPY trainer/src src
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-dev --extra sklearn --no-editable

FROM ${PYTHON}
ENV PATH=/app/.venv/bin:${PATH} \
    HOME=/workspace \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /workspace
COPY --from=build /app/.venv /app/.venv
USER 65532:65532
CMD ["python", "-m", "eventrain_trainer", "run"]
