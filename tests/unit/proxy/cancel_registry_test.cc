// CancelRegistry: keys of the legal lengths, nothing found for a wrong one, no process id twice without a peer_id, no key twice with one.
#include "proxy/cancel_registry.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace proxy {
namespace {

TEST(CancelRegistryTest, FindsTheOwnerByIdAndKey) {
  CancelRegistry registry;
  const auto a = registry.Register({3, 11}, 0, kCancelKeyBytes30);
  const auto b = registry.Register({1, 12}, 0, kCancelKeyBytes32);
  EXPECT_EQ(a.key.size(), 4u);
  EXPECT_EQ(b.key.size(), 32u);
  const auto owner = registry.Find(a);
  ASSERT_TRUE(owner.has_value());
  EXPECT_EQ(owner->worker, 3u);
  EXPECT_EQ(owner->client_id, 11u);
  ASSERT_TRUE(registry.Find(b).has_value());
  EXPECT_EQ(registry.Find(b)->client_id, 12u);
}

TEST(CancelRegistryTest, AnOwnerThatMovedIsFoundWhereItWent) {
  CancelRegistry registry;
  const auto moved = registry.Register({3, 11}, 0, kCancelKeyBytes30), other = registry.Register({3, 12}, 0, kCancelKeyBytes30);
  registry.Move(moved.process_id, 11, 1);
  registry.Move(other.process_id, 11, 2);  // not its key
  EXPECT_EQ(registry.Find(moved)->worker, 1u);
  EXPECT_EQ(registry.Find(other)->worker, 3u);
}

TEST(CancelRegistryTest, WrongKeysOfAnyLengthFindNothing) {
  CancelRegistry registry;
  const auto made = registry.Register({0, 1}, 0, kCancelKeyBytes32);
  const auto other = registry.Register({0, 2}, 0, kCancelKeyBytes32);
  for (size_t i = 0; i < made.key.size(); ++i) {
    std::string wrong = made.key;
    wrong[i] = static_cast<char>(wrong[i] ^ 1);
    EXPECT_FALSE(registry.Find({made.process_id, wrong})) << "byte " << i << " is not compared";
  }
  EXPECT_FALSE(registry.Find({made.process_id, ""}));
  EXPECT_FALSE(registry.Find({made.process_id, made.key.substr(0, 4)})) << "a prefix is not the key";
  EXPECT_FALSE(registry.Find({made.process_id, made.key.substr(0, 31)}));
  EXPECT_FALSE(registry.Find({made.process_id, made.key + std::string(1, '\0')}));
  EXPECT_FALSE(registry.Find({made.process_id, other.key})) << "a key belongs to its process id";
  EXPECT_FALSE(registry.Find({made.process_id ^ 0x40000000u, made.key}));
  EXPECT_FALSE(registry.Find({0, ""}));
}

TEST(CancelRegistryTest, RemovedIsGoneAndRemovingTwiceIsHarmless) {
  CancelRegistry registry;
  const auto made = registry.Register({0, 1}, 0, kCancelKeyBytes30);
  const auto stays = registry.Register({0, 2}, 0, kCancelKeyBytes30);
  registry.Remove(made.process_id, 1);
  registry.Remove(made.process_id, 1);
  EXPECT_FALSE(registry.Find(made));
  EXPECT_TRUE(registry.Find(stays));
}

TEST(CancelRegistryTest, IdsArePositiveAndNeverTwiceAlsoFromManyThreads) {
  CancelRegistry registry;
  constexpr size_t kThreads = 4, kEach = 5000;
  std::vector<std::vector<CancelKey>> made(kThreads);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < kEach; ++i)
        made[t].push_back(registry.Register({static_cast<pool::WorkerId>(t), i}, 0, kCancelKeyBytes30));
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<uint32_t> ids;
  for (size_t t = 0; t < kThreads; ++t) {
    for (size_t i = 0; i < kEach; ++i) {
      const auto& key = made[t][i];
      EXPECT_GT(static_cast<int32_t>(key.process_id), 0);
      EXPECT_TRUE(ids.insert(key.process_id).second) << "the same process id for two clients";
      const auto owner = registry.Find(key);
      ASSERT_TRUE(owner.has_value());
      EXPECT_EQ(owner->worker, t);
      EXPECT_EQ(owner->client_id, i);
    }
  }
}

// More clients than a peer_id leaves process ids for: each is found and removed by its own key.
TEST(CancelRegistryTest, WithAPeerIdManyShareAProcessId) {
  CancelRegistry registry;
  constexpr uint64_t kClients = 100'000;
  std::vector<CancelKey> made;
  for (uint64_t id = 0; id < kClients; ++id) made.push_back(registry.Register({1, id}, 16383, kCancelKeyBytes30));
  for (uint64_t id = 0; id < kClients; id += 2) registry.Remove(made[id].process_id, id);
  std::set<uint32_t> process_ids;
  for (uint64_t id = 0; id < kClients; ++id) {
    process_ids.insert(made[id].process_id);
    const auto owner = registry.Find(made[id]);
    ASSERT_EQ(owner.has_value(), id % 2 == 1);
    if (owner) {
      ASSERT_EQ(owner->client_id, id);
    }
  }
  EXPECT_LE(process_ids.size(), 1U << 15);
}

TEST(CancelRegistryTest, KeysAreNotConstant) {
  CancelRegistry registry;
  std::set<std::string> keys;
  for (uint64_t i = 0; i < 100; ++i) keys.insert(registry.Register({0, i}, 0, kCancelKeyBytes32).key);
  EXPECT_EQ(keys.size(), 100u);
}

}  // namespace
}  // namespace proxy
