#include "tests/sim/load_world.h"

#include <algorithm>

#include "pool/eviction.h"

namespace sim {

using pool::Orders;
using pool::Pool;

namespace {

constexpr Duration kConnect{20'000};
constexpr Duration kClose{2'000};
constexpr Duration kMessage{30};  // between two workers

}  // namespace

Duration Tally::Percentile(std::vector<Duration> of, int percent) const {
  if (of.empty()) return Duration(0);
  const auto nth = of.begin() + static_cast<std::ptrdiff_t>((of.size() - 1) * static_cast<size_t>(percent) / 100);
  std::nth_element(of.begin(), nth, of.end());
  return *nth;
}

LoadWorld::LoadWorld(Load load)
    : load_(std::move(load)),
      dice_(load_.seed),
      budget_(std::make_shared<pool::Budget>(load_.cap)),
      tallies_(load_.groups.size()) {
  for (const Group& group : load_.groups) {
    if (group.pool < pools_.size()) continue;
    auto limits = load_.limits;
    limits.guaranteed = group.guaranteed;
    pools_.push_back(std::make_shared<Pool>(limits, load_.workers, pool::Budgets{budget_}, load_.seed));
    if (!load_.is_warm) continue;
    limits.min_size = limits.size;
    Orders orders;
    pools_.back()->SetLimits(limits, now_, orders);
    CarryOut(*pools_.back(), orders);
    limits.min_size = 0;
    pools_.back()->SetLimits(limits, now_, orders);
  }
  Schedule(Event::Kind::kTick, kSecond);
  for (size_t group = 0; group < load_.groups.size(); ++group) {
    if (!load_.groups[group].arrivals.empty()) Schedule(Event::Kind::kArrival, Duration(1), group);
    for (int i = 0; i < load_.groups[group].clients; ++i) {
      Schedule(Event::Kind::kAsk, dice_.UpTo(2 * load_.groups[group].think), group);
    }
  }
}

LoadWorld::~LoadWorld() {
  Orders orders;
  for (Question& question : questions_) PoolOf(question).Cancel(question.waiter, pool::Leaves::kSentAway, now_);
}

void LoadWorld::Run() {
  while (events_.front().at < kStart + load_.length) {
    const Event event = events_.front();
    std::pop_heap(events_.begin(), events_.end(), IsLater);
    events_.pop_back();
    now_ = event.at;
    Dispatch(event);
  }
}

void LoadWorld::Schedule(Event::Kind kind, Duration delay, uint64_t index, uint64_t turn, pool::Slot* slot) {
  events_.push_back({now_ + delay, ++sequence_, kind, index, turn, slot});
  std::push_heap(events_.begin(), events_.end(), IsLater);
}

void LoadWorld::Dispatch(const Event& event) {
  Orders orders;
  switch (event.kind) {
    case Event::Kind::kArrival:
      return Arrive(event.index);
    case Event::Kind::kAsk:
      return Ask(event.index);
    case Event::Kind::kAnswered:
      return Answered(questions_[event.index]);
    case Event::Kind::kPatience: {
      Question& question = questions_[event.index];
      if (question.turn != event.turn) return;
      question.is_late = true;
      Trouble(question, &Tally::late);
      if (load_.leaves && PoolOf(question).Cancel(question.waiter, pool::Leaves::kByItself, now_)) End(question);
      return;
    }
    case Event::Kind::kWaitTimeout: {
      Question& question = questions_[event.index];
      if (question.turn != event.turn || !PoolOf(question).Cancel(question.waiter, pool::Leaves::kSentAway, now_)) return;
      return Unserved(question, &Tally::timed_out);
    }
    case Event::Kind::kOpened: {
      Pool& pool = *slots_.at(event.slot).second;
      HandleNext(pool.Opened(*event.slot, now_, orders), *event.slot);
      return CarryOut(pool, orders);
    }
    case Event::Kind::kClosed: {
      const auto [slot, pool] = slots_.at(event.slot);
      slots_.erase(event.slot);
      pool->Closed(*slot, now_, orders);
      return CarryOut(*pool, orders);
    }
    case Event::Kind::kMoveOut:
      if (slots_.at(event.slot).second->MayMove(*event.slot, event.slot->worker, static_cast<pool::WorkerId>(event.index))) {
        Schedule(Event::Kind::kArrived, kMessage, 0, 0, event.slot);
      }
      return;
    case Event::Kind::kArrived: {
      Pool& pool = *slots_.at(event.slot).second;
      HandleNext(pool.Arrived(*event.slot, now_, orders), *event.slot);
      return CarryOut(pool, orders);
    }
    case Event::Kind::kTick:
      for (const auto& pool : pools_) {
        Orders of_pool;
        pool->Tick(now_, of_pool);
        CarryOut(*pool, of_pool);
      }
      return Schedule(Event::Kind::kTick, kSecond);
  }
}

// One asks now, the next after a pause drawn around the rate of the moment.
void LoadWorld::Arrive(size_t index) {
  const auto& arrivals = load_.groups[index].arrivals;
  const Duration since_start = now_ - kStart;
  const auto phase = std::find_if(arrivals.begin(), arrivals.end(), [&](const Phase& p) { return since_start < p.until; });
  if (phase == arrivals.end()) return;
  if (phase->per_second == 0) {
    Schedule(Event::Kind::kArrival, phase->until - since_start, index);
    return;
  }
  Ask(index);
  // In nanoseconds, so that a rate near one in a few microseconds is met.
  const auto mean_ns = static_cast<Duration::rep>(1e9 / phase->per_second);
  Schedule(Event::Kind::kArrival, (dice_.UpTo(Duration(2 * mean_ns)) + Duration(500)) / 1000, index);
}

void LoadWorld::Ask(size_t group) {
  if (unused_.empty()) {
    unused_.push_back(questions_.size());
    questions_.emplace_back().index = unused_.back();
  }
  Question& question = questions_[unused_.back()];
  unused_.pop_back();
  question.group = group;
  question.asked_at = now_;
  question.is_late = false;
  question.waiter.worker = static_cast<pool::WorkerId>(dice_.Below(load_.workers));
  question.waiter.owner = &question;
  question.waiter.flow = load_.groups[group].flow;
  question.waiter.weight = load_.groups[group].weight;
  question.waiter.owner_id = question.index;
  ++tallies_[group].asked;
  Schedule(Event::Kind::kPatience, load_.patience, question.index, question.turn);
  Orders orders;
  Pool& pool = PoolOf(question);
  const Pool::Acquired acquired = pool.Acquire(question.waiter, now_, orders);
  switch (acquired.kind) {
    case Pool::Acquired::Kind::kLeased:
      Serve(question, *acquired.slot);
      break;
    case Pool::Acquired::Kind::kQueued:
      Schedule(Event::Kind::kWaitTimeout, load_.wait_timeout, question.index, question.turn);
      break;
    case Pool::Acquired::Kind::kQueueFull:
    case Pool::Acquired::Kind::kHopeless:
    case Pool::Acquired::Kind::kRefused:
    case Pool::Acquired::Kind::kRemoved:
      Unserved(question, &Tally::refused);
      break;
  }
  CarryOut(pool, orders);
}

void LoadWorld::Serve(Question& question, pool::Slot& slot) {
  question.linked_at = now_;
  question.slot = &slot;
  tallies_[question.group].waits.push_back(now_ - question.asked_at);
  TimePoint end = now_ + Duration(1) + dice_.UpTo(2 * load_.groups[question.group].service);
  if (end >= kStart + load_.stall_from && now_ < kStart + load_.stall_to) end = std::max(end, kStart + load_.stall_to);
  Schedule(Event::Kind::kAnswered, end - now_, question.index);
}

void LoadWorld::HandleNext(const Pool::Next& next, pool::Slot& slot) {
  if (next.kind == Pool::Next::Kind::kServe) return Serve(*static_cast<Question*>(next.waiter->owner), slot);
  if (next.kind == Pool::Next::Kind::kMove) Schedule(Event::Kind::kArrived, kMessage, 0, 0, &slot);
  if (next.kind == Pool::Next::Kind::kClose) Close(slot);
}

void LoadWorld::Close(pool::Slot& slot) { Schedule(Event::Kind::kClosed, kClose, 0, 0, &slot); }

void LoadWorld::Answered(Question& question) {
  Tally& tally = tallies_[question.group];
  const Group& group = load_.groups[question.group];
  pool::Slot& slot = *question.slot;
  if (!question.is_late) {
    ++tally.useful;
    tally.answers.push_back(now_ - question.asked_at);
    if (group.clients > 0) Schedule(Event::Kind::kAsk, dice_.UpTo(2 * group.think), question.group);
  }
  tally.held += now_ - question.linked_at;
  End(question);
  Orders orders;
  Pool& pool = *slots_.at(&slot).second;
  HandleNext(pool.Release(slot, now_, orders), slot);
  CarryOut(pool, orders);
}

// Its client hears an error, or hears nothing any more: it asks again, or gives up.
void LoadWorld::Trouble(Question& question, uint64_t Tally::* counter) {
  Tally& tally = tallies_[question.group];
  const Group& group = load_.groups[question.group];
  ++(tally.*counter);
  tally.last_trouble = now_;
  const bool again = group.clients > 0 || dice_.Percent(group.retries);
  if (again) Schedule(Event::Kind::kAsk, dice_.UpTo(group.retry_after) + group.retry_after / 2, question.group);
}

void LoadWorld::Unserved(Question& question, uint64_t Tally::* counter) {
  if (!question.is_late) Trouble(question, counter);
  End(question);
}

void LoadWorld::End(Question& question) {
  ++question.turn;
  unused_.push_back(question.index);
}

void LoadWorld::CarryOut(Pool& pool, Orders& orders) {
  const Duration connect = load_.is_warm ? Duration(0) : kConnect;
  for (const auto& slot : orders.open) {
    slots_[slot.get()] = {slot, &pool};
    Schedule(Event::Kind::kOpened, now_ == kStart ? connect : kConnect, 0, 0, slot.get());
    for (size_t group = 0; group < tallies_.size(); ++group) {
      if (pools_[load_.groups[group].pool].get() == &pool) ++tallies_[group].opened;
    }
  }
  for (const auto& slot : orders.close) Close(*slot);
  for (const auto& move : orders.move) Schedule(Event::Kind::kMoveOut, kMessage, move.to, 0, move.slot.get());
  for (const auto& shed : orders.shed) Unserved(questions_[shed.owner_id], &Tally::shed);
  for (const auto& hungry : orders.poke) {
    Orders more;
    hungry->Tick(now_, more);
    CarryOut(*hungry, more);
  }
  if (orders.evict) Evict(pool, *orders.evict);
}

void LoadWorld::Evict(const Pool& asking, pool::Budget& budget) {
  pool::Eviction eviction(budget, asking, now_);
  for (const auto& pool : pools_) eviction.Consider(*pool);
  Orders orders;
  if (Pool* victim = eviction.Evict(orders)) CarryOut(*victim, orders);
}

}  // namespace sim
