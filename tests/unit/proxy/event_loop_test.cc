// EventLoop: the mailbox from other threads, the end of a turn, stopping; Timer and Watch; the control thread's loop around one.
#include "proxy/event_loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/control_loop.h"

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
    EXPECT_GE(Now(), due);
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

TEST(TimerTest, OneThatStartsItselfAgainLeavesTheLoopItsTurns) {
  EventLoop loop;
  int fired = 0;
  std::vector<uint64_t> turns;
  Timer timer(loop, [&] {
    turns.push_back(loop.turns());
    if (++fired == 3) return loop.Stop();
    timer.Start(pool::Duration(0));
  });
  timer.Start(pool::Duration(0));
  RunUntilStopped(loop);
  ASSERT_EQ(turns.size(), 3u);
  EXPECT_LT(turns[0], turns[1]);
  EXPECT_LT(turns[1], turns[2]);
}

// A pair of connected sockets, and what the loop tells of one end.
struct Watched {
  explicit Watched(EventLoop& loop) {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    watch = std::make_unique<Watch>(loop, fds[0], [](void* self, uint32_t what) { static_cast<Watched*>(self)->OnReady(what); }, this);
  }
  ~Watched() {
    watch.reset();
    close(fds[0]);
    if (fds[1] >= 0) close(fds[1]);
  }
  void OnReady(uint32_t what) {
    told.push_back(what);
    if (then) then(what);
  }
  void Say() { EXPECT_EQ(write(fds[1], "x", 1), 1); }
  void HangUp() { close(std::exchange(fds[1], -1)); }
  int fds[2];
  std::unique_ptr<Watch> watch;
  std::vector<uint32_t> told;
  std::function<void(uint32_t)> then;
};
using Told = std::vector<uint32_t>;

TEST(WatchTest, TellsOfWhatIsWantedAndOfNothingElse) {
  EventLoop loop;
  Watched end(loop);
  end.Say();
  loop.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(end.told, Told{});
  end.watch->Want(Watch::kRead);
  loop.Turn(EventLoop::Wait::kNo);
  loop.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(end.told, (Told{Watch::kRead, Watch::kRead})) << "it is still readable";
  end.watch->Want(Watch::kRead | Watch::kWrite);
  end.told.clear();
  loop.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(end.told, (Told{Watch::kWrite, Watch::kRead}));
  end.watch->Want(0);
  end.told.clear();
  loop.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(end.told, Told{});
}

TEST(WatchTest, OneThatEndsWithinATurnIsNotToldOfAnyMore) {
  EventLoop loop;
  Watched first(loop), second(loop);
  // Each ends the other: whichever is told first is the only one.
  first.then = [&](uint32_t) { second.watch.reset(); };
  second.then = [&](uint32_t) { first.watch.reset(); };
  for (Watched* each : {&first, &second}) {
    each->Say();
    each->watch->Want(Watch::kRead);
  }
  loop.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(first.told.size() + second.told.size(), 1u);
}

TEST(WatchTest, OneThatEndsItselfWhenItIsWritableIsNotRead) {
  EventLoop loop;
  Watched end(loop);
  end.then = [&](uint32_t) { end.watch.reset(); };
  end.Say();
  end.watch->Want(Watch::kRead | Watch::kWrite);
  loop.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(end.told, Told{Watch::kWrite});
}

TEST(WatchTest, WhatIsNotWantedAnyMoreWithinATurnIsNotTold) {
  EventLoop loop;
  Watched end(loop);
  end.then = [&](uint32_t) { end.watch->Want(Watch::kWrite); };
  end.Say();
  end.watch->Want(Watch::kRead | Watch::kWrite);
  loop.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(end.told, Told{Watch::kWrite});
}

TEST(WatchTest, AHangUpIsToldOfToWhoWantsItAlthoughNothingIsRead) {
  EventLoop loop;
  Watched end(loop);
  end.Say();
  end.watch->Want(Watch::kHangup);
  loop.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(end.told, Told{}) << "unread bytes are no hang-up";
  end.HangUp();
  loop.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(end.told, Told{Watch::kHangup});
  end.watch->Want(0);  // else a descriptor that was hung up would be told of for ever
  loop.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(end.told, Told{Watch::kHangup});
}

TEST(WatchTest, AgainIsOneCallInTheNextTurnWithoutWaiting) {
  EventLoop loop;
  Watched end(loop);
  end.watch->Want(Watch::kRead);
  end.watch->Again();
  end.watch->Again();
  EXPECT_FALSE(loop.Turn(EventLoop::Wait::kYes)) << "a turn that waits does not wait for this";
  EXPECT_EQ(end.told, Told{Watch::kRead});
  end.then = [&](uint32_t) { end.watch->Again(); };
  end.watch->Again();
  EXPECT_TRUE(loop.Turn(EventLoop::Wait::kNo));
  EXPECT_EQ(end.told.size(), 2u) << "what asks again within a turn comes in the next";
  end.watch->Want(0);
  loop.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(end.told.size(), 2u) << "nothing is wanted any more";
}

// As when a process has been forked and has not closed it yet.
TEST(WatchTest, OneThatHasGoneIsNotToldOfAlthoughItsOpenFileLivesOn) {
  EventLoop loop;
  Watched end(loop);
  end.watch->Want(Watch::kRead);
  const int copy = dup(end.fds[0]);
  ASSERT_GE(copy, 0);
  end.watch.reset();
  end.Say();
  loop.Turn(EventLoop::Wait::kNo);
  EXPECT_EQ(end.told, Told{});
  close(copy);
}

TEST(WatchTest, MoreThanOneTurnTellsOfAreToldInTheNext) {
  EventLoop loop;
  std::vector<std::unique_ptr<Watched>> ends;
  for (size_t i = 0; i < kReadyMax + 20; ++i) {
    ends.push_back(std::make_unique<Watched>(loop));
    Watched& end = *ends.back();
    end.Say();
    end.then = [&end](uint32_t) { end.watch->Want(0); };
    end.watch->Want(Watch::kRead);
  }
  loop.Turn(EventLoop::Wait::kNo);
  loop.Turn(EventLoop::Wait::kNo);
  for (const auto& end : ends) EXPECT_EQ(end->told, Told{Watch::kRead});
}

TEST(ControlLoopTest, ASignalAndATaskAreCallsOnOneThread) {
  ControlLoop control;
  int signals = 0;
  bool ran = false;
  SignalWatch watch(control, SIGUSR1, [&] {
    ++signals;
    control.loop().Post([&] {
      ran = true;
      control.loop().Stop();
    });
  });
  Timer guard(control.loop(), [&] { control.loop().Stop(); });
  guard.Start(kPatience);
  control.loop().Post([] { raise(SIGUSR1); });
  control.Run();
  EXPECT_EQ(signals, 1);
  EXPECT_TRUE(ran);
}

TEST(ControlLoopTest, WhatIsDueAgainIsTurnedAgain) {
  ControlLoop control;
  Watched end(control.loop());
  end.watch->Want(Watch::kRead);
  end.then = [&](uint32_t) { end.told.size() < 3 ? end.watch->Again() : control.loop().Stop(); };
  Timer guard(control.loop(), [&] { control.loop().Stop(); });
  guard.Start(kPatience);
  control.loop().Post([&] { end.watch->Again(); });
  control.Run();
  EXPECT_EQ(end.told.size(), 3u);
}

}  // namespace
}  // namespace proxy
