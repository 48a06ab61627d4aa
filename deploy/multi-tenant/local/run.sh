#!/bin/sh
# The whole deployment on your own machine: a token server, two models, a mesh and the gateway. Ctrl-C ends them all.
# Where a port is taken, say which to use instead: HTTP=18080 TOKENS=19101 run.sh
set -eu
tollgate=${TOLLGATE:-tollgate}
here=$(cd "$(dirname "$0")/.." && pwd)
http=${HTTP:-8080} https=${HTTPS:-8443} admin=${ADMIN:-1064}
tokens=${TOKENS:-9101} tenant_a=${TENANT_A:-9102} tenant_c=${TENANT_C:-9103} mesh=${MESH:-9104}
trap 'kill 0' EXIT INT TERM

"$tollgate" simulate --listen "127.0.0.1:$tokens" --name jwt-server \
  --jwt-issuer inference-in-a-box --jwt-tenants tenant-a,tenant-b,tenant-c &
"$tollgate" simulate --listen "127.0.0.1:$tenant_a" --name tenant-a --kserve-models sklearn-iris &
"$tollgate" simulate --listen "127.0.0.1:$tenant_c" --name tenant-c --kserve-models pytorch-resnet &
"$tollgate" simulate --listen "127.0.0.1:$mesh" --name mesh &

OTEL_AIGW_METRICS_REQUEST_HEADER_ATTRIBUTES=x-tenant:tenant "$tollgate" run "$here" \
  --port-map "80=$http,443=$https" --admin "127.0.0.1:$admin" \
  --resolve "jwt-server.default.svc.cluster.local:8080=127.0.0.1:$tokens" \
  --resolve "ext-auth-service.default.svc.cluster.local:8080=127.0.0.1:$tokens" \
  --resolve "sklearn-iris-predictor-default.tenant-a.svc.cluster.local:80=127.0.0.1:$tenant_a" \
  --resolve "pytorch-resnet-predictor-default.tenant-c.svc.cluster.local:80=127.0.0.1:$tenant_c" \
  --resolve "istio-ingressgateway.istio-system.svc.cluster.local:80=127.0.0.1:$mesh" \
  --resolve "istio-ingressgateway.istio-system.svc.cluster.local:15021=127.0.0.1:$mesh"
