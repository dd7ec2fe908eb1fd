// bare_relay: the practical floor of a PostgreSQL pooler on epoll, to compare others with. Not a product.
//
//   bare_relay LISTEN_PORT SERVER_PORT USER DATABASE POOL_SIZE transaction|session
//
// What it does: answers every login itself (trust) with the parameters one real server reported, keeps POOL_SIZE server
// connections on 127.0.0.1, lends one to a client once a complete message of it has arrived, takes it back at
// ReadyForQuery 'I' with nothing owed (session: when the client leaves, after DISCARD ALL), first come first served.
// What it does not: TLS, passwords, cancel, timeouts, limits, Flush without Sync, prepared statements across
// servers, logs.
//
// What makes it the floor: one recv per readable event into one buffer for all (level-triggered, so a short read needs
// no second look), one send per recv, no epoll_ctl unless a socket is full, no allocation unless a client waits.
//
// One thread. A Link is owned by links_; a closed one lies in graveyard_ until the end of the turn, because the same
// turn may hold another event of it.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bench {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;
constexpr size_t kHeaderBytes = 5;
constexpr size_t kKeptBytesMax = 1024;  // of buffer an idle client may hold
constexpr size_t kStartupBytesMax = 10000;
constexpr uint32_t kMessageBytesMax = 1u << 30;
constexpr int kEventsPerTurn = 512;
constexpr int kListenBacklog = 4096;
constexpr uint32_t kCancelCode = 80877102;
constexpr uint32_t kTlsCode = 80877103;
constexpr uint32_t kGssCode = 80877104;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "bare_relay: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

uint32_t ReadUint32(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return ntohl(value);
}

void AppendUint32(std::string& to, uint32_t value) {
  const uint32_t wire = htonl(value);
  to.append(reinterpret_cast<const char*>(&wire), sizeof wire);
}

// Follows the frames of one direction across any chunks.
class FrameCursor {
 public:
  // Calls on_frame(type, last byte, offset behind it) for each frame that ends in these bytes; false for a bad length.
  template <typename OnFrame>
  bool Scan(std::string_view bytes, OnFrame on_frame) {
    size_t position = 0;
    while (position < bytes.size()) {
      if (have_ < kHeaderBytes) {
        const size_t taken = std::min(kHeaderBytes - have_, bytes.size() - position);
        std::memcpy(header_ + have_, bytes.data() + position, taken);
        have_ += taken;
        position += taken;
        if (have_ < kHeaderBytes) return true;
        const uint32_t length = ReadUint32(header_ + 1);
        if (length < 4 || length > kMessageBytesMax) return false;
        rest_ = length - 4;
      }
      const size_t taken = std::min(rest_, bytes.size() - position);
      rest_ -= taken;
      position += taken;
      if (rest_ > 0) return true;
      have_ = 0;
      on_frame(header_[0], bytes[position - 1], position);
    }
    return true;
  }

  bool IsBetweenFrames() const { return have_ == 0; }

 private:
  char header_[kHeaderBytes] = {};
  size_t have_ = 0;
  size_t rest_ = 0;
};

enum class Role { kListener, kStarting, kClient, kServer };

struct Link {
  int fd = -1;
  Role role = Role::kListener;
  uint32_t events = 0;      // what epoll was told last
  Link* peer = nullptr;     // client <-> the server it holds
  FrameCursor cursor;
  std::string out;          // what the socket would not take
  std::string kept;         // client without a server: what it has sent so far
  uint32_t owed = 0;        // client: ReadyForQuery messages still to come
  bool is_waiting = false;  // client: in waiters_
  char status = 'I';        // server: of its last ReadyForQuery
};

enum class Mode { kTransaction, kSession };

struct Options {
  uint16_t listen_port;
  uint16_t server_port;
  std::string user;
  std::string database;
  int pool_size;
  Mode mode;
};

class Relay {
 public:
  explicit Relay(Options options) : options_(std::move(options)), buffer_(kBufferBytes) {}

  [[noreturn]] void Run() {
    epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd_ < 0) Fail("epoll_create1");
    for (int i = 0; i < options_.pool_size; ++i) idle_.push_back(OpenServer());
    Listen();
    epoll_event events[kEventsPerTurn];
    for (;;) {
      const int count = epoll_wait(epoll_fd_, events, kEventsPerTurn, -1);
      if (count < 0 && errno != EINTR) Fail("epoll_wait");
      for (int i = 0; i < count; ++i) OnEvent(*static_cast<Link*>(events[i].data.ptr), events[i].events);
      graveyard_.clear();
    }
  }

 private:
  void OnEvent(Link& link, uint32_t events) {
    if (link.fd < 0) return;
    if (link.role == Role::kListener) return Accept(link);
    if ((events & EPOLLOUT) != 0) OnWritable(link);
    if (link.fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) OnReadable(link);
  }

  void OnReadable(Link& link) {
    const ssize_t got = recv(link.fd, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    const bool is_server = link.role == Role::kServer;
    if (got <= 0) return is_server ? ReplaceServer(link) : CloseClient(link);
    const std::string_view bytes(buffer_.data(), static_cast<size_t>(got));
    if (is_server) {
      FromServer(link, bytes);
    } else if (link.role == Role::kClient) {
      FromClient(link, bytes);
    } else {
      FromStarting(link, bytes);
    }
  }

  void FromStarting(Link& client, std::string_view bytes) {
    client.kept.append(bytes);
    while (client.kept.size() >= 8) {
      const uint32_t length = ReadUint32(client.kept.data());
      const uint32_t code = ReadUint32(client.kept.data() + 4);
      if (length < 8 || length > kStartupBytesMax || code == kCancelCode) return CloseClient(client);
      if (client.kept.size() < length) return;
      client.kept.erase(0, length);
      if (code == kTlsCode || code == kGssCode) {
        Send(client, "N");
        continue;
      }
      client.role = Role::kClient;
      Send(client, welcome_);
      const std::string early = std::exchange(client.kept, {});
      if (!early.empty()) FromClient(client, early);
      return;
    }
  }

  void FromClient(Link& client, std::string_view bytes) {
    bool has_message = false;
    bool is_leaving = false;
    size_t end = bytes.size();
    const bool is_sane = client.cursor.Scan(bytes, [&](char type, char, size_t behind) {
      has_message = true;
      if (type == 'Q' || type == 'S' || type == 'F') ++client.owed;
      if (type == 'X' && !is_leaving) {
        is_leaving = true;
        end = behind - std::min(behind, kHeaderBytes);
        if (behind < kHeaderBytes) ++client.owed;  // its head went to the server before: that server cannot be kept
      }
    });
    if (!is_sane) return CloseClient(client);
    bytes = bytes.substr(0, end);
    if (!bytes.empty()) {
      if (client.peer == nullptr && has_message && client.kept.empty() && !idle_.empty()) Lend(client, TakeIdle());
      if (client.peer != nullptr) {
        Send(*client.peer, bytes);
      } else {
        client.kept.append(bytes);
        if (has_message && !client.is_waiting) Wait(client);
      }
    }
    if (is_leaving) CloseClient(client);
  }

  void FromServer(Link& server, std::string_view bytes) {
    bool is_ready = false;
    const bool is_sane = server.cursor.Scan(bytes, [&](char type, char last, size_t) {
      if (type != 'Z') return;
      is_ready = true;
      server.status = last;
      if (server.peer != nullptr && server.peer->owed > 0) --server.peer->owed;
    });
    if (!is_sane) return ReplaceServer(server);
    if (server.peer != nullptr) {
      Send(*server.peer, bytes);
      ReleaseIfDone(server);
    } else if (is_ready) {
      Offer(server);  // DISCARD ALL has ended
    }
  }

  void ReleaseIfDone(Link& server) {
    Link& client = *server.peer;
    if (options_.mode == Mode::kSession || server.status != 'I' || client.owed > 0 || !client.out.empty()) return;
    client.peer = nullptr;
    server.peer = nullptr;
    Offer(server);
  }

  void Offer(Link& server) {
    if (waiters_.empty()) return idle_.push_back(&server);
    Link& client = *waiters_.front();
    waiters_.pop_front();
    client.is_waiting = false;
    Lend(client, server);
    Send(server, client.kept);
    client.kept.clear();
    if (client.kept.capacity() > kKeptBytesMax) client.kept = std::string();
  }

  void Wait(Link& client) {
    client.is_waiting = true;
    waiters_.push_back(&client);
    if (!idle_.empty()) Offer(TakeIdle());
  }

  Link& TakeIdle() {
    Link* server = idle_.back();
    idle_.pop_back();
    return *server;
  }

  static void Lend(Link& client, Link& server) {
    client.peer = &server;
    server.peer = &client;
  }

  void Send(Link& link, std::string_view bytes) {
    if (link.out.empty()) {
      const ssize_t sent = send(link.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent == static_cast<ssize_t>(bytes.size())) return;
      if (sent < 0 && errno != EAGAIN) return;  // the end of this link shows at its next recv
      bytes.remove_prefix(sent < 0 ? 0 : static_cast<size_t>(sent));
    }
    link.out.append(bytes);
    WatchBoth(link);
  }

  void OnWritable(Link& link) {
    const ssize_t sent = send(link.fd, link.out.data(), link.out.size(), MSG_NOSIGNAL);
    if (sent < 0) return;
    link.out.erase(0, static_cast<size_t>(sent));
    if (link.out.empty()) link.out = std::string();  // gives the memory back
    WatchBoth(link);
    if (link.role == Role::kClient && link.peer != nullptr && link.out.empty()) ReleaseIfDone(*link.peer);
  }

  void WatchBoth(Link& link) {
    Watch(link);
    if (link.peer != nullptr) Watch(*link.peer);
  }

  // Reads stop while the other side cannot take what was read already.
  void Watch(Link& link) {
    const bool is_paused = link.peer != nullptr && !link.peer->out.empty();
    const uint32_t wanted = (is_paused ? 0u : EPOLLIN) | (link.out.empty() ? 0u : EPOLLOUT);
    if (wanted == link.events) return;
    Tell(EPOLL_CTL_MOD, link, wanted);
  }

  void Tell(int operation, Link& link, uint32_t events) {
    epoll_event event{.events = events, .data = {.ptr = &link}};
    if (epoll_ctl(epoll_fd_, operation, link.fd, &event) != 0) Fail("epoll_ctl");
    link.events = events;
  }

  void CloseClient(Link& client) {
    if (client.is_waiting) waiters_.erase(std::find(waiters_.begin(), waiters_.end(), &client));
    Link* server = std::exchange(client.peer, nullptr);
    const bool is_clean = client.owed == 0 && client.cursor.IsBetweenFrames();
    Bury(client);
    if (server == nullptr) return;
    server->peer = nullptr;
    Watch(*server);
    if (!is_clean || server->status != 'I' || !server->out.empty()) return ReplaceServer(*server);
    static constexpr char kDiscard[] = "Q\0\0\0\x10" "DISCARD ALL";  // the literal's own NUL is the message's
    Send(*server, std::string_view(kDiscard, sizeof kDiscard));
  }

  void ReplaceServer(Link& server) {
    std::erase(idle_, &server);
    Link* client = std::exchange(server.peer, nullptr);
    Bury(server);
    if (client != nullptr) {
      client->peer = nullptr;
      CloseClient(*client);
    }
    Offer(*OpenServer());
  }

  void Bury(Link& link) {
    close(link.fd);
    link.fd = -1;
    const auto found = links_.find(&link);
    graveyard_.push_back(std::move(found->second));
    links_.erase(found);
  }

  Link* Adopt(int fd, Role role) {
    auto owned = std::make_unique<Link>();
    Link* link = owned.get();
    link->fd = fd;
    link->role = role;
    links_.emplace(link, std::move(owned));
    Tell(EPOLL_CTL_ADD, *link, EPOLLIN);
    return link;
  }

  void Accept(const Link& listener) {
    for (;;) {
      const int fd = accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      SetNoDelay(fd);
      Adopt(fd, Role::kStarting);
    }
  }

  void Listen() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    const sockaddr_in address = Loopback(options_.listen_port);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(fd, kListenBacklog) != 0) {
      Fail("listen");
    }
    Adopt(fd, Role::kListener);
  }

  // Blocking, because it happens before the first client and after an accident only.
  Link* OpenServer() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(options_.server_port);
    if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) Fail("connect");
    SetNoDelay(fd);
    std::string body;
    AppendUint32(body, 3u << 16);
    for (const std::string& word : {std::string("user"), options_.user, std::string("database"), options_.database}) {
      body.append(word).push_back('\0');
    }
    body.push_back('\0');
    std::string startup;
    AppendUint32(startup, static_cast<uint32_t>(body.size() + 4));
    startup += body;
    if (send(fd, startup.data(), startup.size(), MSG_NOSIGNAL) < 0) Fail("login");
    const std::string parameters = ReadLogin(fd);
    if (welcome_.empty()) {
      welcome_ = std::string("R\0\0\0\x08\0\0\0\0", 9) + parameters +
                 std::string("K\0\0\0\x0c\0\0\0\x01\0\0\0\x01" "Z\0\0\0\x05I", 19);
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) Fail("fcntl");
    return Adopt(fd, Role::kServer);
  }

  // The ParameterStatus frames up to the first ReadyForQuery.
  static std::string ReadLogin(int fd) {
    std::string parameters;
    for (;;) {
      std::string frame(kHeaderBytes, '\0');
      ReadAll(fd, frame.data(), kHeaderBytes);
      const uint32_t length = ReadUint32(frame.data() + 1);
      if (length < 4 || length > kStartupBytesMax) Fail("login: bad length from the server");
      frame.resize(length + 1);
      ReadAll(fd, frame.data() + kHeaderBytes, length - 4);
      if (frame[0] == 'S') parameters += frame;
      if (frame[0] == 'E') Fail("login: the server refused");
      if (frame[0] == 'R' && (length < 8 || ReadUint32(frame.data() + kHeaderBytes) != 0)) {
        Fail("login: the server must trust");
      }
      if (frame[0] == 'Z') return parameters;
    }
  }

  static void ReadAll(int fd, char* to, size_t size) {
    if (size > 0 && recv(fd, to, size, MSG_WAITALL) != static_cast<ssize_t>(size)) Fail("login: server went away");
  }

  static sockaddr_in Loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  static void SetNoDelay(int fd) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  const Options options_;
  int epoll_fd_ = -1;
  std::vector<char> buffer_;
  std::string welcome_;  // the whole answer to a login
  std::unordered_map<Link*, std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<Link>> graveyard_;
  std::vector<Link*> idle_;     // last in, first out
  std::deque<Link*> waiters_;  // first in, first out
};

int Main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: bare_relay LISTEN_PORT SERVER_PORT USER DATABASE POOL_SIZE transaction|session\n");
    return 2;
  }
  Relay relay(Options{.listen_port = static_cast<uint16_t>(std::atoi(argv[1])),
                      .server_port = static_cast<uint16_t>(std::atoi(argv[2])),
                      .user = argv[3],
                      .database = argv[4],
                      .pool_size = std::atoi(argv[5]),
                      .mode = std::string_view(argv[6]) == "session" ? Mode::kSession : Mode::kTransaction});
  relay.Run();
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
