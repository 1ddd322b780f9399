#!/usr/bin/env bash
# A kind cluster with everything in it: Knative, an ingress, Postgres, S3, MLflow and the functions.
# Safe to run again: it goes on where it stopped, and deploys what has changed.
set -euo pipefail
cd "$(dirname "$0")/../.."
source infra/kind/versions.env

PYTHON=${PYTHON:-.venv/bin/python}
RELEASES=https://github.com
TAG=0.1.0
CONTEXT=kind-eventrain

say() { printf '%s\n' "== $*"; }
k() { kubectl --context "$CONTEXT" "$@"; }
install() { k apply --server-side --force-conflicts -f "$1"; }
wait_for() { k -n "$1" wait deployment --all --for=condition=Available --timeout=5m; }

for tool in docker kind kubectl; do
  command -v "$tool" >/dev/null || { echo "$tool is needed and not on the PATH" >&2; exit 1; }
done

make_cluster() {
  kind get clusters | grep -qx eventrain || kind create cluster --config infra/kind/cluster.yaml
}

install_serving() {
  local serving=$RELEASES/knative/serving/releases/download/knative-v$KNATIVE_SERVING
  local kourier=$RELEASES/knative-extensions/net-kourier/releases/download/knative-v$KOURIER
  install "$serving/serving-crds.yaml"
  install "$serving/serving-core.yaml"
  install "$kourier/kourier.yaml"
  k -n knative-serving patch configmap config-network --type merge \
    -p '{"data":{"ingress-class":"kourier.ingress.networking.knative.dev"}}'
  wait_for knative-serving
  wait_for kourier-system
}

install_eventing() {
  local eventing=$RELEASES/knative/eventing/releases/download/knative-v$KNATIVE_EVENTING
  install "$eventing/eventing-crds.yaml"
  install "$eventing/eventing-core.yaml"
  install "$eventing/in-memory-channel.yaml"
  install "$eventing/mt-channel-broker.yaml"
  wait_for knative-eventing
}

install_ingress() {
  install "$RELEASES/envoyproxy/gateway/releases/download/v$ENVOY_GATEWAY/install.yaml"
  wait_for envoy-gateway-system
}

install_postgres() {
  local branch=https://raw.githubusercontent.com/cloudnative-pg/cloudnative-pg/release-${CLOUDNATIVE_PG%.*}
  install "$branch/releases/cnpg-$CLOUDNATIVE_PG.yaml"
  wait_for cnpg-system
}

build_images() {
  docker build -f infra/images/functions.Dockerfile -t "dev.local/eventrain/functions:$TAG" .
  docker build -f trainer/images/trainer.Dockerfile --build-arg FRAMEWORK=sklearn -t "dev.local/eventrain/trainer-sklearn:$TAG" .
  docker build -f infra/images/mlflow.Dockerfile -t dev.local/eventrain/mlflow:3.17.2 .
  kind load docker-image --name eventrain "dev.local/eventrain/functions:$TAG" \
    "dev.local/eventrain/trainer-sklearn:$TAG" dev.local/eventrain/mlflow:3.17.2
}

deploy() {
  "$PYTHON" -m infra.deploy.secret dev
  k apply -f infra/base/namespace.yaml -f infra/base/trainer-namespace.yaml
  k apply -k infra/overlays/dev/secrets
  k apply -k infra/overlays/dev
  k -n eventrain wait cluster.postgresql.cnpg.io/postgres --for=condition=Ready --timeout=10m
  k -n eventrain wait job -l app.kubernetes.io/name=migrate --for=condition=Complete --timeout=10m
  k -n eventrain wait services.serving.knative.dev --all --for=condition=Ready --timeout=10m
}

say "The cluster"; make_cluster
say "Knative Serving $KNATIVE_SERVING"; install_serving
say "Knative Eventing $KNATIVE_EVENTING"; install_eventing
say "Envoy Gateway $ENVOY_GATEWAY"; install_ingress
say "CloudNativePG $CLOUDNATIVE_PG"; install_postgres
say "Images"; build_images
say "Eventrain"; deploy
say "It runs. What comes next is in docs/deploy.md, 'First use'."
