// Server, first part of its life: name lookup, TCP, TLS, login; host after host, address after address, one deadline.
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "protocol/frame.h"
#include "protocol/message_writer.h"
#include "protocol/startup.h"
#include "proxy/cancel_sender.h"
#include "proxy/log.h"
#include "proxy/server.h"
#include "proxy/worker.h"

namespace proxy {

void Server::Connect() {
  opening_ = std::make_unique<Opening>();
  opening_->target = pool_->Target();
  opening_->tls = worker_->runtime().server_tls;
  opening_->started = Now();
  opening_->deadline = opening_->started + opening_->target.connect_timeout;
  deadline_ = std::make_unique<Timer>(worker_->loop(), [this] {
    OpenFailed({pool::OpenFailure::Kind::kUnreachable, Where() + ": server_connect_timeout; " + opening_->last_cause, ""});
  });
  deadline_->Start(opening_->target.connect_timeout);
  opening_->attempt = std::make_unique<Timer>(worker_->loop(), [this] { AttemptFailed("no answer in time", ""); });
  OnResolved({});
}

std::string Server::Where() const {
  const auto& hosts = opening_->target.hosts;
  const conf::Host& host = hosts[std::min(opening_->host, hosts.size() - 1)];
  return host.name + ":" + std::to_string(host.port);
}

// Also the way to the next host: an empty answer without an error starts the lookup of the current one.
void Server::OnResolved(Resolved answer) {
  if (answer.addresses.empty()) {
    if (!answer.error.empty()) {
      opening_->last_cause = Where() + ": " + answer.error;
      ++opening_->host;
    }
    if (opening_->host >= opening_->target.hosts.size()) {
      const bool refused = !opening_->last_error.empty();
      return OpenFailed({refused ? pool::OpenFailure::Kind::kRefused : pool::OpenFailure::Kind::kUnreachable,
                         opening_->last_cause, opening_->last_error});
    }
    const conf::Host host = opening_->target.hosts[opening_->host];
    worker_->shared().resolver.Resolve(host, worker_->loop(), [worker = worker_, id = id_](Resolved found) {
      Server* server = worker->FindServer(id);
      if (server == nullptr || !server->opening_) return;
      if (found.addresses.empty() && found.error.empty()) found.error = "no address";
      server->OnResolved(std::move(found));
    });
    return;
  }
  opening_->addresses = std::move(answer.addresses);
  opening_->address = 0;
  TryNextAddress();
}

void Server::TryNextAddress() {
  if (opening_->address >= opening_->addresses.size()) {
    ++opening_->host;
    return OnResolved({});
  }
  // Each attempt gets its share of what is left, so that a black hole does not eat the time of the hosts behind it.
  const size_t left = opening_->addresses.size() - opening_->address + (opening_->target.hosts.size() - 1 - opening_->host);
  opening_->attempt->Start((opening_->deadline - Now()) / static_cast<int>(std::max<size_t>(left, 1)));
  peer_ = opening_->addresses[opening_->address];
  peer_host_ = opening_->target.hosts[opening_->host].name;
  SetState(ServerState::kConnecting);
  std::string error;
  const int fd = ConnectTo(peer_, error);
  if (fd < 0) return AttemptFailed(std::move(error), "");
  TuneTcp(fd, worker_->keep_alive());
  socket_ = std::make_unique<Socket>(worker_->loop(), fd, *this);
  socket_->WatchConnect();
}

void Server::OnWritable() {
  if (state_ == ServerState::kConnecting) return OnConnected();
  if (state_ == ServerState::kTlsHandshake) OnHandshake();
}

void Server::OnConnected() {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(socket_->fd(), SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0) {
    return AttemptFailed(std::strerror(error), "");
  }
  socket_->StartReading();
  const bool is_unix = peer_.storage.ss_family == AF_UNIX;
  const bool wants_tls = opening_->tls && !is_unix && (opening_->tls->mode() != conf::TlsMode::kAllow || opening_->plain_refused);
  if (!wants_tls) return StartLogin();
  std::string request;
  protocol::WriteSslRequest(request);
  SetState(ServerState::kTlsAnswer);
  if (!socket_->Write(request)) AttemptFailed("write failed", "");
}

void Server::OnTlsAnswer() {
  char answer = 0;
  const IoResult result = socket_->Read(&answer, 1);  // exactly one: what follows 'S' belongs to the handshake
  if (result.status == IoStatus::kEof || result.status == IoStatus::kError) return AttemptFailed("closed on SSLRequest", "");
  if (result.bytes == 0) return;
  if (answer == 'S') {
    SetState(ServerState::kTlsHandshake);
    socket_->StartTls(TlsStream::Connect(*opening_->tls, socket_->fd(), peer_host_));
    return OnHandshake();
  }
  if (answer == 'N' && opening_->tls->mode() == conf::TlsMode::kPrefer) return StartLogin();
  AttemptFailed(answer == 'N' ? "the server does not support TLS, but server_tls_sslmode requires it"
                              : "unexpected answer to SSLRequest",
                "");
}

void Server::OnHandshake() {
  switch (socket_->Handshake()) {
    case IoStatus::kOk:
      tls_ = opening_->tls;
      tls_description_ = socket_->tls()->Description();
      return StartLogin();
    case IoStatus::kEof: return AttemptFailed("closed during the TLS handshake", "");
    case IoStatus::kError: return AttemptFailed("TLS: " + socket_->tls()->error_text(), "");
    default: return;
  }
}

void Server::StartLogin() {
  SetState(ServerState::kLogin);
  opening_->login.emplace(opening_->target.credentials, protocol::Base64(RandomBytes(18)));
  std::string startup;
  protocol::WriteStartup(startup, pool_->key().user, opening_->target.dbname, opening_->target.startup);
  if (!socket_->Write(startup)) AttemptFailed("write failed", "");
}

void Server::LoginInput(std::string_view chunk) {
  size_t pos = 0;
  while (pos < chunk.size()) {
    protocol::Frame frame;
    const auto status = protocol::ReadServerFrame(chunk.substr(pos), frame);
    if (status == protocol::FrameStatus::kIncomplete) break;
    if (status != protocol::FrameStatus::kFrame || frame.total > kWholeBytesMax) {
      return AttemptFailed("the server sent a malformed message during login; is it PostgreSQL?", "");
    }
    if (!frame.IsWhole()) break;
    pos += frame.total;
    std::string answer;
    const auto step = opening_->login->OnMessage(frame.type, frame.body(), answer);
    if (!answer.empty() && !socket_->Write(answer)) return AttemptFailed("write failed", "");
    if (step != protocol::ServerLogin::Step::kContinue) {
      if (step == protocol::ServerLogin::Step::kReady && pos < chunk.size()) {
        return AttemptFailed("the server sent more than its login", "");
      }
      Keep(chunk.substr(pos));
      return OnLoginStep(step);
    }
  }
  Keep(chunk.substr(pos));
}

void Server::OnLoginStep(protocol::ServerLogin::Step step) {
  using Step = protocol::ServerLogin::Step;
  switch (step) {
    case Step::kContinue: return;
    case Step::kReady: return OnLoggedIn();
    case Step::kRefused: return AttemptFailed("", opening_->login->server_error());
    case Step::kMalformed: return AttemptFailed("login: " + opening_->login->why(), "");
    case Step::kNeedsKeys: break;
  }
  const auto challenge = opening_->login->challenge();
  const std::string secret = opening_->target.credentials.secret.value_or("");
  const bool queued = worker_->shared().helpers.Run([worker = worker_, id = id_, challenge, secret] {
    auto keys = protocol::DeriveKeys(protocol::PreparePassword(secret), challenge.salt, challenge.iterations);
    worker->Post([worker, id, keys = std::move(keys)] {
      Server* server = worker->FindServer(id);
      if (server == nullptr || !server->opening_ || !server->opening_->login) return;
      std::string answer;
      const auto next = server->opening_->login->OnKeys(keys, answer);
      if (!server->socket_->Write(answer)) return server->AttemptFailed("write failed", "");
      server->OnLoginStep(next);
    });
  });
  if (!queued) AttemptFailed("login: too many password hashes in progress", "");
}

void Server::OnLoggedIn() {
  const protocol::ServerLogin& login = *opening_->login;
  process_id_ = login.process_id();
  cancel_key_ = login.cancel_key();
  settings_.Begin(login.parameters());
  pool_->SetWelcome(login.parameters());
  if (login.derived_keys()) pool_->RememberDerivedKeys(*login.derived_keys());
  auto& counters = pool_->counters(worker_->number());
  counters.server_logins.Add(1);
  const pool::TimePoint now = Now();
  counters.connect.Observe(static_cast<uint64_t>((now - opening_->started).count()));
  Log(Level::kInfo, "server_login",
      {{"database", pool_->key().database}, {"user", pool_->key().user}, {"host", Where()}, {"pid", process_id_},
       {"tls", tls_description_.empty() ? "none" : tls_description_}});
  opening_.reset();
  deadline_.reset();
  pool::Orders orders;
  const auto next = pool_->Opened(*slot_, now, orders);
  TakeNext(next, now);
  worker_->CarryOut(*pool_, orders);
}

// One address failed. A refusal by the server itself ends the try of this host unless another host may do better.
void Server::AttemptFailed(std::string cause, std::string server_error) {
  opening_->attempt->Stop();
  socket_.reset();
  input_.clear();
  stream_left_ = 0;
  tls_.reset();
  tls_description_.clear();
  if (!server_error.empty()) {
    const auto fields = protocol::ParseErrorFields(server_error);
    cause = "login refused: " + std::string(fields.message);
    if (opening_->tls && opening_->tls->mode() == conf::TlsMode::kAllow && !opening_->plain_refused) {
      opening_->plain_refused = true;
      opening_->last_cause = Where() + ": " + cause;
      return TryNextAddress();
    }
    // Starting up, shutting down, full: it will pass. The waiters stay for it.
    const bool passes = fields.sqlstate == "57P03" || fields.sqlstate == "53300" || fields.sqlstate == "57P01";
    opening_->last_error = passes ? "" : std::move(server_error);
  }
  opening_->plain_refused = false;
  opening_->last_cause = Where() + ": " + cause;
  opening_->login.reset();
  ++opening_->address;
  TryNextAddress();
}

void Server::OpenFailed(pool::OpenFailure failure) {
  socket_.reset();
  opening_.reset();
  deadline_.reset();
  SetState(ServerState::kClosing);
  pool_->counters(worker_->number()).server_login_failures.Add(1);
  Log(Level::kWarning, "server_login_failed",
      {{"database", pool_->key().database}, {"user", pool_->key().user}, {"cause", failure.cause}});
  pool::Orders orders;
  pool_->OpenFailed(*slot_, std::move(failure), Now(), orders);
  worker_->Bury(*this);
  worker_->CarryOut(*pool_, orders);
}

}  // namespace proxy
