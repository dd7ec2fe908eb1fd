"""More and more clients on one pool, then few again; and how exactly query_wait_timeout is kept."""
from scenario.rig import Row, at, at_least, at_most, lasting, phase_start, slots_from

TITLE = "ladder: pool of 20, queries of 5 ms, closed loop of 20 to 5,000 clients, then 20 again"
STEPS = [20, 200, 1000, 2000, 5000]
WAIT_TIMEOUT = 1
SETTLE = 1.0

ROWS = [
    *(Row(f"rate{count}", f"answers a second, {count:,} clients", "{:.0f}") for count in STEPS),
    Row("lowest", "lowest throughput from 200 clients on, of its own peak", "{:.0f} %", at_least(90, " %")),
    Row("p50", "2,000 clients: p50 of the wait", "{:.0f} ms"),
    Row("spread", "2,000 clients: p99 / p50 of the wait", "{:.2f}", at_most(1.5)),
    Row("refused", "refused or lost on the way", "{:.0f}"),
    Row("normal", "20 clients again: latency is normal after", "{:.1f} s", at_most(1, " s")),
    Row("timeout_off", "query_wait_timeout of 1 s: farthest off, of 180 waiters", "{:.0f} ms", at_most(100, " ms")),
]


def run(rig, peer):
    found = climb(rig, peer)
    found["timeout_off"] = timeout_off(rig, peer)
    return found


def climb(rig, peer):
    # The scenario is about those who wait, not about who is refused: 5,000 may.
    pooler = rig.start_pooler(peer, {"bench": at(rig.stage.cluster)}, common={"default_pool_size": 20},
                              pgweir={"max_waiting": 10000})
    lengths = [rig.seconds(quick, full) for quick, full in [(2.5, 6), (2.5, 6), (2.5, 6), (3, 6), (4.5, 8)]]
    phases = [f"{length},{count}" for length, count in zip(lengths, STEPS)]
    result = rig.load(pooler.port, query="select pg_sleep(0.005)", logins_at_once=200, settle=SETTLE,
                      phase=[*phases, f"{rig.seconds(3, 5)},20"]).result()
    rig.stop_pooler(pooler, "ladder")
    rates = [phase["per_second"] for phase in result["phases"][:len(STEPS)]]
    # Twenty clients on twenty servers leave each server idle while its client thinks: the peak may lie above.
    crowded = rates[1:]
    waits = result["phases"][STEPS.index(2000)]["latency_ms"]
    usual = result["phases"][0]["latency_ms"]["p50"]
    slots = slots_from(result, phase_start(result, len(STEPS)))
    return {**{f"rate{count}": rate for count, rate in zip(STEPS, rates)},
            "lowest": 100 * min(crowded) / max(rates), "p50": waits["p50"], "spread": waits["p99"] / waits["p50"],
            "refused": sum(error["count"] for error in result["errors"]),
            "normal": lasting(slots, lambda slot: slot[1] > 0 and slot[3] <= 1.5 * usual)}


def timeout_off(rig, peer):
    pooler = rig.start_pooler(peer, {"bench": at(rig.stage.cluster)},
                              common={"default_pool_size": 20, "query_wait_timeout": WAIT_TIMEOUT})
    # Twenty get a server and keep it; error_pause keeps the refused away for the rest of the run.
    result = rig.load(pooler.port, query="select pg_sleep(3)", phase=f"{WAIT_TIMEOUT + 1},200", error_pause=10).result()
    rig.stop_pooler(pooler, "ladder-timeout")
    offs = [abs(error["after_ms"][end] - WAIT_TIMEOUT * 1e3) for error in result["errors"]
            for end in ("min", "max")]
    return max(offs) if offs else None
