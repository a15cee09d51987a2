"""What a proxy in front tells of a request, and which proxy is believed."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from spaces.addresses import parse_address


class ProxyMiddleware:
    """Believes TRUSTED_PROXIES, and them alone, about a client's address and whether it came over TLS.

    After it REMOTE_ADDR is the client's, and X-Forwarded-Proto is there only if it is true.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._trusted = [ip_network(network) for network in settings.TRUSTED_PROXIES]

    def __call__(self, request: HttpRequest) -> HttpResponse:
        hops = request.META.pop("HTTP_X_FORWARDED_FOR", "")
        sender = parse_address(request.META.get("REMOTE_ADDR", ""))
        if sender and self._trusts(sender):
            request.META["REMOTE_ADDR"] = str(self._client(sender, hops))
        else:
            request.META.pop("HTTP_X_FORWARDED_PROTO", None)
        return self._get_response(request)

    def _client(self, sender: IPv4Address | IPv6Address, hops: str) -> IPv4Address | IPv6Address:
        """Return the last address that no trusted proxy has: what stands before it, the client may have made up."""
        for hop in reversed(hops.split(",")):
            address = parse_address(hop)
            if address is None:
                break
            sender = address
            if not self._trusts(sender):
                break
        return sender

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)
