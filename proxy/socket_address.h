// An address that a socket can be connected to, and what the name service cares about in it.
//
// What: a plain value. IP addresses are the same place when family and address are, whatever the port. Threads: none.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

namespace proxy {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  bool is_ip() const { return storage.ss_family == AF_INET || storage.ss_family == AF_INET6; }
  bool IsSameIp(const SocketAddress& other) const;  // both are one, and the same
  std::string IpText() const;                       // without the port; empty when it is none
  void SetPort(uint16_t port);                      // of an IP address
  // `address`: 4 or 16 bytes in network order, as AF_INET or AF_INET6 says.
  static SocketAddress OfIp(sa_family_t family, const void* address);
};

bool Contains(const std::vector<SocketAddress>& addresses, const SocketAddress& address);
// Each family begins `by` addresses later, in a circle; which family comes first does not change.
void RotateInFamilies(std::vector<SocketAddress>& addresses, size_t by);
std::string IpTexts(const std::vector<SocketAddress>& addresses);  // "10.0.0.1,10.0.0.2"

}  // namespace proxy
