#!/bin/sh
# Builds the image IMAGE for PLATFORMS, and pushes it with PUSH=1: by docker buildx, podman or buildah, whichever is
# there (BUILDER names another). Go compiles for every platform; the builder only copies, see ../Containerfile.
set -eu
cd "$(dirname "$0")/.."

fail() { echo "tools/image.sh: $1" >&2; exit 2; }

[ -n "${IMAGE-}" ] || fail "say what to call the image: make image IMAGE=registry.example.com/gitover:v1"
case ${IMAGE##*/} in *:*) ;; *) fail "$IMAGE has no tag: make image IMAGE=$IMAGE:v1" ;; esac
platforms=${PLATFORMS:-linux/amd64,linux/arm64}
VERSION=${VERSION:-$(git describe --tags --always --dirty)}

find_builder() {
  docker buildx version >/dev/null 2>&1 && { echo docker; return; }
  for tool in podman buildah; do
    command -v $tool >/dev/null && { echo $tool; return; }
  done
  fail "found none of docker with buildx, podman and buildah: install one of them"
}
builder=${BUILDER:-$(find_builder)}
case $builder in docker | podman | buildah) ;; *) fail "BUILDER is $builder: it takes docker, podman and buildah" ;; esac
for platform in $(echo "$platforms" | tr , ' '); do
  case $platform in linux/amd64 | linux/arm64) ;; *) fail "no image for $platform: PLATFORMS takes linux/amd64 and linux/arm64" ;; esac
done

context=bin/image
rm -rf $context
for platform in $(echo "$platforms" | tr , ' '); do
  echo "compiling for $platform"
  GOOS=linux GOARCH=${platform#linux/} make -s build BIN="$context/$platform" VERSION="$VERSION"
done

# The same commit makes the same image.
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
set -- --file Containerfile --label "org.opencontainers.image.version=$VERSION" ${BASE:+--build-arg "BASE=$BASE"}

case $builder in
docker)
  # A registry takes all platforms; Docker's own store may hold no more than one.
  output=--push
  [ "${PUSH-}" = 1 ] || { output=--load; platforms=linux/$(go env GOHOSTARCH); }
  docker buildx build "$@" --platform "$platforms" --tag "$IMAGE" $output $context
  ;;
podman | buildah)
  if $builder manifest exists "$IMAGE" 2>/dev/null; then $builder manifest rm "$IMAGE" >/dev/null; fi
  $builder build "$@" --platform "$platforms" --timestamp "$SOURCE_DATE_EPOCH" --manifest "$IMAGE" $context
  if [ "${PUSH-}" = 1 ]; then $builder manifest push --all "$IMAGE" "docker://$IMAGE"; fi
  ;;
esac
if [ "${PUSH-}" = 1 ]; then echo "pushed $IMAGE for $platforms"; else echo "built $IMAGE for $platforms; PUSH=1 pushes it"; fi
