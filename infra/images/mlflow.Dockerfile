# syntax=docker/dockerfile:1
# MLflow's server with a driver for Postgres and one for S3, for the component `mlflow`. Built from anywhere:
#   docker build -f infra/images/mlflow.Dockerfile -t eventrain/mlflow:3.17.2 .
# What MLflow itself needs is resolved when it is built: a release keeps the image, not the recipe.
ARG PYTHON=python:3.11-slim-bookworm
FROM ${PYTHON}
ENV HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN pip install --no-cache-dir mlflow==3.17.2 boto3==1.44.5 psycopg2-binary==2.9.13
USER 65532:65532
EXPOSE 5000
ENTRYPOINT ["mlflow", "server", "--host=0.0.0.0", "--port=5000", "--workers=1"]
