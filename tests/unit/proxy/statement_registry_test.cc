// One Statement for the same text, types and settings, alive as long as somebody knows it, from any thread.
#include "proxy/statement_registry.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace proxy {
namespace {

using Sharing = StatementRegistry::Sharing;
using protocol::StatementRef;

std::string Body(std::string_view text) { return std::string(text) + std::string(3, '\0'); }

class StatementRegistryTest : public testing::Test {
 protected:
  StatementRef Intern(std::string_view text, std::string_view settings = "", Sharing sharing = Sharing::kShared) {
    return registry_->Intern(Body(text), settings, sharing, 0, {});
  }
  uint64_t count() const { return registry_->size().statements; }

  std::shared_ptr<StatementRegistry> registry_ = std::make_shared<StatementRegistry>();
};

TEST_F(StatementRegistryTest, TheSameTextIsTheSameStatement) {
  const StatementRef first = Intern("select 1");
  EXPECT_EQ(Intern("select 1"), first);
  EXPECT_EQ(first->text(), "select 1");
  EXPECT_EQ(first->body, Body("select 1"));
  EXPECT_EQ(first->server_name, std::string(protocol::kServerNamePrefix) + std::to_string(first->id));
  EXPECT_EQ(count(), 1u);
}

TEST_F(StatementRegistryTest, TextTypesAndSettingsTellThemApart) {
  const std::string typed = std::string("select 1") + std::string("\0\0\1\0\0\0\x17", 7);
  const std::vector<StatementRef> all = {Intern("select 1"), Intern("select 2"), Intern("select 1", "DateStyle=x"),
                                         Intern("select 1", "DateStyle=y"),
                                         registry_->Intern(typed, "", Sharing::kShared, 0, {})};
  std::set<uint64_t> ids;
  std::set<std::string> names;
  for (const StatementRef& statement : all) {
    ids.insert(statement->id);
    names.insert(statement->server_name);
  }
  EXPECT_EQ(ids.size(), all.size());
  EXPECT_EQ(names.size(), all.size());
  EXPECT_EQ(all[2]->settings, "DateStyle=x");
  EXPECT_EQ(count(), all.size());
}

TEST_F(StatementRegistryTest, APrivateOneIsNobodyElses) {
  const StatementRef alone = Intern("select 1", "", Sharing::kPrivate);
  const StatementRef shared = Intern("select 1");
  StatementRef another = Intern("select 1", "", Sharing::kPrivate);
  EXPECT_NE(shared, alone);
  EXPECT_NE(another, alone);
  EXPECT_NE(another, shared);
  EXPECT_EQ(count(), 3u);
  another.reset();  // and takes the shared one's place in nothing
  EXPECT_EQ(Intern("select 1"), shared);
}

TEST_F(StatementRegistryTest, ItLivesAsLongAsSomebodyKnowsIt) {
  StatementRef first = Intern("select 1");
  const uint64_t id = first->id;
  StatementRef second = first;
  first.reset();
  EXPECT_EQ(Intern("select 1")->id, id);
  second.reset();
  EXPECT_EQ(count(), 0u);
  EXPECT_EQ(registry_->size().bytes, 0u);
  EXPECT_NE(Intern("select 1")->id, id) << "an id is never given twice: a server may know the old one";
}

TEST_F(StatementRegistryTest, IdsAreNeverSharedBetweenPools) {
  const auto other = std::make_shared<StatementRegistry>();
  EXPECT_NE(other->Intern(Body("select 1"), "", Sharing::kShared, 0, {})->id, Intern("select 1")->id);
}

TEST_F(StatementRegistryTest, AStatementMayOutliveItsPool) {
  const StatementRef statement = Intern("select 1");
  registry_.reset();
  EXPECT_EQ(statement->text(), "select 1");
}

TEST_F(StatementRegistryTest, BeyondTheLimitThereIsNone) {
  const std::string large(protocol::kStatementTextMax, 'x');
  std::vector<StatementRef> all;
  while (StatementRef statement = Intern(large, "", Sharing::kPrivate)) all.push_back(std::move(statement));
  EXPECT_GT(registry_->size().bytes + large.size(), kRegistryBytesMax);
  EXPECT_EQ(all.size(), kRegistryBytesMax / (large.size() + 1));
  EXPECT_EQ(Intern(large), nullptr);
  EXPECT_NE(Intern("select 1"), nullptr) << "a short one still fits";
  all.pop_back();
  EXPECT_NE(Intern(large), nullptr);
  all.clear();
  EXPECT_EQ(count(), 0u);
  EXPECT_EQ(registry_->size().bytes, 0u);
}

// Two workers that prepare, share and forget the same few texts: the last owner of one may be gone while the other
// asks.
TEST_F(StatementRegistryTest, TwoThreads) {
  constexpr int kTurns = 30'000;
  std::atomic<int> wrong{0};
  const auto work = [&](unsigned seed) {
    std::mt19937 dice(seed);
    std::vector<StatementRef> kept(4);
    for (int turn = 0; turn < kTurns; ++turn) {
      const std::string text = "select " + std::to_string(dice() % 3);
      StatementRef statement = Intern(text, "", dice() % 8 == 0 ? Sharing::kPrivate : Sharing::kShared);
      if (statement->text() != text) ++wrong;
      statement->generation.fetch_add(1, std::memory_order_relaxed);
      kept[dice() % kept.size()] = dice() % 2 == 0 ? std::move(statement) : nullptr;
    }
  };
  std::thread first(work, 1), second(work, 2);
  first.join();
  second.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(count(), 0u);
  EXPECT_EQ(registry_->size().bytes, 0u);
}

}  // namespace
}  // namespace proxy
