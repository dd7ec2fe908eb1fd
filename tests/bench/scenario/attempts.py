"""Counts the attempts to connect to one port, by looking at the packets: the same eye for every pooler. Needs root."""
import ctypes
import os
import socket
import struct
import threading
import time

ETH_P_IP = 0x0800
SO_ATTACH_FILTER = 26
SYN, ACK = 0x02, 0x10
IP_HEADER_AT = 14
TCP = 6


class SynCounter(threading.Thread):
    """First SYNs to `port`, on any interface. What never leaves the machine for want of a link is counted by its socket."""

    def __init__(self, port, pid):
        super().__init__(daemon=True)
        self.port, self.pid, self.seen, self.has_ended = port, pid, set(), False
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self.filter = syn_filter(port)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, self.filter[0])
        self.socket.settimeout(0.02)
        self.start()

    def run(self):
        while not self.has_ended:
            try:
                packet = self.socket.recv(128)
                at = IP_HEADER_AT + (packet[IP_HEADER_AT] & 15) * 4
                self.seen.add(struct.unpack("!H", packet[at:at + 2])[0])
            except TimeoutError:
                self.seen |= ports_connecting(self.pid, self.port)

    def take(self):
        """How many since the last look. A source port is not given out again within seconds."""
        count, self.seen = len(self.seen), set()
        return count

    def end(self):
        self.has_ended = True
        self.join()
        self.socket.close()


def ports_connecting(pid, port):
    """Local ports of sockets in SYN_SENT to that port, in the network namespace of the process."""
    found = set()
    with open(f"/proc/{pid}/net/tcp") as file:
        next(file)
        for line in file:
            fields = line.split()
            if fields[3] == "02" and int(fields[2].split(":")[1], 16) == port:
                found.add(int(fields[1].split(":")[1], 16))
    return found


def syn_filter(port):
    """A BPF program: IPv4 TCP packets to `port` with SYN and without ACK. The buffer must live as long as setsockopt."""
    code = [
        (0x30, 0, 0, IP_HEADER_AT + 9),       # A = protocol
        (0x15, 0, 7, TCP),
        (0xb1, 0, 0, IP_HEADER_AT),           # X = length of the IP header
        (0x48, 0, 0, IP_HEADER_AT + 2),       # A = destination port
        (0x15, 0, 4, port),
        (0x50, 0, 0, IP_HEADER_AT + 13),      # A = flags
        (0x54, 0, 0, SYN | ACK),
        (0x15, 0, 1, SYN),
        (0x06, 0, 0, 128),
        (0x06, 0, 0, 0),
    ]
    program = b"".join(struct.pack("HBBI", *one) for one in code)
    buffer = ctypes.create_string_buffer(program)
    return struct.pack("HL", len(code), ctypes.addressof(buffer)), buffer


def may_count():
    return os.geteuid() == 0


class SilentListener(threading.Thread):
    """Accepts on a port and never says a word."""

    def __init__(self, host, port):
        super().__init__(daemon=True)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deadline = time.monotonic() + 5
        while True:
            try:
                self.listener.bind((host, port))
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        self.listener.listen(512)
        self.listener.settimeout(0.05)
        self.accepted, self.has_ended = [], False
        self.start()

    def run(self):
        while not self.has_ended:
            try:
                self.accepted.append(self.listener.accept()[0])
            except TimeoutError:
                continue

    def end(self):
        self.has_ended = True
        self.join()
        for connection in [*self.accepted, self.listener]:
            connection.close()
