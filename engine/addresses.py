"""Whether a cluster answers at an address, before its library is asked, which would wait for minutes."""

from __future__ import annotations

import re
import socket

from command import InputError

ANSWER_SECONDS = 10.0
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""What a client of HTTP/2 begins with, and its empty settings (RFC 9113, sections 3.4 and 6.5); Ray speaks gRPC."""
ENCRYPTED = ("tls", "wss", "ucxs")  # they answer to those who can encrypt


def check_address(address: str, what: str, remedy: str, greeting: bytes = b"") -> None:
    """Raise InputError unless somebody answers at an address of a cluster.

    Args:
        address: as in tcp://10.0.0.1:8786, or without the protocol.
        what: what should be there, for the message.
        remedy: how it is started.
        greeting: what it is sent; "" where it speaks first.
    """
    parts = re.fullmatch(r"(?:(\w+)://)?(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})", address)
    if not parts or not 0 < int(parts[3]) < 2**16:
        raise InputError(f"--address {address}: is none; give host and port, as in 10.0.0.1:8786")
    protocol, host, port = parts[1] or "", parts[2].strip("[]"), int(parts[3])
    try:
        with socket.create_connection((host, port), ANSWER_SECONDS) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.sendall(greeting)
            answers = protocol in ENCRYPTED or connection.recv(1) != b""
    except (OSError, UnicodeError) as error:  # a name of more letters than a name can have
        why = "nobody answers" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or error
        raise InputError(f"no {what} at {address}: {why}; {remedy}") from error
    if not answers:
        raise InputError(f"no {what} at {address}: somebody else listens there; {remedy}")
