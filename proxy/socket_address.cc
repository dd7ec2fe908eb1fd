#include "proxy/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace proxy {
namespace {

const sockaddr_in& V4(const SocketAddress& address) { return reinterpret_cast<const sockaddr_in&>(address.storage); }
const sockaddr_in6& V6(const SocketAddress& address) { return reinterpret_cast<const sockaddr_in6&>(address.storage); }

}  // namespace

bool SocketAddress::IsSameIp(const SocketAddress& other) const {
  if (storage.ss_family != other.storage.ss_family) return false;
  if (storage.ss_family == AF_INET) return V4(*this).sin_addr.s_addr == V4(other).sin_addr.s_addr;
  if (storage.ss_family != AF_INET6) return false;
  return V6(*this).sin6_scope_id == V6(other).sin6_scope_id &&
         std::memcmp(&V6(*this).sin6_addr, &V6(other).sin6_addr, sizeof(in6_addr)) == 0;
}

std::string SocketAddress::IpText() const {
  if (!is_ip()) return "";
  char text[INET6_ADDRSTRLEN] = {};
  const void* raw = storage.ss_family == AF_INET ? static_cast<const void*>(&V4(*this).sin_addr) : &V6(*this).sin6_addr;
  inet_ntop(storage.ss_family, raw, text, sizeof text);
  return text;
}

void SocketAddress::SetPort(uint16_t port) {
  if (storage.ss_family == AF_INET) reinterpret_cast<sockaddr_in&>(storage).sin_port = htons(port);
  else if (storage.ss_family == AF_INET6) reinterpret_cast<sockaddr_in6&>(storage).sin6_port = htons(port);
}

SocketAddress SocketAddress::OfIp(sa_family_t family, const void* address) {
  SocketAddress made;
  made.storage.ss_family = family;
  if (family == AF_INET) {
    std::memcpy(&reinterpret_cast<sockaddr_in&>(made.storage).sin_addr, address, sizeof(in_addr));
    made.length = sizeof(sockaddr_in);
  } else {
    std::memcpy(&reinterpret_cast<sockaddr_in6&>(made.storage).sin6_addr, address, sizeof(in6_addr));
    made.length = sizeof(sockaddr_in6);
  }
  return made;
}

bool Contains(const std::vector<SocketAddress>& addresses, const SocketAddress& address) {
  return std::any_of(addresses.begin(), addresses.end(), [&](const SocketAddress& each) { return each.IsSameIp(address); });
}

void RotateInFamilies(std::vector<SocketAddress>& addresses, size_t by) {
  for (auto begin = addresses.begin(); begin != addresses.end();) {
    const auto end = std::find_if(begin, addresses.end(), [&](const SocketAddress& each) { return each.storage.ss_family != begin->storage.ss_family; });
    std::rotate(begin, begin + static_cast<std::ptrdiff_t>(by % static_cast<size_t>(end - begin)), end);
    begin = end;
  }
}

std::string IpTexts(const std::vector<SocketAddress>& addresses) {
  std::string texts;
  for (const SocketAddress& address : addresses) {
    if (!texts.empty()) texts += ',';
    texts += address.IpText();
  }
  return texts;
}

}  // namespace proxy
