"""Counts instead of clocks: what a proxy does for one round trip and keeps for one idle client, the same on any load.

instructions  user-space instructions, by valgrind's callgrind
system calls  by strace -c
heap bytes    by valgrind's massif

Each looks twice at the same process, with N and with 2 N of the thing between the looks, and divides the difference
by N: start, login, warming up and the end fall out. Timers of a proxy stay in as small fractions, for they go by the clock.
"""
import os
import signal
import subprocess

from peers import PG_BIN, Client, Trouble

SMALLEST_SHARE = 0.005  # system calls per round trip: what is rarer comes from timers
WARM_CLIENTS = 20
VGDB_SECONDS_MAX = 60


def select_only(stage, proxy, transactions, kind, clients=1):
    """pgbench -S by a protocol, or with a login of its own for each transaction."""
    how = ["-C"] if kind == "login" else ["-M", kind]
    stage.run([f"{PG_BIN}/pgbench", "-S", "-n", "-c", str(clients), "-t", str(transactions), *how,
               "--random-seed=1", *stage.to_port(proxy.port)])


def ask_valgrind(stage, proxy, request):
    """Makes valgrind do something now, in the middle of the run. It hears nobody but its own user."""
    as_user = stage.as_user if proxy.name == "pgbouncer" else {}
    stage.run(["vgdb", "--wait=10", f"--pid={proxy.pid}", *request.split()], timeout=VGDB_SECONDS_MAX, **as_user)


def instructions_of(file):
    with open(file) as lines:
        for line in lines:
            if line.startswith("totals:"):
                return int(line.split()[1])
    raise Trouble(f"callgrind wrote no total to {file}")


def count_instructions(stage, name, program, counts, mode):
    """{kind: (instructions of one round trip, the callgrind file of the longer stretch)} for `counts`, {kind: N}."""
    out = os.path.join(stage.subfolder(f"callgrind-{name}", for_user=name == "pgbouncer"), "out")
    wrapper = ["valgrind", "--tool=callgrind", "-q", "--instr-atstart=no", f"--callgrind-out-file={out}"]
    proxy = stage.start_proxy(name, program, mode, 1, wrapper)
    ask_valgrind(stage, proxy, "instrumentation on")
    found, dumps = {}, 0
    for kind, count in counts.items():
        select_only(stage, proxy, count, kind)
        totals = []
        for times in (1, 2):
            ask_valgrind(stage, proxy, "zero")
            select_only(stage, proxy, times * count, kind)
            ask_valgrind(stage, proxy, "dump")
            dumps += 1
            totals.append(instructions_of(f"{out}.{dumps}"))
        if totals[1] <= totals[0]:
            raise Trouble(f"{name}: twice the work took no more instructions; is {program} a script?")
        found[kind] = ((totals[1] - totals[0]) / count, f"{out}.{dumps}")
    stage.stop(proxy.process)
    return found


def parse_strace(text):
    """{call: (calls, errors)} of strace -c: % seconds usecs/call calls [errors] syscall."""
    found = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) in (5, 6) and fields[3].isdigit() and fields[-1] != "total":
            found[fields[-1]] = (int(fields[3]), int(fields[4]) if len(fields) == 6 else 0)
    return found


def under_strace(stage, proxy, transactions, protocol, clients):
    out = os.path.join(stage.folder, f"strace-{proxy.name}")
    strace = subprocess.Popen(["strace", "-c", "-f", "-o", out, "-p", str(proxy.pid)], stderr=subprocess.PIPE, text=True)
    attached = strace.stderr.readline()
    if "attached" not in attached:
        strace.wait()
        raise Trouble(f"strace cannot attach to {proxy.name}: {attached}{strace.stderr.read()}")
    try:
        select_only(stage, proxy, transactions, protocol, clients)
    finally:
        strace.send_signal(signal.SIGINT)
        strace.stderr.read()
        strace.wait()
    with open(out) as file:
        return parse_strace(file.read())


def count_system_calls(stage, proxy, protocol, count, clients=1):
    """{call: {"calls", "failed"}} of one round trip; "failed" returned an error (a recv to see EAGAIN)."""
    select_only(stage, proxy, count, protocol, clients)  # the pool fills
    short, long = (under_strace(stage, proxy, times * count, protocol, clients) for times in (1, 2))
    found = {}
    for call in sorted(set(short) | set(long)):
        calls, errors = (long.get(call, (0, 0))[i] - short.get(call, (0, 0))[i] for i in (0, 1))
        if abs(calls) >= SMALLEST_SHARE * count * clients:
            found[call] = {"calls": round(calls / count / clients, 2), "failed": round(errors / count / clients, 2)}
    return found


def heap_of(file):
    """Bytes that were asked for, and with what malloc adds to each piece."""
    found = {}
    with open(file) as lines:
        for line in lines:
            key, _, value = line.strip().partition("=")
            if key.startswith("mem_heap"):
                found[key] = int(value)
    return found["mem_heap_B"], found["mem_heap_B"] + found["mem_heap_extra_B"]


def count_idle_heap(stage, name, program, count):
    """(bytes asked for, bytes with malloc's own) of one client that has run one query and idles."""
    folder = stage.subfolder(f"massif-{name}", for_user=name == "pgbouncer")
    wrapper = ["valgrind", "--tool=massif", "-q", f"--massif-out-file={folder}/end"]
    proxy = stage.start_proxy(name, program, "transaction", 1, wrapper)
    clients, looks = [], []
    for number in (WARM_CLIENTS, count):
        for _ in range(number):
            clients.append(Client(proxy.port))
            clients[-1].query("SELECT 1")
        ask_valgrind(stage, proxy, f"detailed_snapshot {folder}/after-{len(clients)}")
        looks.append(heap_of(f"{folder}/after-{len(clients)}"))
    for client in clients:
        client.close()
    stage.stop(proxy.process)
    return tuple((after - before) / count for before, after in zip(*looks))
