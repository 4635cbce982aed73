"""An S3 server that takes everything and keeps nothing: what is left is what the client costs.

    python bench/discard_store.py

Prints its port, then for each line it is sent the CPU seconds it took so far, until its standard input ends. Bodies
never leave the kernel (MSG_TRUNC), one thread serves all connections, and answers are made beforehand, so that it does
not hold a client back; `bench/archive.py` says how busy it was in each run.
"""

from __future__ import annotations

import os
import re
import resource
import selectors
import socket
import sys

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_WAITS = re.compile(rb"\r\nexpect: *100-continue", re.IGNORECASE)
_PIECE = 1024 * 1024
_ETAG = b'"00000000000000000000000000000000-1"'


def _answer(status: bytes, body: bytes = b"", more: bytes = b"") -> bytes:
    head = b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n" % len(body) + more
    return head + b"ETag: " + _ETAG + b"\r\n\r\n" + body


_XML = b"Content-Type: application/xml\r\n"
_STORED = _answer(b"200 OK")
_ABSENT = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_DELETED = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
_BEGUN = _answer(
    b"200 OK",
    b"<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId>"
    b"</InitiateMultipartUploadResult>",
    _XML,
)
_JOINED = _answer(
    b"200 OK",
    b"<CompleteMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><ETag>" + _ETAG + b"</ETag>"
    b"</CompleteMultipartUploadResult>",
    _XML,
)
_NOTHING = _answer(
    b"200 OK",
    b"<ListBucketResult><Name>b</Name><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys>"
    b"<IsTruncated>false</IsTruncated></ListBucketResult>",
    _XML,
)


def answer_to(head: bytes) -> bytes:
    """Tell what an empty S3 store would say."""
    method, target, _ = head.split(b" ", 2)
    if method == b"PUT":
        return _STORED
    if method == b"POST":
        return _BEGUN if target.endswith((b"?uploads", b"?uploads=")) or b"uploads&" in target else _JOINED
    if method == b"DELETE":
        return _DELETED
    if method == b"GET" and b"?" in target:
        return _NOTHING
    return _ABSENT


class Connection:
    """One client's connection: a head is read, a body discarded, an answer sent."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.head = b""
        self.left = 0
        self.answer = b""

    def serve(self) -> bool:
        """Take what has come; False when the client has gone."""
        try:
            if self.left:
                count = self.sock.recv_into(_SINK, min(self.left, _PIECE), socket.MSG_TRUNC)
                self.left -= count
                if not count:
                    return False
            else:
                came = self.sock.recv(64 * 1024)
                if not came:
                    return False
                self.head += came
                self._read_head()
            if not self.left and self.answer:
                self.sock.sendall(self.answer)
                self.answer = b""
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def _read_head(self) -> None:
        head, end, rest = self.head.partition(b"\r\n\r\n")
        if not end:
            return
        length = _LENGTH.search(head)
        self.left = (int(length[1]) if length else 0) - len(rest)
        self.answer, self.head = answer_to(head), b""
        if not rest and self.left and _WAITS.search(head):
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


_SINK = bytearray(_PIECE)


def main() -> None:
    """Serve until the standard input ends."""
    chosen = selectors.DefaultSelector()
    door = socket.create_server(("127.0.0.1", 0), backlog=1024)
    door.setblocking(False)
    chosen.register(door, selectors.EVENT_READ, None)
    chosen.register(sys.stdin, selectors.EVENT_READ, None)
    print(door.getsockname()[1], flush=True)
    while True:
        for found, _ in chosen.select():
            if found.fileobj is sys.stdin:
                if not os.read(sys.stdin.fileno(), 1):  # nothing is buffered, so that no question is overlooked
                    return
                used = resource.getrusage(resource.RUSAGE_SELF)
                print(used.ru_utime + used.ru_stime, flush=True)
            elif found.data is None:
                sock, _ = door.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                chosen.register(sock, selectors.EVENT_READ, Connection(sock))
            elif not found.data.serve():
                chosen.unregister(found.fileobj)
                found.data.sock.close()


if __name__ == "__main__":
    main()
