"""Clients that sit in a transaction: who sees them, what frees them, and that honest long transactions are not hurt."""
import time

from client import Client, Trouble
from scenario.rig import Row, at, at_least, at_most, console, slots_from, wait_until

TITLE = ("leak: 10 clients sit in BEGIN on a pool of 10, 20 others want to work, idle_transaction_timeout 1.5 s; then 1,000 "
         "transactions of 1 s with pauses of 0.25 s under a timeout of 0.75 s")
SITTERS = 10
TIMEOUT = 1.5
HONEST = 1000
HONEST_AT_ONCE = 150
LEAK_THRESHOLD = "2s"

ROWS = [
    Row("named", "named on the console as idle in transaction", "{:.0f} of 10", at_least(SITTERS)),
    Row("how", "by", "{}"),
    Row("logged", "named in the log, by leak_threshold of 2 s, of 10", "{}"),
    Row("freed", "the first of the others works after", "{:.2f} s", at_most(TIMEOUT + 0.5, " s")),
    Row("kept", "server processes kept, of 10", "{:.0f}", at_least(SITTERS)),
    Row("told", "what a sitter hears", "{}"),
    Row("honest", "honest transactions that ended well, of 1,000", "{:.0f}", at_least(HONEST)),
]


def run(rig, peer):
    return {**sitters(rig, peer), "logged": logged(rig, peer), "honest": honest(rig, peer)}


def sit(pooler, count):
    """The sitters, the processes of their servers, and when the first of them had done his last statement."""
    clients = [Client(pooler.port) for _ in range(count)]
    pids, since = set(), None
    for client in clients:
        client.query("BEGIN")
        pids.add(client.rows("SELECT pg_backend_pid()")[0][0])
        since = since or time.time()
    return clients, pids, since


def sitters(rig, peer):
    pooler = rig.start_pooler(peer, {"bench": at(rig.stage.cluster)},
                              common={"default_pool_size": SITTERS, "idle_transaction_timeout": TIMEOUT})
    clients, pids, since = sit(pooler, SITTERS)
    load = rig.load(pooler.port, query="select 1", think=0.02, phase=f"{TIMEOUT + 1.5},20")
    named, how = name_sitters(pooler)
    load.wait_for_phase(0)
    time.sleep(TIMEOUT + 1)
    # also the last of them has run out by now
    kept = pids & {row[0] for row in rig.stage.cluster.client().rows(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = 'bench'")}
    result = load.result()
    told = what_is_heard(clients[0])
    for client in clients:
        client.close()
    rig.stop_pooler(pooler, "leak")
    useful = [slot[0] for slot in slots_from(result, since) if slot[1] > 0]
    return {"named": named, "how": how, "kept": len(kept), "told": told, "freed": useful[0] if useful else None}


def name_sitters(pooler):
    if pooler.name == "pgweir":
        return int(console(pooler, "SELECT count(*) FROM holders WHERE idle_in_transaction = 1")[0][0]), "SHOW HOLDERS"
    # "active" is all that SHOW SERVERS of PgBouncer says of them, as of servers that work.
    active = sum(row[3] == "active" for row in console(pooler, "SHOW SERVERS"))
    return 0, f"{active} servers \"active\" in SHOW SERVERS, whatever they do"


def what_is_heard(client):
    try:
        client.query("SELECT 1")
        return "nothing"
    except Trouble as why:
        text = str(why)
        words = text.split()
        code = next((word[1:] for word in words if word[0] == "C" and len(word) == 6), "")
        return f"{words[0][1:]} {code}".strip() if code else text
    except OSError:
        return "the connection is closed"


def logged(rig, peer):
    if peer.name != "pgweir" or not rig.accepts(peer.program, "leak_threshold", LEAK_THRESHOLD):
        return "no such thing"
    pooler = rig.start_pooler(peer, {"bench": at(rig.stage.cluster)}, common={"default_pool_size": SITTERS},
                              pgweir={"leak_threshold": LEAK_THRESHOLD})
    clients, _, _ = sit(pooler, SITTERS)

    def lines():
        with open(pooler.log) as file:
            return sum("server_held_long" in line for line in file)
    try:
        wait_until(lambda: lines() >= SITTERS, 5, "a line server_held_long of each sitter")
    except Trouble:
        pass  # the number below says it
    count = lines()
    for client in clients:
        client.close()
    rig.stop_pooler(pooler, "leak-log")
    return str(count)


def honest(rig, peer):
    pooler = rig.start_pooler(peer, {"bench": at(rig.stage.cluster)},
                              common={"default_pool_size": HONEST_AT_ONCE, "idle_transaction_timeout": 0.75})
    result = rig.load(pooler.port, query=["BEGIN", "SELECT 1", "SELECT 2", "SELECT 3", "COMMIT"], step_pause=0.25,
                      requests=HONEST, phase=f"60,{HONEST_AT_ONCE}").result()
    rig.stop_pooler(pooler, "leak-honest")
    return result["answers"] - sum(error["count"] for error in result["errors"])
