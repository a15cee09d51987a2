#!/usr/bin/env bash
# A Slack connector over the API, with curl: made, tested, sent through, kept to its channels. Against a running
# installation, a key of the role "editor" or more, and the token of a Slack app that may post to the channel:
#
#   URL=http://127.0.0.1:8000 SPACE=demo KEY=sy_... TOKEN=xoxb-... CHANNEL=C0123ABCD docs/walks/chat.sh
#
# SLACK is where Slack's Web API is, if elsewhere. Each step prints what it asks for and the answer, and the first that
# answers otherwise than expected ends the walk.
set -euo pipefail
: "${URL:?}" "${SPACE:?}" "${KEY:?}" "${TOKEN:?}" "${CHANNEL:?}"
SLACK=${SLACK:-https://slack.com/api}

# expect STATUS METHOD PATH [JSON]: the answer is left in $answer.
expect() {
    local status=$1 method=$2 path=$3 got
    printf '\n> %s %s\n' "$method" "$path"
    answer=$(curl -sS -X "$method" "$URL/api/v1/spaces/$SPACE/$path" -H "Authorization: Bearer $KEY" \
        -H 'Content-Type: application/json' -w '\n%{http_code}' ${4:+--data-binary @-} <<<"${4:-}")
    got=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    printf '< %s %s\n' "$got" "$answer"
    [ "$got" = "$status" ] || { printf 'expected %s\n' "$status" >&2; exit 1; }
}

# has TEXT: the answer must contain it.
has() {
    grep -qF -- "$1" <<<"$answer" || { printf 'the answer does not contain: %s\n' "$1" >&2; exit 1; }
}

config='{"api_url": "'$SLACK'", "channel": "'$CHANNEL'", "allowed_channels": ["'$CHANNEL'"]}'

echo '== A wrong token is found before anything is saved'
expect 200 POST connectors/_probe '{"connector_type_id": "slack", "config": '"$config"', "secrets": {"token": "xoxb-none"}}'
has '"name":"authenticate"'
has '"reason":"bad_config"'

echo
echo '== A connector, and its test: who the token is, and whether the channel is there'
expect 201 POST connectors '{"id": "walk-slack", "name": "Walk Slack", "connector_type_id": "slack",
      "config": '"$config"', "secrets": {"token": "'"$TOKEN"'"}}'
expect 200 POST connectors/walk-slack/probe
has 'The token belongs to'
has '"outcome":"passed"'

echo
echo '== A message: what the author wrote is markup, what the event says is not'
event='"event": {"type": "sensor.reading", "data": {"site": "<!channel> *Berlin*"}}'
expect 200 POST connectors/walk-slack/execute '{"params": {"text": "*Too hot* at {{ event.data.site }}"}, '"$event"'}'
has '"outcome":"success"'
has '*Too hot* at &lt;!channel&gt; '
has '"url":"'"$SLACK"'/chat.postMessage"'

echo
echo '== Block Kit, and a block that Slack would refuse, named by its place'
block() { printf '[{"type": "header", "text": {"type": "plain_text", "text": "%s"}}]' "$1"; }
expect 200 POST connectors/walk-slack/execute '{"params": {"text": "Hot", "blocks": '"$(block 'Too hot')"'}}'
has '"outcome":"success"'
expect 200 POST connectors/walk-slack/execute '{"params": {"text": "Hot", "blocks": '"$(block "$(printf 'x%.0s' {1..151})")"'}}'
has '"reason":"template_error"'
has 'blocks[0].text.text has 151 characters'

echo
echo '== A channel that is not allowed gets nothing'
expect 200 POST connectors/walk-slack/execute '{"params": {"channel": "#elsewhere", "text": "Hot"}}'
has '"outcome":"failure"'
has 'not among the connector'

echo
echo '== What was sent stands in the event log, the token nowhere'
expect 200 GET 'event-log?connector_id=walk-slack'
has '"reason":"ok"'
if grep -qF -- "$TOKEN" <<<"$answer"; then echo 'the event log tells the token' >&2; exit 1; fi
expect 204 DELETE connectors/walk-slack

echo
echo 'The walk is done.'
