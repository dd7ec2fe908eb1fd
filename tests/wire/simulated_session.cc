#include "tests/wire/simulated_session.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>
#include <utility>

namespace wire {

using test_support::CommandComplete;
using test_support::DataRow;
using test_support::ErrorResponse;
using test_support::Message;
using test_support::RowDescription;

namespace {

constexpr size_t kOutputBufferBytes = 8192;  // PostgreSQL's own

std::string Bytes(char type, std::string body = "") { return Message{type, std::move(body)}.bytes(); }

// The text that begins at `at`, and moves behind its zero byte.
std::string TakeText(const std::string& body, size_t& at) {
  const size_t end = body.find('\0', at);
  if (end == std::string::npos) throw std::runtime_error("simulated PostgreSQL: text without its end");
  std::string text = body.substr(at, end - at);
  at = end + 1;
  return text;
}

int TakeInt16(const std::string& body, size_t& at) {
  const int value = static_cast<uint8_t>(body.at(at)) << 8 | static_cast<uint8_t>(body.at(at + 1));
  at += 2;
  return value;
}

struct Command {
  std::string verb, argument;
};

Command Take(const std::string& sql) {
  const size_t begin = sql.find_first_not_of(' ');
  if (begin == std::string::npos) return {};
  const size_t space = sql.find(' ', begin);
  Command command{sql.substr(begin, space - begin), space == std::string::npos ? "" : sql.substr(space + 1)};
  for (char& c : command.verb) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return command;
}

bool GivesRows(const Command& command) {
  return command.verb == "echo" || command.verb == "rows" || command.verb == "big" || command.verb == "select";
}

}  // namespace

void SimulatedSession::Emit(const std::string& bytes) {
  out_ += bytes;
  if (out_.size() >= kOutputBufferBytes) FlushOutput();
}

void SimulatedSession::FlushOutput() {
  if (!out_.empty()) output_(std::exchange(out_, {}));
}

void SimulatedSession::Ready() {
  Emit(test_support::ReadyForQuery(status_));
  FlushOutput();
}

bool SimulatedSession::On(const Message& message) {
  if (message.type == 'X') return false;
  if (copy_ != Copy::kNone) {
    OnCopyMessage(message);
    return true;
  }
  if (skipping_ && message.type != 'S') return true;
  switch (message.type) {
    case 'Q':
      OnQuery(message.body.substr(0, message.body.size() - 1));
      break;
    case 'F':
      OnFunctionCall(message.body);
      break;
    case 'P':
      OnParse(message.body);
      break;
    case 'B':
      OnBind(message.body);
      break;
    case 'D':
      OnDescribe(message.body);
      break;
    case 'E':
      OnExecute(message.body);
      break;
    case 'C':
      OnClose(message.body);
      break;
    case 'H':
      FlushOutput();
      break;
    case 'S':
      skipping_ = false;
      Ready();
      break;
    case 'd':
    case 'c':
    case 'f':
      break;  // of a copy that failed
    default:
      throw std::runtime_error(std::string("simulated PostgreSQL: message type ") + message.type);
  }
  return true;
}

SimulatedSession::Outcome SimulatedSession::Fail(std::string_view sqlstate, std::string_view message) {
  Emit(ErrorResponse("ERROR", sqlstate, message));
  if (status_ == 'T') status_ = 'E';
  Outcome outcome;
  outcome.failed = true;
  return outcome;
}

void SimulatedSession::FailExtended(std::string_view sqlstate, std::string_view message) {
  Fail(sqlstate, message);
  FlushOutput();  // as PostgreSQL does after each error
  skipping_ = true;
}

// --- simple protocol
// -----------------------------------------------------------------------------------------------------

void SimulatedSession::OnQuery(std::string_view sql) {
  if (sql.find_first_not_of(" ;") == std::string_view::npos) {
    Emit(Bytes('I'));
    return Ready();
  }
  rest_ = sql;
  RunRest();
}

void SimulatedSession::RunRest() {
  while (!rest_.empty()) {
    const size_t end = rest_.find(';');
    const std::string statement = rest_.substr(0, end);
    rest_ = end == std::string::npos ? "" : rest_.substr(end + 1);
    if (statement.find_first_not_of(' ') == std::string::npos) continue;
    const Outcome outcome = Run(statement, Mode::kSimple, nullptr, 0);
    if (outcome.is_copy_in) return;
    if (outcome.failed) rest_.clear();
  }
  Ready();
}

void SimulatedSession::OnFunctionCall(const std::string& body) {
  if (test_support::Int32At(body, 0) == 0) {
    Fail("42883", "no such function");
  } else {
    Emit(Bytes('V', test_support::Int32Bytes(2) + "42"));
  }
  Ready();
}

// --- what statements do
// --------------------------------------------------------------------------------------------------

bool SimulatedSession::SetConfig(const std::string& sql, const Portal* portal) {
  if (sql.find("set_config(") == std::string::npos || portal == nullptr) return false;
  for (size_t i = 0; i + 1 < portal->parameters.size(); i += 2) {
    Emit(test_support::ParameterStatus(portal->parameters[i].value_or(""), portal->parameters[i + 1].value_or("")));
  }
  Emit(DataRow({"set"}) + CommandComplete("SELECT 1"));
  return true;
}

SimulatedSession::Outcome SimulatedSession::Run(const std::string& sql, Mode mode, Portal* portal, int rows_max) {
  const Command command = Take(sql);
  const std::string& verb = command.verb;
  if (status_ == 'E' && verb != "rollback" && verb != "commit") return Fail("25P02", "current transaction is aborted");
  if (SetConfig(sql, portal)) return {};
  std::string argument = command.argument;
  if (argument == "$1" && portal != nullptr && !portal->parameters.empty())
    argument = portal->parameters[0].value_or("");
  if (mode == Mode::kSimple && GivesRows(command)) Emit(RowDescription({"column"}));

  if (verb.empty()) {
    Emit(Bytes('I'));
  } else if (verb == "echo") {
    Emit(DataRow({argument}) + CommandComplete("SELECT 1"));
  } else if (verb == "big") {
    Emit(DataRow({std::string(std::stoul(argument), 'x')}) + CommandComplete("SELECT 1"));
  } else if (verb == "rows") {
    const int rows = std::stoi(argument);
    int row = portal != nullptr ? portal->rows_done : 0;
    for (int sent = 0; row < rows && (rows_max == 0 || sent < rows_max); ++row, ++sent)
      Emit(DataRow({std::to_string(row)}));
    if (portal != nullptr) portal->rows_done = row;
    Outcome outcome;
    outcome.is_suspended = row < rows;
    Emit(outcome.is_suspended ? Bytes('s') : CommandComplete("SELECT " + std::to_string(rows)));
    return outcome;
  } else if (verb == "fail") {
    return Fail("22012", argument);
  } else if (verb == "failbig") {
    return Fail("22012", std::string(std::stoul(argument), 'e'));
  } else if (verb == "begin") {
    status_ = 'T';
    Emit(CommandComplete("BEGIN"));
  } else if (verb == "commit" || verb == "rollback") {
    Emit(CommandComplete(verb == "commit" && status_ == 'T' ? "COMMIT" : "ROLLBACK"));
    status_ = 'I';
  } else if (verb == "notice") {
    Emit(test_support::NoticeResponse(argument) + CommandComplete("DO"));
  } else if (verb == "notify") {
    Emit(Bytes('A', test_support::Int32Bytes(77) + test_support::Text("channel") + test_support::Text(argument)) +
         CommandComplete("NOTIFY"));
  } else if (verb == "set" || verb == "setbig") {
    const size_t space = argument.find(' ');
    const std::string value = argument.substr(space + 1);
    Emit(test_support::ParameterStatus(argument.substr(0, space),
                                       verb == "set" ? value : std::string(std::stoul(value), 'v')));
    Emit(CommandComplete("SET"));
  } else if (verb == "reset") {
    Emit(CommandComplete("RESET"));
  } else if (verb == "copyin" || verb == "copyinfail") {
    Emit(Bytes('G', std::string("\0\0\1\0\0", 5)));
    FlushOutput();
    copy_ = verb == "copyin" ? Copy::kTakes : Copy::kFails;
    copy_mode_ = mode;
    copied_ = 0;
    Outcome outcome;
    outcome.is_copy_in = true;
    return outcome;
  } else if (verb == "copyout") {
    Emit(Bytes('H', std::string("\0\0\1\0\0", 5)));
    const int rows = std::stoi(argument);
    for (int row = 0; row < rows; ++row) Emit(Bytes('d', "row " + std::to_string(row) + "\n"));
    Emit(Bytes('c') + CommandComplete("COPY " + argument));
  } else {
    return Fail("42601", "syntax error at or near \"" + verb + "\"");
  }
  return {};
}

// --- copy-in mode
// --------------------------------------------------------------------------------------------------------

void SimulatedSession::OnCopyMessage(const Message& message) {
  switch (message.type) {
    case 'H':
    case 'S':
      return;  // "Flush and Sync are ignored"
    case 'd':
      if (copy_ == Copy::kFails) return EndCopy(ErrorResponse("ERROR", "22P04", "bad row"), true);
      ++copied_;
      return;
    case 'c':
      return EndCopy(CommandComplete("COPY " + std::to_string(copied_)), false);
    case 'f':
      return EndCopy(ErrorResponse("ERROR", "57014", "COPY from stdin failed"), true);
    default:
      return EndCopy(ErrorResponse("ERROR", "08P01", "unexpected message type during COPY"), true);
  }
}

void SimulatedSession::EndCopy(const std::string& answer, bool failed) {
  copy_ = Copy::kNone;
  Emit(answer);
  if (failed && status_ == 'T') status_ = 'E';
  if (copy_mode_ == Mode::kExtended) {
    if (failed) FlushOutput();
    skipping_ = failed;
    return;
  }
  if (failed) rest_.clear();
  RunRest();
}

// --- extended protocol
// ---------------------------------------------------------------------------------------------------

void SimulatedSession::OnParse(const std::string& body) {
  size_t at = 0;
  const std::string name = TakeText(body, at);
  const std::string sql = TakeText(body, at);
  if (!name.empty() && statements_.count(name) > 0) return FailExtended("42P05", "prepared statement already exists");
  if (Take(sql).verb == "parsefail") return FailExtended("42601", "syntax error");
  statements_[name] = sql;
  Emit(Bytes('1'));
}

void SimulatedSession::OnBind(const std::string& body) {
  size_t at = 0;
  const std::string portal = TakeText(body, at);
  const std::string name = TakeText(body, at);
  at += 2 * static_cast<size_t>(TakeInt16(body, at));
  const auto found = statements_.find(name);
  if (found == statements_.end()) return FailExtended("26000", "prepared statement does not exist");
  Portal bound;
  bound.sql = found->second;
  for (int left = TakeInt16(body, at); left > 0; --left) {
    const auto length = static_cast<int32_t>(test_support::Int32At(body, at));
    at += 4;
    if (length < 0) {
      bound.parameters.emplace_back(std::nullopt);
      continue;
    }
    bound.parameters.emplace_back(body.substr(at, static_cast<size_t>(length)));
    at += static_cast<size_t>(length);
  }
  portals_[portal] = std::move(bound);
  Emit(Bytes('2'));
}

void SimulatedSession::OnDescribe(const std::string& body) {
  size_t at = 1;
  const std::string name = TakeText(body, at);
  std::string sql;
  if (body.at(0) == 'S') {
    const auto found = statements_.find(name);
    if (found == statements_.end()) return FailExtended("26000", "prepared statement does not exist");
    sql = found->second;
    const bool has_parameter = sql.find("$1") != std::string::npos;
    Emit(Bytes(
        't', has_parameter ? test_support::Int16Bytes(1) + test_support::Int32Bytes(25) : test_support::Int16Bytes(0)));
  } else {
    const auto found = portals_.find(name);
    if (found == portals_.end()) return FailExtended("34000", "portal does not exist");
    sql = found->second.sql;
  }
  Emit(GivesRows(Take(sql)) ? RowDescription({"column"}) : Bytes('n'));
}

void SimulatedSession::OnExecute(const std::string& body) {
  size_t at = 0;
  const std::string name = TakeText(body, at);
  const auto found = portals_.find(name);
  if (found == portals_.end()) return FailExtended("34000", "portal does not exist");
  const Outcome outcome =
      Run(found->second.sql, Mode::kExtended, &found->second, static_cast<int>(test_support::Int32At(body, at)));
  if (outcome.failed) {
    FlushOutput();
    skipping_ = true;
  }
}

void SimulatedSession::OnClose(const std::string& body) {
  size_t at = 1;
  const std::string name = TakeText(body, at);
  if (body.at(0) == 'S')
    statements_.erase(name);
  else
    portals_.erase(name);
  Emit(Bytes('3'));
}

}  // namespace wire
