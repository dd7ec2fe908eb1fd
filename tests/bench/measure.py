"""The measurements of tests/bench: one pgbench, one big transfer, or a crowd of idle clients, through one proxy.

The cost is the CPU time of the proxy, user and system, all threads, divided by what it carried in the same stretch of time.
"""
import glob
import os
import shutil
import subprocess
import time

import fronts
from peers import PG_BIN, Trouble

SAMPLE_SECONDS = 0.05
LEAD_SECONDS = 0.4   # left out after the first transaction: the pool fills, caches warm
TRAIL_SECONDS = 0.1  # left out before the last one: clients leave one by one
MEGABYTE = 1e6
BULK_BUFFER_BYTES = 1 << 20
WARM_CLIENTS = 50
BURST_CLIENTS = 200
BURST_BYTES = 256 * 1024


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure_pgbench(stage, proxy, name, loads, seconds, lead=LEAD_SECONDS):
    """Runs one pgbench for each (clients, arguments, target) of `loads`, all at once, and looks at the proxy meanwhile."""
    folder = stage.subfolder("log", for_user=False)
    samples = []
    with open(f"{folder}/out", "w+") as out:
        processes = [subprocess.Popen(pgbench_command(*load, seconds + lead + TRAIL_SECONDS, f"{folder}/tx{number}"),
                                      stdout=out, stderr=subprocess.STDOUT, env=stage.environment)
                     for number, load in enumerate(loads)]
        while any(process.poll() is None for process in processes):
            samples.append((time.time(), proxy.cpu_seconds()))
            time.sleep(SAMPLE_SECONDS)
        out.seek(0)
        text = out.read()
    for process in processes:
        if process.returncode != 0:
            raise Trouble(f"{name} through {proxy.name}: pgbench ended with {process.returncode}\n{text[-2000:]}")
    ends = read_transactions(glob.glob(f"{folder}/tx*"))
    shutil.rmtree(folder)
    if not ends:
        raise Trouble(f"{name} through {proxy.name}: no transaction ended\n{text[-2000:]}")
    first, last = min(ends)[0], max(ends)[0]
    inside = [sample for sample in samples if first + lead <= sample[0] <= last - TRAIL_SECONDS]
    if len(inside) < 2:
        raise Trouble(f"{name} through {proxy.name}: too short to measure")
    (start, cpu_start), (end, cpu_end) = inside[0], inside[-1]
    latencies = sorted(latency for at, latency in ends if start < at <= end)
    return {"cost": (cpu_end - cpu_start) * 1e6 / len(latencies),
            "busy": (cpu_end - cpu_start) / (end - start),
            "avg_ms": sum(latencies) / len(latencies) / 1e3,
            "p50_ms": percentile(latencies, 0.50) / 1e3,
            "p99_ms": percentile(latencies, 0.99) / 1e3,
            "rate": len(latencies) / (end - start), "transactions": len(ends)}


def pgbench_command(clients, arguments, target, seconds, log):
    threads = min(clients, os.cpu_count() or 1, 8)
    return [f"{PG_BIN}/pgbench", *arguments, "-c", str(clients), "-j", str(threads), "-T", str(max(1, round(seconds))),
            "--log", "--log-prefix", log, target]


def read_transactions(files):
    """[(when it ended, latency in us)]: "client number latency script seconds microseconds" per line."""
    ends = []
    for name in files:
        with open(name) as file:
            for line in file:
                fields = line.split()
                if not fields[2].isdigit():
                    raise Trouble(f"a transaction failed: {line}")
                ends.append((int(fields[4]) + int(fields[5]) * 1e-6, int(fields[2])))
    return ends


def measure_bulk(stage, proxy, kind, sql):
    client = proxy.client(timeout=300)
    client.query("SELECT 1")
    if kind == "copy_in":
        stage.sql("DROP TABLE IF EXISTS sink")
        stage.sql("CREATE UNLOGGED TABLE sink (line text)")
    started, cpu_started = time.monotonic(), proxy.cpu_seconds()
    if kind == "copy_in":
        size = client.copy_in(sql, (b"x" * 7999 + b"\n") * 8, 15625)
    else:
        size = client.drain(sql, bytearray(BULK_BUFFER_BYTES))
    cpu, passed = proxy.cpu_seconds() - cpu_started, time.monotonic() - started
    client.close()
    return {"cost": cpu * 1e6 / (size / MEGABYTE), "busy": cpu / passed, "rate": size / MEGABYTE / passed}


def measure_memory(stage, name, program, front, count, with_burst):
    """Growth of a fresh process. The first clients and the pool come before the first look: they are not the growth."""
    proxy = fronts.start(stage, name, program, front)
    clients = []
    try:
        def add(number):
            for _ in range(number):
                clients.append(proxy.client())
        add(WARM_CLIENTS)
        for client in clients:
            client.query("SELECT 1")
        empty = proxy.pss_bytes()
        add(count)
        after_login = proxy.pss_bytes()
        for client in clients:
            client.query("SELECT 1")
        after_query = proxy.pss_bytes()
        found = {"cost": (after_query - empty) / count, "login_bytes": (after_login - empty) / count,
                 "start_bytes": empty, "clients": count}
        if with_burst:
            for client in clients[:BURST_CLIENTS]:
                client.query(f"SELECT repeat('x', {BURST_BYTES}), length('{'y' * BURST_BYTES}')")
            found["burst_bytes"] = proxy.pss_bytes() - after_query
        return found
    finally:
        for client in clients:
            client.close()
        stage.stop(proxy.process)
