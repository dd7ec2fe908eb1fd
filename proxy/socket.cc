#include "proxy/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "pool/check.h"
#include "proxy/system_calls.h"

namespace proxy {

Socket::Socket(EventLoop& loop, int fd, SocketHandler& handler)
    : watch_(loop, fd, &Socket::OnReady, this), handler_(&handler), fd_(fd) {}

Socket::~Socket() {
  LeaveBatch();
  watch_.Want(0);
  tls_.reset();
  close(fd_);
}

void Socket::Want() {
  if (handler_ == nullptr) return;  // between two loops: Attach asks again
  const bool reads = reading_ && paused_ == 0;
  watch_.Want((reads ? Watch::kRead : 0) | (write_watched_ ? Watch::kWrite : 0) | (hangup_watched_ ? Watch::kHangup : 0));
}

void Socket::WatchConnect() {
  wants_writable_ = true;
  WatchWrite(true);
}

void Socket::StartReading() {
  reading_ = true;
  Want();
}

void Socket::Pause(PauseReason reason) {
  paused_ |= static_cast<uint8_t>(reason);
  Want();
}

void Socket::Resume(PauseReason reason) {
  if (paused_ == 0) return;
  paused_ = static_cast<uint8_t>(paused_ & ~static_cast<uint8_t>(reason));
  if (paused_ != 0 || !reading_) return;
  hangup_watched_ = false;
  Want();
  AnnouncePending();
}

void Socket::WatchHangup() {
  hangup_watched_ = true;
  Want();
}

IoResult Socket::Read(char* bytes, size_t capacity) {
  if (tls_) {
    const IoResult result = tls_->Read(bytes, capacity);
    bytes_in_ += result.bytes;
    if (result.status == IoStatus::kWantWrite) WatchWrite(true);
    if (result.status == IoStatus::kOk) AnnouncePending();
    return result;
  }
  const ssize_t n = Receive(fd_, bytes, capacity);
  if (n > 0) {
    bytes_in_ += static_cast<size_t>(n);
    return {IoStatus::kOk, static_cast<size_t>(n)};
  }
  if (n == 0) return {IoStatus::kEof, 0};
  if (IsForLater(errno)) return {IoStatus::kWantRead, 0};
  return {errno == ECONNRESET || errno == EPIPE ? IoStatus::kEof : IoStatus::kError, 0};
}

int Socket::Peek() const {
  unsigned char byte = 0;
  return recv(fd_, &byte, 1, MSG_PEEK) == 1 ? byte : -1;
}

IoResult Socket::Peek(char* bytes, size_t capacity) const {
  const ssize_t n = recv(fd_, bytes, capacity, MSG_PEEK);
  if (n > 0) return {IoStatus::kOk, static_cast<size_t>(n)};
  if (n == 0) return {IoStatus::kEof, 0};
  if (IsForLater(errno)) return {IoStatus::kWantRead, 0};
  return {IoStatus::kError, 0};
}

IoResult Socket::Send(const char* bytes, size_t count) {
  if (tls_) {
    size_t sent = 0;
    while (sent < count) {
      const IoResult result = tls_->Write(bytes + sent, count - sent);
      if (result.status != IoStatus::kOk) return {result.status == IoStatus::kWantRead ? IoStatus::kWantWrite : result.status, sent};
      sent += result.bytes;
    }
    return {IoStatus::kOk, sent};
  }
  const ssize_t n = SendNow(fd_, bytes, count, MSG_NOSIGNAL);
  if (n >= 0) return {IoStatus::kOk, static_cast<size_t>(n)};
  if (IsForLater(errno)) return {IoStatus::kWantWrite, 0};
  return {IoStatus::kError, 0};
}

bool Socket::Write(std::string_view bytes) {
  if (bytes.empty()) return true;
  if (!tls_ && unsent() == 0) {
    if (char* to = Claim(bytes.size())) {
      std::memcpy(to, bytes.data(), bytes.size());
      return true;
    }
    if (!SendBatched()) return false;
  }
  if (unsent() == 0) {
    const IoResult result = Send(bytes.data(), bytes.size());
    if (result.status == IoStatus::kError || result.status == IoStatus::kEof) return false;
    bytes_out_ += result.bytes;
    bytes.remove_prefix(result.bytes);
    if (bytes.empty()) return true;
  }
  Keep(bytes);
  return true;
}

bool Socket::Write(std::span<const iovec> pieces) {
  if (pieces.size() <= 1) return pieces.empty() || Write(std::string_view(static_cast<const char*>(pieces[0].iov_base), pieces[0].iov_len));
  if (!tls_ && unsent() == 0) {
    size_t size = 0;
    for (const iovec& piece : pieces) size += piece.iov_len;
    if (char* to = Claim(size)) {
      for (const iovec& piece : pieces) to = static_cast<char*>(mempcpy(to, piece.iov_base, piece.iov_len));
      return true;
    }
    if (!SendBatched()) return false;
    if (unsent() == 0) return SendPieces(pieces);
  }
  for (const iovec& piece : pieces) {
    if (!Write(std::string_view(static_cast<const char*>(piece.iov_base), piece.iov_len))) return false;
  }
  return true;
}

bool Socket::SendPieces(std::span<const iovec> pieces) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  const ssize_t n = sendmsg(fd_, &message, MSG_NOSIGNAL);
  if (n < 0 && !IsForLater(errno)) return false;
  size_t sent = n > 0 ? static_cast<size_t>(n) : 0;
  bytes_out_ += sent;
  for (const iovec& piece : pieces) {
    const size_t gone = std::min(sent, piece.iov_len);
    sent -= gone;
    if (gone < piece.iov_len) Keep({static_cast<const char*>(piece.iov_base) + gone, piece.iov_len - gone});
  }
  return true;
}

// --- in the turn's batch -------------------------------------------------------------------------------------------------

char* Socket::Claim(size_t size) {
  SendBatch* batch = watch_.batch();
  return batch == nullptr ? nullptr : batch->Claim(*this, size);
}

// What OpenSSL has sealed, as send(2).
ssize_t Socket::SendSealed(void* self, const char* bytes, size_t count) {
  auto& socket = *static_cast<Socket*>(self);
  const std::string& sealed = socket.tls_->sealed();
  if (char* to = sealed.empty() ? socket.Claim(count) : nullptr) {
    std::memcpy(to, bytes, count);
    return static_cast<ssize_t>(count);
  }
  if (!socket.SendBatched()) return -1;
  if (!sealed.empty()) {
    errno = EAGAIN;
    return -1;
  }
  return SendNow(socket.fd_, bytes, count, MSG_NOSIGNAL);
}

bool Socket::SendBatchedNow() {
  const std::string_view bytes = watch_.batch()->Take(batched_);
  const ssize_t sent = SendNow(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  return OnBatchSent(bytes, sent < 0 ? -errno : static_cast<int>(sent));
}

bool Socket::OnBatchSent(std::string_view bytes, int result) {
  const bool is_full = IsForLater(-result);
  if (result < 0 && !is_full) return false;
  const size_t sent = is_full ? 0 : static_cast<size_t>(result);
  if (tls_) {  // counted when it was sealed
    tls_->sealed().append(bytes.substr(sent));
    if (sent < bytes.size()) WatchWrite(true);
    return true;
  }
  bytes_out_ += sent;
  if (sent < bytes.size()) Keep(bytes.substr(sent));
  return true;
}

void Socket::OnBatchBroken() { handler_->OnBroken(); }

// It ends here, or goes to another loop. That its connection is broken is seen by who reads from it.
void Socket::LeaveBatch() {
  SendBatched();
  if (SendBatch* batch = watch_.batch()) batch->Forget(*this);
}

// --- what could not be sent ----------------------------------------------------------------------------------------------

void Socket::Keep(std::string_view bytes) {
  if (unsent_from_ > 0) {
    unsent_.erase(0, unsent_from_);
    unsent_from_ = 0;
  }
  unsent_.append(bytes);
  WatchWrite(true);
}

// False: the connection is broken.
bool Socket::FlushSealed() {
  std::string& sealed = tls_->sealed();
  const ssize_t sent = SendNow(fd_, sealed.data(), sealed.size(), MSG_NOSIGNAL);
  if (sent < 0) return IsForLater(errno);
  sealed.erase(0, static_cast<size_t>(sent));
  if (sealed.empty()) std::string().swap(sealed);
  return true;
}

void Socket::Flush() {
  const size_t before = unsent();
  bool is_broken = tls_ && !tls_->sealed().empty() && !FlushSealed();
  const size_t kept = unsent_.size() - unsent_from_;
  if (kept > 0 && !is_broken) {
    const IoResult result = Send(unsent_.data() + unsent_from_, kept);
    is_broken = result.status == IoStatus::kError || result.status == IoStatus::kEof;
    bytes_out_ += result.bytes;
    unsent_from_ += result.bytes;
  }
  if (is_broken) {
    WatchWrite(false);
    handler_->OnBroken();
    return;
  }
  if (unsent() > 0) return;
  if (unsent_.capacity() > kUnsentKeptBytes) std::string().swap(unsent_);
  unsent_.clear();
  unsent_from_ = 0;
  WatchWrite(false);
  if (before > 0) handler_->OnDrained();
}

IoStatus Socket::Handshake() {
  const IoStatus status = tls_->Handshake();
  wants_writable_ = status == IoStatus::kWantWrite;
  if (wants_writable_) WatchWrite(true);
  if (status == IoStatus::kOk) AnnouncePending();
  return status;
}

void Socket::StartTls(std::unique_ptr<TlsStream> tls) {
  SendBatched();  // in clear
  tls_ = std::move(tls);
  tls_->SendBy(&Socket::SendSealed, this);
}

void Socket::Shutdown() {
  if (tls_) tls_->Shutdown();
  SendBatched();
  shutdown(fd_, SHUT_WR);
}

void Socket::WatchWrite(bool watched) {
  if (write_watched_ == watched) return;
  write_watched_ = watched;
  Want();
}

void Socket::OnReady(void* self, uint32_t what) {
  auto& socket = *static_cast<Socket*>(self);
  if (what == Watch::kRead) return socket.handler_->OnReadable();
  if (what == Watch::kWrite) return socket.OnWriteReady();
  socket.hangup_watched_ = false;
  socket.Want();
  socket.handler_->OnHangup();
}

void Socket::OnWriteReady() {
  if (!wants_writable_) return Flush();
  // What was sealed before goes first; should that fail, the handshake sees why.
  if (tls_ && tls_->sealed_bytes() > 0 && FlushSealed() && tls_->sealed_bytes() > 0) return;
  wants_writable_ = false;
  if (unsent() == 0) WatchWrite(false);
  handler_->OnWritable();
}

void Socket::Detach() {
  LeaveBatch();
  PGWEIR_CHECK(!write_watched_);
  hangup_watched_ = false;
  watch_.Leave();
  handler_ = nullptr;
}

void Socket::Attach(EventLoop& loop, SocketHandler& handler) {
  handler_ = &handler;
  watch_.MoveTo(loop);
  Want();
  if (reading_ && paused_ == 0) AnnouncePending();
}

// Bytes inside OpenSSL are announced by nobody else.
void Socket::AnnouncePending() {
  if (tls_ && tls_->HasPending()) watch_.Again();
}

namespace {

void SetOption(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof value); }

int OptionOf(int fd, int level, int option) {
  int value = 0;
  socklen_t length = sizeof value;
  return getsockopt(fd, level, option, &value, &length) == 0 ? value : -1;
}

}  // namespace

PeerName NameOf(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return {text, ntohs(v4.sin_port)};
  }
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return {text, ntohs(v6.sin6_port)};
  }
  if (address.ss_family != AF_UNIX) return {"unix", 0};
  const std::string_view path = reinterpret_cast<const sockaddr_un&>(address).sun_path;
  const size_t dot = path.rfind('.');
  int port = 0;
  if (dot != std::string_view::npos) std::from_chars(path.data() + dot + 1, path.data() + path.size(), port);
  return {"unix", port};
}

PeerName RemoteName(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return NameOf(address);
}

PeerName LocalName(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return NameOf(address);
}

KeepAlive KeepAliveOf(const conf::Global& global) {
  return {global.tcp_keepcnt, global.tcp_keepidle, global.tcp_keepintvl,
          static_cast<int>(global.tcp_user_timeout.count() / 1000), global.tcp_keepalive};
}

void TuneTcp(int fd, const KeepAlive& keep_alive) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (keep_alive.user_timeout_ms > 0) SetOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, keep_alive.user_timeout_ms);
  if (!keep_alive.on) return;
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  if (keep_alive.count > 0) SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, keep_alive.count);
  if (keep_alive.idle_s > 0) SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, keep_alive.idle_s);
  if (keep_alive.interval_s > 0) SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, keep_alive.interval_s);
}

void RetuneTcp(int fd, const KeepAlive& keep_alive) {
  // No call sets an option back to "the system's": a socket that nobody has tuned tells what that is.
  const int untuned = socket(OptionOf(fd, SOL_SOCKET, SO_DOMAIN), SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto set = [=](int level, int option, int value) {
    const int wanted = value > 0 ? value : OptionOf(untuned, level, option);
    if (wanted >= 0 && wanted != OptionOf(fd, level, option)) SetOption(fd, level, option, wanted);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, keep_alive.on ? 1 : 0);
  set(IPPROTO_TCP, TCP_KEEPCNT, keep_alive.count);
  set(IPPROTO_TCP, TCP_KEEPIDLE, keep_alive.idle_s);
  set(IPPROTO_TCP, TCP_KEEPINTVL, keep_alive.interval_s);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, keep_alive.user_timeout_ms);
  if (untuned >= 0) close(untuned);
}

}  // namespace proxy
