// Accepts clients on TCP and Unix sockets and gives each to the worker with the fewest.
//
// What: one listening socket per address on the loop of worker 0, so that a client that stays there wakes no other thread. When the
// process runs out of file descriptors, accepting pauses for kAcceptPause, and one client is told why, with a descriptor that was kept
// aside for it.
// A TCP socket that is accepted has the options of the one that listens (Linux), so they are set there, once, and no call tells the
// client's address but accept itself.
// In PostgreSQL's protocol the client speaks first (its manual, 57.2.1, Start-up; a PROXY header and TLS come from its side, too). So the
// system is asked to tell of a connection only with its first bytes (tcp_defer_accept): it wakes the worker once and not twice, and
// is read in the turn that accepts it. Who says nothing is told of when that time has passed; one that closes, at once.
// Threads: Open before the worker's thread begins, then that thread, and the end after it. Ownership: owns its sockets and the files of
// its Unix sockets (removed at the end). Source: tcp(7), TCP_DEFER_ACCEPT.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "conf/config.h"
#include "proxy/client.h"
#include "proxy/event_loop.h"

struct addrinfo;

namespace proxy {

inline constexpr pool::Duration kAcceptPause{100'000};
inline constexpr int kAcceptsPerTurn = 64;  // of a crowd; otherwise one
inline constexpr int kTurnsToACrowd = 16;
inline constexpr pool::Duration kDescriptorsToldEvery{10'000'000};

class Listener {
 public:
  using OnAccept = std::function<void(const Accepted& accepted)>;
  Listener(EventLoop& loop, OnAccept on_accept);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // False: error names the address and the cause. What was opened before stays open.
  bool Open(const conf::Global& global, std::string& error);
  void Close();
  void CloseTcp();
  void Pause();
  void Resume();
  void Tune(const KeepAlive& keep_alive);  // who is accepted from now on
  bool is_open() const { return !sockets_.empty(); }

 private:
  struct Listening;
  bool IsOurs(const addrinfo* address) const;
  bool OpenTcp(const std::string& address, const conf::Global& global, std::string& error);
  bool OpenUnix(const conf::Global& global, std::string& error);
  bool Add(int fd, PeerKind peer, const conf::Global& global, std::string& error);
  static void OnReadable(void* listening, uint32_t ready);
  void Accept(Listening& listening);
  void OutOfDescriptors(int listening_fd);

  EventLoop& loop_;
  OnAccept on_accept_;
  std::vector<std::unique_ptr<Listening>> sockets_;
  Timer resume_;
  int spare_fd_ = -1;
  pool::TimePoint told_at_{};  // when the log last said that descriptors are short
  std::string unix_path_, lock_path_;
  int lock_fd_ = -1;
};

}  // namespace proxy
