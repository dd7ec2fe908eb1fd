// What the pool wants done outside its mutex: open, close, move, fail, wake. The proxy carries them out.
//
// What: filled by Pool's calls, read afterwards without any lock. The common acquire and release leave it empty, and an empty
// one costs nothing: no allocation until something is added.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "pool/backend_health.h"
#include "pool/slot.h"

namespace pool {

class Budget;
class Pool;

struct Orders {
  struct Move {
    std::shared_ptr<Slot> slot;
    WorkerId from, to;
  };
  struct Failed {
    WorkerId worker;
    uint64_t owner_id;  // by id: the client may have gone when the word arrives
  };
  std::vector<std::shared_ptr<Slot>> open;   // on slot->worker
  std::vector<std::shared_ptr<Slot>> close;  // were idle; on slot->worker
  std::vector<Move> move;                    // idle servers wanted elsewhere
  std::vector<Failed> failed;                // waiters that left the queue: tell them `failure`
  std::vector<Failed> shed;                  // waiters that left the queue because it is overloaded
  std::vector<std::shared_ptr<Pool>> poke;   // other pools that may grow now: call Tick
  std::shared_ptr<OpenFailure> failure;
  std::shared_ptr<Budget> evict;  // at a shared cap: let another pool give an idle one up
  TimePoint wake_at = kNever;     // call Tick then

  bool empty() const {
    return open.empty() && close.empty() && move.empty() && failed.empty() && shed.empty() && poke.empty() && !evict &&
           wake_at == kNever;
  }
};

}  // namespace pool
