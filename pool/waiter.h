// One client in the queue of a pool.
//
// Ownership: a member of its client; lists borrow it, and whoever owns it cancels it before it dies. Threads: what the pool
// writes is guarded by the pool's mutex.
#pragma once

#include <cstdint>

#include "pool/intrusive_list.h"
#include "pool/time.h"

namespace pool {

using WorkerId = uint32_t;
// A flow's name as a hash: two flows that share one by chance (1 in 4 thousand million) share their turn.
using FlowKey = uint32_t;
struct Slot;

enum class WaiterState : uint8_t {
  kNone,     // not waiting
  kQueued,   // in the queue
  kGranted,  // a server is on its way from another worker, or in login for this waiter alone
};

struct Waiter {
  // Set by the owner before Acquire, constant while waiting.
  WorkerId worker = 0;
  FlowKey flow = 0;
  void* owner = nullptr;  // the client; the pool only hands it back
  uint64_t owner_id = 0;  // the same client by a name that survives it
  Duration patience{0};   // the longest that it would wait; 0 = it does not say
  uint16_t weight = 1;    // of its flow; that of the last who came counts
  // Written by the pool.
  WaiterState state = WaiterState::kNone;
  uint64_t ticket = 0;
  TimePoint since{};
  Slot* grant = nullptr;
  bool dedicated = false;        // waits for a server of its own (Pool::AcquireDedicated)
  ListLinks<Waiter> links;       // in the queue, or among the dedicated
  ListLinks<Waiter> flow_links;  // in its flow, while there is more than one
};

}  // namespace pool
