// LoadWatch: reads the clocks again and again, and says how many are in use; what was used before the first look does not count.
#include "proxy/load_watch.h"

#include "tests/unit/proxy/loop_fixture.h"

namespace proxy {
namespace {

class LoadWatchTest : public LoopTest {
 protected:
  // Each worker has been busy for its share of all the time until now, whenever it is asked.
  void Watch(uint32_t least) {
    std::vector<LoadWatch::CpuClock> clocks;
    for (size_t i = 0; i < busy_.size(); ++i) {
      clocks.emplace_back([this, i] {
        ++asked_;
        const pool::TimePoint now = Now();
        used_[i] += pool::Duration(static_cast<int64_t>(busy_[i] * static_cast<double>((now - std::exchange(asked_at_[i], now)).count())));
        return used_[i];
      });
    }
    watch_ = std::make_unique<LoadWatch>(loop_, std::move(clocks), least, in_use_);
  }
  std::array<double, 4> busy_{};
  std::array<pool::Duration, 4> used_{};
  std::array<pool::TimePoint, 4> asked_at_{Now(), Now(), Now(), Now()};
  int asked_ = 0;
  std::atomic<uint32_t> in_use_{0};
  std::unique_ptr<LoadWatch> watch_;
};

TEST_F(LoadWatchTest, ABusyOneBringsOthersIntoUse) {
  Watch(1);
  EXPECT_EQ(in_use_, 1u);
  watch_->Start();
  busy_ = {1};
  EXPECT_TRUE(Until([&] { return in_use_ == 2; }));
  busy_ = {1, 1};
  EXPECT_TRUE(Until([&] { return in_use_ == 4; }));
  busy_ = {};
  EXPECT_TRUE(Until([&] { return in_use_ == 1; }));
}

TEST_F(LoadWatchTest, WhatWasUsedBeforeTheFirstLookDoesNotCount) {
  Watch(1);
  used_ = {pool::Duration(3'600'000'000), pool::Duration(3'600'000'000)};
  watch_->Start();
  EXPECT_TRUE(Until([&] { return asked_ >= 20; }));
  EXPECT_EQ(in_use_, 1u);
}

TEST_F(LoadWatchTest, WhereAllAreInUseNothingIsLookedAt) {
  Watch(4);
  watch_->Start();
  EXPECT_EQ(in_use_, 4u);
  EXPECT_EQ(asked_, 0);
  watch_->SetLeast(2);
  EXPECT_EQ(in_use_, 2u) << "begins anew";
  EXPECT_TRUE(Until([&] { return asked_ >= 8; }));
  watch_->SetLeast(9);
  EXPECT_EQ(in_use_, 4u);
}

TEST_F(LoadWatchTest, TheSameLeastAgainChangesNothing) {
  Watch(1);
  watch_->Start();
  busy_ = {1};
  ASSERT_TRUE(Until([&] { return in_use_ == 2; }));
  watch_->SetLeast(1);  // each RELOAD says it
  EXPECT_EQ(in_use_, 2u);
}

}  // namespace
}  // namespace proxy
