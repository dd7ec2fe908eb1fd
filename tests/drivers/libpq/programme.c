// libpq: named statements whose names are the same on all connections and whose texts are not, pipelines with and
// without errors, several Syncs in flight, single-row mode, COPY, cancel, LISTEN.

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

static const char kSleeping[] =
    "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like '%libpq sleeper%'";

static void CheckPreparedStatements(PGconn** connections) {
  for (int index = 0; index < kConnections; ++index) {
    PGresult* result = PQprepare(connections[index], "mine", Text("select $1::int + %d", index), 0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) Fail("prepare: %s", PQresultErrorMessage(result));
    PQclear(result);
  }
  for (int round = 0; round < kRounds; ++round) {
    for (int index = 0; index < kConnections; ++index) SendPrepared(connections[index], "mine", Text("%d", round));
    for (int index = 0; index < kConnections; ++index)
      ExpectValue(connections[index], Text("%d", round + index), "sum");
  }
}

static void CheckDescribe(PGconn** connections) {
  for (int index = 0; index < kConnections; ++index) {
    PQclear(PQprepare(connections[index], "described", "select $1::int8 as number, $2::text as text", 0, NULL));
  }
  for (int round = 0; round < kRounds; ++round) {
    PGconn* connection = connections[round % kConnections];
    PGresult* result = PQdescribePrepared(connection, "described");
    if (PQnparams(result) != 2 || PQnfields(result) != 2 || PQparamtype(result, 0) != 20 ||
        strcmp(PQfname(result, 1), "text") != 0) {
      Fail("described as %d parameters and %d columns: %s", PQnparams(result), PQnfields(result),
           PQresultErrorMessage(result));
    }
    PQclear(result);
  }
}

static void CheckUnknownStatement(PGconn** connections) {
  Run(connections[0], "prepare other as select 1");
  SendPrepared(connections[1], "other", "1");
  ExpectState(connections[1], "26000", "a statement of another connection");
  Require(PQsendPrepare(connections[1], "twice", "select 1", 0, NULL), connections[1], "prepare");
  PQclear(NextResult(connections[1], PGRES_COMMAND_OK, "prepare"));
  ExpectEnd(connections[1], "prepare");
  Require(PQsendPrepare(connections[1], "twice", "select 2", 0, NULL), connections[1], "prepare again");
  ExpectState(connections[1], "42P05", "a name that is taken");
  Run(connections[1], "deallocate twice");
  Require(PQsendPrepare(connections[1], "twice", "select 2", 0, NULL), connections[1], "prepare after deallocate");
  PQclear(NextResult(connections[1], PGRES_COMMAND_OK, "prepare after deallocate"));
  ExpectEnd(connections[1], "prepare after deallocate");
  Run(connections[1], "deallocate all");
  SendPrepared(connections[1], "twice", "1");
  ExpectState(connections[1], "26000", "a statement after DEALLOCATE ALL");
}

static void EnterPipelines(PGconn** connections) {
  for (int index = 0; index < kConnections; ++index)
    Require(PQenterPipelineMode(connections[index]), connections[index], "pipeline mode");
}

// Everything is sent to all connections before anything is read.
static void CheckPipelines(PGconn** connections) {
  EnterPipelines(connections);
  for (int round = 0; round < 5; ++round) {
    for (int index = 0; index < kConnections; ++index) {
      PGconn* connection = connections[index];
      Require(PQsendPrepare(connection, Text("statement %d", round), Text("select $1::int * %d", index + 1), 0, NULL),
              connection, "prepare");
      for (int number = 0; number < kRounds; ++number)
        SendPrepared(connection, Text("statement %d", round), Text("%d", number));
      SendQuery(connection, "select $1::text", "unnamed");
      Require(PQpipelineSync(connection), connection, "sync");
    }
    for (int index = 0; index < kConnections; ++index) {
      PGconn* connection = connections[index];
      PQclear(NextResult(connection, PGRES_COMMAND_OK, "prepare"));
      ExpectEnd(connection, "prepare");
      for (int number = 0; number < kRounds; ++number)
        ExpectValue(connection, Text("%d", number * (index + 1)), "product");
      ExpectValue(connection, "unnamed", "text");
      ExpectSync(connection);
    }
  }
}

static void CheckPipelinesWithErrors(PGconn** connections) {
  EnterPipelines(connections);
  for (int index = 0; index < kConnections; ++index) {
    PGconn* connection = connections[index];
    for (int part = 0; part < 4; ++part) {
      Require(PQsendPrepare(connection, Text("good %d", part), "select $1::int + 1", 0, NULL), connection, "prepare");
      SendPrepared(connection, Text("good %d", part), Text("%d", index));
      SendQuery(connection, "select 1 / $1::int", part % 2 == 0 ? "0" : "1");
      Require(PQsendPrepare(connection, Text("late %d", part), "select $1::int + 2", 0, NULL), connection, "prepare");
      SendPrepared(connection, Text("late %d", part), Text("%d", index));
      Require(PQpipelineSync(connection), connection, "sync");
    }
  }
  for (int index = 0; index < kConnections; ++index) {
    PGconn* connection = connections[index];
    for (int part = 0; part < 4; ++part) {
      ExecStatusType late = part % 2 == 0 ? PGRES_PIPELINE_ABORTED : PGRES_COMMAND_OK;
      PQclear(NextResult(connection, PGRES_COMMAND_OK, "prepare"));
      ExpectEnd(connection, "prepare");
      ExpectValue(connection, Text("%d", index + 1), "before the error");
      if (part % 2 == 0)
        ExpectState(connection, "22012", "the error");
      else
        ExpectValue(connection, "1", "no error");
      PQclear(NextResult(connection, late, "prepare after the error"));
      ExpectEnd(connection, "prepare after the error");
      if (part % 2 == 0)
        PQclear(NextResult(connection, PGRES_PIPELINE_ABORTED, "after the error"));
      else
        ExpectValue(connection, Text("%d", index + 2), "without an error");
      if (part % 2 == 0) ExpectEnd(connection, "after the error");
      ExpectSync(connection);
    }
  }
  // What was skipped after an error was never prepared; what came before it was.
  for (int index = 0; index < kConnections; ++index) {
    PGconn* connection = connections[index];
    SendPrepared(connection, "good 0", "5");
    Require(PQpipelineSync(connection), connection, "sync");
    SendPrepared(connection, "late 0", "5");
    Require(PQpipelineSync(connection), connection, "sync");
    SendPrepared(connection, "late 1", "5");
    Require(PQpipelineSync(connection), connection, "sync");
    ExpectValue(connection, "6", "prepared before the error");
    ExpectSync(connection);
    ExpectState(connection, "26000", "prepared after the error");
    ExpectSync(connection);
    ExpectValue(connection, "7", "prepared without an error");
    ExpectSync(connection);
  }
}

// A transaction over several Syncs, whose last one is sent only after the first answers were read.
static void CheckTransactionsInPipelines(PGconn** connections) {
  for (int index = 0; index < kConnections; ++index) {
    PGconn* connection = connections[index];
    Require(PQenterPipelineMode(connection), connection, "pipeline mode");
    SendQuery(connection, "begin", NULL);
    SendQuery(connection, "insert into items values ($1::int, 'pipeline')", Text("%d", 100 + index));
    Require(PQpipelineSync(connection), connection, "sync");
    SendQuery(connection, "select count(*) from items where writer = $1", Text("%d", 100 + index));
    Require(PQpipelineSync(connection), connection, "sync");
    for (int command = 0; command < 2; ++command) {
      PQclear(NextResult(connection, PGRES_COMMAND_OK, "begin and insert"));
      ExpectEnd(connection, "begin and insert");
    }
    ExpectSync(connection);
    ExpectValue(connection, "1", "own row");
    ExpectSync(connection);
    SendQuery(connection, index % 2 == 0 ? "commit" : "rollback", NULL);
    SendQuery(connection, "select count(*) from items where writer = $1", Text("%d", 100 + index));
    Require(PQpipelineSync(connection), connection, "sync");
    PQclear(NextResult(connection, PGRES_COMMAND_OK, "end"));
    ExpectEnd(connection, "end");
    ExpectValue(connection, index % 2 == 0 ? "1" : "0", "rows in the end");
    ExpectSync(connection);
  }
}

static void CheckSingleRowMode(PGconn** connections) {
  for (int index = 0; index < kConnections; ++index) {
    SendQuery(connections[index], "select n + $1::int from generate_series(1, 3000) n", Text("%d", index));
    Require(PQsetSingleRowMode(connections[index]), connections[index], "single-row mode");
  }
  for (int index = 0; index < kConnections; ++index) {
    for (int number = 1; number <= 3000; ++number) {
      PGresult* result = NextResult(connections[index], PGRES_SINGLE_TUPLE, "row");
      if (atoi(PQgetvalue(result, 0, 0)) != number + index)
        Fail("row %s instead of %d", PQgetvalue(result, 0, 0), number + index);
      PQclear(result);
    }
    PQclear(NextResult(connections[index], PGRES_TUPLES_OK, "last"));
    ExpectEnd(connections[index], "rows");
  }
}

static void CheckCopy(PGconn** connections) {
  for (int index = 0; index < kConnections; ++index) {
    PGconn* connection = connections[index];
    Require(PQsendQuery(connection, "copy copied from stdin"), connection, "copy");
    PQclear(NextResult(connection, PGRES_COPY_IN, "copy in"));
    for (int number = 0; number < 2000; ++number) {
      const char* line = Text("%d\t%d\tnote %d\n", index, number, number);
      Require(PQputCopyData(connection, line, (int)strlen(line)) == 1, connection, "copy data");
    }
    Require(PQputCopyEnd(connection, index % 2 == 0 ? NULL : "given up") == 1, connection, "copy end");
    if (index % 2 == 0) {
      PQclear(NextResult(connection, PGRES_COMMAND_OK, "copied"));
      ExpectEnd(connection, "copied");
    } else {
      ExpectState(connection, "57014", "a COPY that was given up");
    }
    RunForValue(connection, Text("select count(*) from copied where id = %d", index), index % 2 == 0 ? "2000" : "0");
  }
  PGconn* connection = connections[1];
  Require(PQsendQuery(connection, "copy (select number from copied where id = 0 order by 1) to stdout"), connection,
          "copy");
  PQclear(NextResult(connection, PGRES_COPY_OUT, "copy out"));
  char* line = NULL;
  int number = 0;
  while (PQgetCopyData(connection, &line, 0) > 0) {
    if (atoi(line) != number++) Fail("line %s instead of %d", line, number - 1);
    PQfreemem(line);
  }
  PQclear(NextResult(connection, PGRES_COMMAND_OK, "copied out"));
  ExpectEnd(connection, "copied out");
  if (number != 2000) Fail("%d lines instead of 2000", number);
}

static void CheckCancel(PGconn** connections) {
  Require(PQsendQuery(connections[0], "select pg_sleep(20) /* libpq sleeper */"), connections[0], "sleep");
  for (int asleep = 0; !asleep;) {
    PGresult* result = PQexec(connections[1], kSleeping);
    asleep = strcmp(PQgetvalue(result, 0, 0), "1") == 0;
    PQclear(result);
    if (PQisBusy(connections[0]) == 0) Fail("the sleep ended by itself");
    Require(PQconsumeInput(connections[0]), connections[0], "sleep");
  }
  char error[256];
  PGcancel* cancel = PQgetCancel(connections[0]);
  if (!PQcancel(cancel, error, sizeof error)) Fail("cancel: %s", error);
  PQfreeCancel(cancel);
  for (int index = 2; index < kConnections; ++index) RunForValue(connections[index], "select 3", "3");
  ExpectState(connections[0], "57014", "the cancelled query");
  RunForValue(connections[0], "select 7", "7");
}

// One notification, waited for; NULL when none came.
static PGnotify* NextNotification(PGconn* connection) {
  PGnotify* notification = PQnotifies(connection);
  while (notification == NULL) {
    struct pollfd readable = {.fd = PQsocket(connection), .events = POLLIN};
    if (poll(&readable, 1, kPatienceSeconds * 1000) <= 0 || !PQconsumeInput(connection)) return NULL;
    notification = PQnotifies(connection);
  }
  return notification;
}

static void CheckNotify(PGconn** connections) {
  enum { kExpected = 5 * (kConnections - 1) };
  int seen[kExpected] = {0};
  Run(connections[0], "listen libpq");
  for (int number = 0; number < kExpected; ++number) {
    PGconn* connection = connections[1 + number % (kConnections - 1)];
    Run(connection, Text("select pg_notify('libpq', '%d')", number));
    RunForValue(connection, Text("select %d", number), Text("%d", number));
  }
  for (int received = 0; received < kExpected; ++received) {
    PGnotify* notification = NextNotification(connections[0]);
    if (notification == NULL) Fail("%d notifications instead of %d", received, kExpected);
    int number = atoi(notification->extra);
    if (number < 0 || number >= kExpected || seen[number]++) Fail("unexpected notification '%s'", notification->extra);
    PQfreemem(notification);
  }
  RunForValue(connections[0], "select 8", "8");
  Run(connections[0], "unlisten *");
}

static void CheckSettings(PGconn** connections) {
  for (int index = 0; index < kConnections; ++index) {
    Run(connections[index], Text("set work_mem to '%dMB'; set timezone to 'Etc/GMT+%d'; set search_path to place_%d",
                                 index + 1, index + 1, index + 1));
  }
  for (int round = 0; round < 5; ++round) {
    for (int index = 0; index < kConnections; ++index) {
      Require(PQsendQuery(
                  connections[index],
                  "select current_setting('work_mem') || ' ' || current_setting('timezone') || ' ' || name from place"),
              connections[index], "settings");
    }
    for (int index = 0; index < kConnections; ++index) {
      ExpectValue(connections[index], Text("%dMB Etc/GMT+%d place_%d", index + 1, index + 1, index + 1), "settings");
      const char* zone = PQparameterStatus(connections[index], "TimeZone");
      if (strcmp(zone, Text("Etc/GMT+%d", index + 1)) != 0) Fail("reported time zone %s", zone);
    }
  }
}

static void CheckSettingsAtConnect(PGconn** connections) {
  for (int index = 0; index < kConnections; ++index) {
    RunForValue(connections[index], "show work_mem", "3MB");
    RunForValue(connections[index], "show application_name", "started");
    RunForValue(connections[index], "select name from place", "place_3");
  }
}

// One row of `columns` columns through the statement "whole"; 0 when the server said 0A000.
static int GetsWholeRow(PGconn* connection, int id, int columns, const char* what) {
  SendPrepared(connection, "whole", Text("%d", id));
  PGresult* result = PQgetResult(connection);
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  int is_outdated = state != NULL && strcmp(state, "0A000") == 0;
  if (!is_outdated) {
    if (PQresultStatus(result) != PGRES_TUPLES_OK) Fail("%s: %s", what, PQresultErrorMessage(result));
    if (PQntuples(result) != 1 || PQnfields(result) != columns)
      Fail("%s: %d rows of %d columns", what, PQntuples(result), PQnfields(result));
    if (atoi(PQgetvalue(result, 0, 0)) != id || strcmp(PQgetvalue(result, 0, 1), Text("note %d", id)) != 0)
      Fail("%s: a wrong row", what);
    if (columns == 3 && strcmp(PQgetvalue(result, 0, 2), "5") != 0)
      Fail("%s: extra %s", what, PQgetvalue(result, 0, 2));
  }
  PQclear(result);
  ExpectEnd(connection, what);
  return !is_outdated;
}

static void PrepareWhole(PGconn* connection, const char* what) {
  Require(PQsendPrepare(connection, "whole", "select * from cached where id = $1", 0, NULL), connection, what);
  PQclear(NextResult(connection, PGRES_COMMAND_OK, what));
  ExpectEnd(connection, what);
}

static void CheckCachedPlan(PGconn** connections) {
  PGconn *ddl = connections[kConnections], *newcomer = connections[kConnections + 1];
  int outdated = 0;
  for (int index = 0; index < kConnections; ++index) PrepareWhole(connections[index], "prepare");
  for (int round = 0; round < 3; ++round) {
    for (int index = 0; index < kConnections; ++index) GetsWholeRow(connections[index], index + 1, 2, "row");
  }
  Run(ddl, "alter table cached add column extra int default 5");
  PrepareWhole(newcomer, "a newcomer prepares");
  for (int round = 0; round < 3; ++round) {
    if (!GetsWholeRow(newcomer, 1, 3, "a newcomer's row")) Fail("a newcomer got 0A000");
  }
  for (int index = 0; index < kConnections; ++index) {
    PGconn* connection = connections[index];
    if (GetsWholeRow(connection, index + 1, 3, "row after DDL")) continue;
    ++outdated;
    Run(connection, "deallocate whole");
    PrepareWhole(connection, "prepare anew");
    if (!GetsWholeRow(connection, index + 1, 3, "row when prepared anew"))
      Fail("0A000 for a statement that was prepared anew");
  }
  Note("after DDL %d of %d connections get 0A000, and the new rows when they prepare anew", outdated, kConnections);
}

static void CheckNewcomers(PGconn** connections) {
  for (int index = 0; index < kConnections; ++index) {
    RunForValue(connections[index], "show work_mem", "4MB");
    RunForValue(connections[index], "show search_path", "\"$user\", public");
  }
}

int main(void) {
  printf("version: %d\n", PQlibVersion());
  RunCheck("prepared statements", kConnections, "", CheckPreparedStatements);
  RunCheck("describe", kConnections, "", CheckDescribe);
  RunCheck("names of statements", kConnections, "", CheckUnknownStatement);
  RunCheck("pipelines", kConnections, "", CheckPipelines);
  RunCheck("pipelines with errors", kConnections, "", CheckPipelinesWithErrors);
  RunCheck("transactions in pipelines", kConnections, "", CheckTransactionsInPipelines);
  RunCheck("single-row mode", kConnections, "", CheckSingleRowMode);
  RunCheck("copy", kConnections, "", CheckCopy);
  RunCheck("cancel", kConnections, "", CheckCancel);
  RunCheck("notify", kConnections, "", CheckNotify);
  RunCheck("settings", kConnections, "", CheckSettings);
  RunCheck("settings at connect", kConnections,
           "application_name=started options='-c work_mem=3MB -c search_path=place_3'", CheckSettingsAtConnect);
  RunCheck("cached plan", kConnections + 2, "", CheckCachedPlan);
  RunCheck("newcomers see defaults", kConnections, "", CheckNewcomers);
  return HasFailed();
}
