// TimeoutQueue: order inside and across lengths, arming again, disarming and arming from callbacks, deadlines of the
// past.
#include "proxy/timeout_queue.h"

#include <memory>
#include <optional>
#include <vector>

#include "tests/unit/proxy/loop_fixture.h"

namespace proxy {
namespace {

using pool::Duration;

constexpr Duration kShort{20'000}, kLong{60'000}, kFar{3'600'000'000};

class TimeoutQueueTest : public LoopTest {
 protected:
  struct Entry {
    TimeoutQueueTest* test;
    int number;
    Timeout timeout;
    std::function<void()> then;
    static void OnFire(void* self) {
      auto& entry = *static_cast<Entry*>(self);
      EXPECT_FALSE(entry.timeout.is_armed()) << "an entry that fires is not armed any more";
      EXPECT_GE(Now(), entry.timeout.due()) << "too early";
      entry.test->fired_.push_back(entry.number);
      if (entry.then) entry.then();
    }
    void Arm(Duration after) { timeout.Arm(test->queue_, after, &OnFire, this); }
    void ArmAt(Duration length, pool::TimePoint due) { timeout.ArmAt(test->queue_, length, due, &OnFire, this); }
  };
  Entry& Add() {
    entries_.push_back(std::make_unique<Entry>());
    entries_.back()->test = this;
    entries_.back()->number = static_cast<int>(entries_.size()) - 1;
    return *entries_.back();
  }
  bool UntilFired(size_t count) {
    return Until([&] { return fired_.size() >= count; });
  }

  TimeoutQueue queue_{loop_};
  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<int> fired_;
};

TEST_F(TimeoutQueueTest, OneLengthFiresInTheOrderOfArming) {
  for (int i = 0; i < 5; ++i) Add().Arm(kShort);
  ASSERT_TRUE(UntilFired(5));
  EXPECT_EQ(fired_, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST_F(TimeoutQueueTest, TheShorterLengthFiresFirstAlthoughArmedLater) {
  Add().Arm(kLong);
  Add().Arm(kShort);
  ASSERT_TRUE(UntilFired(2));
  EXPECT_EQ(fired_, (std::vector<int>{1, 0}));
}

TEST_F(TimeoutQueueTest, ArmingAgainReplaces) {
  Entry& moved = Add();
  moved.Arm(kShort);
  Add().Arm(kShort);
  moved.Arm(kLong);
  ASSERT_TRUE(UntilFired(2));
  EXPECT_EQ(fired_, (std::vector<int>{1, 0}));
  Entry& end = Add();
  end.Arm(kShort);
  ASSERT_TRUE(UntilFired(3));
  EXPECT_EQ(fired_.back(), 2) << "the replaced deadline fired a second time";
}

TEST_F(TimeoutQueueTest, ZeroIsOffAndDisarmsWhatWasArmed) {
  Entry& off = Add();
  off.Arm(kShort);
  off.Arm(Duration(0));
  EXPECT_FALSE(off.timeout.is_armed());
  Add().Arm(kLong);
  ASSERT_TRUE(UntilFired(1));
  EXPECT_EQ(fired_, (std::vector<int>{1}));
}

TEST_F(TimeoutQueueTest, DisarmInTheCallbackOfAnotherThatIsDueToo) {
  Entry &first = Add(), &second = Add(), &third = Add();
  const pool::TimePoint past = Now() - Duration(1000);
  for (Entry* entry : {&first, &second, &third}) entry->ArmAt(kShort, past);
  first.then = [&] { second.timeout.Disarm(); };
  ASSERT_TRUE(UntilFired(2));
  EXPECT_EQ(fired_, (std::vector<int>{0, 2}));
  EXPECT_FALSE(second.timeout.is_armed());
}

TEST_F(TimeoutQueueTest, DestroyedInItsOwnCallback) {
  auto doomed = std::make_unique<Timeout>();
  struct Owner {
    std::unique_ptr<Timeout>* timeout;
    bool fired = false;
  } owner{&doomed};
  doomed->Arm(
      queue_, kShort,
      [](void* self) {
        static_cast<Owner*>(self)->timeout->reset();
        static_cast<Owner*>(self)->fired = true;
      },
      &owner);
  Add().Arm(kShort);
  ASSERT_TRUE(UntilFired(1));
  EXPECT_TRUE(owner.fired);
  EXPECT_EQ(doomed, nullptr);
}

TEST_F(TimeoutQueueTest, ArmedAgainInItsOwnCallback) {
  Entry& again = Add();
  again.then = [&] {
    if (fired_.size() < 3) again.Arm(kShort);
  };
  again.Arm(kShort);
  ASSERT_TRUE(UntilFired(3));
  EXPECT_FALSE(again.timeout.is_armed());
}

TEST_F(TimeoutQueueTest, ANewLengthInACallbackIsNotForgotten) {
  Entry &first = Add(), &second = Add();
  first.then = [&] { second.Arm(Duration(7'000)); };
  first.Arm(kShort);
  ASSERT_TRUE(UntilFired(2));
  EXPECT_EQ(fired_, (std::vector<int>{0, 1}));
}

TEST_F(TimeoutQueueTest, ADeadlineOfThePastFiresInTheNextTurnNotAtOnce) {
  Entry& late = Add();
  late.ArmAt(kFar, Now() - kShort);
  EXPECT_TRUE(fired_.empty()) << "a callback inside Arm would surprise its caller";
  ASSERT_TRUE(UntilFired(1));
}

TEST_F(TimeoutQueueTest, ArmAtSortsIntoTheListOfItsLength) {
  const pool::TimePoint now = Now();
  Add().ArmAt(kFar, now + Duration(30'000));
  Add().ArmAt(kFar, now + Duration(10'000));
  Add().ArmAt(kFar, now + Duration(20'000));
  Add().ArmAt(kFar, now + Duration(40'000));
  ASSERT_TRUE(UntilFired(4));
  EXPECT_EQ(fired_, (std::vector<int>{1, 2, 0, 3}));
}

TEST_F(TimeoutQueueTest, AnEarlierDeadlineMovesTheTimerForward) {
  Add().Arm(kFar);
  Turn();
  Add().Arm(kShort);
  ASSERT_TRUE(UntilFired(1));
  EXPECT_EQ(fired_, (std::vector<int>{1}));
  EXPECT_TRUE(entries_[0]->timeout.is_armed());
}

TEST_F(TimeoutQueueTest, DisarmingTheHeadLeavesTheRest) {
  Entry& head = Add();
  head.Arm(kShort);
  Add().Arm(kLong);
  head.timeout.Disarm();
  head.timeout.Disarm();  // twice is harmless
  ASSERT_TRUE(UntilFired(1));
  EXPECT_EQ(fired_, (std::vector<int>{1}));
}

TEST_F(TimeoutQueueTest, AnArmedEntryLeavesTheQueueWhenItDies) {
  {
    Timeout gone;
    gone.Arm(
        queue_, kShort, [](void*) { FAIL() << "fired after its end"; }, nullptr);
  }
  Add().Arm(kLong);
  ASSERT_TRUE(UntilFired(1));
}

}  // namespace
}  // namespace proxy
