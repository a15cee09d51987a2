"""What browsers are told to refuse: Content-Security-Policy and Permissions-Policy of every answer."""

from typing import Final

from csp.constants import HEADER, NONCE, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponseBase

PAGE: Final = {
    "default-src": [SELF],
    "script-src": [SELF, NONCE],
    "img-src": [SELF, "data:"],
    "object-src": [NONE],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
    "form-action": [SELF],
}
# Unfold: Alpine compiles the expressions in its attributes with `new Function`, and htmx, Chart.js and templates set
# styles inline. No script may stand inline here either.
_CONSOLE: Final = {"script-src": [SELF, NONCE, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}
# The pages in the console's frame.
_CONSOLE_PATHS: Final = ("/admin/", "/demo/receiver/")
_DATA: Final = "default-src 'none'; frame-ancestors 'none'"
_PERMISSIONS: Final = ", ".join(
    f"{feature}=()"
    for feature in (
        *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "hid", "magnetometer"),
        *("microphone", "midi", "payment", "serial", "usb", "xr-spatial-tracking"),
    )
)


class BrowserPolicyMiddleware(CSPMiddleware):
    """Sends PAGE with pages, with the console's exceptions for its own, and a policy that allows nothing with data."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Permissions-Policy", _PERMISSIONS)
        if not response.headers.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault(HEADER, _DATA)
            return response
        return super().process_response(request, response)

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith(_CONSOLE_PATHS):
            parts.replace = {**_CONSOLE, **(parts.replace or {})}
        return parts
