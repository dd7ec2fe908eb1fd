// DnsClient against a name server that answers well, badly, partly or not at all.
#include "proxy/dns_client.h"

#include <optional>

#include "tests/support/fake_dns.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/proxy/loop_fixture.h"

namespace proxy {
namespace {

using How = test_support::DnsReply::How;
using Kind = NameAnswer::Kind;

class DnsClientTest : public LoopTest {
 protected:
  DnsClientTest() { EXPECT_EQ(Configure(dns_.ResolvConf()), ""); }
  std::string Configure(const std::string& text) {
    test_support::WriteFile(folder_.File("resolv.conf"), text);
    return client_.Configure(folder_.File("resolv.conf"));
  }
  NameAnswer Ask(const std::string& name) {
    std::optional<NameAnswer> answer;
    client_.LookUp(name, [&](NameAnswer said) { answer = std::move(said); });
    EXPECT_FALSE(answer.has_value()) << "in a later turn";
    if (!Until([&] { return answer.has_value(); })) {
      ADD_FAILURE() << "no answer for " << name;
      std::abort();  // the callback borrows this frame
    }
    return *answer;
  }

  test_support::FakeDns dns_;
  test_support::TemporaryFolder folder_;
  DnsClient client_{control_};
};

TEST_F(DnsClientTest, BothFamiliesAndTheShorterTime) {
  dns_.Say("db.example", {.addresses = {"2001:db8::1", "10.0.0.1", "10.0.0.2", "10.0.0.1"}, .ttl = 7});
  const NameAnswer answer = Ask("db.example");
  EXPECT_EQ(answer.kind, Kind::kAddresses);
  EXPECT_EQ(IpTexts(answer.addresses), "10.0.0.1,10.0.0.2,2001:db8::1");
  EXPECT_EQ(answer.ttl, std::chrono::seconds(7));
  EXPECT_EQ(answer.unknown_family, AF_UNSPEC);
}

TEST_F(DnsClientTest, OneFamilyIsEnough) {
  dns_.Say("four.example", {.addresses = {"10.0.0.1"}});
  dns_.Say("six.example", {.addresses = {"2001:db8::1"}});
  EXPECT_EQ(IpTexts(Ask("four.example").addresses), "10.0.0.1");
  EXPECT_EQ(IpTexts(Ask("six.example").addresses), "2001:db8::1");
  EXPECT_EQ(Ask("six.example").unknown_family, AF_UNSPEC) << "it was said that there is no other";
}

TEST_F(DnsClientTest, AFamilyWithoutAnAnswerIsNotWaitedForLong) {
  dns_.Say("db.example", {.addresses = {"10.0.0.1", "2001:db8::1"}, .how = How::kNotForIpv6});
  const NameAnswer answer = Ask("db.example");
  EXPECT_EQ(IpTexts(answer.addresses), "10.0.0.1");
  EXPECT_EQ(answer.unknown_family, AF_INET6);
  // What is left of that lookup ends by itself, and changes nothing for the next.
  dns_.Say("db.example", {.addresses = {"10.0.0.1", "2001:db8::1"}});
  EXPECT_EQ(IpTexts(Ask("db.example").addresses), "10.0.0.1,2001:db8::1");
}

TEST_F(DnsClientTest, NothingThereIsAnAnswerAndNotKnownIsNone) {
  dns_.Say("empty.example", {.addresses = {}});
  dns_.Say("trouble.example", {.addresses = {}, .code = 2});
  dns_.Say("refused.example", {.addresses = {}, .code = 5});
  EXPECT_EQ(Ask("gone.example").kind, Kind::kNoSuchName);
  EXPECT_EQ(Ask("empty.example").kind, Kind::kNoSuchName);
  for (const char* name : {"trouble.example", "refused.example"}) {
    EXPECT_EQ(Ask(name).kind, Kind::kNotKnown) << name;
    EXPECT_EQ(Ask(name).error.find("name lookup: "), 0u) << Ask(name).error;
  }
}

TEST_F(DnsClientTest, SilenceIsAFailureInTheTimeOfTheFile) {
  dns_.Say("silent.example", {.addresses = {}, .how = How::kNotAtAll});
  const NameAnswer answer = Ask("silent.example");
  EXPECT_EQ(answer.kind, Kind::kNotKnown);
  EXPECT_NE(answer.error.find("timed out"), std::string::npos) << answer.error;
}

TEST_F(DnsClientTest, ForgeriesAreNotBelieved) {
  dns_.Say("db.example", {.addresses = {"10.0.0.1"}, .how = How::kAfterForgeries});
  EXPECT_EQ(IpTexts(Ask("db.example").addresses), "10.0.0.1");
}

TEST_F(DnsClientTest, MalformedAnswersAreFailures) {
  for (const How how : {How::kTruncated, How::kLoopingName, How::kPastItsEnd, How::kOfAnotherName}) {
    dns_.Say("db.example", {.addresses = {"10.0.0.1", "2001:db8::1"}, .how = how});
    const NameAnswer answer = Ask("db.example");
    EXPECT_EQ(answer.kind, Kind::kNotKnown) << static_cast<int>(how) << IpTexts(answer.addresses);
    EXPECT_FALSE(answer.error.empty());
  }
  dns_.Say("db.example", {.addresses = {"10.0.0.1"}, .how = How::kManyClaimed});
  EXPECT_LE(Ask("db.example").addresses.size(), 1u) << "no more than there are";
}

TEST_F(DnsClientTest, ATimeWithTheHighestBitIsNone) {
  dns_.Say("db.example", {.addresses = {"10.0.0.1"}, .ttl = 0x80000001});
  EXPECT_EQ(Ask("db.example").ttl, std::chrono::seconds(0));
}

TEST_F(DnsClientTest, MoreAddressesThanItReads) {
  test_support::DnsReply many;
  for (int i = 0; i < 28; ++i) many.addresses.push_back("10.0.0." + std::to_string(i));
  dns_.Say("db.example", many);
  EXPECT_EQ(Ask("db.example").addresses.size(), 28u);
}

TEST_F(DnsClientTest, WhatIsNoHostNameIsAFailure) {
  for (const std::string& name : {std::string(64, 'a') + ".example", std::string(300, 'a'), std::string("a..example"), std::string(".")}) {
    const NameAnswer answer = Ask(name);
    EXPECT_NE(answer.kind, Kind::kAddresses) << name;
    EXPECT_FALSE(answer.error.empty()) << name;
  }
}

TEST_F(DnsClientTest, TheSearchListOfTheFile) {
  dns_.Say("db.inner.example", {.addresses = {"10.0.0.1"}});
  EXPECT_EQ(Ask("db").kind, Kind::kNoSuchName);
  EXPECT_EQ(Configure(dns_.ResolvConf() + "search other.example inner.example\n"), "");
  EXPECT_EQ(IpTexts(Ask("db").addresses), "10.0.0.1");
  EXPECT_EQ(dns_.Asked("db.other.example"), 1);
  EXPECT_EQ(Configure(dns_.ResolvConf() + "search third.example\n"), "");
  EXPECT_EQ(Ask("db").kind, Kind::kNoSuchName) << "the list of before is gone";
}

TEST_F(DnsClientTest, AnotherFileIsInForceAtOnceAndWhatIsUnderWayGoesOnThere) {
  test_support::FakeDns other;
  dns_.Say("db.example", {.addresses = {}, .how = How::kNotAtAll});
  other.Say("db.example", {.addresses = {"10.0.0.2"}});
  std::optional<NameAnswer> answer;
  client_.LookUp("db.example", [&](NameAnswer said) { answer = std::move(said); });
  ASSERT_TRUE(Until([&] { return dns_.Asked("db.example") > 0; }));
  EXPECT_EQ(Configure(other.ResolvConf()), "");
  ASSERT_TRUE(Until([&] { return answer.has_value(); }));
  EXPECT_EQ(IpTexts(answer->addresses), "10.0.0.2");
  EXPECT_EQ(IpTexts(Ask("db.example").addresses), "10.0.0.2");
}

TEST_F(DnsClientTest, TheNextServerIsAskedWhenOneSaysNothing) {
  test_support::FakeDns other;
  other.Say("db.example", {.addresses = {"10.0.0.2"}});
  dns_.Say("db.example", {.addresses = {}, .how = How::kNotAtAll});
  EXPECT_EQ(Configure("nameserver 127.0.0.1:" + std::to_string(dns_.port()) + "\nnameserver 127.0.0.1:" + std::to_string(other.port()) +
                      "\noptions timeout:1 attempts:3\n"),
            "");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(IpTexts(Ask("db.example").addresses), "10.0.0.2");
}

TEST_F(DnsClientTest, ManyAtOnce) {
  constexpr int kNames = 300;  // evdns sends 64 at a time
  int answered = 0;
  for (int i = 0; i < kNames; ++i) {
    dns_.Say("n" + std::to_string(i) + ".example", {.addresses = {"10.0.0.1"}});
    client_.LookUp("n" + std::to_string(i) + ".example", [&](const NameAnswer& answer) { answered += answer.kind == Kind::kAddresses ? 1 : 0; });
  }
  EXPECT_TRUE(Until([&] { return answered == kNames; }));
}

TEST_F(DnsClientTest, WithoutAFileNobodyIsAsked) {
  DnsClient client(control_);
  std::optional<NameAnswer> answer;
  client.LookUp("db.example", [&](NameAnswer said) { answer = std::move(said); });
  ASSERT_TRUE(Until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->kind, Kind::kNotKnown);
  Turn();
}

TEST_F(DnsClientTest, ItMayGoWhileSomebodyWaits) {
  dns_.Say("silent.example", {.addresses = {}, .how = How::kNotAtAll});
  auto client = std::make_unique<DnsClient>(control_);
  ASSERT_EQ(client->Configure(folder_.File("resolv.conf")), "");
  client->LookUp("silent.example", [](const NameAnswer&) { ADD_FAILURE() << "it was answered"; });
  ASSERT_TRUE(Until([&] { return dns_.Asked("silent.example") > 0; }));
  client.reset();
  Turn();
}

}  // namespace
}  // namespace proxy
