// NotificationOutbox: one order for everything, the limit at its edges, the one word when it is over.
#include "proxy/notification_outbox.h"

#include <gtest/gtest.h>

#include <deque>

#include "tests/unit/proxy/loop_fixture.h"

namespace proxy {
namespace {

constexpr Subscriber kAnna{0, 1};

class NotificationOutboxTest : public LoopTest {
 protected:
  NotificationOutboxTest() {
    auto seams = std::make_shared<NotificationSeams>();
    seams->post = [this](pool::WorkerId, std::function<void()> task) { tasks_.push_back(std::move(task)); };
    seams->deliver = [this](Subscriber, const MessageRef& message) { said_ += message->substr(0, 1); };
    seams->gap = [this](Subscriber, const std::vector<std::string>& channels) { said_ += channels.at(0); };
    outbox_ = std::make_unique<NotificationOutbox>(loop_, seams, [this] { ++drained_; });
  }
  void Deliver(size_t cost) { outbox_->Deliver(kAnna, std::make_shared<const std::string>(cost - kDeliveryBytes, 'n')); }
  void RunOne() {
    tasks_.front()();
    tasks_.pop_front();
  }

  std::deque<std::function<void()>> tasks_;
  std::string said_;
  int drained_ = 0;
  std::unique_ptr<NotificationOutbox> outbox_;
};

TEST_F(NotificationOutboxTest, NotificationsGapsAndAnswersKeepTheirOrder) {
  Deliver(200);
  outbox_->TellGap(kAnna, {"g"});
  outbox_->Answer(kAnna, [this](const auto& error) { said_ += error ? "e" : "d"; }, std::nullopt);
  Deliver(200);
  outbox_->Answer(kAnna, [this](const auto& error) { said_ += error ? "e" : "d"; },
                  protocol::MakeError(protocol::ErrorCode::kShuttingDown));
  while (!tasks_.empty()) RunOne();
  EXPECT_EQ(said_, "ngdne");
}

TEST_F(NotificationOutboxTest, FullIsMoreThanTheLimit) {
  Deliver(kOutboxBytesMax - 1 - kDeliveryBytes - 1);
  Deliver(kDeliveryBytes + 1);
  EXPECT_FALSE(outbox_->IsFull()) << "limit - 1";
  RunOne();
  Deliver(kOutboxBytesMax - kDeliveryBytes - 1);
  EXPECT_FALSE(outbox_->IsFull()) << "limit";
  RunOne();
  Deliver(kOutboxBytesMax + 1);
  EXPECT_TRUE(outbox_->IsFull()) << "limit + 1";
}

TEST_F(NotificationOutboxTest, DrainedIsSaidOncePerWaitAndOnlyToWhoWaits) {
  for (int i = 0; i < 4; ++i) Deliver(kOutboxBytesMax / 4);
  RunOne();
  RunOne();
  RunOne();
  Turn();
  EXPECT_EQ(drained_, 0) << "nobody waited";
  for (int i = 0; i < 4; ++i) Deliver(kOutboxBytesMax / 4);
  ASSERT_TRUE(outbox_->IsFull());
  RunOne();
  RunOne();
  Turn();
  EXPECT_EQ(drained_, 0) << "more than half of it is still on the way";
  while (!tasks_.empty()) RunOne();
  EXPECT_TRUE(Until([&] { return drained_ > 0; }));
  EXPECT_EQ(drained_, 1);
}

TEST_F(NotificationOutboxTest, WhatIsOnTheWayOutlivesTheOutbox) {
  Deliver(kOutboxBytesMax + 1);
  ASSERT_TRUE(outbox_->IsFull());
  outbox_.reset();
  RunOne();
  Turn();
  EXPECT_EQ(said_, "n");
  EXPECT_EQ(drained_, 0);
}

}  // namespace
}  // namespace proxy
