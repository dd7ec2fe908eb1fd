#include "admin/executor.h"

#include <algorithm>

#include "admin/show_tables.h"
#include "admin/text.h"
#include "conf/nearest.h"

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

ErrorReport ReloadError(const std::vector<conf::Mistake>& mistakes) {
  std::string detail;
  for (size_t i = 0; i < std::min(mistakes.size(), kReloadLinesMax); ++i) {
    if (i > 0) detail += '\n';
    detail += Printable(mistakes[i].ToString(), kConfigValueBytesMax);
  }
  if (mistakes.size() > kReloadLinesMax) detail += "\nand " + CountOf(mistakes.size() - kReloadLinesMax, "other");
  return MakeError(ErrorCode::kReloadFailed, CountOf(mistakes.size(), "mistake"), std::move(detail));
}

// SET of a key of ours: the configuration file is the only place where they change.
ErrorReport SetRefusal(const conf::Config& config, const std::string& key) {
  std::vector<std::string_view> keys;
  for (const conf::KeyRow& row : config.rows) keys.push_back(row.key);
  if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
    return MakeError(ErrorCode::kConsoleSyntax, "unknown key \"" + Printable(key) + '"' + conf::DidYouMean(key, keys));
  }
  ErrorReport report = MakeError(ErrorCode::kConsoleState, '"' + key + "\" cannot be changed by SET");
  report.hint = "Change it in the configuration file and run RELOAD.";
  return report;
}

}  // namespace

void Executor::Run(const Command& command, proxy::ConsoleAccess access, Done done) {
  Outcome outcome;
  if (command.verb == nullptr) {
    outcome.is_empty_statement = true;
    return done(std::move(outcome));
  }
  if (!IsAllowed(command.verb, access)) return done(Failed(MakeError(ErrorCode::kConsoleForbidden)));
  outcome.tag = command.verb->tag;
  switch (command.verb->id) {
    case VerbId::kShowHelp:
      protocol::WriteNotice(outcome.notices, "00000", "Console usage", HelpText());
      return done(std::move(outcome));
    case VerbId::kSetDriverSetting:
      return done(std::move(outcome));
    case VerbId::kSetKey:
      return done(Failed(SetRefusal(*control_.config(), command.argument)));
    case VerbId::kReload:
      return Reload(std::move(outcome), done);
    case VerbId::kShutdown:
      done(std::move(outcome));  // first the answer: the process may end before another turn
      return control_.Shutdown(command.shutdown);
    case VerbId::kPause:
    case VerbId::kResume:
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
    Outcome outcome;
    outcome.table = MakeTable(
        command, {.snapshot = snapshot, .config = *config, .run_state = control_.run_state(), .window = window_});
    outcome.tag = command.verb->tag;
    finish(std::move(outcome));
  };
  const auto needed = NeededFor(command.verb->id);
  if (!needed) return answer({}, done);
  control_.Collect(*needed,
                   [alive = std::weak_ptr(alive_), answer, finish = std::move(done)](proxy::Snapshot snapshot) {
                     if (!alive.expired()) answer(std::move(snapshot), finish);
                   });
}

void Executor::Reload(Outcome outcome, const Done& done) {
  const auto changes = control_.Reload();
  if (!changes) return done(Failed(ReloadError(changes.error())));
  for (size_t i = 0; i < std::min(changes->size(), kReloadLinesMax); ++i) {
    protocol::WriteNotice(outcome.notices, "00000", Printable((*changes)[i], kConfigValueBytesMax));
  }
  if (changes->size() > kReloadLinesMax) {
    const std::string others = "and " + CountOf(changes->size() - kReloadLinesMax, "other change");
    protocol::WriteNotice(outcome.notices, "00000", others);
  }
  done(std::move(outcome));
}

void Executor::Drive(const Command& command, Outcome outcome, Done done) {
  const std::string& database = command.argument;
  if (IsAdminDatabase(database)) {
    return done(Failed(MakeError(ErrorCode::kConsoleState,
                                 "cannot " + Lower(command.verb->words) + " admin db: " + Printable(database))));
  }
  proxy::Control::Done finish = [alive = std::weak_ptr(alive_), success = std::move(outcome),
                                 tell = std::move(done)](std::optional<ErrorReport> error) {
    if (alive.expired()) return;
    tell(error ? Failed(std::move(*error)) : success);
  };
  switch (command.verb->id) {
    case VerbId::kPause:
      return control_.Pause(database, std::move(finish));
    case VerbId::kResume:
      return control_.Resume(database, std::move(finish));
    case VerbId::kKill:
      return control_.Kill(database, std::move(finish));
    case VerbId::kReconnect:
      return control_.Reconnect(database, std::move(finish));
    default:
      return control_.KillClient(command.client_id, std::move(finish));
  }
}

}  // namespace admin
