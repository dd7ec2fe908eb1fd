// The process: configuration, workers, listeners, signals, reload, drain; and Control, through which admin sees and steers it.
//
// What: owns everything. The control loop runs on the calling thread: signals, housekeeping once a second, the console and the
// HTTP endpoint. Workers are told by message. Clients are accepted by worker 0 (listener.h).
// Threads: every member on the control thread, but for Accept. Limits: clients are drained kDrainBatch per worker every kDrainStep.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "conf/loader.h"
#include "proxy/capacity_watch.h"
#include "proxy/control.h"
#include "proxy/control_loop.h"
#include "proxy/listener.h"
#include "proxy/load_watch.h"
#include "proxy/shared.h"

namespace proxy {

inline constexpr pool::Duration kHousekeeping{1'000'000};
inline constexpr pool::Duration kDrainStep{20'000};
inline constexpr pool::Duration kWaitStep{5'000};  // how often it is looked whether a PAUSE or WAIT_CLOSE is done
inline constexpr int kDrainBatch = 100;
inline constexpr pool::Duration kWaitersEndedEvery{100'000};  // while it waits for the servers
inline constexpr pool::Duration kLastWords{2'000'000};  // for the servers' ends after everything else is done

class Process final : public Control {
 public:
  explicit Process(conf::LoadOptions options);
  ~Process() override;

  // Loads, becomes the configured user, checks limits, opens the log, builds TLS. Mistakes are printed to stderr.
  bool Prepare();
  void SetConsole(ConsolePort& console) { shared_->console = &console; }
  bool Start();  // workers and listeners; the log says why not
  int Run();     // until the end; the exit status
  void StopWorkers();

  std::shared_ptr<const conf::Config> config() const override { return runtime_->config; }
  RunState run_state() const override { return shared_->run_state.load(); }
  event_base* base() const override { return control_.base(); }
  WallTime started_at() const override { return started_at_; }
  bool HasStarted() const override { return has_started_; }
  void Collect(Collecting what, std::function<void(Snapshot)> done) override;
  void AskWorkers(std::chrono::milliseconds within, std::function<void(bool)> done) override;
  Changes Reload() override;
  Changes DryRun() const override;
  Changes Set(std::string_view key, std::string_view value) override;
  void Pause(std::string_view database, std::optional<std::chrono::microseconds> timeout, PauseDone done) override;
  void Resume(std::string_view database, Done done) override;
  void Kill(std::string_view database, Done done) override;
  void Reconnect(std::string_view database, Done done) override;
  void WaitClose(std::string_view database, Done done) override;
  void Disable(std::string_view database, Done done) override;
  void Enable(std::string_view database, Done done) override;
  void KillClient(uint64_t id, Done done) override;
  void KillClients(std::vector<uint64_t> ids, std::function<void(size_t)> done) override;
  void Shutdown(ShutdownKind kind) override;

 private:
  static tl::expected<RuntimeRef, std::vector<conf::Mistake>> MakeRuntime(std::shared_ptr<const conf::Config> config);
  void Accept(const Accepted& accepted);  // on worker 0
  void RaiseDescriptorLimit();
  void ConfigureNames();
  bool ChooseIoMethod(std::string& text);  // text: what the log says of it
  void Prewarm();  // pools that are known without a client: a forced user and min_pool_size
  void Housekeeping();
  void LogStats();
  void LogNotes() const;  // what the configuration says without effect
  // Puts a configuration that was loaded into force; the changes, or why it cannot be.
  Changes Adopt(std::shared_ptr<const conf::Config> config);
  static std::vector<std::string> ChangesBetween(const conf::Config& before, const conf::Config& after);
  void CloseListener(void (Listener::*close)());  // on its own thread
  void BeginDrain();
  void DrainStep();
  void Stop();
  void EndWaiters();  // who waits for a server
  void EndAll();      // and then the process
  void HoldPools(std::string_view database);  // what PAUSE and KILL share: no server is handed out, idle ones close
  void WaitStep();        // answers every PAUSE and WAIT_CLOSE that has come to its end
  void GiveUpPause(uint64_t serial, const Snapshot& snapshot);
  void RunPaused();       // lets every pool run again that no pause holds any more
  int OpenServers(std::string_view database) const;
  int ServersGivenUp(std::string_view database) const;
  bool KnowsDatabase(std::string_view name) const;
  std::vector<std::shared_ptr<BackendPool>> PoolsOf(std::string_view database) const;
  // `visit` runs on each worker's thread, and a second time: by then a client that was on its way between two of them has arrived.
  // `done`, on the control thread, gets the sum of what it returned.
  void OnWorkersTwice(std::function<size_t(Worker&)> visit, std::function<void(size_t)> done);
  void EndClients(std::function<bool(const Client&)> is_meant, protocol::ErrorCode code);
  void EndClientsOf(std::string_view database, protocol::ErrorCode code);
  void AddPools(Snapshot& snapshot) const;
  void AddDatabases(Snapshot& snapshot) const;
  void AddUsers(Snapshot& snapshot) const;

  conf::LoadOptions options_;
  RuntimeRef runtime_;
  ControlLoop control_;
  EventLoop& loop_ = control_.loop();
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<CapacityWatch> capacity_;
  std::unique_ptr<LoadWatch> load_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<SignalWatch>> signals_;
  Timer housekeeping_, drain_timer_, wait_timer_;
  WallTime started_at_;
  bool has_started_ = false;

  enum class DrainPhase : uint8_t { kNone, kDelay, kClients, kLastClient, kLastServer, kServers };
  DrainPhase drain_phase_ = DrainPhase::kNone;
  pool::TimePoint drain_deadline_{}, drain_next_{};
  struct WaitingPause {
    uint64_t serial = 0;
    std::string database;
    pool::TimePoint deadline{};
    std::chrono::microseconds timeout{};
    enum class Phase : uint8_t { kWaits, kLate } phase = Phase::kWaits;  // kLate: asks who holds it up
    PauseDone done;
  };
  struct WaitingClose {
    std::string database;
    Done done;
  };
  std::vector<WaitingPause> waiting_pauses_;
  std::vector<WaitingClose> waiting_closes_;
  uint64_t pause_serial_ = 0;
  pool::TimePoint last_stats_{};
  PoolTotals stats_before_;
};

}  // namespace proxy
