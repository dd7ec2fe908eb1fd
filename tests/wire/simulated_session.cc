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

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// The identifier that the text begins with: as it stands in double quotes, in lower case otherwise.
std::string IdentifierOf(const std::string& text) {
  if (text.starts_with('"')) return text.substr(1, text.find('"', 1) - 1);
  return Lower(text.substr(0, text.find(' ')));
}

std::string MissingText(const std::string& name) {
  return (name.empty() ? "unnamed prepared statement" : "prepared statement \"" + name + "\"") + " does not exist";
}

std::string TakenText(const std::string& name) { return "prepared statement \"" + name + "\" already exists"; }

std::string NoPortalText(const std::string& name) { return "portal \"" + name + "\" does not exist"; }

constexpr std::string_view kAborted = "current transaction is aborted, commands ignored until end of transaction block";
constexpr std::string_view kStale = "cached plan must not change result type";
constexpr std::string_view kStaleRoutine = "RevalidateCachedQuery";

}  // namespace

SimulatedSession::Command SimulatedSession::Take(const std::string& sql) {
  std::string text = sql.substr(0, sql.find("/*"));
  text.erase(text.find_last_not_of(' ') + 1);
  const size_t begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return {};
  const size_t space = text.find(' ', begin);
  return {Lower(text.substr(begin, space - begin)), space == std::string::npos ? "" : text.substr(space + 1)};
}

bool SimulatedSession::EndsTransaction(const Command& command) {
  return command.verb == "rollback" || command.verb == "commit";
}

bool SimulatedSession::GivesRows(const std::string& sql) const {
  const Command command = Take(sql);
  if (command.verb == "execute") {
    const auto found = statements_->Find(IdentifierOf(command.argument));
    return found && GivesRows(found->sql);
  }
  return command.verb == "echo" || command.verb == "rows" || command.verb == "big" || command.verb == "select";
}

bool SimulatedSession::IsStale(const SimulatedStatements::Statement& statement) const {
  return statements_->IsOutdated(statement) && GivesRows(statement.sql);
}

void SimulatedSession::Emit(const std::string& bytes) {
  out_ += bytes;
  if (out_.size() >= kOutputBufferBytes) FlushOutput();
}

void SimulatedSession::FlushOutput() {
  if (!out_.empty()) output_(std::exchange(out_, {}));
}

void SimulatedSession::Ready() {
  if (status_ == 'I') portals_.clear();
  is_in_pipeline_ = false;
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

SimulatedSession::Outcome SimulatedSession::Fail(std::string_view sqlstate, std::string_view message,
                                                 std::string_view routine) {
  Emit(ErrorResponse("ERROR", sqlstate, message, routine));
  if (status_ == 'T') status_ = 'E';
  Outcome outcome;
  outcome.failed = true;
  return outcome;
}

void SimulatedSession::FailExtended(std::string_view sqlstate, std::string_view message, std::string_view routine) {
  Fail(sqlstate, message, routine);
  FlushOutput();  // as PostgreSQL does after each error
  skipping_ = true;
}

// --- simple protocol
// -----------------------------------------------------------------------------------------------------

void SimulatedSession::OnQuery(std::string_view sql) {
  statements_->Drop("");
  portals_.erase("");
  if (sql.find_first_not_of(" ;") == std::string_view::npos) {
    Emit(Bytes('I'));
    return Ready();
  }
  const size_t end = sql.find(';');
  has_several_ = end != std::string_view::npos && sql.find_first_not_of(" ;", end) != std::string_view::npos;
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
    const std::string name = portal->parameters[i].value_or(""), value = portal->parameters[i + 1].value_or("");
    settings_[Lower(name)] = value;
    Emit(test_support::ParameterStatus(name, value));
  }
  Emit(DataRow({"set"}) + CommandComplete("SELECT 1"));
  return true;
}

// The settings that it names, or all that were set; the session has left nothing else behind.
bool SimulatedSession::AnswerQuestion(const std::string& sql, Mode mode) {
  if (!sql.starts_with("SELECT '")) return false;
  if (mode == Mode::kSimple) Emit(RowDescription({"kind", "name", "value", "source"}));
  int rows = 0;
  const auto answer = [&](const std::string& name, const std::optional<std::string>& value) {
    Emit(DataRow({"set", name, value, value ? "session" : "default"}));
    ++rows;
  };
  const size_t list = sql.find("unnest('{");
  if (list != std::string::npos) {
    std::string names = sql.substr(list + 9, sql.find('}', list) - list - 9) + ",";
    for (size_t end = 0; (end = names.find(',')) != std::string::npos; names.erase(0, end + 1)) {
      const auto found = settings_.find(names.substr(0, end));
      answer(names.substr(0, end), found == settings_.end() ? std::nullopt : std::optional(found->second));
    }
  }
  if (sql.find("FROM pg_catalog.pg_settings WHERE source") != std::string::npos) {
    for (const auto& [name, value] : settings_) answer(name, value);
  }
  Emit(CommandComplete("SELECT " + std::to_string(rows)));
  return true;
}

SimulatedSession::Outcome SimulatedSession::Run(const std::string& sql, Mode mode, Portal* portal, int rows_max) {
  const Command command = Take(sql);
  const std::string& verb = command.verb;
  if (status_ == 'E' && !EndsTransaction(command)) return Fail("25P02", kAborted);
  if (verb == "execute") return RunExecute(command, mode, portal, rows_max);
  if (SetConfig(sql, portal) || AnswerQuestion(sql, mode)) return {};
  std::string argument = command.argument;
  if (argument == "$1" && portal != nullptr && !portal->parameters.empty())
    argument = portal->parameters[0].value_or("");
  if (mode == Mode::kSimple && GivesRows(sql)) Emit(RowDescription({"column"}));

  if (verb.empty()) {
    Emit(Bytes('I'));
  } else if (verb == "echo") {
    Emit(DataRow({argument}) + CommandComplete("SELECT 1"));
  } else if (verb == "big") {
    Emit(DataRow({std::string(std::stoul(argument), 'x')}) + CommandComplete("SELECT 1"));
  } else if (verb == "rows") {
    const int rows = std::stoi(argument);
    int row = portal != nullptr ? portal->rows_done : 0;
    int sent = 0;
    for (; row < rows && (rows_max == 0 || sent < rows_max); ++row, ++sent) Emit(DataRow({std::to_string(row)}));
    if (portal != nullptr) portal->rows_done = row;
    Outcome outcome;
    outcome.is_suspended = row < rows;
    Emit(outcome.is_suspended ? Bytes('s') : CommandComplete("SELECT " + std::to_string(sent)));
    return outcome;
  } else if (verb == "fail") {
    return Fail("22012", argument);
  } else if (verb == "failbig") {
    return Fail("22012", std::string(std::stoul(argument), 'e'));
  } else if (verb == "begin") {
    status_ = 'T';
    Emit(CommandComplete("BEGIN"));
  } else if (EndsTransaction(command)) {
    Emit(CommandComplete(verb == "commit" && status_ == 'T' ? "COMMIT" : "ROLLBACK"));
    status_ = 'I';
  } else if (verb == "notice") {
    Emit(test_support::NoticeResponse(argument) + CommandComplete("DO"));
  } else if (verb == "notify") {
    Emit(Bytes('A', test_support::Int32Bytes(77) + test_support::Text("channel") + test_support::Text(argument)) +
         CommandComplete("NOTIFY"));
  } else if (verb == "set" || verb == "setbig") {
    const size_t space = argument.find(' ');
    const std::string name = argument.substr(0, space), given = argument.substr(space + 1);
    const std::string value = verb == "set" ? given : std::string(std::stoul(given), 'v');
    settings_[Lower(name)] = value;
    Emit(test_support::ParameterStatus(name, value));
    Emit(CommandComplete("SET"));
  } else if (verb == "ddl") {
    statements_->ChangeSchema();
    Emit(CommandComplete("ALTER TABLE"));
  } else if (verb == "prepare") {
    return RunPrepare(command);
  } else if (verb == "deallocate") {
    return RunDeallocate(command);
  } else if (verb == "discard") {
    return RunDiscard(mode);
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

SimulatedSession::Outcome SimulatedSession::RunExecute(const Command& command, Mode mode, Portal* portal,
                                                       int rows_max) {
  const std::string name = IdentifierOf(command.argument);
  const auto found = statements_->Find(name);
  if (!found) return Fail("26000", MissingText(name));
  if (IsStale(*found)) return Fail("0A000", kStale, kStaleRoutine);
  return Run(found->sql, mode, portal, rows_max);
}

SimulatedSession::Outcome SimulatedSession::RunPrepare(const Command& command) {
  const std::string name = IdentifierOf(command.argument);
  const size_t as = command.argument.find(" as ");
  if (as == std::string::npos) return Fail("42601", "syntax error at end of input");
  if (!statements_->Store(name, command.argument.substr(as + 4))) return Fail("42P05", TakenText(name));
  Emit(CommandComplete("PREPARE"));
  return {};
}

SimulatedSession::Outcome SimulatedSession::RunDeallocate(const Command& command) {
  std::string argument = command.argument;
  if (Lower(argument).starts_with("prepare ")) argument.erase(0, 8);
  if (Lower(argument) == "all") {
    statements_->DropNamed();
    Emit(CommandComplete("DEALLOCATE ALL"));
    return {};
  }
  const std::string name = IdentifierOf(argument);
  if (!statements_->Drop(name)) return Fail("26000", MissingText(name));
  Emit(CommandComplete("DEALLOCATE"));
  return {};
}

SimulatedSession::Outcome SimulatedSession::RunDiscard(Mode mode) {
  if (status_ != 'I' || (mode == Mode::kSimple && has_several_))
    return Fail("25001", "DISCARD ALL cannot run inside a transaction block");
  if (mode == Mode::kExtended && is_in_pipeline_)
    return Fail("25001", "DISCARD ALL cannot be executed within a pipeline");
  statements_->DropNamed();
  Emit(CommandComplete("DISCARD ALL"));
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
  if (name.empty()) statements_->Drop("");  // whatever comes of the new one
  const Command command = Take(sql);
  if (command.verb.starts_with("bad")) return FailExtended("42601", "syntax error at or near \"bad\"");
  if (status_ == 'E' && !command.verb.empty() && !EndsTransaction(command)) return FailExtended("25P02", kAborted);
  if (!statements_->Store(name, sql)) return FailExtended("42P05", TakenText(name));
  Emit(Bytes('1'));
}

void SimulatedSession::OnBind(const std::string& body) {
  size_t at = 0;
  const std::string portal = TakeText(body, at);
  const std::string name = TakeText(body, at);
  at += 2 * static_cast<size_t>(TakeInt16(body, at));
  const auto found = statements_->Find(name);
  if (!found) return FailExtended("26000", MissingText(name));
  Portal bound;
  bound.sql = found->sql;
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
  if (status_ == 'E' && (!EndsTransaction(Take(bound.sql)) || !bound.parameters.empty()))
    return FailExtended("25P02", kAborted);
  if (!portal.empty() && portals_.count(portal) > 0)
    return FailExtended("42P03", "cursor \"" + portal + "\" already exists");
  if (IsStale(*found)) return FailExtended("0A000", kStale, kStaleRoutine);
  portals_[portal] = std::move(bound);
  Emit(Bytes('2'));
}

void SimulatedSession::OnDescribe(const std::string& body) {
  size_t at = 1;
  const std::string name = TakeText(body, at);
  if (body.at(0) == 'S') return DescribeOneStatement(name);
  const auto found = portals_.find(name);
  if (found == portals_.end()) return FailExtended("34000", NoPortalText(name));
  const bool gives_rows = GivesRows(found->second.sql);
  if (status_ == 'E' && gives_rows) return FailExtended("25P02", kAborted);
  Emit(gives_rows ? RowDescription({"column"}) : Bytes('n'));
}

// The parameters are described before the statement is found to be stale.
void SimulatedSession::DescribeOneStatement(const std::string& name) {
  const auto found = statements_->Find(name);
  if (!found) return FailExtended("26000", MissingText(name));
  const bool gives_rows = GivesRows(found->sql);
  if (status_ == 'E' && gives_rows) return FailExtended("25P02", kAborted);
  const bool has_parameter = found->sql.find("$1") != std::string::npos;
  Emit(Bytes('t',
             has_parameter ? test_support::Int16Bytes(1) + test_support::Int32Bytes(25) : test_support::Int16Bytes(0)));
  if (IsStale(*found)) return FailExtended("0A000", kStale, kStaleRoutine);
  Emit(gives_rows ? RowDescription({"column"}) : Bytes('n'));
}

void SimulatedSession::OnExecute(const std::string& body) {
  size_t at = 0;
  const std::string name = TakeText(body, at);
  const auto found = portals_.find(name);
  if (found == portals_.end()) return FailExtended("34000", NoPortalText(name));
  const Outcome outcome =
      Run(found->second.sql, Mode::kExtended, &found->second, static_cast<int>(test_support::Int32At(body, at)));
  if (outcome.failed) {
    FlushOutput();
    skipping_ = true;
    return;
  }
  const Command command = Take(found->second.sql);
  const bool ends_all = EndsTransaction(command) || command.verb == "discard";
  is_in_pipeline_ = !ends_all && command.verb != "begin";
  if (ends_all) portals_.clear();
}

void SimulatedSession::OnClose(const std::string& body) {
  size_t at = 1;
  const std::string name = TakeText(body, at);
  if (body.at(0) == 'S')
    statements_->Drop(name);
  else
    portals_.erase(name);
  Emit(Bytes('3'));
}

}  // namespace wire
