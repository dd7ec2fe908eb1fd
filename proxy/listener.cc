#include "proxy/listener.h"

#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "protocol/error_catalog.h"
#include "proxy/log.h"
#include "proxy/peer_identity.h"
#include "proxy/socket.h"

namespace proxy {

struct Listener::Listening {
  Listening(Listener& listener, int descriptor, PeerKind kind, bool is_deferred)
      : owner(listener), fd(descriptor), peer(kind), defers(is_deferred), watch(listener.loop_, descriptor, &Listener::OnReadable, this) {}
  Listener& owner;
  const int fd;
  const PeerKind peer;
  const bool defers;  // tells of connections that have spoken
  int taken = 0;      // when it was last told of
  uint64_t told_in_turn = 0;
  int turns_in_a_row = 0;  // since it was last asked for a crowd
  Watch watch;
};

namespace {

// False: off, or the system does not do it, which costs a wait more for each client and nothing else.
bool DeferAccept(int fd, int seconds) {
  if (seconds == 0) return false;
  if (setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds) == 0) return true;
  Log(Level::kDebug, "defer_accept_failed", {{"cause", std::strerror(errno)}});
  return false;
}

}  // namespace

Listener::Listener(EventLoop& loop, OnAccept on_accept)
    : loop_(loop), on_accept_(std::move(on_accept)), resume_(loop, [this] { Resume(); }) {
  spare_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

Listener::~Listener() {
  Close();
  if (spare_fd_ >= 0) close(spare_fd_);
}

bool Listener::Open(const conf::Global& global, std::string& error) {
  // The Unix socket first: who finds the port open finds both.
  if (!global.unix_socket_dir.empty() && !OpenUnix(global, error)) return false;
  for (const std::string& address : global.listen_addr) {
    if (!OpenTcp(address, global, error)) return false;
  }
  return true;
}

bool Listener::IsOurs(const addrinfo* address) const {
  for (const auto& listening : sockets_) {
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    if (getsockname(listening->fd, reinterpret_cast<sockaddr*>(&own), &length) == 0 && length == address->ai_addrlen &&
        std::memcmp(&own, address->ai_addr, length) == 0) {
      return true;
    }
  }
  return false;
}

bool Listener::OpenTcp(const std::string& address, const conf::Global& global, std::string& error) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(address == "*" ? nullptr : address.c_str(), std::to_string(global.listen_port).c_str(), &hints, &list);
  if (code != 0) {
    error = "listen_addr " + address + ": " + gai_strerror(code);
    return false;
  }
  size_t opened = 0;
  std::string last;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    if (IsOurs(at)) {  // two names of one address
      ++opened;
      continue;
    }
    const int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      last = std::strerror(errno);
      continue;
    }
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (global.so_reuseport) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (at->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0) {
      const bool is_taken = errno == EADDRINUSE;
      last = std::strerror(errno);
      // A family that is missing here is passed over; a port that is taken is not: half of the clients would reach another program.
      close(fd);
      if (!is_taken) continue;
      opened = 0;
      break;
    }
    if (!Add(fd, PeerKind::kTcp, global, last)) continue;
    ++opened;
  }
  freeaddrinfo(list);
  if (opened > 0) return true;
  error = "cannot listen on " + address + ":" + std::to_string(global.listen_port) + ": " + last +
          "; change listen_addr or listen_port, or end the program that uses it";
  return false;
}

bool Listener::OpenUnix(const conf::Global& global, std::string& error) {
  const std::string path = global.unix_socket_dir + "/.s.PGSQL." + std::to_string(global.listen_port);
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) {
    error = "unix_socket_dir is too long: " + path;
    return false;
  }
  const bool is_abstract = path[0] == '@';
  if (!is_abstract) {
    // The lock tells a live neighbour from the file that a dead one left behind.
    lock_path_ = path + ".lock";
    lock_fd_ = open(lock_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_fd_ < 0 || flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
      error = "cannot lock " + lock_path_ + ": " + std::strerror(errno) + "; is another pgweir running there? change unix_socket_dir";
      if (lock_fd_ >= 0) close(lock_fd_);
      lock_fd_ = -1;
      return false;
    }
    unlink(path.c_str());
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (is_abstract) address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0) {
    error = "cannot listen on " + path + ": " + std::strerror(errno) + "; change unix_socket_dir";
    if (fd >= 0) close(fd);
    return false;
  }
  if (!is_abstract) {
    unix_path_ = path;
    if (!global.unix_socket_group.empty()) {
      const group* entry = getgrnam(global.unix_socket_group.c_str());
      if (entry == nullptr || chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) != 0) {
        error = "unix_socket_group " + global.unix_socket_group + ": " + (entry == nullptr ? "no such group" : std::strerror(errno));
        close(fd);
        return false;
      }
    }
    if (chmod(path.c_str(), static_cast<mode_t>(global.unix_socket_mode)) != 0) {
      error = "unix_socket_mode of " + path + ": " + std::strerror(errno);
      close(fd);
      return false;
    }
  }
  return Add(fd, PeerKind::kUnix, global, error);
}

bool Listener::Add(int fd, PeerKind peer, const conf::Global& global, std::string& error) {
  // Before the first client can be there.
  const bool defers = peer == PeerKind::kTcp && DeferAccept(fd, global.tcp_defer_accept);
  if (peer == PeerKind::kTcp) TuneTcp(fd, KeepAliveOf(global));
  if (listen(fd, global.listen_backlog) != 0) {
    error = std::string("listen: ") + std::strerror(errno);
    close(fd);
    return false;
  }
  const PeerName own = LocalName(fd);
  if (peer == PeerKind::kTcp) Log(Level::kDebug, "listening", {{"addr", own.address}, {"port", own.port}});
  else Log(Level::kDebug, "listening", {{"path", global.unix_socket_dir + "/.s.PGSQL." + std::to_string(global.listen_port)}});
  sockets_.push_back(std::make_unique<Listening>(*this, fd, peer, defers));
  sockets_.back()->watch.Want(Watch::kRead);
  return true;
}

void Listener::OnReadable(void* self, uint32_t) {
  auto& listening = *static_cast<Listening*>(self);
  listening.owner.Accept(listening);
}

// To ask whether another one waits costs a client that comes alone a call for nothing, and the loop tells of it in its next turn. Turns are
// long where much is ready, and a crowd would have to wait for many: one that has been there in so many of them is taken at once.
void Listener::Accept(Listening& listening) {
  const bool is_next_turn = loop_.turns() == std::exchange(listening.told_in_turn, loop_.turns()) + 1;
  listening.turns_in_a_row = is_next_turn ? listening.turns_in_a_row + 1 : 0;
  const bool asks_on = listening.taken > 1 || listening.turns_in_a_row == kTurnsToACrowd;
  if (asks_on) {
    listening.turns_in_a_row = 0;
    loop_.Gather();  // they may be many
  }
  listening.taken = 0;
  sockaddr_storage peer{};
  for (int i = 0; i < (asks_on ? kAcceptsPerTurn : 1); ++i) {
    socklen_t length = sizeof peer;
    const int client = accept4(listening.fd, reinterpret_cast<sockaddr*>(&peer), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client >= 0) {
      ++listening.taken;
      on_accept_({.fd = client, .peer = listening.peer, .has_spoken = listening.defers, .ip = AddressOf(peer)});
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return OutOfDescriptors(listening.fd);
    if (errno == ECONNABORTED || errno == EINTR) continue;
    return;
  }
}

void Listener::OutOfDescriptors(int listening_fd) {
  if (const pool::TimePoint now = Now(); now - told_at_ >= kDescriptorsToldEvery) {
    told_at_ = now;
    Log(Level::kError, "accept_paused", {{"cause", std::strerror(errno)}, {"hint", "raise the limit of open files (ulimit -n)"}});
  }
  if (spare_fd_ >= 0) {
    close(spare_fd_);
    const int client = accept4(listening_fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client >= 0) {
      std::string refusal;
      protocol::WriteError(refusal, protocol::ErrorCode::kOutOfDescriptors);
      // Best effort: a fresh socket's buffer takes it at once. The startup message is read away, or closing would reset.
      char startup[512];
      if (send(client, refusal.data(), refusal.size(), MSG_NOSIGNAL) > 0 && recv(client, startup, sizeof startup, 0) < 0) errno = 0;
      shutdown(client, SHUT_WR);
      close(client);
    }
    spare_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  Pause();
  resume_.Start(kAcceptPause);
}

void Listener::Pause() {
  for (auto& listening : sockets_) listening->watch.Want(0);
}

void Listener::Resume() {
  if (spare_fd_ < 0) spare_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  for (auto& listening : sockets_) listening->watch.Want(Watch::kRead);
}

void Listener::Tune(const KeepAlive& keep_alive) {
  for (auto& listening : sockets_) {
    if (listening->peer == PeerKind::kTcp) RetuneTcp(listening->fd, keep_alive);
  }
}

void Listener::CloseTcp() {
  std::erase_if(sockets_, [](const auto& listening) {
    if (listening->peer != PeerKind::kTcp) return false;
    listening->watch.Want(0);
    close(listening->fd);
    return true;
  });
}

void Listener::Close() {
  resume_.Stop();
  for (auto& listening : sockets_) {
    listening->watch.Want(0);
    close(listening->fd);
  }
  sockets_.clear();
  if (!unix_path_.empty()) unlink(unix_path_.c_str());
  unix_path_.clear();
  if (lock_fd_ >= 0) {
    unlink(lock_path_.c_str());
    close(lock_fd_);
    lock_fd_ = -1;
  }
}

}  // namespace proxy
