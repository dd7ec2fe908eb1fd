// Who waits for a server of one pool, in the order they came.
//
// What: one FIFO per worker, all ordered by one ticket, so that "the oldest on this worker" and "the oldest of all" are both
// heads of lists. Removal anywhere is O(1). No deadlines here: the worker that owns a waiter owns its timer.
// Threads: guarded by the pool's mutex. Ownership: borrows waiters; each is a member of its client.
// Invariants: inside a list tickets rise; a waiter is in at most one list; size() is the sum over the lists.
// Limits: WorkersMax lists; the number of waiters is bounded by the pool's max_waiting.
#pragma once

#include <cstdint>
#include <vector>

#include "pool/intrusive_list.h"
#include "pool/time.h"

namespace pool {

using WorkerId = uint32_t;
struct Slot;

enum class WaiterState : uint8_t {
  kNone,     // not waiting
  kQueued,   // in the queue
  kGranted,  // a server is on its way from another worker
};

struct Waiter {
  // Set by the owner before Acquire, constant while waiting.
  WorkerId worker = 0;
  void* owner = nullptr;  // the client; the pool only hands it back
  uint64_t owner_id = 0;  // the same client by a name that survives it
  // Written by the pool.
  WaiterState state = WaiterState::kNone;
  uint64_t ticket = 0;
  TimePoint since{};
  Slot* grant = nullptr;
  ListLinks<Waiter> links;
};

class WaitQueue {
 public:
  explicit WaitQueue(uint32_t workers) : lists_(workers) {}
  // A place in the order of arrival without standing in the queue, for PushAgain.
  void GiveTicket(Waiter& waiter) { waiter.ticket = next_ticket_++; }
  void Push(Waiter& waiter);       // behind everybody, with a new ticket
  void PushAgain(Waiter& waiter);  // keeps its ticket: where it stood before
  void Remove(Waiter& waiter);
  Waiter* Oldest() const;  // nullptr when empty
  Waiter* OldestOn(WorkerId worker) const { return lists_[worker].front(); }
  size_t size() const { return size_; }

 private:
  std::vector<IntrusiveList<Waiter, &Waiter::links>> lists_;
  uint64_t next_ticket_ = 1;
  size_t size_ = 0;
};

}  // namespace pool
