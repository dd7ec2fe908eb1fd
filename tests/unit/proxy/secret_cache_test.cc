// What auth_query has answered: how long it is believed, when it is asked again, what is displaced.
#include "proxy/secret_cache.h"

#include <gtest/gtest.h>

namespace proxy {
namespace {

using std::chrono::seconds;

constexpr pool::Duration kAge = seconds(60);
constexpr pool::Duration kTick{1};

LookupKey Key(const std::string& user, const std::string& database = "app") { return {{database, "asker", "query"}, user}; }

// "unknown", the secret, or "ask"
std::string Found(const SecretCache& cache, const LookupKey& key, pool::TimePoint now, pool::Duration age = kAge) {
  const auto found = cache.Find(key, age, now);
  if (!found) return "ask";
  return *found ? (*found)->Reveal() : "unknown";
}

class SecretCacheTest : public testing::Test {
 protected:
  SecretCache cache_;
  const pool::TimePoint start_ = pool::TimePoint() + seconds(1000);
};

TEST_F(SecretCacheTest, IsGoodForItsAge) {
  EXPECT_EQ(Found(cache_, Key("anna"), start_), "ask");
  cache_.Put(Key("anna"), conf::Secret("s"), start_);
  EXPECT_EQ(Found(cache_, Key("anna"), start_ + kAge - kTick), "s");
  EXPECT_EQ(Found(cache_, Key("anna"), start_ + kAge), "ask");
  EXPECT_EQ(Found(cache_, Key("anna"), start_, seconds(0)), "ask") << "0 = never";
  EXPECT_EQ(Found(cache_, Key("anna", "other"), start_), "ask") << "each place has its own users";
  EXPECT_EQ(Found(cache_, {{"app", "asker", "another query"}, "anna"}, start_), "ask");
  EXPECT_EQ(Found(cache_, {{"app", "another", "query"}, "anna"}, start_), "ask");
}

TEST_F(SecretCacheTest, NobodyIsUnknownForLong) {
  cache_.Put(Key("anna"), std::nullopt, start_);
  EXPECT_EQ(Found(cache_, Key("anna"), start_ + kUnknownAge - kTick), "unknown");
  EXPECT_EQ(Found(cache_, Key("anna"), start_ + kUnknownAge), "ask");
  EXPECT_EQ(Found(cache_, Key("anna"), start_ + kTick, kTick), "ask");
  cache_.Put(Key("anna"), conf::Secret("s"), start_);
  EXPECT_EQ(Found(cache_, Key("anna"), start_), "s");
  cache_.Put(Key("anna"), std::nullopt, start_);
  EXPECT_EQ(Found(cache_, Key("anna"), start_), "unknown") << "the last answer counts";
  EXPECT_EQ(cache_.size(), 1u);
}

TEST_F(SecretCacheTest, ADoubtedSecretIsAskedForAgainButNotAtEveryLogin) {
  cache_.Put(Key("anna"), conf::Secret("old"), start_);
  cache_.Doubt(Key("anna"));
  EXPECT_EQ(Found(cache_, Key("anna"), start_ + kRefreshPause - kTick), "old");
  EXPECT_EQ(Found(cache_, Key("anna"), start_ + kRefreshPause), "ask");
  EXPECT_EQ(Found(cache_, Key("anna"), start_ + kTick, kTick), "ask");
  cache_.Put(Key("anna"), conf::Secret("new"), start_ + kRefreshPause);
  EXPECT_EQ(Found(cache_, Key("anna"), start_ + kRefreshPause + kRefreshPause), "new") << "the doubt is gone";
  cache_.Doubt(Key("nobody"));
}

TEST_F(SecretCacheTest, IsBoundedAndMadeUpNamesDisplaceNobody) {
  cache_.Put(Key("anna"), conf::Secret("s"), start_);
  for (size_t i = 0; i < 2 * kUnknownUsersMax; ++i) cache_.Put(Key("made up " + std::to_string(i)), std::nullopt, start_);
  EXPECT_EQ(cache_.size(), kUnknownUsersMax + 1);
  EXPECT_EQ(Found(cache_, Key("anna"), start_), "s");
  EXPECT_EQ(Found(cache_, Key("made up 0"), start_), "ask") << "the oldest went";
  EXPECT_EQ(Found(cache_, Key("made up " + std::to_string(2 * kUnknownUsersMax - 1)), start_), "unknown");
  for (size_t i = 0; i < kKnownUsersMax; ++i) cache_.Put(Key("user " + std::to_string(i)), conf::Secret("s"), start_);
  EXPECT_EQ(cache_.size(), kUnknownUsersMax + kKnownUsersMax);
  EXPECT_EQ(Found(cache_, Key("anna"), start_), "ask");
  cache_.Clear();
  EXPECT_EQ(cache_.size(), 0u);
}

}  // namespace
}  // namespace proxy
