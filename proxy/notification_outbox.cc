#include "proxy/notification_outbox.h"

namespace proxy {

NotificationOutbox::NotificationOutbox(EventLoop& loop, std::shared_ptr<const NotificationSeams> seams,
                                       std::function<void()> on_drained)
    : loop_(loop),
      seams_(std::move(seams)),
      on_drained_(std::make_shared<const std::function<void()>>(std::move(on_drained))) {}

// Exactly one caller gets true per wait, whoever sees first that it is over.
bool NotificationOutbox::ClaimDrained(Load& load) {
  return load.bytes.load() <= kOutboxBytesMax / 2 && load.is_awaited.load() && load.is_awaited.exchange(false);
}

void NotificationOutbox::Deliver(Subscriber subscriber, const MessageRef& message) {
  const size_t cost = kDeliveryBytes + message->size();
  load_->bytes.fetch_add(cost);
  seams_->post(subscriber.worker, [subscriber, message, cost, seams = seams_, load = load_, &loop = loop_,
                                   drained = std::weak_ptr(on_drained_)] {
    seams->deliver(subscriber, message);
    load->bytes.fetch_sub(cost);
    if (!ClaimDrained(*load)) return;
    loop.Post([drained] {
      if (const auto call = drained.lock()) (*call)();
    });
  });
}

void NotificationOutbox::TellGap(Subscriber subscriber, std::vector<std::string> channels) {
  seams_->post(subscriber.worker, [subscriber, channels = std::move(channels), seams = seams_] {
    seams->gap(subscriber, channels);
  });
}

void NotificationOutbox::Answer(Subscriber subscriber, Done done, std::optional<protocol::ErrorReport> error) {
  seams_->post(subscriber.worker, [done = std::move(done), error = std::move(error)]() mutable { done(std::move(error)); });
}

bool NotificationOutbox::IsFull() {
  if (load_->bytes.load() <= kOutboxBytesMax) return false;
  load_->is_awaited.store(true);
  // The workers may have emptied it before they could see that somebody waits.
  return !ClaimDrained(*load_);
}

}  // namespace proxy
