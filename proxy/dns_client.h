// Asks the name servers that a resolv.conf names, and is told how long an answer holds.
//
// What: LookUp asks for the IPv4 and the IPv6 addresses of a name at the same time, by libevent's evdns: servers, search list and
// options (timeout, attempts, ndots, ...) are those of the file. IPv4 comes first: a path that does not work must not cost every
// connection a wait. When one family is there and the other is not answered, it is waited for kOtherFamilyWait more.
// Why the low-level calls: evdns_getaddrinfo, like getaddrinfo, tells no time to live. evdns has no TCP: an answer that does not
// fit into a datagram is a failure that says so.
// Threads: the loop's. Ownership: lookups that are under way when it goes are never answered. Limits: evdns sends at most 64
// queries at a time, the others queue; it reads 32 addresses of a family; the caller bounds the lookups.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "proxy/control_loop.h"
#include "proxy/name_cache.h"

struct evdns_base;

namespace proxy {

inline constexpr pool::Duration kOtherFamilyWait{250'000};

class DnsClient {
 public:
  using Done = std::function<void(NameAnswer)>;

  explicit DnsClient(ControlLoop& home);
  ~DnsClient();
  DnsClient(const DnsClient&) = delete;
  DnsClient& operator=(const DnsClient&) = delete;

  // Reads the file, also anew; what is under way goes on with the new servers. The text says what is wrong with it, then nobody
  // can be asked.
  std::string Configure(const std::string& resolv_conf);
  // Whether Configure would find the file right; else a mistake for who wrote the configuration. Any thread.
  static tl::expected<void, std::string> Check(const std::string& resolv_conf);
  void LookUp(const std::string& name, Done done);  // in a later turn

 private:
  struct Lookup;
  struct Query;
  static void OnAnswer(int result, char type, int count, int ttl, void* addresses, void* query);
  void Take(Query& query, int result, int count, int ttl, const void* addresses);
  void Finish(uint64_t id);

  ControlLoop& home_;
  EventLoop& loop_;
  evdns_base* base_ = nullptr;
  std::map<uint64_t, std::unique_ptr<Lookup>> lookups_;
  uint64_t last_id_ = 0;
};

}  // namespace proxy
