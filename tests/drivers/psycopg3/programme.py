"""psycopg 3: prepare_threshold=1, so that a statement is prepared when it runs for the second time; pipeline mode."""

import contextlib

import psycopg
from psycopg import errors, pq

from checks import CONNECTIONS, PATIENCE_SECONDS, ROUNDS, console, equal, for_each, is_cached_plan_error, run_all, together, wait_until

SLEEPING = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like '%psycopg3 sleeper%'"


@contextlib.contextmanager
def connected(count=CONNECTIONS, each=lambda index: {}):
    """A number of connections in autocommit mode, all closed at the end."""
    with contextlib.ExitStack() as stack:
        found = []
        for index in range(count):
            connection = psycopg.connect("", autocommit=True, prepare_threshold=1, **each(index))
            stack.callback(connection.close)
            found.append(connection)
        yield found


def rows(connection, query, parameters=None):
    return connection.execute(query, parameters).fetchall()


def value(connection, query, parameters=None):
    return rows(connection, query, parameters)[0][0]


def check_parameters():
    def work(index, connection):
        for number in range(ROUNDS):
            equal(value(connection, "select %s::int * 2", (index * 1000 + number,)), (index * 1000 + number) * 2, "product")
            equal(value(connection, "select note from cached where id = %s", (index + 1,)), f"note {index + 1}", "note")
            equal(value(connection, "select %s::text", (f"text {number}",)), f"text {number}", "text")

    with connected() as connections:
        for_each(connections, work)


def check_many_statements():
    """More than prepared_max (100): psycopg closes the oldest by DEALLOCATE or Close."""

    def work(index, connection):
        for number in list(range(130)) * 2:
            for _ in range(2):
                equal(value(connection, f"select {number} + %s::int", (index,)), number + index, "sum")

    with connected(4) as connections:
        for_each(connections, work)


def check_explicit_prepare():
    def work(index, connection):
        for number in range(ROUNDS):
            cursor = connection.execute("select %s::int - 1", (number,), prepare=True)
            equal(cursor.fetchone(), (number - 1,), "difference")
            cursor = connection.execute("select %b::int8, %b::text", (number, f"text {index}"), binary=True)
            equal(cursor.fetchone(), (number, f"text {index}"), "binary")

    with connected() as connections:
        for_each(connections, work)


def check_transactions():
    def work(index, connection):
        for number in range(ROUNDS):
            with connection.transaction():
                connection.execute("insert into items values (%s, %s)", (index, f"kept {number}"))
            with connection.transaction():
                connection.execute("insert into items values (%s, %s)", (index, f"lost {number}"))
                equal(value(connection, "select count(*) from items where writer = %s", (index,)), number + 2, "own rows")
                raise psycopg.Rollback

    with connected() as connections:
        for_each(connections, work)
        equal(
            rows(connections[0], "select count(*), count(*) filter (where note like 'lost%') from items"),
            [(CONNECTIONS * ROUNDS, 0)],
            "rows in the end",
        )
        connections[0].execute("delete from items")


def check_savepoints():
    def work(index, connection):
        with connection.transaction():
            connection.execute("insert into items values (%s, 'before')", (500 + index,))
            with contextlib.suppress(errors.DivisionByZero), connection.transaction():
                connection.execute("insert into items values (%s, 'inside')", (500 + index,))
                connection.execute("select 1 / %s", (0,))
            connection.execute("insert into items values (%s, 'after')", (500 + index,))
        equal(
            rows(connection, "select note from items where writer = %s order by note", (500 + index,)),
            [("after",), ("before",)],
            "rows around the savepoint",
        )

    with connected() as connections:
        for_each(connections, work)


def check_copy():
    def work(index, connection):
        expected = [(index, number, f"note {number}") for number in range(2000)]
        with connection.cursor() as cursor:
            with cursor.copy("copy copied from stdin") as copy:
                for row in expected:
                    copy.write_row(row)
            with cursor.copy("copy (select * from copied where id = %s order by number) to stdout", (index,)) as copy:
                copy.set_types(["int4", "int4", "text"])
                equal(list(copy.rows()) == expected, True, "what came out is what went in")
            try:
                with cursor.copy("copy copied from stdin") as copy:
                    copy.write_row((index, 0, "lost"))
                    raise KeyError("given up")
            except KeyError:
                pass
        equal(value(connection, "select count(*) from copied where id = %s", (index,)), 2000, "rows after a COPY given up")

    with connected() as connections:
        for_each(connections, work)


def check_server_side_cursor():
    def work(index, connection):
        with connection.transaction(), connection.cursor(name=f"cursor_{index % 2}") as cursor:
            cursor.itersize = 50
            cursor.execute("select n + %s from generate_series(1, 500) n", (index,))
            equal([row[0] for row in cursor], list(range(1 + index, 501 + index)), "rows by cursor")

    with connected() as connections:
        for_each(connections, work)


def check_pipeline():
    def work(index, connection):
        for number in range(5):
            with connection.pipeline():
                cursors = [connection.execute("select %s::int * 3", (index * 100 + step,)) for step in range(ROUNDS)]
            equal([cursor.fetchone()[0] for cursor in cursors], [(index * 100 + step) * 3 for step in range(ROUNDS)], "answers")
            with connection.pipeline(), connection.transaction():
                connection.execute("insert into items values (%s, %s)", (1000 + index, f"pipeline {number}"))
                cursor = connection.execute("select count(*) from items where writer = %s", (1000 + index,))
                equal(cursor.fetchone(), (number + 1,), "rows in a pipeline's transaction")

    with connected() as connections:
        for_each(connections, work)


def check_pipeline_with_an_error():
    def work(index, connection):
        for number in range(5):
            try:
                with connection.pipeline():
                    good = connection.execute("select %s::int + 1", (index,))
                    connection.execute("select 1 / %s::int", (0,))
                    # psycopg believes in a statement whose Parse the server skipped: this one must not be prepared here.
                    connection.execute("select %s::int + 2", (index,), prepare=False)
            except errors.DivisionByZero:
                equal(good.fetchone(), (index + 1,), "the answer before the error")
                equal(value(connection, "select %s::int + 3", (index,)), index + 3, "the session after the error")
                continue
            raise AssertionError("the error got lost")

    with connected() as connections:
        for_each(connections, work)


def check_cancel():
    def sleep(connection):
        try:
            connection.execute("select pg_sleep(%s) /* psycopg3 sleeper */", (20,))
        except errors.QueryCanceled:
            equal(value(connection, "select %s::int", (7,)), 7, "the session after the cancel")
            return
        raise AssertionError("the query was not cancelled")

    def cancel(connection, watcher):
        wait_until(lambda: value(watcher, SLEEPING) == 1, "the sleep")
        connection.cancel_safe(timeout=PATIENCE_SECONDS)

    def work(connection):
        for number in range(ROUNDS * 5):
            equal(value(connection, "select %s::int", (number,)), number, "a bystander's answer")

    with connected() as connections:
        together(
            [lambda: sleep(connections[0]), lambda: cancel(connections[0], connections[1])]
            + [lambda connection=connection: work(connection) for connection in connections[2:]]
        )


def check_notify():
    expected = {f"from {index}, {number}" for index in range(1, CONNECTIONS) for number in range(5)}

    def listen(connection):
        received = [notify.payload for notify in connection.notifies(timeout=PATIENCE_SECONDS, stop_after=len(expected))]
        equal(len(received), len(expected), "notifications")
        equal(set(received), expected, "payloads")
        connection.execute("unlisten *")

    def work(index, connection):
        for number in range(5):
            connection.execute("select pg_notify('psycopg3', %s)", (f"from {index}, {number}",))
            equal(value(connection, "select %s::int", (number,)), number, "an answer")

    with connected() as connections:
        connections[0].execute("listen psycopg3")
        together(
            [lambda: listen(connections[0])]
            + [lambda index=index: work(index, connections[index]) for index in range(1, CONNECTIONS)]
        )


def settings_of(connection):
    return (
        value(connection, "show timezone"),
        value(connection, "show application_name"),
        value(connection, "show work_mem"),
        value(connection, "select name from place"),
    )


def check_settings():
    def own(index):
        return (f"Etc/GMT+{index + 1}", f"client {index}", f"{index + 1}MB", f"place_{index + 1}")

    def set_them(index, connection):
        zone, name, memory, place = own(index)
        connection.execute(f"set timezone to '{zone}'")
        connection.execute(f"set application_name to '{name}'")
        connection.execute("select set_config('work_mem', %s, false)", (memory,))
        connection.execute(f"set search_path to {place}")

    def local(index, connection):
        with connection.transaction():
            connection.execute("set local work_mem to '77MB'")
            equal(value(connection, "show work_mem"), "77MB", "SET LOCAL inside")
        with connection.transaction():
            connection.execute("set work_mem to '78MB'")
            raise psycopg.Rollback

    with connected() as connections:
        for_each(connections, set_them)
        for _ in range(5):
            for_each(connections, lambda index, connection: equal(settings_of(connection), own(index), "settings"))
            for_each(
                connections,
                lambda index, connection: equal(
                    connection.info.parameter_status("TimeZone"), own(index)[0], "the reported time zone"
                ),
            )
        for_each(connections, local)
        for_each(connections, lambda index, connection: equal(settings_of(connection), own(index), "settings after SET LOCAL"))


def check_settings_at_connect():
    def arguments(index):
        return {
            "application_name": f"started {index}",
            "options": f"-c timezone=Etc/GMT-{index + 1} -c work_mem={index + 1}MB -c search_path=place_{index + 1}",
        }

    with connected(each=arguments) as connections:
        for _ in range(3):
            for_each(
                connections,
                lambda index, connection: equal(
                    settings_of(connection),
                    (f"Etc/GMT-{index + 1}", f"started {index}", f"{index + 1}MB", f"place_{index + 1}"),
                    "settings",
                ),
            )


def check_cached_plan():
    query = "select * from cached where id = %s"

    def again(index, connection):
        expected = [(index + 1, f"note {index + 1}", 5)]
        for attempt in range(3):
            try:
                equal(rows(connection, query, (index + 1,)), expected, "row after DDL")
                return "the new rows" if attempt == 0 else f"0A000 {attempt} times, then the new rows"
            except errors.FeatureNotSupported as error:
                equal(is_cached_plan_error(error), True, "0A000 for the plan")
        connection.prepare_threshold = None
        equal(rows(connection, query, (index + 1,)), expected, "row in the end")
        return "0A000 every time; the new rows without preparing"

    with connected() as connections, connected(2) as others:
        for _ in range(4):
            for_each(
                connections,
                lambda index, connection: equal(
                    rows(connection, query, (index + 1,)), [(index + 1, f"note {index + 1}")], "row"
                ),
            )
        others[0].execute("alter table cached add column extra int default 5")
        for _ in range(4):
            equal(rows(others[1], query, (1,)), [(1, "note 1", 5)], "a newcomer's row")
        return "after DDL it gets " + " or ".join(sorted(set(for_each(connections, again))))


def check_newcomers_see_defaults():
    with connected() as connections:
        for _ in range(3):
            for_each(
                connections,
                lambda index, connection: equal(
                    [value(connection, f"show {name}") for name in ("work_mem", "application_name", "search_path")],
                    ["4MB", "", '"$user", public'],
                    "defaults",
                ),
            )


def check_console():
    if console() is None:
        return "PostgreSQL has none"
    login = console()
    login["dbname"] = login.pop("database")
    with psycopg.connect("", prepare_threshold=1, **login) as connection:
        for _ in range(7):
            for binary in (False, True):
                cursor = connection.execute("show stats", binary=binary)
                equal([column.name for column in cursor.description][:2], ["database", "total_server_assignment_count"], "the columns")
                equal([int(row[2]) >= 0 for row in cursor.fetchall()], [True] * cursor.rowcount, "numbers")
                query = "select name, paused from databases where name = 'pgweir' order by name limit 1"
                equal(connection.execute(query, binary=binary).fetchall(), [("pgweir", 0)], "a row")
            connection.commit()
        connection.execute("pause app timeout '5s'")
        connection.execute("resume app")
        connection.rollback()
        with connection.pipeline():
            first = connection.execute("show version")
            second = connection.execute("select count(*) from pools")
            equal((first.fetchone()[0].split()[0], second.fetchone()[0] > 0), ("pgweir", True), "answers in a pipeline")


print(f"version: {psycopg.__version__}, libpq {pq.version()}")
run_all(globals())
