#include "proxy/peer_identity.h"

#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

namespace proxy {

PeerAddress MakePeerAddress(bool is_v6, const uint8_t* bytes, uint16_t port) {
  constexpr uint8_t kMappedV4[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  PeerAddress address;
  address.port = port;
  if (is_v6 && std::memcmp(bytes, kMappedV4, sizeof kMappedV4) == 0) {
    bytes += sizeof kMappedV4;
    is_v6 = false;
  }
  address.is_v6 = is_v6;
  std::memcpy(address.bytes, bytes, is_v6 ? 16 : 4);
  return address;
}

std::optional<PeerAddress> AddressOf(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
    return MakePeerAddress(false, reinterpret_cast<const uint8_t*>(&v4.sin_addr), ntohs(v4.sin_port));
  }
  if (peer.ss_family != AF_INET6) return std::nullopt;
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
  return MakePeerAddress(true, v6.sin6_addr.s6_addr, ntohs(v6.sin6_port));
}

namespace {

std::optional<ucred> CredentialsOfPeer(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  // a TCP socket answers SO_PEERCRED, too, with a uid that means nothing
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0 || storage.ss_family != AF_UNIX) return std::nullopt;
  ucred credentials{};
  length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0 || length != sizeof credentials) return std::nullopt;
  if (credentials.uid == static_cast<uid_t>(-1)) return std::nullopt;
  return credentials;
}

}  // namespace

std::optional<uid_t> UidOfPeer(int fd) {
  const auto credentials = CredentialsOfPeer(fd);
  return credentials ? std::optional(credentials->uid) : std::nullopt;
}

std::optional<pid_t> PidOfPeer(int fd) {
  const auto credentials = CredentialsOfPeer(fd);
  return credentials ? std::optional(credentials->pid) : std::nullopt;
}

tl::expected<std::string, std::string> NameOfUid(uid_t uid) {
  constexpr size_t kEntryBytesMax = 1 << 20;
  const std::string who = "uid " + std::to_string(uid) + " of the peer ";
  std::vector<char> buffer(1024);
  passwd entry{};
  passwd* found = nullptr;
  int error = getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  while (error == ERANGE && buffer.size() < kEntryBytesMax) {
    buffer.resize(buffer.size() * 2);
    error = getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  }
  if (error != 0) return tl::unexpected(who + "cannot be looked up: " + std::generic_category().message(error));
  if (found == nullptr || *found->pw_name == '\0') return tl::unexpected(who + "has no name on this system");
  return std::string(found->pw_name);
}

}  // namespace proxy
