// Client, prepared statements: its names become statements that its server has.
//
// The rules are in protocol/prepared_statements.h. Errors about names are PostgreSQL's own: the server is given a message that
// fails in the right place, and only the name in its words is put right (Server::JudgeError).
#include <algorithm>

#include "protocol/message_writer.h"
#include "protocol/sql_lexer.h"
#include "protocol/statement_messages.h"
#include "proxy/client.h"
#include "proxy/worker.h"

namespace proxy {

using protocol::ClientStatement;
using protocol::Frame;
using protocol::SqlFlags;
using protocol::StatementChange;
using Action = protocol::ReplyTracker::Action;
using Note = protocol::ReplyTracker::Note;
using Kind = protocol::StatementChange::Kind;

namespace {

constexpr SqlFlags kConcernsNames = protocol::kSqlDeallocate | protocol::kSqlPrepare | protocol::kSqlExecute;
constexpr std::string_view kSettingName = "pgweir_setting";  // of a statement and a portal, for a moment
constexpr SqlFlags kSetsSomething = protocol::kSqlSet | protocol::kSqlSetLocal;
constexpr SqlFlags kChangesNames = protocol::kSqlDeallocate | protocol::kSqlDiscard | protocol::kSqlPrepare;


// Of Parse, Bind, Describe, Close: it is about a statement that has a name.
bool NamesStatement(const Frame& frame) {
  const std::string_view body = frame.body();
  switch (frame.type) {
    case 'P': return !body.empty() && body[0] != '\0';
    case 'D':
    case 'C': return body.size() > 2 && body[0] == 'S' && body[1] != '\0';
    case 'B': {
      const auto head = protocol::ReadBindHead(body);
      return head && !head->statement.empty();
    }
    default: return false;
  }
}

// PostgreSQL does not look into it when it parses it, so nothing in it is read under any settings. And nothing may be asked of the
// server before it: a SET TRANSACTION is refused behind a query, and a BEGIN makes what ran before it part of its transaction.
bool IsUtility(const protocol::Statement& statement, protocol::Backslash backslash) {
  if ((statement.flags & (protocol::kSqlBegin | protocol::kSqlEnd)) != 0) return true;
  if ((statement.flags & (protocol::kSqlSet | protocol::kSqlSetLocal)) == 0) return false;
  const protocol::SqlToken first = protocol::SqlLexer(statement.text(), backslash).Next();
  return protocol::IsWord(first, "set") || protocol::IsWord(first, "reset");
}

bool IsReset(const protocol::SqlStatement& statement) {
  using protocol::SqlKind;
  return statement.kind == SqlKind::kReset || statement.kind == SqlKind::kResetAll || statement.kind == SqlKind::kDiscardAll;
}

}  // namespace

protocol::Backslash Client::backslash() const {
  return settings_->escapes().value_or(server_->settings().escapes()) ? protocol::Backslash::kEscapes : protocol::Backslash::kLiteral;
}

Session& Client::session() {
  if (!session_) session_ = std::make_unique<Session>();
  return *session_;
}

Edit Client::EditMessage(const Frame& frame, Parts& parts) {
  if (!KeepsNames() && frame.type != 'Q' && NamesStatement(frame)) return {};
  // The server ignores everything up to the next Sync: nothing of it means anything.
  if (server_->tracker().skipping()) return {};
  const bool nothing_owed = server_->tracker().owed() == 0;
  // What it waits for may have changed what it needs, so that it would not wait again: it is looked at when all is there.
  if (waits_ && (!nothing_owed || server_->is_mid_message())) return {.kind = Edit::Kind::kWait};
  waits_ = false;
  batch_is_first_ = nothing_owed && begun_batch_ != batches_.current;
  if (nothing_owed) {
    batches_.answered = batches_.current - 1;
    barrier_ = false;
  }
  // What was reset must be the client's own again before anything else sees it.
  if (session_ && session_->restoring == Restoring::kDue && !nothing_owed) return Wait(parts);
  const bool may_name = frame.type == 'Q' || frame.type == 'P' || frame.type == 'B' || frame.type == 'D' || frame.type == 'C';
  if (may_name && session_ && server_->statements().NamesArePending(id_, batches_)) return Wait(parts);
  switch (frame.type) {
    case 'Q': return EditQuery(frame, parts);
    case 'P': return EditParse(frame, parts);
    case 'B': return EditBind(frame, parts);
    case 'D': return EditDescribe(frame, parts);
    case 'C': return EditClose(frame, parts);
    case 'E': {
      if (session_ && std::exchange(session_->restores_bound, false)) return {.kind = Edit::Kind::kThenRestore};
      if (!std::exchange(channel_bound_, false)) return {};
      const auto kind = session_->channel_changes.back().kind;
      server_->log().Add({Kind::kChannel, {kind == protocol::SqlKind::kListen ? kTagListen : kTagUnlisten}, nullptr, {}});
      return {.note = Note::kNoted};
    }
    default: return {};
  }
}

// Session mode: nothing is changed, but what RESET leaves is put right (NoteResets). Most texts are only looked through.
Edit Client::EditInSession(const Frame& frame, Parts& parts) {
  if (server_->tracker().skipping()) return {};
  const bool is_first = server_->tracker().owed() == 0;
  if (session_ && session_->restoring == Restoring::kDue && !is_first) return Wait(parts);
  const auto resets_of = [this](std::string_view sql) {
    constexpr SqlFlags kMayReset = protocol::kSqlSet | protocol::kSqlDiscard;
    auto details = (protocol::Sniff(sql, backslash()) & kMayReset) != 0 ? protocol::Examine(sql, backslash()) : std::vector<protocol::SqlStatement>();
    if (std::none_of(details.begin(), details.end(), IsReset)) details.clear();
    return details;
  };
  switch (frame.type) {
    case 'Q': NoteResets(resets_of(frame.body().substr(0, frame.body().find('\0'))), Asked::kByQuery); return {};
    case 'P': {
      const auto head = protocol::ReadParse(frame.body());
      if (!head) return {};
      auto details = resets_of(head->text);
      if (!details.empty()) session().reset_statements.insert_or_assign(std::string(head->name), std::move(details));
      else if (session_) session_->reset_statements.erase(std::string(head->name));
      return {};
    }
    case 'B': {
      if (session_) session_->restores_bound = false;
      if (!session_ || session_->reset_statements.empty()) return {};
      const auto head = protocol::ReadBindHead(frame.body());
      const auto found = head ? session_->reset_statements.find(head->statement) : session_->reset_statements.end();
      if (found != session_->reset_statements.end()) NoteResets(found->second, Asked::kByBind);
      return {};
    }
    case 'E':
      if (session_ && std::exchange(session_->restores_bound, false)) return {.kind = Edit::Kind::kThenRestore};
      return {};
    default: return {};
  }
}

// Everything that was sent must be answered first. A Flush makes the server answer a batch that no Sync has ended.
Edit Client::Wait(Parts& parts) {
  if (!waits_ && server_->tracker().NeedsSync()) {
    protocol::MessageWriter(parts.BeginOwn()).Begin('H').End();
    parts.EndOwn();
    server_->tracker().OnSent('H');
    FlushToServer(parts);
    AnswerFlush();
    if (state_ != ClientState::kActive) return {.kind = Edit::Kind::kEnded};
  }
  waits_ = server_->tracker().owed() > 0;
  return {.kind = waits_ ? Edit::Kind::kWait : Edit::Kind::kAgain};
}

Edit Client::EditQuery(const Frame& frame, Parts& parts) {
  if (barrier_) return Wait(parts);
  std::string_view sql = frame.body();
  if (frame.IsWhole() && sql.ends_with('\0')) sql.remove_suffix(1);
  server_->NoteStatement(sql);
  SqlFlags flags = protocol::Sniff(sql, backslash());
  if (!frame.IsWhole()) flags |= kEveryState | kUnreadNames;  // what is not here yet may say anything
  flags |= FlagsOfPlace(flags);
  std::vector<protocol::SqlStatement> details;
  const bool is_harmless = (flags & ~protocol::kSqlHarmless) == 0 && !HasPins();
  if (!is_harmless) details = protocol::Examine(sql, backslash());
  if ((flags & kConcernsNames) != 0 && NamesMayChange(details)) return Wait(parts);
  DropUnnamed();
  if (is_harmless) return {};
  flags |= AddExecuted(details);
  const bool has_stand_ins = frame.IsWhole() && CarriesChannels(flags);
  if (has_stand_ins) flags &= ~kChannelFlags;
  if (const auto refused = NoteState(flags, details, {}, frame, parts)) return *refused;
  if ((flags & kConcernsNames) != 0 && KeepsNames()) PrepareNames(details, sql, 'Q', parts);
  if ((flags & kChangesNames) != 0) barrier_ = true;
  return has_stand_ins ? SendWithStandIns(sql, details, parts) : Edit{};
}

// --- Parse ---------------------------------------------------------------------------------------------------------------

Edit Client::EditParse(const Frame& frame, Parts& parts) {
  const auto head = protocol::ReadParse(frame.body());
  if (!head) {
    // Too long to be kept, or malformed, which the server will say.
    if (!frame.body().starts_with('\0')) return {};
    session().statements.unnamed.Push({}, batches_.current).flags = kEveryState | kUnreadNames;  // what is not here may say anything
    PutUnnamed(Puts::kByClient);
    return {.note = Note::kUnnamed};
  }
  pool_->counters(worker_->number()).client_parses.Add(1);
  if (head->name.empty()) return ParseUnnamed(*head, parts);
  ClientStatement* known = nullptr;
  switch (LookUp(head->name, known)) {
    case Lookup::kWait: return Wait(parts);
    case Lookup::kFound:
      // Its Parse, in this very batch, may still fail.
      if (known->batch == batches_.current && server_->tracker().owed() > 0) return Wait(parts);
      return ParseDuplicate(*head, parts);
    case Lookup::kUnknown: break;
  }
  auto& statements = session().statements;
  if (statements.size() >= protocol::kClientStatementsMax) {
    FlushToServer(parts);
    Fatal(protocol::MakeError(protocol::ErrorCode::kTooManyStatements, std::to_string(protocol::kClientStatementsMax)));
    return {.kind = Edit::Kind::kEnded};
  }
  protocol::StatementRef statement = MakeStatement(*head, StatementRegistry::Sharing::kShared);
  if (statement && statements.Has(statement, batches_)) statement = MakeStatement(*head, StatementRegistry::Sharing::kPrivate);
  if (!statement) {
    FlushToServer(parts);
    Fatal(protocol::MakeError(protocol::ErrorCode::kTooManyStatements, "in this pool"));
    return {.kind = Edit::Kind::kEnded};
  }
  const std::string name(head->name);
  auto& tracker = server_->tracker();
  auto& server = server_->statements();
  auto has = server.Use(statement, batches_);
  if (has == protocol::ServerStatements::Has::kPending || NamesMayChange(statement->details)) return Wait(parts);
  const uint64_t view = SchemaView();
  // A table may be gone, or another one be meant: PostgreSQL is asked anew. In a transaction always: should the plan turn out not to
  // fit, which a statement that has just been parsed can never do, nothing could be done about it there.
  const bool is_trusted = tracker.status() == 'I' && server.WasParsedUnder(statement->id, view);
  if (has == protocol::ServerStatements::Has::kYes && MayFakeParse() && !is_trusted) has = protocol::ServerStatements::Has::kStale;
  const uint64_t put = statements.Put(
      name, {statement, protocol::Language::kProtocol, statement->generation.load(std::memory_order_relaxed), batches_.current});
  switch (has) {
    case protocol::ServerStatements::Has::kPending:
    case protocol::ServerStatements::Has::kYes:
      if (MayFakeParse()) {
        tracker.OnSent('P', Action::kFake, Note::kNoted);
      } else {
        // Its transaction may be aborted: PostgreSQL is asked what it thinks of the text, under another name.
        protocol::WriteClose(parts.BeginOwn(), protocol::kDuplicateName), parts.EndOwn();
        tracker.OnSent('C', Action::kSkip);
        protocol::WriteParse(parts.BeginOwn(), protocol::kDuplicateName, head->body), parts.EndOwn();
        tracker.OnSent('P', Action::kForward, Note::kNoted);
      }
      server_->log().Add({Kind::kClientParse, name, statement, {}, put});
      BeginRetry(name, statement);
      return {.kind = Edit::Kind::kEaten};
    case protocol::ServerStatements::Has::kStale: CloseOnServer(statement, parts); break;
    case protocol::ServerStatements::Has::kNo: MakeRoom(parts); break;
  }
  EnsureExecuted(statement->details, parts);
  tracker.OnSent('P', Action::kForward, Note::kNoted);
  server_->log().Add({Kind::kParse, name, statement, {}, put, server.Add(statement, batches_.current, view)});
  pool_->counters(worker_->number()).server_parses.Add(1);
  protocol::WriteParse(parts.BeginOwn(), statement->server_name, statement->body), parts.EndOwn();
  if (statement->IsDescribed()) DescribeHidden(name, statement, parts);
  return {.kind = Edit::Kind::kEaten};
}

protocol::StatementRef Client::MakeStatement(const protocol::ParseHead& head, StatementRegistry::Sharing wanted) {
  const SqlFlags flags = protocol::Sniff(head.text, backslash());
  std::vector<protocol::SqlStatement> details;
  if ((flags & ~protocol::kSqlHarmless) != 0) details = protocol::Examine(head.text, backslash());
  std::string settings = settings_->reading_key(), body(head.body);
  if (IsChannelStatement(flags, details)) {
    settings.append(1, '\0').append(head.text);
    body = StandIn() + std::string(3, '\0');
    wanted = StatementRegistry::Sharing::kPrivate;  // its stand-in is this client's own
  }
  // Read under settings of this transaction alone, it is nobody else's.
  const auto sharing = transaction_sets_ ? StatementRegistry::Sharing::kPrivate : wanted;
  return pool_->statements().Intern(body, settings, sharing, flags, std::move(details));
}

Edit Client::ParseUnnamed(const protocol::ParseHead& head, Parts& parts) {
  const SqlFlags flags = protocol::Sniff(head.text, backslash());
  std::vector<protocol::SqlStatement> details;
  if ((flags & ~protocol::kSqlHarmless) != 0) details = protocol::Examine(head.text, backslash());
  if ((flags & protocol::kSqlExecute) != 0 && KeepsNames()) {
    if (NamesMayChange(details)) return Wait(parts);
    EnsureExecuted(details, parts);
  }
  auto& unnamed = session().statements.unnamed.Push(head.body, batches_.current);
  unnamed.flags = flags;
  unnamed.details = std::move(details);
  PutUnnamed(Puts::kByClient);
  if (!IsChannelStatement(unnamed.flags, unnamed.details)) return {.note = Note::kUnnamed};
  unnamed.body = StandIn() + std::string(3, '\0');
  protocol::WriteParse(parts.BeginOwn(), "", unnamed.body), parts.EndOwn();
  server_->tracker().OnSent('P', Action::kForward, Note::kUnnamed);
  return {.kind = Edit::Kind::kEaten};
}

// The server gets, or loses, the unnamed statement as this client has it now.
void Client::PutUnnamed(Puts puts) {
  auto& here = server_->statements().unnamed;
  const auto& unnamed = session().statements.unnamed;
  const bool is_certain = here.batch <= batches_.answered || here.replaces_own;
  const bool replaces_own = puts == Puts::kByClient && here.client == id_ && here.serial == unnamed.serial_before_newest() && is_certain;
  here = {id_, unnamed.newest().serial, batches_.current, replaces_own};
}

// A simple query does.
void Client::DropUnnamed() {
  if (session_) session_->statements.unnamed.Drop();
  server_->statements().unnamed = {id_, 0, batches_.current, true};
}

// 42P05: a name that certainly exists is parsed once more. Its text is the client's, as PostgreSQL looks at that first.
Edit Client::ParseDuplicate(const protocol::ParseHead& head, Parts& parts) {
  auto& tracker = server_->tracker();
  std::string& own = parts.BeginOwn();
  protocol::WriteClose(own, protocol::kDuplicateName);
  protocol::WriteParse(own, protocol::kDuplicateName, {"\0\0\0", 3});
  protocol::WriteParse(own, protocol::kDuplicateName, head.body);
  parts.EndOwn();
  tracker.OnSent('C', Action::kSkip);
  tracker.OnSent('P', Action::kSkip);
  tracker.OnSent('P', Action::kForward, Note::kNoted);
  server_->log().Add({Kind::kWrongName, std::string(head.name), nullptr, {}});
  return {.kind = Edit::Kind::kEaten};
}

// --- names ---------------------------------------------------------------------------------------------------------------

Client::Lookup Client::LookUp(std::string_view name, ClientStatement*& entry) {
  if (barrier_) return Lookup::kWait;
  if (!session_) return Lookup::kUnknown;
  entry = session_->statements.Find(name);
  if (session_->statements.IsClosing(name, batches_)) return Lookup::kWait;
  if (entry == nullptr) return Lookup::kUnknown;
  return batches_.IsUncertain(entry->batch) ? Lookup::kWait : Lookup::kFound;
}

// Gives up the least recently used ones over max_prepared_statements.
void Client::MakeRoom(Parts& parts) {
  auto& server = server_->statements();
  const auto limit = static_cast<size_t>(pool_->max_prepared_statements());
  while (server.size() >= limit) {
    const protocol::StatementRef oldest = server.Oldest();
    CloseOnServer(oldest, parts);
  }
}

void Client::CloseOnServer(const protocol::StatementRef& statement, Parts& parts) {
  server_->statements().BeginClose(statement, batches_.current);
  server_->tracker().OnSent('C', Action::kSkip, Note::kNoted);
  server_->log().Add({Kind::kServerClose, {}, statement, {}});
  protocol::WriteClose(parts.BeginOwn(), statement->server_name), parts.EndOwn();
}

// A batch that begins now, alone, can be repeated when a plan turns out not to fit; in a transaction it is known at least which.
void Client::BeginRetry(std::string_view name, const protocol::StatementRef& statement) {
  auto& retry = server_->retry();
  if (batch_is_first_) retry.Begin();
  retry.Uses(name, statement);
}

// The answer is certain to be ParseComplete: the transaction is not aborted, and will not be by what runs before.
bool Client::MayFakeParse() const {
  const auto& tracker = server_->tracker();
  return tracker.status() != 'E' && tracker.units_owed() == 0;
}

// What decides, beside its text, whether a statement can be parsed: names are looked up along search_path, in a catalogue that
// DDL changes, as far as pgweir has seen it go by.
uint64_t Client::SchemaView() const {
  uint64_t view = worker_->shared().schema_epoch.load(std::memory_order_relaxed);
  for (const std::string_view name : {"search_path", "role", "session_authorization"}) {
    const std::string* value = settings_->Find(name);
    view = view * 31 + (value != nullptr ? std::hash<std::string>()(*value) : 0);
  }
  return view | 1;
}

Client::Ensured Client::EnsureOnServer(const protocol::StatementRef& statement, Look look, Parts& parts) {
  auto& server = server_->statements();
  const auto has = server.Use(statement, batches_);
  if (has == protocol::ServerStatements::Has::kPending || NamesMayChange(statement->details)) return Ensured::kLater;
  EnsureExecuted(statement->details, parts);
  if (has == protocol::ServerStatements::Has::kYes) return Ensured::kYes;
  auto& tracker = server_->tracker();
  if (has == protocol::ServerStatements::Has::kStale) CloseOnServer(statement, parts);
  else MakeRoom(parts);
  const std::string now = IsUtility(*statement, backslash()) ? statement->settings : settings_->reading_key();
  ReadUnder(statement->settings, now, Action::kSkip, parts);
  tracker.OnSent('P', Action::kSkip, Note::kNoted);
  server_->log().Add({Kind::kServerParse, {}, statement, {}, 0, server.Add(statement, batches_.current, SchemaView())});
  pool_->counters(worker_->number()).server_parses.Add(1);
  protocol::WriteParse(parts.BeginOwn(), statement->server_name, statement->body), parts.EndOwn();
  ReadUnder(now, statement->settings, Action::kSkip, parts);
  if (look == Look::kNo || !statement->IsDescribed()) return Ensured::kYes;
  DescribeHidden({}, statement, parts);
  return look == Look::kAwaited ? Ensured::kLater : Ensured::kYes;
}

// The client hears nothing of it, but when it has a `name` for the statement it gets what the statement gives now.
void Client::DescribeHidden(std::string_view name, const protocol::StatementRef& statement, Parts& parts) {
  server_->tracker().OnSent('D', Action::kSkip, Note::kNoted);
  server_->log().Add({Kind::kDescribe, std::string(name), statement, {}});
  protocol::WriteDescribe(parts.BeginOwn(), statement->server_name), parts.EndOwn();
}

// Inside of what the client sends, under names of our own.
void Client::SendSetConfig(const std::vector<protocol::Setting>& settings, protocol::SettingScope scope, Action action, Parts& parts) {
  if (settings.empty()) return;
  protocol::WriteSetConfig(parts.BeginOwn(), settings, kSettingName, scope);
  parts.EndOwn();
  for (const char type : protocol::kSetConfigTypes) server_->tracker().OnSent(type, action);
}

// A literal of a date means what the settings said when the client parsed it: around a Parse of ours its text is read under those
// again. For the transaction only: what was set for it alone must not outlast it.
void Client::ReadUnder(const std::string& wanted, const std::string& now, Action action, Parts& parts) {
  if (server_->tracker().status() == 'E') return;  // nothing can be set
  SendSetConfig(server_->settings().DifferenceOfReading(wanted, now), protocol::SettingScope::kTransaction, action, parts);
}

void Client::SendCommand(std::string_view sql, Parts& parts) {
  protocol::WriteCommand(parts.BeginOwn(), sql, kSettingName);
  parts.EndOwn();
  for (const char type : protocol::kSetConfigTypes) server_->tracker().OnSent(type, Action::kSkip);
}

Client::Ensured Client::EnsureUnnamed(Parts& parts) {
  const auto& here = server_->statements().unnamed;
  const auto* newest = session_ ? &session_->statements.unnamed.newest() : nullptr;
  if (here.client == id_ && batches_.IsUncertain(here.batch)) return Ensured::kLater;
  if (newest != nullptr && batches_.IsUncertain(newest->batch)) return Ensured::kLater;
  const uint64_t serial = newest != nullptr ? newest->serial : 0;
  if (serial != 0 && NamesMayChange(newest->details)) return Ensured::kLater;
  if (serial != 0) EnsureExecuted(newest->details, parts);
  if (here.client == id_ && here.serial == serial) return Ensured::kYes;
  if (serial == 0 || newest->body.empty()) {
    // None of its own that could be brought here. What somebody else left must not be taken for it.
    server_->tracker().OnSent('C', Action::kSkip);
    protocol::WriteClose(parts.BeginOwn(), ""), parts.EndOwn();
  } else {
    server_->tracker().OnSent('P', Action::kSkip);
    pool_->counters(worker_->number()).server_parses.Add(1);
    protocol::WriteParse(parts.BeginOwn(), "", newest->body), parts.EndOwn();
  }
  PutUnnamed(Puts::kByUs);
  return Ensured::kYes;
}

// 26000: no such name may be on the server when it looks.
void Client::EnsureUnknown(std::string_view name, Parts& parts) {
  if (server_->statements().FindNamed(name) != nullptr) CloseNamed(std::string(name), Action::kSkip, parts);
}

// A name of a client's own on the server goes.
void Client::CloseNamed(const std::string& name, Action action, Parts& parts) {
  server_->statements().EraseNamed(name);
  server_->statements().named_change = {id_, batches_.current};
  server_->tracker().OnSent('C', action, Note::kNoted);
  server_->log().Add({Kind::kNamedClose, name, nullptr, {}});
  protocol::WriteClose(parts.BeginOwn(), name), parts.EndOwn();
}

// It is asked for under a name that never exists: the error will speak of the client's.
Note Client::NoteWrongName(std::string_view name) {
  server_->log().Add({Kind::kWrongName, std::string(name), nullptr, {}});
  return Note::kNoted;
}

// --- Bind, Describe, Close -----------------------------------------------------------------------------------------------

Edit Client::EditBind(const Frame& frame, Parts& parts) {
  if (session_) {
    session_->restores_bound = false;
    session_->bound.reset();
  }
  const auto head = protocol::ReadBindHead(frame.body());
  if (!head) return {};  // malformed: the server says so
  pool_->counters(worker_->number()).binds.Add(1);
  if (head->statement.empty()) {
    if (EnsureUnnamed(parts) == Ensured::kLater) return Wait(parts);
    if (!session_) return {};
    const auto& unnamed = session_->statements.unnamed.newest();
    return NoteBind(unnamed.flags, unnamed.details, unnamed.text(), frame, parts).value_or(Edit{});
  }
  ClientStatement* entry = nullptr;
  Note note = Note::kNone;
  std::string_view name = head->statement;
  switch (LookUp(head->statement, entry)) {
    case Lookup::kWait: return Wait(parts);
    case Lookup::kUnknown:
      EnsureUnknown(head->statement, parts);
      if (!name.starts_with(protocol::kServerNamePrefix)) return {};
      name = protocol::kUnknownName;
      note = NoteWrongName(head->statement);
      break;
    case Lookup::kFound:
      if (entry->language == protocol::Language::kSql) {
        const auto statement = entry->statement;
        if (auto edit = NoteBind(statement->flags, statement->details, statement->text(), frame, parts)) return *edit;
        EnsureNamed(head->statement, Named::kFits, Action::kSkip, parts);
        return {};
      }
      if (EnsureOnServer(entry->statement, entry->told ? Look::kAwaited : Look::kPipelined, parts) == Ensured::kLater) return Wait(parts);
      if (auto edit = NoteBind(entry->statement->flags, entry->statement->details, entry->statement->text(), frame, parts)) return *edit;
      BeginRetry(head->statement, entry->statement);
      name = entry->statement->server_name;
      if (entry->told && entry->generation != entry->statement->generation.load(std::memory_order_relaxed) && server_->tracker().status() != 'E') {
        // It would get rows of another type than it was told before.
        server_->log().Add({Kind::kOutdated, {}, entry->statement, {}});
        note = Note::kNoted;
        name = protocol::kUnknownName;
      } else if (!entry->told || !entry->statement->IsDescribed()) {
        session_->bound = entry->statement;
        session_->bound_name = head->statement;
        session_->bound_portal = head->portal;
      }
      break;
  }
  const size_t rest = frame.total - protocol::kFrameHeaderBytes - head->bytes;
  protocol::WriteBindHead(parts.BeginOwn(), head->portal, name, rest), parts.EndOwn();
  return {.kind = Edit::Kind::kHead, .head = protocol::kFrameHeaderBytes + head->bytes, .note = note};
}

// What the words do not say: a setting of this transaction may have changed where things are made.
SqlFlags Client::FlagsOfPlace(SqlFlags flags) {
  if ((flags & kSetsSomething) != 0) transaction_sets_ = true;
  if ((flags & protocol::kSqlDdl) == 0) return 0;
  transaction_defines_ = true;
  worker_->shared().schema_epoch.fetch_add(1, std::memory_order_relaxed);
  const std::string* path = settings_->Find("search_path");
  const bool may_be_temp = transaction_sets_ || (path != nullptr && path->find("pg_temp") != std::string::npos);
  return may_be_temp ? SqlFlags{protocol::kSqlTemp} : SqlFlags{0};
}

// EXECUTE does what the statement of that name does.
SqlFlags Client::AddExecuted(std::vector<protocol::SqlStatement>& details) {
  SqlFlags flags = 0;
  if (!session_) return flags;
  std::vector<protocol::SqlStatement> executed;
  for (const protocol::SqlStatement& statement : details) {
    if (statement.kind != protocol::SqlKind::kExecute || statement.names.empty()) continue;
    const ClientStatement* entry = session_->statements.Find(statement.names.front());
    if (entry == nullptr) continue;
    flags |= entry->statement->flags & kStateFlags;
    for (protocol::SqlStatement inner : entry->statement->details) {
      inner.set_config_unknown |= !inner.set_config_parameters.empty();  // its values are not those of any Bind
      inner.set_config_parameters.clear();
      inner.kind = protocol::SqlKind::kOther;
      executed.push_back(std::move(inner));
    }
  }
  details.insert(details.end(), executed.begin(), executed.end());
  return flags;
}

// A Bind is taken for the execution: what the statement does is noted here.
std::optional<Edit> Client::NoteBind(SqlFlags flags, const std::vector<protocol::SqlStatement>& details, std::string_view sql,
                                             const Frame& frame, Parts& parts) {
  server_->NoteStatement(sql);
  flags |= FlagsOfPlace(flags);
  channel_bound_ = false;
  if ((flags & ~protocol::kSqlHarmless) == 0 && !HasPins()) return std::nullopt;
  if (IsChannelStatement(flags, details)) {
    NoteChannel(details.front());
    channel_bound_ = true;
    return std::nullopt;
  }
  if ((flags & kConcernsNames) != 0 && (barrier_ || NamesMayChange(details))) return Wait(parts);
  auto all_details = details;
  flags |= AddExecuted(all_details);
  if (auto refused = NoteState(flags, all_details, frame.body(), frame, parts)) return refused;
  if ((flags & kConcernsNames) != 0 && KeepsNames()) PrepareNames(details, sql, 'B', parts);
  if ((flags & kChangesNames) != 0) barrier_ = true;
  return std::nullopt;
}

Edit Client::EditDescribe(const Frame& frame, Parts& parts) {
  const std::string_view body = frame.body();
  if (body.size() < 2) return {};
  std::string_view name = body.substr(1, body.find('\0', 1) - 1);
  if (body[0] == 'P') return DescribePortal(name);
  if (body[0] != 'S') return {};
  if (name.empty()) {
    if (EnsureUnnamed(parts) == Ensured::kLater) return Wait(parts);
    return {};
  }
  ClientStatement* entry = nullptr;
  Note note = Note::kNone;
  switch (LookUp(name, entry)) {
    case Lookup::kWait: return Wait(parts);
    case Lookup::kUnknown:
      EnsureUnknown(name, parts);
      if (!name.starts_with(protocol::kServerNamePrefix)) return {};
      note = NoteWrongName(name);
      name = protocol::kUnknownName;
      break;
    case Lookup::kFound:
      if (entry->language == protocol::Language::kSql) {
        EnsureNamed(name, Named::kFits, Action::kSkip, parts);
        return {};
      }
      if (EnsureOnServer(entry->statement, Look::kNo, parts) == Ensured::kLater) return Wait(parts);
      BeginRetry(name, entry->statement);
      entry->generation = entry->statement->generation.load(std::memory_order_relaxed);
      entry->told = true;
      server_->log().Add({Kind::kDescribe, std::string(name), entry->statement, {}});
      note = Note::kNoted;
      name = entry->statement->server_name;
      break;
  }
  server_->tracker().OnSent('D', Action::kForward, note);
  protocol::WriteDescribe(parts.BeginOwn(), name), parts.EndOwn();
  return {.kind = Edit::Kind::kEaten};
}

// What a portal gives is what its statement gives: noted until this client has been told once.
Edit Client::DescribePortal(std::string_view portal) {
  if (!session_ || !session_->bound || session_->bound_portal != portal) return {};
  const protocol::StatementRef statement = std::exchange(session_->bound, nullptr);
  ClientStatement* entry = session_->statements.Find(session_->bound_name);
  if (entry == nullptr || entry->statement != statement) return {};
  entry->told = true;
  server_->log().Add({Kind::kDescribe, session_->bound_name, statement, {}});
  return {.note = Note::kNoted};
}

Edit Client::EditClose(const Frame& frame, Parts& parts) {
  const std::string_view body = frame.body();
  if (body.size() < 2 || body[0] != 'S') return {};
  const std::string_view name = body.substr(1, body.find('\0', 1) - 1);
  if (name.empty()) {
    session().statements.unnamed.PushNone(batches_.current);
    PutUnnamed(Puts::kByClient);
    return {.note = Note::kUnnamed};
  }
  ClientStatement* entry = nullptr;
  switch (LookUp(name, entry)) {
    case Lookup::kWait: return Wait(parts);
    case Lookup::kUnknown: server_->tracker().OnSent('C', Action::kFake); break;
    case Lookup::kFound:
      server_->tracker().OnSent('C', Action::kFake, Note::kNoted);
      server_->log().Add({Kind::kClientClose, std::string(name), nullptr, *entry});
      session_->statements.BeginClose(name, batches_.current);
      break;
  }
  return {.kind = Edit::Kind::kEaten};
}

// --- what the server said ------------------------------------------------------------------------------------------------

// What was sent to be the unnamed statement may have been skipped: then what was there before is there still. When a message of
// ours failed before it, the client takes it for failed, and has none, which the server does not know.
void Client::OnBatchFailed(Action failed) {
  auto& here = server_->statements().unnamed;
  if (here.client == id_ && failed != Action::kForward) here.replaces_own = false;
  if (here.client == id_ && here.batch == batches_.answered + 1) {
    if (here.replaces_own) here = {id_, session().statements.unnamed.settled().serial, 0, false};
    else here = {};
  }
  if (session_) session_->touched.resets = {};  // they are undone
}

bool Client::WasTold(std::string_view name) const {
  const ClientStatement* entry = session_ ? session_->statements.Find(name) : nullptr;
  return entry != nullptr && entry->told;
}

void Client::OnResultTypeTold(std::string_view name) {
  ClientStatement* entry = session_ ? session_->statements.Find(name) : nullptr;
  if (entry != nullptr) entry->generation = entry->statement->generation.load(std::memory_order_relaxed);
}

void Client::OnCommandTag(std::string_view tag) {
  if (!tracks_) {
    if (tag == "DISCARD ALL" && session_) session_->reset_statements.clear();
    // In a text that was too long to be looked into; else it has been noted (EditInSession).
    if ((tag != "RESET" && tag != "DISCARD ALL") || startup_->values().empty() || session().touched.flags != 0) return;
    session_->touched.every_setting = session_->touched.was_reset = session_->touched.resets.all = true;
    session_->touched.flags |= protocol::kSqlSet;
    return;
  }
  if (!session_) return;
  if (tag == "DEALLOCATE ALL" || tag == "DISCARD ALL") session_->statements.Clear();
  if (tag == "DISCARD ALL") {
    session_->has_unknown_settings = false;
    session_->drops_channels = true;
    session_->lasting &= ~Session::Bit(conf::StateKind::kSequence);
  }
  if (tag == "PREPARE" || tag == "DEALLOCATE") OnSqlName(tag);
  if (tag == "ROLLBACK") session_->rolled_back_to = !session_->channel_changes.empty();  // or the whole transaction, then nothing is left
}

}  // namespace proxy
