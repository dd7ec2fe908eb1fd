// What a pool's figures of the last minutes say about its size.
#include "admin/advice.h"

#include <gtest/gtest.h>

#include "admin/advice_table.h"
#include "admin/own_pool.h"
#include "tests/unit/admin/fake_control.h"

namespace admin {
namespace {

using std::chrono::seconds;

// `rate` clients a second for a minute, each of which keeps its server for `hold_us`; all of them waited `wait_us`.
PoolLoad Load(uint64_t rate, uint64_t hold_us, uint64_t wait_us) {
  PoolLoad load;
  load.period = seconds(60);
  load.served = load.releases = rate * 60;
  load.held_us = load.releases * hold_us;
  load.wait_us = load.served * wait_us;
  size_t step = 0;
  while (step < proxy::kHistogramBoundsUs.size() && wait_us > proxy::kHistogramBoundsUs[step]) ++step;
  load.waits[step] = load.served;
  return load;
}

bool Begins(const Advice& advice, const std::string& words) { return advice.text.starts_with(words); }

TEST(Advise, MeasuresTheLoadInServers) {
  const Advice advice = Advise(Load(200, 20'000, 0), {.size = 8});
  EXPECT_DOUBLE_EQ(advice.rate, 200);
  EXPECT_DOUBLE_EQ(advice.hold_us, 20'000);
  EXPECT_DOUBLE_EQ(advice.load, 4);
  EXPECT_DOUBLE_EQ(advice.use, 0.5);
  EXPECT_EQ(advice.text, "enough");
}

TEST(Advise, SaysNothingOfTooLittle) {
  for (const PoolLoad& load : {Load(0, 0, 0), Load(1, 10'000, 0), PoolLoad()}) {
    const Advice advice = Advise(load, {.size = 8});
    EXPECT_TRUE(Begins(advice, "too little traffic to say")) << advice.text;
    EXPECT_FALSE(advice.size);
    EXPECT_FALSE(advice.wait_us);
  }
  PoolLoad never_back = Load(100, 10'000, 0);
  never_back.releases = 0;
  EXPECT_FALSE(Advise(never_back, {.size = 8}).size) << "nobody knows how long they keep them";
}

TEST(Advise, RaisesWhatMakesClientsWait) {
  const Advice advice = Advise(Load(200, 20'000, 60'000), {.size = 4, .reserve = 2});  // a load of 4: always full
  ASSERT_TRUE(advice.size);
  EXPECT_FALSE(advice.wait_us) << "without bound";
  EXPECT_GT(*advice.size, 4);
  EXPECT_LE(*advice.advised_wait_p95_us, advice.target_us);
  EXPECT_TRUE(Begins(advice, "raise pool_size to " + std::to_string(*advice.size) + " or more")) << advice.text;
  EXPECT_NE(advice.text.find("SHOW CAPACITY"), std::string::npos);
  const Advice some = Advise(Load(200, 20'000, 60'000), {.size = 5});
  EXPECT_TRUE(Begins(some, "raise pool_size to " + std::to_string(*some.size) + "; SHOW")) << some.text;
}

TEST(Advise, NamesTheCapsThatStandInTheWay) {
  const Advice advice = Advise(Load(200, 20'000, 60'000), {.size = 4, .reserve = 2, .database_cap = 6, .user_cap = 5});
  EXPECT_NE(advice.text.find("max_db_connections (6)"), std::string::npos) << advice.text;
  EXPECT_NE(advice.text.find("max_user_connections (5)"), std::string::npos) << advice.text;
  const Advice wide = Advise(Load(200, 20'000, 60'000), {.size = 4, .database_cap = 100, .user_cap = 100});
  EXPECT_EQ(wide.text.find("max_"), std::string::npos) << wide.text;
}

// As many clients as servers, all always busy: the model would have them wait for ever, and none does.
TEST(Advise, RaisesNothingWhileNobodyWaits) {
  const Advice advice = Advise(Load(200, 20'000, 50), {.size = 4});
  EXPECT_TRUE(Begins(advice, "enough")) << advice.text;
}

TEST(Advise, LowersWhatIsFarTooMuchButNotUnderItsMinimum) {
  const Advice advice = Advise(Load(200, 20'000, 0), {.size = 40});
  ASSERT_TRUE(advice.size);
  EXPECT_LT(*advice.size, 20);
  EXPECT_TRUE(Begins(advice, "lower pool_size to " + std::to_string(*advice.size))) << advice.text;
  EXPECT_EQ(Advise(Load(200, 20'000, 0), {.size = 40, .min_size = 30}).text, "enough");
  EXPECT_EQ(Advise(Load(1'000, 10, 0), {.size = 1}).text, "enough");
}

TEST(Advise, WaitsThatTheSizeDoesNotExplainAreBursts) {
  const Advice advice = Advise(Load(200, 20'000, 500'000), {.size = 20});
  EXPECT_TRUE(Begins(advice, "enough for an even load: who waited came in a burst")) << advice.text;
}

TEST(Advise, WhoNeedsLongDoesNotMindATenthOfIt) {
  EXPECT_DOUBLE_EQ(Advise(Load(10, 50'000, 0), {.size = 4}).target_us, 10'000);
  EXPECT_DOUBLE_EQ(Advise(Load(10, 2'000'000, 0), {.size = 4}).target_us, 200'000);
}

TEST(Advise, WhoWasShedCameToo) {
  PoolLoad load = Load(100, 20'000, 60'000);
  load.refused = 6'000;
  EXPECT_DOUBLE_EQ(Advise(load, {.size = 4}).load, 4);
}

TEST(PoolLoadTest, The95thPercentileIsInsideItsStep) {
  PoolLoad load;
  EXPECT_EQ(load.WaitP95Us(), 0u);
  load.waits[0] = 100;
  EXPECT_EQ(load.WaitP95Us(), 95u);
  load.waits[0] = 90;
  load.waits[5] = 10;  // 2.5 to 5 ms
  EXPECT_EQ(load.WaitP95Us(), 3'750u);
  load.waits = {};
  load.waits.back() = 1;
  EXPECT_EQ(load.WaitP95Us(), proxy::kHistogramBoundsUs.back());
}

class LoadWindowTest : public testing::Test {
 protected:
  static proxy::PoolRow Pool(uint64_t served, const std::string& database = "shop") {
    proxy::PoolRow pool;
    pool.database = database;
    pool.user = "app";
    pool.totals.server_assignments = served;
    pool.totals.releases = served;
    pool.totals.held_us = served * 10;
    pool.totals.wait_us = served * 2;
    pool.totals.wait.buckets[1] = served;
    return pool;
  }
  void Feed(int at, const std::vector<proxy::PoolRow>& pools) {
    proxy::Snapshot snapshot;
    snapshot.pools = pools;
    window_.Feed(snapshot, start_ + seconds(at));
  }
  PoolLoad At(int at, uint64_t served) { return window_.LoadOf(Pool(served), start_ + seconds(at)); }

  LoadWindow::Time start_{seconds(1000)};
  LoadWindow window_{start_};
};

TEST_F(LoadWindowTest, BeforeTheFirstSampleSinceTheStart) {
  const PoolLoad load = At(12, 7);
  EXPECT_EQ(load.period, seconds(12));
  EXPECT_EQ(load.served, 7u);
  EXPECT_EQ(load.held_us, 70u);
  EXPECT_EQ(load.wait_us, 14u);
  EXPECT_EQ(load.waits[1], 7u);
}

TEST_F(LoadWindowTest, KeepsTheLastSamplesAndNoMore) {
  for (int i = 1; i <= 50; ++i) Feed(i * 30, {Pool(static_cast<uint64_t>(i) * 100)});
  const PoolLoad load = At(50 * 30 + 5, 5'050);
  EXPECT_EQ(load.period, seconds(9 * 30 + 5)) << "ten samples are nine periods";
  EXPECT_EQ(load.served, 950u);
}

TEST_F(LoadWindowTest, APoolThatCameInBetweenCountsFromZero) {
  Feed(30, {});
  Feed(60, {});
  Feed(90, {Pool(40)});
  const PoolLoad load = At(100, 50);
  EXPECT_EQ(load.period, seconds(40));
  EXPECT_EQ(load.served, 50u);
}

TEST_F(LoadWindowTest, APoolThatHasGoneIsForgottenAndOneThatCameBackIsNew) {
  Feed(30, {Pool(40)});
  Feed(60, {});
  EXPECT_EQ(At(70, 3).served, 3u);
  Feed(90, {Pool(400)});
  EXPECT_EQ(At(100, 5).served, 5u) << "made anew between two samples: from the zero before it";
  for (int i = 0; i < 20; ++i) Feed(120 + 30 * i, {Pool(400)});
  EXPECT_EQ(At(1'000, 5).served, 0u) << "backwards is no growth";
}

TEST(AdviceTable, ARowForEachPoolButTheConsoles) {
  admin_test::FakeControl control;
  proxy::Snapshot snapshot = admin_test::ShopSnapshot();
  OwnPool().AddTo(snapshot);
  snapshot.pools[1].totals = {};
  proxy::PoolTotals& totals = snapshot.pools[1].database == "shop" ? snapshot.pools[1].totals : snapshot.pools[0].totals;
  totals = {};
  totals.server_assignments = totals.releases = 10'000;
  totals.held_us = 10'000 * 20'000;
  totals.wait_us = 10'000 * 40'000;
  totals.wait.buckets[8] = 10'000;
  const StatsWindow stats{StatsWindow::Time()};
  const LoadWindow loads{LoadWindow::Time(seconds(1000))};
  const Facts facts{.snapshot = snapshot, .config = *control.config_, .run_state = control.state, .window = stats, .loads = loads,
                    .now = LoadWindow::Time(seconds(1050))};
  const auto rows = AdviceRows(facts);
  ASSERT_EQ(rows.size(), 2u);
  std::string text;
  for (const auto& value : rows[0]) text += value.value_or("~") + '|';
  EXPECT_EQ(text, "shop|app|5|50|200.000|20000|4.000|80.000|40000|48750|10000|11082|48107|7|6627|"
                  "raise pool_size to 7; SHOW CAPACITY says what the server allows|");
  EXPECT_EQ(rows[1][1], "report");
  EXPECT_EQ(rows[1][13], std::nullopt);
}

}  // namespace
}  // namespace admin
