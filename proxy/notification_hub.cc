#include "proxy/notification_hub.h"

namespace proxy {

NotificationHub::NotificationHub(DialRoom room, NotificationSeams seams, uint64_t seed)
    : room_(room),
      seams_(std::make_shared<const NotificationSeams>(std::move(seams))),
      outbox_(room.loop, seams_,
              [this] {
                for (const auto& [pool, audience] : audiences_) audience->Resume();
              }),
      seeds_(static_cast<std::minstd_rand::result_type>(seed)) {}

NotificationHub::~NotificationHub() = default;

void NotificationHub::Post(std::function<void()> task) {
  room_.loop.Post([alive = std::weak_ptr(alive_), task = std::move(task)] {
    if (!alive.expired()) task();
  });
}

void NotificationHub::Subscribe(std::shared_ptr<BackendPool> pool, Subscriber subscriber, std::vector<std::string> channels,
                                Done done) {
  Post([this, pool = std::move(pool), subscriber, channels = std::move(channels), done = std::move(done)] {
    if (is_stopped_) return outbox_.Answer(subscriber, done, protocol::MakeError(protocol::ErrorCode::kShuttingDown));
    AudienceOf(pool).Subscribe(subscriber, channels, done);
  });
}

void NotificationHub::Unsubscribe(std::shared_ptr<BackendPool> pool, Subscriber subscriber, std::vector<std::string> channels,
                                  Done done) {
  Post([this, pool = std::move(pool), subscriber, channels = std::move(channels), done = std::move(done)] {
    if (is_stopped_) return outbox_.Answer(subscriber, done, protocol::MakeError(protocol::ErrorCode::kShuttingDown));
    AudienceOf(pool).Unsubscribe(subscriber, channels, done);
  });
}

void NotificationHub::Forget(std::shared_ptr<BackendPool> pool, Subscriber subscriber) {
  Post([this, pool = std::move(pool), subscriber] {
    const auto found = audiences_.find(pool.get());
    if (found != audiences_.end()) found->second->Forget(subscriber);
  });
}

void NotificationHub::Reopen(std::shared_ptr<BackendPool> pool) {
  Post([this, pool = std::move(pool)] {
    const auto found = audiences_.find(pool.get());
    if (found != audiences_.end()) found->second->Reopen();
  });
}

void NotificationHub::LeaveAddresses(std::shared_ptr<const NameNews> news) {
  Post([this, news = std::move(news)] {
    for (const auto& [pool, audience] : audiences_) audience->LeaveAddress(*news);
  });
}

void NotificationHub::Stop() {
  Post([this] {
    is_stopped_ = true;
    const auto report = protocol::MakeError(protocol::ErrorCode::kShuttingDown);
    for (const auto& [pool, audience] : audiences_) audience->FailWaiting(report);
    audiences_.clear();
  });
}

Audience& NotificationHub::AudienceOf(const std::shared_ptr<BackendPool>& pool) {
  auto& audience = audiences_[pool.get()];
  if (!audience) {
    audience = std::make_unique<Audience>(room_, pool, seams_, outbox_, seeds_(),
                                          [this, key = pool.get()] { Post([this, key] { EraseIfIdle(key); }); });
  }
  return *audience;
}

void NotificationHub::EraseIfIdle(BackendPool* pool) {
  const auto found = audiences_.find(pool);
  if (found != audiences_.end() && found->second->IsIdle()) audiences_.erase(found);
}

}  // namespace proxy
