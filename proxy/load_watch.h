// Looks at how busy the workers are, and says how many of them carry clients.
//
// What: reads the CPU clock of each worker's thread every kLoadLookedAtEvery, so that the path of a query counts nothing; WorkerScale
// decides; Shared::workers_in_use tells everybody. Clients go to where they belong by then at the end of their transactions
// (client_home.cc); a server, when somebody on another worker needs it. A worker that is not in use keeps what has not moved.
// Threads: the loop's, the control thread. Ownership: the process; goes before Shared. Where all are always in use nothing is looked at.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "proxy/event_loop.h"
#include "proxy/worker_scale.h"

namespace proxy {

inline constexpr pool::Duration kLoadLookedAtEvery{100'000};

class LoadWatch {
 public:
  using CpuClock = std::function<pool::Duration()>;  // what a worker's thread has used so far
  LoadWatch(EventLoop& loop, std::vector<CpuClock> clocks, uint32_t least, std::atomic<uint32_t>& in_use);
  LoadWatch(const LoadWatch&) = delete;
  LoadWatch& operator=(const LoadWatch&) = delete;

  void Start();  // the workers' threads run
  void SetLeast(uint32_t least);  // the same again, as each RELOAD says it, changes nothing

 private:
  void Look();
  void Use(uint32_t workers);

  const std::vector<CpuClock> clocks_;
  std::atomic<uint32_t>& in_use_;
  WorkerScale scale_;
  Timer timer_;
  pool::TimePoint looked_at_{};
  std::vector<pool::Duration> used_, before_;
};

}  // namespace proxy
