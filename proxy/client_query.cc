// Client, logged in: what it sends, where it goes, and what it hears when it cannot go there.
#include <algorithm>

#include "pool/check.h"
#include "protocol/message_writer.h"
#include "protocol/statement_messages.h"
#include "proxy/client.h"
#include "proxy/log.h"
#include "proxy/worker.h"

namespace proxy {

using protocol::ErrorCode;
using protocol::Frame;
using protocol::FrameStatus;

// Eats what can be dealt with now; the rest is kept by the caller and comes again.
size_t Client::Input(std::string_view chunk) {
  size_t used = 0;
  for (;;) {
    const ClientState before = state_;
    const std::string_view rest = chunk.substr(used);
    size_t step = 0;
    switch (state_) {
      case ClientState::kStartup: step = StartupInput(rest); break;
      case ClientState::kLogin: step = LoginInput(rest); break;
      case ClientState::kIdle:
      case ClientState::kActive:
        if (is_restoring()) return used;
        step = Relay(rest);
        break;
      case ClientState::kReplication: step = PassOn(rest); break;
      case ClientState::kConsole: step = ConsoleInput(rest); break;
      case ClientState::kCancel:
      case ClientState::kClosing: return chunk.size();
      case ClientState::kProxyHeader:
      case ClientState::kTls:
      case ClientState::kAttach:
      case ClientState::kWaiting:
      case ClientState::kLinking:
      case ClientState::kSettling: return used;
    }
    used += step;
    if (used == chunk.size() || (step == 0 && state_ == before)) return used;
  }
}

// The hot path: frames are judged by their heads, and everything that goes to the server leaves in one write.
size_t Client::Relay(std::string_view chunk) {
  size_t pos = 0, run = 0;
  const PartsLoan loan(*worker_);
  Parts& parts = loan.parts();
  if (stream_left_ > 0) {
    pos = std::min(stream_left_, chunk.size());
    stream_left_ -= pos;
    if (stream_drop_) run = pos;
    if (stream_left_ == 0) stream_drop_ = false;
  }
  // What was read up to here and has not been eaten goes to the server.
  const auto flush = [&] {
    if (server_ != nullptr) parts.Add(chunk.substr(run, pos - run));
    run = pos;
    FlushToServer(parts);
  };
  if (pos > 0 && stream_left_ == 0 && server_ != nullptr && server_->IsReleasable()) {
    flush();
    OnServerFree(Now());
    if (state_ != ClientState::kActive && state_ != ClientState::kIdle) return pos;
  }
  while (pos < chunk.size()) {
    Frame frame;
    const FrameStatus status = protocol::ReadClientFrame(chunk.substr(pos), frame);
    if (status == FrameStatus::kIncomplete) break;
    if (status != FrameStatus::kFrame || frame.type == 'p') {
      flush();
      const auto type = static_cast<unsigned char>(chunk[pos]);
      ProtocolError(status == FrameStatus::kBadLength ? "invalid message length"
                                                      : "invalid frontend message type " + std::to_string(type));
      return chunk.size();
    }
    if (frame.type == 'X') {
      flush();
      Leave();
      return chunk.size();
    }
    if (frame.type == 'Q' && refuses_pqexec_) {
      flush();
      Fatal(protocol::MakeError(ErrorCode::kSimpleQueryDisabled));
      return chunk.size();
    }
    if (!frame.IsWhole() && LooksIntoMessages() && WantsMore(frame) == Refill::kMore) break;
    if (state_ == ClientState::kIdle) {
      size_t skipped = Defer(chunk.substr(pos), frame);
      if (skipped == 0) skipped = AnswerUnlinked(frame);
      if (state_ == ClientState::kClosing) return chunk.size();
      if (skipped > 0) {
        pos += skipped;
        run = pos;
        continue;
      }
      switch (refusal_ ? Taken::kRefused : TakeServer()) {
        case Taken::kActive: break;
        case Taken::kLater: return pos;
        case Taken::kClosed: return chunk.size();
        case Taken::kRefused:
          pos += AnswerRefused(frame);
          if (state_ == ClientState::kClosing) return chunk.size();
          run = pos;
          continue;
      }
      run = pos;
    }
    if (!unit_open_) StartUnit(Now());
    if (deferred_ != Deferred::kNo) {
      parts.Add(chunk.substr(run, pos - run));
      run = pos;
      SendDeferredBegin(parts);
    }
    auto note = protocol::ReplyTracker::Note::kNone;
    bool restores = false;
    if (LooksIntoMessages()) {
      parts.Add(chunk.substr(run, pos - run));
      run = pos;
      const Edit edit = tracks_ ? EditMessage(frame, parts) : EditInSession(frame, parts);
      if (edit.kind < Edit::Kind::kWait && server_->retry().state() != Retry::State::kOff) server_->retry().Record(frame);
      if (edit.kind != Edit::Kind::kAgain) is_fresh_ = false;
      if (edit.kind < Edit::Kind::kWait) begun_batch_ = batches_.current;
      if (edit.kind == Edit::Kind::kEnded) return chunk.size();
      if (edit.kind == Edit::Kind::kWait) break;
      if (edit.kind == Edit::Kind::kAgain) continue;
      if (edit.kind == Edit::Kind::kEaten) {
        pos += frame.here.size();
        stream_left_ = frame.total - frame.here.size();
        stream_drop_ = stream_left_ > 0;
        run = pos;
        continue;
      }
      run += edit.head;
      note = edit.note;
      restores = edit.kind == Edit::Kind::kThenRestore;
    }
    const bool is_seen = server_->tracker().OnSent(frame.type, protocol::ReplyTracker::Action::kForward, note);
    if (is_seen && (frame.type == 'S' || frame.type == 'Q' || frame.type == 'F')) ++batches_.current;
    pos += frame.here.size();
    stream_left_ = frame.total - frame.here.size();
    if (frame.type == 'H' && tracks_) {
      flush();  // what is noted as sent must have been, should the client end here
      AnswerFlush();
      if (state_ != ClientState::kActive) return chunk.size();
    }
    if (restores) {
      parts.Add(chunk.substr(run, pos - run));
      run = pos;
      RestoreInBatch(parts);
    }
  }
  flush();
  if (server_ != nullptr && server_->tracker().owed() >= protocol::kOwedMax) socket_->Pause(PauseReason::kOwed);
  return pos;
}

void Client::FlushToServer(Parts& parts) {
  if (parts.empty()) return;
  pool_->counters(worker_->number()).bytes_received.Add(parts.bytes());
  if (server_->Send(parts) && server_->socket().unsent() > 0) socket_->Pause(PauseReason::kPeerFull);
  parts.Clear();
}

// Messages that are looked into must be here as far as that goes, and no further: the rest is streamed.
Client::Refill Client::WantsMore(const Frame& frame) {
  size_t wanted = 0;
  switch (frame.type) {
    case 'P': {
      const bool is_kept = frame.total <= protocol::kStatementTextMax && !(frame.body().starts_with('\0') && frame.total > protocol::kUnnamedTextMax);
      wanted = is_kept ? frame.total : kSniffBytes;
      break;
    }
    case 'Q': wanted = kSniffBytes; break;
    case 'B':
      if (!protocol::ReadBindHead(frame.body()).has_value()) wanted = protocol::kNameBytesMax + 1;
      break;
    case 'D':
    case 'C': wanted = frame.total; break;
    default: break;
  }
  if (frame.here.size() >= wanted) return Refill::kEnough;
  wanted_bytes_ = std::min(frame.total, wanted);
  return Refill::kMore;
}

// PostgreSQL answers at a Flush what it has; what is made here goes with it.
void Client::AnswerFlush() {
  const std::string fakes = server_->TakeFakes();
  if (!fakes.empty()) SendFromServer(fakes);
}

// Terminate: what was asked before it is still answered, as PostgreSQL does; what was begun without a Sync is not.
void Client::Leave() {
  if (server_ == nullptr || server_->tracker().units_owed() == 0 || server_->tracker().in_copy_in()) return Close("client close request");
  leaving_ = true;
  socket_->Pause(PauseReason::kLeaving);
}

// Messages that need no server. Returns how much of the frame was eaten, 0 = it needs one.
size_t Client::AnswerUnlinked(const Frame& frame) {
  if (skip_until_sync_) {
    if (frame.type == 'S') {
      skip_until_sync_ = false;
      std::string ready;
      protocol::WriteReadyForQuery(ready, unlinked_status());
      SendBytes(ready);
    }
  } else if (frame.type == 'S') {
    std::string ready;
    protocol::WriteReadyForQuery(ready, unlinked_status());
    SendBytes(ready);
  } else if (std::string_view("dcfH").find(frame.type) == std::string_view::npos) {
    return 0;  // what remains of a failed COPY is dropped, as PostgreSQL does
  }
  stream_left_ = frame.total - frame.here.size();
  stream_drop_ = stream_left_ > 0;
  return frame.here.size();
}

// The error for a message that got no server, in the form that its protocol wants.
size_t Client::AnswerRefused(const Frame& frame) {
  protocol::ErrorReport report = std::move(*refusal_);
  refusal_.reset();
  worker_->CountError(report.code);
  report.severity = protocol::Severity::kError;  // the session lives on
  if (deferred_ != Deferred::kNo) deferred_ = Deferred::kFailed;  // as every error does
  if (deferred_ == Deferred::kNo) SetClock(Clock::kIdle, client_idle_timeout_);
  else SetClock(Clock::kIdleInTransaction, pool_->idle_transaction_timeout());
  std::string bytes;
  protocol::WriteError(bytes, report);
  const bool simple = frame.type == 'Q' || frame.type == 'F';
  if (simple) protocol::WriteReadyForQuery(bytes, unlinked_status());
  else skip_until_sync_ = true;
  stream_left_ = frame.total - frame.here.size();
  stream_drop_ = stream_left_ > 0;
  const size_t eaten = frame.here.size();
  SendBytes(bytes);
  return eaten;
}

// --- a server ------------------------------------------------------------------------------------------------------------

Client::Taken Client::TakeServer() {
  const pool::TimePoint now = Now();
  pool::Orders orders;
  const auto acquired = pool_->Acquire(waiter_, now, orders);
  const Taken taken = UseAcquired(acquired, now);
  if (!orders.empty()) worker_->CarryOut(*pool_, orders);
  return taken;
}

Client::Taken Client::UseAcquired(const pool::Pool::Acquired& acquired, pool::TimePoint now) {
  using Kind = pool::Pool::Acquired::Kind;
  switch (acquired.kind) {
    case Kind::kLeased: return LinkTo(*static_cast<Server*>(acquired.slot->server), now, acquired.check_first);
    case Kind::kQueued: {
      if (state_ != ClientState::kAttach) state_ = ClientState::kWaiting;
      if (socket_->is_paused()) socket_->WatchHangup();
      WatchWait(now);
      return Taken::kLater;
    }
    case Kind::kHopeless: return Refused(WaitReport(ErrorCode::kQueueTimeout, now));
    case Kind::kQueueFull: return Refused(WaitReport(ErrorCode::kQueueFull, now));
    case Kind::kRefused: return Refused(ReportOf(pool_->LastFailure(), pool_->key().database));
    case Kind::kRemoved: End(ErrorCode::kDatabaseRemoved); return Taken::kClosed;
  }
  return Taken::kClosed;
}

Client::Taken Client::Refused(protocol::ErrorReport report) {
  refusal_ = std::make_unique<protocol::ErrorReport>(std::move(report));
  return Taken::kRefused;
}

uint64_t Client::BeginHold(Server& server, pool::TimePoint now) {
  server_ = &server;
  lease_ = pool::ServerLease(server);
  const auto waited = static_cast<uint64_t>((now - waiter_.since).count());
  auto& counters = pool_->counters(worker_->number());
  counters.server_assignments.Add(1);
  counters.wait_us.Add(waited);
  queued_us_ += waited;
  linked_at_ = now;
  return waited;
}

Client::Taken Client::LinkTo(Server& server, pool::TimePoint now, bool check_first) {
  timeout_.Disarm();
  clock_ = Clock::kNone;
  leak_told_ = false;
  pool_->counters(worker_->number()).wait.Observe(BeginHold(server, now));
  if (state_ != ClientState::kAttach) state_ = ClientState::kLinking;
  is_fresh_ = true;
  if (pool_->verifies_session_state()) server.MarkTouched();
  if (!server.Lend(*this, check_first)) return Taken::kLater;
  if (state_ == ClientState::kLinking) state_ = ClientState::kActive;
  return Taken::kActive;
}

void Client::OnGranted(Server& server, pool::TimePoint now, bool check_first) {
  if (LinkTo(server, now, check_first) == Taken::kActive) OnServerReady();
}

void Client::OnServerReady() {
  if (state_ == ClientState::kAttach) {
    // The server has taken the startup values: from here on they are known in its spelling.
    for (const auto& [name, value] : login_->wanted) {
      const std::string_view tracked = protocol::TrackedName(name);
      const std::string* canonical = tracked.empty() ? nullptr : server_->settings().Reported(tracked);
      pool_->RememberVerified({name, value}, canonical != nullptr ? *canonical : value);
    }
    const auto greeting = pool_->Greet(login_->wanted, BackendPool::Proof::kGiven);
    PGWEIR_CHECK(greeting);  // a server has logged in
    settings_ = greeting->settings;
    // A session keeps the server that it will need anyway.
    const bool keeps = pool_->mode() == conf::PoolMode::kSession;
    if (!keeps) ReleaseServer(Now());
    SendWelcome(*greeting->welcome);
    if (keeps && state_ == ClientState::kIdle) state_ = ClientState::kActive;
  } else {
    state_ = ClientState::kActive;
  }
  RunPending();
}

void Client::OnServerUnfit() {
  server_ = nullptr;
  lease_.Forget();
  AskAgain();
}

void Client::AskAgain() {
  if (state_ != ClientState::kAttach) state_ = ClientState::kIdle;
  const pool::TimePoint now = Now();
  pool::Orders orders;
  const auto acquired = pool_->AcquireAgain(waiter_, now, orders);
  const Taken taken = UseAcquired(acquired, now);
  if (!orders.empty()) worker_->CarryOut(*pool_, orders);
  if (taken == Taken::kActive) OnServerReady();
  if (taken == Taken::kRefused) RefuseLater(std::move(*std::exchange(refusal_, nullptr)));
}

void Client::OnSettingsRefused(const std::string& error_body) {
  const auto fields = protocol::ParseErrorFields(error_body);
  protocol::ErrorReport report;
  report.code = ErrorCode::kUnsupportedStartupParameter;
  report.severity = protocol::Severity::kFatal;
  report.sqlstate = fields.sqlstate.empty() ? "XX000" : fields.sqlstate;
  report.message = fields.message;
  report.detail = fields.detail;
  report.hint = fields.hint;
  Fatal(report);
}

void Client::OnWaitFailed(const pool::OpenFailure* failure) {
  const bool waits = state_ == ClientState::kWaiting || state_ == ClientState::kAttach;
  // The word may be late: this client may have asked anew, or have been served, since.
  if (!waits || server_ != nullptr || pool_->IsWaiting(waiter_)) return;
  if (failure != nullptr) return RefuseLater(ReportOf(*failure, pool_->key().database));
  pool_->counters(worker_->number()).shed.Add(1);
  RefuseLater(WaitReport(ErrorCode::kShed, Now()));
}

void Client::RefuseLater(protocol::ErrorReport report) {
  timeout_.Disarm();
  clock_ = Clock::kNone;
  if (state_ == ClientState::kAttach) return Fatal(report);
  refusal_ = std::make_unique<protocol::ErrorReport>(std::move(report));
  state_ = ClientState::kIdle;
  RunPending();
  if (state_ == ClientState::kIdle && drain_) End(ErrorCode::kShuttingDown);
}

protocol::ErrorReport Client::ReportOf(const pool::OpenFailure& failure, const std::string& database) {
  if (failure.server_error.empty()) return protocol::MakeError(ErrorCode::kBackendDown, database, failure.cause);
  const auto fields = protocol::ParseErrorFields(failure.server_error);
  protocol::ErrorReport report;
  report.code = ErrorCode::kServerLogin;
  report.sqlstate = fields.sqlstate.empty() ? "08006" : fields.sqlstate;
  report.message = fields.message;
  report.detail = fields.detail;
  report.hint = fields.hint;
  return report;
}

pool::Duration Client::LongestWait() const {
  const pool::Duration wait = pool_->query_wait_timeout();
  return waiter_.patience.count() > 0 ? std::min(wait, waiter_.patience) : wait;
}

protocol::ErrorReport Client::WaitReport(ErrorCode code, pool::TimePoint now) const {
  const pool::Pool::Counts counts = pool_->Count(now);
  const auto count = [&counts](pool::SlotState state) { return std::to_string(counts.by_state[static_cast<size_t>(state)]); };
  if (counts.mode == pool::RunMode::kPaused) code = ErrorCode::kPaused;
  if (counts.is_down && counts.open == counts.by_state[static_cast<size_t>(pool::SlotState::kLogin)]) {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now - counts.down_since);
    return protocol::MakeError(ErrorCode::kBackendDown, pool_->key().database,
                               counts.last_failure.cause + "; down for " + std::to_string(since.count()) + " ms");
  }
  const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(now - waiter_.since);
  std::string detail = "pool " + pool_->key().database + "/" + pool_->key().user + ": size " + std::to_string(pool_->limits().size) +
                       ", active " + count(pool::SlotState::kActive) + ", of these idle in transaction " +
                       std::to_string(pool_->IdleInTransaction()) + ", pinned " + std::to_string(pool_->Pinned()) + ", idle " + count(pool::SlotState::kIdle) + ", in login " +
                       count(pool::SlotState::kLogin) + ", waiting " + std::to_string(counts.waiting) + ", waited " +
                       std::to_string(waited.count()) + " ms";
  if (counts.held_back_by) detail += ", held back by " + counts.held_back_by->name() + " (" + std::to_string(counts.held_back_by->limit()) + ")";
  if (code == ErrorCode::kPaused) return protocol::MakeError(code, pool_->key().database, std::move(detail));
  const auto in_ms = [](pool::Duration time) { return std::to_string(time.count() / 1000) + " ms"; };
  const pool::PoolLimits limits = pool_->limits();
  const std::string limit = code == ErrorCode::kQueueFull ? std::to_string(limits.max_waiting)
                            : code == ErrorCode::kShed    ? in_ms(counts.queue_target)
                                                          : in_ms(LongestWait());
  protocol::ErrorReport report = protocol::MakeError(code, limit, std::move(detail));
  report.hint = "Retry after " + std::to_string(RetryAfterMs(counts.waiting)) + " ms. " + report.hint;
  return report;
}

// About the time that those who wait now will need: each place serves one transaction after another.
uint64_t Client::RetryAfterMs(size_t waiting) const {
  const PoolTotals totals = pool_->Totals();
  const uint64_t transaction_us = totals.transactions > 0 ? totals.transaction_us / totals.transactions : 0;
  const auto size = static_cast<uint64_t>(pool_->limits().size);
  return std::clamp<uint64_t>(transaction_us * (waiting + 1) / size / 1000, kRetryAfterLeastMs, kRetryAfterMostMs);
}

// --- while linked --------------------------------------------------------------------------------------------------------

void Client::CountIdle(Between now) {
  if (between_ == now) return;
  between_ = now;
  Counter& gauge = pool_->counters(worker_->number()).idle_in_transaction;
  if (now == Between::kStatements) gauge.Add(1);
  else gauge.Subtract(1);
}

void Client::StartUnit(pool::TimePoint now) {
  CountIdle(Between::kNo);
  unit_open_ = true;
  unit_start_ = now;
  request_time_ = std::chrono::system_clock::now();
  if (!in_transaction_) {
    transaction_start_ = now;
    transaction_timeout_.Arm(worker_->timeouts(), pool_->transaction_timeout(), &Client::OnTransactionClock, this);
  }
  SetClock(Clock::kQuery, pool_->query_timeout());
}

void Client::OnUnitAnswered(char status, pool::TimePoint now) {
  auto& counters = pool_->counters(worker_->number());
  const auto took = static_cast<uint64_t>((now - unit_start_).count());
  counters.queries.Add(1);
  counters.query_us.Add(took);
  counters.query.Observe(took);
  in_transaction_ = status != 'I';
  ++batches_.answered;
  answered_ = Answered::kNothingOpen;
  timeout_report_.reset();
  unit_open_ = server_->tracker().owed() > 0;
  unit_start_ = now;
  CountIdle(in_transaction_ && !unit_open_ ? Between::kStatements : Between::kNo);
  if (!in_transaction_) {
    const auto transaction = static_cast<uint64_t>((now - transaction_start_).count());
    counters.transactions.Add(1);
    counters.transaction_us.Add(transaction);
    counters.transaction.Observe(transaction);
    transaction_timeout_.Disarm();
    transaction_start_ = now;
    if (std::exchange(transaction_defines_, false)) worker_->shared().schema_epoch.fetch_add(1, std::memory_order_relaxed);
  }
  if (unit_open_) SetClock(Clock::kQuery, pool_->query_timeout());
  else if (in_transaction_) SetClock(Clock::kIdleInTransaction, pool_->idle_transaction_timeout());
  else SetClock(Clock::kIdle, client_idle_timeout_);
}

void Client::OnAnswerForwarded(Answered answered) {
  answered_ = answered;
  if (socket_->is_paused() && server_->tracker().owed() < protocol::kOwedMax / 2) socket_->Resume(PauseReason::kOwed);
  // A copy that waits for its data would wait for ever.
  if (leaving_ && (server_->tracker().units_owed() == 0 || server_->tracker().in_copy_in())) return Close("client close request");
  if (ready_withheld_ && in_transaction_ && session_->restoring == Restoring::kDue) return Restore();
  if (session_ && !session_->notifications.empty()) {
    FlushNotifications();
    if (state_ == ClientState::kClosing) return;
  }
  if (waits_ && server_->tracker().owed() == 0 && !server_->is_mid_message() && !ready_withheld_) Resettle();
}

void Client::Repeat(std::string_view batch) {
  state_ = ClientState::kActive;
  const size_t used = Relay(batch);
  if (state_ == ClientState::kActive) input_.insert(0, batch.substr(used));  // it waits for an answer
  if (state_ == ClientState::kActive || state_ == ClientState::kIdle) RunPending();
}

// Everything that was sent has been answered: what waited for that goes on.
void Client::Resettle() {
  waits_ = false;
  barrier_ = false;
  RunPending();
}

void Client::OnTransactionInStatementMode() { Fatal(protocol::MakeError(ErrorCode::kTransactionInStatementMode)); }

void Client::OnServerFree(pool::TimePoint now) {
  // The server has the head of a message that it did not wait for (CopyData of a COPY that it has ended): the next client's
  // bytes would be read as its rest. Relay comes here again when that rest has gone out.
  if (stream_left_ > 0) return;
  if (MustSettle()) return Settle();
  if (pool_->mode() != conf::PoolMode::kSession && !HasPins()) ReleaseServer(now);
  if (drain_) End(ErrorCode::kShuttingDown);
}

void Client::ReleaseServer(pool::TimePoint now) {
  EndHold(now, "transaction end");
  transaction_sets_ = false;
  const ClientState before = state_;
  server_ = nullptr;
  unit_open_ = false;
  socket_->Resume(PauseReason::kPeerFull);
  if (before == ClientState::kActive) BecomeIdle();
  auto lease = std::move(lease_);
  lease.Return();
}

void Client::BecomeIdle() {
  state_ = ClientState::kIdle;
  tracks_ = pool_->Tracks();  // only here, between messages
  SetClock(Clock::kIdle, client_idle_timeout_);
  if (Home() != worker_->number()) worker_->SendHome(*this);
}

void Client::OnReportedSetting(std::string_view name, std::string_view value) {
  const std::string* now = settings_->Find(protocol::TrackedName(name));
  if (now != nullptr && *now == value) return;
  FollowSettings(settings_->With(name, value));
}

void Client::OnServerLost(std::string_view cause, const std::string& fatal_body) {
  if (replication_) return OnReplicationLost(cause);
  Server* server = std::exchange(server_, nullptr);
  lease_.Forget();
  if (leaving_) return Close("client close request");
  const auto& tracker = server->tracker();
  const bool runs = !tracker.owes_nothing();
  const size_t units = tracker.units_owed();
  const bool has_pins = session_ && (session_->pins != 0 || session_->touched.flags != 0);  // what it had is gone
  const bool can_live = runs && pool_->mode() != conf::PoolMode::kSession && !in_transaction_ && !has_pins &&
                        answered_ == Answered::kNothingOpen && units <= 1;
  const bool inside = server->is_mid_message();
  waits_ = barrier_ = ready_withheld_ = false;
  if (session_ && session_->statements.unnamed.newest().batch > batches_.answered) session_->statements.unnamed.Drop();
  if (session_) session_->statements.unnamed.UndoAll();
  batches_.answered = batches_.current - 1;
  CountIdle(Between::kNo);
  const auto fields = protocol::ParseErrorFields(fatal_body);
  // 57P01 to 57P03: the server went for reasons of its own. Any other FATAL is its answer to this client.
  const bool is_answer = !fields.sqlstate.empty() && !fields.sqlstate.starts_with("57P0");
  std::string detail(fatal_body.empty() ? cause : fields.message);
  if (!fields.sqlstate.empty()) detail += " (SQLSTATE " + std::string(fields.sqlstate) + ")";
  if (inside) return Close("server lost inside of a message");
  if (!can_live || is_answer) {
    if (is_answer) {
      worker_->CountError(ErrorCode::kServerLostFatal);
      std::string bytes;
      protocol::MessageWriter(bytes).Begin('E').Bytes(fatal_body).End();
      return FatalBytes(bytes, protocol::Row(ErrorCode::kServerLostFatal).name);
    }
    return Fatal(protocol::MakeError(ErrorCode::kServerLostFatal, {}, std::move(detail)));
  }
  worker_->CountError(ErrorCode::kServerLost);
  std::string bytes;
  protocol::WriteError(bytes, ErrorCode::kServerLost, {}, std::move(detail));
  if (units == 1) protocol::WriteReadyForQuery(bytes, 'I');
  else skip_until_sync_ = true;
  if (stream_left_ > 0) stream_drop_ = true;
  unit_open_ = false;
  in_transaction_ = false;
  transaction_timeout_.Disarm();
  timeout_report_.reset();
  socket_->Resume(PauseReason::kPeerFull);
  BecomeIdle();
  if (!SendBytes(bytes)) return;
  if (drain_) return End(ErrorCode::kShuttingDown);
  RunPending();
}

// --- cancel --------------------------------------------------------------------------------------------------------------

void Client::OnCancelRequest(std::function<void()> done) {
  if (state_ == ClientState::kWaiting && pool_->Cancel(waiter_, pool::Leaves::kByItself, Now())) {
    RefuseLater(protocol::MakeError(ErrorCode::kCanceled));
    return done();
  }
  if (state_ == ClientState::kActive && !server_->tracker().owes_nothing()) return server_->Cancel(std::move(done));
  if (state_ == ClientState::kReplication && replication_->is_asked()) return server_->Cancel(std::move(done));
  done();  // nothing of this client runs: a cancel that came too late hits nobody
}

}  // namespace proxy
