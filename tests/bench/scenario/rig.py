"""What the scenarios share: poolers configured alike, crowds of clients, rows of the table with their bounds."""
import collections
import json
import os
import shutil
import subprocess
import time

from client import Client, Trouble, free_port

# A column of the table: a pooler, perhaps with keys of its own.
Peer = collections.namedtuple("Peer", "label name program keys")
# A line of the table. `bound` is what pgweir must keep to: a function of the value, and its words.
Row = collections.namedtuple("Row", "key title form bound", defaults=(None,))
Bound = collections.namedtuple("Bound", "words holds")

# Each with what its own documents advise for the purpose. PgBouncer would wait 120 s for a server and 15 s between two
# tries to reach one, its listen queue is short, and it lets in 100 clients.
PGBOUNCER = {"listen_addr": "127.0.0.1", "unix_socket_dir": "", "auth_type": "trust", "admin_users": "bench",
             "pool_mode": "transaction", "max_client_conn": 20000, "listen_backlog": 4096, "server_login_retry": 1}
PGWEIR = {"listen_addr": "127.0.0.1", "unix_socket_dir": "", "auth_type": "trust", "admin_users": ["bench"],
          "auth_file": "userlist.txt", "max_client_conn": 20000}


def at_least(limit, unit=""):
    return Bound(f">= {limit:g}{unit}", lambda value: value >= limit)


def at_most(limit, unit=""):
    return Bound(f"<= {limit:g}{unit}", lambda value: value <= limit)


class Rig:
    """The stage, and the choices of this run."""

    def __init__(self, stage, options, load_program, log_folder):
        self.stage, self.options, self.load_program, self.log_folder = stage, options, load_program, log_folder
        self.is_quick = options.size == "quick"

    def seconds(self, quick, full):
        return quick if self.is_quick else full

    def start_pooler(self, peer, databases, users=("bench",), common=None, pgweir=None, pgbouncer=None):
        """`databases` {name: {key: value}}, `common` for both: their keys have one name and one unit, the second."""
        port = free_port()
        is_pgweir = peer.name == "pgweir"
        keys = {**(PGWEIR if is_pgweir else PGBOUNCER), "listen_port": port, **(common or {}),
                **((pgweir if is_pgweir else pgbouncer) or {}), **peer.keys}
        text = toml_text(keys, databases) if is_pgweir else None

        def configuration(folder):
            return text or ini_text({**keys, "auth_file": f"{folder}/userlist.txt"}, databases)
        return self.stage.start_configured(peer.name, peer.program, port, configuration, users, database=next(iter(databases)))

    def stop_pooler(self, pooler, scenario):
        """Its log outlives it: a bound that was missed wants to be understood."""
        self.stage.stop(pooler.process)
        os.makedirs(self.log_folder, exist_ok=True)
        shutil.copy(pooler.log, os.path.join(self.log_folder, f"{scenario}-{pooler.name}-{pooler.port}.log"))

    def load(self, port, **keys):
        return Load(self, port, keys)

    def accepts(self, program, key, value):
        """Whether this pgweir knows the key."""
        file = os.path.join(self.stage.folder, "accepts.toml")
        with open(file, "w") as out:
            out.write(toml_text({"auth_type": "trust", key: value}, {"bench": {"host": "127.0.0.1"}}))
        return subprocess.run([program, "check", file], capture_output=True, env=self.stage.environment).returncode == 0


class Load:
    """A running load program. A list becomes several words of one key."""

    def __init__(self, rig, port, keys):
        words = [f"port={port}"]
        for key, value in keys.items():
            words += [f"{key}={one}" for one in (value if isinstance(value, list) else [value])]
        self.process = subprocess.Popen([rig.load_program, *words], stdout=subprocess.PIPE, text=True,
                                        env=rig.stage.environment, start_new_session=True)
        rig.stage.children.append((self.process, 15))
        self.stage = rig.stage

    def wait_for_phase(self, number):
        for line in self.process.stdout:
            if line.startswith(f"phase {number} "):
                return
        raise Trouble(f"the load program ended with {self.process.wait()} before phase {number}")

    def result(self):
        last = ""
        for line in self.process.stdout:
            last = line
        status = self.process.wait()
        self.stage.stop(self.process)
        if status != 0 or not last.startswith("{"):
            raise Trouble(f"the load program ended with {status}")
        return json.loads(last)


def toml_value(value):
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(one) for one in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def toml_text(keys, databases):
    lines = ["[pgweir]", *(f"{key} = {toml_value(value)}" for key, value in keys.items())]
    for name, section in databases.items():
        lines += [f"[databases.{name}]", *(f"{key} = {toml_value(value)}" for key, value in section.items())]
    return "\n".join(lines) + "\n"


def ini_text(keys, databases):
    lines = ["[databases]"]
    for name, section in databases.items():
        lines.append(f"{name} = " + " ".join(f"{key}={value}" for key, value in section.items()))
    lines += ["[pgbouncer]", *(f"{key} = {value}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


def at(cluster, **more):
    """A database section that leads to the cluster."""
    return {"host": cluster.host, "port": cluster.port, "dbname": "bench", **more}


def console(pooler, sql):
    """The rows of a SHOW or SELECT on the console."""
    client = Client(pooler.port, "pgbouncer")
    try:
        return client.rows(sql)
    finally:
        client.close()


def slots_from(result, moment):
    """[(seconds after the wall clock's `moment`, answers, failures, mean ms, longest ms)] of whole slots behind it."""
    width = result["slot_seconds"]
    first = (moment - result["started"]) / width
    # the last slot is cut off by the end of the run
    return [((index - first) * width, *slot) for index, slot in enumerate(result["series"][:-1]) if index >= first]


def lasting(slots, is_good, count=5):
    """When the first of `count` good slots in a row had passed; None when there were none. The slot's end counts."""
    for index in range(len(slots) - count + 1):
        if all(is_good(slot) for slot in slots[index:index + count]):
            return slots[index][0] + 0.1
    return None


def phase_start(result, number):
    return result["started"] + result["phases"][number]["from"]


def told(result):
    """What clients heard, in a few words: severity and code, how often, after how long, the message."""
    words = []
    for error in sorted(result["errors"], key=lambda error: -error["count"]):
        words.append(f"{error['what']} x{error['count']} after {error['after_ms']['p50'] / 1e3:.1f} s"
                     + (f" ({shortened(error['message'])})" if error["message"] else ""))
    words += [f"{why} x{count}" for why, count in result["connect_failures"].items()]
    return "; ".join(words[:4]) or "nothing: they wait"


def shortened(text, most=60):
    return text if len(text) <= most else text[:most - 3] + "..."


def wait_until(is_true, seconds, what):
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise Trouble(f"not within {seconds} s: {what}")
        time.sleep(0.01)
