"""More and more clients on one pool, then few again; and how exactly query_wait_timeout is kept.

Queries of 10 ms on 20 servers are under 2,000 a second: twice as many keep two cores busy, and then the cores are measured.
What else the machine does is seen by a few clients that go to PostgreSQL directly all the time: throughput is also given as a
share of what POOL such direct clients would do in the same tenths of a second.
"""
import statistics

from scenario.rig import Row, at, at_least, at_most, lasting, phase_start, slots_from

TITLE = "ladder: pool of 20, queries of 10 ms, closed loop of 20 to 5,000 clients, then 20 again"
QUERY = "select pg_sleep(0.01)"
STEPS = [20, 200, 1000, 2000, 5000]
WAIT_TIMEOUT = 1
SETTLE = 1.5
CHUNK = 5  # slots
POOL = 20
DIRECT = 4

ROWS = [
    *(Row(f"rate{count}", f"answers a second, {count:,} clients", "{:.0f}") for count in STEPS),
    *(Row(f"share{count}", f"share of what 20 direct connections do beside it, {count:,} clients", "{:.0f} %") for count in STEPS),
    Row("lowest", "share of direct, the lowest from 200 clients on, of its own peak", "{:.0f} %", at_least(90, " %")),
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
    pooler = rig.start_pooler(peer, {"bench": at(rig.stage.cluster)}, common={"default_pool_size": POOL},
                              pgweir={"max_waiting": 10000})
    lengths = [rig.seconds(quick, full) for quick, full in [(3.6, 6), (3.6, 6), (3.6, 6), (4.6, 8), (4.6, 8)]]
    phases = [f"{length},{count}" for length, count in zip(lengths, STEPS)] + [f"{rig.seconds(3, 5)},{STEPS[0]}"]
    load = rig.load(pooler.port, query=QUERY, logins_at_once=200, settle=SETTLE, phase=phases)
    direct_load = rig.load(rig.stage.cluster.port, query=QUERY, phase=f"{sum(lengths) + rig.seconds(3, 5) + 1},{DIRECT}")
    result, direct = load.result(), direct_load.result()
    rig.stop_pooler(pooler, "ladder")
    rates = [phase["per_second"] for phase in result["phases"][:len(STEPS)]]
    shares = [share(result, direct, number) for number in range(len(STEPS))]
    waits = result["phases"][STEPS.index(2000)]["latency_ms"]
    return {**{f"rate{count}": rate for count, rate in zip(STEPS, rates)},
            **{f"share{count}": 100 * one for count, one in zip(STEPS, shares)},
            # Twenty clients on twenty servers leave each server idle while its client thinks: they show no peak.
            "lowest": 100 * min(shares[1:]) / max(shares), "p50": waits["p50"], "spread": waits["p99"] / waits["p50"],
            "refused": sum(error["count"] for error in result["errors"]), "normal": normal_after(result, direct)}


def share(result, direct, number):
    """Answers of a step after SETTLE, of those that POOL direct clients would have had: the median of its half seconds."""
    start = phase_start(result, number)
    until = result["phases"][number]["until"] - result["phases"][number]["from"] - result["slot_seconds"]
    pairs = [(mine[1], other[1] * POOL / DIRECT) for mine, other in zip(slots_from(result, start), slots_from(direct, start))
             if SETTLE <= mine[0] <= until]
    chunks = [pairs[i:i + CHUNK] for i in range(0, len(pairs) - CHUNK + 1, CHUNK)]
    return statistics.median(sum(mine for mine, _ in chunk) / max(1, sum(other for _, other in chunk)) for chunk in chunks)


def normal_after(result, direct):
    """When latency was usual again; slower than direct clients are by then is not asked of anybody."""
    last = phase_start(result, len(STEPS))
    usual = result["phases"][0]["latency_ms"]["p50"]
    beside = [slot[3] for slot in slots_from(direct, last)]
    slots = [(*slot, max(usual, other)) for slot, other in zip(slots_from(result, last), beside)]
    return lasting(slots, lambda slot: slot[1] > 0 and slot[3] <= 1.5 * slot[5])


def timeout_off(rig, peer):
    pooler = rig.start_pooler(peer, {"bench": at(rig.stage.cluster)},
                              common={"default_pool_size": POOL, "query_wait_timeout": WAIT_TIMEOUT})
    # Twenty get a server and keep it; error_pause keeps the refused away for the rest of the run.
    result = rig.load(pooler.port, query="select pg_sleep(3)", phase=f"{WAIT_TIMEOUT + 1},200", error_pause=10).result()
    rig.stop_pooler(pooler, "ladder-timeout")
    offs = [abs(error["after_ms"][end] - WAIT_TIMEOUT * 1e3) for error in result["errors"]
            for end in ("min", "max")]
    return max(offs) if offs else None
