#include "checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static jmp_buf check_ended;
static char failure[1000];
static char note[1000];
static int has_failed = 0;

int HasFailed(void) { return has_failed; }

void Fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure, sizeof failure, format, arguments);
  va_end(arguments);
  longjmp(check_ended, 1);
}

void Note(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(note, sizeof note, format, arguments);
  va_end(arguments);
}

const char* Text(const char* format, ...) {
  static char texts[8][500];
  static int next = 0;
  char* text = texts[next];
  next = (next + 1) % 8;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof texts[0], format, arguments);
  va_end(arguments);
  return text;
}

static void ConnectAll(PGconn** connections, int count, const char* options) {
  for (int index = 0; index < count; ++index) {
    connections[index] = PQconnectdb(options);
    if (PQstatus(connections[index]) != CONNECTION_OK) Fail("connect: %s", PQerrorMessage(connections[index]));
  }
}

static void OnOneLine(char* text) {
  for (; *text != '\0'; ++text) {
    if (*text == '\n') *text = ' ';
  }
}

void RunCheck(const char* name, int count, const char* options, Check check) {
  static PGconn* connections[2 * kConnections];
  memset(connections, 0, sizeof connections);
  failure[0] = note[0] = '\0';
  if (setjmp(check_ended) == 0) {
    ConnectAll(connections, count, options);
    check(connections);
  }
  for (int index = 0; index < 2 * kConnections; ++index) PQfinish(connections[index]);
  if (failure[0] == '\0') {
    printf("%s: ok\n", name);
  } else {
    has_failed = 1;
    OnOneLine(failure);
    printf("%s: FAILED: %s\n", name, failure);
  }
  if (note[0] != '\0') printf("note: %s: %s\n", name, note);
  fflush(stdout);
}

PGresult* NextResult(PGconn* connection, ExecStatusType status, const char* what) {
  PGresult* result = PQgetResult(connection);
  if (result == NULL) Fail("%s: no result: %s", what, PQerrorMessage(connection));
  if (PQresultStatus(result) != status) {
    Fail("%s: %s instead of %s: %s", what, PQresStatus(PQresultStatus(result)), PQresStatus(status),
         PQresultErrorMessage(result));
  }
  return result;
}

void ExpectEnd(PGconn* connection, const char* what) {
  PGresult* result = PQgetResult(connection);
  if (result != NULL) Fail("%s: a result too many: %s", what, PQresStatus(PQresultStatus(result)));
}

void ExpectValue(PGconn* connection, const char* expected, const char* what) {
  PGresult* result = NextResult(connection, PGRES_TUPLES_OK, what);
  if (PQntuples(result) != 1 || PQnfields(result) != 1) {
    Fail("%s: %d rows of %d columns", what, PQntuples(result), PQnfields(result));
  }
  if (strcmp(PQgetvalue(result, 0, 0), expected) != 0)
    Fail("%s: %s instead of %s", what, PQgetvalue(result, 0, 0), expected);
  PQclear(result);
  ExpectEnd(connection, what);
}

void ExpectState(PGconn* connection, const char* state, const char* what) {
  PGresult* result = NextResult(connection, PGRES_FATAL_ERROR, what);
  const char* found = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (found == NULL || strcmp(found, state) != 0)
    Fail("%s: instead of %s: %s", what, state, PQresultErrorMessage(result));
  PQclear(result);
  ExpectEnd(connection, what);
}

void ExpectSync(PGconn* connection) { PQclear(NextResult(connection, PGRES_PIPELINE_SYNC, "sync")); }

void Require(int succeeded, PGconn* connection, const char* what) {
  if (!succeeded) Fail("%s: %s", what, PQerrorMessage(connection));
}

void Run(PGconn* connection, const char* sql) {
  PGresult* result = PQexec(connection, sql);
  if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK) {
    Fail("%s: %s", sql, PQresultErrorMessage(result));
  }
  PQclear(result);
}

void RunForValue(PGconn* connection, const char* sql, const char* expected) {
  Require(PQsendQuery(connection, sql), connection, sql);
  ExpectValue(connection, expected, sql);
}

void SendQuery(PGconn* connection, const char* sql, const char* parameter) {
  const char* values[] = {parameter};
  Require(PQsendQueryParams(connection, sql, parameter != NULL, NULL, values, NULL, NULL, 0), connection, sql);
}

void SendPrepared(PGconn* connection, const char* name, const char* parameter) {
  const char* values[] = {parameter};
  Require(PQsendQueryPrepared(connection, name, 1, values, NULL, NULL, 0), connection, name);
}
