// Who is at the other end of a socket.
#include "proxy/peer_identity.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace proxy {
namespace {

// The accepted end of a TCP connection to an address of this machine; -1 where the family is missing.
struct TcpPair {
  explicit TcpPair(int family) {
    const int listener = socket(family, SOCK_STREAM, 0);
    sockaddr_storage address{};
    socklen_t length = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    address.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET) reinterpret_cast<sockaddr_in&>(address).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else reinterpret_cast<sockaddr_in6&>(address).sin6_addr = in6addr_loopback;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener, generic, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, generic, &length) == 0) {
      client = socket(family, SOCK_STREAM, 0);
      if (connect(client, generic, length) == 0) accepted = accept(listener, reinterpret_cast<sockaddr*>(&peer), &length);
    }
    close(listener);
  }
  ~TcpPair() {
    for (const int fd : {client, accepted}) {
      if (fd >= 0) close(fd);
    }
  }
  int client = -1, accepted = -1;
  sockaddr_storage peer{};
};

TEST(PeerIdentity, AddressOfTcp) {
  const TcpPair v4(AF_INET);
  ASSERT_GE(v4.accepted, 0);
  const auto address = AddressOf(v4.peer);
  ASSERT_TRUE(address.has_value());
  EXPECT_FALSE(address->is_v6);
  EXPECT_EQ(address->bytes[0], 127);
  EXPECT_EQ(address->bytes[3], 1);
  EXPECT_EQ(UidOfPeer(v4.accepted), std::nullopt) << "TCP tells no user";
  const TcpPair v6(AF_INET6);
  if (v6.accepted < 0) GTEST_SKIP() << "no IPv6 here";
  const auto address6 = AddressOf(v6.peer);
  ASSERT_TRUE(address6.has_value());
  EXPECT_TRUE(address6->is_v6);
  EXPECT_EQ(address6->bytes[15], 1);
}

TEST(PeerIdentity, UserOfUnixSockets) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  EXPECT_EQ(UidOfPeer(fds[0]), geteuid());
  close(fds[0]);
  close(fds[1]);
  EXPECT_EQ(UidOfPeer(fds[0]), std::nullopt);
}

TEST(PeerIdentity, NamesOfUids) {
  const passwd* own = getpwuid(geteuid());
  if (own != nullptr) {
    EXPECT_EQ(NameOfUid(geteuid()).value(), own->pw_name);
  }
  const auto nobody = NameOfUid(3'999'999'999);
  ASSERT_FALSE(nobody.has_value());
  EXPECT_EQ(nobody.error(), "uid 3999999999 of the peer has no name on this system");
}

}  // namespace
}  // namespace proxy
