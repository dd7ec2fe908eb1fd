// What tests of the notification hub share: two workers (an event loop on a thread each), the hub on the first, and a record
// of what every subscriber was told, in order.
//
// Threads: the test's own thread drives; workers write the record under a mutex. Nothing waits for a guess of time: a test asks
// Until a condition of the record is true.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "proxy/notification_hub.h"

namespace proxy {

class LoopThread {
 public:
  LoopThread() : thread_([this] { loop_.Run(); }) {}
  ~LoopThread() { Join(); }
  void Join() {
    if (!thread_.joinable()) return;
    loop_.Stop();
    thread_.join();
  }
  EventLoop& loop() { return loop_; }
  std::thread::id id() const { return thread_.get_id(); }
  void Await();  // everything that was posted before has run

 private:
  EventLoop loop_;
  std::thread thread_;
};

struct Heard {
  enum class Kind { kNotification, kGap, kDone, kError } kind;
  std::string text;  // "channel=payload"; channels; which call; DETAIL
  bool operator==(const Heard&) const = default;
};

class NotificationRig {
 public:
  static constexpr size_t kWorkers = 2;
  struct Caps {
    int database, user;  // 0 = none
  };
  explicit NotificationRig(int port, Caps caps = {0, 0});
  ~NotificationRig();

  // Asks; what is answered is recorded under the name of the call.
  void Subscribe(Subscriber who, std::vector<std::string> channels, const std::string& call = "subscribe");
  void Unsubscribe(Subscriber who, std::vector<std::string> channels, const std::string& call = "unsubscribe");
  void Forget(Subscriber who) { hub_->Forget(pool_, who); }
  // Asks and waits for the answer; the error's DETAIL, or "".
  std::string Listen(Subscriber who, std::vector<std::string> channels);
  std::string Unlisten(Subscriber who, std::vector<std::string> channels);

  std::vector<Heard> HeardBy(Subscriber who) const;
  std::vector<std::string> Notified(Subscriber who) const;  // the texts of kNotification
  size_t Count(Subscriber who, Heard::Kind kind) const;
  bool AwaitNotified(Subscriber who, size_t count) const;
  bool AwaitCount(Subscriber who, Heard::Kind kind, size_t count) const;
  bool AwaitNoConnection() const;  // the places were given back

  NotificationHub& hub() { return *hub_; }
  void EndHub();  // on its own loop, as at shutdown
  LoopThread& worker(size_t number) { return *workers_[number]; }
  const std::shared_ptr<BackendPool>& pool() const { return pool_; }
  pool::Budget& database_budget() { return *pool_->budgets().at(0); }
  pool::Budget& user_budget() { return *pool_->budgets().at(1); }
  size_t most_on_the_way() const { return most_on_the_way_; }  // tasks posted to the second worker and not run yet
  size_t pokes() const { return pokes_; }

 private:
  NotificationSeams Seams();
  void Record(Subscriber who, Heard heard);
  std::vector<Heard> Answers(Subscriber who) const;
  std::string AwaitAnswer(Subscriber who, size_t before) const;
  NotificationHub::Done Recorder(Subscriber who, const std::string& call);

  mutable std::mutex mutex_;
  // All guarded by mutex_. Counts and answers also by themselves: a test that asks again and again must not hold up a flood.
  std::map<Subscriber, std::vector<Heard>> heard_, answers_;
  std::map<std::pair<Subscriber, Heard::Kind>, size_t> counts_;
  std::atomic<size_t> on_the_way_{0}, most_on_the_way_{0}, pokes_{0};
  std::shared_ptr<BackendPool> pool_;
  std::array<std::unique_ptr<LoopThread>, kWorkers> workers_;
  HelperThreads helpers_;
  ControlLoop names_home_;  // never turned: no host of these tests is a name
  Resolver resolver_{names_home_};
  Hosts hosts_{1};
  std::unique_ptr<NotificationHub> hub_;
};

}  // namespace proxy
