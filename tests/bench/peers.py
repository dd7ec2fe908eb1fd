"""What the measurements of tests/bench share: a throwaway PostgreSQL and the proxies in front of it.

Everything started here lives in one temporary folder, listens on a free port of 127.0.0.1, and is ended by its own
process id when the Stage closes. PostgreSQL and PgBouncer refuse root: as root they run as user postgres (or nobody).
"""
import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from client import Client, Trouble, free_port
from cluster import PG_BIN, Cluster

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20
PROXIES = ["bare_relay", "pgbouncer", "pgweir"]


def raise_fd_limit():
    """Thousands of clients need thousands of descriptors, here and in every process started from here."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def client_environment():
    """libpq must not spend its first round trip on TLS or Kerberos, nor read the caller's settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return {**kept, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable", "LC_ALL": "C.UTF-8"}


def find_program(name, given=None, build_dir=None):
    """The path of a proxy's program, or None when it is not there."""
    build_dir = build_dir or os.path.join(SOURCE, "build")
    places = {
        "bare_relay": [os.path.join(build_dir, "tests", "bench", "bare_relay")],
        "pgweir": [os.path.join(build_dir, "pgweir")],
        "pgbouncer": ["/usr/sbin/pgbouncer", shutil.which("pgbouncer") or ""],
    }[name]
    for place in [given] if given else places:
        if place and os.access(place, os.X_OK):
            return os.path.abspath(place)
    return None


def missing_text(name):
    return {
        "bare_relay": "bare_relay is not built (cmake --build build --target bare_relay): measured without it",
        "pgbouncer": "pgbouncer is not installed (apt-get install pgbouncer): measured without it",
        "pgweir": "pgweir is not built (make build): measured without it",
    }[name]


def add_program_arguments(parser):
    parser.add_argument("--build-dir", help="where bare_relay and pgweir were built (build)")
    for name in PROXIES:
        parser.add_argument("--" + name.replace("_", "-"), metavar="PROGRAM", help=f"use this {name}")


def programs_of(arguments, wanted=PROXIES):
    """{name: path} of the wanted proxies that are there; says which are not."""
    found = {}
    for name in wanted:
        path = find_program(name, getattr(arguments, name), arguments.build_dir)
        if path:
            found[name] = path
        else:
            print(missing_text(name), flush=True)
    if not found:
        raise Trouble("there is no proxy to measure")
    return found


class Proxy:
    def __init__(self, name, process, port, log):
        self.name, self.process, self.port, self.log = name, process, port, log
        self.pid = process.pid

    def cpu_seconds(self):
        """User and system time of all threads so far: the same sum as in /proc/PID/stat, in ns instead of ticks."""
        total = 0
        try:
            for thread in os.listdir(f"/proc/{self.pid}/task"):
                with open(f"/proc/{self.pid}/task/{thread}/schedstat") as file:
                    total += int(file.read().split()[0])
            return total / 1e9
        except FileNotFoundError:
            with open(f"/proc/{self.pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def pss_bytes(self):
        with open(f"/proc/{self.pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
        raise Trouble("no Pss in smaps_rollup")


class Stage:
    """PostgreSQL with a pgbench database (of scale 0: an empty one), and any number of proxies in front of it."""

    def __init__(self, scale=10, verbose=True, settings=None, own_sessions=False):
        self.scale, self.verbose, self.settings = scale, verbose, settings or {}
        # Linux shares the CPU between sessions first (autogroup): a daemon has one of its own, as every server process of
        # PostgreSQL has. Beside other work, a proxy in the session of the script gets but a small part of one share.
        self.own_sessions = own_sessions
        self.children = []
        self.environment = client_environment()
        self.as_user = {}
        self.fd_limit = raise_fd_limit()

    def __enter__(self):
        for end in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(end, lambda number, _: sys.exit(128 + number))  # so that __exit__ ends the children
        self.folder = tempfile.mkdtemp(prefix="pgweir-bench-")
        try:
            self._choose_user()
            self._start_postgres()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        for process, ending in reversed(self.children):
            self._stop(process, ending)
        self.children.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _choose_user(self):
        os.chmod(self.folder, 0o711)
        if os.geteuid() != 0:
            return
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            self.as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            return
        raise Trouble("PostgreSQL refuses root, and there is neither a user postgres nor a user nobody")

    def subfolder(self, name, for_user=True):
        path = os.path.join(self.folder, name)
        os.mkdir(path)
        if for_user and self.as_user:
            os.chown(path, self.as_user["user"], self.as_user["group"])
        return path

    def say(self, text):
        if self.verbose:
            print(text, flush=True)

    def run(self, command, **more):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=self.environment, **more)
        if done.returncode != 0:
            raise Trouble(f"{' '.join(command)}:\n{done.stdout}")
        return done.stdout

    def _start_postgres(self):
        self.say("starting PostgreSQL ...")
        self.cluster = Cluster(self, "pg", {"shared_buffers": "256MB", "max_wal_size": "8GB", **self.settings})
        self.pg_port = self.cluster.port
        if self.scale > 0:
            self.say(f"pgbench -i -s {self.scale} ...")
            self.run([f"{PG_BIN}/pgbench", "-i", "-q", "-s", str(self.scale), *self.to_port(self.pg_port)])

    def to_port(self, port):
        return ["-h", "127.0.0.1", "-p", str(port), "-U", "bench", "bench"]

    def sql(self, text, database="bench"):
        self.cluster.sql(text, database)

    def spawn(self, command, log, ending, **more):
        """Starts a child that is ended with the signal `ending` when the stage closes."""
        with open(os.path.join(self.folder, log), "ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                       env=self.environment, start_new_session=self.own_sessions, **more)
        self.children.append((process, ending))
        return process

    def stop(self, process):
        for child in self.children:
            if child[0] is process:
                self.children.remove(child)
                self._stop(*child)
                return

    @staticmethod
    def _stop(process, ending):
        if process.poll() is not None:
            return
        process.send_signal(ending)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def log_tail(self, log):
        with open(os.path.join(self.folder, log), errors="replace") as file:
            return "".join(file.readlines()[-20:])

    def wait_for_login(self, process, port, log, database="bench", host="127.0.0.1"):
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                Client(port, database, host=host).close()
                return
            except (OSError, Trouble) as why:
                if process.poll() is not None:
                    raise Trouble(f"{log}: ended with {process.returncode}\n{self.log_tail(log)}") from why
                if time.monotonic() > deadline:
                    raise Trouble(f"{log}: no login within {START_SECONDS_MAX} s: {why}\n{self.log_tail(log)}") from why
                time.sleep(0.05)

    def start_proxy(self, name, program, mode="transaction", pool=20, wrapper=()):
        """Starts one proxy; `wrapper` is put before its command line (valgrind)."""
        port = free_port()
        if name == "bare_relay":
            command = [program, str(port), str(self.pg_port), "bench", "bench", str(pool), mode]
            return self._launch(name, port, self.subfolder(f"{name}-{port}", for_user=False), [*wrapper, *command])
        text = PGBOUNCER_INI if name == "pgbouncer" else PGWEIR_TOML
        return self.start_configured(name, program, port, wrapper=wrapper, configuration=lambda folder: text.format(
            port=port, pg_port=self.pg_port, mode=mode, pool=pool, folder=folder))

    def start_configured(self, name, program, port, configuration, users=("bench",), wrapper=(), database="bench"):
        """Starts pgweir or PgBouncer with the text that `configuration` makes, given the folder that holds the userlist."""
        folder = self.subfolder(f"{name}-{port}", for_user=name == "pgbouncer")
        write_file(folder, "userlist.txt", "".join(f'"{user}" ""\n' for user in users))
        file = write_file(folder, name + (".ini" if name == "pgbouncer" else ".toml"), configuration(folder))
        return self._launch(name, port, folder, [*wrapper, program, file], database)

    def _launch(self, name, port, folder, command, database="bench"):
        # SIGQUIT is "now" for pgweir, whose TERM drains first; the others have nothing to drain.
        ending = signal.SIGQUIT if name == "pgweir" else signal.SIGTERM
        log = f"{name}-{port}.log"
        process = self.spawn(command, log, ending, cwd=folder, **(self.as_user if name == "pgbouncer" else {}))
        self.wait_for_login(process, port, log, database)
        return Proxy(name, process, port, os.path.join(self.folder, log))


def write_file(folder, name, text):
    """For a proxy that runs as another user."""
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o644)
    return path


# Both keep the connections they have open, log no connection, and queue as many clients as come.
PGBOUNCER_INI = """[databases]
bench = host=127.0.0.1 port={pg_port} dbname=bench
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/userlist.txt
pool_mode = {mode}
default_pool_size = {pool}
max_client_conn = 10000
query_wait_timeout = 60
server_idle_timeout = 0
listen_backlog = 4096
log_connections = 0
log_disconnections = 0
log_stats = 0
ignore_startup_parameters = extra_float_digits
"""

PGWEIR_TOML = """[pgweir]
listen_addr = "127.0.0.1"
listen_port = {port}
unix_socket_dir = ""
auth_type = "trust"
auth_file = "userlist.txt"
pool_mode = "{mode}"
default_pool_size = {pool}
workers = 1
max_client_conn = 10000
query_wait_timeout = "60s"
max_waiting = 100000
log_connections = false
log_disconnections = false
log_stats = false

[databases.bench]
host = "127.0.0.1"
port = {pg_port}
dbname = "bench"
"""
