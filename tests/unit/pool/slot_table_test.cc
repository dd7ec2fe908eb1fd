// Every cell of the table in slot.h: state x event -> next state, or a broken invariant.
#include <optional>

#include "tests/unit/pool/pool_fixture.h"

namespace pool {
namespace {

enum class Event { kOpened, kOpenFailed, kRelease, kArrived, kBeginClose, kClosed };

struct Cell {
  SlotState state;
  Event event;
  std::optional<SlotState> next;  // none: forbidden
};

class SlotMovesTest : public PoolTest {
 protected:
  // Nobody waits for it, so that every event leads to the state that the table names for an undisturbed pool.
  std::shared_ptr<Slot> SlotIn(SlotState state) {
    Make(Limits(1));
    Waiter waiter = At(0);
    EXPECT_EQ(Acquire(waiter).kind, Acquired::kQueued);
    std::shared_ptr<Slot> slot = orders.open.at(0);
    EXPECT_TRUE(Cancel(waiter));
    if (state == SlotState::kLogin) return slot;
    EXPECT_EQ(Opened(*slot).kind, Next::kIdle);
    if (state == SlotState::kIdle) return slot;
    if (state == SlotState::kActive) {
      EXPECT_EQ(Acquire(waiter).slot, slot.get());
      return slot;
    }
    if (state == SlotState::kMoving) {
      Waiter elsewhere = At(1);
      EXPECT_EQ(Acquire(elsewhere).kind, Acquired::kQueued);
      EXPECT_TRUE(Cancel(elsewhere));
      EXPECT_TRUE(pool->MayMove(*slot, 0, 1));
      return slot;
    }
    pool->BeginClose(*slot, now, orders);
    if (state == SlotState::kClosed) pool->Closed(*slot, now, orders);
    return slot;
  }
  void Apply(Slot& slot, Event event) {
    switch (event) {
      case Event::kOpened:
        EXPECT_EQ(Opened(slot).kind, Next::kIdle);
        return;
      case Event::kOpenFailed:
        return Fail(slot, OpenFailure::Kind::kUnreachable);
      case Event::kRelease:
        EXPECT_EQ(Release(slot).kind, Next::kIdle);
        return;
      case Event::kArrived:
        EXPECT_EQ(Arrived(slot).kind, Next::kIdle);
        return;
      case Event::kBeginClose:
        return pool->BeginClose(slot, now, orders);
      case Event::kClosed:
        return pool->Closed(slot, now, orders);
    }
  }
};
class SlotTableDeathTest : public SlotMovesTest, public ::testing::WithParamInterface<Cell> {};

TEST_P(SlotTableDeathTest, Cell) {
  const Cell& cell = GetParam();
  const std::shared_ptr<Slot> slot = SlotIn(cell.state);
  ASSERT_EQ(slot->state, cell.state);
  if (!cell.next) {
    EXPECT_DEATH(Apply(*slot, cell.event), "broken invariant");
    return;
  }
  Apply(*slot, cell.event);
  EXPECT_EQ(slot->state, *cell.next);
  const bool is_open = *cell.next != SlotState::kClosed;
  EXPECT_EQ(Open(), is_open ? 1 : 0);
  EXPECT_EQ(database->used(), is_open ? 1 : 0);
  EXPECT_EQ(user->used(), is_open ? 1 : 0);
  if (is_open) {
    EXPECT_EQ(CountOf(*cell.next), 1);
  }
}

std::vector<Cell> Cells() {
  using S = SlotState;
  constexpr std::array kEvents{Event::kOpened,  Event::kOpenFailed, Event::kRelease,
                               Event::kArrived, Event::kBeginClose, Event::kClosed};
  const std::vector<Cell> allowed{
      {S::kLogin, Event::kOpened, S::kIdle},          {S::kLogin, Event::kOpenFailed, S::kClosed},
      {S::kLogin, Event::kBeginClose, S::kClosing},   {S::kIdle, Event::kBeginClose, S::kClosing},
      {S::kActive, Event::kRelease, S::kIdle},        {S::kActive, Event::kBeginClose, S::kClosing},
      {S::kMoving, Event::kArrived, S::kIdle},        {S::kMoving, Event::kBeginClose, S::kClosing},
      {S::kClosing, Event::kBeginClose, S::kClosing}, {S::kClosing, Event::kClosed, S::kClosed},
      {S::kClosed, Event::kBeginClose, S::kClosed},   {S::kClosed, Event::kClosed, S::kClosed},
  };
  std::vector<Cell> cells;
  for (const S state : {S::kLogin, S::kIdle, S::kActive, S::kMoving, S::kClosing, S::kClosed}) {
    for (const Event event : kEvents) {
      Cell cell{state, event, std::nullopt};
      for (const Cell& entry : allowed) {
        if (entry.state == state && entry.event == event) cell = entry;
      }
      cells.push_back(cell);
    }
  }
  return cells;
}

INSTANTIATE_TEST_SUITE_P(Table, SlotTableDeathTest, ::testing::ValuesIn(Cells()));

TEST_F(SlotMovesTest, OnlyAMovingServerMayMoveAndOnlyFromWhereItIs) {
  for (const SlotState state :
       {SlotState::kLogin, SlotState::kIdle, SlotState::kActive, SlotState::kClosing, SlotState::kClosed}) {
    const std::shared_ptr<Slot> slot = SlotIn(state);
    EXPECT_FALSE(pool->MayMove(*slot, 0, 1));
  }
  const std::shared_ptr<Slot> slot = SlotIn(SlotState::kMoving);
  EXPECT_EQ(slot->worker, 1u);
  EXPECT_FALSE(pool->MayMove(*slot, 0, 1));  // it has moved already
}

}  // namespace
}  // namespace pool
