"""SQLAlchemy: the same checks over psycopg 3 (threads) and over asyncpg (tasks), by engines with a pool of 8 connections."""

import asyncio
import contextlib
import os

import asyncpg
import psycopg
import sqlalchemy
from sqlalchemy import column, func, insert, select, table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from checks import CONNECTIONS, PATIENCE_SECONDS, ROUNDS, all_of, equal, for_each, run_all, together, wait_until

ITEMS = table("items", column("writer", sqlalchemy.Integer), column("note", sqlalchemy.Text))
CACHED = table("cached", column("id", sqlalchemy.Integer), column("note", sqlalchemy.Text))
SLEEPING = text("select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like '%sqlalchemy sleeper%'")


def url(driver):
    return sqlalchemy.URL.create(
        f"postgresql+{driver}",
        os.environ["PGUSER"],
        os.environ["PGPASSWORD"],
        os.environ["PGHOST"],
        int(os.environ["PGPORT"]),
        os.environ["PGDATABASE"],
    )


class Threads:
    """The checks over psycopg 3."""

    @contextlib.contextmanager
    def connected(self, count=CONNECTIONS, **arguments):
        engine = sqlalchemy.create_engine(url("psycopg"), pool_size=count, **arguments)
        with contextlib.ExitStack() as stack:
            stack.callback(engine.dispose)
            yield [stack.enter_context(engine.connect()) for _ in range(count)]

    def check_parameters(self):
        def work(index, connection):
            for number in range(ROUNDS):
                query = select(sqlalchemy.literal(index * 1000 + number) * 2)
                equal(connection.scalar(query), (index * 1000 + number) * 2, "product")
                equal(connection.scalar(select(CACHED.c.note).where(CACHED.c.id == index + 1)), f"note {index + 1}", "note")
                connection.commit()

        with self.connected() as connections:
            for_each(connections, work)

    def check_transactions_and_savepoints(self):
        def work(index, connection):
            for number in range(ROUNDS):
                with connection.begin():
                    connection.execute(insert(ITEMS).values(writer=index, note=f"kept {number}"))
                    with contextlib.suppress(DBAPIError), connection.begin_nested():
                        connection.execute(insert(ITEMS).values(writer=index, note=f"lost {number}"))
                        connection.execute(select(sqlalchemy.literal(1) / sqlalchemy.literal(0)))
                with contextlib.suppress(KeyError), connection.begin():
                    connection.execute(insert(ITEMS).values(writer=index, note=f"lost {number}"))
                    raise KeyError("rolls back")
            lost = func.count().filter(ITEMS.c.note.like("lost%"))
            equal(
                tuple(connection.execute(select(func.count(), lost).where(ITEMS.c.writer == index)).one()), (ROUNDS, 0), "rows"
            )
            connection.rollback()

        with self.connected() as connections:
            for_each(connections, work)

    def check_insert_many_returning(self):
        def work(index, connection):
            with connection.begin():
                values = [{"writer": 700 + index, "note": f"many {number}"} for number in range(300)]
                notes = connection.scalars(insert(ITEMS).returning(ITEMS.c.note, sort_by_parameter_order=False), values).all()
                equal(sorted(notes), sorted(value["note"] for value in values), "returned rows")

        with self.connected() as connections:
            for_each(connections, work)

    def check_stream_results(self):
        def work(index, connection):
            query = text("select n + :index from generate_series(1, 500) n")
            with connection.execution_options(stream_results=True, max_row_buffer=50).execute(
                query, {"index": index}
            ) as result:
                equal([row[0] for row in result], list(range(1 + index, 501 + index)), "rows by cursor")
            connection.rollback()

        with self.connected() as connections:
            for_each(connections, work)

    def check_isolation_levels(self):
        def work(index, connection):
            level = ("SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED", "AUTOCOMMIT")[index % 4]
            connection = connection.execution_options(isolation_level=level)
            for _ in range(5):
                expected = "read committed" if level == "AUTOCOMMIT" else level.lower()
                equal(connection.scalar(text("show transaction_isolation")), expected, "isolation level")
                connection.rollback()

        with self.connected() as connections:
            for_each(connections, work)

    def check_reflection(self):
        def work(_index, connection):
            metadata = sqlalchemy.MetaData()
            metadata.reflect(connection, schema="place_3")
            equal(list(metadata.tables), ["place_3.place"], "tables")
            equal([column.name for column in metadata.tables["place_3.place"].columns], ["name"], "columns")
            connection.rollback()

        with self.connected() as connections:
            for_each(connections, work)

    def check_cancel(self):
        def sleep(connection):
            try:
                connection.execute(text("select pg_sleep(20) /* sqlalchemy sleeper */"))
            except DBAPIError as error:
                equal(error.orig.sqlstate, "57014", "the error of the cancelled query")
                connection.rollback()
                equal(connection.scalar(text("select 7")), 7, "the session after the cancel")
                return
            raise AssertionError("the query was not cancelled")

        def is_asleep(watcher):
            found = watcher.scalar(SLEEPING) == 1
            watcher.rollback()
            return found

        def cancel(connection, watcher):
            wait_until(lambda: is_asleep(watcher), "the sleep")
            connection.connection.driver_connection.cancel_safe(timeout=PATIENCE_SECONDS)

        def work(connection):
            for number in range(ROUNDS * 5):
                equal(connection.scalar(select(sqlalchemy.literal(number))), number, "a bystander's answer")
                connection.rollback()

        with self.connected() as connections:
            together(
                [lambda: sleep(connections[0]), lambda: cancel(connections[0], connections[1])]
                + [lambda connection=connection: work(connection) for connection in connections[2:]]
            )

    def check_settings(self):
        def set_them(index, connection):
            connection.execute(text(f"set timezone to 'Etc/GMT+{index + 1}'"))
            connection.execute(text(f"set search_path to place_{index + 1}"))
            connection.commit()

        def compare(index, connection):
            found = connection.scalar(text("show timezone")), connection.scalar(text("select name from place"))
            connection.rollback()
            equal(found, (f"Etc/GMT+{index + 1}", f"place_{index + 1}"), "settings")

        with self.connected() as connections:
            for_each(connections, set_them)
            for _ in range(5):
                for_each(connections, compare)

    def check_settings_at_connect(self):
        arguments = {"application_name": "started", "options": "-c timezone=Etc/GMT-3 -c work_mem=3MB -c search_path=place_3"}

        def compare(_index, connection):
            found = [connection.scalar(text(f"show {name}")) for name in ("application_name", "timezone", "work_mem")]
            equal(
                (*found, connection.scalar(text("select name from place"))),
                ("started", "Etc/GMT-3", "3MB", "place_3"),
                "settings",
            )
            connection.rollback()

        with self.connected(connect_args=arguments) as connections, self.connected(1) as others:
            for _ in range(3):
                for_each(connections, compare)
                equal(others[0].scalar(text("show work_mem")), "4MB", "the setting of another connection")
                others[0].rollback()

    def check_cached_plan(self):
        query = text("select * from cached where id = :id")

        def before(index, connection):
            equal(tuple(connection.execute(query, {"id": index + 1}).one()), (index + 1, f"note {index + 1}"), "row")
            connection.commit()  # after a rollback psycopg forgets what it prepared

        def again(index, connection):
            for attempt in range(3):
                try:
                    found = tuple(connection.execute(query, {"id": index + 1}).one())
                except DBAPIError as error:
                    equal(error.orig.sqlstate, "0A000", "the error after DDL")
                    connection.rollback()
                else:
                    connection.rollback()
                    equal(found, (index + 1, f"note {index + 1}", 5), "row after DDL")
                    return "the new rows" if attempt == 0 else f"0A000 {attempt} times, then the new rows"
            connection.invalidate()
            connection.rollback()
            equal(
                tuple(connection.execute(query, {"id": index + 1}).one()), (index + 1, f"note {index + 1}", 5), "row in the end"
            )
            return "0A000 every time; the new rows on a new connection"

        with self.connected() as connections, self.connected(2) as others:
            for _ in range(8):
                for_each(connections, before)
            others[0].execute(text("alter table cached add column extra int default 5"))
            others[0].commit()
            for _ in range(8):
                equal(tuple(others[1].execute(query, {"id": 1}).one()), (1, "note 1", 5), "a newcomer's row")
                others[1].rollback()
            return "over psycopg, after DDL it gets " + " or ".join(sorted(set(for_each(connections, again))))


class Tasks:
    """Those of the checks over asyncpg where the dialect does something of its own."""

    @contextlib.asynccontextmanager
    async def connected(self, count=CONNECTIONS, **arguments):
        engine = create_async_engine(url("asyncpg"), pool_size=count, **arguments)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(engine.dispose)
            yield [await stack.enter_async_context(engine.connect()) for _ in range(count)]

    async def for_each(self, connections, work):
        return await all_of([work(index, connection) for index, connection in enumerate(connections)])

    async def check_asyncpg_parameters(self):
        async def work(index, connection):
            for number in range(ROUNDS):
                query = select(sqlalchemy.literal(index * 1000 + number) * 2)
                equal(await connection.scalar(query), (index * 1000 + number) * 2, "product")
                equal(
                    await connection.scalar(select(CACHED.c.note).where(CACHED.c.id == index + 1)), f"note {index + 1}", "note"
                )
                await connection.rollback()

        async with self.connected() as connections:
            await self.for_each(connections, work)

    async def check_asyncpg_transactions_and_savepoints(self):
        async def work(index, connection):
            for number in range(ROUNDS):
                async with connection.begin():
                    await connection.execute(insert(ITEMS).values(writer=800 + index, note=f"kept {number}"))
                    with contextlib.suppress(DBAPIError):
                        async with connection.begin_nested():
                            await connection.execute(insert(ITEMS).values(writer=800 + index, note=f"lost {number}"))
                            await connection.execute(text("select 1 / 0"))
                with contextlib.suppress(KeyError):
                    async with connection.begin():
                        await connection.execute(insert(ITEMS).values(writer=800 + index, note=f"lost {number}"))
                        raise KeyError("rolls back")
            lost = func.count().filter(ITEMS.c.note.like("lost%"))
            found = await connection.execute(select(func.count(), lost).where(ITEMS.c.writer == 800 + index))
            equal(tuple(found.one()), (ROUNDS, 0), "rows")
            await connection.rollback()

        async with self.connected() as connections:
            await self.for_each(connections, work)

    async def check_asyncpg_stream(self):
        async def work(index, connection):
            query = text("select n + :index from generate_series(1, 500) n")
            found = [row[0] async for row in await connection.stream(query, {"index": index})]
            equal(found, list(range(1 + index, 501 + index)), "rows by cursor")
            await connection.rollback()

        async with self.connected() as connections:
            await self.for_each(connections, work)

    async def check_asyncpg_settings_at_connect(self):
        async def compare(_index, connection):
            found = [await connection.scalar(text(f"show {name}")) for name in ("application_name", "timezone", "work_mem")]
            equal(found, ["started", "Etc/GMT-3", "3MB"], "settings")
            await connection.rollback()

        settings = {"application_name": "started", "timezone": "Etc/GMT-3", "work_mem": "3MB"}
        async with self.connected(connect_args={"server_settings": settings}) as connections:
            for _ in range(3):
                await self.for_each(connections, compare)

    async def check_asyncpg_cached_plan(self):
        query = text("select * from cached where id = :id")

        async def before(index, connection):
            equal(tuple((await connection.execute(query, {"id": index + 1})).one()), (index + 1, f"note {index + 1}", 5), "row")
            await connection.rollback()

        async def again(index, connection):
            for attempt in range(4):
                try:
                    found = (await connection.execute(query, {"id": index + 1})).one()
                except DBAPIError as error:
                    equal("InvalidCachedStatementError" in str(error), True, f"the error after DDL ({error.orig})")
                    await connection.rollback()
                else:
                    await connection.rollback()
                    equal(tuple(found), (index + 1, f"note {index + 1}", 5, 6), "row after DDL")
                    return "the new rows" if attempt == 0 else f"InvalidCachedStatementError {attempt} times, then the new rows"
            raise AssertionError("InvalidCachedStatementError four times")

        async with self.connected() as connections, self.connected(2) as others:
            for _ in range(3):
                await self.for_each(connections, before)
            await others[0].execute(text("alter table cached add column other int default 6"))
            await others[0].commit()
            for _ in range(2):
                found = (await others[1].execute(query, {"id": 1})).one()
                equal(tuple(found), (1, "note 1", 5, 6), "a newcomer's row")
                await others[1].rollback()
            return "over asyncpg, after DDL it gets " + " or ".join(sorted(set(await self.for_each(connections, again))))


# The async checks come last: their DDL adds to that of the others.
print(f"version: {sqlalchemy.__version__} (psycopg {psycopg.__version__}, asyncpg {asyncpg.__version__})")
run_all({name: getattr(group, name) for group in (Threads(), Tasks()) for name in vars(type(group))})
