// LoginThreads: several at once, a queue with a limit, nobody asked for who has left, and an end that does not wait for ever.
#include "proxy/login_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "proxy/event_loop.h"
#include "tests/support/deadline.h"

namespace proxy {
namespace {

using test_support::Eventually;

class LoginThreadsTest : public testing::Test {
 protected:
  // Waits until Open.
  LoginThreads::Question Slow(std::shared_ptr<const void> asker) {
    LoginThreads::Question question = Quick(std::move(asker));
    question.ask = [this, gate = gate_] {
      ++inside_;
      gate.wait();
      return std::string("slow");
    };
    return question;
  }
  LoginThreads::Question Quick(const std::shared_ptr<const void>& asker, pool::Duration patience = pool::Duration(60'000'000)) {
    LoginThreads::Question question;
    question.asker = asker;
    question.deadline = Now() + patience;
    question.ask = [this] {
      ++asked_;
      return std::string("quick");
    };
    question.done = [this](const std::string& answer) { ++(answer == "slow" ? slow_ : quick_); };
    return question;
  }
  void FillThreads(LoginThreads& logins) {
    for (size_t i = 0; i < kLoginThreads; ++i) ASSERT_TRUE(logins.Ask(Slow(asker_)));
    ASSERT_TRUE(Eventually([this] { return inside_ == kLoginThreads; })) << "one slow question holds the others up";
  }

  const std::shared_ptr<const int> asker_ = std::make_shared<const int>(0);
  std::promise<void> opened_;
  std::shared_future<void> gate_ = opened_.get_future().share();
  std::atomic<size_t> inside_{0}, asked_{0}, slow_{0}, quick_{0};
};

TEST_F(LoginThreadsTest, AnswersComeFromSeveralAtOnce) {
  LoginThreads logins;
  FillThreads(logins);
  opened_.set_value();
  EXPECT_TRUE(Eventually([this] { return slow_ == kLoginThreads; }));
  ASSERT_TRUE(logins.Ask(Quick(asker_)));
  EXPECT_TRUE(Eventually([this] { return quick_ == 1; }));
}

TEST_F(LoginThreadsTest, TheQueueHasALimit) {
  LoginThreads logins;
  FillThreads(logins);
  for (size_t i = 0; i < kLoginQueueMax; ++i) ASSERT_TRUE(logins.Ask(Quick(asker_))) << "refused at " << i;
  EXPECT_FALSE(logins.Ask(Quick(asker_))) << "beyond the limit";
  opened_.set_value();
  EXPECT_TRUE(Eventually([this] { return quick_ == kLoginQueueMax; }));
}

TEST_F(LoginThreadsTest, ThoseThatHaveLeftTakeNoPlaceAndAreNotAskedFor) {
  LoginThreads logins;
  FillThreads(logins);
  auto gone = std::make_shared<const int>(0);
  for (size_t i = 0; i < kLoginQueueMax; ++i) ASSERT_TRUE(logins.Ask(Quick(gone)));
  gone.reset();
  ASSERT_TRUE(logins.Ask(Quick(asker_))) << "the queue is full of nobody";
  opened_.set_value();
  ASSERT_TRUE(Eventually([this] { return quick_ == 1; }));
  EXPECT_EQ(asked_, 1u);
}

TEST_F(LoginThreadsTest, NobodyIsAskedWhenItIsTooLate) {
  LoginThreads logins;
  ASSERT_TRUE(logins.Ask(Quick(asker_, pool::Duration(0))));
  ASSERT_TRUE(logins.Ask(Quick(asker_)));
  ASSERT_TRUE(Eventually([this] { return quick_ == 1; }));
  EXPECT_EQ(asked_, 1u);
}

TEST_F(LoginThreadsTest, StopWaitsForAnAnswerThatComes) {
  LoginThreads logins;
  FillThreads(logins);
  std::thread opener([this] { opened_.set_value(); });
  logins.Stop();
  opener.join();
  EXPECT_EQ(quick_, 0u);
  EXPECT_FALSE(logins.Ask(Quick(asker_)));
}

TEST_F(LoginThreadsTest, StopLeavesBehindWhatHangsAndIsNeverCalledBack) {
  // on the heap and kept: the thread that is left behind outlives the test's own things
  static auto* const gate = new std::promise<void>;
  static std::atomic<bool> is_inside{false}, has_ended{false};
  {
    LoginThreads logins;
    LoginThreads::Question question = Quick(asker_);
    question.ask = [future = gate->get_future().share()] {
      is_inside = true;
      future.wait();
      has_ended = true;
      return std::string("late");
    };
    ASSERT_TRUE(logins.Ask(std::move(question)));
    ASSERT_TRUE(Eventually([] { return is_inside.load(); }));
    ASSERT_TRUE(logins.Ask(Quick(asker_)));
    ASSERT_TRUE(Eventually([this] { return quick_ == 1; }));
  }
  EXPECT_FALSE(has_ended);
  gate->set_value();
  EXPECT_TRUE(Eventually([] { return has_ended.load(); }));
  EXPECT_EQ(quick_, 1u) << "the late answer was told to nobody";
}

}  // namespace
}  // namespace proxy
