#include "tests/support/pq.h"

#include <poll.h>

namespace test_support {
namespace {

void PollOrThrow(int fd, short events, const Deadline& deadline, const char* what) {
  pollfd waited{fd, events, 0};
  while (true) {
    const int ready = poll(&waited, 1, deadline.remaining_ms());
    if (ready > 0) return;
    if (ready == 0 || errno != EINTR) throw TimedOut(what);
  }
}

std::vector<const char*> Pointers(const std::vector<Connection::Parameter>& parameters) {
  std::vector<const char*> pointers;
  for (const auto& parameter : parameters) pointers.push_back(parameter ? parameter->c_str() : nullptr);
  return pointers;
}

}  // namespace

bool Result::ok() const {
  const ExecStatusType is = status();
  return result_ && is != PGRES_FATAL_ERROR && is != PGRES_BAD_RESPONSE && is != PGRES_PIPELINE_ABORTED;
}

std::vector<std::string> Result::Names() const {
  std::vector<std::string> names;
  for (int column = 0; column < columns(); ++column) names.push_back(Name(column));
  return names;
}

std::string Result::Value(int row, int column) const {
  if (!result_ || row >= rows() || column >= columns()) return "";
  return {PQgetvalue(result_.get(), row, column), static_cast<size_t>(PQgetlength(result_.get(), row, column))};
}

std::string Result::Value(int row, const std::string& name) const {
  const int column = PQfnumber(result_.get(), ("\"" + name + "\"").c_str());
  if (column < 0) throw std::runtime_error("no column " + name + (ok() ? "" : ": " + error()));
  return Value(row, column);
}

std::string Result::Field(int code) const {
  const char* value = result_ ? PQresultErrorField(result_.get(), code) : nullptr;
  return value == nullptr ? "" : value;
}

Connection::Connection(const std::string& conninfo, Milliseconds patience)
    : connection_(PQconnectStart(conninfo.c_str())),
      notices_(std::make_unique<std::vector<std::string>>()),
      patience_(patience) {
  PQsetNoticeReceiver(connection_.get(), &Connection::OnNotice, notices_.get());
  if (PQstatus(connection_.get()) == CONNECTION_BAD) return;
  const Deadline deadline(patience);
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
    PollOrThrow(PQsocket(connection_.get()), state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline, "connect");
    state = PQconnectPoll(connection_.get());
  }
  if (ok()) PQsetnonblocking(connection_.get(), 1);
}

void Connection::OnNotice(void* notices, const PGresult* result) {
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  static_cast<std::vector<std::string>*>(notices)->push_back(message == nullptr ? "" : message);
}

std::vector<std::string> Connection::TakeNotices() {
  std::vector<std::string> taken;
  taken.swap(*notices_);
  return taken;
}

void Connection::Check(int one_is_good, const char* what) {
  if (one_is_good != 1) throw std::runtime_error(std::string(what) + ": " + error());
}

void Connection::Flush() {
  const Deadline deadline(patience_);
  while (PQflush(get()) == 1) {
    PollOrThrow(PQsocket(get()), POLLIN | POLLOUT, deadline, "send");
    PQconsumeInput(get());
  }
}

void Connection::Send(const std::string& sql) { Check(PQsendQuery(get(), sql.c_str()), "send"); }

void Connection::SendParams(const std::string& sql, const std::vector<Parameter>& parameters) {
  const int count = static_cast<int>(parameters.size());
  Check(PQsendQueryParams(get(), sql.c_str(), count, nullptr, Pointers(parameters).data(), nullptr, nullptr, 0),
        "send");
}

void Connection::SendPrepare(const std::string& name, const std::string& sql) {
  Check(PQsendPrepare(get(), name.c_str(), sql.c_str(), 0, nullptr), "prepare");
}

void Connection::SendExecute(const std::string& name, const std::vector<Parameter>& parameters) {
  const int count = static_cast<int>(parameters.size());
  Check(PQsendQueryPrepared(get(), name.c_str(), count, Pointers(parameters).data(), nullptr, nullptr, 0), "execute");
}

Result Connection::Next() {
  const Deadline deadline(patience_);
  while (true) {
    const int unsent = PQflush(get());
    if (PQisBusy(get()) == 0) break;
    PollOrThrow(PQsocket(get()), static_cast<short>(unsent == 1 ? POLLIN | POLLOUT : POLLIN), deadline, "result");
    PQconsumeInput(get());
  }
  return Result(PQgetResult(get()));
}

bool Connection::HasResult() {
  PQflush(get());
  PQconsumeInput(get());
  return PQisBusy(get()) == 0;
}

std::vector<Result> Connection::Collect() {
  std::vector<Result> results;
  while (true) {
    Result result = Next();
    if (!result) return results;
    const ExecStatusType status = result.status();
    results.push_back(std::move(result));
    // A COPY goes on by PutCopy or GetCopy; libpq would return this state for ever.
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) return results;
  }
}

std::vector<Result> Connection::QueryAll(const std::string& sql) {
  Send(sql);
  return Collect();
}

namespace {
Result Pick(std::vector<Result> results) {
  if (results.empty()) return Result();
  for (Result& result : results) {
    if (!result.ok()) return std::move(result);
  }
  return std::move(results.back());
}
}  // namespace

Result Connection::Query(const std::string& sql) { return Pick(QueryAll(sql)); }

std::string Connection::Value(const std::string& sql) {
  const Result result = Query(sql);
  if (!result.ok() || result.rows() < 1) throw std::runtime_error(sql + ": " + result.error() + error());
  return result.Value();
}

Result Connection::Params(const std::string& sql, const std::vector<Parameter>& parameters) {
  SendParams(sql, parameters);
  return Pick(Collect());
}

Result Connection::Prepare(const std::string& name, const std::string& sql) {
  SendPrepare(name, sql);
  return Pick(Collect());
}

Result Connection::Execute(const std::string& name, const std::vector<Parameter>& parameters) {
  SendExecute(name, parameters);
  return Pick(Collect());
}

bool Connection::WaitClosed() {
  const Deadline deadline(patience_);
  while (ok()) {
    pollfd waited{PQsocket(get()), POLLIN, 0};
    if (poll(&waited, 1, deadline.remaining_ms()) <= 0) return false;
    if (PQconsumeInput(get()) == 0) return true;
  }
  return true;
}

void Connection::PutCopy(const std::string& bytes) {
  const Deadline deadline(patience_);
  int put = 0;
  while ((put = PQputCopyData(get(), bytes.data(), static_cast<int>(bytes.size()))) == 0) {
    PollOrThrow(PQsocket(get()), POLLIN | POLLOUT, deadline, "copy");
    PQconsumeInput(get());
  }
  Check(put, "copy");
  Flush();
}

Result Connection::EndCopy(const char* error_for_server) {
  const Deadline deadline(patience_);
  int put = 0;
  while ((put = PQputCopyEnd(get(), error_for_server)) == 0) {
    PollOrThrow(PQsocket(get()), POLLIN | POLLOUT, deadline, "copy end");
    PQconsumeInput(get());
  }
  Check(put, "copy end");
  return Pick(Collect());
}

std::optional<std::string> Connection::GetCopy() {
  const Deadline deadline(patience_);
  char* row = nullptr;
  int got = 0;
  while ((got = PQgetCopyData(get(), &row, 1)) == 0) {
    PollOrThrow(PQsocket(get()), POLLIN, deadline, "copy");
    PQconsumeInput(get());
  }
  if (got < 0) return std::nullopt;
  std::string bytes(row, static_cast<size_t>(got));
  PQfreemem(row);
  return bytes;
}

std::string Connection::StatusOf(const std::string& name) const {
  const char* value = PQparameterStatus(get(), name.c_str());
  return value == nullptr ? "" : value;
}

bool Cancel::Send() {
  char error[256];
  return PQcancel(cancel_.get(), error, sizeof error) == 1;
}

}  // namespace test_support
