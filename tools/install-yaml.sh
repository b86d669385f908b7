#!/bin/sh
# Writes the whole install of an image (name:tag) to a file: tools/install-yaml.sh registry.example.com/gitover:v1 install.yaml
set -eu
[ $# = 2 ] || { echo "usage: tools/install-yaml.sh IMAGE:TAG FILE" >&2; exit 2; }
cd "$(dirname "$0")/.."
overlay=$(mktemp -d ./.overlay.XXXXXX)
trap 'rm -rf "$overlay"' EXIT
cat >"$overlay/kustomization.yaml" <<EOF
resources: [../manifests/default]
images: [{name: gitover.local/gitover, newName: "${1%:*}", newTag: "${1##*:}"}]
EOF
mkdir -p "$(dirname "$2")"
kubectl kustomize "$overlay" >"$2"
