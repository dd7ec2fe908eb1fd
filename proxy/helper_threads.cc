#include "proxy/helper_threads.h"

#include <condition_variable>
#include <deque>
#include <mutex>

namespace proxy {

struct HelperThreads::Queue {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> tasks;  // guarded by mutex
  bool is_closed = false;                   // guarded by mutex
};

HelperThreads::HelperThreads(size_t threads) : queue_(std::make_shared<Queue>()) {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([queue = queue_] { Loop(*queue); });
}

HelperThreads::~HelperThreads() { Stop(); }

void HelperThreads::Close() {
  std::deque<std::function<void()>> dropped;  // what they hold ends outside of the lock
  {
    std::lock_guard lock(queue_->mutex);
    queue_->is_closed = true;
    dropped.swap(queue_->tasks);
  }
  queue_->wake.notify_all();
}

void HelperThreads::Stop() {
  Close();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void HelperThreads::Leave() {
  Close();
  for (auto& thread : threads_) thread.detach();
  threads_.clear();
}

bool HelperThreads::Run(std::function<void()> work) {
  {
    std::lock_guard lock(queue_->mutex);
    if (queue_->is_closed || queue_->tasks.size() >= kHelperQueueMax) return false;
    queue_->tasks.push_back(std::move(work));
  }
  queue_->wake.notify_one();
  return true;
}

void HelperThreads::Loop(Queue& queue) {
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock lock(queue.mutex);
      queue.wake.wait(lock, [&queue] { return queue.is_closed || !queue.tasks.empty(); });
      if (queue.is_closed) return;
      work = std::move(queue.tasks.front());
      queue.tasks.pop_front();
    }
    work();
  }
}

}  // namespace proxy
