// Host names to socket addresses, off the loops.
//
// What: Resolve answers on the caller's loop, at once for addresses and Unix sockets, else after getaddrinfo on a helper
// thread (so that /etc/hosts, nsswitch and container DNS all count). Answers are kept kNameTtl; failures are not kept.
// Threads: Resolve from any loop. Limits: kNamesMax names kept.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "conf/config.h"
#include "proxy/event_loop.h"
#include "proxy/helper_threads.h"

namespace proxy {

inline constexpr pool::Duration kNameTtl{15'000'000};
inline constexpr size_t kNamesMax = 1024;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

struct Resolved {
  std::vector<SocketAddress> addresses;  // empty: error says why
  std::string error;
};

class Resolver {
 public:
  explicit Resolver(HelperThreads& helpers) : helpers_(helpers) {}
  // `done` is called on `loop`, maybe before Resolve returns.
  void Resolve(const conf::Host& host, EventLoop& loop, std::function<void(Resolved)> done);
  // The host names that are remembered, for SHOW DNS_HOSTS.
  struct KnownName {
    std::string name;
    int64_t seconds_left = 0;
    std::vector<std::string> addresses;
  };
  std::vector<KnownName> Names();
  void Forget();  // RECONNECT and RELOAD look names up again

 private:
  struct Known {
    Resolved answer;
    pool::TimePoint until;
  };
  HelperThreads& helpers_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;  // guarded by mutex_
};

}  // namespace proxy
