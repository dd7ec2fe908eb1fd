"""One of two databases behind a pooler goes away in six ways, and comes back."""
import os
import subprocess
import threading
import time

from client import Client, Trouble
from cluster import Cluster
from scenario import attempts
from scenario.rig import Bound, Row, at, at_least, at_most, lasting, slots_from, told

TITLE = "outage: two databases behind one pooler, pools of 10, 20 clients each with queries of 5 ms; one goes away and comes back"
POOL = 10
LINK_HOST, LINK_PEER = "10.231.7.1", "10.231.7.2"  # of a link that this script makes between namespaces

USER = "app"  # no superuser: limits hold for it

KINDS = {"freeze": "stopped (SIGSTOP)", "die": "dies (immediate stop)", "full": "is full (53300)",
         "refuse": "refuses logins (pg_hba)", "silent": "accepts, never answers", "link": "behind a dead link"}
# Before and meanwhile through the pooler, and meanwhile without it: what the machine or PostgreSQL does then is not the
# pooler's. A few milliseconds may be chance on cores that also run the clients.
STAYS = Bound("meanwhile at most 2 x before, or 10 ms more than before or direct",
              lambda p99: p99[1] <= max(2 * p99[0], p99[0] + 10, p99[2] + 10))

ROWS = []
for _kind, _words in KINDS.items():
    ROWS += [
        Row(f"{_kind}_other", f"{_words}: p99 of the other database before, meanwhile, meanwhile without a pooler, ms", "list", STAYS),
        Row(f"{_kind}_attempts", f"{_words}: attempts to connect", "{:.1f}/s", at_most(10, "/s")),
        Row(f"{_kind}_told", f"{_words}: what its clients hear meanwhile", "{}"),
        Row(f"{_kind}_back", f"{_words}: works again, after it is back", "{:.1f} s",
            at_most(2, " s") if _kind in ("freeze", "die", "full", "refuse") else None),
    ]
ROWS += [
    Row("cycles", "cycles of going (dies, is stopped, is full by turns) and coming, under load", "{:.0f}"),
    Row("slots", "queries at a time on the pool of 10 after them", "{:.0f}", at_least(POOL)),
    Row("over", "most server connections seen after them", "{:.0f}", at_most(POOL)),
]


class Network:
    """A network namespace at the other end of a link of our own."""

    def __init__(self):
        self.name = f"pgweir-bench-{os.getpid()}"
        self.near, self.far = f"weir{os.getpid() % 100000}a", f"weir{os.getpid() % 100000}b"
        self.ip("netns", "add", self.name)
        self.ip("link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.name)
        self.ip("addr", "add", f"{LINK_HOST}/30", "dev", self.near)
        self.ip("link", "set", self.near, "up")
        self.inside("addr", "add", f"{LINK_PEER}/30", "dev", self.far)
        self.inside("link", "set", "lo", "up")
        self.up()

    def ip(self, *words):
        subprocess.run(["ip", *words], check=True)

    def inside(self, *words):
        self.ip("-n", self.name, *words)

    # The far end goes down: the route to it stays, and what is sent there vanishes.
    def down(self):
        self.inside("link", "set", self.far, "down")

    def up(self):
        self.inside("link", "set", self.far, "up")

    def end(self):
        self.ip("netns", "del", self.name)


class Fault:
    """How the ill database goes away and comes back."""

    def __init__(self, kind, cluster, network=None):
        self.kind, self.cluster, self.network, self.listener = kind, cluster, network, None

    def begin(self):
        if self.kind == "freeze":
            self.cluster.freeze()
        elif self.kind == "refuse":
            self.cluster.refuse()
        elif self.kind == "full":
            self.cluster.fill(USER)
        elif self.kind == "link":
            self.network.down()
        else:
            self.cluster.die()
            if self.kind == "silent":
                self.listener = attempts.SilentListener(self.cluster.host, self.cluster.port)

    def end(self):
        if self.kind == "freeze":
            self.cluster.thaw()
        elif self.kind == "refuse":
            self.cluster.accept()
        elif self.kind == "full":
            self.cluster.make_room(USER)
        elif self.kind == "link":
            self.network.up()
        else:
            if self.listener:
                self.listener.end()
            self.cluster.start()


def run(rig, peer):
    found = {}
    rig.stage.sql(f"DROP ROLE IF EXISTS {USER}; CREATE ROLE {USER} LOGIN")
    ill = ill_cluster(rig)
    for kind in KINDS:
        if rig.options.kinds and kind not in rig.options.kinds:
            continue
        if kind != "link":
            found |= measure(rig, peer, ill, kind)
        elif os.geteuid() == 0:
            found |= measure_link(rig, peer)
    if not rig.options.kinds or "cycles" in rig.options.kinds:
        found |= cycles(rig, peer, ill)
    rig.stage.stop(ill.process)
    return found


def ill_cluster(rig, **where):
    cluster = Cluster(rig.stage, f"ill-{time.monotonic_ns()}", **where)
    cluster.sql(f"CREATE ROLE {USER} LOGIN")
    return cluster


def measure_link(rig, peer):
    network = Network()
    try:
        user = rig.stage.as_user["user"]
        wrapper = ["ip", "netns", "exec", network.name, "setpriv", f"--reuid={user}", f"--regid={rig.stage.as_user['group']}",
                   "--clear-groups"]
        far = ill_cluster(rig, host=LINK_PEER, wrapper=wrapper)
        found = measure(rig, peer, far, "link", network)
        rig.stage.stop(far.process)
        return found
    finally:
        network.end()


def measure(rig, peer, ill, kind, network=None):
    # A connection that hangs in the air is the kernel's to give up; nobody waits the minutes that it would take.
    patience = {"tcp_user_timeout": {"pgweir": "3s", "pgbouncer": 3000}[peer.name]} if kind == "link" else {}
    pooler = start(rig, peer, ill, patience)
    warm_up, before, during, after = 1, rig.seconds(1.5, 3), rig.seconds(6.5, 20), rig.seconds(4, 20)
    shape = {"user": USER, "query": "select pg_sleep(0.005)", "think": 0.02, "settle": 0.3,
             "phase": [f"{length},20" for length in (warm_up, before, during, after)]}
    well_load = rig.load(pooler.port, database="well", **shape)
    direct_load = rig.load(rig.stage.cluster.port, **shape)
    ill_load = rig.load(pooler.port, database="ill", **shape)
    fault = Fault(kind, ill, network)
    counter = attempts.SynCounter(ill.port, pooler.pid) if attempts.may_count() else None
    ill_load.wait_for_phase(2)
    if counter:
        counter.take()
    fault.begin()
    began = time.monotonic()
    ill_load.wait_for_phase(3)
    tries = counter.take() / (time.monotonic() - began) if counter else None
    fault.end()
    back = time.time()
    well, direct, sick = well_load.result(), direct_load.result(), ill_load.result()
    if counter:
        counter.end()
    rig.stop_pooler(pooler, f"outage-{kind}")
    usual = sick["phases"][1]["per_second"] * sick["slot_seconds"]
    p99 = [phase["latency_ms"]["p99"] if phase["latency_ms"] else 1e3 * during
           for phase in (*well["phases"][1:3], direct["phases"][2])]
    return {f"{kind}_other": p99, f"{kind}_attempts": tries, f"{kind}_told": told(sick),
            f"{kind}_back": lasting(slots_from(sick, back), lambda slot: slot[1] >= 0.7 * usual)}


def start(rig, peer, ill, keys):
    return rig.start_pooler(peer, {"well": at(rig.stage.cluster), "ill": at(ill)}, users=["bench", USER],
                            common={"default_pool_size": POOL, **keys},
                            # 120 s would let nobody hear anything in the time of this scenario
                            pgbouncer={"query_wait_timeout": 5})


def cycles(rig, peer, ill):
    """Whether the pool has all its slots when its server has gone and come many times, in three ways by turns."""
    pooler = start(rig, peer, ill, {})
    load = rig.load(pooler.port, database="ill", user=USER, query="select pg_sleep(0.005)", phase="600,20")
    load.wait_for_phase(0)
    time.sleep(0.3)
    for number in range(rig.options.cycles):
        fault = Fault(["die", "freeze", "full"][number % 3], ill)
        fault.begin()
        time.sleep(0.1)
        fault.end()
        time.sleep(0.1)
    rig.stage.stop(load.process)
    at_a_time = run_at_a_time(pooler, ill) if comes_back(pooler) else 0
    watch = ill.client()
    over = int(watch.rows(f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{USER}'")[0][0])
    watch.close()
    rig.stop_pooler(pooler, "outage-cycles")
    return {"cycles": rig.options.cycles, "slots": at_a_time, "over": over}


def comes_back(pooler):
    """Whether somebody is answered, within the longest pause that either pooler makes between two tries."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            client = Client(pooler.port, "ill", USER)
            client.query("SELECT 1")
            client.close()
            return True
        except (OSError, Trouble):
            time.sleep(0.05)
    return False


def run_at_a_time(pooler, ill):
    """How many of 2 x POOL queries PostgreSQL runs at once."""
    clients = [Client(pooler.port, "ill", USER) for _ in range(2 * POOL)]
    threads = [threading.Thread(target=client.query, args=("SELECT pg_sleep(1)",)) for client in clients]
    for thread in threads:
        thread.start()
    watch, most = ill.client(), 0
    while any(thread.is_alive() for thread in threads):
        most = max(most, int(watch.rows("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1)'"
                                        " AND state = 'active'")[0][0]))
        time.sleep(0.02)
    watch.close()
    for client in clients:
        client.close()
    return most
