// NameCache: what is kept for how long, what a failure changes, which connections may stay.
#include "proxy/name_cache.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace proxy {
namespace {

using Kind = NameAnswer::Kind;
using Turns = NameNews::Turns;
using std::chrono::seconds;

SocketAddress Ip(const std::string& text) {
  in6_addr raw{};
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), &raw) == 1) return SocketAddress::OfIp(static_cast<sa_family_t>(family), &raw);
  }
  ADD_FAILURE() << text;
  return {};
}

class NameCacheTest : public testing::Test {
 protected:
  static NameAnswer Good(const std::vector<std::string>& texts, pool::Duration ttl = pool::Duration::max()) {
    NameAnswer answer{Kind::kAddresses, {}, "", ttl};
    for (const std::string& text : texts) answer.addresses.push_back(Ip(text));
    return answer;
  }
  NameCache::Outcome Put(NameAnswer answer, const std::string& name = "db") { return cache_.Put(name, std::move(answer), times_, now_); }
  // "?" when it must be asked for, "!" and the cause when it fails.
  std::string Said(const std::string& name = "db") {
    const auto said = cache_.Find(name, now_);
    if (!said) return "?";
    return said->error.empty() ? IpTexts(said->addresses) : "!" + said->error;
  }
  bool Stays(const std::string& address) { return cache_.StaysAt("db", Ip(address)); }

  NameCache cache_;
  NameTimes times_{seconds(15), seconds(10)};
  pool::TimePoint now_{seconds(1000)};
};

TEST_F(NameCacheTest, AnAnswerIsKeptForItsTimeAtMostTheLongest) {
  EXPECT_EQ(Said(), "?");
  Put(Good({"10.0.0.1", "10.0.0.2"}, seconds(5)));
  EXPECT_EQ(Said(), "10.0.0.1,10.0.0.2");
  now_ += seconds(5) - pool::Duration(1);
  EXPECT_EQ(Said(), "10.0.0.1,10.0.0.2");
  now_ += pool::Duration(1);
  EXPECT_EQ(Said(), "?");
  for (const pool::Duration long_time : {pool::Duration(seconds(3600)), pool::Duration::max()}) {
    Put(Good({"10.0.0.1"}, long_time));
    now_ += seconds(14);
    EXPECT_EQ(Said(), "10.0.0.1");
    now_ += seconds(1);
    EXPECT_EQ(Said(), "?");
  }
  Put(Good({"10.0.0.1"}, seconds(0)));
  EXPECT_EQ(Said(), "?") << "a time to live of 0";
  times_.max_ttl = seconds(0);
  Put(Good({"10.0.0.1"}, seconds(60)));
  EXPECT_EQ(Said(), "?") << "dns_max_ttl = 0";
}

TEST_F(NameCacheTest, AFailureIsKeptForItsOwnTimeAndTellsItsCause) {
  EXPECT_TRUE(Put({Kind::kNoSuchName, {}, "no such name"}).begins_to_fail);
  EXPECT_EQ(Said(), "!no such name");
  EXPECT_FALSE(Put({Kind::kNotKnown, {}, "no answer"}).begins_to_fail) << "it was told already";
  EXPECT_EQ(Said(), "!no answer");
  now_ += seconds(10) - pool::Duration(1);
  EXPECT_EQ(Said(), "!no answer");
  now_ += pool::Duration(1);
  EXPECT_EQ(Said(), "?");
  Put({Kind::kNotKnown, {}, "too many", pool::Duration(0)});
  EXPECT_EQ(Said(), "?") << "a failure of our own is not kept";
}

TEST_F(NameCacheTest, WhileNobodyCanSayTheLastAnswerServes) {
  Put(Good({"10.0.0.1"}));
  now_ += seconds(20);
  const auto outcome = Put({Kind::kNotKnown, {}, "no answer"});
  EXPECT_EQ(IpTexts(outcome.said.addresses), "10.0.0.1");
  EXPECT_TRUE(outcome.begins_to_fail);
  EXPECT_FALSE(outcome.news) << "nobody is sent away";
  EXPECT_EQ(Said(), "10.0.0.1");
  now_ += seconds(10);
  EXPECT_EQ(Said(), "?") << "it is tried again";
  now_ += kStaleMax;
  Put({Kind::kNotKnown, {}, "no answer"});
  EXPECT_EQ(Said(), "!no answer") << "not for ever";
  EXPECT_TRUE(Stays("10.0.0.1"));
}

TEST_F(NameCacheTest, NoSuchNameIsAnAnswerAndStillSendsNobodyAway) {
  Put(Good({"10.0.0.1"}));
  EXPECT_FALSE(Put({Kind::kNoSuchName, {}, "no such name"}).news);
  EXPECT_EQ(Said(), "!no such name");
  EXPECT_TRUE(Stays("10.0.0.1"));
  // and what was before is remembered
  const auto outcome = Put(Good({"10.0.0.2"}));
  ASSERT_TRUE(outcome.news);
  EXPECT_TRUE(outcome.news->is_changed);
  EXPECT_EQ(IpTexts(outcome.news->before), "10.0.0.1");
}

TEST_F(NameCacheTest, AnAnswerWithoutAddressesIsAFailure) {
  Put(Good({}));
  EXPECT_EQ(Said(), "!name lookup: no address");
}

TEST_F(NameCacheTest, ConnectionsToAnAddressThatHasGoneAreToGo) {
  const auto first = Put(Good({"10.0.0.1", "10.0.0.2"}));
  ASSERT_TRUE(first.news);
  EXPECT_FALSE(first.news->is_changed) << "there was nothing to change";
  const auto same = Put(Good({"10.0.0.2", "10.0.0.1"}));
  EXPECT_FALSE(same.news->is_changed) << "the order is none";
  EXPECT_FALSE(same.news->LosesSome());
  const auto more = Put(Good({"10.0.0.1", "10.0.0.2", "10.0.0.3"}));
  EXPECT_TRUE(more.news->is_changed);
  EXPECT_FALSE(more.news->LosesSome());
  const auto less = Put(Good({"10.0.0.3", "2001:db8::1"}));
  EXPECT_TRUE(less.news->is_changed);
  EXPECT_TRUE(less.news->LosesSome());
  EXPECT_EQ(IpTexts(less.news->before), "10.0.0.1,10.0.0.2,10.0.0.3");
  EXPECT_EQ(IpTexts(less.news->now), "10.0.0.3,2001:db8::1");
  EXPECT_EQ(IpTexts(less.news->staying), "10.0.0.3,2001:db8::1");
  EXPECT_FALSE(Stays("10.0.0.1"));
  EXPECT_TRUE(Stays("10.0.0.3"));
  EXPECT_TRUE(Stays("2001:db8::1"));
  EXPECT_TRUE(cache_.StaysAt("another", Ip("10.0.0.1"))) << "nothing is known of it";
  EXPECT_TRUE(cache_.StaysAt("db", SocketAddress())) << "a Unix socket";
}

TEST_F(NameCacheTest, ThePortIsNoPartOfAnAddress) {
  Put(Good({"10.0.0.1"}));
  SocketAddress peer = Ip("10.0.0.1");
  peer.SetPort(5432);
  EXPECT_TRUE(cache_.StaysAt("db", peer));
}

TEST_F(NameCacheTest, AFamilyThatWasNotAnsweredIsWhatItWas) {
  Put(Good({"10.0.0.1", "2001:db8::1"}));
  NameAnswer half = Good({"10.0.0.2"});
  half.unknown_family = AF_INET6;
  EXPECT_EQ(IpTexts(Put(std::move(half)).news->staying), "10.0.0.2,2001:db8::1");
  EXPECT_EQ(IpTexts(Put(Good({"10.0.0.2"})).news->staying), "10.0.0.2") << "this time it was answered: there is none";
}

TEST_F(NameCacheTest, ThereAndBackAgainIsASwitch) {
  for (const char* address : {"10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.2"}) {
    const auto outcome = Put(Good({address}));
    EXPECT_EQ(outcome.news->turns, Turns::kNone);
    EXPECT_EQ(IpTexts(outcome.news->staying), address);
    now_ += seconds(15);
  }
}

TEST_F(NameCacheTest, SeveralThatComeBackTogetherAreOneSwitch) {
  for (const auto& addresses : std::vector<std::vector<std::string>>{{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, {"10.0.1.1"}, {"10.0.0.1", "10.0.0.2", "10.0.0.3"}}) {
    EXPECT_EQ(Put(Good(addresses)).news->turns, Turns::kNone);
  }
}

TEST_F(NameCacheTest, AnswersThatTakeTurnsKeepTheirConnections) {
  const std::vector<std::string> readers{"10.0.0.1", "10.0.0.2", "10.0.0.3"};
  int begun = 0, sent_away = 0;
  for (size_t i = 0; i < 40; ++i) {
    const auto outcome = Put(Good({readers[i % readers.size()]}, seconds(1)));
    begun += outcome.news->turns == Turns::kBegin ? 1 : 0;
    sent_away += outcome.news->LosesSome() ? 1 : 0;
    if (i > 6) {
      EXPECT_EQ(outcome.news->staying.size(), readers.size()) << i;
    }
    EXPECT_EQ(outcome.said.addresses.size(), 1u) << "a new connection goes where the answer says";
    now_ += seconds(15);
  }
  EXPECT_EQ(begun, 1);
  EXPECT_LE(sent_away, 5) << "only until it was seen";
  // One of them ends: its connections go when it has not been said for long.
  for (size_t i = 0; i < 39; ++i) {
    Put(Good({readers[i % 2]}));
    now_ += seconds(15);
  }
  EXPECT_TRUE(Stays("10.0.0.3"));
  for (size_t i = 0; i < 4; ++i) {
    Put(Good({readers[i % 2]}));
    now_ += seconds(15);
  }
  EXPECT_FALSE(Stays("10.0.0.3"));
  EXPECT_TRUE(Stays("10.0.0.1"));
  // And when it takes no more turns, a change is a change again.
  now_ += kMemory;
  Put(Good({"10.0.0.1"}));
  EXPECT_EQ(IpTexts(Put(Good({"10.0.0.9"})).news->staying), "10.0.0.9");
}

TEST_F(NameCacheTest, ExpiredIsNotForgotten) {
  Put(Good({"10.0.0.1"}));
  Put(Good({"10.0.0.7"}), "other");
  cache_.Expire("db");
  EXPECT_EQ(Said(), "?");
  EXPECT_EQ(Said("other"), "10.0.0.7");
  cache_.ExpireAll();
  EXPECT_EQ(Said("other"), "?");
  EXPECT_TRUE(Put(Good({"10.0.0.2"})).news->is_changed);
}

TEST_F(NameCacheTest, WhoIsDue) {
  EXPECT_FALSE(cache_.IsDue("db", now_)) << "nobody has asked for it";
  Put(Good({"10.0.0.1"}, seconds(5)));
  EXPECT_FALSE(cache_.IsDue("db", now_ + seconds(4)));
  EXPECT_TRUE(cache_.IsDue("db", now_ + seconds(5)));
}

TEST_F(NameCacheTest, TheOneUnusedForLongestMakesRoom) {
  for (size_t i = 0; i < kNamesMax; ++i) {
    Put(Good({"10.0.0.1"}), "name" + std::to_string(i));
    now_ += pool::Duration(1);
  }
  EXPECT_EQ(Said("name0"), "10.0.0.1");  // used again
  now_ += pool::Duration(1);
  EXPECT_FALSE(cache_.IsDue("name1", now_));  // looking whether it is due is a use, too
  now_ += pool::Duration(1);
  Put(Good({"10.0.0.1"}), "one more");
  EXPECT_EQ(cache_.size(), kNamesMax);
  EXPECT_EQ(Said("name0"), "10.0.0.1");
  EXPECT_EQ(Said("name1"), "10.0.0.1");
  EXPECT_EQ(Said("name2"), "?");
  EXPECT_EQ(Said("one more"), "10.0.0.1");
}

TEST_F(NameCacheTest, AddressesOfANameAreBounded) {
  std::vector<std::string> many;
  for (int i = 0; i < 200; ++i) many.push_back("10.0.0." + std::to_string(i));
  EXPECT_EQ(Put(Good(many)).said.addresses.size(), kAddressesMax);
  for (int round = 0; round < 1000; ++round) {
    std::vector<std::string> others;
    for (int i = 0; i < 50; ++i) others.push_back("10." + std::to_string(round / 250) + "." + std::to_string(round % 250) + "." + std::to_string(i));
    Put(Good(others));
    Put(Good({"10.9.9.9"}));
  }
  EXPECT_LE(Put(Good({"10.9.9.9"})).news->staying.size(), kSeenMax + kAddressesMax);
}

TEST_F(NameCacheTest, Rows) {
  Put(Good({"10.0.0.1", "2001:db8::1"}, seconds(9)));
  Put({Kind::kNoSuchName, {}, "no such name"}, "gone");
  now_ += seconds(4);
  const auto rows = cache_.Rows(now_);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].name, "db");
  EXPECT_EQ(rows[0].seconds_left, 5);
  EXPECT_EQ(rows[0].addresses, (std::vector<std::string>{"10.0.0.1", "2001:db8::1"}));
  EXPECT_EQ(rows[1].name, "gone");
  EXPECT_TRUE(rows[1].addresses.empty());
  EXPECT_EQ(cache_.Rows(now_ + seconds(60))[0].seconds_left, 0);
}

TEST(SocketAddressTest, TurnsStayInTheirFamily) {
  const auto turned = [](size_t by) {
    std::vector<SocketAddress> addresses;
    for (const char* text : {"10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1", "2001:db8::2"}) addresses.push_back(Ip(text));
    RotateInFamilies(addresses, by);
    return IpTexts(addresses);
  };
  EXPECT_EQ(turned(0), "10.0.0.1,10.0.0.2,10.0.0.3,2001:db8::1,2001:db8::2");
  EXPECT_EQ(turned(1), "10.0.0.2,10.0.0.3,10.0.0.1,2001:db8::2,2001:db8::1");
  EXPECT_EQ(turned(5), "10.0.0.3,10.0.0.1,10.0.0.2,2001:db8::2,2001:db8::1");
  std::vector<SocketAddress> none;
  RotateInFamilies(none, 3);
}

}  // namespace
}  // namespace proxy
