#include "proxy/login_threads.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "proxy/event_loop.h"

namespace proxy {
namespace {

// Questions that are being asked anywhere in the process.
std::atomic<size_t> unanswered{0};

bool IsWaitedFor(const LoginThreads::Question& question) { return !question.asker.expired() && Now() < question.deadline; }

}  // namespace

struct LoginThreads::State {
  std::mutex mutex;
  std::condition_variable wake, rest;
  // guarded by mutex, all of them
  std::deque<Question> queue;
  size_t threads = 0, busy = 0;
  bool stopping = false;
};

LoginThreads::LoginThreads() : state_(std::make_shared<State>()) {}

LoginThreads::~LoginThreads() { Stop(); }

bool LoginThreads::Ask(Question question) {
  std::lock_guard lock(state_->mutex);
  if (state_->stopping) return false;
  auto& queue = state_->queue;
  if (queue.size() >= kLoginQueueMax) std::erase_if(queue, [](const Question& each) { return !IsWaitedFor(each); });
  if (queue.size() >= kLoginQueueMax) return false;
  if (state_->busy + queue.size() >= state_->threads && state_->threads < kLoginThreads) {
    try {
      std::thread([state = state_] { Loop(state); }).detach();
      ++state_->threads;
    } catch (const std::system_error&) {
      if (state_->threads == 0) return false;  // those that are there do it later
    }
  }
  queue.push_back(std::move(question));
  state_->wake.notify_one();
  return true;
}

void LoginThreads::Stop() {
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  state_->queue.clear();
  state_->wake.notify_all();
  const auto wait = std::chrono::microseconds(kLoginStopWait);
  state_->rest.wait_for(lock, wait, [this] { return state_->busy == 0; });
}

void LoginThreads::Loop(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  for (;;) {
    state->wake.wait(lock, [&state] { return state->stopping || !state->queue.empty(); });
    if (state->stopping) return;
    Question question = std::move(state->queue.front());
    state->queue.pop_front();
    if (!IsWaitedFor(question)) continue;
    ++state->busy;
    ++unanswered;
    lock.unlock();
    std::string answer = question.ask();
    lock.lock();
    --state->busy;
    --unanswered;
    // Under the lock, so that Stop is not over while an answer is on its way.
    if (!state->stopping) question.done(std::move(answer));
    state->rest.notify_all();
  }
}

int EndProcess(int status) {
  if (unanswered > 0) std::_Exit(status);
  return status;
}

}  // namespace proxy
