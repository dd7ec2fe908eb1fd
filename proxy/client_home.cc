// Client, on its way from one worker to another.
//
// Which workers carry clients changes with the load (load_watch.h), and which of those is the home of a client follows from its number
// alone. It goes there at the end of a transaction, so that only those move that are at work, and nobody has to look for them.
#include "proxy/client.h"
#include "proxy/worker.h"

namespace proxy {

pool::WorkerId Client::Home() const { return worker_->shared().HomeOf(id_, pool_->mode()); }

bool Client::MayMove() const {
  const bool is_at_rest = state_ == ClientState::kIdle && server_ == nullptr && deferred_ == Deferred::kNo && !drain_ && !leaving_ &&
                          !ready_withheld_ && waiter_.state == pool::WaiterState::kNone && !transaction_timeout_.is_armed();
  const bool has_input = !input_.empty() || stream_left_ > 0 || refusal_ != nullptr;
  // The hub knows it by its worker.
  const bool listens = session_ && (session_->IsKnownToHub() || !session_->channel_changes.empty());
  return is_at_rest && !has_input && !listens && socket_->MayMove();
}

void Client::MoveOut(Worker& to) {
  auto& counters = pool_->counters(worker_->number());
  counters.clients.Subtract(1);
  counters.client_moves.Add(1);
  timeout_.Disarm();
  socket_->Detach();
  to.AddClients(1);
  worker_->AddClients(-1);
  worker_ = &to;
  waiter_.worker = to.number();
  // A cancel request that is on its way to the old one finds nothing there to cancel, and there is nothing.
  if (cancel_process_id_ != 0) to.shared().cancels.Move(cancel_process_id_, id_, to.number());
}

void Client::MoveIn() {
  pool_->counters(worker_->number()).clients.Add(1);
  if (client_idle_timeout_ > pool::Duration(0)) {
    timeout_.ArmAt(worker_->timeouts(), client_idle_timeout_, timeout_.due(), &Client::OnClock, this);
  }
  socket_->Attach(worker_->loop(), *this);
}

}  // namespace proxy
