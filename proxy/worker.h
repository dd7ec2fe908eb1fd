// One worker thread: its loop, its clients, its servers, its read buffer.
//
// What: owns every Client and Server that is bound to it, carries out what pools order for it, buries the dead at the end of
// the turn.
// Threads: everything here happens on the worker's thread, except Post, the counters, and clients_count().
// Limits: one read buffer of kReadBytes behind kHeadroomBytes for bytes that a connection kept from its last read.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "proxy/client.h"
#include "proxy/row_walk.h"
#include "proxy/server.h"
#include "proxy/shared.h"
#include "proxy/timeout_queue.h"

namespace proxy {

inline constexpr size_t kReadBytes = 64 * 1024;
inline constexpr pool::Duration kHoldersLookedAtEvery{250'000};  // while leak_threshold is on
inline constexpr size_t kHeadroomBytes = 2 * kPendingBytesMax;

class Worker {
 public:
  Worker(Shared& shared, pool::WorkerId number, RuntimeRef runtime);
  ~Worker();
  void Start();
  void Join();
  pool::Duration CpuTime();  // of its thread so far; for the thread that starts and joins it
  void Post(std::function<void()> task) { loop_.Post(std::move(task)); }

  void Adopt(const Accepted& accepted, uint64_t id);
  void OpenServer(std::shared_ptr<BackendPool> pool, std::shared_ptr<pool::Slot> slot);
  void CloseSlot(pool::Slot& slot);
  void MoveOut(const std::shared_ptr<BackendPool>& pool, pool::Slot& slot, pool::WorkerId to);
  // The pool said that this server (of this worker) goes to another: detaches it now, sends it at the end of the turn.
  void SendAway(Server& server, pool::WorkerId to);
  // At the end of the turn it goes to the worker that is its home, if it still may.
  void SendHome(Client& client);
  void WakePool(const std::shared_ptr<BackendPool>& pool, pool::TimePoint at);
  void CarryOut(BackendPool& pool, pool::Orders& orders) { shared_.CarryOut(pool, orders, this); }

  void Bury(Client& client);
  void Bury(Server& server);
  Client* FindClient(uint64_t id);
  Server* FindServer(uint64_t id);

  void SetRuntime(RuntimeRef runtime);
  void DrainSome(int batch);  // tells up to `batch` clients that do not know yet
  void RetireServers();       // closes the idle ones
  void RetireMoved(const NameNews& news);  // servers at an address that their name does not have any more
  void ForEachClient(const std::function<void(Client&)>& each);
  // Gathers this worker's rows, a slice a turn; `done` gets them in a later turn, on this thread.
  void CollectRows(Collecting what, std::function<void(Snapshot)> done);

  // The front of the read buffer is for what a connection kept; Reading() is where new bytes go behind it.
  char* ReadBuffer() { return buffer_.get() + kHeadroomBytes; }
  std::unique_ptr<Parts> BorrowParts();
  void GiveBack(std::unique_ptr<Parts> parts);

  EventLoop& loop() { return loop_; }
  TimeoutQueue& timeouts() { return timeouts_; }
  Shared& shared() { return shared_; }
  const RuntimeRef& runtime() const { return runtime_; }
  const conf::Config& config() const { return *runtime_->config; }
  pool::WorkerId number() const { return number_; }
  int clients_count() const { return clients_count_.load(std::memory_order_relaxed); }
  void AddClients(int n) { clients_count_.fetch_add(n, std::memory_order_relaxed); }
  void AddLogins(int n) { logins_ += n; }
  void CountError(protocol::ErrorCode code) {
    errors_[static_cast<size_t>(code)].Add(1);
    last_errors_[static_cast<size_t>(code)] = std::chrono::system_clock::now();
  }
  KeepAlive keep_alive() const;

 private:
  void RunThread();
  void WatchHolders();
  void GoOnCollecting(const std::shared_ptr<RowWalk>& walk, const std::function<void(Snapshot)>& done);
  WorkerRow Row() const;
  Shared& shared_;
  const pool::WorkerId number_;
  std::atomic<int> clients_count_{0};  // before loop_: a client that was on its way here when all ends is still counted
  EventLoop loop_;
  TimeoutQueue timeouts_{loop_};
  RuntimeRef runtime_;
  std::unique_ptr<char[]> buffer_;
  std::vector<std::unique_ptr<Parts>> spare_parts_;  // as many as relays were ever inside each other
  ClientTable clients_;
  ServerTable servers_;
  std::vector<std::unique_ptr<Client>> dead_clients_;
  std::vector<std::unique_ptr<Server>> dead_servers_;
  struct Wake {
    pool::TimePoint at{};
    std::unique_ptr<Timer> timer;
  };
  std::unordered_map<BackendPool*, Wake> wakes_;
  Timer holders_timer_{loop_, [this] { WatchHolders(); }};
  int logins_ = 0;  // clients that are not yet logged in
  std::array<Counter, static_cast<size_t>(protocol::ErrorCode::kCount_)> errors_;
  std::array<WallTime, static_cast<size_t>(protocol::ErrorCode::kCount_)> last_errors_{};
  std::thread thread_;
};

// Empty Parts for one relay.
class PartsLoan {
 public:
  explicit PartsLoan(Worker& worker) : worker_(worker), parts_(worker.BorrowParts()) {}
  ~PartsLoan() { worker_.GiveBack(std::move(parts_)); }
  PartsLoan(const PartsLoan&) = delete;
  PartsLoan& operator=(const PartsLoan&) = delete;
  Parts& parts() const { return *parts_; }

 private:
  Worker& worker_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace proxy
