"""A throwaway PostgreSQL that can be frozen, killed, shut off from its users and started again on the same port."""
import os
import signal

from client import Client, Trouble, free_port

PG_BIN = "/usr/lib/postgresql/15/bin"
# Nothing in it is worth a sync; many clients come to it only through a pool.
SETTINGS = {"max_connections": 300, "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
            "autovacuum": "off", "log_min_messages": "warning"}
OPEN_DOOR = "local all all trust\nhost all all all trust\n"


class Cluster:
    """One PostgreSQL of a Stage, which ends it. `host` and `wrapper` (before the command line, as root) put it elsewhere."""

    def __init__(self, stage, name, settings=None, host="127.0.0.1", wrapper=()):
        if not os.path.exists(f"{PG_BIN}/postgres"):
            raise Trouble("PostgreSQL 15 is not installed: apt-get install postgresql-15")
        self.stage, self.name, self.host, self.wrapper = stage, name, host, list(wrapper)
        self.home = stage.subfolder(name)
        self.data = os.path.join(self.home, "data")
        self.log = f"{name}.log"
        stage.run([f"{PG_BIN}/initdb", "-D", self.data, "-U", "bench", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"],
                  cwd=self.home, **stage.as_user)
        self.port = free_port()
        self.settings = {"listen_addresses": host, "port": self.port, "unix_socket_directories": self.home,
                         **SETTINGS, **(settings or {})}
        self._write_hba(OPEN_DOOR)
        self.process = None
        self.start(database="postgres")
        self.sql("CREATE DATABASE bench", database="postgres")

    def client(self, database="bench", user="bench"):
        return Client(self.port, database, user, host=self.host)

    def sql(self, text, database="bench"):
        client = self.client(database)
        client.query(text)
        client.close()

    def start(self, database="bench"):
        """Returns when somebody could log in."""
        command = [*self.wrapper, f"{PG_BIN}/postgres", "-D", self.data]
        for key, value in self.settings.items():
            command += ["-c", f"{key}={value}"]
        as_user = {} if self.wrapper else self.stage.as_user
        self.process = self.stage.spawn(command, self.log, signal.SIGINT, cwd=self.home, **as_user)
        self.stage.wait_for_login(self.process, self.port, self.log, database=database, host=self.host)

    def die(self):
        """An immediate shutdown: every connection is cut."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def freeze(self):
        self._to_all(signal.SIGSTOP)

    def thaw(self):
        self._to_all(signal.SIGCONT)

    def refuse(self):
        """Who is in is thrown out, and nobody gets in again."""
        self._write_hba("host all all all reject\n")
        self._end_all("SELECT pg_reload_conf()")

    def fill(self, role):
        """The same for one ordinary role, with the error of a server that has no connection left."""
        self._end_all(f"ALTER ROLE {role} CONNECTION LIMIT 0")

    def make_room(self, role):
        # to the disk at once: a death soon after it must not bring the limit back
        self.sql(f"SET LOCAL synchronous_commit = on; ALTER ROLE {role} CONNECTION LIMIT -1")

    def accept(self):
        self._write_hba(OPEN_DOOR)
        self.process.send_signal(signal.SIGHUP)

    def logins(self):
        """How many logins there were so far; needs log_connections = on."""
        with open(os.path.join(self.stage.folder, self.log), errors="replace") as file:
            return sum("connection authorized:" in line for line in file)

    def _end_all(self, and_first):
        client = self.client("postgres")
        client.query(and_first)
        client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                     " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
        client.close()

    def _write_hba(self, text):
        with open(os.path.join(self.data, "pg_hba.conf"), "w") as file:
            file.write(text)

    def _to_all(self, number):
        # The postmaster first, so that no child is born after the look at its children.
        os.kill(self.process.pid, number)
        for child in children_of(self.process.pid):
            try:
                os.kill(child, number)
            except ProcessLookupError:
                pass


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]
