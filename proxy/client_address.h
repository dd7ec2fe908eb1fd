// Where a client comes from, as everything in pgweir sees it, and its place among the connections of that address.
//
// What: the other end of its socket, as accept(2) told it, or what a trusted balancer's PROXY header said. Kept, because the socket
// forgets it when the peer resets. Enter takes the place that max_client_conn_per_address and client_connect_rate are about.
// Threads: the worker of the client. Ownership: a member of it; the place is given back when the socket has been closed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conf/address_range.h"
#include "pool/address_table.h"
#include "proxy/peer_identity.h"
#include "proxy/socket.h"

namespace proxy {

enum class PeerKind : uint8_t { kTcp, kUnix };

// A connection that the listener has taken.
struct Accepted {
  int fd = -1;
  PeerKind peer = PeerKind::kTcp;
  bool has_spoken = false;        // its first bytes are there, but for one whose patience the system has ended
  std::optional<PeerAddress> ip;  // nullopt: a Unix socket
};

class ClientAddress {
 public:
  explicit ClientAddress(const std::optional<PeerAddress>& ip) : ip_(ip) {}
  ~ClientAddress() { Leave(); }
  ClientAddress(const ClientAddress&) = delete;
  ClientAddress& operator=(const ClientAddress&) = delete;

  void Set(const PeerAddress& ip) { ip_ = ip; }  // before Enter
  const std::optional<PeerAddress>& ip() const { return ip_; }  // nullopt: a Unix socket
  bool IsIn(const std::vector<conf::AddressRange>& ranges) const;
  PeerName Name() const;      // as SHOW CLIENTS prints it
  std::string Group() const;  // what the limits count together: "10.0.0.1" or "2001:db8::/64"

  // The Unix socket is never refused: it is the administrator's way in when an address is full.
  pool::AddressTable::Entered Enter(pool::AddressTable& table, const pool::AddressLimits& limits, pool::TimePoint now);
  void Leave();

 private:
  std::optional<PeerAddress> ip_;
  pool::AddressTable* table_ = nullptr;  // where it is counted
};

}  // namespace proxy
