"""The services of apprise that may be used: those whose address stands in apprise's code, and in no URL.

apprise knows some 150 more. Left out are those that go to a host which the URL names (mail, json, gotify, matrix, ntfy
with a host ...), those that do more than send over HTTP (files, the desktop, MQTT, programs), and those that have a
connector type of their own here. To add one: its class in apprise has one fixed ``https://`` address that every request
of it goes to, sent by ``requests.get`` or ``requests.post``.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its module and class in apprise.plugins, the host of all its requests, and how its URL looks."""

    module: str
    plugin: str
    host: str
    form: str


SERVICES: Final[dict[str, Service]] = {
    # notify_url = "https://api.bulksms.com/v1/messages"
    "bulksms": Service("bulksms", "NotifyBulkSMS", "api.bulksms.com", "bulksms://user:password@number"),
    # notify_url = "https://rest.clicksend.com/v3/sms/send"
    "clicksend": Service("clicksend", "NotifyClickSend", "rest.clicksend.com", "clicksend://user:key@number"),
    # notify_url = "https://api.httpsms.com/v1/messages/send"
    "httpsms": Service("httpsms", "NotifyHttpSMS", "api.httpsms.com", "httpsms://key@from/to"),
    # notify_url = "https://maker.ifttt.com/trigger/{event}/with/key/{webhook_id}": both stand in the path
    "ifttt": Service("ifttt", "NotifyIFTTT", "maker.ifttt.com", "ifttt://webhook-id@event"),
    # notify_url = "https://joinjoaomgcd.appspot.com/_ah/api/messaging/v1/sendPush"
    "join": Service("join", "NotifyJoin", "joinjoaomgcd.appspot.com", "join://key/device"),
    # notify_url = "https://api.line.me/v2/bot/message/push"
    "line": Service("line", "NotifyLine", "api.line.me", "line://token/user"),
    # notify_url = "https://rest.messagebird.com/messages"
    "msgbird": Service("messagebird", "NotifyMessageBird", "rest.messagebird.com", "msgbird://key/from/to"),
    # notify_url = "https://api.pagertree.com/integration/{}": the integration stands in the path
    "pagertree": Service("pagertree", "NotifyPagerTree", "api.pagertree.com", "pagertree://integration"),
    # notify_url = "https://api.pushover.net/1/messages.json"
    "pover": Service("pushover", "NotifyPushover", "api.pushover.net", "pover://user@token"),
    # notify_url = "https://api.prowlapp.com/publicapi/add"
    "prowl": Service("prowl", "NotifyProwl", "api.prowlapp.com", "prowl://key"),
    # notify_url = "https://api.pushed.co/1/push"
    "pushed": Service("pushed", "NotifyPushed", "api.pushed.co", "pushed://key/secret"),
    # notify_url = "https://api.resend.com/emails"
    "resend": Service("resend", "NotifyResend", "api.resend.com", "resend://key:from@domain/to"),
    # notify_url = "https://sctapi.ftqq.com/{token}.send": the token stands in the path
    "schan": Service("serverchan", "NotifyServerChan", "sctapi.ftqq.com", "schan://token"),
    # notify_url = "https://api.sendgrid.com/v3/mail/send"
    "sendgrid": Service("sendgrid", "NotifySendGrid", "api.sendgrid.com", "sendgrid://key:from@domain/to"),
    # notify_url = "https://connect.signl4.com/webhook/{secret}/": the secret stands in the path
    "signl4": Service("signl4", "NotifySIGNL4", "connect.signl4.com", "signl4://secret"),
    # notify_url = "https://api.spike.sh/v1/alerts/", and the token after it
    "spike": Service("spike", "NotifySpike", "api.spike.sh", "spike://token"),
    # notify_url = "https://api.simplepush.io/send"
    "spush": Service("simplepush", "NotifySimplePush", "api.simplepush.io", "spush://key"),
    # notify_sms_url and notify_call_url = "https://api.twilio.com/2010-04-01/Accounts/{sid}/..."
    "twilio": Service("twilio", "NotifyTwilio", "api.twilio.com", "twilio://sid:token@from/to"),
    # notify_url = "https://alert.victorops.com/integrations/generic/20131114/alert/{apikey}/..."
    "victorops": Service("splunk", "NotifySplunk", "alert.victorops.com", "victorops://routing-key@key"),
    # notify_url = "https://rest.nexmo.com/sms/json"
    "vonage": Service("vonage", "NotifyVonage", "rest.nexmo.com", "vonage://key:secret@from/to"),
    # notify_url = "https://wxpusher.zjiecode.com/api/send/message"
    "wxpusher": Service("wxpusher", "NotifyWxPusher", "wxpusher.zjiecode.com", "wxpusher://token/user"),
}


def service_of(url: str) -> str:
    """Return the scheme of a URL of apprise, in lower case."""
    return url.partition("://")[0].strip().lower()
