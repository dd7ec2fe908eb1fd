"""How a proxy of tests/bench/run meets its clients: pool mode, TLS, passwords. The same for every proxy that can do it.

The certificate is made by the openssl program for this run. The password stands in the userlists as a SCRAM secret of the
usual 4,096 iterations, so that no proxy has to make one at each login; channel binding is off, for PgBouncer 1.18 has none.
"""
import base64
import collections
import hashlib
import hmac
import os
import signal
import socket
import ssl
import struct
import time

import peers
from peers import PG_BIN, START_SECONDS_MAX, Client, Proxy, Trouble, free_port, write_file

Front = collections.namedtuple("Front", "mode pool tls scram", defaults=(False, False))
FRONTS = {"transaction": Front("transaction", 20), "session": Front("session", 50),
          "scram": Front("transaction", 20, scram=True), "tls": Front("transaction", 20, tls=True),
          "tls_scram": Front("transaction", 20, tls=True, scram=True)}
PASSWORD = "bench"
SCRAM_ITERATIONS = 4096
TLS_REQUEST = struct.pack("!ii", 8, 80877103)


class TlsClient(Client):
    """The raw client behind TLS; the certificate is not looked at."""

    def __init__(self, port, timeout=START_SECONDS_MAX):
        plain = socket.create_connection(("127.0.0.1", port), timeout)
        plain.sendall(TLS_REQUEST)
        if plain.recv(1) != b"S":
            raise Trouble("TLS was refused")
        self.socket = tls_context().wrap_socket(plain)
        body = struct.pack("!i", 3 << 16) + b"user\0bench\0database\0bench\0\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self._until_ready()


class FrontedProxy(Proxy):
    def __init__(self, name, process, port, front):
        self.name, self.process, self.port, self.front = name, process, port, front
        self.pid = process.pid

    def client(self, timeout=START_SECONDS_MAX):
        """A raw client, for fronts without a password."""
        return (TlsClient if self.front.tls else Client)(self.port, timeout=timeout)

    def target(self):
        """The last argument of pgbench."""
        return connection_string(self.port, self.front)


def connection_string(port, front, database="bench"):
    security = f"sslmode={'require' if front.tls else 'disable'} channel_binding=disable"
    return f"host=127.0.0.1 port={port} user=bench dbname={database} {security} password={PASSWORD}"


def tls_context():
    if not hasattr(tls_context, "made"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        tls_context.made = context
    return tls_context.made


def scram_secret(password):
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    salt, stored, server = (base64.b64encode(part).decode()
                            for part in (salt, stored, hmac.digest(salted, b"Server Key", "sha256")))
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{salt}${stored}:{server}"


def can(name, front):
    """The bare relay speaks neither TLS nor passwords."""
    return name != "bare_relay" or not (front.tls or front.scram)


def start(stage, name, program, front):
    if not (front.tls or front.scram):
        proxy = stage.start_proxy(name, program, front.mode, front.pool)
        return FrontedProxy(name, proxy.process, proxy.port, front)
    port = free_port()
    folder = stage.subfolder(f"{name}-{port}", for_user=name == "pgbouncer")
    write_file(folder, "userlist.txt", f'"bench" "{scram_secret(PASSWORD)}"\n')
    template, quote = (peers.PGBOUNCER_INI, "") if name == "pgbouncer" else (peers.PGWEIR_TOML, '"')
    text = template.format(port=port, pg_port=stage.pg_port, mode=front.mode, pool=front.pool, folder=folder)
    section = "[pgbouncer]" if name == "pgbouncer" else "[pgweir]"
    if front.scram:
        text = text.replace(f"auth_type = {quote}trust{quote}", f"auth_type = {quote}scram-sha-256{quote}")
    if front.tls:
        settings = {"client_tls_sslmode": "require", **make_certificate(stage, folder)}
        text = text.replace(section, "\n".join([section, *(f"{key} = {quote}{value}{quote}"
                                                           for key, value in settings.items())]))
    ending = ".ini" if name == "pgbouncer" else ".toml"
    return launch(stage, name, program, port, front, write_file(folder, name + ending, text))


def launch(stage, name, program, port, front, configuration):
    as_user = stage.as_user if name == "pgbouncer" else {}
    log = f"{name}-{port}.log"
    process = stage.spawn([program, configuration], log, signal.SIGQUIT if name == "pgweir" else signal.SIGTERM,
                          cwd=os.path.dirname(configuration), **as_user)
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            stage.run([f"{PG_BIN}/pgbench", "-n", "-S", "-t", "1", connection_string(port, front)])
            return FrontedProxy(name, process, port, front)
        except Trouble as why:
            if process.poll() is not None or time.monotonic() > deadline:
                raise Trouble(f"{name} did not take a login: {why}\n{stage.log_tail(log)}") from why
            time.sleep(0.05)


def make_certificate(stage, folder):
    files = {"client_tls_key_file": os.path.join(folder, "key.pem"),
             "client_tls_cert_file": os.path.join(folder, "cert.pem")}
    stage.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
               "-subj", "/CN=localhost", "-keyout", files["client_tls_key_file"], "-out", files["client_tls_cert_file"]])
    for file in files.values():
        os.chmod(file, 0o600)
        owner = os.stat(folder)
        os.chown(file, owner.st_uid, owner.st_gid)
    return files
