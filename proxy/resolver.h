// Host names to socket addresses, off the loops: one lookup at a time per name, however many ask, and what it says kept.
//
// What: Resolve answers on the caller's loop, at once for addresses, Unix sockets and names that are kept (name_cache.h), else
// when the lookup has come back. Refresh looks a name up again when its time is over, though nobody asks: so a change is seen
// while every connection is open, and told to the watcher.
// Who is asked: without resolv_conf the system (getaddrinfo, on threads of this class: /etc/hosts, nsswitch and container DNS all
// count). It tells no time to live, so its answers are kept dns_max_ttl. With resolv_conf: /etc/hosts, then the name servers of
// that file (dns_client.h), whose answers are kept for their time, dns_max_ttl at most. Both, and not evdns alone, because what
// the system knows beside DNS would be lost to everybody, and evdns has no TCP; who needs the time to live names /etc/resolv.conf.
// Threads: Resolve, Refresh and the questions from any; Configure and the watcher on `home`, the one loop that may carry evdns.
// Ownership: `home` and every loop that has asked live until Stop, which waits for no lookup: one that hangs in the system must
// not hold up the end of the process.
// Limits: kNameThreads threads, so that a name service in trouble holds up no password; kNamesMax names kept and looked up;
// kRefreshesMax lookups that nobody waits for, so that there is always a thread for who does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "pool/mutex.h"
#include "proxy/dns_client.h"
#include "proxy/control_loop.h"
#include "proxy/helper_threads.h"
#include "proxy/name_cache.h"
#include "proxy/socket_address.h"

namespace proxy {

inline constexpr size_t kNameThreads = 4;
inline constexpr size_t kRefreshesMax = 2;

struct Resolved {
  std::vector<SocketAddress> addresses;  // empty: error says why
  std::string error;
};

class Resolver {
 public:
  explicit Resolver(ControlLoop& home) : home_(home.loop()), dns_(home), link_(std::make_shared<Link>(this)) {}
  ~Resolver() { Stop(); }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // dns_max_ttl, dns_nxdomain_ttl and resolv_conf, read anew. The text says what is wrong with that; then the system is asked.
  std::string Configure(const conf::Global& global);
  // Told of every answer with addresses. Set before anybody asks.
  void Watch(std::function<void(const NameNews&)> watcher) { watcher_ = std::move(watcher); }

  // `done` is called on `loop`, maybe before Resolve returns.
  void Resolve(const conf::Host& host, EventLoop& loop, std::function<void(Resolved)> done);
  void Refresh(const std::string& name);  // one that was asked for before
  // Whether a connection to that address, made for that name, need not be replaced.
  bool StaysAt(const std::string& name, const SocketAddress& address) const;

  struct Lookups {
    size_t under_way = 0, waiting = 0;  // names; who waits for them
  };
  Lookups UnderWay() const;
  std::vector<NameCache::Row> Names() const;  // for SHOW DNS_HOSTS
  void Forget();  // RECONNECT and RELOAD look names up again
  void Stop();    // nothing comes back after it

 private:
  struct Waiter {
    EventLoop* loop;
    uint16_t port;
    std::function<void(Resolved)> done;
  };
  struct Lookup {
    std::vector<Waiter> waiters;
    uint64_t epoch = 0;
  };
  // The way back for a thread whose lookup may outlive this object.
  struct Link {
    explicit Link(Resolver* to) : resolver(to) {}
    pool::Mutex mutex;
    Resolver* resolver PGWEIR_GUARDED_BY(mutex);  // nullptr: it has stopped
  };
  void LookUp(const std::string& name, bool asks_servers);
  void OnOwnName(const std::string& name, std::vector<SocketAddress> addresses);
  void OnAnswer(const std::string& name, NameAnswer answer);

  EventLoop& home_;
  DnsClient dns_;  // on home
  std::function<void(const NameNews&)> watcher_;
  mutable pool::Mutex mutex_;
  NameTimes times_ PGWEIR_GUARDED_BY(mutex_);
  bool asks_servers_ PGWEIR_GUARDED_BY(mutex_) = false;  // those of resolv_conf
  NameCache cache_ PGWEIR_GUARDED_BY(mutex_);
  std::map<std::string, Lookup> lookups_ PGWEIR_GUARDED_BY(mutex_);
  uint64_t epoch_ PGWEIR_GUARDED_BY(mutex_) = 0;  // goes up at Forget: what was asked before it is not kept
  const std::shared_ptr<Link> link_;
  HelperThreads threads_{kNameThreads};
};

}  // namespace proxy
