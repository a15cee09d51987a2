"""The installation's own address: whether it is free to listen on, and whether the web process answers there."""

import os
import socket
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException


def try_to_listen(host: str, port: int) -> None:
    """Raise OSError, with the system's reason, unless this process could listen on ``host`` and ``port``."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        # Python adds the address to the reason.
        raise OSError(error.errno, os.strerror(error.errno or 0)) from None


def answers(host: str, port: int, path: str, timeout: float = 2.0) -> bool:
    """Return whether a GET of ``path`` is answered with 200 within ``timeout`` seconds."""
    connection = HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
