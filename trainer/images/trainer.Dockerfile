# syntax=docker/dockerfile:1
# A trainer: the runner, and one framework with all that its lock names. Nothing of the control plane is in it.
# Built from the root of the clone, once for machines without a GPU and once with a CUDA build of torch:
#   docker build -f trainer/images/trainer.Dockerfile --build-arg FRAMEWORK=pytorch -t eventrain/trainer-pytorch:0.1.0 .
#   docker build -f trainer/images/trainer.Dockerfile --build-arg FRAMEWORK=pytorch \
#     --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 -t eventrain/trainer-pytorch-cuda:0.1.0 .
# A tag moves: a release names its base by digest, --build-arg PYTHON=python:3.11-slim-bookworm@sha256:...
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
ARG UV_VERSION=0.13.8
ARG FRAMEWORK
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV UV_COMPILE_BYTECODE=1 \
    UV_INDEX_STRATEGY=unsafe-best-match \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never \
    VIRTUAL_ENV=/app/.venv
RUN pip install --no-cache-dir uv==${UV_VERSION}
WORKDIR /app
COPY trainer/pyproject.toml trainer/README.md ./
COPY trainer/locks locks
RUN uv venv .venv
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --index ${TORCH_INDEX} \
    --requirements pyproject.toml --extra ${FRAMEWORK} --requirements locks/${FRAMEWORK}.txt
COPY trainer/src src
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --no-deps .

FROM ${PYTHON}
ENV PATH=/app/.venv/bin:${PATH} \
    HOME=/workspace \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /workspace
COPY --from=build /app/.venv /app/.venv
USER 65532:65532
CMD ["python", "-m", "eventrain_trainer", "run"]
