// LISTEN for clients of transaction pools: one listening connection per pool, its notifications spread over the workers.
//
// The invariant. For each pool PostgreSQL sends one ordered stream; each subscriber sees a cut-out of it: it begins exactly
// where its `done` of Subscribe is said and ends exactly where its `done` of Unsubscribe is said.
//   - Nothing before: what was read before that point is not for it, even when it concerns a channel that others had. Who
//     joins others is answered at once, so a notification that was committed but not read yet may still be its first.
//   - Nothing missing after: the point is never before PostgreSQL has confirmed LISTEN (it is committed then), so that whatever
//     commits after `done` is sent on this connection, read after that point, and posted to the worker after `done`.
//   - Exactly once and in order: a channel's audience is a set, and all that is said to a worker goes one ordered way.
//   - Nothing after the end: Unsubscribe is answered after one more round trip to PostgreSQL, so that what was on its way
//     has been posted before `done`, and nothing is posted after it.
//   - Except when the connection was lost: then everybody who may have missed something is told once (`gap`), after LISTEN
//     is in force again for all channels. From that word on nothing is missing: a client that reads its tables anew is safe.
// How this is kept is written in audience.h; what may come from PostgreSQL, in listening_connection.h.
//
// Threads: lives on one worker's loop (worker 0); every call may be made from any thread and is posted there, in order per
// thread. `done`, deliver and gap run on the subscriber's worker. A subscriber makes one call at a time (the next after
// `done`), except Forget, which it may make at any time and after which only what is already posted still comes: the worker
// looks the client up by its id.
// Ownership: whoever owns the workers; destroyed on its loop's thread or after that thread has ended. Limits: audience.h,
// notification_outbox.h, and one connection per pool under max_db_connections and max_user_connections.
// Source: PostgreSQL documentation, LISTEN, NOTIFY; src/backend/commands/async.c.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "proxy/audience.h"

namespace proxy {

class NotificationHub {
 public:
  using Done = NotificationOutbox::Done;

  NotificationHub(DialRoom room, NotificationSeams seams, uint64_t seed);
  ~NotificationHub();
  NotificationHub(const NotificationHub&) = delete;
  NotificationHub& operator=(const NotificationHub&) = delete;

  // No error: the subscriber listens to all of them. An error: to none that it did not listen to before.
  void Subscribe(std::shared_ptr<BackendPool> pool, Subscriber subscriber, std::vector<std::string> channels, Done done);
  // No channels = all. Never fails but at Stop.
  void Unsubscribe(std::shared_ptr<BackendPool> pool, Subscriber subscriber, std::vector<std::string> channels, Done done);
  void Forget(std::shared_ptr<BackendPool> pool, Subscriber subscriber);
  // RECONNECT, other hosts or passwords: the connection is closed and another one opened; the gap is told.
  void Reopen(std::shared_ptr<BackendPool> pool);
  // The same for a connection to an address that its host's name has no more.
  void LeaveAddresses(std::shared_ptr<const NameNews> news);
  // Closes every connection, answers whoever waits; later calls are refused.
  void Stop();

 private:
  void Post(std::function<void()> task);
  Audience& AudienceOf(const std::shared_ptr<BackendPool>& pool);
  void EraseIfIdle(BackendPool* pool);

  const DialRoom room_;
  const std::shared_ptr<const NotificationSeams> seams_;
  NotificationOutbox outbox_;
  std::minstd_rand seeds_;
  std::map<BackendPool*, std::unique_ptr<Audience>> audiences_;  // each holds its pool
  bool is_stopped_ = false;
  const std::shared_ptr<const int> alive_ = std::make_shared<const int>(0);  // posted tasks ask it
};

}  // namespace proxy
