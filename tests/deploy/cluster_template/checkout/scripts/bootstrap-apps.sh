#!/usr/bin/env bash
set -Eeuo pipefail

# A namespace for each folder, before Flux is there.
for folder in kubernetes/apps/*/; do
    kubectl create namespace "$(basename "${folder}")" --dry-run=client --output=yaml | kubectl apply --server-side --filename -
done
