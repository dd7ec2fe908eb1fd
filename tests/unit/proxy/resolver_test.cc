// Resolver: what needs no lookup answers at once; names answer on the loop; what was found is kept, a failure is not.
#include "proxy/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <optional>

#include "tests/unit/proxy/loop_fixture.h"

namespace proxy {
namespace {

class ResolverTest : public LoopTest {
 protected:
  // `at_once`: whether the answer came before Resolve returned.
  Resolved Ask(const std::string& name, uint16_t port, bool* at_once = nullptr) {
    std::optional<Resolved> answer;
    resolver_.Resolve({name, port}, loop_, [&](Resolved resolved) { answer = std::move(resolved); });
    if (at_once != nullptr) *at_once = answer.has_value();
    if (!Until([&] { return answer.has_value(); })) {
      ADD_FAILURE() << "no answer for " << name;
      std::abort();  // the callback borrows this frame
    }
    return *answer;
  }
  static const sockaddr_un& Unix(const Resolved& resolved) {
    return reinterpret_cast<const sockaddr_un&>(resolved.addresses.at(0).storage);
  }
  static std::string TextOf(const SocketAddress& address, int* port = nullptr) {
    char text[INET6_ADDRSTRLEN] = {};
    if (address.storage.ss_family == AF_INET) {
      const auto& v4 = reinterpret_cast<const sockaddr_in&>(address.storage);
      if (port != nullptr) *port = ntohs(v4.sin_port);
      return inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    }
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address.storage);
    if (port != nullptr) *port = ntohs(v6.sin6_port);
    return inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  }

  HelperThreads helpers_;
  Resolver resolver_{helpers_};
};

TEST_F(ResolverTest, NumericAddressesAnswerAtOnce) {
  bool at_once = false;
  int port = 0;
  Resolved v4 = Ask("192.0.2.7", 5433, &at_once);
  EXPECT_TRUE(at_once);
  ASSERT_EQ(v4.addresses.size(), 1u);
  EXPECT_EQ(TextOf(v4.addresses[0], &port), "192.0.2.7");
  EXPECT_EQ(port, 5433);
  Resolved v6 = Ask("2001:db8::1", 6000, &at_once);
  EXPECT_TRUE(at_once);
  ASSERT_EQ(v6.addresses.size(), 1u);
  EXPECT_EQ(TextOf(v6.addresses[0], &port), "2001:db8::1");
  EXPECT_EQ(port, 6000);
  EXPECT_EQ(v6.addresses[0].length, sizeof(sockaddr_in6));
}

TEST_F(ResolverTest, UnixFolder) {
  bool at_once = false;
  const Resolved answer = Ask("/run/postgresql", 5432, &at_once);
  EXPECT_TRUE(at_once);
  ASSERT_EQ(answer.addresses.size(), 1u);
  EXPECT_EQ(Unix(answer).sun_family, AF_UNIX);
  EXPECT_STREQ(Unix(answer).sun_path, "/run/postgresql/.s.PGSQL.5432");
}

TEST_F(ResolverTest, AbstractNameHasNoTerminatingZero) {
  const Resolved answer = Ask("@weir", 5432);
  ASSERT_EQ(answer.addresses.size(), 1u);
  const std::string name = "weir/.s.PGSQL.5432";
  EXPECT_EQ(Unix(answer).sun_path[0], '\0');
  EXPECT_EQ(std::string(Unix(answer).sun_path + 1, name.size()), name);
  EXPECT_EQ(answer.addresses[0].length, offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

TEST_F(ResolverTest, AUnixPathThatDoesNotFitIsAnError) {
  constexpr size_t kRoom = sizeof(sockaddr_un::sun_path);
  const std::string suffix = "/.s.PGSQL.5432";
  const std::string fits = "/" + std::string(kRoom - suffix.size() - 2, 'a');
  EXPECT_EQ(Ask(fits, 5432).addresses.size(), 1u) << "the longest that fits, with its zero";
  const Resolved answer = Ask(fits + "a", 5432);
  EXPECT_TRUE(answer.addresses.empty());
  EXPECT_NE(answer.error.find("too long"), std::string::npos);
}

TEST_F(ResolverTest, LocalhostComesFromAHelperThreadAndIsKept) {
  bool at_once = true;
  const Resolved first = Ask("localhost", 5432, &at_once);
  EXPECT_FALSE(at_once) << "a name must not be looked up on the loop";
  ASSERT_FALSE(first.addresses.empty()) << first.error;
  for (const auto& address : first.addresses) {
    int port = 0;
    const std::string text = TextOf(address, &port);
    EXPECT_TRUE(text == "127.0.0.1" || text == "::1") << text;
    EXPECT_EQ(port, 5432);
  }
  const Resolved again = Ask("localhost", 5432, &at_once);
  EXPECT_TRUE(at_once) << "the answer was not kept";
  EXPECT_EQ(again.addresses.size(), first.addresses.size());
  Ask("localhost", 5433, &at_once);
  EXPECT_FALSE(at_once) << "the port is part of the answer";
  resolver_.Forget();
  Ask("localhost", 5432, &at_once);
  EXPECT_FALSE(at_once) << "Forget forgot nothing";
}

TEST_F(ResolverTest, UnknownNameIsAnErrorEachTime) {
  for (int i = 0; i < 2; ++i) {
    bool at_once = true;
    const Resolved answer = Ask("no-such-host.invalid", 5432, &at_once);
    EXPECT_TRUE(answer.addresses.empty());
    EXPECT_NE(answer.error.find("name lookup"), std::string::npos) << answer.error;
    EXPECT_FALSE(at_once) << "a failure must not be kept";
  }
}

TEST_F(ResolverTest, WithoutHelpersTheAnswerIsAnErrorAtOnce) {
  helpers_.Stop();
  bool at_once = false;
  const Resolved answer = Ask("localhost", 5432, &at_once);
  EXPECT_TRUE(at_once);
  EXPECT_FALSE(answer.error.empty());
}

}  // namespace
}  // namespace proxy
