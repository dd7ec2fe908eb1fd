"""asyncpg with its statement cache on, connections by themselves and from its pool (which sends RESET ALL and more)."""

import asyncio
import contextlib
import io

import asyncpg

from checks import CONNECTIONS, PATIENCE_SECONDS, ROUNDS, all_of, console, equal, run_all

SLEEPING = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like '%asyncpg sleeper%'"


@contextlib.asynccontextmanager
async def connected(count=CONNECTIONS, each=lambda index: {}):
    """A number of connections, all closed at the end."""
    found = []
    try:
        for index in range(count):
            found.append(await asyncpg.connect(**each(index)))
        yield found
    finally:
        for connection in found:
            await connection.close(timeout=PATIENCE_SECONDS)


async def for_each(connections, work):
    await all_of([work(index, connection) for index, connection in enumerate(connections)])


async def wait_until(question, what):
    async def ask():
        while not await question():
            pass

    try:
        await asyncio.wait_for(ask(), PATIENCE_SECONDS)
    except TimeoutError:
        raise AssertionError(f"{what} did not happen") from None


async def check_parameters():
    async def work(index, connection):
        for number in range(ROUNDS):
            equal(
                await connection.fetchval("select $1::int * 2", index * 1000 + number), (index * 1000 + number) * 2, "product"
            )
            equal(await connection.fetchval("select note from cached where id = $1", index + 1), f"note {index + 1}", "note")
            equal(await connection.fetchval("select $1::text", f"text {number}"), f"text {number}", "text")

    async with connected() as connections:
        await for_each(connections, work)


async def check_many_statements():
    """More than statement_cache_size (100): asyncpg closes the oldest."""

    async def work(index, connection):
        for number in list(range(130)) * 2:
            equal(await connection.fetchval(f"select {number} + $1::int", index), number + index, "sum")

    async with connected(4) as connections:
        await for_each(connections, work)


async def check_explicit_prepare():
    async def work(index, connection):
        statement = await connection.prepare("select $1::int - 1 as less, $2::text as text")
        for number in range(ROUNDS):
            equal(tuple(await statement.fetchrow(number, f"text {index}")), (number - 1, f"text {index}"), "row")

    async with connected() as connections:
        await for_each(connections, work)


async def check_executemany():
    async def work(index, connection):
        await connection.executemany("insert into items values ($1, $2)", [(700 + index, f"many {n}") for n in range(100)])
        equal(await connection.fetchval("select count(*) from items where writer = $1", 700 + index), 100, "rows")

    async with connected() as connections:
        await for_each(connections, work)


async def check_transactions():
    async def work(index, connection):
        for number in range(ROUNDS):
            async with connection.transaction():
                await connection.execute("insert into items values ($1, $2)", index, f"kept {number}")
            with contextlib.suppress(KeyError):
                async with connection.transaction():
                    await connection.execute("insert into items values ($1, $2)", index, f"lost {number}")
                    equal(
                        await connection.fetchval("select count(*) from items where writer = $1", index), number + 2, "own rows"
                    )
                    raise KeyError("rolls back")

    async with connected() as connections:
        await for_each(connections, work)
        row = await connections[0].fetchrow(
            "select count(*), count(*) filter (where note like 'lost%') from items where writer < $1", CONNECTIONS
        )
        equal(tuple(row), (CONNECTIONS * ROUNDS, 0), "rows in the end")


async def check_savepoints():
    async def work(index, connection):
        async with connection.transaction():
            await connection.execute("insert into items values ($1, 'before')", 500 + index)
            with contextlib.suppress(asyncpg.DivisionByZeroError):
                async with connection.transaction():
                    await connection.execute("insert into items values ($1, 'inside')", 500 + index)
                    await connection.fetchval("select 1 / $1::int", 0)
            await connection.execute("insert into items values ($1, 'after')", 500 + index)
        notes = await connection.fetch("select note from items where writer = $1 order by note", 500 + index)
        equal([note for (note,) in notes], ["after", "before"], "rows around the savepoint")

    async with connected() as connections:
        await for_each(connections, work)


async def check_copy():
    async def work(index, connection):
        expected = [(index, number, f"note {number}") for number in range(2000)]
        await connection.copy_records_to_table("copied", records=expected)
        out = io.BytesIO()
        await connection.copy_from_query("select * from copied where id = $1 order by number", index, output=out)
        text = "".join("\t".join(map(str, row)) + "\n" for row in expected)
        equal(out.getvalue() == text.encode(), True, "what came out is what went in")

    async with connected() as connections:
        await for_each(connections, work)


async def check_server_side_cursor():
    async def work(index, connection):
        async with connection.transaction():
            found = [
                row[0]
                async for row in connection.cursor("select n + $1::int from generate_series(1, 500) n", index, prefetch=50)
            ]
            equal(found, list(range(1 + index, 501 + index)), "rows by cursor")

    async with connected() as connections:
        await for_each(connections, work)


async def check_cancel():
    async def sleep(connection, watcher):
        task = asyncio.create_task(connection.execute("select pg_sleep(20) /* asyncpg sleeper */"))
        await wait_until(lambda: is_asleep(watcher), "the sleep")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await wait_until(lambda: is_awake(watcher), "the end of the sleep")
        equal(await connection.fetchval("select $1::int", 7), 7, "the session after the cancel")

    async def is_asleep(watcher):
        return await watcher.fetchval(SLEEPING) == 1

    async def is_awake(watcher):
        return await watcher.fetchval(SLEEPING) == 0

    async def work(connection):
        for number in range(ROUNDS * 5):
            equal(await connection.fetchval("select $1::int", number), number, "a bystander's answer")

    async with connected() as connections:
        await all_of([sleep(connections[0], connections[1])] + [work(connection) for connection in connections[2:]])


async def check_notify():
    expected = {f"from {index}, {number}" for index in range(1, CONNECTIONS) for number in range(5)}
    received = asyncio.Queue()

    def on_notify(_connection, _pid, _channel, payload):
        received.put_nowait(payload)

    async def listen():
        payloads = [await asyncio.wait_for(received.get(), PATIENCE_SECONDS) for _ in expected]
        equal(set(payloads), expected, "payloads")

    async def work(index, connection):
        for number in range(5):
            await connection.execute("select pg_notify('asyncpg', $1)", f"from {index}, {number}")
            equal(await connection.fetchval("select $1::int", number), number, "an answer")

    async with connected() as connections:
        await connections[0].add_listener("asyncpg", on_notify)
        await all_of([listen()] + [work(index, connections[index]) for index in range(1, CONNECTIONS)])
        await connections[0].remove_listener("asyncpg", on_notify)
        equal(received.qsize(), 0, "notifications too many")


async def settings_of(connection):
    shown = [await connection.fetchval(f"show {name}") for name in ("timezone", "application_name", "work_mem")]
    return (*shown, await connection.fetchval("select name from place"))


async def check_settings():
    def own(index):
        return (f"Etc/GMT+{index + 1}", f"client {index}", f"{index + 1}MB", f"place_{index + 1}")

    async def set_them(index, connection):
        zone, name, memory, place = own(index)
        await connection.execute(f"set timezone to '{zone}'; set application_name to '{name}'")
        await connection.execute("select set_config('work_mem', $1, false)", memory)
        await connection.execute(f"set search_path to {place}")

    async def compare(index, connection):
        equal(await settings_of(connection), own(index), "settings")

    async def local(index, connection):
        async with connection.transaction():
            await connection.execute("set local work_mem to '77MB'")
            equal(await connection.fetchval("show work_mem"), "77MB", "SET LOCAL inside")
        with contextlib.suppress(KeyError):
            async with connection.transaction():
                await connection.execute("set work_mem to '78MB'")
                raise KeyError("rolls back")

    async with connected() as connections:
        await for_each(connections, set_them)
        for _ in range(5):
            await for_each(connections, compare)
        await for_each(connections, local)
        await for_each(connections, compare)


async def check_settings_at_connect():
    def arguments(index):
        return {
            "server_settings": {
                "application_name": f"started {index}",
                "timezone": f"Etc/GMT-{index + 1}",
                "work_mem": f"{index + 1}MB",
                "search_path": f"place_{index + 1}",
            }
        }

    async def compare(index, connection):
        equal(
            await settings_of(connection),
            (f"Etc/GMT-{index + 1}", f"started {index}", f"{index + 1}MB", f"place_{index + 1}"),
            "settings",
        )

    async with connected(each=arguments) as connections:
        for _ in range(3):
            await for_each(connections, compare)


async def check_pool():
    async def work(pool, index):
        for number in range(ROUNDS):
            async with pool.acquire() as connection:
                equal(await connection.fetchval("show work_mem"), "4MB", "work_mem of a fresh one")
                await connection.execute("set work_mem to '9MB'")
                equal(await connection.fetchval("select $1::int + 1", number + index), number + index + 1, "sum")
                equal(await connection.fetchval("show work_mem"), "9MB", "work_mem")

    async with asyncpg.create_pool(min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        await all_of([work(pool, index) for index in range(CONNECTIONS * 2)])


async def check_cached_plan():
    query = "select * from cached where id = $1"
    outcomes = set()

    async def before(index, connection):
        equal(tuple(await connection.fetchrow(query, index + 1)), (index + 1, f"note {index + 1}"), "row")

    async def again(index, connection):
        equal(
            dict(await connection.fetchrow(query, index + 1)),
            {"id": index + 1, "note": f"note {index + 1}", "extra": 5},
            "row after DDL",
        )

    async def in_transaction(index, connection):
        """Here asyncpg cannot try again by itself: it says so once, and forgets its statements."""
        for attempt in range(2):
            try:
                async with connection.transaction():
                    row = await connection.fetchrow(query, index + 1)
            except asyncpg.InvalidCachedStatementError:
                outcomes.add("InvalidCachedStatementError in a transaction, the new rows in the next")
            else:
                equal(dict(row), {"id": index + 1, "note": f"note {index + 1}", "extra": 5, "other": 6}, "row after DDL")
                outcomes.add("the new rows in a transaction" if attempt == 0 else "")
                return
        raise AssertionError("InvalidCachedStatementError twice")

    async with connected() as connections, connected(2) as others:
        for _ in range(3):
            await for_each(connections, before)
        await others[0].execute("alter table cached add column extra int default 5")
        for _ in range(2):
            await again(0, others[1])
        await for_each(connections, again)
        await others[0].execute("alter table cached add column other int default 6")
        await for_each(connections, in_transaction)
        return "after DDL it gets the new rows, by trying again itself; " + " or ".join(sorted(outcomes - {""}))


async def check_newcomers_see_defaults():
    async def compare(_index, connection):
        equal(
            [await connection.fetchval(f"show {name}") for name in ("work_mem", "application_name", "search_path")],
            ["4MB", "", '"$user", public'],
            "defaults",
        )

    async with connected() as connections:
        for _ in range(3):
            await for_each(connections, compare)


async def check_console():
    if console() is None:
        return "PostgreSQL has none"
    connection = await asyncpg.connect(**console())
    try:
        for _ in range(3):
            stats = await connection.fetch("show stats")
            equal(list(stats[0].keys())[:2], ["database", "total_server_assignment_count"], "the columns")
            equal(all(row["total_query_count"] >= 0 for row in stats), True, "numbers")
            equal(await connection.fetchval("select paused from databases where name = 'pgweir'"), 0, "a value")
            equal(await connection.fetchval("select count(*) from clients where application_name is null"), 0, "a count")
            async with connection.transaction():
                await connection.execute("pause app timeout '5s'")
                equal(await connection.execute("resume app"), "RESUME", "the tag")
        equal((await connection.fetchval("select version()")).split()[0], "pgweir", "the version")
        try:
            await connection.fetch("select nothing from pools")
        except asyncpg.UndefinedColumnError as error:
            equal(error.position, "8", "the place of the error")
        else:
            raise AssertionError("no error for an unknown column")
    finally:
        await connection.close()


print(f"version: {asyncpg.__version__}")
run_all(globals())
