#include "tests/sim/load_world.h"

#include <algorithm>

namespace sim {

using pool::Orders;
using pool::Pool;

namespace {

constexpr Duration kConnect{20'000};
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
      pool_(std::make_shared<Pool>(load_.limits, load_.workers, budget_, budget_, load_.seed)),
      tallies_(load_.groups.size()) {
  if (load_.is_warm) {
    auto limits = load_.limits;
    limits.min_size = limits.size;
    Orders orders;
    pool_->SetLimits(limits, now_, orders);
    CarryOut(orders);
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
  for (Question& question : questions_) pool_->Cancel(question.waiter, now_, orders);
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
      return Trouble(question, &Tally::late);
    }
    case Event::Kind::kWaitTimeout: {
      Question& question = questions_[event.index];
      if (question.turn != event.turn || !pool_->Cancel(question.waiter, now_, orders)) return;
      return Unserved(question, &Tally::timed_out);
    }
    case Event::Kind::kOpened:
      HandleNext(pool_->Opened(*event.slot, now_, orders), *event.slot);
      return CarryOut(orders);
    case Event::Kind::kMoveOut:
      if (pool_->MayMove(*event.slot, event.slot->worker, static_cast<pool::WorkerId>(event.index))) {
        Schedule(Event::Kind::kArrived, kMessage, 0, 0, event.slot);
      }
      return;
    case Event::Kind::kArrived:
      HandleNext(pool_->Arrived(*event.slot, now_, orders), *event.slot);
      return CarryOut(orders);
    case Event::Kind::kTick:
      pool_->Tick(now_, orders);
      Schedule(Event::Kind::kTick, kSecond);
      return CarryOut(orders);
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
  const Pool::Acquired acquired = pool_->Acquire(question.waiter, now_, orders);
  switch (acquired.kind) {
    case Pool::Acquired::Kind::kLeased:
      Serve(question, *acquired.slot);
      break;
    case Pool::Acquired::Kind::kQueued:
      Schedule(Event::Kind::kWaitTimeout, load_.wait_timeout, question.index, question.turn);
      break;
    case Pool::Acquired::Kind::kQueueFull:
    case Pool::Acquired::Kind::kRefused:
    case Pool::Acquired::Kind::kRemoved:
      Unserved(question, &Tally::refused);
      break;
  }
  CarryOut(orders);
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
}

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
  HandleNext(pool_->Release(slot, now_, orders), slot);
  CarryOut(orders);
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

void LoadWorld::CarryOut(Orders& orders) {
  const Duration connect = load_.is_warm ? Duration(0) : kConnect;
  for (const auto& slot : orders.open) {
    slots_.push_back(slot);
    Schedule(Event::Kind::kOpened, connect, 0, 0, slot.get());
  }
  for (const auto& move : orders.move) Schedule(Event::Kind::kMoveOut, kMessage, move.to, 0, move.slot.get());
  for (const auto& shed : orders.shed) Unserved(questions_[shed.owner_id], &Tally::shed);
}

}  // namespace sim
