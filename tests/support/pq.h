// libpq for tests: RAII, and every wait with a deadline (TimedOut is thrown when it passes).
//
// A Result holds rows or an error; nothing throws on an SQL error. Threads: a Connection belongs to one thread at a
// time, except its Cancel, which any thread may send.
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/deadline.h"

namespace test_support {

class Result {
 public:
  Result() = default;
  explicit Result(PGresult* result) : result_(result) {}
  explicit operator bool() const { return result_ != nullptr; }
  ExecStatusType status() const { return PQresultStatus(result_.get()); }
  bool ok() const;  // no error (rows, command, COPY state, empty query, pipeline sync)
  int rows() const { return PQntuples(result_.get()); }
  int columns() const { return PQnfields(result_.get()); }
  std::string Name(int column) const { return PQfname(result_.get(), column); }
  Oid Type(int column) const { return PQftype(result_.get(), column); }
  std::vector<std::string> Names() const;
  std::string Value(int row = 0, int column = 0) const;       // "" for NULL and for what is not there
  std::string Value(int row, const std::string& name) const;  // throws when there is no such column
  bool IsNull(int row, int column) const { return PQgetisnull(result_.get(), row, column) == 1; }
  std::string tag() const { return PQcmdStatus(result_.get()); }
  std::string sqlstate() const { return Field(PG_DIAG_SQLSTATE); }
  std::string severity() const { return Field(PG_DIAG_SEVERITY_NONLOCALIZED); }
  std::string message() const { return Field(PG_DIAG_MESSAGE_PRIMARY); }
  std::string detail() const { return Field(PG_DIAG_MESSAGE_DETAIL); }
  std::string hint() const { return Field(PG_DIAG_MESSAGE_HINT); }
  std::string error() const { return PQresultErrorMessage(result_.get()); }
  PGresult* get() const { return result_.get(); }

 private:
  std::string Field(int code) const;
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

class Connection {
 public:
  explicit Connection(const std::string& conninfo, Milliseconds patience = kPatience);
  Connection() = default;  // empty
  Connection(Connection&&) = default;
  Connection& operator=(Connection&&) = default;

  bool ok() const { return PQstatus(connection_.get()) == CONNECTION_OK; }
  std::string error() const { return PQerrorMessage(connection_.get()); }
  PGconn* get() const { return connection_.get(); }
  void Close() { connection_.reset(); }
  void set_patience(Milliseconds patience) { patience_ = patience; }

  // One simple query; the last result, or the first error.
  Result Query(const std::string& sql);
  std::vector<Result> QueryAll(const std::string& sql);
  // Its one value; throws with the error when it fails.
  std::string Value(const std::string& sql);
  // Extended protocol.
  using Parameter = std::optional<std::string>;
  Result Params(const std::string& sql, const std::vector<Parameter>& parameters = {});
  Result Prepare(const std::string& name, const std::string& sql);
  Result Execute(const std::string& name, const std::vector<Parameter>& parameters = {});

  // Asynchronous: Send*, then Next until an empty Result.
  void Send(const std::string& sql);
  void SendParams(const std::string& sql, const std::vector<Parameter>& parameters = {});
  void SendPrepare(const std::string& name, const std::string& sql);
  void SendExecute(const std::string& name, const std::vector<Parameter>& parameters = {});
  Result Next();
  std::vector<Result> Collect();
  void Flush();       // until libpq has sent everything
  bool HasResult();   // without waiting
  bool WaitClosed();  // until the other side has ended the connection

  // COPY. PutCopy sends, EndCopy ends it (with an error for the server when given) and returns the result.
  void PutCopy(const std::string& bytes);
  Result EndCopy(const char* error = nullptr);
  std::optional<std::string> GetCopy();  // nullopt at the end

  std::string StatusOf(const std::string& name) const;  // ParameterStatus, "" when absent
  int backend_pid() const { return PQbackendPID(connection_.get()); }
  std::vector<std::string> TakeNotices();

 private:
  static void OnNotice(void* self, const PGresult* result);
  void Wait(short events);
  void Check(int one_is_good, const char* what);
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  std::unique_ptr<PGconn, Finish> connection_;
  std::unique_ptr<std::vector<std::string>> notices_;
  Milliseconds patience_ = kPatience;
};

// What PQcancel needs, usable from any thread and after the connection has gone.
class Cancel {
 public:
  explicit Cancel(const Connection& connection) : cancel_(PQgetCancel(connection.get())) {}
  bool Send();  // true: the request was delivered

 private:
  struct Free {
    void operator()(PGcancel* cancel) const { PQfreeCancel(cancel); }
  };
  std::unique_ptr<PGcancel, Free> cancel_;
};

}  // namespace test_support
