// Client, PREPARE, EXECUTE and DEALLOCATE in SQL.
//
// Their names stand in the text, which is not changed: so the name itself must be on the server, as this client sees it, when
// the text gets there: not at all, made by the client's own PREPARE, or parsed from what it prepared by protocol. What another
// client left under that name goes first. All of it is hidden, and only done when a text names something.
#include "protocol/message_writer.h"
#include "protocol/statement_messages.h"
#include "proxy/client.h"
#include "proxy/worker.h"

namespace proxy {

using protocol::ClientStatement;
using protocol::SqlKind;
using Action = protocol::ReplyTracker::Action;
using Note = protocol::ReplyTracker::Note;
using Kind = protocol::StatementChange::Kind;

namespace {

// The statement and the portal by which a PREPARE of ours is run.
constexpr std::string_view kOwnName = "pgweir_own";

bool NamesOne(const protocol::SqlStatement& statement) {
  const SqlKind kind = statement.kind;
  return !statement.names.empty() && (kind == SqlKind::kPrepare || kind == SqlKind::kExecute || kind == SqlKind::kDeallocate);
}

}  // namespace

// Before the text `sql` goes to the server as a Query, or as what a Bind runs (`type`).
void Client::PrepareNames(const std::vector<protocol::SqlStatement>& details, std::string_view sql, char type, Parts& parts) {
  auto& pending = session().sql_names;
  pending.clear();
  // In the client's own batch our messages are part of it; before a simple query they are an exchange of their own.
  const bool is_inside = type == 'B' || server_->tracker().NeedsSync();
  const Action action = is_inside ? Action::kSkip : Action::kOwn;
  const size_t bytes_before = parts.bytes();
  for (const protocol::SqlStatement& statement : details) {
    if (!NamesOne(statement)) continue;
    const std::string& name = statement.names.front();
    const bool is_made_here = std::any_of(pending.begin(), pending.end(), [&](const auto& item) { return item.name == name; });
    const Named wanted = statement.kind != SqlKind::kExecute ? Named::kTaken : type == 'B' ? Named::kExecutes : Named::kFits;
    if (!is_made_here) EnsureNamed(name, wanted, action, parts);
    if (statement.kind == SqlKind::kExecute) continue;
    protocol::StatementRef made;
    if (statement.kind == SqlKind::kPrepare) {
      const std::string_view text = sql.substr(statement.begin, statement.end - statement.begin);
      auto inner = protocol::Examine(text, backslash());
      // Its flags are those of what it will execute.
      made = pool_->statements().Intern(std::string(text) + std::string(3, '\0'), settings_->reading_key(), StatementRegistry::Sharing::kPrivate,
                                        protocol::Sniff(text, backslash()) & kStateFlags, std::move(inner));
    }
    pending.push_back({statement.kind, name, std::move(made)});
  }
  if (is_inside || parts.bytes() == bytes_before) return;
  protocol::WriteSync(parts.BeginOwn());
  parts.EndOwn();
  server_->tracker().OnSent('S', Action::kOwn);
}

// What is under way may give one of the names that they use another meaning, or none.
bool Client::NamesMayChange(const std::vector<protocol::SqlStatement>& details) {
  const auto may_change = [this](const protocol::SqlStatement& statement) {
    ClientStatement* entry = nullptr;
    return NamesOne(statement) && LookUp(statement.names.front(), entry) == Lookup::kWait;
  };
  return KeepsNames() && std::any_of(details.begin(), details.end(), may_change);
}

// The server gets this client's view of `name`: for PREPARE and DEALLOCATE it is enough that there is one, or none.
void Client::EnsureNamed(std::string_view name, Named wanted, Action action, Parts& parts) {
  auto& server = server_->statements();
  auto& tracker = server_->tracker();
  const ClientStatement* entry = session_->statements.Find(name);
  const auto* here = server.FindNamed(name);
  if (entry != nullptr && here != nullptr && here->client == id_ && here->statement == entry->statement) return;
  if (entry != nullptr && here != nullptr && wanted == Named::kTaken) return;
  if (here != nullptr) CloseNamed(std::string(name), action, parts);
  if (entry == nullptr) return;
  while (server.named_count() >= static_cast<size_t>(pool_->max_prepared_statements())) {
    CloseNamed(*server.AnyNamed(), action, parts);
  }
  if (wanted == Named::kTaken) {
    protocol::WriteParse(parts.BeginOwn(), name, {"\0\0\0", 3}), parts.EndOwn();
    tracker.OnSent('P', action, Note::kNoted);
  } else if (entry->language == protocol::Language::kSql) {
    const std::string& now = settings_->reading_key();
    const std::string& then = entry->statement->settings;
    ReadUnder(then, now, action, parts);
    WriteSqlPrepare(entry->statement, action, parts);
    ReadUnder(now, then, action, parts);
  } else {
    protocol::WriteParse(parts.BeginOwn(), name, entry->statement->body), parts.EndOwn();
    tracker.OnSent('P', action, Note::kNoted);
  }
  server_->log().Add({wanted == Named::kExecutes ? Kind::kNamedExecute : Kind::kNamedParse, std::string(name), entry->statement, {}});
  server.PutNamed(name, {id_, wanted == Named::kTaken ? nullptr : entry->statement});
  server.named_change = {id_, batches_.current};
  pool_->counters(worker_->number()).server_parses.Add(1);
}

// What an EXECUTE gives is what the statement that it names gives: PostgreSQL looks when it parses the EXECUTE.
void Client::EnsureExecuted(const std::vector<protocol::SqlStatement>& details, Parts& parts) {
  if (!session_ || !KeepsNames()) return;
  for (const protocol::SqlStatement& statement : details) {
    if (statement.kind == SqlKind::kExecute && !statement.names.empty()) EnsureNamed(statement.names.front(), Named::kFits, Action::kSkip, parts);
  }
}

void Client::WriteSqlPrepare(const protocol::StatementRef& statement, Action action, Parts& parts) {
  std::string& own = parts.BeginOwn();
  protocol::WriteClose(own, kOwnName);
  protocol::WriteCommand(own, statement->text(), kOwnName);
  parts.EndOwn();
  auto& tracker = server_->tracker();
  for (const char type : std::string_view("CPB")) tracker.OnSent(type, action);
  tracker.OnSent('E', action, Note::kNoted);
  for (const char type : std::string_view("CC")) tracker.OnSent(type, action);
}

// The tag says that the first of the pending ones of its kind has been carried out.
void Client::OnSqlName(std::string_view tag) {
  auto& pending = session_->sql_names;
  const SqlKind kind = tag == "PREPARE" ? SqlKind::kPrepare : SqlKind::kDeallocate;
  const auto at = std::find_if(pending.begin(), pending.end(), [kind](const auto& item) { return item.kind == kind; });
  if (at == pending.end()) return;
  auto& server = server_->statements();
  if (kind == SqlKind::kDeallocate) {
    session_->statements.Erase(at->name);
    server.EraseNamed(at->name);
  } else if (at->statement) {
    session_->statements.Put(at->name, {at->statement, protocol::Language::kSql, 0, 0});
    server.PutNamed(at->name, {id_, at->statement});
  }
  pending.erase(at);
}

}  // namespace proxy
