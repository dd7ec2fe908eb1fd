// PoolDirectory: which clients share a pool and which pools share a budget; configure, remove, pause, sweep, limit.
#include "proxy/pool_directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/support/deadline.h"
#include "tests/unit/proxy/config_fixture.h"

namespace proxy {
namespace {

using Paused = PoolDirectory::Paused;

class PoolDirectoryTest : public testing::Test {
 protected:
  static std::string Section(const std::string& name, const std::string& more = "") {
    return "[databases.\"" + name + "\"]\nhost = \"10.0.0.1\"\n" + more;
  }
  void Use(const std::string& sections, const std::string& global = "") {
    config_ = ConfigOf("[pgweir]\nauth_type = \"trust\"\n" + global + "\n" + sections);
  }
  std::shared_ptr<BackendPool> Pool(const std::string& database, const std::string& user = "app") {
    return directory_.FindOrMake(*config_, *config_->FindDatabase(database), database, user);
  }
  // Configures with what Use() set; returns the modes of the pools by "database/user".
  std::map<std::string, pool::RunMode> Configure() {
    std::map<std::string, pool::RunMode> modes;
    directory_.Configure(*config_, now_, [&](BackendPool& pool, pool::Orders&) {
      modes[pool.key().database + "/" + pool.key().user] = pool.Count(now_).mode;
    });
    return modes;
  }
  static pool::RunMode ModeOf(const std::shared_ptr<BackendPool>& pool) { return pool->Count(pool::TimePoint()).mode; }
  // One server that is opening.
  std::shared_ptr<pool::Slot> Open(BackendPool& pool) {
    pool::Waiter waiter;
    pool::Orders orders;
    pool.Acquire(waiter, now_, orders);
    pool.Cancel(waiter, pool::Leaves::kSentAway, now_);
    EXPECT_EQ(orders.open.size(), 1u);
    return orders.open.empty() ? nullptr : orders.open[0];
  }
  void FailOpening(BackendPool& pool) {
    const auto slot = Open(pool);
    ASSERT_NE(slot, nullptr);
    pool::Orders orders;
    pool.OpenFailed(*slot, {pool::OpenFailure::Kind::kUnreachable, "refused", ""}, now_, orders);
  }

  pool::TimePoint now_{pool::Duration(1'000'000'000)};
  PoolDirectory directory_{2, 7};
  std::shared_ptr<const conf::Config> config_;
};

TEST_F(PoolDirectoryTest, OnePoolForEachDatabaseAndUser) {
  Use(Section("shop") + Section("books"));
  const auto pool = Pool("shop");
  EXPECT_EQ(Pool("shop"), pool);
  EXPECT_NE(Pool("shop", "other"), pool);
  EXPECT_NE(Pool("books"), pool);
  EXPECT_EQ(directory_.All().size(), 3u);
}

TEST_F(PoolDirectoryTest, AForcedUserIsThePoolOfAll) {
  Use(Section("shop", "user = \"service\"\n"));
  const auto pool = Pool("shop", "app");
  EXPECT_EQ(pool->key(), (PoolKey{"shop", "service"}));
  EXPECT_EQ(Pool("shop", "other"), pool);
}

TEST_F(PoolDirectoryTest, TheFallbackMakesAPoolForEachName) {
  Use(Section("*"));
  EXPECT_NE(Pool("a"), Pool("b"));
  EXPECT_EQ(Pool("a")->Target().dbname, "a");
}

TEST_F(PoolDirectoryTest, BudgetsAreSharedByDatabaseAndByUser) {
  Use(Section("shop", "max_db_connections = 3\n") + Section("books") + "[users.app]\nmax_user_connections = 5\n",
      "max_db_connections = 7\n");
  const auto app = Pool("shop", "app"), other = Pool("shop", "other"), books = Pool("books", "app");
  EXPECT_EQ(app->budgets().at(0), other->budgets().at(0));
  EXPECT_NE(app->budgets().at(0), books->budgets().at(0));
  EXPECT_EQ(app->budgets().at(1), books->budgets().at(1));
  EXPECT_NE(app->budgets().at(1), other->budgets().at(1));
  EXPECT_EQ(app->budgets().at(0)->limit(), 3);
  EXPECT_EQ(books->budgets().at(0)->limit(), 7);
  EXPECT_EQ(app->budgets().at(1)->limit(), 5);
  EXPECT_EQ(other->budgets().at(1)->limit(), 0);
  const auto slot = Open(*app);
  EXPECT_EQ(directory_.DatabaseServers("shop").used, 1);
  EXPECT_EQ(directory_.DatabaseServers("shop").limit, 3);
  EXPECT_EQ(directory_.UserServers("app").used, 1);
  EXPECT_EQ(directory_.DatabaseServers("books").used, 0);
  EXPECT_EQ(directory_.DatabaseServers("never heard of").limit, 0);
}

TEST_F(PoolDirectoryTest, ClientBudgetsAreSharedAndNotTheServersOnes) {
  Use(Section("shop", "max_db_client_connections = 1\n") + "[users.app]\nmax_user_client_connections = 2\n");
  const auto& section = *config_->FindDatabase("shop");
  const auto clients = directory_.DatabaseClients(*config_, section, "shop");
  EXPECT_EQ(directory_.DatabaseClients(*config_, section, "shop"), clients);
  EXPECT_NE(clients, Pool("shop")->budgets().at(0));
  EXPECT_TRUE(clients->TryTake());
  EXPECT_FALSE(clients->TryTake());
  EXPECT_EQ(directory_.DatabaseClientsNow("shop").used, 1);
  EXPECT_EQ(directory_.UserClients(*config_, "app")->limit(), 2);
  EXPECT_EQ(directory_.UserClientsNow("app").used, 0);
  EXPECT_EQ(directory_.Users(), (std::vector<std::string>{"app"}));
}

TEST_F(PoolDirectoryTest, ConfigureRelimitsBudgetsAndPools) {
  Use(Section("shop"),
      "default_pool_size = 4\nmax_db_connections = 7\nmax_user_connections = 6\nmax_db_client_connections = 5\n"
      "max_user_client_connections = 4\n");
  const auto pool = Pool("shop");
  const auto clients = directory_.DatabaseClients(*config_, *config_->FindDatabase("shop"), "shop");
  const auto user_clients = directory_.UserClients(*config_, "app");
  Use(Section("shop"),
      "default_pool_size = 14\nmax_db_connections = 17\nmax_user_connections = 16\nmax_db_client_connections = 15\n"
      "max_user_client_connections = 14\n");
  EXPECT_EQ(Configure(), (std::map<std::string, pool::RunMode>{{"shop/app", pool::RunMode::kRunning}}));
  EXPECT_EQ(pool->limits().size, 14);
  EXPECT_EQ(pool->budgets().at(0)->limit(), 17);
  EXPECT_EQ(pool->budgets().at(1)->limit(), 16);
  EXPECT_EQ(clients->limit(), 15);
  EXPECT_EQ(user_clients->limit(), 14);
  EXPECT_EQ(Pool("shop"), pool) << "the pool is kept";
}

TEST_F(PoolDirectoryTest, ConfigureClosesServersOnlyOfWhatChanged) {
  Use(Section("shop") + Section("books"));
  const auto shop = Pool("shop"), books = Pool("books");
  const auto idle = [&](BackendPool& pool) {
    const auto slot = Open(pool);
    pool::Orders orders;
    EXPECT_EQ(pool.Opened(*slot, now_, orders).kind, pool::Pool::Next::Kind::kIdle);
    return slot;
  };
  const auto shop_slot = idle(*shop), books_slot = idle(*books);
  Use(Section("shop", "port = 6000\n") + Section("books", "pool_size = 3\n"));
  std::map<std::string, size_t> closed;
  directory_.Configure(*config_, now_, [&](BackendPool& pool, pool::Orders& orders) {
    closed[pool.key().database] = orders.close.size();
  });
  EXPECT_EQ(closed["shop"], 1u);
  EXPECT_EQ(closed["books"], 0u);
}

TEST_F(PoolDirectoryTest, ARemovedDatabaseIsRemovedAndTheOthersAreNot) {
  Use(Section("shop") + Section("books"));
  const auto shop = Pool("shop"), books = Pool("books");
  Use(Section("books"));
  Configure();
  EXPECT_EQ(ModeOf(shop), pool::RunMode::kRemoved);
  EXPECT_EQ(ModeOf(books), pool::RunMode::kRunning);
}

TEST_F(PoolDirectoryTest, ADatabaseThatComesBackServesAgain) {
  Use(Section("shop") + Section("books"));
  const auto before = Pool("shop");
  Use(Section("books"));
  Configure();
  Use(Section("shop") + Section("books"));
  Configure();
  EXPECT_EQ(ModeOf(Pool("shop")), pool::RunMode::kRunning) << "new clients are given the pool that was removed";
}

TEST_F(PoolDirectoryTest, ADatabaseThatComesBackWhilePausedIsPaused) {
  Use(Section("shop") + Section("books"));
  const auto before = Pool("shop");
  Use(Section("books"));
  Configure();
  directory_.SetPaused("", Paused::kYes);
  Use(Section("shop") + Section("books"));
  Configure();
  EXPECT_EQ(ModeOf(Pool("shop")), pool::RunMode::kPaused);
}

TEST_F(PoolDirectoryTest, ADatabaseThatFallsBackToTheStarIsNotRemoved) {
  Use(Section("shop") + Section("*", "port = 6000\n"));
  const auto pool = Pool("shop");
  Use(Section("*", "port = 6000\n"));
  Configure();
  EXPECT_EQ(ModeOf(pool), pool::RunMode::kRunning);
  EXPECT_EQ(pool->Target().hosts.at(0).port, 6000);
}

TEST_F(PoolDirectoryTest, AForcedUserThatComesEndsThePoolsOfTheOthers) {
  Use(Section("shop"));
  const auto app = Pool("shop", "app"), service = Pool("shop", "service");
  Use(Section("shop", "user = \"service\"\n"));
  Configure();
  EXPECT_EQ(ModeOf(app), pool::RunMode::kRemoved);
  EXPECT_EQ(ModeOf(service), pool::RunMode::kRunning);
}

TEST_F(PoolDirectoryTest, PausedDatabasesAreBornPaused) {
  Use(Section("shop") + Section("books"));
  directory_.SetPaused("shop", Paused::kYes);
  EXPECT_TRUE(directory_.IsPaused("shop"));
  EXPECT_FALSE(directory_.IsPaused("books"));
  EXPECT_FALSE(directory_.IsPaused(""));
  EXPECT_TRUE(directory_.IsAnyPaused());
  EXPECT_EQ(ModeOf(Pool("shop")), pool::RunMode::kPaused);
  EXPECT_EQ(ModeOf(Pool("books")), pool::RunMode::kRunning);
  directory_.SetPaused("shop", Paused::kNo);
  EXPECT_EQ(ModeOf(Pool("shop", "other")), pool::RunMode::kRunning);
  EXPECT_FALSE(directory_.IsAnyPaused());
}

TEST_F(PoolDirectoryTest, APauseOfAllPausesEveryNameAndItsEndEndsAllPauses) {
  Use(Section("shop") + Section("books"));
  directory_.SetPaused("shop", Paused::kYes);
  directory_.SetPaused("", Paused::kYes);
  EXPECT_TRUE(directory_.IsPaused("books"));
  EXPECT_TRUE(directory_.IsPaused(""));
  EXPECT_EQ(ModeOf(Pool("books")), pool::RunMode::kPaused);
  directory_.SetPaused("", Paused::kNo);
  EXPECT_FALSE(directory_.IsPaused("shop"));
  EXPECT_FALSE(directory_.IsAnyPaused());
}

TEST_F(PoolDirectoryTest, SweepKeepsWhatIsUsed) {
  Use(Section("a") + Section("b") + Section("c") + Section("d"));
  const auto held = Pool("a");
  Pool("b")->counters(0).clients.Add(1);
  const auto slot = Open(*Pool("c"));
  Pool("d");
  directory_.Sweep(*config_, now_);
  std::vector<std::string> left;
  for (const auto& pool : directory_.All()) left.push_back(pool->key().database);
  EXPECT_EQ(left, (std::vector<std::string>{"a", "b", "c"})) << "held by somebody, a client, a server";
}

TEST_F(PoolDirectoryTest, SweepKeepsTheTotalsOfItsDatabase) {
  Use(Section("shop"));
  Pool("shop", "app")->counters(0).queries.Add(2);
  Pool("shop", "other")->counters(1).queries.Add(3);
  directory_.Sweep(*config_, now_);
  EXPECT_TRUE(directory_.All().empty());
  EXPECT_EQ(directory_.Retired().at("shop").queries, 5u);
  Pool("shop")->counters(0).queries.Add(10);
  directory_.Sweep(*config_, now_);
  EXPECT_EQ(directory_.Retired().at("shop").queries, 15u) << "counters never go backwards";
}

TEST_F(PoolDirectoryTest, SweepRemembersAFailureForAWhile) {
  Use(Section("shop"));
  FailOpening(*Pool("shop"));
  directory_.Sweep(*config_, now_ + kFailureKept - pool::Duration(1));
  EXPECT_EQ(directory_.All().size(), 1u) << "each new login would try the backend afresh";
  directory_.Sweep(*config_, now_ + kFailureKept);
  EXPECT_TRUE(directory_.All().empty());
}

// --- how long what nobody uses is kept -----------------------------------------------------------------------------------

class ForgottenPoolsTest : public PoolDirectoryTest {
 protected:
  using Names = std::vector<std::string>;
  // A pool that has had a server.
  void Work(const std::string& database, uint64_t queries = 1) {
    const auto pool = Pool(database);
    pool->counters(0).server_logins.Add(1);
    pool->counters(0).queries.Add(queries);
  }
  Names Left() const {
    Names names;
    for (const auto& pool : directory_.All()) names.push_back(pool->key().database);
    return names;
  }
  Names LeftAfter(int seconds) {
    now_ += std::chrono::seconds(seconds);
    directory_.Sweep(*config_, now_);
    return Left();
  }
};

TEST_F(ForgottenPoolsTest, EachByItsTime) {
  Use(Section("shop") + Section("*"), "pool_idle_timeout = 100\nautodb_idle_timeout = 10\n");
  Work("shop");
  Work("made");
  EXPECT_EQ(LeftAfter(0), (Names{"made", "shop"}));
  EXPECT_EQ(LeftAfter(9), (Names{"made", "shop"}));
  EXPECT_EQ(LeftAfter(1), (Names{"shop"}));
  EXPECT_EQ(LeftAfter(89), (Names{"shop"}));
  EXPECT_EQ(LeftAfter(1), (Names{}));
}

TEST_F(ForgottenPoolsTest, ZeroKeepsThem) {
  Use(Section("shop") + Section("*"), "pool_idle_timeout = 0\nautodb_idle_timeout = 0\n");
  Work("shop");
  Work("made");
  LeftAfter(0);
  EXPECT_EQ(LeftAfter(1'000'000), (Names{"made", "shop"}));
}

TEST_F(ForgottenPoolsTest, WhoeverUsesOneBeginsItsTimeAnew) {
  Use(Section("shop"), "pool_idle_timeout = 10\n");
  Work("shop");
  LeftAfter(0);
  LeftAfter(9);
  Pool("shop");  // came and went between two looks
  EXPECT_EQ(LeftAfter(1), (Names{"shop"}));
  EXPECT_EQ(LeftAfter(9), (Names{"shop"}));
  auto held = Pool("shop");
  EXPECT_EQ(LeftAfter(100), (Names{"shop"})) << "somebody has it who has not logged in yet";
  held.reset();
  EXPECT_EQ(LeftAfter(100), (Names{"shop"}));
  EXPECT_EQ(LeftAfter(10), (Names{}));
}

TEST_F(ForgottenPoolsTest, WhatNeverHadAServerOrIsRemovedGoesAtOnce) {
  Use(Section("shop") + Section("*"), "pool_idle_timeout = 100\n");
  Pool("invented");
  Work("shop");
  EXPECT_EQ(LeftAfter(0), (Names{"shop"}));
  Use(Section("other"), "pool_idle_timeout = 100\n");
  Configure();
  EXPECT_EQ(LeftAfter(0), (Names{}));
}

TEST_F(ForgottenPoolsTest, TotalsOfAMadeDatabaseStayWithTheFallback) {
  Use(Section("shop") + Section("*"), "pool_idle_timeout = 1\n");
  Work("made", 5);
  Work("shop", 7);
  Pool("made", "other")->counters(0).clients.Add(1);
  LeftAfter(0);
  LeftAfter(1);
  EXPECT_EQ(directory_.Retired().at("made").queries, 5u) << "another user of it is still there";
  EXPECT_EQ(directory_.Retired().at("shop").queries, 7u);
  Pool("made", "other")->counters(0).clients.Subtract(1);
  LeftAfter(0);
  LeftAfter(1);
  EXPECT_FALSE(directory_.Retired().contains("made"));
  EXPECT_EQ(directory_.Retired().at("*").queries, 5u);
  EXPECT_EQ(directory_.Retired().at("shop").queries, 7u);
}

TEST_F(ForgottenPoolsTest, NothingIsKeptByInventedNames) {
  Use(Section("*"), "max_db_connections = 5\nmax_user_connections = 5\n");
  for (const char* name : {"a", "b"}) {
    const auto clients = directory_.DatabaseClients(*config_, *config_->FindDatabase(name), name);
    const auto users = directory_.UserClients(*config_, name);
    EXPECT_TRUE(clients->TryTake());
    EXPECT_TRUE(users->TryTake());
    const auto pool = Pool(name, name);
    directory_.Sweep(*config_, now_);
    EXPECT_EQ(directory_.DatabaseClientsNow(name).used, 1) << "it is in use";
    EXPECT_EQ(directory_.DatabaseServers(name).limit, 5);
    clients->Give();
    users->Give();
  }
  directory_.Sweep(*config_, now_);
  EXPECT_TRUE(directory_.All().empty());
  EXPECT_TRUE(directory_.Users().empty());
  EXPECT_EQ(directory_.DatabaseServers("a").limit, 0) << "the cap has gone, too";
  EXPECT_EQ(directory_.Retired().size(), 1u);
}

// Who has been given a pool has the one that the others are given, too, as long as it keeps it, and what it counts is not lost.
TEST_F(ForgottenPoolsTest, WhoeverComesWhileItIsForgottenKeepsItsPool) {
  Use(Section("shop"));
  std::atomic<bool> is_done{false};
  std::atomic<uint64_t> strays{0}, counted{0};
  std::vector<std::thread> clients;
  for (pool::WorkerId worker = 0; worker < 2; ++worker) {
    clients.emplace_back([&, worker] {
      while (!is_done) {
        {
          const auto pool = Pool("shop");
          if (Pool("shop") != pool) ++strays;
          pool->counters(worker).queries.Add(1);
          ++counted;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      }
    });
  }
  int forgotten = 0;
  uint64_t before = 0;
  const test_support::Deadline deadline;
  while (forgotten < 50 && !deadline.passed()) {
    directory_.Sweep(*config_, now_);
    const auto retired = directory_.Retired();
    const uint64_t now = retired.contains("shop") ? retired.at("shop").queries : 0;
    forgotten += now > before ? 1 : 0;
    before = now;
  }
  is_done = true;
  for (std::thread& client : clients) client.join();
  directory_.Sweep(*config_, now_);
  EXPECT_GE(forgotten, 50);
  EXPECT_EQ(strays, 0u);
  EXPECT_EQ(directory_.Retired().at("shop").queries, counted);
}

TEST_F(ForgottenPoolsTest, TheOneUnusedForLongestMakesRoom) {
  Use(Section("*"), "pool_idle_timeout = 0\nautodb_idle_timeout = 0\n");
  for (size_t i = 0; i < kPoolsMax; ++i) Work("d" + std::to_string(i));
  const auto held = Pool("d0");
  LeftAfter(0);
  Pool("d1");  // used since
  LeftAfter(1);
  EXPECT_EQ(Left().size(), kPoolsMax);
  EXPECT_NE(Pool("one more"), nullptr);
  const Names left = Left();
  EXPECT_EQ(left.size(), kPoolsMax);
  for (const char* name : {"d0", "d1", "one more"}) EXPECT_EQ(std::count(left.begin(), left.end(), name), 1) << name;
}

TEST_F(PoolDirectoryTest, AnIdleServerOfAnotherPoolUnderTheSameBudgetIsGivenUp) {
  Use(Section("shop") + Section("books"), "max_db_connections = 2\n");
  const auto asking = Pool("shop", "app"), rich = Pool("shop", "other"), stranger = Pool("books", "third");
  for (const auto& pool : {rich, stranger}) {
    pool::Orders orders;
    pool->Opened(*Open(*pool), now_, orders);
  }
  pool::Orders orders;
  EXPECT_EQ(directory_.EvictFor(*asking->budgets().at(0), *asking, now_, orders), rich);
  EXPECT_EQ(orders.close.size(), 1u);
  pool::Orders none;
  EXPECT_EQ(directory_.EvictFor(*asking->budgets().at(0), *asking, now_, none), nullptr)
      << "books is under another budget";
}

TEST_F(PoolDirectoryTest, AHostHasOneBudgetForAllDatabasesAndUsers) {
  Use(Section("shop") + Section("books"), "max_host_connections = 2\n");
  const auto a = Pool("shop", "app"), b = Pool("books", "other");
  ASSERT_EQ(a->budgets().size(), 3u);
  const auto host = a->budgets()[2];
  EXPECT_EQ(b->budgets().at(2), host);
  EXPECT_EQ(host->limit(), 2);
  EXPECT_TRUE(host->name().starts_with("max_host_connections of host ")) << host->name();
  Use(Section("shop") + "[databases.books]\nhost = \"10.0.0.9,10.0.0.8\"\n", "max_host_connections = 3\n");
  directory_.Configure(*config_, now_, [](auto&, auto&) {});
  EXPECT_EQ(host->limit(), 3);
  EXPECT_EQ(a->budgets().at(2), host);
  EXPECT_EQ(b->budgets().size(), 4u) << "its servers may be at either";
  EXPECT_FALSE(b->DrawsOn(*host));
}

TEST_F(PoolDirectoryTest, TheRichestGivesUpAnIdleServerFirst) {
  Use(Section("shop"), "max_db_connections = 9\n");
  const auto asking = Pool("shop", "app"), rich = Pool("shop", "rich"), poor = Pool("shop", "poor");
  pool::Orders orders;
  poor->Opened(*Open(*poor), now_, orders);
  now_ += pool::Duration(1);
  auto limits = rich->limits();
  limits.min_size = 2;
  rich->SetLimits(limits, now_, orders);
  while (!orders.open.empty()) {
    for (const auto& slot : std::exchange(orders, {}).open) rich->Opened(*slot, now_, orders);
  }
  EXPECT_EQ(directory_.EvictFor(*asking->budgets().at(0), *asking, now_, orders), rich) << "although that of poor has been idle for longer";
}

TEST_F(PoolDirectoryTest, TheNumberOfPoolsIsBounded) {
  Use(Section("*"));
  for (size_t i = 0; i < kPoolsMax; ++i) ASSERT_NE(Pool("d" + std::to_string(i)), nullptr);
  EXPECT_EQ(Pool("one more"), nullptr);
  EXPECT_NE(Pool("d0"), nullptr) << "what exists is still found";
  directory_.Sweep(*config_, now_);
  EXPECT_NE(Pool("one more"), nullptr);
}

}  // namespace
}  // namespace proxy
