// Who waits for a server of one pool, in the order they came, and whose turn it is.
//
// What: one FIFO per worker, all ordered by one ticket, so that "the oldest on this worker" and "the oldest of all" are both
// heads of lists. Removal anywhere is O(1). While waiters of more than one flow are there, each stands in its flow's lists too
// and flows take turns (flows.h); with one flow nothing of that is touched. No deadlines here: the worker that owns a waiter
// owns its timer.
// Threads: guarded by the pool's mutex. Ownership: borrows waiters; each is a member of its client.
// Invariants: inside a list tickets rise; a waiter is in at most one list of each kind; size() is the sum over the lists.
// Limits: WorkersMax lists; the number of waiters is bounded by the pool's max_waiting. The first waiter of a second flow puts
// all who wait into their flows: O(size()), until the queue is empty again.
#pragma once

#include <cstdint>
#include <vector>

#include "pool/flows.h"
#include "pool/intrusive_list.h"
#include "pool/time.h"
#include "pool/waiter.h"

namespace pool {

class WaitQueue {
 public:
  explicit WaitQueue(uint32_t workers) : lists_(workers), flows_(workers) {}
  // A place in the order of arrival without standing in the queue, for PushAgain.
  void GiveTicket(Waiter& waiter) { waiter.ticket = next_ticket_++; }
  void Push(Waiter& waiter);       // behind everybody, with a new ticket
  void PushAgain(Waiter& waiter);  // keeps its ticket: where it stood before
  void Remove(Waiter& waiter);
  Waiter* Oldest() const;  // nullptr when empty
  Waiter* OldestOn(WorkerId worker) const { return lists_[worker].front(); }
  size_t size() const { return size_; }

  // Whose turn it is, while somebody waits. nullptr: there is one flow only, and that is everybody.
  Flow* Next() { return flows_.empty() ? nullptr : &flows_.Next(); }
  Waiter* OldestOf(const Flow* flow) const { return flow == nullptr ? Oldest() : flow->Oldest(); }
  Waiter* OldestOf(const Flow* flow, WorkerId worker) const {
    return flow == nullptr ? OldestOn(worker) : flow->OldestOn(worker);
  }
  size_t WaitingIn(const Flow* flow) const { return flow == nullptr ? size_ : flow->waiting; }
  // At least so many come before a newcomer of this flow: all who wait, or those of its own.
  size_t WaitingBefore(const Waiter& newcomer) const {
    if (flows_.empty()) return newcomer.flow == only_flow_ ? size_ : 0;
    return flows_.WaitingIn(newcomer.flow);
  }
  Overload& OverloadOf(Flow* flow) { return flow == nullptr ? overload_ : flow->overload; }
  Loan Lend(const Waiter& waiter, TimePoint now) {
    return flows_.empty() ? Loan{waiter.flow, Duration(0), now} : flows_.Lend(flows_.Of(waiter), now);
  }
  void Charge(const Loan& loan, TimePoint now) {
    if (!flows_.empty()) flows_.Charge(loan, now);
  }
  bool IsShedding() const { return flows_.empty() ? size_ > 0 && overload_.is_shedding() : flows_.IsShedding(); }
  void ForgetOverload();

 private:
  void Enter(Waiter& waiter) {
    if (size_++ > 0 && flows_.empty() && waiter.flow == only_flow_) return;
    EnterFlow(waiter);
  }
  void EnterFlow(Waiter& waiter);
  void Split();

  std::vector<IntrusiveList<Waiter, &Waiter::links>> lists_;
  uint64_t next_ticket_ = 1;
  size_t size_ = 0;
  FlowKey only_flow_ = 0;  // while flows_ is empty and somebody waits
  Overload overload_;      // of that flow
  Flows flows_;            // empty: there is only one
};

}  // namespace pool
