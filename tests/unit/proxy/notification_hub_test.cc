// NotificationHub against a real PostgreSQL: who hears what, over which connection, until when.
#include "proxy/notification_hub.h"

#include <gtest/gtest.h>

#include "tests/support/postgres_cluster.h"
#include "tests/support/pq.h"
#include "tests/unit/proxy/notification_rig.h"

namespace proxy {
namespace {

using test_support::Connection;
using test_support::Eventually;
using Strings = std::vector<std::string>;

constexpr Subscriber kAnna{0, 1}, kBert{1, 2}, kCara{1, 3};

class NotificationHubTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { postgres_ = new test_support::PostgresCluster(); }
  static void TearDownTestSuite() { delete std::exchange(postgres_, nullptr); }

  void Notify(const std::string& channel, const std::string& payload) {
    admin_.Params("select pg_notify($1, $2)", {channel, payload});
  }
  // What listening backends did last, as PostgreSQL tells it.
  Strings ListeningQueries() {
    Strings queries;
    const auto result = admin_.Query("select query from pg_stat_activity where query ~ '^(UN)?LISTEN' order by 1");
    for (int row = 0; row < result.rows(); ++row) queries.push_back(result.Value(row));
    return queries;
  }
  bool AwaitQueries(const Strings& expected) {
    return Eventually([&] { return ListeningQueries() == expected; });
  }
  void TerminateListening() {
    admin_.Query("select pg_terminate_backend(pid, 10000) from pg_stat_activity where query ~ '^(UN)?LISTEN'");
  }

  static test_support::PostgresCluster* postgres_;
  Connection admin_{postgres_->SuperuserString()};
};
test_support::PostgresCluster* NotificationHubTest::postgres_ = nullptr;

TEST_F(NotificationHubTest, EverySubscriberOfAChannelHearsItOnceAndInOrderOverOneConnection) {
  NotificationRig rig(postgres_->port());
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  ASSERT_EQ(rig.Listen(kBert, {"a", "b"}), "");
  ASSERT_EQ(rig.Listen(kCara, {"b"}), "");
  EXPECT_EQ(ListeningQueries().size(), 1u);
  EXPECT_EQ(rig.database_budget().used(), 1);
  EXPECT_EQ(rig.user_budget().used(), 1);
  admin_.Query("select pg_notify(c, n::text) from generate_series(1, 100) n, unnest(array['a', 'b', 'x']) c order by n, c");
  ASSERT_TRUE(rig.AwaitNotified(kAnna, 100));
  ASSERT_TRUE(rig.AwaitNotified(kBert, 200));
  ASSERT_TRUE(rig.AwaitNotified(kCara, 100));
  Strings a, b, both;
  for (int n = 1; n <= 100; ++n) {
    a.push_back("a=" + std::to_string(n));
    b.push_back("b=" + std::to_string(n));
    both.insert(both.end(), {a.back(), b.back()});
  }
  EXPECT_EQ(rig.Notified(kAnna), a);
  EXPECT_EQ(rig.Notified(kBert), both);
  EXPECT_EQ(rig.Notified(kCara), b);
}

TEST_F(NotificationHubTest, WhoJoinsLaterHearsWhatComesAfterItsAnswerOnly) {
  NotificationRig rig(postgres_->port());
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  Notify("a", "before");
  ASSERT_TRUE(rig.AwaitNotified(kAnna, 1));
  ASSERT_EQ(rig.Listen(kBert, {"a"}), "");
  Notify("a", "after");
  ASSERT_TRUE(rig.AwaitNotified(kBert, 1));
  EXPECT_EQ(rig.Notified(kBert), Strings{"a=after"});
}

TEST_F(NotificationHubTest, WhatWasCommittedBeforeUnsubscribeStillComesAndNothingAfterIt) {
  NotificationRig rig(postgres_->port());
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  ASSERT_EQ(rig.Listen(kBert, {"a"}), "");
  for (int round = 0; round < 200; ++round) {
    Notify("a", std::to_string(round));
    // The last of a channel (UNLISTEN) and one of several (a round trip) in turn.
    if (round % 2 == 0) { EXPECT_EQ(rig.Unlisten(kAnna, {}), ""); }
    ASSERT_EQ(rig.Unlisten(kBert, {"a"}), "");
    EXPECT_EQ(rig.Notified(kBert).size(), static_cast<size_t>(round) + 1);
    // To one who joins others it might come late; one who is alone is behind its own LISTEN.
    if (round % 2 == 0) Notify("a", "nobody's");
    ASSERT_EQ(rig.Listen(kBert, {"a"}), "");
    if (round % 2 == 0) { EXPECT_EQ(rig.Listen(kAnna, {"a"}), ""); }
  }
  const Strings heard = rig.Notified(kBert);
  EXPECT_EQ(std::count(heard.begin(), heard.end(), "a=nobody's"), 0);
}

TEST_F(NotificationHubTest, UnlistenWhenTheLastOfAChannelLeavesAndNoConnectionWhenNobodyIsLeft) {
  NotificationRig rig(postgres_->port());
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  ASSERT_EQ(rig.Listen(kBert, {"a"}), "");
  ASSERT_EQ(rig.Listen(kBert, {"b"}), "");
  EXPECT_EQ(ListeningQueries(), Strings{"LISTEN \"b\""});
  ASSERT_EQ(rig.Unlisten(kAnna, {"a"}), "");
  EXPECT_EQ(ListeningQueries(), Strings{"LISTEN \"a\""}) << "somebody still wants it: a round trip that changes nothing";
  ASSERT_EQ(rig.Unlisten(kBert, {"a"}), "");
  EXPECT_EQ(ListeningQueries(), Strings{"UNLISTEN \"a\""});
  ASSERT_EQ(rig.Unlisten(kBert, {}), "");
  EXPECT_TRUE(AwaitQueries({}));
  EXPECT_TRUE(rig.AwaitNoConnection());
}

TEST_F(NotificationHubTest, AClientThatEndsIsForgottenAndItsChannelsWithIt) {
  NotificationRig rig(postgres_->port());
  ASSERT_EQ(rig.Listen(kAnna, {"a", "b"}), "");
  ASSERT_EQ(rig.Listen(kBert, {"b"}), "");
  rig.Forget(kAnna);
  EXPECT_TRUE(AwaitQueries({"UNLISTEN \"a\""}));
  Notify("b", "1");
  ASSERT_TRUE(rig.AwaitNotified(kBert, 1));
  EXPECT_TRUE(rig.Notified(kAnna).empty());
  rig.Subscribe(kAnna, {"c"});
  rig.Forget(kAnna);
  rig.Forget(kBert);
  EXPECT_TRUE(rig.AwaitNoConnection());
  EXPECT_TRUE(AwaitQueries({}));
  EXPECT_LE(rig.Count(kAnna, Heard::Kind::kDone), 2u) << "one that is forgotten gets no answer, unless it was faster";
}

TEST_F(NotificationHubTest, NamesAreIdentifiersAsTheyAre) {
  NotificationRig rig(postgres_->port());
  const std::string longest(kChannelBytesMax, 'n');
  const Strings names = {"we\"ird", "Upper Case", "\"; select 1; --", "\\", "\xc3\xa4", longest};
  ASSERT_EQ(rig.Listen(kAnna, names), "");
  for (const auto& name : names) Notify(name, "x");
  ASSERT_TRUE(rig.AwaitNotified(kAnna, names.size()));
  for (size_t i = 0; i < names.size(); ++i) EXPECT_EQ(rig.Notified(kAnna)[i], names[i] + "=x");
  for (const auto& bad : {std::string(), longest + "n", std::string("a\0b", 3)}) {
    EXPECT_EQ(rig.Listen(kBert, {"good", bad}), "cannot listen: a channel name has 1 to 63 bytes");
  }
  EXPECT_NE(rig.Listen(kBert, {"\xff\xff"}), "") << "not in the server's encoding: its own error";
  ASSERT_EQ(rig.Listen(kBert, {"good"}), "");
}

TEST_F(NotificationHubTest, ALostConnectionComesBackAndEverybodyIsToldOfTheGapOnce) {
  NotificationRig rig(postgres_->port());
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  ASSERT_EQ(rig.Listen(kBert, {"a", "b"}), "");
  for (int round = 1; round <= 3; ++round) {
    TerminateListening();
    ASSERT_TRUE(rig.AwaitCount(kAnna, Heard::Kind::kGap, static_cast<size_t>(round)));
    ASSERT_TRUE(rig.AwaitCount(kBert, Heard::Kind::kGap, static_cast<size_t>(round)));
    Notify("a", std::to_string(round));
    Notify("b", std::to_string(round));
    ASSERT_TRUE(rig.AwaitNotified(kAnna, static_cast<size_t>(round)));
    ASSERT_TRUE(rig.AwaitNotified(kBert, static_cast<size_t>(round) * 2));
  }
  EXPECT_EQ(rig.Count(kAnna, Heard::Kind::kGap), 3u);
  EXPECT_EQ(rig.HeardBy(kBert)[1], (Heard{Heard::Kind::kGap, "a,b"}));
  EXPECT_EQ(rig.HeardBy(kAnna)[1], (Heard{Heard::Kind::kGap, "a"}));
  EXPECT_EQ(rig.database_budget().used(), 1);
}

TEST_F(NotificationHubTest, WhileTheServerIsDownSubscribesFailAndTheOthersComeBackWithIt) {
  NotificationRig rig(postgres_->port());
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  admin_.Close();
  postgres_->Stop(test_support::StopMode::kImmediate);
  EXPECT_NE(rig.Listen(kBert, {"b"}), "");
  EXPECT_EQ(rig.Unlisten(kBert, {"b"}), "") << "nothing of the failed call is left";
  postgres_->Start();
  admin_ = Connection(postgres_->SuperuserString());
  ASSERT_TRUE(rig.AwaitCount(kAnna, Heard::Kind::kGap, 1));
  Notify("b", "x");
  Notify("a", "x");
  ASSERT_TRUE(rig.AwaitNotified(kAnna, 1));
  EXPECT_EQ(rig.Count(kBert, Heard::Kind::kNotification), 0u);
  EXPECT_EQ(ListeningQueries(), Strings{"LISTEN \"a\""});
  rig.Forget(kAnna);
  EXPECT_TRUE(rig.AwaitNoConnection());
}

TEST_F(NotificationHubTest, AReachedCapIsNamedAndItsPlaceIsAskedForAgain) {
  NotificationRig rig(postgres_->port(), {1, 1});
  ASSERT_TRUE(rig.database_budget().TryTake());
  EXPECT_EQ(rig.Listen(kAnna, {"a"}), "cannot listen: max_db_connections of database \"shop\" (1) is reached");
  rig.database_budget().Give();
  ASSERT_TRUE(rig.user_budget().TryTake());
  EXPECT_EQ(rig.Listen(kAnna, {"a"}), "cannot listen: max_user_connections of user \"postgres\" (1) is reached");
  EXPECT_EQ(rig.database_budget().used(), 0) << "the place under the first cap was given back";
  rig.user_budget().Give();
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  // The only place is in use until the old connection has closed: the newcomer waits for it and is not refused.
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(rig.Unlisten(kAnna, {}), "");
    ASSERT_EQ(rig.Listen(kBert, {"a"}), "");
    ASSERT_EQ(rig.Unlisten(kBert, {}), "");
    ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  }
  // A pool that waits for a place is told of the one that is given back.
  ASSERT_FALSE(rig.database_budget().TryTake({rig.pool(), {}, 1, Now(), 0}));
  ASSERT_EQ(rig.Unlisten(kAnna, {}), "");
  EXPECT_TRUE(Eventually([&] { return rig.pokes() == 1; }));
}

TEST_F(NotificationHubTest, ReopenTakesAnotherConnectionUnderTheSameCapAndTellsTheGap) {
  NotificationRig rig(postgres_->port(), {1, 1});
  rig.hub().Reopen(rig.pool());
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  const std::string of_listening = "select pid from pg_stat_activity where query ~ '^LISTEN'";
  const std::string before = admin_.Value(of_listening);
  rig.hub().Reopen(rig.pool());
  rig.Subscribe(kBert, {"b"}, "while it closes");
  ASSERT_TRUE(rig.AwaitCount(kAnna, Heard::Kind::kGap, 1));
  ASSERT_TRUE(rig.AwaitCount(kBert, Heard::Kind::kDone, 1));
  EXPECT_NE(admin_.Value(of_listening), before);
  EXPECT_EQ(rig.Count(kBert, Heard::Kind::kGap), 0u);
  Notify("a", "1");
  ASSERT_TRUE(rig.AwaitNotified(kAnna, 1));
  // In every moment of its life.
  for (int round = 0; round < 50; ++round) {
    rig.hub().Reopen(rig.pool());
    rig.Unsubscribe(kBert, {"b"});
    rig.hub().Reopen(rig.pool());
    ASSERT_EQ(rig.Listen(kBert, {"b"}), "");
  }
  rig.Forget(kBert);
  rig.hub().Reopen(rig.pool());
  rig.Forget(kAnna);
  EXPECT_TRUE(rig.AwaitNoConnection());
}

TEST_F(NotificationHubTest, ALostPlaceIsRegainedWithAGap) {
  NotificationRig rig(postgres_->port(), {1, 0});
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  rig.database_budget().SetLimit(0);
  ASSERT_TRUE(rig.database_budget().TryTake());
  rig.database_budget().SetLimit(1);
  TerminateListening();
  ASSERT_TRUE(Eventually([&] { return rig.database_budget().used() == 1; }));
  EXPECT_NE(rig.Listen(kBert, {"a"}), "");
  rig.database_budget().Give();
  ASSERT_TRUE(rig.AwaitCount(kAnna, Heard::Kind::kGap, 1));
}

TEST_F(NotificationHubTest, ChannelsOfAPoolAreLimited) {
  NotificationRig rig(postgres_->port());
  Strings channels;
  for (size_t i = 0; i + 1 < kChannelsPerPoolMax; ++i) channels.push_back("c" + std::to_string(i));
  ASSERT_EQ(rig.Listen(kAnna, channels), "");
  EXPECT_NE(rig.Listen(kBert, {"x", "y"}), "");
  ASSERT_EQ(rig.Listen(kBert, {"x"}), "");
  EXPECT_EQ(rig.Listen(kCara, {"y"}), "cannot listen: too many channels (1000) for one database and user");
  ASSERT_EQ(rig.Listen(kCara, {"x", "c0"}), "") << "known channels cost nothing";
  ASSERT_EQ(rig.Unlisten(kAnna, {"c1"}), "");
  ASSERT_EQ(rig.Listen(kCara, {"y"}), "");
  ASSERT_EQ(rig.Unlisten(kAnna, {}), "");
  TerminateListening();
  ASSERT_TRUE(rig.AwaitCount(kCara, Heard::Kind::kGap, 1));
}

TEST_F(NotificationHubTest, SubscribersOfAPoolAreLimited) {
  NotificationRig rig(postgres_->port());
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  for (size_t i = 2; i < kSubscribersPerPoolMax; ++i) rig.Subscribe({i % 2 == 0 ? 0u : 1u, 100 + i}, {"a"});
  ASSERT_EQ(rig.Listen({0, 50}, {"a"}), "");
  EXPECT_EQ(rig.Listen({0, 51}, {"a"}), "cannot listen: too many listening clients (10000) for one database and user");
  ASSERT_EQ(rig.Listen({0, 50}, {"b"}), "") << "one that is known may take more channels";
  ASSERT_EQ(rig.Unlisten({0, 50}, {}), "");
  ASSERT_EQ(rig.Listen({0, 51}, {"a"}), "");
  Notify("a", "1");
  for (size_t i = 2; i < kSubscribersPerPoolMax; ++i) ASSERT_TRUE(rig.AwaitNotified({i % 2 == 0 ? 0u : 1u, 100 + i}, 1));
}

TEST_F(NotificationHubTest, StopAnswersWhoeverWaitsAndGivesThePlaceBack) {
  NotificationRig rig(postgres_->port());
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  postgres_->Pause();  // what is asked now gets no answer
  rig.Subscribe(kBert, {"b"});
  rig.Unsubscribe(kAnna, {"a"});
  rig.hub().Stop();
  EXPECT_TRUE(rig.AwaitCount(kAnna, Heard::Kind::kError, 1));
  EXPECT_TRUE(rig.AwaitCount(kBert, Heard::Kind::kError, 1));
  EXPECT_TRUE(rig.AwaitNoConnection());
  EXPECT_NE(rig.Listen(kCara, {"a"}), "");
  postgres_->Continue();
}

TEST_F(NotificationHubTest, TheHubMayEndInEveryState) {
  NotificationRig rig(postgres_->port());
  rig.Subscribe(kAnna, {"a"});
  rig.EndHub();
  EXPECT_TRUE(rig.AwaitNoConnection());
}

}  // namespace
}  // namespace proxy
