"""Medians, ratios inside the rounds and tables: what the reports of tests/bench are made of."""
import os
import platform
import statistics
import subprocess


def median(values):
    return statistics.median(values)


def machine():
    model = "unknown"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "system": distribution(),
            "load_at_start": os.getloadavg()[0]}


def distribution():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def first_line(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return (done.stdout.splitlines() or ["?"])[0]


def ratios(rounds, field, base):
    """{proxy: median over the rounds of its value divided by the base's of the same round}."""
    if base not in rounds:
        return {}
    return {name: median([mine[field] / theirs[field] for mine, theirs in zip(all_rounds, rounds[base])])
            for name, all_rounds in rounds.items() if all(field in one for one in all_rounds + rounds[base])}


def middle_half(rounds, name, base):
    """Where the middle half of the CPU ratios lies."""
    if base not in rounds or name == base or len(rounds[name]) < 3:
        return None
    values = [mine["cost"] / theirs["cost"] for mine, theirs in zip(rounds[name], rounds[base])]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return [low, high]


def number(value, digits=2):
    return "" if value is None else f"{value:.{digits}f}"


def with_spread(ratio, spread):
    return number(ratio) + (f" ({spread[0]:.2f}-{spread[1]:.2f})" if spread else "")


def markdown_table(lines):
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]

    def one(cells):
        first = cells[0].ljust(widths[0])
        return "| " + " | ".join([first] + [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]) + " |"
    rule = "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (width + 1) + ":" for width in widths[1:]]) + "|"
    return "\n".join([one(lines[0]), rule] + [one(line) for line in lines[1:]])
