#!/usr/bin/env bash
# From a key to a filtered list, a change refused for a stale ETag, and a creation that is repeated and made once. With
# curl, against a running installation and a key of the role "admin":
#
#   URL=http://127.0.0.1:8000 SPACE=demo KEY=sy_... docs/walks/api-contract.sh
#
# Each step prints what it asks for and the answer, and the first that answers otherwise than expected ends the walk.
set -euo pipefail
: "${URL:?}" "${SPACE:?}" "${KEY:?}"
head=$(mktemp)
trap 'rm -f "$head"' EXIT

# expect STATUS METHOD PATH [curl's options]: the answer is left in $answer, its headers in the file $head.
expect() {
    local status=$1 method=$2 path=$3 got
    shift 3
    printf '\n> %s %s\n' "$method" "$path"
    answer=$(curl -sS -D "$head" -X "$method" "$URL/api/v1/spaces/$SPACE/$path" -H "Authorization: Bearer $key" \
        -w '\n%{http_code}' "$@")
    got=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    printf '< %s %s\n' "$got" "$answer"
    [ "$got" = "$status" ] || { printf 'expected %s\n' "$status" >&2; exit 1; }
}

# has TEXT: the answer must contain it. member NAME: the answer's member of that name, a text or a number.
has() {
    grep -qF -- "$1" <<<"$answer" || { printf 'the answer does not contain: %s\n' "$1" >&2; exit 1; }
}
member() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" <<<"$answer"; }
header() { tr -d '\r' <"$head" | sed -n "s/^$1: //Ip"; }
json=(-H 'Content-Type: application/json')

key=$KEY
echo '== A key for a program that sets things up: it may edit, and sends at most 600 requests a minute'
expect 201 POST api-keys "${json[@]}" -d '{"name": "Walk", "role": "editor", "max_requests_per_minute": 600}'
editor=$(member key)
editor_id=$(member id)
key=$editor
expect 403 GET members
has 'This needs the role'

echo
echo '== What is wrong is told by its place'
expect 400 POST connectors "${json[@]}" -d '{"name": "Walk A", "connector_type_id": "http",
      "config": {"url": 7, "method": "SHOUT"}}'
has '"pointer":"/config/url"'
has '"pointer":"/config/method"'

echo
echo '== A creation that is sent twice is made once'
new='{"id": "walk-a", "name": "Walk A", "connector_type_id": "http", "tags": ["walk"],
      "config": {"url": "https://hooks.example.com/a"}}'
expect 201 POST connectors "${json[@]}" -H 'Idempotency-Key: walk-create-a' -d "$new"
expect 201 POST connectors "${json[@]}" -H 'Idempotency-Key: walk-create-a' -d "$new"
[ "$(header Idempotency-Replayed)" = true ]
expect 422 POST connectors "${json[@]}" -H 'Idempotency-Key: walk-create-a' -d '{"name": "Another"}'
expect 201 POST connectors "${json[@]}" -d '{"id": "walk-b", "name": "Walk B", "connector_type_id": "http",
      "config": {"url": "https://hooks.example.com/b"}}'

echo
echo '== A filtered list, a page at a time'
expect 200 GET 'connectors?search=walk-&page_size=1'
has '"id":"walk-a"'
next=$(member next)
expect 200 GET "connectors?${next#*\?}"
has '"id":"walk-b"'
expect 200 GET 'connectors?tag=walk&type=http&ordering=-updated_at'
has '"id":"walk-a"'
expect 400 GET 'connectors?colour=red'
has 'There is no such parameter'

echo
echo '== A change that is based on what no longer stands is refused'
expect 200 GET connectors/walk-a
etag=$(header ETag)
expect 200 PATCH connectors/walk-a "${json[@]}" -H "If-Match: $etag" -d '{"name": "Walk A, changed"}'
expect 412 PATCH connectors/walk-a "${json[@]}" -H "If-Match: $etag" -d '{"name": "Walk A, changed by somebody else"}'
expect 200 GET connectors/walk-a
has '"name":"Walk A, changed"'

echo
echo '== Many at once, each with a result of its own'
expect 200 POST connectors/_bulk_disable "${json[@]}" -d '{"ids": ["walk-a", "walk-b", "walk-c"]}'
has '{"id":"walk-c","ok":false,"detail":"There is nothing by this ID."}'
expect 200 POST connectors/_bulk_delete "${json[@]}" -d '{"ids": ["walk-a", "walk-b"]}'

echo
echo '== A key that is revoked opens nothing from then on, and what it did stays known'
key=$KEY
expect 204 DELETE "api-keys/$editor_id"
key=$editor
expect 401 GET connectors
key=$KEY
expect 200 GET 'audit?action=connector.update&object_id=walk-a'
has '"actor":"Walk (sy_'

echo
echo 'The walk is done.'
