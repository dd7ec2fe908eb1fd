// What the programme for libpq stands on: one line per check, connections opened and closed together, results compared.
//
// A failure jumps out of the check (longjmp): its connections are closed by RunCheck, results it still held are leaked,
// which a process that ends soon may do. Threads: none; many connections are at work by asking all before reading from
// any.
#pragma once

#include <libpq-fe.h>

enum { kConnections = 8, kRounds = 20, kPatienceSeconds = 20 };

typedef void (*Check)(PGconn** connections);

// Opens `count` connections with `options` added to the environment's, runs the check, closes them, prints the line.
void RunCheck(const char* name, int count, const char* options, Check check);
int HasFailed(void);

void Fail(const char* format, ...) __attribute__((format(printf, 1, 2), noreturn));
// A line "note: NAME OF THE CHECK: text", printed after the check's own.
void Note(const char* format, ...) __attribute__((format(printf, 1, 2)));

// Text that lives until eight more were made.
const char* Text(const char* format, ...) __attribute__((format(printf, 1, 2)));

// The next result, which must be of `status`; NULL is the end of a query's results.
PGresult* NextResult(PGconn* connection, ExecStatusType status, const char* what);
void ExpectEnd(PGconn* connection, const char* what);
// The next result is one row of one column; or an error with that SQLSTATE.
void ExpectValue(PGconn* connection, const char* expected, const char* what);
void ExpectState(PGconn* connection, const char* state, const char* what);
void ExpectSync(PGconn* connection);
void Require(int succeeded, PGconn* connection, const char* what);

// A whole simple query, with its end.
void Run(PGconn* connection, const char* sql);
void RunForValue(PGconn* connection, const char* sql, const char* expected);

// Sends in the extended protocol with one text parameter.
void SendQuery(PGconn* connection, const char* sql, const char* parameter);
void SendPrepared(PGconn* connection, const char* name, const char* parameter);
