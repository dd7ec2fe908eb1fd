#include "proxy/cancel_sender.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "protocol/message_writer.h"

namespace proxy {

int ConnectTo(const SocketAddress& address, std::string& error) {
  const int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    error = std::string("socket: ") + std::strerror(errno);
    return -1;
  }
  // A full Unix socket backlog says EAGAIN and is never writable: it is an error like any other.
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0 && errno != EINPROGRESS) {
    error = std::strerror(errno);
    close(fd);
    return -1;
  }
  return fd;
}

namespace {

class CancelSender final : public SocketHandler {
 public:
  CancelSender(EventLoop& loop, CancelTarget target, std::function<void(bool sent)> done)
      : loop_(loop), target_(std::move(target)), done_(std::move(done)), deadline_(loop, [this] { End(); }) {}

  void Start(pool::Duration deadline) {
    deadline_.Start(deadline);
    std::string error;
    const int fd = ConnectTo(target_.address, error);
    if (fd < 0) return End();
    socket_ = std::make_unique<Socket>(loop_, fd, *this);
    socket_->WatchConnect();
  }

  void OnWritable() override {
    if (state_ == State::kConnecting) return OnConnected();
    if (state_ == State::kHandshake) Handshake();
  }

  void OnReadable() override {
    if (state_ == State::kHandshake) return Handshake();
    char byte = 0;
    const IoResult result = socket_->Read(&byte, 1);  // one byte: what follows 'S' belongs to the handshake
    if (result.status == IoStatus::kEof || result.status == IoStatus::kError) return End();
    if (result.bytes == 0 || state_ != State::kTlsAnswer) return;
    if (byte != 'S') return End();  // never in clear what the server's own connection sends encrypted
    socket_->StartTls(TlsStream::Connect(*target_.tls, socket_->fd(), target_.host));
    state_ = State::kHandshake;
    Handshake();
  }

  void OnDrained() override {}
  void OnBroken() override { End(); }

 private:
  enum class State { kConnecting, kTlsAnswer, kHandshake, kSent };

  void OnConnected() {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(socket_->fd(), SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0) return End();
    socket_->StartReading();
    if (!target_.tls) return SendRequest();
    std::string request;
    protocol::WriteSslRequest(request);
    state_ = State::kTlsAnswer;
    if (!socket_->Write(request)) End();
  }

  void Handshake() {
    const IoStatus status = socket_->Handshake();
    if (status == IoStatus::kOk) return SendRequest();
    if (status == IoStatus::kError || status == IoStatus::kEof) End();
  }

  void SendRequest() {
    std::string request;
    protocol::WriteCancelRequest(request, target_.process_id, target_.key);
    state_ = State::kSent;
    sent_ = socket_->Write(request);
    if (!sent_) End();
  }

  void End() {
    if (has_ended_) return;
    has_ended_ = true;
    deadline_.Stop();
    if (socket_) socket_->Pause(PauseReason::kEnding);
    loop_.AtEndOfTurn([this] {
      const auto done = std::move(done_);
      const bool sent = sent_;
      delete this;
      done(sent);
    });
  }

  EventLoop& loop_;
  CancelTarget target_;
  std::function<void(bool sent)> done_;
  Timer deadline_;
  std::unique_ptr<Socket> socket_;
  State state_ = State::kConnecting;
  bool sent_ = false, has_ended_ = false;
};

}  // namespace

void SendCancel(EventLoop& loop, CancelTarget target, pool::Duration deadline, std::function<void(bool sent)> done) {
  (new CancelSender(loop, std::move(target), std::move(done)))->Start(deadline);
}

}  // namespace proxy
