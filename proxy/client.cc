#include "proxy/client.h"

#include <algorithm>

#include "protocol/message_writer.h"
#include "proxy/log.h"
#include "proxy/notification_hub.h"
#include "proxy/peer_identity.h"
#include "proxy/worker.h"

namespace proxy {
std::string_view Name(ClientState state) {
  switch (state) {
    case ClientState::kProxyHeader:
    case ClientState::kStartup:
    case ClientState::kTls:
    case ClientState::kLogin: return "login";
    case ClientState::kAttach:
    case ClientState::kWaiting: return "waiting";
    case ClientState::kIdle: return "idle";
    case ClientState::kLinking:
    case ClientState::kActive:
    case ClientState::kSettling:
    case ClientState::kReplication:
    case ClientState::kConsole: return "active";
    case ClientState::kCancel: return "waiting_cancel_req";
    case ClientState::kClosing: return "closing";
  }
  return "?";
}

Client::Client(Worker& worker, const Accepted& accepted, uint64_t id)
    : worker_(&worker), id_(id), peer_(accepted.peer), address_(accepted.ip), socket_(std::make_unique<Socket>(worker.loop(), accepted.fd, *this)) {
  waiter_.worker = worker.number();
  waiter_.owner = this;
  waiter_.owner_id = id_;
  connect_time_ = std::chrono::system_clock::now();
  worker_->AddClients(1);
  worker_->AddLogins(1);
  SetClock(Clock::kLogin, worker_->config().global.client_login_timeout);
  Arrive();
  socket_->StartReading();
}

Client::~Client() {
  lease_.Forget();  // only when the worker itself ends: otherwise LetGo has given the server back
  worker_->AddClients(-1);
}

// --- reading and writing -------------------------------------------------------------------------------------------------

void Client::OnReadable() {
  if (state_ == ClientState::kTls) return ContinueTls();
  if (state_ == ClientState::kProxyHeader) return ReadProxyHeader();
  // A handshake's first bytes belong to OpenSSL, which reads by itself. Where it is not offered, StartupInput says so.
  if (state_ == ClientState::kStartup && OffersTls() && socket_->tls() == nullptr && input_.empty() && socket_->Peek() == 0x16) {
    return StartTls(true);
  }
  char* buffer = worker_->ReadBuffer();
  const IoResult result = socket_->Read(buffer, kReadBytes);
  if (result.status == IoStatus::kEof) return Close(leaving_ ? "client close request" : "client unexpected eof");
  if (result.status == IoStatus::kError) return Close("client connection broke");
  if (result.bytes == 0 || state_ == ClientState::kClosing) return;
  const size_t kept = input_.size();
  if (kept + result.bytes < wanted_bytes_) {  // the message that is waited for is not here yet
    input_.append(buffer, result.bytes);
    return;
  }
  wanted_bytes_ = 0;
  if (kept > kHeadroomBytes) {
    input_.append(buffer, result.bytes);
    return RunPending();
  }
  if (kept > 0) {
    buffer -= kept;  // into the headroom
    input_.copy(buffer, kept);
    input_.clear();
  }
  const std::string_view chunk(buffer, kept + result.bytes);
  KeepInput(chunk.substr(Input(chunk)));
}

void Client::KeepInput(std::string_view rest) {
  if (state_ == ClientState::kClosing) return input_.clear();
  input_.assign(rest);
  if (input_.size() >= std::max(kPendingBytesMax, wanted_bytes_)) {
    socket_->Pause(PauseReason::kInputFull);
    if (IsQueued()) socket_->WatchHangup();
  } else {
    socket_->Resume(PauseReason::kInputFull);
  }
}

void Client::RunPending() {
  if (input_.empty()) return;
  std::string pending;
  pending.swap(input_);
  const size_t used = Input(pending);
  KeepInput(std::string_view(pending).substr(used));
}

void Client::OnWritable() {
  if (state_ == ClientState::kTls) ContinueTls();
}

void Client::OnDrained() {
  if (state_ == ClientState::kClosing) {
    if (socket_->unsent() == 0) socket_->Shutdown();
    return;
  }
  if (server_ != nullptr) server_->socket().Resume(PauseReason::kPeerFull);
  else if (console_) SendReply();
}

void Client::OnBroken() { Close("client connection broke"); }

// It does not wait any more: its place in the queue is given up, and what it has sent never runs.
void Client::OnHangup() {
  if (IsQueued()) Close("client unexpected eof");
}

void Client::OnServerDrained() { socket_->Resume(PauseReason::kPeerFull); }

bool Client::SendBytes(std::string_view bytes) {
  if (socket_->Write(bytes)) return true;
  Close("client connection broke");
  return false;
}

bool Client::SendFromServer(std::string_view bytes) {
  pool_->counters(worker_->number()).bytes_sent.Add(bytes.size());
  return SendBytes(bytes);
}

bool Client::SendFromServer(Parts& parts) {
  pool_->counters(worker_->number()).bytes_sent.Add(parts.bytes());
  if (socket_->Write(parts.Vector())) return true;
  Close("client connection broke");
  return false;
}

// --- clocks --------------------------------------------------------------------------------------------------------------

void Client::SetClock(Clock clock, pool::Duration after) {
  clock_ = clock;
  timeout_.Arm(worker_->timeouts(), after, &Client::OnClock, this);
}

void Client::OnClock(void* self) {
  auto& client = *static_cast<Client*>(self);
  using protocol::ErrorCode;
  switch (client.clock_) {
    case Clock::kNone: return;
    case Clock::kLogin:
      if (client.state_ == ClientState::kTls) return client.Close("client_login_timeout");
      if (client.state_ == ClientState::kCancel) return client.Close("cancel_wait_timeout");  // without a word, as ever
      if (client.login_ && client.login_->refusal) return client.Fatal(*client.login_->refusal);
      return client.Fatal(protocol::MakeError(ErrorCode::kLoginTimeout));
    case Clock::kWaitNotice: return client.TellWait();
    case Clock::kWait: {
      const pool::TimePoint now = Now();
      const bool is_own = client.LongestWait() < client.pool_->query_wait_timeout();
      const protocol::ErrorReport report = client.WaitReport(is_own ? ErrorCode::kQueueTimeout : ErrorCode::kQueryWaitTimeout, now);
      if (!client.pool_->Cancel(client.waiter_, pool::Leaves::kSentAway, now)) return;
      if (client.state_ != ClientState::kAttach) client.LogPoolerError({protocol::Row(report.code).name, &report});
      return client.RefuseLater(report);
    }
    case Clock::kQuery: return client.OnQueryTimeout();
    case Clock::kGrace: return client.Fatal(*client.timeout_report_);
    case Clock::kIdle: return client.EndByClock(ErrorCode::kClientIdleTimeout);
    case Clock::kIdleInTransaction: return client.EndByClock(ErrorCode::kIdleTransactionTimeout);
    case Clock::kLinger: return client.Finish();
  }
}

void Client::OnTransactionClock(void* self) { static_cast<Client*>(self)->EndByClock(protocol::ErrorCode::kTransactionTimeout); }

void Client::EndByClock(protocol::ErrorCode code) { Fatal(protocol::MakeError(code)); }

void Client::OnQueryTimeout() {
  if (server_ == nullptr || server_->tracker().owes_nothing()) return;
  timeout_report_ = std::make_unique<protocol::ErrorReport>(protocol::MakeError(protocol::ErrorCode::kQueryTimeout));
  worker_->CountError(protocol::ErrorCode::kQueryTimeout);
  server_->Cancel([] {});
  SetClock(Clock::kGrace, worker_->config().global.cancel_grace);
}

// --- the end -------------------------------------------------------------------------------------------------------------

void Client::End(protocol::ErrorCode code) {
  if (state_ == ClientState::kClosing) return;
  // Before the startup message nobody can understand an error; inside the handshake neither.
  if (state_ <= ClientState::kTls || state_ == ClientState::kCancel) return Close("ended");
  Fatal(protocol::MakeError(code, code == protocol::ErrorCode::kDatabaseRemoved ? std::string_view(database_) : "KILL"));
}

void Client::Drain() {
  drain_ = true;
  if (state_ == ClientState::kConsole || state_ == ClientState::kClosing) return;
  const bool session_idle = state_ == ClientState::kActive && !in_transaction_ && server_->tracker().owes_nothing();
  const bool replicates = state_ == ClientState::kReplication && replication_->is_busy();
  const bool runs = replicates || state_ == ClientState::kActive || state_ == ClientState::kSettling || state_ == ClientState::kWaiting || state_ == ClientState::kLinking;
  if (!runs || session_idle) End(protocol::ErrorCode::kShuttingDown);
}

void Client::Fatal(const protocol::ErrorReport& report) {
  if (state_ == ClientState::kClosing) return;
  worker_->CountError(report.code);
  protocol::ErrorReport fatal = report;
  fatal.severity = protocol::Severity::kFatal;
  std::string bytes;
  protocol::WriteError(bytes, fatal);
  FatalBytes(bytes, protocol::Row(report.code).name, &report);
}

void Client::FatalBytes(const std::string& bytes, std::string_view reason, const protocol::ErrorReport* report) {
  // Inside a half-sent message an error would be read as its content: then the end of the connection must do.
  const bool can_speak = (server_ == nullptr || !server_->is_mid_message()) && (!console_ || console_->reply.empty());
  close_reason_ = reason;
  const LastWords words{reason, report, login_ && login_->UsesSasl()};
  LetGo(words);
  if (report != nullptr) LogPoolerError(words);
  if (!can_speak || !socket_->Write(bytes) || !socket_->SendBatched()) return Finish();
  // Closing with unread input would reset the connection and could take the last words with it.
  state_ = ClientState::kClosing;
  input_.clear();
  socket_->Resume(PauseReason::kInputFull);
  socket_->Resume(PauseReason::kPeerFull);
  socket_->Resume(PauseReason::kOwed);
  socket_->Resume(PauseReason::kConsole);
  if (socket_->unsent() == 0) socket_->Shutdown();
  SetClock(Clock::kLinger, kLingerAfterFatal);
}

void Client::ProtocolError(std::string_view what) { Fatal(protocol::MakeError(protocol::ErrorCode::kProtocolViolation, what)); }

void Client::Close(std::string_view reason) {
  if (close_reason_.empty()) close_reason_ = reason;
  LetGo({close_reason_});
  Finish();
}

// Ends everything that others hold of this client: its place in a queue, its server, its shares of the caps, its cancel key.
void Client::LetGo(const LastWords& words) {
  timeout_.Disarm();
  clock_ = Clock::kNone;
  transaction_timeout_.Disarm();
  // With a report it was us who had enough.
  if (pool_) pool_->Cancel(waiter_, words.report == nullptr ? pool::Leaves::kByItself : pool::Leaves::kSentAway, Now());
  if (Server* server = std::exchange(server_, nullptr)) {
    if (!replication_) EndHold(Now(), words.reason);  // how long it lasts says nothing about a pool's load
    CountIdle(Between::kNo);
    const bool inside = stream_left_ > 0 && !stream_drop_;
    const bool is_clean = state_ == ClientState::kActive && !inside && server->IsAtRest();
    if (is_clean) {
      auto lease = std::move(lease_);
      lease.Return();
    } else {
      lease_.Forget();
      server->Abandon(inside ? Server::Left::kMidMessage : Server::Left::kBetweenMessages);
    }
  }
  if (cancel_process_id_ != 0) worker_->shared().cancels.Remove(std::exchange(cancel_process_id_, 0u), id_);
  if (auto budget = std::exchange(database_clients_, nullptr)) budget->Give();
  if (auto budget = std::exchange(user_clients_, nullptr)) budget->Give();
  if (std::exchange(counted_, false)) worker_->shared().clients.fetch_sub(1, std::memory_order_relaxed);
  if (pool_ && session_) {
    SetPins(0);
    if (session_->IsKnownToHub()) worker_->shared().notifications->Forget(pool_, {worker_->number(), id_});
  }
  if (pool_ && !login_) pool_->counters(worker_->number()).clients.Subtract(1);
  if (console_) LeaveConsole();
  if (state_ != ClientState::kClosing) LogClose(words);
  pool_.reset();
  EndLogin();
}

void Client::EndLogin() {
  login_.reset();
  if (std::exchange(is_login_, false)) worker_->AddLogins(-1);
}

void Client::Finish() {
  state_ = ClientState::kClosing;
  timeout_.Disarm();
  socket_->Pause(PauseReason::kEnding);
  worker_->Bury(*this);
}

ClientRow Client::Row() const {
  ClientRow row;
  row.id = id_;
  row.user = user_;
  row.database = database_;
  if (replication_) row.replication = replication_->kind();
  row.state = Name(state_);
  const PeerName remote = address_.Name(), local = LocalName(socket_->fd());
  row.addr = remote.address;
  row.port = remote.port;
  row.local_addr = local.address;
  row.local_port = local.port;
  row.connect_time = connect_time_;
  row.request_time = request_time_ == WallTime{} ? connect_time_ : request_time_;
  row.is_waiting = IsQueued();
  if (row.is_waiting) {
    const pool::Duration waited = Now() - waiter_.since;
    row.wait_us = static_cast<uint64_t>(waited.count());
    row.waiting_since = std::chrono::system_clock::now() - waited;
  }
  row.link_id = server_ != nullptr ? server_->id() : 0;
  if (server_ != nullptr) {
    const pool::Duration held = Now() - linked_at_;
    row.held_us = static_cast<uint64_t>(held.count());
    row.held_since = std::chrono::system_clock::now() - held;
  }
  if (pool_) row.pool_user = pool_->key().user;
  row.idle_in_transaction = between_ == Between::kStatements;
  row.kept_bytes = input_.size();
  row.message_left = stream_left_;
  row.unsent_bytes = socket_->unsent();
  if (socket_->tls() != nullptr && state_ != ClientState::kTls) row.tls = socket_->tls()->Description();
  if (settings_) {
    if (const std::string* name = settings_->Find("application_name")) row.application_name = *name;
  }
  if (session_) {
    row.prepared_statements = session_->statements.size();
    row.pinned_since = session_->pinned_since;
    for (size_t kind = 0; kind < conf::kStateKinds; ++kind) {
      if ((session_->pins & Session::Bit(static_cast<conf::StateKind>(kind))) == 0) continue;
      row.pins += (row.pins.empty() ? "" : ",") + std::string(conf::Name(static_cast<conf::StateKind>(kind)));
    }
  }
  row.worker = static_cast<int>(worker_->number());
  return row;
}

}  // namespace proxy
