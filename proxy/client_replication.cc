// Client, as a replication connection: it waits for a server of its own, then everything passes both ways as it is.
//
// From its login on no clock counts here but client_idle_timeout and idle_transaction_timeout, and these only while nothing runs:
// query_timeout and transaction_timeout would end base backups and streams (replication.h).
#include <algorithm>

#include "protocol/frame.h"
#include "protocol/message_writer.h"
#include "proxy/client.h"
#include "proxy/worker.h"

namespace proxy {

using protocol::ErrorCode;

// --- its server ----------------------------------------------------------------------------------------------------------

// Nothing is proved on another server first: its own one judges the startup values, and says so in its own words.
void Client::AttachReplication() {
  state_ = ClientState::kAttach;
  settings_ = protocol::Settings::From(login_->wanted);
  TakeQueueTimeout();
  const pool::TimePoint now = Now();
  pool::Orders orders;
  const auto acquired = pool_->AcquireDedicated(waiter_, now, orders);
  const Taken taken = UseAcquired(acquired, now);
  if (!orders.empty()) worker_->CarryOut(*pool_, orders);
  if (taken == Taken::kRefused) Fatal(*refusal_);
}

// PostgreSQL takes the later of two, so the client's come last.
void Client::AddReplicationStartup(ServerTarget& target) const {
  target.startup.insert(target.startup.end(), login_->wanted.begin(), login_->wanted.end());
  if (!login_->options.empty()) target.startup.emplace_back("options", login_->options);
  target.startup.emplace_back("replication", protocol::StartupValue(replication_->kind()));
}

void Client::BeginReplication(Server& server, const std::vector<protocol::Setting>& parameters, pool::TimePoint now) {
  BeginHold(server, now);
  server.Dedicate(*this);
  state_ = ClientState::kReplication;
  std::string welcome;
  protocol::MessageWriter(welcome).Begin('R').Int32(0).End();
  for (const auto& [name, value] : parameters) protocol::WriteParameterStatus(welcome, name, value);
  FinishWelcome(welcome);
  SetClock(Clock::kIdle, client_idle_timeout_);
  if (!SendBytes(welcome)) return;
  if (drain_) return End(ErrorCode::kShuttingDown);
  RunPending();
}

// --- what passes ---------------------------------------------------------------------------------------------------------

size_t Client::PassOn(std::string_view chunk) {
  size_t pos = std::min(stream_left_, chunk.size());
  stream_left_ -= pos;
  while (pos < chunk.size()) {
    protocol::Frame frame;
    const auto status = protocol::ReadClientFrame(chunk.substr(pos), frame);
    if (status == protocol::FrameStatus::kIncomplete) break;
    const bool is_lawful = status == protocol::FrameStatus::kFrame && frame.type != 'p';
    if (!is_lawful || frame.type == 'X') {
      PassToServer(chunk.substr(0, pos));
      if (is_lawful) LeaveReplication();
      else ProtocolError(status == protocol::FrameStatus::kBadLength ? "invalid message length" : "invalid frontend message type");
      return chunk.size();
    }
    replication_->OnSent(frame.type);
    if (clock_ != Clock::kNone) SetClock(Clock::kNone, pool::Duration(0));
    pos += frame.here.size();
    stream_left_ = frame.total - frame.here.size();
  }
  PassToServer(chunk.substr(0, pos));
  return pos;
}

void Client::PassToServer(std::string_view bytes) {
  if (bytes.empty()) return;
  request_time_ = std::chrono::system_clock::now();
  pool_->counters(worker_->number()).bytes_received.Add(bytes.size());
  if (server_->Send(bytes) && server_->socket().unsent() > 0) socket_->Pause(PauseReason::kPeerFull);
}

void Client::OnReplicationPassed() {
  if (replication_->is_busy()) return;
  if (leaving_) return Close("client close request");
  if (drain_) return End(ErrorCode::kShuttingDown);
  if (replication_->is_asked() || clock_ != Clock::kNone) return;
  if (replication_->in_transaction()) SetClock(Clock::kIdleInTransaction, pool_->idle_transaction_timeout());
  else SetClock(Clock::kIdle, client_idle_timeout_);
}

// --- the end -------------------------------------------------------------------------------------------------------------

// Terminate. PostgreSQL would carry out what was asked before it; a stream ends there, and so does a copy that waits for its data.
void Client::LeaveReplication() {
  if (!replication_->is_busy() || replication_->takes_copy()) return Close("client close request");
  leaving_ = true;
  socket_->Pause(PauseReason::kLeaving);
}

void Client::OnReplicationLost(std::string_view cause) {
  const bool is_inside = std::exchange(server_, nullptr)->is_mid_message();
  lease_.Forget();
  if (leaving_) return Close("client close request");
  if (is_inside) return Close("server lost inside of a message");
  // As without pgweir: what PostgreSQL has said is the last word.
  if (replication_->HasSaidItsEnd()) return FatalBytes("", "server closed the replication connection");
  Fatal(protocol::MakeError(ErrorCode::kServerLostFatal, {}, std::string(cause)));
}

}  // namespace proxy
