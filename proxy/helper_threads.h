// Threads for what may block: one set for name lookups, another for password hashing of many iterations.
//
// What: Run takes work to one of a few threads; the work itself posts its result back to the loop that wants it.
// Limits: so many threads as it was made with; kHelperQueueMax tasks: beyond it Run says no, and the caller fails that one login or connect.
// Threads: any. Destruction finishes the running tasks and drops the queued ones. Leave does not wait for those that run: they
// then outlive this object, and must hold on to whatever they use.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace proxy {

inline constexpr size_t kHelperThreads = 4;
inline constexpr size_t kHelperQueueMax = 4096;

class HelperThreads {
 public:
  explicit HelperThreads(size_t threads = kHelperThreads);
  ~HelperThreads();
  HelperThreads(const HelperThreads&) = delete;
  HelperThreads& operator=(const HelperThreads&) = delete;
  void Stop();   // as the destructor; Run says no afterwards
  void Leave();  // the same, without waiting
  [[nodiscard]] bool Run(std::function<void()> work);

 private:
  struct Queue;  // the threads' own share in it outlives this object
  static void Loop(Queue& queue);
  void Close();
  const std::shared_ptr<Queue> queue_;
  std::vector<std::thread> threads_;
};

}  // namespace proxy
