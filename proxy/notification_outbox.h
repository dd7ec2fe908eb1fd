// The way from the hub to the workers: one ordered stream per worker, and how much lies on it.
//
// What: everything that the hub says to a subscriber (notifications, gaps, answers) goes through here, so that all of it
// arrives at the subscriber's worker in the order in which it was said. A notification's bytes are shared by its subscribers.
// Limits: kOutboxBytesMax bytes said but not yet taken by a worker, each delivery counted with kDeliveryBytes on top. IsFull
// is passed by at most the deliveries of one message: the caller stops reading then, and `on_drained` is called on the hub's
// loop when the workers are at half of it. A worker never blocks, so this is memory for a busy moment, not a place to wait.
// Threads: the hub's loop; the count is atomic because workers lower it. Ownership: tasks on the workers share what they need
// and outlive the outbox; the hub's loop outlives the workers' threads.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/error_catalog.h"
#include "proxy/backend_pool.h"
#include "proxy/event_loop.h"
#include "proxy/listening_connection.h"

namespace proxy {

inline constexpr size_t kOutboxBytesMax = 8 << 20;
inline constexpr size_t kDeliveryBytes = 128;  // a task and its share of the queue

struct Subscriber {
  pool::WorkerId worker = 0;
  uint64_t client_id = 0;
  auto operator<=>(const Subscriber&) const = default;
};

// What the hub does not know: the workers, their clients, the configuration.
struct NotificationSeams {
  // Runs a task on a worker's loop, in the order posted (Worker::Post). Called on the hub's loop.
  std::function<void(pool::WorkerId, std::function<void()>)> post;
  // Called on the subscriber's worker. The subscriber may have gone.
  std::function<void(Subscriber, const MessageRef& message)> deliver;
  std::function<void(Subscriber, const std::vector<std::string>& channels)> gap;
  // Called on the hub's loop.
  std::function<DialOptions(const BackendPool&)> dial_options;
  PokePool poke;
};

class NotificationOutbox {
 public:
  using Done = std::function<void(std::optional<protocol::ErrorReport>)>;

  NotificationOutbox(EventLoop& loop, std::shared_ptr<const NotificationSeams> seams, std::function<void()> on_drained);
  void Deliver(Subscriber subscriber, const MessageRef& message);
  void TellGap(Subscriber subscriber, std::vector<std::string> channels);
  void Answer(Subscriber subscriber, Done done, std::optional<protocol::ErrorReport> error);
  // True: on_drained will be called.
  bool IsFull();

 private:
  struct Load {
    std::atomic<size_t> bytes{0};
    std::atomic<bool> is_awaited{false};
  };
  static bool ClaimDrained(Load& load);

  EventLoop& loop_;
  const std::shared_ptr<const NotificationSeams> seams_;
  const std::shared_ptr<Load> load_ = std::make_shared<Load>();
  const std::shared_ptr<const std::function<void()>> on_drained_;  // tasks hold it weakly: it ends with the outbox
};

}  // namespace proxy
