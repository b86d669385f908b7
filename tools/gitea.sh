#!/bin/sh
# Compiles Gitea for tests, of its module in the version that is given, to .cache/gitea. It compiles in a copy: its module needs to be
# the main one. Its templates stay beside the program.
set -eu
version=$1
cd "$(dirname "$0")/.."
cache=$PWD/.cache/gitea
[ "$(cat "$cache/version" 2>/dev/null || true)" = "$version" ] && exit 0
rm -rf "$cache"
mkdir -p "$cache"
source=$(cd "$cache" && printf 'module any\n' >go.mod && GOFLAGS=-mod=mod go mod download -json "code.gitea.io/gitea@$version" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')
cp -R "$source" "$cache/src"
chmod -R u+w "$cache/src"
echo "compiling Gitea $version: minutes"
(cd "$cache/src" && CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false" GOWORK=off go build -o "$cache/gitea" .)
printf '%s\n' "$version" >"$cache/version"
