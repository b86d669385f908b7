#!/bin/sh
# Makes the generated files again: deepcopy functions, CRDs, the controller's role, both once
# more for the chart, and the API reference. "generate" writes them into the checkout; "verify" makes them elsewhere,
# shows the difference and fails if there is one.
set -eu
cd "$(dirname "$0")/.."
bin=$PWD/.cache/bin

# build a program of tools/go.mod, unless it is newer than that file.
build() {
  [ "$bin/$1" -nt tools/go.mod ] && return
  echo "building $1"
  mkdir -p "$bin"
  (cd tools && go build -mod=mod -o "$bin/$1" "$2")
  touch "$bin/$1"
}
build controller-gen sigs.k8s.io/controller-tools/cmd/controller-gen
build crd-ref-docs github.com/elastic/crd-ref-docs

# into a directory that mirrors the checkout.
into() {
  mkdir -p "$1/api/v1alpha1" "$1/manifests/crd" "$1/manifests/rbac" "$1/docs"
  "$bin/controller-gen" paths=./api/... object output:object:dir="$1/api/v1alpha1" crd output:crd:dir="$1/manifests/crd"
  "$bin/controller-gen" paths=./controllers/... rbac:roleName=gitover-controller output:rbac:dir="$1/manifests/rbac"
  # Helm reads nothing outside of its chart
  mkdir -p "$1/charts/gitover/files/crds"
  cp "$1"/manifests/crd/gitover.dev_*.yaml "$1/charts/gitover/files/crds/"
  cp "$1/manifests/rbac/role.yaml" "$1/charts/gitover/files/role.yaml"
  "$bin/crd-ref-docs" --log-level=ERROR --source-path=./api --config=tools/reference/config.yaml \
    --renderer=markdown --templates-dir=tools/reference --output-path="$1/docs/reference.md"
  go run ./cmd/gitover reference --markdown "$1/docs/commands"
  # the templates leave runs of empty lines and blanks at the ends of lines
  sed -i 's/[[:space:]]*$//' "$1/docs/reference.md"
  cat -s "$1/docs/reference.md" >"$1/docs/reference.md.new"
  mv "$1/docs/reference.md.new" "$1/docs/reference.md"
}

case ${1-} in
generate) into "$PWD" ;;
verify)
  fresh=$(mktemp -d)
  trap 'rm -rf "$fresh"' EXIT
  into "$fresh"
  cd "$fresh"
  status=0
  for file in $(find . -type f | sed 's|^\./||' | sort); do
    diff -u --label "$file" --label "$file (generated)" "$OLDPWD/$file" "$file" || status=1
  done
  [ $status = 0 ] || echo "generated files are out of date: run \"make generate\" and commit them" >&2
  exit $status
  ;;
*)
  echo "usage: tools/generate.sh generate|verify" >&2
  exit 2
  ;;
esac
