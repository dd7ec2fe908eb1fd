// The invariant of the hub under a flood: writers notify as fast as they can while subscribers on two workers come and go.
//
// Every writer numbers its notifications per channel and publishes the number after its commit. A subscriber's visit must hear
// of each writer and channel an unbroken run of numbers, that begins no later than the first one committed after its Subscribe
// was answered (of each writer one number may be committed but not published yet) and ends no earlier than the last one
// published before it asked for Unsubscribe.
//
// A flood that outruns the hub for good would only measure the machine: every writer goes on only when a witness of its own
// has heard its mark, which lies in the stream behind all that was notified before.
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "tests/support/postgres_cluster.h"
#include "tests/support/pq.h"
#include "tests/unit/proxy/notification_rig.h"

namespace proxy {
namespace {

constexpr size_t kWriters = 3, kChannels = 3, kSubscribers = 6;
constexpr int kVisits = 40, kGaps = 20, kBetweenMarks = 30;

// numbers[writer][channel]
using Numbers = std::array<std::array<int, kChannels>, kWriters>;

class Writers {
 public:
  Writers(NotificationRig& rig, const std::string& conninfo) : rig_(rig) {
    for (size_t w = 0; w < kWriters; ++w) EXPECT_EQ(rig_.Listen(WitnessOf(w), {MarkOf(w)}), "");
    for (size_t w = 0; w < kWriters; ++w) threads_.emplace_back([this, w, conninfo] { Write(w, conninfo); });
  }
  ~Writers() { Stop(); }
  void Stop() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    for (size_t w = 0; w < kWriters; ++w) rig_.Forget(WitnessOf(w));
  }
  Numbers Committed() const {
    Numbers numbers{};
    for (size_t w = 0; w < kWriters; ++w) {
      for (size_t c = 0; c < kChannels; ++c) numbers[w][c] = committed_[w][c].load();
    }
    return numbers;
  }

 private:
  static Subscriber WitnessOf(size_t writer) {
    return {static_cast<pool::WorkerId>(writer % NotificationRig::kWorkers), 100 + writer};
  }
  static std::string MarkOf(size_t writer) { return "mark" + std::to_string(writer); }
  // A lost connection may have lost the mark: then the word of the gap is as good.
  void AwaitMark(test_support::Connection& connection, size_t writer) {
    const Subscriber witness = WitnessOf(writer);
    const auto heard = [&] {
      return rig_.Count(witness, Heard::Kind::kNotification) + rig_.Count(witness, Heard::Kind::kGap);
    };
    const size_t before = heard();
    connection.Query("notify " + MarkOf(writer));
    test_support::Eventually([&] { return stop_ || heard() > before; }, test_support::Milliseconds(60'000));
  }
  void Write(size_t writer, const std::string& conninfo) {
    test_support::Connection connection(conninfo);
    for (int n = 1; !stop_; ++n) {
      const size_t channel = static_cast<size_t>(n) % kChannels;
      const int next = committed_[writer][channel].load() + 1;
      connection.Query("notify c" + std::to_string(channel) + ", '" + std::to_string(writer) + ":" + std::to_string(next) + "'");
      committed_[writer][channel].store(next);
      if (n % kBetweenMarks == 0) AwaitMark(connection, writer);
    }
  }
  NotificationRig& rig_;
  std::array<std::array<std::atomic<int>, kChannels>, kWriters> committed_{};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

// "c1=2:37" -> channel 1, writer 2, number 37.
void Check(const std::vector<std::string>& heard, const Numbers& before, const Numbers& after, const std::vector<size_t>& joined) {
  Numbers last{};
  for (const std::string& text : heard) {
    const auto channel = static_cast<size_t>(text.at(1) - '0'), writer = static_cast<size_t>(text.at(3) - '0');
    const int number = std::stoi(text.substr(5));
    ASSERT_NE(std::find(joined.begin(), joined.end(), channel), joined.end()) << text << " was not asked for";
    int& previous = last[writer][channel];
    if (previous == 0) {
      ASSERT_LE(number, before[writer][channel] + 2) << text << ": something is missing before it";
    } else {
      ASSERT_EQ(number, previous + 1) << text;
    }
    previous = number;
  }
  for (size_t w = 0; w < kWriters; ++w) {
    for (const size_t c : joined) {
      if (after[w][c] <= before[w][c] + 1) continue;  // it may have been committed before the answer
      ASSERT_GE(last[w][c], after[w][c]) << "channel " << c << " of writer " << w << " ends early; before: " << before[w][c];
    }
  }
}

class NotificationFloodTest : public testing::Test {
 protected:
  // One subscriber's visits, from a thread of its own.
  void Visit(size_t number) {
    std::minstd_rand dice(static_cast<std::minstd_rand::result_type>(number + 1));
    const Subscriber who{static_cast<pool::WorkerId>(number % NotificationRig::kWorkers), number};
    for (int visit = 0; visit < kVisits && !HasFatalFailure(); ++visit) {
      std::vector<size_t> joined;
      std::vector<std::string> names;
      for (size_t c = 0; c < kChannels; ++c) {
        if (dice() % 2 == 0) joined.push_back(c);
      }
      for (const size_t c : joined) names.push_back("c" + std::to_string(c));
      const size_t heard_before = rig_.Count(who, Heard::Kind::kNotification);
      ASSERT_EQ(rig_.Listen(who, names), "");
      const Numbers before = writers_.Committed();
      const size_t stay = joined.empty() ? 0 : dice() % 50;
      ASSERT_TRUE(rig_.AwaitNotified(who, heard_before + stay));
      const Numbers after = writers_.Committed();
      ASSERT_EQ(rig_.Unlisten(who, names), "");
      auto heard = rig_.Notified(who);
      heard.erase(heard.begin(), heard.begin() + static_cast<std::ptrdiff_t>(heard_before));
      Check(heard, before, after, joined);
    }
  }

  test_support::PostgresCluster postgres_;
  NotificationRig rig_{postgres_.port()};
  Writers writers_{rig_, postgres_.ConnectionString()};
};

TEST_F(NotificationFloodTest, NoVisitMissesAnythingOrHearsItTwice) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kSubscribers; ++i) threads.emplace_back([this, i] { Visit(i); });
  for (auto& thread : threads) thread.join();
  writers_.Stop();
  EXPECT_TRUE(rig_.AwaitNoConnection());
  for (size_t i = 0; i < kSubscribers; ++i) {
    const Subscriber who{static_cast<pool::WorkerId>(i % NotificationRig::kWorkers), i};
    EXPECT_EQ(rig_.HeardBy(who).back().kind, Heard::Kind::kDone) << "something came after the last answer";
  }
}

// With the connection killed again and again: numbers may be missing only across a gap, and none comes twice.
TEST_F(NotificationFloodTest, WhatIsMissingAfterALostConnectionWasAnnounced) {
  const Subscriber who{1, 1};
  ASSERT_EQ(rig_.Listen(who, {"c0", "c1", "c2"}), "");
  test_support::Connection admin(postgres_.SuperuserString());
  for (int round = 1; round <= kGaps; ++round) {
    ASSERT_TRUE(rig_.AwaitNotified(who, rig_.Count(who, Heard::Kind::kNotification) + 20));
    admin.Query("select pg_terminate_backend(pid) from pg_stat_activity where query ~ '^LISTEN'");
    ASSERT_TRUE(rig_.AwaitCount(who, Heard::Kind::kGap, static_cast<size_t>(round)));
  }
  ASSERT_EQ(rig_.Unlisten(who, {}), "");
  Numbers last{}, holes{}, gap_of{};
  int gap = 0;
  for (const Heard& heard : rig_.HeardBy(who)) {
    if (heard.kind == Heard::Kind::kGap) ++gap;
    if (heard.kind != Heard::Kind::kNotification) continue;
    const auto channel = static_cast<size_t>(heard.text.at(1) - '0'), writer = static_cast<size_t>(heard.text.at(3) - '0');
    const int number = std::stoi(heard.text.substr(5));
    int& previous = last[writer][channel];
    ASSERT_GT(number, previous) << heard.text;
    if (previous != 0 && number != previous + 1) {
      // LISTEN is in force a little before the word of the gap: the hole is seen on either side of it.
      ++holes[writer][channel];
      ASSERT_TRUE(gap < kGaps || gap_of[writer][channel] < gap) << heard.text << ": missing after the last word of a gap";
    }
    previous = number;
    gap_of[writer][channel] = gap;
  }
  EXPECT_EQ(gap, kGaps);
  for (const auto& of_writer : holes) {
    for (const int of_channel : of_writer) EXPECT_LE(of_channel, kGaps);
  }
}

}  // namespace
}  // namespace proxy
