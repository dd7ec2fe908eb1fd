// EventLoop: the mailbox from other threads, the end of a turn, stopping; Timer and SignalWatch.
#include "proxy/event_loop.h"

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <thread>
#include <vector>

namespace proxy {
namespace {

constexpr pool::Duration kPatience{10'000'000};

// Runs until somebody stops the loop; a loop that nobody stops fails the test.
void RunUntilStopped(EventLoop& loop) {
  bool is_late = false;
  Timer guard(loop, [&] {
    is_late = true;
    loop.Stop();
  });
  guard.Start(kPatience);
  loop.Run();
  EXPECT_FALSE(is_late) << "nothing stopped the loop";
}

TEST(EventLoopTest, PostKeepsTheOrderOfEachThread) {
  EventLoop loop;
  constexpr int kThreads = 4, kTasks = 2000;
  std::vector<std::vector<int>> seen(kThreads);
  int left = kThreads * kTasks;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) {
        loop.Post([&, t, i] {
          seen[static_cast<size_t>(t)].push_back(i);
          if (--left == 0) loop.Stop();
        });
      }
    });
  }
  RunUntilStopped(loop);
  for (auto& thread : threads) thread.join();
  for (const auto& numbers : seen) {
    ASSERT_EQ(numbers.size(), static_cast<size_t>(kTasks));
    for (int i = 0; i < kTasks; ++i) ASSERT_EQ(numbers[static_cast<size_t>(i)], i);
  }
}

TEST(EventLoopTest, ManyPostsAreOneWakeUp) {
  EventLoop loop;
  std::vector<uint64_t> turns;
  for (int i = 0; i < 100; ++i) loop.Post([&] { turns.push_back(loop.turns()); });
  loop.Post([&] { loop.Stop(); });
  RunUntilStopped(loop);
  ASSERT_EQ(turns.size(), 100u);
  EXPECT_EQ(turns.front(), turns.back()) << "the tasks of one wake-up ran in several turns";
}

TEST(EventLoopTest, ATaskPostedByATaskRunsInALaterTurn) {
  EventLoop loop;
  uint64_t first = 0, second = 0;
  loop.Post([&] {
    first = loop.turns();
    loop.Post([&] {
      second = loop.turns();
      loop.Stop();
    });
  });
  RunUntilStopped(loop);
  EXPECT_GT(second, first);
}

TEST(EventLoopTest, EndOfTurnRunsInOrderAfterTheTasksOfTheTurnAndTakesMore) {
  EventLoop loop;
  std::vector<std::string> order;
  uint64_t turn_of_task = 0, turn_of_end = 0;
  loop.Post([&] {
    turn_of_task = loop.turns();
    loop.AtEndOfTurn([&] {
      order.push_back("end 1");
      loop.AtEndOfTurn([&] {
        order.push_back("end 3");
        turn_of_end = loop.turns();
        loop.Stop();
      });
    });
    loop.AtEndOfTurn([&] { order.push_back("end 2"); });
    order.push_back("task 1");
  });
  loop.Post([&] { order.push_back("task 2"); });
  RunUntilStopped(loop);
  EXPECT_EQ(order, (std::vector<std::string>{"task 1", "task 2", "end 1", "end 2", "end 3"}));
  EXPECT_EQ(turn_of_end, turn_of_task + 1) << "the counter is moved when the turn is over, before its end tasks";
}

TEST(EventLoopTest, StopFromAnotherThreadWakesALoopThatWaits) {
  EventLoop loop;
  std::thread other;
  loop.Post([&] { other = std::thread([&] { loop.Stop(); }); });
  RunUntilStopped(loop);
  other.join();
}

TEST(EventLoopTest, TasksThatWereNeverRunAreDestroyedWithTheLoop) {
  auto token = std::make_shared<int>(1);
  {
    EventLoop loop;
    loop.Post([token] {});
    loop.AtEndOfTurn([token] {});
    EXPECT_EQ(token.use_count(), 3);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(TimerTest, DestroyedInItsOwnCallback) {
  EventLoop loop;
  auto kept = std::make_shared<int>(7);
  int seen = 0;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&, kept] {
    timer.reset();
    seen = *kept;  // the captured state must outlive the timer until the call has ended
    loop.Stop();
  });
  timer->Start(pool::Duration(1000));
  RunUntilStopped(loop);
  EXPECT_EQ(seen, 7);
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(TimerTest, FiresOncePerStartAndNotBeforeItsTime) {
  EventLoop loop;
  int fired = 0;
  pool::TimePoint due{};
  Timer timer(loop, [&] {
    EXPECT_GE(Now() + pool::Duration(1000), due) << "libevent counts in milliseconds";
    ++fired;
  });
  Timer end(loop, [&] { loop.Stop(); });
  due = Now() + pool::Duration(5'000);
  timer.Start(pool::Duration(5'000));
  end.Start(pool::Duration(30'000));
  RunUntilStopped(loop);
  EXPECT_EQ(fired, 1);
}

TEST(TimerTest, StartAgainMovesAndStopStops) {
  EventLoop loop;
  std::vector<int> order;
  Timer moved(loop, [&] { order.push_back(1); }), stopped(loop, [&] { order.push_back(2); });
  Timer middle(loop, [&] { order.push_back(3); });
  Timer end(loop, [&] { loop.Stop(); });
  moved.Start(pool::Duration(1'000));
  stopped.Start(pool::Duration(1'000));
  middle.Start(pool::Duration(10'000));
  moved.Start(pool::Duration(30'000));
  stopped.Stop();
  end.Start(pool::Duration(60'000));
  RunUntilStopped(loop);
  EXPECT_EQ(order, (std::vector<int>{3, 1}));
}

TEST(TimerTest, ANegativeWaitIsNow) {
  EventLoop loop;
  Timer timer(loop, [&] { loop.Stop(); });
  timer.Start(pool::Duration(-5));
  RunUntilStopped(loop);
}

TEST(SignalWatchTest, ASignalIsACallOnTheLoop) {
  EventLoop loop;
  int count = 0;
  SignalWatch watch(loop, SIGUSR1, [&] {
    ++count;
    loop.Stop();
  });
  loop.Post([] { raise(SIGUSR1); });
  RunUntilStopped(loop);
  EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace proxy
