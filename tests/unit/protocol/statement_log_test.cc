// What is believed until the server has said so: confirmed in order, undone in reverse, and when the client has left.
#include <gtest/gtest.h>

#include "protocol/prepared_statements.h"
#include "tests/unit/protocol/statement_fixture.h"

namespace protocol {
namespace {

using Has = ServerStatements::Has;
using Kind = StatementChange::Kind;

// One client on one server, whose changes are made and noted as client_statements.cc does.
class StatementLogTest : public testing::Test {
 protected:
  void Parse(std::string_view name, const StatementRef& statement) {
    const uint64_t put = client_.Put(name, Entry(statement, kBatch));
    log_.Add({Kind::kParse, std::string(name), statement, {}, put, server_.Add(statement, kBatch)});
  }
  void ParseAtClientOnly(std::string_view name, const StatementRef& statement) {
    const uint64_t put = client_.Put(name, Entry(statement, kBatch));
    log_.Add({Kind::kClientParse, std::string(name), statement, {}, put});
  }
  void CloseAtClient(std::string_view name) {
    const ClientStatement* entry = client_.Find(name);
    ASSERT_NE(entry, nullptr) << name;
    log_.Add({Kind::kClientClose, std::string(name), nullptr, *entry});
    client_.BeginClose(name, kBatch);
  }
  void ParseAtServer(const StatementRef& statement) {
    log_.Add({Kind::kServerParse, {}, statement, {}, 0, server_.Add(statement, kBatch)});
  }
  void CloseAtServer(const StatementRef& statement) {
    server_.BeginClose(statement, kBatch);
    log_.Add({Kind::kServerClose, {}, statement, {}});
  }
  void Confirm(uint32_t count) { log_.Confirm(count, server_, &client_); }
  void Undo(uint32_t count) { log_.Undo(count, server_, &client_); }
  Has FromTheNextBatch(const StatementRef& statement) {
    return server_.Use(statement, {.current = kBatch + 1, .answered = kBatch - 1});
  }

  static constexpr uint64_t kBatch = 5;
  const StatementRef one_ = MakeStatement(1), two_ = MakeStatement(2);
  ClientStatements client_;
  ServerStatements server_;
  StatementLog log_;
};

TEST_F(StatementLogTest, AnEmptyLogConfirmsAndUndoesNothing) {
  EXPECT_TRUE(log_.empty());
  EXPECT_EQ(log_.Front(), nullptr);
  Confirm(3);
  Undo(3);
  log_.UndoAll(server_, &client_);
  log_.ForgetOld();
  EXPECT_TRUE(log_.empty());
}

TEST_F(StatementLogTest, FrontIsTheOldest) {
  log_.Add({Kind::kWrongName, "a", nullptr, {}});
  log_.Add({Kind::kRefuse, "b", nullptr, {}});
  EXPECT_EQ(log_.Front()->name, "a");
  Confirm(1);
  EXPECT_EQ(log_.Front()->name, "b");
  Undo(1);
  EXPECT_TRUE(log_.empty());
}

TEST_F(StatementLogTest, AConfirmedParseIsPendingForNobody) {
  Parse("a", one_);
  EXPECT_EQ(client_.Find("a")->batch, kBatch);
  EXPECT_EQ(FromTheNextBatch(one_), Has::kPending);
  Confirm(1);
  EXPECT_EQ(client_.Find("a")->batch, 0u);
  EXPECT_EQ(FromTheNextBatch(one_), Has::kYes);
}

TEST_F(StatementLogTest, AnUndoneParseIsNowhere) {
  Parse("a", one_);
  Undo(1);
  EXPECT_EQ(client_.size(), 0u);
  EXPECT_EQ(server_.size(), 0u);
}

TEST_F(StatementLogTest, AFakedParseLeavesTheServerAlone) {
  server_.Add(one_, 0);
  ParseAtClientOnly("a", one_);
  Undo(1);
  EXPECT_EQ(client_.size(), 0u);
  EXPECT_EQ(FromTheNextBatch(one_), Has::kYes);
  ParseAtClientOnly("a", one_);
  Confirm(1);
  EXPECT_EQ(client_.Find("a")->batch, 0u);
}

TEST_F(StatementLogTest, AConfirmedParseOfANameThatIsAnothersByNowConfirmsOnlyTheServer) {
  Parse("a", one_);
  CloseAtClient("a");
  Parse("a", two_);
  Confirm(1);
  EXPECT_EQ(client_.Find("a")->batch, kBatch);
  EXPECT_EQ(FromTheNextBatch(one_), Has::kYes);
  EXPECT_EQ(FromTheNextBatch(two_), Has::kPending);
}

// The eviction of one whose Parse is pending, and its Parse in the next batch: the first batch fails, the next does not.
TEST_F(StatementLogTest, AnUndoneParseTakesNothingFromALaterOneOfItsStatement) {
  ParseAtServer(one_);
  CloseAtServer(one_);
  Parse("a", one_);
  Undo(1);
  Confirm(2);
  EXPECT_EQ(server_.size(), 1u);
  EXPECT_EQ(FromTheNextBatch(one_), Has::kYes);
}

// Parse, Close and Parse of one text in a batch: the first is answered, and nothing is known of the last.
TEST_F(StatementLogTest, AConfirmedParseConfirmsNoLaterOneOfItsNameAndText) {
  Parse("a", one_);
  CloseAtClient("a");
  ParseAtClientOnly("a", one_);
  Confirm(1);
  EXPECT_EQ(client_.Find("a")->batch, kBatch);
  Confirm(2);
  EXPECT_EQ(client_.Find("a")->batch, 0u);
}

TEST_F(StatementLogTest, AnUndoneCloseBringsTheNameBack) {
  client_.Put("a", Entry(one_));
  CloseAtClient("a");
  EXPECT_EQ(client_.size(), 0u);
  Undo(1);
  ASSERT_NE(client_.Find("a"), nullptr);
  EXPECT_EQ(client_.Find("a")->statement, one_);
  EXPECT_EQ(client_.Find("a")->batch, 0u);
  CloseAtClient("a");
  Confirm(1);
  EXPECT_EQ(client_.size(), 0u);
}

TEST_F(StatementLogTest, AClosedNameIsUncertainForTheNextBatchUntilItIsKnown) {
  const Batches next{.current = kBatch + 1, .answered = kBatch - 1};
  client_.Put("a", Entry(one_));
  client_.Put("b", Entry(two_));
  CloseAtClient("a");
  CloseAtClient("b");
  EXPECT_FALSE(client_.IsClosing("a", {.current = kBatch, .answered = kBatch - 1})) << "its own batch fails with it";
  EXPECT_TRUE(client_.IsClosing("a", next));
  EXPECT_FALSE(client_.IsClosing("c", next));
  Confirm(1);
  EXPECT_FALSE(client_.IsClosing("a", next));
  EXPECT_TRUE(client_.IsClosing("b", next));
  Undo(1);
  EXPECT_FALSE(client_.IsClosing("b", next));
  EXPECT_EQ(client_.Find("b")->statement, two_);
}

// Parse a, Close a, Parse a again, Close a again: all undone, `a` is what it was before.
TEST_F(StatementLogTest, UndoGoesBackwards) {
  const auto three = MakeStatement(3);
  client_.Put("a", Entry(one_));
  server_.Add(one_, 0);
  CloseAtClient("a");
  Parse("a", two_);
  CloseAtClient("a");
  Parse("a", three);
  CloseAtServer(one_);
  ParseAtServer(one_);
  Undo(6);
  EXPECT_EQ(client_.size(), 1u);
  EXPECT_EQ(client_.Find("a")->statement, one_);
  EXPECT_FALSE(client_.Has(two_, {}));
  EXPECT_EQ(TakeIds(server_), "1");
  EXPECT_TRUE(log_.empty());
}

TEST_F(StatementLogTest, UndoTakesOnlyTheOldestOnes) {
  Parse("a", one_);
  Parse("b", two_);
  Undo(1);
  EXPECT_EQ(client_.Find("a"), nullptr);
  ASSERT_NE(client_.Find("b"), nullptr);
  EXPECT_EQ(log_.Front()->name, "b");
  Undo(100);  // more than there are
  EXPECT_EQ(client_.size(), 0u);
  EXPECT_EQ(server_.size(), 0u);
}

TEST_F(StatementLogTest, ACloseAtTheServerIsUncertainUntilItIsConfirmedOrUndone) {
  server_.Add(one_, 0);
  server_.Add(two_, 0);
  CloseAtServer(one_);
  CloseAtServer(two_);
  EXPECT_EQ(FromTheNextBatch(one_), Has::kPending);
  Confirm(1);
  EXPECT_EQ(FromTheNextBatch(one_), Has::kNo);
  Undo(1);
  EXPECT_EQ(FromTheNextBatch(two_), Has::kStale);
  EXPECT_EQ(TakeIds(server_), "2");
}

TEST_F(StatementLogTest, NamesOfTheClientsOwnAtTheServer) {
  server_.PutNamed("a", {7, one_});
  log_.Add({Kind::kNamedParse, "a", one_, {}});
  Undo(1);
  EXPECT_EQ(server_.FindNamed("a"), nullptr);
  log_.Add({Kind::kNamedClose, "a", nullptr, {}});
  Undo(1);
  ASSERT_NE(server_.FindNamed("a"), nullptr) << "it is there still";
  EXPECT_EQ(server_.FindNamed("a")->client, 0u) << "and in nobody's view";
  log_.Add({Kind::kNamedClose, "a", nullptr, {}});
  server_.EraseNamed("a");
  Confirm(1);
  EXPECT_EQ(server_.FindNamed("a"), nullptr);
}

TEST_F(StatementLogTest, WhatMustFailChangesNothing) {
  client_.Put("a", Entry(one_));
  server_.Add(one_, 0);
  for (const Kind kind : {Kind::kWrongName, Kind::kOutdated, Kind::kRefuse}) {
    log_.Add({kind, "a", one_, {}});
    Undo(1);
    log_.Add({kind, "a", one_, {}});
    Confirm(1);
    EXPECT_EQ(client_.Find("a")->statement, one_);
    EXPECT_EQ(FromTheNextBatch(one_), Has::kYes);
  }
}

TEST_F(StatementLogTest, AClientThatHasLeftIsLeftAlone) {
  Parse("a", one_);
  CloseAtClient("a");
  ParseAtClientOnly("a", one_);
  CloseAtServer(one_);
  ParseAtServer(two_);
  client_.Clear();
  log_.Confirm(3, server_, nullptr);
  EXPECT_EQ(FromTheNextBatch(one_), Has::kPending);
  log_.UndoAll(server_, nullptr);
  EXPECT_EQ(client_.size(), 0u);
  EXPECT_EQ(TakeIds(server_), "1") << "what the server has is still followed";
  EXPECT_TRUE(log_.empty());
}

// DEALLOCATE ALL ran between a Close and the error that skips it.
TEST_F(StatementLogTest, AfterDeallocateAllAnUndoneCloseBringsNothingBack) {
  client_.Put("a", Entry(one_));
  CloseAtClient("a");
  log_.ForgetOld();
  client_.Clear();
  Undo(1);
  EXPECT_EQ(client_.size(), 0u);
  EXPECT_TRUE(log_.empty());
}

}  // namespace
}  // namespace protocol
