"""What the Python programmes share: one line per check, many connections at once, deadlines.

A check is a function or coroutine function without arguments; it passes when it returns, and a string that it returns is
printed as a note. Each check opens and closes its own connections, so that one that fails spoils no other.
"""

import asyncio
import inspect
import os
import sys
import threading
import time
import traceback

CONNECTIONS = 8
ROUNDS = 20
PATIENCE_SECONDS = 20  # longer than anything here takes; only a failure waits for so long
CACHED_PLAN = "cached plan must not change result type"

_failed = False


def _one_line(error):
    """The error and the lines of the programme that it came through."""
    text = " ".join(str(error).split())
    lines = [
        str(frame.lineno) for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith("programme.py")
    ]
    return f"line {' > '.join(lines)}: {type(error).__name__}: {text}"[:300]


def _report(name, error, note):
    global _failed
    if error is None:
        print(f"{name}: ok", flush=True)
    else:
        _failed = True
        print(f"{name}: FAILED: {_one_line(error)}", flush=True)
    if note:
        print(f"note: {name}: {note}", flush=True)


def _run_task(function):
    return asyncio.run(asyncio.wait_for(function(), PATIENCE_SECONDS * 2))


def check(name, function):
    try:
        note = _run_task(function) if inspect.iscoroutinefunction(function) else function()
    except Exception as error:
        _report(name, error, None)
    else:
        _report(name, None, note)


def status():
    """The exit status of the programme."""
    return 1 if _failed else 0


def run_all(namespace):
    """Runs every function check_... of a module, coroutines too, in the order of the text, and ends the process."""
    for name, function in namespace.items():
        if name.startswith("check_") and callable(function):
            check(name.removeprefix("check_").replace("_", " "), function)
    sys.exit(status())


def equal(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r} instead of {expected!r}")


def together(functions):
    """Runs each function in a thread of its own; raises the first error after all have ended; returns their results."""
    results = [None] * len(functions)
    errors = []

    def run(index, function):
        try:
            results[index] = function()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def for_each(items, function):
    """together() for one function over many items; the function is given the index and the item."""
    return together([lambda index=index, item=item: function(index, item) for index, item in enumerate(items)])


async def all_of(tasks):
    """gather(), but the first error is raised only after all have ended: their connections are closed next."""
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def wait_until(question, what):
    """Asks again and again: the question is itself a round trip to the server."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not question():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen")


def console():
    """How to log in to pgweir's console; None when PostgreSQL itself is checked, which has none."""
    if os.environ["DRIVERS_SERVER"] != "pgweir":
        return None
    return {"user": "admin", "password": "admin", "database": "pgweir"}


def is_cached_plan_error(error):
    return CACHED_PLAN in str(error) or getattr(error, "sqlstate", None) == "0A000"
