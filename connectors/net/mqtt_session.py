"""Paho's client, made to leave two things to its user: the socket, and when the broker may forget a message.

Paho answers a message of QoS 2 with PUBREC as it arrives, by which the broker forgets it before anybody has stored it.
Here PUBREC is what ``ack`` sends. A message that comes again although it was taken over is told by its packet id, which
the broker gives to no other before it has the answer, and only answered (MQTT 5, sections 2.2.1, 4.3.3 and 4.4). Nor
does paho see that a PUBREC refuses a message. What is overridden is not part of paho's interface, so a new release of
it is adopted with the tests of this module.
"""

import socket
import struct
from collections.abc import Callable
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

_EXACTLY_ONCE: Final = 2
_READ_SIZE: Final = 64 * 1024  # bytes
_FAILURE: Final = 0x80  # the first reason code of those that say so


class PatientClient(Client):
    """See the module. ``open_socket`` is what the next connection is made over."""

    open_socket: socket.socket | None = None
    on_unreadable: Callable[[int], None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._taken: set[int] = set()  # packet ids of QoS 2 that were answered with PUBREC and not released yet
        self._owed: set[int] = set()  # packet ids of QoS 1 that the broker was not told of: the connection had ended

    @property
    def incoming(self) -> int:
        """Bytes of the packet that is being read."""
        return int(self._in_packet["remaining_length"])

    def close_socket(self) -> None:
        """Close the connection at once."""
        self._sock_close()

    def forget_session(self) -> None:
        """Take all packet ids for new ones: the broker has begun a session."""
        self._taken.clear()
        self._owed.clear()

    def owe(self, mid: int, qos: int) -> None:
        """Answer a message that was taken over when the broker sends it again, which it must in the same session."""
        (self._taken if qos == _EXACTLY_ONCE else self._owed).add(mid)

    def ack(self, mid: int, qos: int) -> MQTTErrorCode:
        if qos != _EXACTLY_ONCE:
            return super().ack(mid, qos)
        self._taken.add(mid)
        return super()._send_pubrec(mid)

    def _create_socket(self) -> Any:
        taken, self.open_socket = self.open_socket, None
        if taken is None:
            raise ConnectionError("There is no socket to connect over.")
        return taken

    def _sock_recv(self, bufsize: int) -> bytes:
        # Paho asks for as much as a packet says that it has, which may be 256 MB that never come.
        return super()._sock_recv(min(bufsize, _READ_SIZE))

    def _handle_publish(self) -> MQTTErrorCode:
        qos = (self._in_packet["command"] & 0x06) >> 1
        if qos == _EXACTLY_ONCE and (packet := self._packet_id()) in self._taken:
            return super()._send_pubrec(packet)
        try:
            code = super()._handle_publish()
        except MalformedPacket:
            # The broker let it pass, and would send it again and again.
            if self.on_unreadable is not None:
                self.on_unreadable(len(self._in_packet["packet"]))
            return self.ack(self._packet_id(), qos) if qos else MQTTErrorCode.MQTT_ERR_SUCCESS
        if qos == _EXACTLY_ONCE:
            self._hand_over()
        return code

    def _handle_on_message(self, message: MQTTMessage) -> None:
        if message.qos == 1 and message.mid in self._owed:
            self._owed.discard(message.mid)
            if message.dup:
                self.ack(message.mid, message.qos)
                return
        super()._handle_on_message(message)

    def _hand_over(self) -> None:
        waiting: list[MQTTMessage] = []
        with self._in_message_mutex:
            while self._in_messages:
                waiting.append(self._in_messages.popitem(last=False)[1])
        for message in waiting:
            self._handle_on_message(message)

    def _send_pubrec(self, mid: int) -> MQTTErrorCode:
        return MQTTErrorCode.MQTT_ERR_SUCCESS  # not before ack()

    def _handle_pubrec(self) -> MQTTErrorCode:
        packet = self._in_packet["packet"]
        if len(packet) < 3 or packet[2] < _FAILURE:
            return super()._handle_pubrec()
        # The end of the message: nothing follows (MQTT 5, section 4.3.3).
        (mid,) = struct.unpack("!H", packet[:2])
        properties = Properties(PacketTypes.PUBREC)
        if len(packet) > 3:
            properties.unpack(packet[3:])
        with self._out_message_mutex:
            if mid not in self._out_messages:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            return self._do_on_publish(mid, ReasonCode(PacketTypes.PUBREC, identifier=packet[2]), properties)

    def _handle_pubrel(self) -> MQTTErrorCode:
        (mid,) = struct.unpack("!H", self._in_packet["packet"][:2])
        super()._handle_pubrel()
        self._taken.discard(mid)
        return self._send_pubcomp(mid)

    def _packet_id(self) -> int:
        packet = self._in_packet["packet"]
        (length,) = struct.unpack("!H", packet[:2])
        (packet_id,) = struct.unpack("!H", packet[2 + length : 4 + length])
        return int(packet_id)
