"""psycopg2: it has no prepared statements of its own, so PREPARE and EXECUTE stand in for them."""

import io
import select
import time

import psycopg2
import psycopg2.errors

from checks import CONNECTIONS, PATIENCE_SECONDS, ROUNDS, console, equal, for_each, is_cached_plan_error, run_all, together, wait_until

SLEEPING = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like '%%psycopg2 sleeper%%'"


class Connections(list):
    """A number of connections in autocommit mode, all closed at the end."""

    def __init__(self, count=CONNECTIONS, **arguments):
        super().__init__()
        with_arguments = arguments.pop("each", lambda index: {})
        for index in range(count):
            connection = psycopg2.connect("", **arguments, **with_arguments(index))
            connection.autocommit = True
            self.append(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self:
            connection.close()


def rows(connection, query, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def value(connection, query, parameters=None):
    return rows(connection, query, parameters)[0][0]


def run(connection, query, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)


def check_parameters():
    def work(index, connection):
        for number in range(ROUNDS):
            equal(value(connection, "select %s::int * 2", (index * 1000 + number,)), (index * 1000 + number) * 2, "product")
            equal(value(connection, "select note from cached where id = %s", (index + 1,)), f"note {index + 1}", "note")

    with Connections() as connections:
        for_each(connections, work)


def check_prepare_and_execute():
    def prepare(index, connection):
        run(connection, f"prepare mine (int) as select $1 + {index}")

    def execute(index, connection):
        equal(value(connection, "execute mine (%s)", (100,)), 100 + index, "the statement of this connection")

    with Connections() as connections:
        for_each(connections, prepare)
        for _ in range(ROUNDS):
            for_each(connections, execute)
        for connection in connections:
            run(connection, "deallocate mine")
        try:
            execute(0, connections[0])
        except psycopg2.errors.InvalidSqlStatementName:
            return
        raise AssertionError("a deallocated statement is still there")


def check_transactions():
    def work(index, connection):
        connection.autocommit = False
        for number in range(ROUNDS):
            run(connection, "insert into items values (%s, %s)", (index, f"kept {number}"))
            connection.commit()
            run(connection, "insert into items values (%s, %s)", (index, f"lost {number}"))
            equal(value(connection, "select count(*) from items where writer = %s", (index,)), number + 2, "own rows")
            connection.rollback()

    with Connections() as connections:
        for_each(connections, work)
        for connection in connections:
            equal(
                rows(connection, "select count(*), count(*) filter (where note like 'lost%%') from items"),
                [(CONNECTIONS * ROUNDS, 0)],
                "rows in the end",
            )
            connection.rollback()
        run(connections[0], "delete from items")
        connections[0].commit()


def check_savepoints():
    def work(index, connection):
        connection.autocommit = False
        run(connection, "insert into items values (%s, 'before')", (500 + index,))
        run(connection, "savepoint inner_one")
        try:
            run(connection, "select 1 / 0")
        except psycopg2.errors.DivisionByZero:
            run(connection, "rollback to savepoint inner_one")
        run(connection, "insert into items values (%s, 'after')", (500 + index,))
        connection.commit()
        equal(
            rows(connection, "select note from items where writer = %s order by note", (500 + index,)),
            [("after",), ("before",)],
            "rows around the savepoint",
        )
        connection.commit()

    with Connections() as connections:
        for_each(connections, work)


def check_copy():
    def work(index, connection):
        text = "".join(f"{index}\t{number}\tnote {number}\n" for number in range(2000))
        with connection.cursor() as cursor:
            cursor.copy_expert("copy copied from stdin", io.StringIO(text))
            out = io.StringIO()
            cursor.copy_expert(f"copy (select * from copied where id = {index} order by number) to stdout", out)
        equal(out.getvalue() == text, True, "what came out is what went in")

    with Connections() as connections:
        for_each(connections, work)


def check_server_side_cursor():
    def work(index, connection):
        connection.autocommit = False
        with connection.cursor(name=f"cursor_{index % 2}") as cursor:
            cursor.itersize = 50
            cursor.execute("select n + %s from generate_series(1, 500) n", (index,))
            equal([row[0] for row in cursor], list(range(1 + index, 501 + index)), "rows by cursor")
        connection.commit()

    with Connections() as connections:
        for_each(connections, work)


def check_cancel():
    def sleep(connection):
        try:
            run(connection, "select pg_sleep(20) /* psycopg2 sleeper */")
        except psycopg2.errors.QueryCanceled:
            equal(value(connection, "select 7"), 7, "the session after the cancel")
            return
        raise AssertionError("the query was not cancelled")

    def cancel(connection, watcher):
        wait_until(lambda: value(watcher, SLEEPING) == 1, "the sleep")
        connection.cancel()

    def work(connection):
        for number in range(ROUNDS * 5):
            equal(value(connection, "select %s::int", (number,)), number, "a bystander's answer")

    with Connections() as connections:
        together(
            [lambda: sleep(connections[0]), lambda: cancel(connections[0], connections[1])]
            + [lambda connection=connection: work(connection) for connection in connections[2:]]
        )


def check_notify():
    expected = {f"from {index}, {number}" for index in range(1, CONNECTIONS) for number in range(5)}

    def listen(connection):
        received = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(received) < len(expected) and time.monotonic() < deadline:
            select.select([connection], [], [], 1)
            connection.poll()
            while connection.notifies:
                received.append(connection.notifies.pop(0).payload)
        equal(len(received), len(expected), "notifications")
        equal(set(received), expected, "payloads")
        run(connection, "unlisten *")

    def work(index, connection):
        for number in range(5):
            run(connection, "select pg_notify('psycopg2', %s)", (f"from {index}, {number}",))
            equal(value(connection, "select %s::int", (number,)), number, "an answer")

    with Connections() as connections:
        run(connections[0], "listen psycopg2")
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
        run(connection, f"set timezone to '{zone}'")
        run(connection, f"set application_name to '{name}'")
        run(connection, f"set work_mem to '{memory}'")
        run(connection, f"set search_path to {place}")

    def local(index, connection):
        connection.autocommit = False
        run(connection, "set local work_mem to '77MB'")
        equal(value(connection, "show work_mem"), "77MB", "SET LOCAL inside")
        connection.commit()
        run(connection, "set work_mem to '78MB'")
        connection.rollback()
        connection.autocommit = True

    with Connections() as connections:
        for_each(connections, set_them)
        for _ in range(5):
            for_each(connections, lambda index, connection: equal(settings_of(connection), own(index), "settings"))
        for_each(connections, local)
        for_each(connections, lambda index, connection: equal(settings_of(connection), own(index), "settings after SET LOCAL"))


def check_settings_at_connect():
    def arguments(index):
        return {
            "application_name": f"started {index}",
            "options": f"-c timezone=Etc/GMT-{index + 1} -c work_mem={index + 1}MB -c search_path=place_{index + 1}",
        }

    with Connections(each=arguments) as connections:
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
    with Connections() as connections, Connections(count=2) as others:
        for connection in connections:
            run(connection, "prepare whole (int) as select * from cached where id = $1")
        for _ in range(3):
            for_each(
                connections,
                lambda index, connection: equal(
                    rows(connection, "execute whole (%s)", (index + 1,)), [(index + 1, f"note {index + 1}")], "row"
                ),
            )
        run(others[0], "alter table cached add column extra int default 5")
        run(others[1], "prepare whole (int) as select * from cached where id = $1")
        equal(rows(others[1], "execute whole (1)"), [(1, "note 1", 5)], "a newcomer's row")

        def again(index, connection):
            try:
                equal(
                    rows(connection, "execute whole (%s)", (index + 1,)), [(index + 1, f"note {index + 1}", 5)], "row after DDL"
                )
                return "the new rows"
            except psycopg2.errors.FeatureNotSupported as error:
                equal(is_cached_plan_error(error), True, "0A000 for the plan")
                run(connection, "deallocate whole")
                run(connection, "prepare whole (int) as select * from cached where id = $1")
                equal(
                    rows(connection, "execute whole (%s)", (index + 1,)),
                    [(index + 1, f"note {index + 1}", 5)],
                    "row in the end",
                )
                return "0A000; the new rows after DEALLOCATE and PREPARE"

        return "after DDL EXECUTE gives " + " or ".join(sorted(set(for_each(connections, again))))


def check_newcomers_see_defaults():
    with Connections() as connections:
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
    connection = psycopg2.connect("", **console())
    try:
        for autocommit in (False, True):
            connection.autocommit = autocommit
            equal(value(connection, "select count(*) from databases where name = 'pgweir'"), 1, "a count")
            with connection.cursor() as cursor:
                cursor.execute("show stats")
                names = [column.name for column in cursor.description]
                equal(names[:2], ["database", "total_server_assignment_count"], "the columns")
                equal(len(cursor.fetchall()) > 0, True, "rows")
            run(connection, "set query_wait_timeout = %s", ("20s",))
            run(connection, "pause app timeout '5s'")
            run(connection, "resume app")
            equal(value(connection, "select version()").startswith("pgweir"), True, "the version")
            connection.rollback()
        run(connection, "reload")
    finally:
        connection.close()


print(f"version: {psycopg2.__version__.split()[0]}, libpq {psycopg2.extensions.libpq_version()}")
run_all(globals())
