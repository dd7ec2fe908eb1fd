// The batch that is kept to be sent once more: when it is whole, what of it is sent again, and when it may not be.
#include "proxy/retry.h"

#include <gtest/gtest.h>

#include "tests/support/wire_messages.h"

namespace proxy {
namespace {

using State = Retry::State;
namespace wire = test_support;

class RetryTest : public testing::Test {
 protected:
  void Record(const std::string& message) {
    protocol::Frame frame;
    ASSERT_EQ(protocol::ReadClientFrame(message, frame), protocol::FrameStatus::kFrame);
    retry_.Record(frame);
  }
  void Begin(const std::vector<std::string>& messages) {
    retry_.Begin();
    for (const std::string& message : messages) Record(message);
  }
  void Answer(std::string_view types) {
    for (const char type : types) retry_.OnAnswer(type);
  }

  const std::string parse_ = wire::Parse("a", "select 1"), bind_ = wire::Bind("", "a"), execute_ = wire::Execute(""),
                    describe_ = wire::DescribeStatement("a"), close_ = wire::CloseStatement("b"), sync_ = wire::Sync(),
                    flush_ = wire::Flush();
  Retry retry_;
};

TEST_F(RetryTest, OffUntilABatchBegins) {
  EXPECT_EQ(retry_.state(), State::kOff);
  EXPECT_FALSE(retry_.CanRepeat());
  Answer("12CZ");
  retry_.Uses("a", nullptr);
  EXPECT_EQ(retry_.state(), State::kOff);
  EXPECT_TRUE(retry_.uses().empty());
}

TEST_F(RetryTest, ABatchIsWholeWithItsSync) {
  Begin({bind_, execute_});
  EXPECT_EQ(retry_.state(), State::kOpen);
  EXPECT_TRUE(retry_.CanRepeat());
  Record(sync_);
  EXPECT_EQ(retry_.state(), State::kWhole);
  EXPECT_TRUE(retry_.CanRepeat());
  EXPECT_EQ(retry_.TakeRest(), bind_ + execute_ + sync_);
  EXPECT_EQ(retry_.state(), State::kOff);
}

TEST_F(RetryTest, WhatFollowsAWholeBatchEndsIt) {
  Begin({bind_, execute_, sync_});
  Record(bind_);
  EXPECT_EQ(retry_.state(), State::kOff);
}

TEST_F(RetryTest, AQueryEndsIt) {
  Begin({bind_});
  Record(wire::Query("select 1"));
  EXPECT_EQ(retry_.state(), State::kOff);
}

TEST_F(RetryTest, AMessageThatIsNotWholeEndsIt) {
  Begin({bind_});
  protocol::Frame frame;
  ASSERT_EQ(protocol::ReadClientFrame(std::string_view(execute_).substr(0, execute_.size() - 1), frame),
            protocol::FrameStatus::kFrame);
  retry_.Record(frame);
  EXPECT_EQ(retry_.state(), State::kOff);
}

TEST_F(RetryTest, TheReadyForQueryEndsIt) {
  Begin({bind_, execute_, sync_});
  Answer("E");
  EXPECT_TRUE(retry_.CanRepeat());
  Answer("Z");
  EXPECT_EQ(retry_.state(), State::kOff);
  EXPECT_FALSE(retry_.CanRepeat());
}

TEST_F(RetryTest, AsLongAsTheLimitAndNoLonger) {
  const size_t head = wire::Parse("", "").size();
  for (const size_t total : {kRetryBytesMax - 1, kRetryBytesMax, kRetryBytesMax + 1}) {
    Begin({wire::Parse("", std::string(total - sync_.size() - head, 'x')), sync_});
    EXPECT_EQ(retry_.state(), total <= kRetryBytesMax ? State::kWhole : State::kOff) << total;
  }
}

TEST_F(RetryTest, OnlyParseAndCloseMayHaveBeenAnswered) {
  for (const char type : std::string("13tNSAE")) {
    Begin({parse_, bind_, execute_, sync_});
    retry_.OnAnswer(type);
    EXPECT_TRUE(retry_.CanRepeat()) << type;
  }
  for (const char type : std::string("2TnDCIsGHdcV")) {
    Begin({parse_, bind_, execute_, sync_});
    retry_.OnAnswer(type);
    EXPECT_FALSE(retry_.CanRepeat()) << type;
  }
}

TEST_F(RetryTest, TheRestBeginsBehindWhatWasAnswered) {
  const std::string rest = bind_ + execute_ + sync_;
  const std::vector<std::string> batch = {parse_, flush_, close_, parse_, bind_, execute_, sync_};
  const std::string behind[] = {parse_ + flush_ + close_ + parse_ + rest, flush_ + close_ + parse_ + rest,
                                parse_ + rest, rest};
  for (size_t answered = 0; answered < std::size(behind); ++answered) {
    Begin(batch);
    Answer(std::string_view("131").substr(0, answered));
    EXPECT_EQ(retry_.TakeRest(), behind[answered]) << answered;
    Begin(batch);
    retry_.OnFakes(answered);  // those that were made here count as well
    EXPECT_EQ(retry_.TakeRest(), behind[answered]) << answered << " fakes";
  }
}

TEST_F(RetryTest, MoreAnswersThanMessagesAtTheFrontTakeNothingElse) {
  Begin({parse_, bind_, parse_, sync_});
  retry_.OnFakes(5);
  EXPECT_EQ(retry_.TakeRest(), bind_ + parse_ + sync_);
}

TEST_F(RetryTest, ADescribeThatWasHalfAnsweredIsSentAgain) {
  Begin({describe_, sync_});
  EXPECT_TRUE(retry_.tells_type());
  EXPECT_FALSE(retry_.has_described());
  Answer("t");
  EXPECT_TRUE(retry_.has_described());
  EXPECT_TRUE(retry_.CanRepeat());
  EXPECT_EQ(retry_.TakeRest(), describe_ + sync_);
}

TEST_F(RetryTest, AParseOrADescribeTellsTheType) {
  for (const auto& [message, tells] : {std::pair(parse_, true),
                                       {describe_, true},
                                       {wire::DescribePortal(""), true},
                                       {bind_, false},
                                       {close_, false}}) {
    Begin({message});
    EXPECT_EQ(retry_.tells_type(), tells) << message[0];
  }
}

TEST_F(RetryTest, ABeginForgetsTheBatchBefore) {
  Begin({parse_, describe_, sync_});
  retry_.Uses("late", nullptr);  // the batch is whole: that is another's
  EXPECT_TRUE(retry_.uses().empty());
  Answer("1tT");
  Begin({bind_});
  retry_.Uses("a", nullptr);
  EXPECT_TRUE(retry_.CanRepeat());
  EXPECT_FALSE(retry_.tells_type());
  EXPECT_FALSE(retry_.has_described());
  ASSERT_EQ(retry_.uses().size(), 1u);
  EXPECT_EQ(retry_.uses()[0].name, "a");
  EXPECT_EQ(retry_.TakeRest(), bind_);
}

}  // namespace
}  // namespace proxy
