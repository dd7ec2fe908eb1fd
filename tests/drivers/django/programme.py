"""Django's ORM: connections that live longer than a request (CONN_MAX_AGE=None), one in each of eight threads.

Django keeps a connection per thread and alias. Server-side cursors stay on, as by default: iterator() in autocommit mode
declares a cursor WITH HOLD, which lives longer than its transaction.
"""

import contextlib
import os
import threading

import django
import psycopg
from django.conf import settings
from django.db import connections, models, transaction
from django.db.utils import DataError, NotSupportedError, OperationalError

from checks import CONNECTIONS, PATIENCE_SECONDS, ROUNDS, equal, run_all, together, wait_until

DEFAULT = {
    "ENGINE": "django.db.backends.postgresql",
    "HOST": os.environ["PGHOST"],
    "PORT": os.environ["PGPORT"],
    "USER": os.environ["PGUSER"],
    "PASSWORD": os.environ["PGPASSWORD"],
    "NAME": os.environ["PGDATABASE"],
    "CONN_MAX_AGE": None,
}
# As its documentation offers it: the server takes the parameters, and psycopg prepares what runs often.
BINDING = {"OPTIONS": {"server_side_binding": True, "prepare_threshold": 1}}
ZONED = {
    "TIME_ZONE": "Asia/Tokyo",
    "OPTIONS": {"application_name": "started", "options": "-c work_mem=3MB -c search_path=place_3"},
}
settings.configure(
    DATABASES={"default": DEFAULT, "binding": DEFAULT | BINDING, "zoned": DEFAULT | ZONED},
    USE_TZ=True,
    TIME_ZONE="UTC",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

SLEEPING = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like '%%django sleeper%%'"


class Cached(models.Model):
    note = models.TextField()

    class Meta:
        app_label = "programme"
        db_table = "cached"


class Entry(models.Model):
    writer = models.IntegerField()
    note = models.TextField()

    class Meta:
        app_label = "programme"
        db_table = "django_entry"


def in_threads(work, count=CONNECTIONS):
    """work(index) in threads, each with connections of its own, which it closes at the end."""

    def run(index):
        try:
            return work(index)
        finally:
            connections.close_all()

    return together([lambda index=index: run(index) for index in range(count)])


def value(query, parameters=None, alias="default"):
    with connections[alias].cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()[0]


def check_schema_editor():
    with connections["default"].schema_editor() as editor:
        editor.create_model(Entry)
    connections.close_all()


def check_parameters():
    def work(index):
        for number in range(ROUNDS):
            equal(Cached.objects.get(pk=index + 1).note, f"note {index + 1}", "note")
            equal(value("select %s::int * 2", [index * 1000 + number]), (index * 1000 + number) * 2, "product")

    in_threads(work)


def check_server_side_binding():
    def work(index):
        for number in range(ROUNDS):
            equal(Cached.objects.using("binding").get(pk=index + 1).note, f"note {index + 1}", "note")
            equal(value("select %s::int * 2", [number], "binding"), number * 2, "product")

    in_threads(work)


def check_atomic():
    def work(index):
        for number in range(ROUNDS):
            with transaction.atomic():
                Entry.objects.create(writer=index, note=f"kept {number}")
                with contextlib.suppress(DataError), transaction.atomic():
                    Entry.objects.create(writer=index, note=f"lost {number}")
                    value("select 1 / %s", [0])
            with contextlib.suppress(KeyError), transaction.atomic():
                Entry.objects.create(writer=index, note=f"lost {number}")
                raise KeyError("rolls back")
        equal(Entry.objects.filter(writer=index).count(), ROUNDS, "rows")
        equal(Entry.objects.filter(writer=index, note__startswith="lost").count(), 0, "rows that were rolled back")

    in_threads(work)


def check_bulk_create():
    def work(index):
        made = Entry.objects.bulk_create([Entry(writer=500 + index, note=f"bulk {number}") for number in range(200)])
        equal(len({entry.pk for entry in made}), 200, "new keys")
        equal(Entry.objects.filter(writer=500 + index).update(note="changed"), 200, "changed rows")
        equal(Entry.objects.filter(writer=500 + index).delete()[0], 200, "deleted rows")

    in_threads(work)


def check_select_for_update():
    def work(_index):
        for _ in range(5):
            with transaction.atomic():
                entry = Entry.objects.select_for_update().get(writer=900)
                entry.note = str(int(entry.note) + 1)
                entry.save()

    Entry.objects.create(writer=900, note="0")
    connections.close_all()
    in_threads(work)
    equal(Entry.objects.get(writer=900).note, str(CONNECTIONS * 5), "the counter")
    connections.close_all()


def check_iterator_in_a_transaction():
    def work(_index):
        with transaction.atomic():
            equal([row.pk for row in Cached.objects.order_by("pk").iterator(chunk_size=2)], list(range(1, 9)), "rows by cursor")

    in_threads(work)


def check_iterator_with_hold():
    def work(index):
        for _ in range(3):
            found = []
            for row in Cached.objects.order_by("pk").iterator(chunk_size=2):
                equal(value("select %s::int", [index]), index, "a query between two chunks")
                found.append(row.pk)
            equal(found, list(range(1, 9)), "rows by cursor")

    in_threads(work)


def check_cancel():
    sleeper = []
    ready = threading.Event()

    def work(index):
        if index == 0:
            value("select 1")
            sleeper.append(connections["default"].connection)
            ready.set()
            try:
                value("select pg_sleep(20) /* django sleeper */")
            except OperationalError as error:
                equal(error.__cause__.sqlstate, "57014", "the error of the cancelled query")
                equal(value("select %s::int", [7]), 7, "the session after the cancel")
                return
            raise AssertionError("the query was not cancelled")
        if index == 1:
            ready.wait(PATIENCE_SECONDS)
            wait_until(lambda: value(SLEEPING) == 1, "the sleep")
            sleeper[0].cancel_safe(timeout=PATIENCE_SECONDS)
            return
        for number in range(ROUNDS * 5):
            equal(value("select %s::int", [number]), number, "a bystander's answer")

    in_threads(work)


def check_settings():
    """Two connections in each thread, with other settings at connect."""

    def work(index):
        value("select set_config('search_path', %s, false)", [f"place_{index + 1}, public"])
        for _ in range(10):
            equal(value("select name from place"), f"place_{index + 1}", "search_path")
            equal(value("show timezone"), "UTC", "the time zone that Django sets")
            with transaction.atomic():
                value("select set_config('search_path', %s, true)", ["place_8"])
                equal(value("select name from place"), "place_8", "a local search_path")
            equal(
                [value(f"show {name}", None, "zoned") for name in ("timezone", "application_name", "work_mem")],
                ["Asia/Tokyo", "started", "3MB"],
                "settings at connect",
            )
            equal(value("select name from place", None, "zoned"), "place_3", "search_path at connect")

    in_threads(work)


def check_cached_plan():
    barrier = threading.Barrier(CONNECTIONS + 1)
    query = "select * from cached where id = %s"

    def row(index, alias):
        with connections[alias].cursor() as cursor:
            cursor.execute(query, [index + 1])
            return cursor.fetchone()

    def work(index):
        if index == CONNECTIONS:
            barrier.wait(PATIENCE_SECONDS)
            with connections["default"].cursor() as cursor:
                cursor.execute("alter table cached add column extra int default 5")
            for _ in range(3):
                equal(row(0, "binding"), (1, "note 1", 5), "a newcomer's row")
            barrier.wait(PATIENCE_SECONDS)
            return None
        try:
            for _ in range(3):
                equal(row(index, "binding"), (index + 1, f"note {index + 1}"), "row")
            barrier.wait(PATIENCE_SECONDS)
            barrier.wait(PATIENCE_SECONDS)
        except Exception:
            barrier.abort()
            raise
        equal(row(index, "default"), (index + 1, f"note {index + 1}", 5), "row after DDL, not prepared")
        equal(Cached.objects.using("binding").get(pk=index + 1).note, f"note {index + 1}", "object after DDL")
        for attempt in range(3):
            try:
                equal(row(index, "binding"), (index + 1, f"note {index + 1}", 5), "row after DDL")
                return "the new rows" if attempt == 0 else f"0A000 {attempt} times, then the new rows"
            except NotSupportedError as error:
                equal(error.__cause__.sqlstate, "0A000", "the error after DDL")
        connections["binding"].close()
        equal(row(index, "binding"), (index + 1, f"note {index + 1}", 5), "row in the end")
        return "0A000 every time; the new rows on a new connection"

    outcomes = set(in_threads(work, CONNECTIONS + 1)) - {None}
    return "with server_side_binding and preparing, after DDL it gets " + " or ".join(sorted(outcomes))


print(f"version: {django.__version__} (psycopg {psycopg.__version__})")
run_all(globals())
