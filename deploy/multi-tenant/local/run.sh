#!/bin/sh
# The whole deployment on your own machine: a token server, two models, a mesh and the gateway. Ctrl-C ends them all.
set -eu
tollgate=${TOLLGATE:-tollgate}
here=$(cd "$(dirname "$0")/.." && pwd)
trap 'kill 0' EXIT INT TERM

"$tollgate" simulate --listen 127.0.0.1:9101 --name jwt-server \
  --jwt-issuer inference-in-a-box --jwt-tenants tenant-a,tenant-b,tenant-c &
"$tollgate" simulate --listen 127.0.0.1:9102 --name tenant-a --kserve-models sklearn-iris &
"$tollgate" simulate --listen 127.0.0.1:9103 --name tenant-c --kserve-models pytorch-resnet &
"$tollgate" simulate --listen 127.0.0.1:9104 --name mesh &

OTEL_AIGW_METRICS_REQUEST_HEADER_ATTRIBUTES=x-tenant:tenant "$tollgate" run "$here" \
  --port-map 80=8080,443=8443 \
  --resolve jwt-server.default.svc.cluster.local:8080=127.0.0.1:9101 \
  --resolve ext-auth-service.default.svc.cluster.local:8080=127.0.0.1:9101 \
  --resolve sklearn-iris-predictor-default.tenant-a.svc.cluster.local:80=127.0.0.1:9102 \
  --resolve pytorch-resnet-predictor-default.tenant-c.svc.cluster.local:80=127.0.0.1:9103 \
  --resolve istio-ingressgateway.istio-system.svc.cluster.local:80=127.0.0.1:9104 \
  --resolve istio-ingressgateway.istio-system.svc.cluster.local:15021=127.0.0.1:9104
