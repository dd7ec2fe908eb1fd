// CancelKey: what a peer reads in it, for every peer id and both lengths, and how much of it is random.
#include "proxy/cancel_key.h"

#include <gtest/gtest.h>

#include <bit>

#include "conf/peer.h"

namespace proxy {
namespace {

TEST(CancelKeyTest, EveryPeerIdComesBack) {
  for (int id = 1; id <= conf::kPeerIdMax; ++id) {
    for (const size_t bytes : {kCancelKeyBytes30, kCancelKeyBytes32}) {
      const CancelKey key = MakeCancelKey(id, bytes);
      ASSERT_EQ(key.PeerId(), id);
      ASSERT_EQ(key.HopsLeft(), kHopsMax);
      ASSERT_EQ(key.key.size(), bytes);
      ASSERT_GT(static_cast<int32_t>(key.process_id), 0);
    }
  }
}

// PgBouncer's layout, byte by byte.
TEST(CancelKeyTest, LayoutIsPgBouncers) {
  const CancelKey key = MakeCancelKey(0x1234, kCancelKeyBytes30);
  EXPECT_EQ(key.process_id >> 16 & 0xff, 0x34U);
  EXPECT_EQ(key.process_id >> 8 & 0xff, 0x12U);
  EXPECT_EQ(key.key[3] & 3, 3);
}

TEST(CancelKeyTest, HopsGoDownAndTheRestStays) {
  const CancelKey key = MakeCancelKey(7, kCancelKeyBytes32);
  CancelKey went = key;
  for (int hops = kHopsMax; hops > 0; --hops) {
    ASSERT_EQ(went.HopsLeft(), hops);
    went = went.WithHops(hops - 1);
  }
  EXPECT_EQ(went.HopsLeft(), 0);
  EXPECT_NE(went.key, key.key);
  EXPECT_EQ(went.WithHops(kHopsMax).key, key.key);
  EXPECT_EQ(went.process_id, key.process_id);
}

TEST(CancelKeyTest, AKeyThatIsTooShortHasNoHops) {
  for (const char* text : {"", "a", "abc"}) {
    const CancelKey key{.process_id = 1, .key = text};
    EXPECT_EQ(key.HopsLeft(), 0);
    EXPECT_EQ(key.WithHops(kHopsMax).key, text);
  }
}

// The bits that are not always the same, as the header counts them.
int RandomBits(int peer_id, size_t key_bytes) {
  CancelKey ones, zeros{.process_id = 0xffffffff, .key = std::string(key_bytes, '\xff')};
  ones.key.assign(key_bytes, '\0');
  for (int i = 0; i < 200; ++i) {
    const CancelKey key = MakeCancelKey(peer_id, key_bytes);
    ones.process_id |= key.process_id;
    zeros.process_id &= key.process_id;
    for (size_t at = 0; at < key_bytes; ++at) {
      ones.key[at] = static_cast<char>(ones.key[at] | key.key[at]);
      zeros.key[at] = static_cast<char>(zeros.key[at] & key.key[at]);
    }
  }
  int bits = std::popcount(ones.process_id & ~zeros.process_id);
  for (size_t at = 0; at < key_bytes; ++at) bits += std::popcount(static_cast<unsigned char>(ones.key[at] & ~zeros.key[at]));
  return bits;
}

TEST(CancelKeyTest, AsRandomAsTheHeaderSays) {
  EXPECT_EQ(RandomBits(0, kCancelKeyBytes30), 63);
  EXPECT_EQ(RandomBits(0, kCancelKeyBytes32), 287);
  EXPECT_EQ(RandomBits(1, kCancelKeyBytes30), 45);
  EXPECT_EQ(RandomBits(16383, kCancelKeyBytes32), 269);
}

}  // namespace
}  // namespace proxy
