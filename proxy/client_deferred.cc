// Client, a BEGIN takes no server: it is answered here, and sent with the first statement of its transaction.
//
// Only a BEGIN that can only succeed is deferred: nothing but known words (SqlKind::kBegin), outside of everything. A transaction that
// ends before its first statement never has a server. When its first statement is refused (no server within query_wait_timeout),
// the transaction is failed, as by any error, until it is rolled back.
//   deferred   means                                    leaves by
//   no         no transaction, or one that has a server  BEGIN -> open
//   open       BEGIN is answered, no server yet          COMMIT, ROLLBACK -> no; first statement -> no (it has a server), or failed
//   failed     its first statement was refused           COMMIT, ROLLBACK -> no, with the tag ROLLBACK; other queries: 25P02
#include <algorithm>

#include "protocol/message_writer.h"
#include "protocol/sql_lexer.h"
#include "protocol/statement_messages.h"
#include "proxy/client.h"
#include "proxy/worker.h"

namespace proxy {

using protocol::Frame;
using protocol::FrameStatus;
using protocol::SqlKind;

namespace {

constexpr size_t kDeferredTextMax = 256;  // a BEGIN with all its modes is far shorter
// What makes a transaction failed on the server too.
constexpr std::string_view kFailingSql = "FAILED BEFORE IT HAD A SERVER OF pgweir";

// Most texts begin otherwise, and cost no more than this look.
bool MayBeginOrEnd(std::string_view sql) {
  const size_t at = sql.find_first_not_of(" \t\n\v\f\r");
  if (at == std::string_view::npos) return false;
  const char first = protocol::LowerAscii(sql[at]);
  if (first == 's') return at + 1 < sql.size() && protocol::LowerAscii(sql[at + 1]) == 't';  // START, and no SELECT
  return std::string_view("bcera-/;").find(first) != std::string_view::npos;  // BEGIN, COMMIT, END, ROLLBACK, ABORT; a comment; nothing
}

// The one statement that a short text is, or kOther. Of letters that may be no letters at all only PostgreSQL can tell.
SqlKind KindOf(std::string_view sql) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (sql.size() > kDeferredTextMax || !MayBeginOrEnd(sql) || !std::all_of(sql.begin(), sql.end(), is_ascii)) return SqlKind::kOther;
  const protocol::SqlFlags flags = protocol::Sniff(sql, protocol::Backslash::kLiteral);
  if ((flags & ~(protocol::kSqlBegin | protocol::kSqlEnd)) != 0 || flags == 0) return SqlKind::kOther;
  // What is put behind it is seen as a second statement, unless a comment has not been closed.
  const auto details = protocol::Examine(std::string(sql) + "\n;x", protocol::Backslash::kLiteral);
  return details.size() == 2 ? details.front().kind : SqlKind::kOther;
}

bool IsEnd(SqlKind kind) { return kind == SqlKind::kCommit || kind == SqlKind::kRollback; }

// Its tag. The text is that of a kBegin.
std::string_view TagOf(std::string_view sql) {
  const char first = sql[protocol::Examine(sql, protocol::Backslash::kLiteral).front().begin];
  return first == 's' || first == 'S' ? "START TRANSACTION" : "BEGIN";
}

// A standby refuses to write, and to be serializable. Whether a server is one, PostgreSQL says from 14 on.
bool MayFail(std::string_view begin, const BackendPool& pool) {
  std::string lower(begin);
  std::transform(lower.begin(), lower.end(), lower.begin(), protocol::LowerAscii);
  if (lower.find("serializable") == std::string::npos && lower.find("write") == std::string::npos) return false;
  const auto welcome = pool.welcome();
  const protocol::Setting primary{"in_hot_standby", "off"};
  if (!welcome) return true;
  const auto& told = welcome->parameters();
  return std::find(told.begin(), told.end(), primary) == told.end();
}

// PostgreSQL takes some statements in a failed transaction too: its ends, ROLLBACK TO, and what is none.
bool IsRefusedInFailed(std::string_view sql) {
  const auto details = protocol::Examine(sql, protocol::Backslash::kLiteral);
  return details.size() == 1 && (details.front().flags & protocol::kSqlEnd) == 0 && protocol::LowerAscii(sql[details.front().begin]) != 'r';
}

// A BEGIN, COMMIT or ROLLBACK with nothing else around it, and what is answered before its tag.
struct Single {
  SqlKind kind = SqlKind::kOther;
  std::string_view text, parse_body;
  std::string answers;
  size_t bytes = 0;  // 0 = it is something else, or not all of it is here
};

Single ReadQuery(const Frame& query) {
  std::string_view text = query.body();
  if (text.find('\0') + 1 != text.size()) return {};
  text.remove_suffix(1);
  return {KindOf(text), text, {}, {}, query.total};
}

// Parse, Bind, (Describe,) Execute, Sync without names and values.
Single ReadBatch(std::string_view chunk, const Frame& parse) {
  const auto head = protocol::ReadParse(parse.body());
  if (!head || !head->name.empty() || head->body.size() != head->text.size() + 3) return {};  // with types it wants values
  Single single{KindOf(head->text), head->text, head->body, std::string("1\0\0\0\4" "2\0\0\0\4", 10), parse.total};
  if (single.kind == SqlKind::kOther) return {};
  const auto skip = [&](char type, std::string_view begin) {
    Frame frame;
    const FrameStatus status = protocol::ReadClientFrame(chunk.substr(single.bytes), frame);
    if (status != FrameStatus::kFrame || !frame.IsWhole() || frame.type != type || !frame.body().starts_with(begin)) return false;
    single.bytes += frame.total;
    return true;
  };
  if (!skip('B', {"\0\0\0\0\0\0", 6})) return {};
  if (skip('D', {"P\0", 2})) single.answers.append("n\0\0\0\4", 5);
  if (!skip('E', {"\0", 1}) || !skip('S', {})) return {};
  return single;
}

}  // namespace

// The client is idle. Returns how much was eaten, 0 = it goes the usual way.
size_t Client::Defer(std::string_view chunk, const Frame& frame) {
  if (!frame.IsWhole() || skip_until_sync_ || refusal_ || !tracks_) return 0;
  if ((frame.type != 'Q' && frame.type != 'P') || (deferred_ == Deferred::kNo && !pool_->defers_begin())) return 0;
  Single single = frame.type == 'Q' ? ReadQuery(frame) : ReadBatch(chunk, frame);
  if (single.bytes == 0) return 0;
  const bool has_failed = deferred_ == Deferred::kFailed;
  const bool ends = deferred_ != Deferred::kNo && IsEnd(single.kind);
  std::string& bytes = single.answers;
  if (deferred_ == Deferred::kNo && single.kind == SqlKind::kBegin && !MayFail(single.text, *pool_)) {
    BeginDeferred(single.text);
    protocol::WriteCommandComplete(bytes, TagOf(single.text));
  } else if (ends) {
    deferred_ = Deferred::kNo;
    pool_->counters(worker_->number()).transactions.Add(1);
    SetClock(Clock::kIdle, client_idle_timeout_);
    protocol::WriteCommandComplete(bytes, single.kind == SqlKind::kCommit && !has_failed ? "COMMIT" : "ROLLBACK");
  } else if (has_failed && frame.type == 'Q' && IsRefusedInFailed(single.text)) {
    SetClock(Clock::kIdleInTransaction, pool_->idle_transaction_timeout());
    worker_->CountError(protocol::ErrorCode::kTransactionAborted);
    protocol::WriteError(bytes, protocol::ErrorCode::kTransactionAborted);
  } else {
    return 0;
  }
  auto& unnamed = session().statements.unnamed;
  if (frame.type == 'Q') unnamed.Drop();  // a simple query does
  else unnamed.Put(single.parse_body, batches_.answered).flags = single.kind == SqlKind::kBegin ? protocol::kSqlBegin : protocol::kSqlEnd;
  protocol::WriteReadyForQuery(bytes, unlinked_status());
  if (!SendFromServer(bytes)) return single.bytes;
  if (ends) FlushNotifications();
  return single.bytes;
}

void Client::BeginDeferred(std::string_view sql) {
  deferred_ = Deferred::kOpen;
  session().deferred_begin = sql;
  request_time_ = std::chrono::system_clock::now();
  SetClock(Clock::kIdleInTransaction, pool_->idle_transaction_timeout());
}

void Client::SendDeferredBegin(Parts& parts) {
  FlushToServer(parts);
  server_->SendOwnQuery(session_->deferred_begin);
  char status = 'T';
  if (deferred_ == Deferred::kFailed) {
    server_->log().Add({protocol::StatementChange::Kind::kRefuse, {}, nullptr, {}});  // it must fail
    server_->SendOwnQuery(kFailingSql, protocol::ReplyTracker::Note::kNoted);
    status = 'E';
  }
  server_->tracker().SetStatus(status);  // as it will be when these are answered
  deferred_ = Deferred::kNo;
  in_transaction_ = true;
  is_fresh_ = status == 'T';  // a failed transaction carries out nothing that could be sent ahead
}

}  // namespace proxy
