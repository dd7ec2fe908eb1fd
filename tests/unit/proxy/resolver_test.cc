// Resolver: what needs no lookup answers at once; names answer on the loop, one lookup for all who ask; what was found is kept.
// The name server is the test's own (fake_dns.h), the system's resolver is asked for localhost and for a name that cannot be.
#include "proxy/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <optional>

#include "tests/support/fake_dns.h"
#include "tests/support/temporary_folder.h"
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

  // From now on the test's name server is asked.
  void AskServers(conf::Duration max_ttl = std::chrono::seconds(60)) {
    test_support::WriteFile(folder_.File("resolv.conf"), dns_.ResolvConf());
    global_.resolv_conf = folder_.File("resolv.conf");
    global_.dns_max_ttl = max_ttl;
    EXPECT_EQ(resolver_.Configure(global_), "");
  }

  test_support::FakeDns dns_;
  test_support::TemporaryFolder folder_;
  conf::Global global_;
  Resolver resolver_{control_};
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
  int port = 0;
  TextOf(Ask("localhost", 5433, &at_once).addresses.at(0), &port);
  EXPECT_TRUE(at_once) << "the port is no part of the name";
  EXPECT_EQ(port, 5433);
  resolver_.Forget();
  Ask("localhost", 5432, &at_once);
  EXPECT_FALSE(at_once) << "Forget forgot nothing";
}

TEST_F(ResolverTest, AnUnknownNameIsAnErrorThatIsKept) {
  bool at_once = true;
  EXPECT_NE(Ask("no-such-host.invalid", 5432, &at_once).error.find("name lookup"), std::string::npos);
  EXPECT_FALSE(at_once);
  EXPECT_NE(Ask("no-such-host.invalid", 5432, &at_once).error.find("name lookup"), std::string::npos);
  EXPECT_TRUE(at_once) << "dns_nxdomain_ttl";
  global_.dns_nxdomain_ttl = conf::Duration(0);
  resolver_.Configure(global_);
  resolver_.Forget();
  for (int i = 0; i < 2; ++i) {
    Ask("no-such-host.invalid", 5432, &at_once);
    EXPECT_FALSE(at_once) << "dns_nxdomain_ttl = 0";
  }
}

TEST_F(ResolverTest, AfterTheEndTheAnswerIsAnErrorAndNotKept) {
  resolver_.Stop();
  for (int i = 0; i < 2; ++i) {
    bool at_once = true;
    EXPECT_NE(Ask("localhost", 5432, &at_once).error.find("too many lookups"), std::string::npos);
    EXPECT_FALSE(at_once);
  }
}

TEST_F(ResolverTest, OneLookupForAllWhoAsk) {
  AskServers();
  dns_.Say("db.example", {.addresses = {"10.0.0.1", "2001:db8::1"}});
  constexpr int kAsking = 50;
  int answered = 0;
  for (int i = 0; i < kAsking; ++i) {
    resolver_.Resolve({"db.example", static_cast<uint16_t>(5000 + i)}, loop_, [&, i](const Resolved& resolved) {
      int port = 0;
      ASSERT_EQ(resolved.addresses.size(), 2u);
      EXPECT_EQ(TextOf(resolved.addresses[0], &port), "10.0.0.1");
      EXPECT_EQ(port, 5000 + i);
      EXPECT_EQ(TextOf(resolved.addresses[1], &port), "2001:db8::1");
      EXPECT_EQ(port, 5000 + i);
      ++answered;
    });
  }
  EXPECT_EQ(resolver_.UnderWay().under_way, 1u);
  EXPECT_EQ(resolver_.UnderWay().waiting, static_cast<size_t>(kAsking));
  EXPECT_TRUE(Until([&] { return answered == kAsking; }));
  EXPECT_EQ(dns_.Asked("db.example"), 1);
  EXPECT_EQ(resolver_.UnderWay().under_way, 0u);
  const auto rows = resolver_.Names();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].addresses, (std::vector<std::string>{"10.0.0.1", "2001:db8::1"}));
  EXPECT_LE(rows[0].seconds_left, 60);
}

TEST_F(ResolverTest, TheMachinesOwnNamesComeBeforeTheServers) {
  AskServers();
  dns_.Say("localhost", {.addresses = {"10.0.0.1"}});
  const std::string text = TextOf(Ask("localhost", 5432).addresses.at(0));
  EXPECT_TRUE(text == "127.0.0.1" || text == "::1") << text;
  EXPECT_EQ(dns_.Asked("localhost"), 0);
}

TEST_F(ResolverTest, TheTimeToLiveOfTheServerCounts) {
  AskServers();
  dns_.Say("short.example", {.addresses = {"10.0.0.1"}, .ttl = 0});
  dns_.Say("long.example", {.addresses = {"10.0.0.2"}, .ttl = 86'400});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Ask("short.example", 1).addresses.size(), 1u);
    EXPECT_EQ(Ask("long.example", 1).addresses.size(), 1u);
  }
  EXPECT_EQ(dns_.Asked("short.example"), 3);
  EXPECT_EQ(dns_.Asked("long.example"), 1);
  AskServers(conf::Duration(0));
  resolver_.Forget();
  for (int i = 0; i < 3; ++i) Ask("long.example", 1);
  EXPECT_EQ(dns_.Asked("long.example"), 4) << "dns_max_ttl = 0";
}

TEST_F(ResolverTest, WhatFailsTellsItsCauseAndIsAskedAgainInTime) {
  AskServers();
  dns_.Say("refused.example", {.addresses = {}, .code = 5});
  EXPECT_NE(Ask("gone.example", 1).error.find("name does not exist"), std::string::npos) << Ask("gone.example", 1).error;
  EXPECT_NE(Ask("refused.example", 1).error.find("refused"), std::string::npos) << Ask("refused.example", 1).error;
  EXPECT_EQ(dns_.Asked("gone.example"), 1);
  dns_.Say("gone.example", {.addresses = {"10.0.0.1"}});
  EXPECT_TRUE(Ask("gone.example", 1).addresses.empty()) << "it is kept";
  resolver_.Forget();
  EXPECT_EQ(Ask("gone.example", 1).addresses.size(), 1u);
}

TEST_F(ResolverTest, WhileTheServersAreSilentTheLastAnswerServes) {
  AskServers();
  dns_.Say("db.example", {.addresses = {"10.0.0.1"}, .ttl = 0});
  EXPECT_EQ(Ask("db.example", 1).addresses.size(), 1u);
  dns_.Say("db.example", {.addresses = {}, .code = 2});
  EXPECT_EQ(TextOf(Ask("db.example", 1).addresses.at(0)), "10.0.0.1");
  bool at_once = false;
  Ask("db.example", 1, &at_once);
  EXPECT_TRUE(at_once) << "and is not asked for again each time";
  dns_.Say("db.example", {.addresses = {}, .code = 3});
  resolver_.Forget();
  EXPECT_TRUE(Ask("db.example", 1).addresses.empty()) << "there is no such name any more";
}

TEST_F(ResolverTest, AChangeIsToldThoughNobodyAsks) {
  std::vector<NameNews> news;
  resolver_.Watch([&](const NameNews& each) { news.push_back(each); });
  AskServers();
  resolver_.Refresh("db.example");
  EXPECT_EQ(resolver_.UnderWay().under_way, 0u) << "nobody has ever asked for it";
  dns_.Say("db.example", {.addresses = {"10.0.0.1"}, .ttl = 0});
  Ask("db.example", 1);
  EXPECT_TRUE(Until([&] { return news.size() == 1; }));
  dns_.Say("db.example", {.addresses = {"10.0.0.2"}, .ttl = 60});
  resolver_.Refresh("db.example");
  resolver_.Refresh("db.example");
  ASSERT_TRUE(Until([&] { return news.size() == 2; }));
  EXPECT_EQ(dns_.Asked("db.example"), 2) << "one at a time";
  EXPECT_TRUE(news[1].is_changed);
  EXPECT_EQ(IpTexts(news[1].before), "10.0.0.1");
  EXPECT_EQ(IpTexts(news[1].now), "10.0.0.2");
  EXPECT_FALSE(resolver_.StaysAt("db.example", news[1].before[0]));
  EXPECT_TRUE(resolver_.StaysAt("db.example", news[1].now[0]));
  resolver_.Refresh("db.example");
  EXPECT_EQ(resolver_.UnderWay().under_way, 0u) << "its time is not over";
}

// What was asked before RECONNECT may be the old answer: it serves who has asked, and nobody after.
TEST_F(ResolverTest, WhatWasAskedBeforeForgetIsNotKept) {
  AskServers();
  dns_.Say("db.example", {.addresses = {"10.0.0.1"}});
  std::optional<Resolved> answer;
  resolver_.Resolve({"db.example", 1}, loop_, [&](Resolved resolved) { answer = std::move(resolved); });
  resolver_.Forget();
  ASSERT_TRUE(Until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->addresses.size(), 1u);
  bool at_once = true;
  Ask("db.example", 1, &at_once);
  EXPECT_FALSE(at_once);
}

TEST_F(ResolverTest, AFileThatLeadsNowhereIsSaid) {
  for (const auto& [text, wrong] : {std::pair{"", "no name server"}, {"# nameserver 127.0.0.1\nsearch example\n", "no name server"}, {"nameserver not-an-address\n", "no name server"}}) {
    test_support::WriteFile(folder_.File("bad.conf"), text);
    const auto checked = DnsClient::Check(folder_.File("bad.conf"));
    ASSERT_FALSE(checked.has_value()) << text;
    EXPECT_NE(checked.error().find(wrong), std::string::npos) << checked.error();
    EXPECT_NE(checked.error().find(folder_.File("bad.conf")), std::string::npos) << checked.error();
  }
  EXPECT_FALSE(DnsClient::Check("/no/such/file").has_value());
  test_support::WriteFile(folder_.File("good.conf"), dns_.ResolvConf());
  EXPECT_TRUE(DnsClient::Check(folder_.File("good.conf")).has_value());
  global_.resolv_conf = "/no/such/file";
  EXPECT_NE(resolver_.Configure(global_), "");
  EXPECT_FALSE(Ask("localhost", 1).addresses.empty()) << "then the system is asked";
}

}  // namespace
}  // namespace proxy
