#include "admin/executor.h"

#include <algorithm>

#include "admin/connection_tables.h"
#include "admin/lease_tables.h"
#include "admin/select.h"
#include "admin/show_tables.h"
#include "admin/text.h"
#include "proxy/log.h"

namespace admin {
namespace {

using protocol::ErrorCode;
using protocol::ErrorReport;
using protocol::MakeError;

Outcome Failed(ErrorReport report) {
  Outcome outcome;
  outcome.error = std::move(report);
  return outcome;
}

std::string CountOf(size_t count, std::string_view one) {
  return std::to_string(count) + ' ' + std::string(one) + (count == 1 ? "" : "s");
}

std::string TextOf(const std::vector<conf::Mistake>& mistakes) {
  std::string text;
  for (size_t i = 0; i < std::min(mistakes.size(), kReloadLinesMax); ++i) {
    if (i > 0) text += '\n';
    text += Printable(mistakes[i].ToString(), kConfigValueBytesMax);
  }
  if (mistakes.size() > kReloadLinesMax) text += "\nand " + CountOf(mistakes.size() - kReloadLinesMax, "other");
  return text;
}

ErrorReport ReloadError(const std::vector<conf::Mistake>& mistakes) {
  return MakeError(ErrorCode::kReloadFailed, CountOf(mistakes.size(), "mistake"), TextOf(mistakes));
}

// What PgBouncer has for a takeover by a new process (-R), which pgweir does not do.
ErrorReport Unsupported(VerbId verb) {
  ErrorReport report = MakeError(ErrorCode::kConsoleUnsupported, verb == VerbId::kSuspend ? "SUSPEND is not supported" : "SHOW FDS is not supported");
  if (verb == VerbId::kSuspend) {
    report.detail = "It is for PgBouncer's takeover by a new process (-R), which pgweir does not do.";
    report.hint = "PAUSE [database] TIMEOUT 5s lets transactions end and holds the clients; SHUTDOWN WAIT_FOR_CLIENTS drains.";
  } else {
    report.detail = "It hands descriptors, keys and passwords to a new process (-R); pgweir gives none of them away.";
    report.hint = "SHOW SOCKETS, SHOW CLIENTS and SHOW SERVERS tell of the connections.";
  }
  return report;
}

// What steers the process, as PgBouncer logs it; what it changes is logged by whoever changes it.
void LogCommand(const Command& command) {
  std::string name(command.verb->words), argument = command.argument;
  switch (command.verb->id) {
    case VerbId::kReload:
    case VerbId::kPause:
    case VerbId::kResume:
    case VerbId::kDisable:
    case VerbId::kEnable:
    case VerbId::kWaitClose:
    case VerbId::kKill:
    case VerbId::kReconnect: break;
    case VerbId::kKillClient: argument = std::to_string(command.client_id); break;
    case VerbId::kShutdown:
      if (command.shutdown != proxy::Control::ShutdownKind::kNow) name += ' ' + Upper(Name(command.shutdown));
      break;
    default: return;
  }
  proxy::Log(proxy::Level::kDebug, "console_command", {{"command", name}, {"argument", proxy::LogValue::UnlessEmpty(argument)}});
}

// Writes at most kReloadLinesMax of them as notices.
void WriteNotices(std::string& out, const std::vector<std::string>& lines) {
  for (size_t i = 0; i < std::min(lines.size(), kReloadLinesMax); ++i) {
    protocol::WriteNotice(out, "00000", Printable(lines[i], kConfigValueBytesMax));
  }
  if (lines.size() > kReloadLinesMax) {
    protocol::WriteNotice(out, "00000", "and " + CountOf(lines.size() - kReloadLinesMax, "other change"));
  }
}

}  // namespace

void Executor::Run(const Command& command, proxy::ConsoleAccess access, Done done) {
  Outcome outcome;
  if (command.verb == nullptr) {
    outcome.is_empty_statement = true;
    return done(std::move(outcome));
  }
  // What a SELECT looks at needs the right to SHOW it, too.
  const bool may_see = command.select == nullptr || command.select->table == nullptr || IsAllowed(command.select->table, access);
  if (!IsAllowed(command.verb, access) || !may_see) return done(Failed(MakeError(ErrorCode::kConsoleForbidden)));
  outcome.tag = command.verb->tag;
  LogCommand(command);
  switch (command.verb->id) {
    case VerbId::kShowHelp:
      protocol::WriteNotice(outcome.notices, "00000", "Console usage", HelpText());
      return done(std::move(outcome));
    case VerbId::kSetDriverSetting:
      return done(std::move(outcome));
    case VerbId::kTransaction:
      outcome.tag = command.value;
      return done(std::move(outcome));
    case VerbId::kSuspend:
    case VerbId::kShowFds:
      return done(Failed(Unsupported(command.verb->id)));
    case VerbId::kSetKey:
      return Set(command, std::move(outcome), done);
    case VerbId::kReload:
      return Reload(std::move(outcome), done);
    case VerbId::kReloadDryRun:
      return DryRun(std::move(outcome), done);
    case VerbId::kKillWhere:
      return KillWhere(command, std::move(outcome), std::move(done));
    case VerbId::kShutdown:
      done(std::move(outcome));  // first the answer: the process may end before another turn
      return control_.Shutdown(command.shutdown);
    case VerbId::kPause:
    case VerbId::kResume:
    case VerbId::kDisable:
    case VerbId::kEnable:
    case VerbId::kWaitClose:
    case VerbId::kKill:
    case VerbId::kKillClient:
    case VerbId::kReconnect:
      return Drive(command, std::move(outcome), std::move(done));
    default:
      return Show(command, std::move(done));
  }
}

void Executor::Show(const Command& command, Done done) {
  const auto answer = [this, command](proxy::Snapshot snapshot, const Done& finish) {
    own_pool_.AddTo(snapshot);
    const auto config = control_.config();
    const Facts facts{.snapshot = snapshot, .config = *config, .run_state = control_.run_state(), .window = window_,
                      .loads = loads_, .now = LoadWindow::Time::clock::now()};
    Outcome outcome;
    outcome.table = MakeTable(command, facts);
    outcome.tag = command.verb->tag;
    if (command.select != nullptr) outcome.tag += ' ' + std::to_string(outcome.table.rows.size());
    finish(std::move(outcome));
  };
  const auto needed = NeededFor(command);
  if (!needed) return answer({}, done);
  control_.Collect(*needed,
                   [alive = std::weak_ptr(alive_), answer, finish = std::move(done)](proxy::Snapshot snapshot) {
                     if (!alive.expired()) answer(std::move(snapshot), finish);
                   });
}

void Executor::Reload(Outcome outcome, const Done& done) {
  const auto changes = control_.Reload();
  if (!changes) return done(Failed(ReloadError(changes.error())));
  WriteNotices(outcome.notices, *changes);
  done(std::move(outcome));
}

void Executor::DryRun(Outcome outcome, const Done& done) {
  const auto changes = control_.DryRun();
  if (!changes) return done(Failed(ReloadError(changes.error())));
  outcome.table.columns = ColumnsOf(Command{.verb = FindVerb(VerbId::kReloadDryRun)});
  for (const std::string& change : *changes) outcome.table.rows.push_back({Printable(change, kConfigValueBytesMax)});
  done(std::move(outcome));
}

void Executor::Set(const Command& command, Outcome outcome, const Done& done) {
  const auto changes = control_.Set(command.argument, command.value);
  if (!changes) {
    ErrorReport report = MakeError(ErrorCode::kConsoleSyntax, "SET " + Printable(command.argument), TextOf(changes.error()));
    report.hint = "SHOW CONFIG lists the keys, and which of them need a restart.";
    return done(Failed(std::move(report)));
  }
  WriteNotices(outcome.notices, *changes);
  outcome.tag += ' ' + Printable(command.argument) + '=' + Printable(command.value);
  done(std::move(outcome));
}

void Executor::Pause(const Command& command, Outcome outcome, Done done) {
  control_.Pause(command.argument, command.timeout,
                 [alive = std::weak_ptr(alive_), success = std::move(outcome), tell = std::move(done)](
                     std::optional<ErrorReport> error, const proxy::Control::Held& held) {
                   if (alive.expired()) return;
                   if (!error) return tell(success);
                   if (!held.servers.empty()) error->detail = BlockersText(held);
                   tell(Failed(std::move(*error)));
                 });
}

void Executor::KillWhere(const Command& command, Outcome outcome, Done done) {
  control_.Collect(proxy::Collecting::kClients, [this, alive = std::weak_ptr(alive_), select = command.select, success = std::move(outcome),
                                                 tell = std::move(done)](const proxy::Snapshot& snapshot) {
    if (alive.expired()) return;
    const std::vector<Row> rows = ClientRows(snapshot);
    std::vector<uint64_t> ids;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!IsAdminDatabase(snapshot.clients[i].database) && IsTrue(*select->where, rows[i])) ids.push_back(snapshot.clients[i].id);
    }
    control_.KillClients(std::move(ids), [alive, success, tell](size_t killed) {
      if (alive.expired()) return;
      Outcome counted = success;
      counted.tag += ' ' + std::to_string(killed);
      tell(std::move(counted));
    });
  });
}

void Executor::Drive(const Command& command, Outcome outcome, Done done) {
  const std::string& database = command.argument;
  if (IsAdminDatabase(database)) {
    return done(Failed(MakeError(ErrorCode::kConsoleState,
                                 "cannot " + Lower(command.verb->words) + " admin db: " + Printable(database))));
  }
  if (command.verb->id == VerbId::kPause) return Pause(command, std::move(outcome), std::move(done));
  proxy::Control::Done finish = [alive = std::weak_ptr(alive_), success = std::move(outcome),
                                 tell = std::move(done)](std::optional<ErrorReport> error) {
    if (alive.expired()) return;
    tell(error ? Failed(std::move(*error)) : success);
  };
  switch (command.verb->id) {
    case VerbId::kResume:
      return control_.Resume(database, std::move(finish));
    case VerbId::kKill:
      return control_.Kill(database, std::move(finish));
    case VerbId::kReconnect:
      return control_.Reconnect(database, std::move(finish));
    case VerbId::kWaitClose:
      return control_.WaitClose(database, std::move(finish));
    case VerbId::kDisable:
      return control_.Disable(database, std::move(finish));
    case VerbId::kEnable:
      return control_.Enable(database, std::move(finish));
    default:
      return control_.KillClient(command.client_id, std::move(finish));
  }
}

}  // namespace admin
