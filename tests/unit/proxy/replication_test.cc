// What a replication connection is at, by the messages that passed.
#include "proxy/replication.h"

#include <gtest/gtest.h>

namespace proxy {
namespace {

class ReplicationTest : public testing::Test {
 protected:
  void Sent(std::string_view types) {
    for (const char type : types) session.OnSent(type);
  }
  void Answers(std::string_view types, char status = 'I') {
    for (const char type : types) session.OnAnswer(type, type == 'Z' ? status : '\0');
  }
  ReplicationSession session{protocol::Replication::kLogical};
};

TEST_F(ReplicationTest, ACommand) {
  EXPECT_FALSE(session.is_asked());
  Sent("Q");
  EXPECT_TRUE(session.is_asked());
  EXPECT_TRUE(session.is_busy());
  Answers("TDC");
  EXPECT_TRUE(session.is_busy());
  Answers("Z");
  EXPECT_FALSE(session.is_asked());
  EXPECT_FALSE(session.is_busy());
  EXPECT_FALSE(session.in_transaction());
}

TEST_F(ReplicationTest, SeveralAreAnsweredOneByOne) {
  Sent("QPBES");
  Answers("CZ");
  EXPECT_TRUE(session.is_asked());
  Answers("12CZ", 'T');
  EXPECT_FALSE(session.is_asked());
  EXPECT_TRUE(session.in_transaction());
}

TEST_F(ReplicationTest, AStreamIsNotBusyUntilItEnds) {
  Sent("Q");
  Answers("W");
  EXPECT_TRUE(session.is_asked());
  EXPECT_TRUE(session.streams());
  EXPECT_FALSE(session.is_busy());
  Answers("dddN");
  Sent("dSd");  // a Sync counts for nothing there
  EXPECT_TRUE(session.streams());
  Sent("c");
  EXPECT_FALSE(session.takes_copy());
  Answers("dcC");
  EXPECT_TRUE(session.streams());
  Answers("Z");
  EXPECT_FALSE(session.streams());
  EXPECT_FALSE(session.is_asked());
}

TEST_F(ReplicationTest, ABaseBackupIsBusy) {
  Sent("Q");
  Answers("TDCHdddd");
  EXPECT_TRUE(session.is_busy());
  EXPECT_FALSE(session.takes_copy());
  Answers("cCZ");
  EXPECT_FALSE(session.is_busy());
}

TEST_F(ReplicationTest, ACopyInWaitsForItsData) {
  Sent("PBES");
  Answers("12G");
  EXPECT_TRUE(session.takes_copy());
  Sent("ddc");
  EXPECT_FALSE(session.takes_copy());
  Answers("CZ");
  EXPECT_FALSE(session.is_asked());
}

TEST_F(ReplicationTest, WhatPostgresqlSaysLast) {
  Sent("Q");
  Answers("W");
  EXPECT_FALSE(session.HasSaidItsEnd());
  Answers("E");
  EXPECT_TRUE(session.HasSaidItsEnd());
  Answers("Z");
  EXPECT_FALSE(session.HasSaidItsEnd()) << "an error that it lives on after";
  Answers("C");
  EXPECT_TRUE(session.HasSaidItsEnd()) << "all has been streamed; it is shutting down";
}

}  // namespace
}  // namespace proxy
