// Client, a BEGIN takes no server: it is answered here, and sent with the first statement of its transaction.
//
// Only a BEGIN that can only succeed is deferred: nothing but known words (SqlKind::kBegin), outside of everything. A transaction that
// ends before its first statement never has a server. When its first statement is refused (no server within query_wait_timeout),
// the transaction is failed, as by any error, until it is rolled back.
//   deferred   means                                    leaves by
//   no         no transaction, or one that has a server  BEGIN -> open
//   open       BEGIN is answered, no server yet          COMMIT, ROLLBACK -> no; first statement -> no (it has a server), or failed
//   failed     its first statement was refused           COMMIT, ROLLBACK -> no, with the tag ROLLBACK; other queries: 25P02
#include "protocol/message_writer.h"
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

// The one statement that a short text is, or kOther.
SqlKind KindOf(std::string_view sql) {
  if (sql.size() > kDeferredTextMax) return SqlKind::kOther;
  const protocol::SqlFlags flags = protocol::Sniff(sql, protocol::Backslash::kLiteral);
  if ((flags & ~(protocol::kSqlBegin | protocol::kSqlEnd)) != 0 || flags == 0) return SqlKind::kOther;
  const auto details = protocol::Examine(sql, protocol::Backslash::kLiteral);
  return details.size() == 1 ? details.front().kind : SqlKind::kOther;
}

// Its tag. The text is that of a kBegin.
std::string_view TagOf(std::string_view sql) {
  const char first = sql[protocol::Examine(sql, protocol::Backslash::kLiteral).front().begin];
  return first == 's' || first == 'S' ? "START TRANSACTION" : "BEGIN";
}

std::string_view TextOf(const Frame& query) {
  const std::string_view body = query.body();
  return body.substr(0, body.find('\0'));
}

}  // namespace

// The client is idle. Returns how much was eaten, 0 = it goes the usual way.
size_t Client::Defer(std::string_view chunk, const Frame& frame) {
  if (!frame.IsWhole() || skip_until_sync_ || refusal_ || !tracks_) return 0;
  if (deferred_ != Deferred::kNo) return frame.type == 'Q' ? AnswerDeferred(frame) : 0;
  if (!pool_->defers_begin()) return 0;
  if (frame.type == 'P') return DeferExtended(chunk, frame);
  if (frame.type != 'Q' || KindOf(TextOf(frame)) != SqlKind::kBegin) return 0;
  BeginDeferred(TextOf(frame));
  session_->statements.unnamed.Drop();  // a simple query does
  std::string bytes;
  protocol::WriteCommandComplete(bytes, TagOf(TextOf(frame)));
  protocol::WriteReadyForQuery(bytes, 'T');
  SendFromServer(bytes);
  return frame.total;
}

void Client::BeginDeferred(std::string_view sql) {
  deferred_ = Deferred::kOpen;
  session().deferred_begin = sql;
  request_time_ = std::chrono::system_clock::now();
  SetClock(Clock::kIdleInTransaction, pool_->idle_transaction_timeout());
}

// Parse, Bind, (Describe,) Execute, Sync of a BEGIN, all there and nothing else.
size_t Client::DeferExtended(std::string_view chunk, const Frame& parse) {
  const auto head = protocol::ReadParse(parse.body());
  if (!head || !head->name.empty() || KindOf(head->text) != SqlKind::kBegin) return 0;
  std::string answer("1\0\0\0\4" "2\0\0\0\4", 10);
  size_t used = parse.total;
  for (const std::string_view expected : {"B", "DE", "E", "S"}) {
    Frame frame;
    const FrameStatus status = protocol::ReadClientFrame(chunk.substr(used), frame);
    if (status != FrameStatus::kFrame || !frame.IsWhole() || expected.find(frame.type) == std::string_view::npos) {
      if (expected == "E" && status == FrameStatus::kFrame && frame.type == 'S' && frame.IsWhole()) {
        used += frame.total;  // there was no Describe
        break;
      }
      return 0;
    }
    if (frame.type == 'B' && !frame.body().starts_with(std::string_view("\0\0\0\0\0\0", 6))) return 0;  // portal, statement, no values
    if (frame.type == 'D') {
      if (frame.body() != std::string_view("P\0", 2)) return 0;
      answer.append("n\0\0\0\4", 5);
    }
    if (frame.type == 'E' && !frame.body().starts_with('\0')) return 0;
    used += frame.total;
  }
  session().statements.unnamed.Put(head->body, batches_.answered).flags = protocol::kSqlBegin;
  BeginDeferred(head->text);
  protocol::WriteCommandComplete(answer, TagOf(head->text));
  protocol::WriteReadyForQuery(answer, 'T');
  SendFromServer(answer);
  return used;
}

// A query in a transaction that no server has seen. 0 = it is the first that needs one.
size_t Client::AnswerDeferred(const Frame& frame) {
  const SqlKind kind = KindOf(TextOf(frame));
  const bool ends = kind == SqlKind::kCommit || kind == SqlKind::kRollback;
  const bool has_failed = deferred_ == Deferred::kFailed;
  if (!ends && !has_failed) return 0;
  session_->statements.unnamed.Drop();
  std::string bytes;
  if (ends) {
    protocol::WriteCommandComplete(bytes, kind == SqlKind::kCommit && !has_failed ? "COMMIT" : "ROLLBACK");
    deferred_ = Deferred::kNo;
    pool_->counters(worker_.number()).transactions.Add(1);
    SetClock(Clock::kIdle, client_idle_timeout_);
  } else {
    worker_.CountError(protocol::ErrorCode::kTransactionAborted);
    protocol::WriteError(bytes, protocol::ErrorCode::kTransactionAborted);
  }
  protocol::WriteReadyForQuery(bytes, unlinked_status());
  if (!SendFromServer(bytes)) return frame.total;
  FlushNotifications();
  if (drain_ && ends) End(protocol::ErrorCode::kShuttingDown);
  return frame.total;
}

void Client::SendDeferredBegin(Parts& parts) {
  FlushToServer(parts);
  server_->SendOwnQuery(session_->deferred_begin);
  char status = 'T';
  if (deferred_ == Deferred::kFailed) {
    server_->SendOwnQuery(kFailingSql);
    status = 'E';
  }
  server_->tracker().SetStatus(status);  // as it will be when these are answered
  deferred_ = Deferred::kNo;
  in_transaction_ = true;
  is_fresh_ = true;
}

}  // namespace proxy
