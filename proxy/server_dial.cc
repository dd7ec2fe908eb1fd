#include "proxy/server_dial.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "protocol/error_catalog.h"
#include "protocol/frame.h"
#include "protocol/message_writer.h"
#include "protocol/startup.h"
#include "proxy/cancel_sender.h"
#include "proxy/shared.h"

namespace proxy {

namespace {
constexpr size_t kLoginReadBytes = 16 * 1024;
constexpr size_t kNonceBytes = 18;
constexpr const char* kConnectQueryLate = "connect_query has not ended in time";
}  // namespace

ServerDial::ServerDial(DialRoom room, DialOptions options, Done done)
    : room_(room),
      options_(std::move(options)),
      done_(std::move(done)),
      deadline_(room.loop,
                [this] {
                  const std::string late = state_ == State::kConnectQuery ? kConnectQueryLate : last_cause_;
                  Fail({pool::OpenFailure::Kind::kUnreachable, Where() + ": server_connect_timeout; " + late, ""});
                }),
      attempt_(room.loop, [this] {
        if (state_ == State::kLookup) LookupFailed("name lookup: no answer in time");
        else AttemptFailed(state_ == State::kConnectQuery ? kConnectQueryLate : "no answer in time", "");
      }) {}

void ServerDial::Start() {
  started_ = Now();
  deadline_at_ = started_ + options_.target.connect_timeout;
  deadline_.Start(options_.target.connect_timeout);
  TryHost();
}

std::string ServerDial::Where() const {
  const auto& hosts = options_.target.hosts;
  const conf::Host& host = hosts[std::min(host_, hosts.size() - 1)];
  return host.name + ":" + std::to_string(host.port);
}

// --- hosts and addresses -------------------------------------------------------------------------------------------------

void ServerDial::TryHost() {
  if (host_ >= options_.target.hosts.size()) return NoHostLeft();
  Hosts::Answer answer = room_.hosts.Ask(Where());
  if (!answer.place) {
    last_cause_ = std::move(answer.why);
    ++host_;
    return TryHost();
  }
  place_ = std::move(answer.place);
  answered_ = false;
  state_ = State::kLookup;
  // A name service that says nothing must not eat the time of the hosts behind it.
  attempt_.Start((deadline_at_ - Now()) / static_cast<int>(options_.target.hosts.size() - host_));
  const conf::Host host = options_.target.hosts[host_];  // a copy: the answer may be the end of this dial
  lookup_ = std::make_shared<const int>(0);
  room_.resolver.Resolve(host, room_.loop, [this, asked = std::weak_ptr(lookup_)](Resolved found) {
    if (!asked.expired()) OnResolved(std::move(found));
  });
}

void ServerDial::OnResolved(Resolved answer) {
  lookup_.reset();
  if (answer.addresses.empty()) return LookupFailed(answer.error.empty() ? "no address" : answer.error);
  addresses_ = std::move(answer.addresses);
  RotateInFamilies(addresses_, options_.target.turn / options_.target.hosts.size());
  address_ = 0;
  TryNextAddress();
}

void ServerDial::LookupFailed(const std::string& cause) {
  attempt_.Stop();
  lookup_.reset();  // it may still come back
  last_cause_ = Where() + ": " + cause;
  EndHost();
}

void ServerDial::TryNextAddress() {
  if (address_ >= addresses_.size()) return EndHost();
  const size_t left = addresses_.size() - address_ + (options_.target.hosts.size() - 1 - host_);
  attempt_.Start((deadline_at_ - Now()) / static_cast<int>(std::max<size_t>(left, 1)));
  peer_ = addresses_[address_];
  state_ = State::kConnecting;
  std::string error;
  const int fd = ConnectTo(peer_, error);
  if (fd < 0) return AttemptFailed(std::move(error), "");
  if (peer_.is_ip()) TuneTcp(fd, options_.keep_alive);
  socket_ = std::make_unique<Socket>(room_.loop, fd, *this);
  socket_->WatchConnect();
}

void ServerDial::EndHost() {
  if (answered_) place_.Answered();
  else place_.Failed(last_cause_);
  ++host_;
  TryHost();
}

// --- one attempt ---------------------------------------------------------------------------------------------------------

void ServerDial::OnWritable() {
  if (state_ == State::kConnecting) return OnConnected();
  if (state_ == State::kTlsHandshake) OnHandshake();
}

void ServerDial::OnReadable() {
  if (state_ == State::kTlsHandshake) return OnHandshake();
  if (state_ == State::kTlsAnswer) return OnTlsAnswer();
  std::array<char, kLoginReadBytes> buffer;
  const IoResult result = socket_->Read(buffer.data(), buffer.size());
  if (result.status == IoStatus::kEof) return AttemptFailed("the server closed the connection", "");
  if (result.status == IoStatus::kError) return AttemptFailed("read failed", "");
  if (result.bytes == 0) return;
  if (state_ == State::kConnectQuery) return OnConnectBytes({buffer.data(), result.bytes});
  input_.append(buffer.data(), result.bytes);
  OnLoginBytes();
}

void ServerDial::OnConnected() {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(socket_->fd(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) return AttemptFailed(std::strerror(error), "");
  if (options_.connected) options_.connected(*socket_);
  socket_->StartReading();
  const bool is_unix = peer_.storage.ss_family == AF_UNIX;
  const bool wants_tls = options_.tls && !is_unix && (options_.tls->mode() != conf::TlsMode::kAllow || plain_refused_);
  if (!wants_tls) return StartLogin();
  std::string request;
  protocol::WriteSslRequest(request);
  state_ = State::kTlsAnswer;
  if (!socket_->Write(request)) AttemptFailed("write failed", "");
}

void ServerDial::OnTlsAnswer() {
  char answer = 0;
  const IoResult result = socket_->Read(&answer, 1);  // exactly one: what follows 'S' belongs to the handshake
  if (result.status == IoStatus::kEof || result.status == IoStatus::kError) return AttemptFailed("closed on SSLRequest", "");
  if (result.bytes == 0) return;
  if (answer == 'S') {
    state_ = State::kTlsHandshake;
    socket_->StartTls(TlsStream::Connect(*options_.tls, socket_->fd(), options_.target.hosts[host_].name));
    return OnHandshake();
  }
  if (answer == 'N' && options_.tls->mode() == conf::TlsMode::kPrefer) return StartLogin();
  AttemptFailed(answer == 'N' ? "the server does not support TLS, but server_tls_sslmode requires it"
                              : "unexpected answer to SSLRequest",
                "");
}

void ServerDial::OnHandshake() {
  switch (socket_->Handshake()) {
    case IoStatus::kOk:
      tls_ = options_.tls;
      tls_description_ = socket_->tls()->Description();
      return StartLogin();
    case IoStatus::kEof: return AttemptFailed("closed during the TLS handshake", "");
    case IoStatus::kError: return AttemptFailed("TLS: " + socket_->tls()->error_text(), "");
    default: return;
  }
}

void ServerDial::StartLogin() {
  state_ = State::kLogin;
  protocol::ServerChannel channel;
  if (const TlsStream* tls = socket_->tls()) channel = {.is_encrypted = true, .binding = tls->ServerEndPoint()};
  login_ = std::make_shared<protocol::ServerLogin>(options_.target.credentials, protocol::Base64(RandomBytes(kNonceBytes)), std::move(channel));
  std::string startup;
  protocol::WriteStartup(startup, options_.target.credentials.user, options_.target.dbname, options_.target.startup);
  if (!socket_->Write(startup)) AttemptFailed("write failed", "");
}

void ServerDial::OnLoginBytes() {
  using Step = protocol::ServerLogin::Step;
  size_t pos = 0;
  while (pos < input_.size()) {
    protocol::Frame frame;
    const auto status = protocol::ReadServerFrame(std::string_view(input_).substr(pos), frame);
    if (status == protocol::FrameStatus::kIncomplete) break;
    if (status != protocol::FrameStatus::kFrame || frame.total > kLoginMessageBytesMax) {
      return AttemptFailed("the server sent a malformed message during login; is it PostgreSQL?", "");
    }
    if (!frame.IsWhole()) break;
    pos += frame.total;
    std::string answer;
    const Step step = login_->OnMessage(frame.type, frame.body(), answer);
    if (!answer.empty() && !socket_->Write(answer)) return AttemptFailed("write failed", "");
    if (step == Step::kContinue) continue;
    if (step == Step::kReady && pos < input_.size()) return AttemptFailed("the server sent more than its login", "");
    input_.erase(0, pos);
    return OnLoginStep(step);
  }
  input_.erase(0, pos);
}

void ServerDial::OnLoginStep(protocol::ServerLogin::Step step) {
  using Step = protocol::ServerLogin::Step;
  switch (step) {
    case Step::kContinue: return;
    case Step::kReady: return options_.connect_query.empty() ? Succeed() : StartConnectQuery();
    case Step::kRefused: return AttemptFailed("", login_->server_error());
    case Step::kMalformed: return AttemptFailed("login: " + login_->why(), "");
    case Step::kNeedsKeys: return DeriveKeys();
  }
}

void ServerDial::DeriveKeys() {
  const auto challenge = login_->challenge();
  const std::string secret = options_.target.credentials.secret.value_or("");
  const std::weak_ptr<protocol::ServerLogin> asked = login_;
  const bool queued = room_.helpers.Run([this, &loop = room_.loop, asked, challenge, secret] {
    auto keys = protocol::DeriveKeys(protocol::PreparePassword(secret), challenge.salt, challenge.iterations);
    loop.Post([this, asked, keys = std::move(keys)] {
      const auto login = asked.lock();
      if (!login) return;  // this attempt has ended, and maybe the dial with it
      std::string answer;
      const auto next = login->OnKeys(keys, answer);
      if (!socket_->Write(answer)) return AttemptFailed("write failed", "");
      OnLoginStep(next);
    });
  });
  if (!queued) AttemptFailed("login: too many password hashes in progress", "");
}

void ServerDial::StartConnectQuery() {
  state_ = State::kConnectQuery;
  answered_ = true;  // whatever comes now is not the host's fault
  connect_query_.emplace(options_.connect_query, options_.target.credentials.user, login_->parameters());
  std::string query;
  connect_query_->Begin(query);
  if (!socket_->Write(query)) AttemptFailed("write failed", "");
}

void ServerDial::OnConnectBytes(std::string_view bytes) {
  using Step = protocol::ConnectQuery::Step;
  std::string next;
  const Step step = connect_query_->OnBytes(bytes, next);
  if (!next.empty() && !socket_->Write(next)) return AttemptFailed("write failed", "");
  switch (step) {
    case Step::kContinue: return;
    case Step::kReady: return Succeed();
    case Step::kRefused: return AttemptFailed("", connect_query_->server_error());
    case Step::kMalformed:
      is_hopeless_ = true;
      return AttemptFailed("connect_query failed: " + connect_query_->why(), "");
  }
}

// --- the end -------------------------------------------------------------------------------------------------------------

void ServerDial::Succeed() {
  DialedServer server;
  server.socket = std::move(socket_);
  place_.Open();
  server.place = std::move(place_);
  server.peer = peer_;
  server.peer_host = options_.target.hosts[host_].name;
  server.where = Where();
  server.tls = std::move(tls_);
  server.tls_description = std::move(tls_description_);
  server.process_id = login_->process_id();
  server.cancel_key = login_->cancel_key();
  server.parameters = connect_query_ ? connect_query_->parameters() : login_->parameters();
  if (connect_query_) server.settings = connect_query_->settings();
  server.derived_keys = login_->derived_keys();
  server.took = Now() - started_;
  deadline_.Stop();
  attempt_.Stop();
  const Done done = std::move(done_);
  done(std::move(server));
}

// One address failed. A refusal by the server itself ends the try of this host unless another host may do better.
void ServerDial::AttemptFailed(std::string cause, std::string server_error) {
  attempt_.Stop();
  const bool is_logged_in = state_ == State::kConnectQuery;
  socket_.reset();
  login_.reset();
  connect_query_.reset();
  input_.clear();
  tls_.reset();
  tls_description_.clear();
  if (!server_error.empty()) {
    const auto fields = protocol::ParseErrorFields(server_error);
    cause = (is_logged_in ? "connect_query failed: " : "login refused: ") + std::string(fields.message);
    if (!is_logged_in && options_.tls && options_.tls->mode() == conf::TlsMode::kAllow && !plain_refused_) {
      plain_refused_ = true;
      last_cause_ = Where() + ": " + cause;
      return TryNextAddress();
    }
    // Starting up, shutting down, full: it will pass. The waiters stay for it.
    const bool passes = fields.sqlstate == "57P03" || fields.sqlstate == "53300" || fields.sqlstate == "57P01";
    answered_ = !passes || fields.sqlstate == "53300";  // full, but it lives
    const bool is_told = !passes || options_.refusals == DialOptions::Refusals::kTellAll;
    last_error_ = is_told ? std::move(server_error) : "";
  }
  plain_refused_ = false;
  last_cause_ = Where() + ": " + cause;
  ++address_;
  TryNextAddress();
}

void ServerDial::NoHostLeft() {
  using Kind = pool::OpenFailure::Kind;
  Fail({last_error_.empty() && !is_hopeless_ ? Kind::kUnreachable : Kind::kRefused, last_cause_, last_error_});
}

void ServerDial::Fail(pool::OpenFailure failure) {
  // Its time was up; else there is none by now.
  if (state_ == State::kConnectQuery) place_.Answered();
  else place_.Failed(failure.cause);
  socket_.reset();
  deadline_.Stop();
  attempt_.Stop();
  const Done done = std::move(done_);
  done(tl::unexpected(std::move(failure)));
}

}  // namespace proxy
