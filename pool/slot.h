// One place in a pool: the bookkeeping of one server connection from the decision to open it until its socket is closed.
//
//   state     means                                              leaves by
//   login     being opened and logged in                         Opened, OpenFailed, BeginClose
//   idle      clean, in its worker's idle stack                  Acquire, steal (moving), trim or Retire (closing)
//   active    leased to a client, or tested or cleaned for one   Release, BeginClose
//   moving    on its way to another worker                       Arrived, BeginClose
//   closing   given up, socket not closed yet; still counts      Closed
//
// Ownership: shared_ptr, because an order to another worker may still name a slot that has ended; the pool's copy is the one
// that counts. Threads: all is guarded by the pool's mutex, but server, which only the worker in `worker` touches, and dedicated_to,
// which never changes from the order to open on.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "pool/budget.h"
#include "pool/intrusive_list.h"
#include "pool/time.h"
#include "pool/wait_queue.h"

namespace pool {

enum class SlotState : uint8_t { kLogin, kIdle, kActive, kMoving, kClosing, kClosed };
inline constexpr size_t kSlotStates = 6;

struct Slot : std::enable_shared_from_this<Slot> {
  SlotState state = SlotState::kLogin;
  WorkerId worker = 0;
  bool close_needed = false;  // RECONNECT, changed configuration: close at release
  uint64_t dedicated_to = 0;   // opened for one client alone, which has this owner_id (Pool, law 7); 0 = for whoever comes
  bool has_successor = false;  // its lifetime is almost over, and another one was opened for that
  size_t index = 0;           // in Pool::slots_
  TimePoint opened_at{}, idle_since{}, expires_at = kNever;
  Budgets places;           // the caps that it counts against
  Waiter* grant = nullptr;  // moving, or a dedicated one in login: for whom
  Loan loan;                // active, or moving for somebody: since when, and for which flow
  void* server = nullptr;   // the proxy's Server
  ListLinks<Slot> idle_links;
};

}  // namespace pool
