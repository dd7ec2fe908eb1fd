// Process, on its way to the end: the drain, PgBouncer's two ways of waiting, and at once.
//
// | kind             | new clients            | those that are there                                        | ends when              |
// |------------------|------------------------|-------------------------------------------------------------|------------------------|
// | drain            | taken for drain_delay  | idle ones are ended, busy ones at their transaction's end   | all have, or in        |
// |                  |                        |                                                             | shutdown_timeout       |
// | wait_for_clients | refused                | go on                                                       | the last one has left  |
// | wait_for_servers | refused                | keep the server they have; whoever wants one is ended       | no server is in use    |
// | now              |                        |                                                             | at once                |
// Where new clients are refused the Unix socket stays open, for the console.
#include <systemd/sd-daemon.h>

#include <algorithm>

#include "proxy/log.h"
#include "proxy/process.h"
#include "proxy/worker.h"

namespace proxy {

using protocol::ErrorCode;

std::string_view Name(Control::ShutdownKind kind) {
  switch (kind) {
    case Control::ShutdownKind::kDrain: return "drain";
    case Control::ShutdownKind::kWaitForClients: return "wait_for_clients";
    case Control::ShutdownKind::kWaitForServers: return "wait_for_servers";
    case Control::ShutdownKind::kNow: return "now";
  }
  return "?";
}

void Process::Stop() { loop_.Stop(); }

void Process::Shutdown(ShutdownKind kind) {
  if (kind == ShutdownKind::kNow) return Stop();
  if (drain_phase_ != DrainPhase::kNone) return;
  sd_notify(0, "STOPPING=1");
  if (kind == ShutdownKind::kDrain) {
    BeginDrain();
  } else {
    Log(Level::kInfo, "shutdown_begins", {{"kind", Name(kind)}, {"clients", shared_->clients.load()}});
    shared_->refuses_logins = true;
    CloseListener(&Listener::CloseTcp);
    drain_phase_ = kind == ShutdownKind::kWaitForClients ? DrainPhase::kLastClient : DrainPhase::kLastServer;
    if (kind == ShutdownKind::kWaitForServers) HoldPools("");
  }
  shared_->run_state = RunState::kDraining;
  drain_timer_.Start(kDrainStep);
}

void Process::CloseListener(void (Listener::*close)()) {
  shared_->workers[0]->Post([this, close] { (*listener_.*close)(); });
}

void Process::BeginDrain() {
  const conf::Global& global = runtime_->config->global;
  Log(Level::kInfo, "drain_begins",
      {{"drain_delay_ms", global.drain_delay.count() / 1000}, {"shutdown_timeout_ms", global.shutdown_timeout.count() / 1000}});
  // A pause would hold clients until the very end.
  for (auto& pool : shared_->pools.All()) {
    pool::Orders orders;
    if (pool->Count(Now()).mode == pool::RunMode::kPaused) pool->SetMode(pool::RunMode::kRunning, Now(), orders);
    shared_->CarryOut(*pool, orders, nullptr);
  }
  drain_phase_ = DrainPhase::kDelay;
  drain_next_ = Now() + global.drain_delay;
  drain_deadline_ = Now() + std::max(global.shutdown_timeout, global.drain_delay);
}

void Process::DrainStep() {
  const pool::TimePoint now = Now();
  const int left = shared_->clients.load();
  switch (drain_phase_) {
    case DrainPhase::kNone: return;
    case DrainPhase::kDelay:
      if (now < drain_next_) break;
      CloseListener(&Listener::Close);
      drain_phase_ = DrainPhase::kClients;
      [[fallthrough]];
    case DrainPhase::kClients:
      if (left == 0 || now >= drain_deadline_) {
        if (left > 0) Log(Level::kWarning, "drain_timeout", {{"clients", left}});
        EndAll();
        break;
      }
      for (auto& worker : shared_->workers) {
        Worker* each = worker.get();
        each->Post([each] { each->DrainSome(kDrainBatch); });
      }
      break;
    case DrainPhase::kLastClient:
      if (left == 0) EndAll();
      break;
    case DrainPhase::kLastServer:
      if (OpenServers("") == 0) {
        EndAll();
      } else if (now >= drain_next_) {
        drain_next_ = now + kWaitersEndedEvery;
        EndWaiters();
      }
      break;
    case DrainPhase::kServers: {
      int open = 0;
      for (const auto& pool : shared_->pools.All()) {
        pool::Orders orders;
        pool->SetMode(pool::RunMode::kPaused, now, orders);  // what is released now closes
        shared_->CarryOut(*pool, orders, nullptr);
        open += pool->Count(now).open;
      }
      if ((open == 0 && left == 0) || now >= drain_deadline_) {
        if (left == 0) Log(Level::kDebug, "drained", {});
        return Stop();
      }
      break;
    }
  }
  drain_timer_.Start(kDrainStep);
}

// Nobody gets a server any more: whoever waits for one would wait for nothing.
void Process::EndWaiters() {
  for (auto& worker : shared_->workers) {
    Worker* each = worker.get();
    each->Post([each] {
      each->ForEachClient([](Client& client) {
        if (client.state() == ClientState::kWaiting || client.state() == ClientState::kAttach) client.End(ErrorCode::kShuttingDown);
      });
    });
  }
}

void Process::EndAll() {
  CloseListener(&Listener::Close);
  EndClients([](const Client&) { return true; }, ErrorCode::kShuttingDown);
  for (auto& worker : shared_->workers) worker->Post([each = worker.get()] { each->RetireServers(); });
  drain_phase_ = DrainPhase::kServers;
  drain_deadline_ = Now() + kLastWords;
}

}  // namespace proxy
