#include "proxy/helper_threads.h"

namespace proxy {

HelperThreads::HelperThreads() {
  for (size_t i = 0; i < kHelperThreads; ++i) threads_.emplace_back([this] { Loop(); });
}

HelperThreads::~HelperThreads() { Stop(); }

void HelperThreads::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

bool HelperThreads::Run(std::function<void()> work) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= kHelperQueueMax) return false;
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
  return true;
}

void HelperThreads::Loop() {
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace proxy
