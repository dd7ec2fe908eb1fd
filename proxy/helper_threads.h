// Threads for what may block: name lookups and password hashing of many iterations.
//
// What: Run takes work to one of a few threads; the work itself posts its result back to the loop that wants it.
// Limits: kHelperThreads threads; kHelperQueueMax tasks: beyond it Run says no, and the caller fails that one login or connect.
// Threads: any. Destruction finishes the running tasks and drops the queued ones.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace proxy {

inline constexpr size_t kHelperThreads = 4;
inline constexpr size_t kHelperQueueMax = 4096;

class HelperThreads {
 public:
  HelperThreads();
  ~HelperThreads();
  HelperThreads(const HelperThreads&) = delete;
  HelperThreads& operator=(const HelperThreads&) = delete;
  void Stop();  // as the destructor; Run says no afterwards
  [[nodiscard]] bool Run(std::function<void()> work);

 private:
  void Loop();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace proxy
