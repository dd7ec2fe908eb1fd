// Pools under a load: who is answered in time, who too late, who is refused, and how long they wait.
//
// What: clients of several groups ask a pool, wait, hold a server for their service time, and judge the answer by their
// patience. Unless `leaves` is set nobody tells the pool that its client has lost patience: the question stays in the queue, as that
// of an application whose own caller has gone. Open groups ask at a rate, whatever happens; closed ones are so many clients that
// ask again after a pause. The opposite of PoolWorld, which looks for broken laws under faults: here everything is well but the
// load. Threads: one. Units: microseconds of virtual time.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pool/pool.h"
#include "tests/sim/dice.h"

namespace sim {

using pool::Duration;
using pool::TimePoint;

inline constexpr Duration kSecond{1'000'000};

struct Phase {
  Duration until;
  double per_second;  // of an open group
};

struct Group {
  std::string name;
  Duration service{1'000};     // mean; each from 0 to twice that
  std::vector<Phase> arrivals;  // open
  int clients = 0;              // closed, and their pause between an answer and the next question
  Duration think{0};
  int retries = 0;  // of a hundred that got no answer in time so many ask again, after retry_after
  Duration retry_after{100'000};
  pool::FlowKey flow = 0;
  uint16_t weight = 1;
  size_t pool = 0;     // which one it asks
  int guaranteed = 0;  // of that pool
};

struct Load {
  pool::PoolLimits limits;
  std::vector<Group> groups;
  bool leaves = false;  // who has lost patience closes its connection: the pool sees it go
  int cap = 0;  // on the servers of all pools together
  Duration length = 20 * kSecond;
  Duration patience = kSecond;
  Duration wait_timeout = 5 * kSecond;
  Duration stall_from{0}, stall_to{0};  // nothing is answered in between
  uint32_t workers = 2;
  uint64_t seed = 1;
  bool is_warm = true;  // the pool has opened its servers
};

struct Tally {
  uint64_t asked = 0, useful = 0, late = 0, shed = 0, refused = 0, timed_out = 0;
  Duration held{0};
  uint64_t opened = 0;  // servers of its pool
  std::vector<Duration> waits, answers;  // of those that were served: for the server, and in all
  TimePoint last_trouble{};              // the last that was not useful: when its client heard, or lost patience
  Duration Percentile(std::vector<Duration> of, int percent) const;
};

class LoadWorld {
 public:
  explicit LoadWorld(Load load);
  ~LoadWorld();
  void Run();
  const Tally& tally(size_t group) const { return tallies_[group]; }
  static constexpr TimePoint kStart{kSecond};

 private:
  struct Question {
    pool::Waiter waiter;
    size_t index = 0, group = 0;
    uint64_t turn = 0;  // events of an earlier question are stale
    TimePoint asked_at{}, linked_at{};
    bool is_late = false;
    pool::Slot* slot = nullptr;
  };
  struct Event {
    enum class Kind : uint8_t { kArrival, kAsk, kAnswered, kPatience, kWaitTimeout, kOpened, kClosed, kMoveOut, kArrived, kTick };
    TimePoint at;
    uint64_t sequence;
    Kind kind;
    uint64_t index, turn;
    pool::Slot* slot;
  };

  static bool IsLater(const Event& a, const Event& b) { return a.at != b.at ? a.at > b.at : a.sequence > b.sequence; }
  void Schedule(Event::Kind kind, Duration delay, uint64_t index = 0, uint64_t turn = 0, pool::Slot* slot = nullptr);
  void Dispatch(const Event& event);
  void Arrive(size_t group);
  void Ask(size_t group);
  void Serve(Question& question, pool::Slot& slot);
  void HandleNext(const pool::Pool::Next& next, pool::Slot& slot);
  void Close(pool::Slot& slot);
  pool::Pool& PoolOf(const Question& question) { return *pools_[load_.groups[question.group].pool]; }
  void Evict(const pool::Pool& asking, pool::Budget& budget);
  void Answered(Question& question);
  void Trouble(Question& question, uint64_t Tally::* counter);
  void Unserved(Question& question, uint64_t Tally::* counter);
  void End(Question& question);
  void CarryOut(pool::Pool& pool, pool::Orders& orders);

  const Load load_;
  Dice dice_;
  TimePoint now_ = kStart;
  uint64_t sequence_ = 0;
  const std::shared_ptr<pool::Budget> budget_;
  std::vector<std::shared_ptr<pool::Pool>> pools_;
  std::vector<Event> events_;
  std::deque<Question> questions_;
  std::vector<size_t> unused_;
  std::unordered_map<pool::Slot*, std::pair<std::shared_ptr<pool::Slot>, pool::Pool*>> slots_;
  std::vector<Tally> tallies_;
};

}  // namespace sim
