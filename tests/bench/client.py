"""A raw PostgreSQL client in the simple protocol, by trust: what the measurements of tests/bench speak with."""
import socket
import struct

TIMEOUT_SECONDS = 60


class Trouble(Exception):
    """Something the person at the keyboard has to hear about."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Client:
    """One raw connection in the simple protocol: small enough to open thousands of them."""

    def __init__(self, port, database="bench", user="bench", timeout=TIMEOUT_SECONDS, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout)
        body = struct.pack("!i", 3 << 16) + b"user\0%s\0database\0%s\0\0" % (user.encode(), database.encode())
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self._until_ready()

    def query(self, sql):
        """Runs it and throws the answer away; Trouble when the answer holds an error."""
        body = sql.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
        self._until_ready()

    def rows(self, sql):
        """Runs it and returns the rows as lists of text; None is NULL."""
        body = sql.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
        rows = []
        while True:
            kind, body = self._frame()
            if kind == b"Z":
                return rows
            if kind == b"D":
                rows.append(self._values(body))

    @staticmethod
    def _values(body):
        values, at = [], 2
        for _ in range(struct.unpack("!h", body[:2])[0]):
            size = struct.unpack("!i", body[at:at + 4])[0]
            at += 4
            values.append(None if size < 0 else body[at:at + size].decode())
            at += max(size, 0)
        return values

    def drain(self, sql, buffer):
        """For results of a gigabyte: only the end is looked at. Returns the bytes received."""
        body = sql.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
        total, tail, view = 0, b"", memoryview(buffer)
        while tail != b"Z\0\0\0\5I":
            count = self.socket.recv_into(view)
            if count == 0:
                raise Trouble("the connection ended inside a result")
            total += count
            tail = (tail + bytes(view[max(0, count - 6):count]))[-6:]
        return total

    def copy_in(self, sql, chunk, chunks):
        body = sql.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
        if self._frame()[0] != b"G":
            raise Trouble("COPY was not accepted")
        message = b"d" + struct.pack("!i", len(chunk) + 4) + chunk
        for _ in range(chunks):
            self.socket.sendall(message)
        self.socket.sendall(b"c" + struct.pack("!i", 4))
        self._until_ready()
        return len(chunk) * chunks

    def close(self):
        try:
            self.socket.sendall(b"X\0\0\0\4")
        except OSError:
            pass
        self.socket.close()

    def _exactly(self, count):
        got = bytearray()
        while len(got) < count:
            piece = self.socket.recv(count - len(got))
            if not piece:
                raise Trouble("the connection was closed")
            got += piece
        return bytes(got)

    def _frame(self):
        head = self._exactly(5)
        body = self._exactly(struct.unpack("!i", head[1:])[0] - 4)
        if head[:1] == b"E":
            raise Trouble(body.replace(b"\0", b" ").decode(errors="replace"))
        return head[:1], body

    def _until_ready(self):
        while self._frame()[0] != b"Z":
            pass
