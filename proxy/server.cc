#include "proxy/server.h"

#include "protocol/message_writer.h"
#include "protocol/statement_messages.h"
#include "proxy/cancel_sender.h"
#include "proxy/client.h"
#include "proxy/log.h"
#include "proxy/worker.h"

namespace proxy {

std::string_view Name(ServerState state) {
  switch (state) {
    case ServerState::kConnecting: return "new";
    case ServerState::kIdle: return "idle";
    case ServerState::kPreparing:
    case ServerState::kCleaning: return "tested";
    case ServerState::kActive:
    case ServerState::kReplicating: return "active";
    case ServerState::kBeingCanceled: return "being_canceled";
    case ServerState::kClosing: return "closing";
  }
  return "?";
}

Server::Server(Worker& worker, std::shared_ptr<BackendPool> pool, std::shared_ptr<pool::Slot> slot)
    : worker_(&worker), pool_(std::move(pool)), slot_(std::move(slot)), id_(worker.shared().NextId()) {
  slot_->server = this;
  connect_time_ = std::chrono::system_clock::now();
}

Server::~Server() { slot_->server = nullptr; }

// --- lending -------------------------------------------------------------------------------------------------------------

bool Server::Lend(Client& client, bool check_first) {
  client_ = &client;
  statement_.Clear();
  sequences_of_ = sequences_of_ == 0 || sequences_of_ == client.id() ? client.id() : kSeveralClients;
  in_session_ = !client.tracks();
  reset_done_ = false;
  release_due_ = false;
  step_done_ = false;
  stream_describes_ = false;
  described_.reset();
  retry_.End();
  healing_ = Healing::kNo;
  repeats_ = false;
  if (check_first) {
    const std::string query = pool_->settings().server_check_query;
    std::string message;
    protocol::WriteQuery(message, query == "<empty>" ? "" : query);
    SetState(ServerState::kPreparing);
    StartOwn(Own::kCheck, message, 1);
    return false;
  }
  if (settings_.IsSynced(client.settings())) {
    BecomeActive();
    return true;
  }
  StartReplay();
  return state_ == ServerState::kActive;
}

void Server::BecomeActive() {
  SetState(ServerState::kActive);
  if (statements_.named_count() > 0) CloseNamesOfOthers();
}

// What another client has prepared in SQL, or named in SQL, is not to be seen; it goes in the same round trip as the query.
void Server::CloseNamesOfOthers() {
  using Tracker = protocol::ReplyTracker;
  std::string messages;
  for (const std::string& name : statements_.NamesOfOthers(client_->id())) {
    protocol::WriteClose(messages, name);
    tracker_.OnSent('C', Tracker::Action::kOwn, Tracker::Note::kNoted);
    log_.Add({protocol::StatementChange::Kind::kNamedClose, name, nullptr, {}});
    statements_.EraseNamed(name);
  }
  if (messages.empty()) return;
  protocol::WriteSync(messages);
  tracker_.OnSent('S', Tracker::Action::kOwn);
  Send(messages);
}

void Server::StartReplay() {
  const protocol::SettingsDifference difference = settings_.Compare(*client_->settings());
  if (difference.empty()) {
    settings_.OnReplayed(client_->settings());
    return BecomeActive();
  }
  std::string messages, types;
  const int ready = protocol::WriteReplay(messages, difference, types);
  pool_->counters(worker_->number()).settings_replays.Add(1);
  if (client_->NeedsProof() || difference.MustBeAwaited()) {
    SetState(ServerState::kPreparing);
    return StartOwn(Own::kReplay, messages, ready);
  }
  // The client's values have been accepted before, here or on another server: its query goes along in the same round trip. Should
  // one be refused now, the client is ended (Relay).
  statements_.unnamed = {};
  for (const char type : types) tracker_.OnSent(type, protocol::ReplyTracker::Action::kOwn);
  replay_units_ = ready;
  settings_.OnReplayed(client_->settings());
  Send(messages);
  BecomeActive();
}

Server::Synced Server::Resync() {
  if (settings_.IsSynced(client_->settings())) return Synced::kNow;
  StartReplay();
  return state_ == ServerState::kActive ? Synced::kNow : Synced::kLater;
}

void Server::SendOwnQuery(std::string_view sql, protocol::ReplyTracker::Note note) {
  std::string message;
  protocol::WriteQuery(message, sql);
  statements_.unnamed = {};
  tracker_.OnSent('Q', protocol::ReplyTracker::Action::kOwn, note);
  Send(message);
}

void Server::SendOwn(protocol::SettingsDifference settings) {
  std::string messages, types, commands;
  for (const std::string& sql : protocol::TakeSetCommands(settings.set)) commands += sql + ";";
  if (!commands.empty()) {
    protocol::WriteQuery(messages, commands);
    types += 'Q';
  }
  protocol::WriteReplay(messages, settings, types);
  statements_.unnamed = {};
  for (const char type : types) tracker_.OnSent(type, protocol::ReplyTracker::Action::kOwn);
  Send(messages);
}

void Server::Ask(const protocol::SessionQuestion& question) {
  std::string message;
  protocol::WriteQuery(message, protocol::QuestionSql(question));
  finding_ = {};
  SetState(ServerState::kPreparing);
  deadline_ = std::make_unique<Timer>(worker_->loop(), [this] { OnLost("no answer about the state of its session"); });
  deadline_->Start(worker_->config().global.cancel_wait_timeout);
  StartOwn(Own::kAsk, message, 1);
}

void Server::StartOwn(Own own, const std::string& messages, int ready) {
  own_ = own;
  own_ready_left_ = ready;
  statements_.unnamed = {};  // overwritten, or dropped by a simple query
  own_failed_ = false;
  own_error_.clear();
  // A failed write shows as the end of the connection in the next read: nothing to do here, and no re-entry.
  if (!socket_->Write(messages)) {
    worker_->loop().Post([worker = worker_, id = id_] {
      if (Server* server = worker->FindServer(id)) server->OnBroken();
    });
  }
}

void Server::OwnDone() {
  const Own own = own_;
  own_ = Own::kNone;
  const char status = tracker_.status();
  switch (own) {
    case Own::kNone: return;
    case Own::kCheck:
      if (client_ == nullptr) return ContinueCleaning();
      if (own_failed_ || status != 'I') {
        Client* client = std::exchange(client_, nullptr);
        Close("server_check_query failed");
        return client->OnServerUnfit();
      }
      if (settings_.IsSynced(client_->settings())) {
        BecomeActive();
      } else {
        StartReplay();
      }
      if (state_ == ServerState::kActive) client_->OnServerReady();
      return;
    case Own::kReplay:
      if (client_ == nullptr) return ContinueCleaning();
      if (own_failed_) return client_->OnSettingsRefused(own_error_);  // its lease ends there, through Abandon
      settings_.OnReplayed(client_->settings());
      BecomeActive();
      return client_->OnServerReady();
    case Own::kAsk:
      if (client_ == nullptr) return ContinueCleaning();
      deadline_.reset();
      SetState(ServerState::kActive);
      return client_->OnSettled(own_failed_ || status != 'I' ? nullptr : &finding_);
    case Own::kRollback:
      if (status != 'I') return Close("ROLLBACK did not end the transaction");
      return ContinueCleaning();
    case Own::kReset:
      if (own_failed_) return Close("server_reset_query failed");
      if (touched_ || pool_->settings().server_reset_query == "DISCARD ALL") {
        settings_.OnDiscardAll();
        statements_.Clear();
        sequences_of_ = 0;
      } else {
        settings_.OnForeignReset();
      }
      touched_ = false;
      return ContinueCleaning();
  }
}

bool Server::Send(std::string_view bytes) {
  if (socket_->Write(bytes)) {
    return true;
  }
  worker_->loop().Post([worker = worker_, id = id_] {
    if (Server* server = worker->FindServer(id)) server->OnBroken();
  });
  return false;
}

bool Server::Send(Parts& parts) {
  if (socket_->Write(parts.Vector())) return true;
  worker_->loop().Post([worker = worker_, id = id_] {
    if (Server* server = worker->FindServer(id)) server->OnBroken();
  });
  return false;
}

std::string Server::TakeFakes() {
  const auto answer = tracker_.TakeFakes();
  std::string fakes(answer.before);
  retry_.OnFakes(fakes.size() / protocol::kFrameHeaderBytes);
  Learn(answer);
  return fakes;
}

// --- giving back ---------------------------------------------------------------------------------------------------------

void Server::OnLeaseReturned() {
  client_ = nullptr;
  if (in_session_ || touched_) {
    SetState(ServerState::kCleaning);
    deadline_ = std::make_unique<Timer>(worker_->loop(), [this] { Close("server_reset_query took too long"); });
    deadline_->Start(worker_->config().global.cancel_wait_timeout);
    return ContinueCleaning();
  }
  GiveBack();
}

void Server::OnLeaseDiscarded() { Abandon(Left::kBetweenMessages); }

void Server::Abandon(Left left) {
  if (state_ == ServerState::kReplicating) return EndReplication(left);
  client_ = nullptr;
  if (state_ == ServerState::kClosing) return;
  socket_->Resume(PauseReason::kPeerFull);
  if (left == Left::kMidMessage) return Close("client left inside a message");
  const bool own_runs = own_ != Own::kNone;
  SetState(ServerState::kCleaning);
  deadline_ = std::make_unique<Timer>(worker_->loop(), [this] { Close("cleaning took too long"); });
  deadline_->Start(worker_->config().global.cancel_wait_timeout);
  if (own_runs) return;  // OwnDone goes on from there
  step_done_ = false;
  std::string end;
  if (tracker_.in_copy_in()) {
    protocol::MessageWriter(end).Begin('f').Text("client left during COPY").End();
    tracker_.OnSent('f');
  }
  const bool something_runs = !tracker_.owes_nothing();
  if (tracker_.NeedsSync()) {
    protocol::WriteSync(end);
    tracker_.OnSent('S');
  }
  if (!Send(end)) return;
  if (something_runs) Cancel([] {});
  ContinueCleaning();
}

void Server::ContinueCleaning() {
  if (state_ != ServerState::kCleaning) SetState(ServerState::kCleaning);
  if (tracker_.is_doubtful()) return Close("client left the protocol in a state that cannot be followed");
  if (!tracker_.owes_nothing() || cancels_in_flight_ > 0) return;  // an answer, or the end of a cancel, goes on from here
  if (stream_left_ > 0 || !input_.empty()) {
    step_done_ = true;  // a message has been begun: its end goes on from here
    return;
  }
  std::string message;
  if (tracker_.status() != 'I') {
    protocol::WriteQuery(message, "ROLLBACK");
    return StartOwn(Own::kRollback, message, 1);
  }
  if (loaded_) return Close("its client has loaded a library");
  std::string reset;
  if (!reset_done_) reset = touched_ ? "DISCARD ALL" : in_session_ ? pool_->settings().server_reset_query : "";
  reset_done_ = true;
  if (!reset.empty()) {
    protocol::WriteQuery(message, reset);
    return StartOwn(Own::kReset, message, 1);
  }
  GiveBack();
}

void Server::GiveBack() {
  client_ = nullptr;
  deadline_.reset();
  release_due_ = false;
  if (tracker_.is_doubtful()) return Close("client left the protocol in a state that cannot be followed");
  if (cancels_in_flight_ > 0) return SetState(ServerState::kBeingCanceled);
  const pool::TimePoint now = Now();
  pool::Orders orders;
  const auto next = pool_->Release(*slot_, now, orders);
  TakeNext(next, now);
  if (!orders.empty()) worker_->CarryOut(*pool_, orders);
}

void Server::TakeNext(const pool::Pool::Next& next, pool::TimePoint now) {
  using Kind = pool::Pool::Next::Kind;
  switch (next.kind) {
    case Kind::kIdle: return SetState(ServerState::kIdle);
    case Kind::kServe: return static_cast<Client*>(next.waiter->owner)->OnGranted(*this, now, next.check_first);
    case Kind::kMove: return worker_->SendAway(*this, next.to);
    case Kind::kClose: return Close(RetireReason());
  }
}

// --- cancel --------------------------------------------------------------------------------------------------------------

void Server::Cancel(std::function<void()> done) {
  if (tracker_.HeadIsOwn()) delayed_cancels_.push_back(std::move(done));
  else SendCancelRequest(std::move(done));
}

// A message of ours has been answered. When nothing of the client's follows, there is nothing to cancel any more.
void Server::SendDelayedCancels() {
  if (delayed_cancels_.empty() || tracker_.HeadIsOwn()) return;
  for (auto& done : std::exchange(delayed_cancels_, {})) {
    if (tracker_.owes_nothing()) worker_->loop().Post(std::move(done));
    else SendCancelRequest(std::move(done));
  }
}

void Server::SendCancelRequest(std::function<void()> done) {
  if (cancel_key_.empty() || cancels_in_flight_ >= kCancelsInFlightMax) {
    return worker_->loop().Post(std::move(done));
  }
  ++cancels_in_flight_;
  pool_->counters(worker_->number()).cancels.Add(1);
  CancelTarget target{peer_, peer_host_, tls_, process_id_, cancel_key_};
  SendCancel(worker_->loop(), std::move(target), worker_->config().global.cancel_wait_timeout,
             [worker = worker_, id = id_, done = std::move(done)](bool) {
               if (Server* server = worker->FindServer(id)) server->OnCancelEnded();
               done();
             });
}

void Server::ForgetDelayedCancels() {
  for (auto& done : std::exchange(delayed_cancels_, {})) worker_->loop().Post(std::move(done));
}

void Server::OnCancelEnded() {
  if (--cancels_in_flight_ > 0) return;
  if (state_ == ServerState::kBeingCanceled) return GiveBack();
  if (state_ == ServerState::kCleaning && own_ == Own::kNone) ContinueCleaning();
}

// --- the end -------------------------------------------------------------------------------------------------------------

void Server::Retire(std::string_view reason) {
  if (state_ != ServerState::kClosing && client_ == nullptr) Close(reason.empty() ? RetireReason() : reason);
}

int64_t Server::AgeSeconds() const {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now() - connect_time_).count();
}

// The pool only says that it shall go: this is for the log, found out when it has been decided.
std::string_view Server::RetireReason() const {
  if (pool_->Count(Now()).mode == pool::RunMode::kPaused) return "pause mode";
  if (host_moved_) return "address of the host changed";
  const conf::PoolSettings settings = pool_->settings();
  const auto now = std::chrono::system_clock::now();
  const auto lifetime = std::chrono::duration<double, std::micro>(settings.server_lifetime) * (1 - settings.server_lifetime_jitter);
  if (now - connect_time_ >= lifetime) return "server lifetime over";
  const WallTime used = request_time_ == WallTime{} ? connect_time_ : request_time_;
  if (settings.server_idle_timeout > pool::Duration(0) && now - used >= settings.server_idle_timeout) return "server idle timeout";
  const conf::Config& config = worker_->config();
  const conf::Database* section = config.FindDatabase(pool_->key().database);
  const bool has_caps = config.global.max_host_connections > 0 || config.MaxUserConnections(pool_->key().user) > 0 || (section != nullptr && config.MaxDbConnections(*section) > 0);
  return has_caps ? "evicted or database configuration changed" : "database configuration changed";
}

void Server::Close(std::string_view reason) {
  if (state_ == ServerState::kClosing) return;
  const bool query_runs = !tracker_.owes_nothing();
  const bool between_messages = own_ == Own::kNone && tracker_.owes_nothing();
  if (query_runs && !tracker_.HeadIsOwn()) SendCancelRequest([] {});
  Close(reason, between_messages ? Farewell::kTerminate : Farewell::kNone);
}

void Server::Close(std::string_view reason, Farewell farewell) {
  close_reason_ = reason;
  ForgetDelayedCancels();
  SetState(ServerState::kClosing);
  pool::Orders orders;
  pool_->BeginClose(*slot_, Now(), orders);
  pool_->counters(worker_->number()).server_closes.Add(1);
  if (worker_->config().global.log_disconnections) {
    const PeerName peer = NameOf(peer_.storage);
    Log(Level::kInfo, "server_close",
        {{"server", id_}, {"database", pool_->key().database}, {"user", pool_->key().user}, {"addr", peer.address}, {"port", peer.port},
         {"pid", process_id_}, {"age", AgeSeconds()}, {"reason", reason}});
  }
  if (farewell == Farewell::kTerminate) {
    std::string terminate;
    protocol::WriteTerminate(terminate);
    socket_->Write(terminate);
  }
  socket_->Resume(PauseReason::kPeerFull);  // it waits for the server's end
  socket_->Shutdown();
  deadline_ = std::make_unique<Timer>(worker_->loop(), [this] { FinishClose(); });
  deadline_->Start(kCloseWait);
  worker_->CarryOut(*pool_, orders);
}

void Server::FinishClose() {
  deadline_.reset();
  socket_->Pause(PauseReason::kEnding);
  worker_->Bury(*this);
}

void Server::OnLost(std::string_view cause) {
  if (state_ == ServerState::kClosing) return FinishClose();
  const bool was_preparing = state_ == ServerState::kPreparing && own_ != Own::kAsk;
  const bool was_quiet = client_ == nullptr && state_ == ServerState::kIdle;
  Client* client = std::exchange(client_, nullptr);
  log_.UndoAll(statements_, client != nullptr ? client->statements() : nullptr);
  ForgetDelayedCancels();
  SetState(ServerState::kClosing);
  pool_->counters(worker_->number()).server_closes.Add(1);
  const PeerName peer = NameOf(peer_.storage);
  Log(was_quiet ? Level::kInfo : Level::kWarning, "server_lost",
      {{"server", id_},
       {"database", pool_->key().database},
       {"user", pool_->key().user},
       {"addr", peer.address},
       {"port", peer.port},
       {"pid", process_id_},
       {"age", AgeSeconds()},
       {"linked", client != nullptr ? "yes" : "no"},
       {"fatal", last_fatal_.empty() ? "no" : "yes"},
       {"cause", last_fatal_.empty() ? cause : protocol::ParseErrorFields(last_fatal_).message}});
  pool::Orders orders;
  pool_->BeginClose(*slot_, Now(), orders);
  FinishClose();
  worker_->CarryOut(*pool_, orders);
  if (client == nullptr) return;
  if (was_preparing) client->OnServerUnfit();
  else client->OnServerLost(cause, last_fatal_);
}

void Server::OnDrained() {
  if (client_ != nullptr) client_->OnServerDrained();
}

void Server::OnBroken() {
  OnLost("write failed");
}

void Server::DetachFrom() { socket_->Detach(); }

void Server::AttachTo(Worker& worker) {
  worker_ = &worker;
  socket_->Attach(worker.loop(), *this);
}

ServerRow Server::Row() const {
  ServerRow row;
  row.id = id_;
  row.user = pool_->key().user;
  row.database = pool_->key().database;
  row.replication = replication_;
  row.state = Name(state_);
  if (const Socket* socket = dial_ ? dial_->socket() : socket_.get()) {
    const PeerName remote = RemoteName(socket->fd()), local = LocalName(socket->fd());
    row.addr = remote.address;
    row.port = remote.port;
    row.local_addr = local.address;
    row.local_port = local.port;
    row.unsent_bytes = socket->unsent();
  }
  row.kept_bytes = input_.size();
  row.message_left = stream_left_;
  row.connect_time = connect_time_;
  row.request_time = request_time_ == WallTime{} ? connect_time_ : request_time_;
  row.close_needed = close_reason_;
  if (row.close_needed.empty() && pool_->IsGivenUp(*slot_)) row.close_needed = "given up: closes at its release";
  row.link_id = client_ != nullptr ? client_->id() : 0;
  row.remote_pid = process_id_;
  row.statement = statement_.text();
  if (settings_.escapes()) row.backslash = protocol::Backslash::kEscapes;
  row.tls = dial_ ? dial_->tls_description() : tls_description_;
  if (const std::string* name = settings_.Reported("application_name")) row.application_name = *name;
  row.prepared_statements = statements_.size();
  row.worker = static_cast<int>(worker_->number());
  return row;
}

}  // namespace proxy
