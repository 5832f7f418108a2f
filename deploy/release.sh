#!/usr/bin/env bash
# Builds vidbell for every platform it is released for, and the checksums.
#
#   deploy/release.sh v1.2.3 [folder]      into dist/ by default
#
# Static binaries without a trace of the machine: who builds the same commit with the same Go gets the same bytes. Commit and date are those of
# git; a checkout with changes is refused, since nobody could build it again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly platforms=(linux/amd64 linux/arm64 darwin/arm64 windows/amd64)

version=${1:-}
out=${2:-dist}
if [[ ! $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
	echo 'usage: deploy/release.sh v1.2.3 [folder]' >&2
	exit 2
fi
if [[ -n $(git status --porcelain) ]]; then
	echo 'this checkout has changes that are not committed:' >&2
	git status --short >&2
	exit 1
fi

commit=$(git rev-parse HEAD)
date=$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)
mkdir -p "$out"

# Nothing that this machine is set to may change the bytes.
export CGO_ENABLED=0 GOFLAGS=-mod=readonly GOWORK=off GOTOOLCHAIN=local GOEXPERIMENT='' GOAMD64=v1 GOARM64=v8.0
unset GODEBUG

names=()
for platform in "${platforms[@]}"; do
	name=vidbell-$version-${platform/\//-}
	[[ $platform != windows/* ]] || name+=.exe
	echo "$name"
	GOOS=${platform%/*} GOARCH=${platform#*/} go build -trimpath -buildvcs=false -o "$out/$name" \
		-ldflags "-s -w -buildid= -X vidbell/internal/app.version=$version -X vidbell/internal/app.commit=$commit -X vidbell/internal/app.date=$date" .
	names+=("$name")
done
(cd "$out" && sha256sum "${names[@]}" >SHA256SUMS && cat SHA256SUMS)
