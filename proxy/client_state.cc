// Client, the state of its session: what its statements may leave on a server, and what becomes of it.
//
// The words of a statement only hint (protocol/sql_sniffer.h). When a transaction that had such words ends, its ReadyForQuery is
// withheld and the server is asked what is true (protocol/session_check.h): settings become the client's and follow it, all
// else pins the server to the client until it is found to be gone. A server that was touched and never found clean is cleaned by
// DISCARD ALL before anybody else gets it.
#include <array>

#include "conf/units.h"
#include "protocol/message_writer.h"
#include "protocol/session_check.h"
#include "protocol/sql_lexer.h"
#include "protocol/statement_messages.h"
#include "proxy/client.h"
#include "proxy/log.h"
#include "proxy/worker.h"

namespace proxy {

using conf::StateKind;
using conf::StatePolicy;
using protocol::Frame;
using protocol::SqlFlags;
using protocol::SqlKind;
using Action = protocol::ReplyTracker::Action;
using Note = protocol::ReplyTracker::Note;

namespace {

struct KindOfState {
  SqlFlags flags;
  StateKind kind;
  uint32_t thing;  // how a server is asked about it
  std::string_view words;
};
constexpr std::array<KindOfState, conf::kStateKinds> kKinds = {{
    {protocol::kSqlSet, StateKind::kSettings, 0, "a setting that outlasts its transaction"},
    {protocol::kSqlTemp, StateKind::kTempTable, protocol::kTempObjects, "a temporary object"},
    {protocol::kSqlHold, StateKind::kHoldCursor, protocol::kHoldCursors, "a cursor WITH HOLD"},
    {protocol::kSqlAdvisoryLock, StateKind::kAdvisoryLock, protocol::kAdvisoryLocks, "a session-level advisory lock"},
    {protocol::kSqlListen, StateKind::kListen, protocol::kChannels, "LISTEN"},
    {protocol::kSqlLoad, StateKind::kLoad, 0, "LOAD"},
    {protocol::kSqlSequence, StateKind::kSequence, 0, "currval or lastval"},
}};

void MakeLower(std::string& name) {
  for (char& c : name) c = protocol::LowerAscii(c);
}

// Fails where the statement in its place would have run; the client hears why (Server::JudgeError).
constexpr std::string_view kRefusedSql = "REFUSED BY session_state OF pgweir";

}  // namespace

// --- while a transaction runs --------------------------------------------------------------------------------------------

std::optional<Edit> Client::NoteState(SqlFlags flags, const std::vector<protocol::SqlStatement>& details,
                                              std::string_view bind_body, const Frame& frame, Parts& parts) {
  for (const KindOfState& kind : kKinds) {
    if ((flags & kind.flags) == 0 || pool_->policy(kind.kind) != StatePolicy::kReject) continue;
    return Refuse(frame, protocol::MakeError(protocol::ErrorCode::kStateRejected, kind.words), parts);
  }
  constexpr SqlFlags kNaming = protocol::kSqlPrepare | protocol::kSqlExecute | protocol::kSqlDeallocate;
  if ((flags & kUnreadNames) != 0 && (flags & kNaming) != 0) {
    return Refuse(frame, protocol::MakeError(protocol::ErrorCode::kStateRejected, "PREPARE, EXECUTE or DEALLOCATE in a text that is too long to be read"), parts);
  }
  Touched& touched = session().touched;
  if ((flags & kUnreadNames) != 0) touched.every_setting = touched.unreadable = true;
  const bool named_before = !touched.names.empty() || touched.every_setting;
  NoteText(details, bind_body, frame.type == 'B' ? Asked::kByBind : Asked::kByQuery);
  SqlFlags state = flags & kStateFlags;
  if (session_->pins != 0) state |= flags & kUnpinFlags;
  // What the server reports needs no question.
  if (!named_before && touched.names.empty() && !touched.every_setting && !touched.every_value && session_->channel_changes.empty()) state &= ~SqlFlags{protocol::kSqlSet};
  if ((state & protocol::kSqlSequence) != 0 && is_fresh_ && server_->has_sequences_of_others()) {
    // What others have drawn from sequences in that session must not be taken for this client's.
    FlushToServer(parts);
    server_->SendOwnQuery("DISCARD SEQUENCES");
    server_->MarkSequencesDiscarded();
  }
  if (state == 0) return std::nullopt;
  touched.flags |= state;
  server_->MarkTouched();
  if ((flags & protocol::kSqlLoad) != 0) server_->MarkLoaded();
  return std::nullopt;
}

// Session mode. Some of these reset something: what that goes back to is asked for when the transaction has ended.
void Client::NoteResets(const std::vector<protocol::SqlStatement>& details, Asked asked) {
  if (session_) session_->restores_bound = false;
  if (details.empty()) return;
  session().touched.flags |= protocol::kSqlSet;
  NoteText(details, {}, asked);
}

// What a whole text sets and resets.
void Client::NoteText(const std::vector<protocol::SqlStatement>& details, std::string_view bind_body, Asked asked) {
  session_->resets = {};
  for (const protocol::SqlStatement& statement : details) NoteSettings(statement, bind_body, asked);
  session_->touched.resets.Add(session_->resets);
  const bool restores = !ResetValues().empty();
  session_->restores_bound = restores && asked == Asked::kByBind;
  if (restores && asked == Asked::kByQuery) session_->restoring = Restoring::kDue;
}

void Client::NoteSettings(const protocol::SqlStatement& statement, std::string_view bind_body, Asked asked) {
  const bool is_bound = asked == Asked::kByBind;
  Touched& touched = session_->touched;
  Resets& resets = session_->resets;
  const auto note = [&](std::string name) {
    MakeLower(name);  // names of settings are, however they are quoted
    std::erase(resets.names, name);
    (statement.kind == SqlKind::kReset ? resets.names : resets.set_again).push_back(name);
    if (name == "session_authorization") touched.Add("role");  // which ends with it
    const std::string_view tracked = protocol::TrackedName(name);
    const bool is_reported = !tracked.empty() && server_->settings().Reported(tracked) != nullptr;
    if (name.starts_with("transaction_") || name == "seed") return;  // of the transaction alone; a seed cannot be read
    const bool has_own_default =
        statement.kind == SqlKind::kReset && (startup_->Find(tracked) != nullptr || server_->settings().AtConnect(tracked) != nullptr);
    // The letters of all values are read anew in another encoding.
    if (name == "client_encoding") touched.every_value |= settings_->HasUnreported();
    if (is_reported && !has_own_default) return;
    if (protocol::IsPlainName(name)) touched.Add(name);
    else touched.every_setting = touched.unreadable = true;
  };
  if (statement.kind == SqlKind::kSet || statement.kind == SqlKind::kReset) {
    for (const std::string& name : statement.names) note(name);
  }
  const bool resets_all = statement.kind == SqlKind::kResetAll || statement.kind == SqlKind::kDiscardAll;
  if (resets_all) touched.every_setting = true;
  if (resets_all) resets = {.all = true};
  if (resets_all || statement.kind == SqlKind::kReset) touched.was_reset = true;
  for (const std::string& name : statement.set_config_names) note(name);
  // A custom setting of a name that was computed cannot be found again.
  if (statement.set_config_unknown) touched.every_setting = touched.unreadable = true;
  for (const int number : statement.set_config_parameters) {
    const auto value = protocol::ReadBindParameter(bind_body, number);
    if (!value) {
      touched.every_setting = true;
      if (!is_bound) touched.unreadable = true;
      continue;
    }
    note(std::string(*value));
  }
}

Edit Client::Refuse(const Frame& frame, const protocol::ErrorReport& report, Parts& parts) {
  worker_->CountError(report.code);
  std::string error;
  protocol::WriteError(error, report);
  server_->log().Add({protocol::StatementChange::Kind::kRefuse, std::move(error), nullptr, {}});
  std::string& own = parts.BeginOwn();
  if (frame.type == 'Q') {
    protocol::WriteQuery(own, kRefusedSql);
    ++batches_.current;
  } else {
    protocol::WriteBindHead(own, "", protocol::kUnknownName, 6);
    own.append(6, '\0');
  }
  parts.EndOwn();
  server_->tracker().OnSent(frame.type, Action::kForward, Note::kNoted);
  return {.kind = Edit::Kind::kEaten};
}

// --- when it has ended ---------------------------------------------------------------------------------------------------

bool Client::MustSettle() const {
  return (session_ && session_->touched.flags != 0) || (tracks_ && pool_->verifies_session_state());
}

bool Client::WithholdsReady() {
  const auto& tracker = server_->tracker();
  // What failed has reset nothing.
  if (session_ && session_->restoring == Restoring::kDue && tracker.status() == 'E' && tracker.owes_nothing()) session_->restoring = Restoring::kNo;
  const bool restores = session_ && session_->restoring == Restoring::kDue && tracker.status() == 'T';
  ready_withheld_ = tracker.owes_nothing() && (restores || (MustSettle() && tracker.status() == 'I'));
  return ready_withheld_;
}

// The client's own defaults of what was reset, else those of connect_query.
std::vector<protocol::Setting> Client::ResetValues() const {
  std::vector<protocol::Setting> values;
  const auto add = [&](const protocol::Setting& setting) {
    std::string name = setting.first;
    MakeLower(name);
    if (session_->resets.Has(name)) values.push_back(setting);
  };
  for (const auto& setting : startup_->values()) add(setting);
  for (const auto& setting : server_->settings().at_connect()) {
    if (startup_->Find(setting.first) == nullptr) add(setting);
  }
  // What stands for LISTEN and UNLISTEN goes with RESET ALL. Behind a ROLLBACK TO it is not known which of it stood.
  if (!session_->resets.all || session_->rolled_back_to) return values;
  for (size_t i = 0; i < session_->channel_changes.size(); ++i) values.push_back(ChannelSetting(i));
  return values;
}

// After the Execute of a RESET: part of the client's own batch, and of its transaction.
void Client::RestoreInBatch(Parts& parts) {
  session_->touched.restored = true;
  std::vector<protocol::Setting> values = ResetValues();
  for (const std::string& sql : protocol::TakeSetCommands(values)) SendCommand(sql, parts);
  SendSetConfig(values, protocol::SettingScope::kSession, Action::kSkip, parts);
}

// After a query that did, inside a transaction: an exchange of which only its ParameterStatus is heard.
void Client::Restore() {
  protocol::SettingsDifference wanted;
  wanted.set = ResetValues();
  session_->restoring = wanted.set.empty() ? Restoring::kNo : Restoring::kSent;
  if (wanted.set.empty()) return OnRestored();
  session_->touched.restored = true;
  server_->SendOwn(wanted);
}

void Client::OnRestored() {
  session_->restoring = Restoring::kNo;
  ready_withheld_ = false;
  std::string ready;
  protocol::WriteReadyForQuery(ready, 'T');
  if (!SendFromServer(ready)) return;
  waits_ = barrier_ = false;
  RunPending();
}

void Client::Settle() {
  protocol::SessionQuestion question;
  const Touched& touched = session().touched;
  question.names = touched.names;
  for (size_t i = 0; i < session_->channel_changes.size(); ++i) question.names.push_back(std::string(kChannelSetting) + std::to_string(i));
  const bool everything = tracks_ && pool_->verifies_session_state();
  if (touched.every_setting || touched.every_value || everything) {
    question.settings = protocol::SessionQuestion::Settings::kAll;
    const auto add = [&](std::string name) {
      MakeLower(name);
      if (!protocol::IsPlainName(name)) return;
      if (std::find(question.names.begin(), question.names.end(), name) == question.names.end()) question.names.push_back(std::move(name));
    };
    for (const auto& [name, value] : settings_->values()) add(name);
    for (const auto& [name, value] : startup_->values()) add(name);
    for (const std::string& name : server_->settings().ExtraNames()) add(name);
    add("role");
    add("session_authorization");
  }
  for (const KindOfState& kind : kKinds) {
    const bool is_asked = everything || (touched.flags & kind.flags) != 0 || (session_->pins & Session::Bit(kind.kind)) != 0;
    if (is_asked) question.things |= kind.thing;
  }
  state_ = ClientState::kSettling;
  if (question.empty()) {
    const protocol::SessionFinding nothing;
    return OnSettled(&nothing);
  }
  server_->Ask(question);
}

void Client::OnSettled(const protocol::SessionFinding* finding) {
  state_ = ClientState::kActive;
  std::string& to_client = session().held_answer;
  bool waits_for_hub = false;
  if (finding != nullptr) {
    TakeFinding(*finding, to_client);
    if (session_->touched.unreadable) session_->has_unknown_settings = true;
    // Nobody can ask whether these are gone: they last until the session ends.
    for (const StateKind kind : {StateKind::kLoad, StateKind::kSequence}) {
      const bool is_new = (session_->touched.flags & kKinds[static_cast<size_t>(kind)].flags) != 0;
      if (is_new) session_->lasting |= Session::Bit(kind);
    }
    waits_for_hub = ChangeChannels(*finding);
    SetPins(PinsOf(*finding));
    session_->touched = {};
    session_->restoring = Restoring::kNo;
  } else {
    SetPins(session_->pins | Session::Bit(StateKind::kSettings));  // not known: it stays, and is asked for again
  }
  if (std::exchange(ready_withheld_, false)) protocol::WriteReadyForQuery(to_client, 'I');
  bool is_later = false;
  if (session_->pins == 0 && tracks_) {
    server_->MarkUntouched();
    ReleaseServer(Now());
  } else {  // it stays: RESET goes back to the client's own defaults
    is_later = server_->Resync() == Server::Synced::kLater;
  }
  if (is_later) state_ = ClientState::kLinking;
  if (waits_for_hub) {
    if (!is_later) state_ = ClientState::kSettling;
    return;
  }
  FinishSettle();
}

// The client may go on: it hears that its transaction has ended.
void Client::FinishSettle() {
  const bool is_later = state_ == ClientState::kLinking;
  if (!is_later) state_ = server_ != nullptr ? ClientState::kActive : ClientState::kIdle;
  const std::string to_client = std::exchange(session_->held_answer, {});
  if (!to_client.empty() && !SendFromServer(to_client)) return;
  FlushNotifications();
  if (drain_) return End(protocol::ErrorCode::kShuttingDown);
  if (is_later || (state_ != ClientState::kActive && state_ != ClientState::kIdle)) return;
  waits_ = barrier_ = false;
  RunPending();
}

void Client::TakeFinding(const protocol::SessionFinding& finding, std::string& to_client) {
  auto& server = server_->settings();
  protocol::SettingsRef now = settings_;
  const Touched& touched = session_->touched;
  // PostgreSQL's own default is there, or an empty value of a setting that it does not know.
  const auto was_reset = [&touched](const std::string& name) { return touched.resets.Has(name) && !touched.restored; };
  const auto was_left_empty = [&was_reset](const std::string& name) {
    return was_reset(name) && name.find('.') != std::string::npos;
  };
  for (const auto& [name, value] : finding.set) {
    server.OnFound(name, value);
    if (name.starts_with(kChannelSetting)) continue;  // ours
    if (const std::string* own_default = startup_->Find(name); own_default != nullptr && value.empty() && was_left_empty(name)) {
      now = now->With(name, *own_default);
      continue;
    }
    const std::string* has = now->Find(protocol::TrackedName(name).empty() ? std::string_view(name) : protocol::TrackedName(name));
    if (value.empty() && was_left_empty(name) && server.AtConnect(name) != nullptr) {
      now = now->Without(name);
      continue;
    }
    if (IsAtConnect({name, value}) && (has == nullptr || touched.resets.Has(name))) {
      if (has != nullptr) now = now->Without(name);
      continue;
    }
    if (has == nullptr || *has != value) now = now->With(name, value);
  }
  for (const std::string& name : finding.defaults) {
    server.OnFoundDefault(name);
    const std::string_view tracked = protocol::TrackedName(name);
    const std::string_view key = tracked.empty() ? std::string_view(name) : tracked;
    const std::string* own_default = startup_->Find(key);
    if (own_default != nullptr && !was_reset(name)) {
      // Only who the session is has a default that can be set by its value.
      if (name == "role") now = now->With(key, "none");
      if (name == "session_authorization") now = now->With(key, pool_->key().user);
      continue;
    }
    if (own_default == nullptr) {
      if (now->Find(key) != nullptr) now = now->Without(key);
      // It is there again before the next query.
      const std::string* at_connect = tracked.empty() ? nullptr : server.AtConnect(tracked);
      if (at_connect != nullptr && *at_connect != *server.Reported(tracked)) protocol::WriteParameterStatus(to_client, tracked, *at_connect);
      continue;
    }
    now = now->With(key, *own_default);
    const std::string* reported = tracked.empty() ? nullptr : server.Reported(tracked);
    if (reported != nullptr && *reported != *own_default) protocol::WriteParameterStatus(to_client, tracked, *own_default);
  }
  if (now != settings_) FollowSettings(std::move(now));
}

// What a server was found to have is what connect_query has set there, and no wish of this client.
bool Client::IsAtConnect(const protocol::Setting& found) const {
  const std::string_view tracked = protocol::TrackedName(found.first);
  const std::string* value = server_->settings().AtConnect(tracked.empty() ? std::string_view(found.first) : tracked);
  return value != nullptr && *value == found.second;
}

void Client::FollowSettings(protocol::SettingsRef settings) {
  settings_ = pool_->Share(std::move(settings));
  server_->settings().OnFollowed(settings_);
  TakeQueueTimeout();
}

// A plain number is milliseconds, as in PostgreSQL's own time-outs. PostgreSQL knows the setting for a text only, so what is no
// time gets here: it counts as none.
void Client::TakeQueueTimeout() {
  waiter_.patience = pool::Duration(0);
  const std::string* text = settings_->Find(kQueueTimeout);
  if (text == nullptr || text->empty()) return;
  const bool is_number = std::all_of(text->begin(), text->end(), [](char c) { return c >= '0' && c <= '9'; });
  const auto time = conf::ParseDuration(is_number ? *text + "ms" : *text);
  if (time) waiter_.patience = *time;
  else Log(Level::kWarning, "queue_timeout_unreadable", {{"client", id_}, {"database", database_}, {"user", user_}, {"cause", kQueueTimeout}, {"trouble", time.error()}});
}

uint32_t Client::PinsOf(const protocol::SessionFinding& finding) const {
  uint32_t pins = 0;
  for (const KindOfState& kind : kKinds) {
    if ((finding.things & kind.thing) != 0) pins |= Session::Bit(kind.kind);
  }
  const bool settings_pin = pool_->policy(StateKind::kSettings) == StatePolicy::kPin;
  const bool keeps_some = std::any_of(finding.set.begin(), finding.set.end(), [this](const protocol::Setting& setting) {
    return !setting.first.starts_with(kChannelSetting) && !IsAtConnect(setting) && !(setting.second.empty() && session_->touched.was_reset);
  });
  if (session_->has_unknown_settings || (settings_pin && keeps_some)) pins |= Session::Bit(StateKind::kSettings);
  return pins | session_->lasting;
}

void Client::SetPins(uint32_t pins) {
  Session& own = session();
  const uint32_t before = std::exchange(own.pins, pins);
  if (before == pins) return;
  auto& counters = pool_->counters(worker_->number());
  if (before == 0) {
    counters.pinned.Add(1);
    own.pinned_since = std::chrono::system_clock::now();
  }
  if (pins == 0) counters.pinned.Subtract(1);
  for (const KindOfState& kind : kKinds) {
    const uint32_t bit = Session::Bit(kind.kind);
    if ((pins & bit) == 0 || (before & bit) != 0) continue;
    counters.pins[static_cast<size_t>(kind.kind)].Add(1);
    Log(Level::kInfo, "client_pinned", {{"client", id_}, {"database", database_}, {"user", user_}, {"reason", conf::Name(kind.kind)}});
  }
}

}  // namespace proxy
