// ServerQuestion: one answer to one question, whatever the server says, and the place is given back when the connection has ended.
#include "proxy/server_question.h"

#include "tests/support/fake_server.h"
#include "tests/unit/proxy/config_fixture.h"
#include "tests/unit/proxy/loop_fixture.h"

namespace proxy {
namespace {

using test_support::FakeConnection;
using test_support::FakeServer;
using Rows = ServerQuestion::Rows;

class ServerQuestionTest : public LoopTest {
 protected:
  // Asks a server that sends these bytes for an answer; false: it did not say `done`.
  bool Ask(const std::string& answer) {
    FakeServer server([&](FakeConnection& connection) {
      connection.Receive();
      connection.Send(answer);
      connection.Receive();
    });
    return AskAt(static_cast<uint16_t>(server.port()));
  }
  bool AskAt(uint16_t port) {
    const auto config = ConfigOf("[pgweir]\nauth_type = \"trust\"\n[databases.shop]\nhost = \"127.0.0.1\"\nport = " + std::to_string(port) +
                                 "\nmax_db_connections = 1\n");
    const auto pool = std::make_shared<BackendPool>(PoolKey{"shop", "app"}, *config, *config->FindDatabase("shop"), 1, pool::Budgets{budget_}, 1);
    auto place = ConnectionPlace::Take(*pool, [](const auto&) {});
    EXPECT_TRUE(place.has_value());
    EXPECT_EQ(budget_->used(), 1);
    answer_.reset();
    DialOptions options{pool->Target(), nullptr, {}};
    question_ = std::make_unique<ServerQuestion>(DialRoom{loop_, resolver_, helpers_, hosts_}, std::move(*place), "SELECT 1",
                                                 [this](ServerQuestion::Answer answer) {
                                                   EXPECT_EQ(budget_->used(), 0) << "the connection has ended";
                                                   answer_.emplace(std::move(answer));
                                                   question_.reset();  // allowed: the last thing that it does
                                                 });
    question_->Start(std::move(options));
    return Until([this] { return answer_.has_value(); });
  }
  static std::string Good() {
    return test_support::RowDescription({"a", "b"}) + test_support::DataRow({"1", "x"}) + test_support::DataRow({"", std::nullopt}) +
           test_support::CommandComplete("SELECT 2") + test_support::ReadyForQuery('I');
  }

  std::shared_ptr<pool::Budget> budget_ = std::make_shared<pool::Budget>(1);
  HelperThreads helpers_;
  Resolver resolver_{control_};
  Hosts hosts_{1};
  std::unique_ptr<ServerQuestion> question_;
  std::optional<ServerQuestion::Answer> answer_;
};

TEST_F(ServerQuestionTest, TheRowsOfTheAnswer) {
  ASSERT_TRUE(Ask(Good()));
  ASSERT_TRUE(answer_->has_value()) << answer_->error();
  EXPECT_EQ(**answer_, (Rows{{"1", "x"}, {"", ""}}));
}

TEST_F(ServerQuestionTest, ARefusalInTheServersWords) {
  ASSERT_TRUE(Ask(test_support::ErrorResponse("ERROR", "42501", "no such thing for you") + test_support::ReadyForQuery('I')));
  ASSERT_FALSE(answer_->has_value());
  EXPECT_NE(answer_->error().find("no such thing for you"), std::string::npos);
}

TEST_F(ServerQuestionTest, AnAnswerThatEndsAnywhere) {
  const std::string good = Good();
  for (size_t bytes = 0; bytes < good.size(); bytes += 7) {
    FakeServer server([&](FakeConnection& connection) {
      connection.Receive();
      connection.Send(good.substr(0, bytes));
    });
    ASSERT_TRUE(AskAt(static_cast<uint16_t>(server.port()))) << bytes;
    EXPECT_FALSE(answer_->has_value()) << bytes;
  }
}

TEST_F(ServerQuestionTest, WhatNobodyAskedForIsNoAnswer) {
  for (const std::string& bytes : {std::string("D\0\0\0\6\0\5", 7), std::string("D\0\0\0\2", 5), std::string("G\0\0\0\7\0\0\0", 8),
                                   std::string("D\xff\xff\xff\xff", 5), std::string("E\0\0\0\5x", 6)}) {
    ASSERT_TRUE(Ask(bytes));
    EXPECT_FALSE(answer_->has_value());
  }
}

TEST_F(ServerQuestionTest, AnAnswerWithoutEndIsCutOff) {
  FakeServer server([&](FakeConnection& connection) {
    connection.Receive();
    const std::string row = test_support::DataRow({std::string(100'000, 'x')});
    for (int i = 0; i < 40; ++i) connection.Send(row);
  });
  ASSERT_TRUE(AskAt(static_cast<uint16_t>(server.port())));
  EXPECT_FALSE(answer_->has_value());
}

TEST_F(ServerQuestionTest, NobodyThere) {
  uint16_t port = 0;
  {
    FakeServer server;
    port = static_cast<uint16_t>(server.port());
  }
  ASSERT_TRUE(AskAt(port));
  ASSERT_FALSE(answer_->has_value());
  EXPECT_NE(answer_->error().find("127.0.0.1:" + std::to_string(port)), std::string::npos) << answer_->error();
}

TEST_F(ServerQuestionTest, ItMayBeGivenUp) {
  FakeServer server([](FakeConnection& connection) { connection.Receive(), connection.Receive(); });
  const auto config = ConfigOf("[pgweir]\nauth_type = \"trust\"\n[databases.shop]\nhost = \"127.0.0.1\"\nport = " + std::to_string(server.port()) + "\n");
  const auto pool = std::make_shared<BackendPool>(PoolKey{"shop", "app"}, *config, *config->FindDatabase("shop"), 1, pool::Budgets{budget_}, 1);
  auto place = ConnectionPlace::Take(*pool, [](const auto&) {});
  question_ = std::make_unique<ServerQuestion>(DialRoom{loop_, resolver_, helpers_, hosts_}, std::move(*place), "SELECT 1",
                                               [](const auto&) { FAIL() << "nobody is there to hear it"; });
  question_->Start({pool->Target(), nullptr, {}});
  ASSERT_TRUE(Until([&] { return server.open_connections() > 0; }));
  question_.reset();
  EXPECT_EQ(budget_->used(), 0);
}

TEST(ReadDataRowTest, EveryLengthIsCheckedBeforeItIsBelieved) {
  EXPECT_EQ(ReadDataRow(std::string("\0\1\0\0\0\2ab", 8)), (std::vector<std::string>{"ab"}));
  EXPECT_EQ(ReadDataRow(std::string("\0\0", 2)), std::vector<std::string>());
  for (const std::string& bad : {std::string(), std::string("\0", 1), std::string("\0\1", 2), std::string("\0\1\0\0\0\3ab", 8),
                                 std::string("\0\1\0\0\0\1ab", 8), std::string("\0\1\x80\0\0\0", 6), std::string("\xff\xff", 2)}) {
    EXPECT_FALSE(ReadDataRow(bad)) << bad.size();
  }
}

}  // namespace
}  // namespace proxy
