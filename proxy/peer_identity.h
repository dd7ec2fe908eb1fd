// Who is at the other end of a client's socket, as far as the kernel and the system's user database tell.
//
// What: the address, which lines of auth_hba_file look at; the uid and process that opened a Unix socket; the name of a uid.
// Threads: any. NameOfUid may ask the network (LDAP, NIS) and blocks: helper threads only.
// Source: unix(7), SO_PEERCRED: the credentials are those at the time of connect().
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <tl/expected.hpp>

struct sockaddr_storage;

namespace proxy {

struct PeerAddress {
  bool is_v6 = false;
  uint8_t bytes[16] = {};  // IPv4 in the first 4, also when the socket shows it as ::ffff:a.b.c.d
  uint16_t port = 0;
};
PeerAddress MakePeerAddress(bool is_v6, const uint8_t* bytes, uint16_t port);
std::optional<PeerAddress> AddressOf(const sockaddr_storage& peer);  // as accept(2) tells it; nullopt: a Unix socket
std::optional<uid_t> UidOfPeer(int fd);  // nullopt: not a Unix socket
std::optional<pid_t> PidOfPeer(int fd);  // the same

tl::expected<std::string, std::string> NameOfUid(uid_t uid);  // the error is for the log

}  // namespace proxy
