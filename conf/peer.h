// Another pgweir, or PgBouncer, in front of the same servers: where a cancel request goes that reached the wrong one.
//
// What: one line of [peers], one section [peers.N]. Threads: none. Limits: ids from 1 to kPeerIdMax, PgBouncer's range: the
// 14 bits that a cancel key has for them (proxy/cancel_key.h).
#pragma once

#include <optional>
#include <string>

namespace conf {

inline constexpr int kPeerIdMax = 16383;
inline constexpr int kDefaultPeerPort = 6432;

struct Peer {
  int id = 0;
  std::string host;  // one host name, address, or the folder of a Unix socket
  int port = kDefaultPeerPort;
  std::optional<int> pool_size;  // cancel requests on their way to it at a time; absent = default_pool_size
  friend bool operator==(const Peer&, const Peer&) = default;
};

}  // namespace conf
