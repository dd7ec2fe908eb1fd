#include "tests/support/wire_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "tests/support/wire_barrier.h"

namespace test_support {

WireSocket::WireSocket(int fd) : fd_(fd) {
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on a Unix socket, which needs none
}

WireSocket::~WireSocket() { Close(); }

void WireSocket::Swap(WireSocket& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(tls_, other.tls_);
  std::swap(unread_, other.unread_);
  std::swap(patience_, other.patience_);
}

void WireSocket::Await(short events, const Deadline& deadline, const char* what) const {
  pollfd waited{fd_, events, 0};
  while (true) {
    const int ready = poll(&waited, 1, deadline.remaining_ms());
    if (ready > 0) return;
    if (ready == 0 || errno != EINTR) throw TimedOut(what);
  }
}

bool WireSocket::Send(std::string_view bytes) {
  const Deadline deadline(patience_);
  while (!bytes.empty()) {
    if (fd_ < 0) return false;
    ssize_t sent = 0;
    if (tls_ != nullptr) {
      sent = SSL_write(tls_, bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), 1 << 20)));
      const int error = SSL_get_error(tls_, static_cast<int>(sent));
      if (sent <= 0 && error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ) return false;
    } else {
      sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    }
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else {
      Await(POLLOUT, deadline, "send");
    }
  }
  return true;
}

bool WireSocket::SendSplit(std::string_view bytes, size_t at) {
  if (!Send(bytes.substr(0, at))) return false;
  return WaitUntilRead(fd_) && Send(bytes.substr(at));
}

bool WireSocket::SendByteByByte(std::string_view bytes) {
  for (const char& byte : bytes) {
    if (!Send({&byte, 1})) return false;
  }
  return true;
}

ssize_t WireSocket::ReadSome(char* bytes, size_t capacity, const Deadline& deadline) {
  while (fd_ >= 0) {
    if (tls_ != nullptr) {
      const int got = SSL_read(tls_, bytes, static_cast<int>(capacity));
      if (got > 0) return got;
      const int error = SSL_get_error(tls_, got);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return 0;
      Await(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline, "read");
      continue;
    }
    const ssize_t got = recv(fd_, bytes, capacity, 0);
    if (got >= 0) return got;
    if (errno != EAGAIN && errno != EINTR) return 0;  // reset: the end too
    Await(POLLIN, deadline, "read");
  }
  return 0;
}

bool WireSocket::Fill(size_t count) {
  const Deadline deadline(patience_);
  while (unread_.size() < count) {
    char buffer[65536];
    const ssize_t got = ReadSome(buffer, sizeof buffer, deadline);
    if (got <= 0) return false;
    unread_.append(buffer, static_cast<size_t>(got));
  }
  return true;
}

std::optional<std::string> WireSocket::ReadBytes(size_t count) {
  if (!Fill(count)) return std::nullopt;
  std::string bytes = unread_.substr(0, count);
  unread_.erase(0, count);
  return bytes;
}

std::optional<Message> WireSocket::ReadMessage() {
  if (!Fill(5)) return std::nullopt;
  const uint32_t length = Int32At(unread_, 1);
  if (length < 4 || length > 0x40000000) throw std::runtime_error("message with length " + std::to_string(length));
  const char type = unread_[0];
  if (!Fill(length + 1)) return std::nullopt;
  Message message{type, unread_.substr(5, length - 4)};
  unread_.erase(0, length + 1);
  return message;
}

std::optional<Message> WireSocket::ReadUntyped() {
  if (!Fill(4)) return std::nullopt;
  const uint32_t length = Int32At(unread_, 0);
  if (length < 4 || length > 100000) throw std::runtime_error("startup packet with length " + std::to_string(length));
  if (!Fill(length)) return std::nullopt;
  Message message{0, unread_.substr(4, length - 4)};
  unread_.erase(0, length);
  return message;
}

std::vector<Message> WireSocket::ReadUntil(char type) {
  std::vector<Message> messages;
  while (auto message = ReadMessage()) {
    messages.push_back(std::move(*message));
    if (messages.back().type == type) break;
  }
  return messages;
}

std::vector<Message> WireSocket::ReadToEnd() {
  std::vector<Message> messages;
  while (auto message = ReadMessage()) messages.push_back(std::move(*message));
  return messages;
}

std::string WireSocket::ReadAvailable(Milliseconds patience) {
  std::string bytes = std::exchange(unread_, {});
  try {
    const Deadline deadline(patience);
    char buffer[65536];
    const ssize_t got = ReadSome(buffer, sizeof buffer, deadline);
    if (got > 0) bytes.append(buffer, static_cast<size_t>(got));
  } catch (const TimedOut&) {
  }
  return bytes;
}

bool WireSocket::AtEnd() { return unread_.empty() && !Fill(1); }

bool WireSocket::StartTls(Alpn alpn, const std::string& server_name) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  tls_ = SSL_new(context);
  SSL_CTX_free(context);
  SSL_set_fd(tls_, fd_);
  if (alpn == Alpn::kPostgresql) {
    static constexpr unsigned char kProtocol[] = "\x0apostgresql";
    SSL_set_alpn_protos(tls_, kProtocol, sizeof kProtocol - 1);
  }
  if (!server_name.empty()) SSL_set_tlsext_host_name(tls_, server_name.c_str());
  const Deadline deadline(patience_);
  while (true) {
    ERR_clear_error();
    const int done = SSL_connect(tls_);
    if (done == 1) return true;
    const int error = SSL_get_error(tls_, done);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return false;
    Await(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline, "TLS handshake");
  }
}

void WireSocket::Close() {
  if (tls_ != nullptr) SSL_free(std::exchange(tls_, nullptr));
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

void WireSocket::Reset() {
  const linger now{1, 0};
  if (fd_ >= 0) setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  Close();
}

void WireSocket::ShutdownWrite() { shutdown(fd_, SHUT_WR); }

WireSocket ConnectTcp(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const std::string why = strerror(errno);
    if (fd >= 0) close(fd);
    throw std::runtime_error("connect to port " + std::to_string(port) + ": " + why);
  }
  return WireSocket(fd);
}

WireSocket ConnectUnix(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const std::string why = strerror(errno);
    if (fd >= 0) close(fd);
    throw std::runtime_error("connect to " + path + ": " + why);
  }
  return WireSocket(fd);
}

}  // namespace test_support
