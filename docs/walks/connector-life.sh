#!/usr/bin/env bash
# The life of a connector over the API, with curl. It runs against an installation whose connectors may reach loopback:
#
#   URL=http://127.0.0.1:8000 SPACE=demo KEY=sy_... OTHER_SPACE=default OTHER_KEY=sy_... RECEIVER=http://127.0.0.1:9000/ \
#     docs/walks/connector-life.sh
#
# RECEIVER answers any request with 200. Each step prints what it asks for and the answer, and the first that answers
# otherwise than expected ends the walk.
set -euo pipefail
: "${URL:?}" "${SPACE:?}" "${KEY:?}" "${OTHER_SPACE:?}" "${OTHER_KEY:?}" "${RECEIVER:?}"
SECRET=${SECRET:-a token that the receiver gave out}
file=$(mktemp)
trap 'rm -f "$file"' EXIT

# expect STATUS METHOD PATH [curl's options]: the answer is left in $answer.
expect() {
    local status=$1 method=$2 path=$3 got
    shift 3
    printf '\n> %s %s\n' "$method" "$path"
    answer=$(curl -sS -X "$method" "$URL/api/v1/spaces/${space:-$SPACE}/$path" -H "Authorization: Bearer ${key:-$KEY}" \
        -w '\n%{http_code}' "$@")
    got=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    printf '< %s %s\n' "$got" "$answer"
    [ "$got" = "$status" ] || { printf 'expected %s\n' "$status" >&2; exit 1; }
}

# has TEXT: the answer must contain it.
has() {
    grep -qF -- "$1" <<<"$answer" || { printf 'the answer does not contain: %s\n' "$1" >&2; exit 1; }
}

json() { printf '%s' "$1" >"$file"; }
body=(-H 'Content-Type: application/json' --data-binary "@$file")

echo '== Types'
expect 200 GET connector-types/http
has '"config_schema"'

echo '== Create, with an ID of your own and a secret'
json '{"id": "walk-desk", "name": "Walk desk", "connector_type_id": "http", "tags": ["walk"],
       "config": {"url": "'"$RECEIVER"'", "auth": "bearer"}, "secrets": {"token": "'"$SECRET"'"}}'
expect 201 POST connectors "${body[@]}"
has '"secrets_set":{"token":'

echo '== Test: one that works, one that does not, one that is not saved'
expect 200 POST connectors/walk-desk/probe
has '"outcome":"passed"'
json '{"connector_type_id": "http", "config": {"url": "http://127.0.0.1:2222/"}}'
expect 200 POST connectors/_probe "${body[@]}"
has '"outcome":"failed"'
has '"advice":"'
json '{"id": "walk-down", "name": "Walk down", "connector_type_id": "http", "config": {"url": "http://127.0.0.1:2222/"}}'
expect 201 POST connectors "${body[@]}"
expect 200 POST connectors/walk-down/reconnect
has '"reason":"retry_connect"'
expect 200 GET connectors/walk-down/status-history
has '"status":"disconnected"'

echo '== Send one real message'
json '{"params": {"body": {"text": "Hello from {{ event.type }}"}}}'
expect 200 POST connectors/walk-desk/execute "${body[@]}"
has '"outcome":"success"'

echo '== List and filter'
expect 200 GET 'connectors?tag=walk&status=connected&search=desk'
has '"id":"walk-desk"'
expect 200 GET 'connectors?status=disconnected'
has '"id":"walk-down"'
expect 400 GET 'connectors?statsu=connected'
has '"name":"statsu"'

echo '== Edit without sending the secret again; to another host, it is asked for'
json '{"name": "Walk desk, renamed"}'
expect 200 PATCH connectors/walk-desk "${body[@]}"
has '"secrets_set":{"token":'
json '{"config": {"url": "https://elsewhere.example/", "auth": "bearer"}}'
expect 400 PATCH connectors/walk-desk "${body[@]}"
has '"pointer":"/secrets/token"'

echo '== Copy: without the secret, and flagged'
json '{"id": "walk-copy"}'
expect 201 POST connectors/walk-desk/duplicate "${body[@]}"
has '"missing_secrets":["token"]'

echo '== Delete: refused while in use, replaced, forced'
json '{"id": "walk-tell", "name": "Walk tell", "connector": "walk-desk"}'
expect 201 POST actions "${body[@]}"
expect 409 DELETE connectors/walk-desk
has '"users":[{"type":"action","id":"walk-tell"}]'
expect 204 DELETE 'connectors/walk-desk?replace_with=walk-copy'
expect 200 GET actions/walk-tell
has '"connector":"walk-copy"'

echo '== Export, without a secret in it; import elsewhere; fix'
json '{"objects": [{"type": "action", "id": "walk-tell"}]}'
expect 200 POST exports "${body[@]}"
printf '%s\n' "$answer" >"$file"
space=$OTHER_SPACE key=$OTHER_KEY
lines=(-H 'Content-Type: application/x-ndjson' --data-binary "@$file")
expect 200 POST 'imports?dry_run=true' "${lines[@]}"
has '"is_applied":false'
expect 200 POST imports "${lines[@]}"
has '"counts":{"created":2}'
expect 400 POST imports "${lines[@]}"
has '"title":"Nothing was imported"'
expect 200 GET connectors/walk-copy
has '"status":"missing_secrets"'
json '{"params": {}}'
expect 200 POST connectors/walk-copy/execute "${body[@]}"
has '"reason":"missing_secrets"'
json '{"secrets": {"token": "'"$SECRET"'"}}'
expect 200 PATCH connectors/walk-copy "${body[@]}"
has '"is_missing_secrets":false'
expect 200 POST connectors/walk-copy/probe
has '"outcome":"passed"'
expect 204 DELETE actions/walk-tell
expect 204 DELETE connectors/walk-copy

echo '== Force: the action stays without a connector'
space=$SPACE key=$KEY
expect 204 DELETE 'connectors/walk-copy?force=true'
expect 200 GET actions/walk-tell
has '"lost_connector_id":"walk-copy"'
expect 204 DELETE actions/walk-tell
json '{"ids": ["walk-down", "walk-never-was"]}'
expect 200 POST connectors/_bulk_delete "${body[@]}"
has '{"id":"walk-down","ok":true'
has '"detail":"There is nothing by this ID."'

echo
echo 'The walk is done.'
