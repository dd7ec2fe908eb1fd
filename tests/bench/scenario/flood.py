"""One user floods the server, two others need it for a moment; all of them share a cap on server connections."""
import threading
import time

from scenario.rig import Row, at, at_most

TITLE = ("flood: 200 clients of one user with queries of 100 ms, 100 of them killed a second, and two users with 5 clients "
         "with queries of 1 ms; 20 server connections in all")
CAP = 20
ORDERS = {"last": ("z_flood", ["a_small", "b_small"]), "first": ("a_flood", ["y_small", "z_small"])}

ROWS = [
    *(Row(f"p95_{order}", f"p95 of the small users, the flood's name sorts {order}", "{:.0f} ms", at_most(50, " ms"))
      for order in ORDERS),
    *(Row(f"answers_{order}", f"answers a second to the small users, flood {order}", "{:.0f}") for order in ORDERS),
    Row("flood", "answers a second to the flood (200 at best)", "{:.0f}"),
    Row("errors", "errors that anybody heard", "{}"),
    Row("most", f"most server connections ever seen; the cap is {CAP}", "{:.0f}", at_most(CAP)),
    Row("cap_key", "the cap is", "{}"),
]


def run(rig, peer):
    found = {"most": 0, "flood": 0, "cap_key": cap_key(rig, peer)}
    errors = set()
    for order, (flood, small) in ORDERS.items():
        one = measure(rig, peer, flood, small, found["cap_key"])
        found[f"p95_{order}"], found[f"answers_{order}"] = one["p95"], one["answers"]
        found["most"] = max(found["most"], one["most"])
        found["flood"] += one["flood"] / len(ORDERS)
        errors |= one["errors"]
    found["errors"] = ", ".join(sorted(errors)) or "none"
    return found


def cap_key(rig, peer):
    if peer.name == "pgweir" and rig.accepts(peer.program, "max_host_connections", CAP):
        return "max_host_connections"
    return "max_db_connections"


def measure(rig, peer, flood, small, key):
    users = [flood, *small]
    for user in users:
        rig.stage.sql(f"DROP ROLE IF EXISTS {user}")
        rig.stage.sql(f"CREATE ROLE {user} LOGIN")
    pooler = rig.start_pooler(peer, {"bench": at(rig.stage.cluster)}, users=["bench", *users],
                              common={"default_pool_size": CAP, key: CAP})
    length = rig.seconds(4, 10)
    watch = Watch(rig.stage.cluster, users)
    heavy = rig.load(pooler.port, user=flood, query="select pg_sleep(0.1)", kill_rate=100, phase=[f"1,200", f"{length},200"])
    heavy.wait_for_phase(1)
    light = [rig.load(pooler.port, user=user, query="select pg_sleep(0.001)", think=0.02, settle=0.3, phase=f"{length - 0.5},5")
             for user in small]
    results = [load.result() for load in light]
    flooded = heavy.result()
    most = watch.end()
    rig.stop_pooler(pooler, "flood")
    phases = [result["phases"][0] for result in results]
    # Who got no answer at all waited for the whole of it.
    p95 = max(phase["latency_ms"]["p95"] if phase["latency_ms"] else 1e3 * length for phase in phases)
    return {"p95": p95, "answers": sum(phase["per_second"] for phase in phases), "most": most,
            "flood": flooded["phases"][1]["per_second"],
            "errors": {error["what"] for result in [*results, flooded] for error in result["errors"]}}


class Watch(threading.Thread):
    """Counts the server connections of these users as PostgreSQL sees them, over and over."""

    def __init__(self, cluster, users):
        super().__init__(daemon=True)
        self.client, self.most, self.has_ended = cluster.client(), 0, False
        names = ", ".join(f"'{user}'" for user in users)
        self.sql = f"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename IN ({names})"
        self.start()

    def run(self):
        while not self.has_ended:
            self.most = max(self.most, int(self.client.rows(self.sql)[0][0]))
            time.sleep(0.002)

    def end(self):
        self.has_ended = True
        self.join()
        self.client.close()
        return self.most
