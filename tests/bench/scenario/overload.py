"""More arrives than the pool can do, from people who give up after a second; and the time after it."""
from scenario.rig import Row, at, at_least, at_most, lasting, phase_start, slots_from

TITLE = ("overload: Poisson arrivals at 1.3 x capacity, queries of 10 ms, pool of 20; clients give up after 1 s, "
         "close and come again, 80 % ask again; then 0.7 x")
QUERY = "select pg_sleep(0.01)"
CROWD = 9000

ROWS = [
    Row("capacity", "capacity, by 60 clients in closed loop", "{:.0f}/s"),
    Row("useful", "answered within 1 s during the overload, of capacity", "{:.0f} %", at_least(90, " %")),
    Row("after", "answered in the 5 s after it, of capacity (70 % is all that comes)", "{:.0f} %", at_least(65, " %")),
    Row("recovered", "answers all that comes after", "{:.1f} s", at_most(1.5, " s")),
    Row("p99", "p99 of those answered during the overload", "{:.0f} ms"),
    Row("gave_up_after", "clients that gave up in the 5 s after it", "{:.0f}/s"),
    Row("refused", "refused during the overload", "{:.0f}/s"),
    Row("logins", "server logins during the overload", "{:.1f}/s"),
    Row("logins_after", "server logins in the 5 s after it", "{:.1f}/s"),
    Row("nobody_free", "arrivals left out because every client of the load was busy", "{:.0f}"),
]


def run(rig, peer):
    cluster = rig.stage.cluster
    pooler = rig.start_pooler(peer, {"bench": at(cluster)}, common={"default_pool_size": 20})
    closed = rig.load(pooler.port, query=QUERY, settle=0.5, phase=f"{rig.seconds(2, 4)},60").result()
    capacity = closed["phases"][0]["per_second"]
    length = rig.seconds(4, 10)
    load = rig.load(pooler.port, query=QUERY, patience=1, retry=0.8, retry_pause=0.1, error_pause=0.05, settle=0,
                    phase=[f"1,{CROWD},{0.7 * capacity}", f"1,{CROWD},{1.3 * capacity}", f"{length},{CROWD},{1.3 * capacity}",
                           f"5,{CROWD},{0.7 * capacity}"])
    load.wait_for_phase(2)
    before = cluster.logins()
    load.wait_for_phase(3)
    during = cluster.logins()
    result = load.result()
    after = cluster.logins()
    rig.stop_pooler(pooler, "overload")
    overload, calm = result["phases"][2], result["phases"][3]
    slots = slots_from(result, phase_start(result, 3))
    enough = 0.9 * 0.7 * capacity * result["slot_seconds"]
    # Ten slots together: what comes in a tenth of a second is a matter of chance.
    sums = [(slots[i][0], sum(slot[1] for slot in slots[i:i + 10]) / 10) for i in range(len(slots) - 9)]
    return {"capacity": capacity, "useful": 100 * overload["per_second"] / capacity,
            "after": 100 * calm["per_second"] / capacity,
            "recovered": lasting(sums, lambda slot: slot[1] >= enough),
            "p99": overload["latency_ms"] and overload["latency_ms"]["p99"],
            "gave_up_after": calm["gave_up"] / 5, "refused": sum(overload["errors"].values()) / length,
            "logins": (during - before) / length, "logins_after": (after - during) / 5,
            "nobody_free": result["nobody_free"]}
