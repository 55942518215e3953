"""A mail server that keeps what it is sent: as much of SMTP as Airflow's SMTP hook speaks without TLS and login."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self._answer("220 sink")
        while line := self.rfile.readline():
            command = line.split()[0].upper() if line.split() else b""
            if command == b"DATA":
                self._answer("354 go on")
                self.server.kept.append(message_from_bytes(self._data()))  # type: ignore[attr-defined]
            self._answer("221 bye" if command == b"QUIT" else "250 fine")
            if command == b"QUIT":
                return

    def _data(self) -> bytes:
        lines = iter(self.rfile.readline, b".\r\n")
        return b"".join(line[1:] if line.startswith(b".") else line for line in lines)

    def _answer(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@dataclass
class Mail:
    """One mail as its reader sees it."""

    sender: str
    to: list[str]
    subject: str
    html: str

    @classmethod
    def of(cls, message: Message) -> Mail:
        (body,) = (part for part in message.walk() if not part.is_multipart())
        return cls(
            str(message["From"]),
            sorted(address for _, address in getaddresses(message.get_all("To", []))),
            str(make_header(decode_header(str(message["Subject"])))),
            bytes(body.get_payload(decode=True)).decode(),  # type: ignore[arg-type]
        )


@dataclass
class Sink:
    """A running server."""

    port: int
    messages: list[Message] = field(default_factory=list)

    @property
    def mails(self) -> list[Mail]:
        return [Mail.of(message) for message in self.messages]

    def connection(self) -> dict[str, object]:
        """The fields of an Airflow connection to it."""
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com", "timeout": 5}
        return {"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": json.dumps(extra)}


@contextmanager
def mail_sink() -> Iterator[Sink]:
    """A mail server on a free port of loopback."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Conversation) as server:
        server.daemon_threads = True
        sink = Sink(server.server_address[1])
        server.kept = sink.messages  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield sink
        finally:
            server.shutdown()
