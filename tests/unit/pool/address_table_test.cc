#include "pool/address_table.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace pool {
namespace {

using Verdict = AddressTable::Verdict;
using std::chrono::milliseconds;

AddressKey V4(uint32_t address) {
  const uint8_t bytes[4] = {static_cast<uint8_t>(address >> 24), static_cast<uint8_t>(address >> 16), static_cast<uint8_t>(address >> 8),
                            static_cast<uint8_t>(address)};
  return AddressKey::Of(bytes, false);
}

class AddressTableTest : public testing::Test {
 protected:
  Verdict Enter(const AddressKey& key) { return table_.Enter(key, limits_, now_).verdict; }
  int EnterMany(const AddressKey& key, int tries) {
    int entered = 0;
    for (int i = 0; i < tries; ++i) entered += Enter(key) == Verdict::kCounted ? 1 : 0;
    return entered;
  }
  AddressTable table_{7};
  AddressLimits limits_;
  TimePoint now_{std::chrono::hours(5)};
  const AddressKey one_ = V4(0x0a000001), two_ = V4(0x0a000002);
};

TEST_F(AddressTableTest, KeysAreWholeV4AndTheFirst64BitsOfV6) {
  uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 1};
  const AddressKey key = AddressKey::Of(v6, true);
  v6[8] = 9, v6[15] = 9;
  EXPECT_EQ(AddressKey::Of(v6, true), key) << "the same /64";
  v6[7] = 2;
  EXPECT_NE(AddressKey::Of(v6, true), key);
  EXPECT_NE(one_, two_);
  const uint8_t same_bits[16] = {0, 0, 0, 0, 10, 0, 0, 1};
  EXPECT_NE(AddressKey::Of(same_bits, true), one_) << "another family";
}

TEST_F(AddressTableTest, CountsPerAddress) {
  limits_.connections = 3;
  EXPECT_EQ(EnterMany(one_, 5), 3);
  EXPECT_EQ(EnterMany(two_, 5), 3);
  const auto refused = table_.Enter(one_, limits_, now_);
  EXPECT_EQ(refused.verdict, Verdict::kTooMany);
  EXPECT_EQ(refused.connections, 3);
  table_.Leave(one_);
  EXPECT_EQ(EnterMany(one_, 2), 1);
  EXPECT_EQ(Enter(two_), Verdict::kTooMany) << "the place of another address";
}

TEST_F(AddressTableTest, LimitsAreThoseOfTheMoment) {
  EXPECT_EQ(EnterMany(one_, 10), 10) << "no limit";
  limits_.connections = 11;
  EXPECT_EQ(EnterMany(one_, 2), 1) << "those who came before the limit count";
  limits_.connections = 5;
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(Enter(one_), Verdict::kTooMany);
    table_.Leave(one_);
  }
  EXPECT_EQ(Enter(one_), Verdict::kTooMany);
  table_.Leave(one_);
  EXPECT_EQ(Enter(one_), Verdict::kCounted);
}

TEST_F(AddressTableTest, ABurstOfOneSecondThenTheRate) {
  for (const int rate : {1, 3, 7, 999, 9'999, kConnectRateMost}) {
    const AddressKey key = V4(static_cast<uint32_t>(rate));
    limits_.new_per_second = rate;
    EXPECT_EQ(EnterMany(key, rate + 5), rate) << "at once";
    const auto refused = table_.Enter(key, limits_, now_);
    EXPECT_EQ(refused.verdict, Verdict::kTooFast);
    EXPECT_GT(refused.wait.count(), 0);
    now_ += refused.wait - Duration(1);
    EXPECT_EQ(Enter(key), Verdict::kTooFast) << rate;
    now_ += Duration(1);
    EXPECT_EQ(Enter(key), Verdict::kCounted) << rate << ": it waited as long as it was told";
    EXPECT_EQ(Enter(key), Verdict::kTooFast) << rate;
    now_ += std::chrono::seconds(20);
    EXPECT_EQ(EnterMany(key, rate + 5), rate) << "never more than one second of them";
  }
}

TEST_F(AddressTableTest, TheRateIsPerAddressAndRefusedOnesAreFree) {
  limits_.new_per_second = 2;
  EXPECT_EQ(EnterMany(one_, 100), 2);
  EXPECT_EQ(EnterMany(two_, 100), 2);
  now_ += milliseconds(500);
  EXPECT_EQ(EnterMany(one_, 100), 1) << "whoever hammers is let in at the rate all the same";
}

TEST_F(AddressTableTest, ARateThatIsSetLaterFindsAFullBucket) {
  EXPECT_EQ(EnterMany(one_, 50), 50);
  limits_.new_per_second = 3;
  EXPECT_EQ(EnterMany(one_, 50), 3);
  limits_.new_per_second = 0;
  EXPECT_EQ(EnterMany(one_, 50), 50);
}

TEST_F(AddressTableTest, ForgetsWhoeverIsGoneAndWhoseBucketIsFull) {
  EXPECT_EQ(Enter(one_), Verdict::kCounted);
  EXPECT_EQ(table_.size(), 1u);
  table_.Leave(one_);
  EXPECT_EQ(table_.size(), 0u) << "without a rate at once";
  limits_.new_per_second = 4;
  for (uint32_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(EnterMany(V4(i), 9), 4);
    for (int n = 0; n < 4; ++n) table_.Leave(V4(i));
  }
  EXPECT_EQ(table_.size(), 1000u);
  EXPECT_EQ(Enter(V4(5)), Verdict::kTooFast) << "gone, but not forgotten: a new connection is no new bucket";
  now_ += std::chrono::seconds(1);
  for (int i = 0; i < 1000; ++i) {
    now_ += std::chrono::seconds(1);
    EXPECT_EQ(Enter(one_), Verdict::kCounted);
  }
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(AddressTableTest, IsBounded) {
  limits_ = {.connections = 1, .new_per_second = 1};
  for (uint32_t i = 0; i < kAddressesMax; ++i) ASSERT_EQ(Enter(V4(i)), Verdict::kCounted);
  EXPECT_EQ(table_.size(), kAddressesMax);
  EXPECT_EQ(Enter(one_), Verdict::kUncounted) << "all the others have connections";
  EXPECT_EQ(Enter(V4(5)), Verdict::kTooFast) << "those in it are held to their limits";
  table_.Leave(V4(5));
  table_.Leave(V4(6));
  EXPECT_EQ(Enter(one_), Verdict::kCounted) << "the longest idle has made room";
  EXPECT_EQ(table_.size(), kAddressesMax);
  EXPECT_EQ(Enter(V4(6)), Verdict::kTooFast) << "the other is still known";
}

TEST_F(AddressTableTest, RefusalsAreToldNowAndThen) {
  limits_.connections = 1;
  EXPECT_EQ(Enter(one_), Verdict::kCounted);
  const auto untold = [this] { return table_.Enter(one_, limits_, now_).untold; };
  EXPECT_EQ(untold(), 1u);
  EXPECT_EQ(untold(), 0u);
  now_ += kRefusalsToldEvery - Duration(1);
  EXPECT_EQ(untold(), 0u);
  now_ += Duration(1);
  EXPECT_EQ(untold(), 3u);
}

TEST_F(AddressTableTest, FromManyThreads) {
  limits_.connections = 5;
  std::vector<std::thread> threads;
  std::atomic<int> counted{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        if (table_.Enter(one_, limits_, now_).verdict != Verdict::kCounted) continue;
        EXPECT_LE(++counted, 5);
        --counted;
        table_.Leave(one_);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(table_.size(), 0u);
}

}  // namespace
}  // namespace pool
