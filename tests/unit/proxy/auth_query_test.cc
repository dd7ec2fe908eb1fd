// auth_query over a scripted server: who shares a question, what is kept, and every way in which nobody answers.
#include "proxy/auth_query.h"

#include <atomic>

#include "proxy/shared.h"
#include "tests/support/fake_server.h"
#include "tests/unit/proxy/config_fixture.h"
#include "tests/unit/proxy/loop_fixture.h"

namespace proxy {
namespace {

using test_support::FakeConnection;
using test_support::FakeServer;
using test_support::FakeServerOptions;
using Kind = LookedUp::Kind;

class AuthQueryTest : public LoopTest {
 protected:
  // Answers each question with "<user>'s secret" once it may; nobody knows a user whose name begins with "un".
  FakeServer::Script Answers() {
    return [this](FakeConnection& connection) {
      std::string user;
      while (const auto message = connection.Receive()) {
        if (message->type == 'B') {
          ++asked_;
          user = message->body.substr(10, message->body.size() - 12);
        }
        if (message->type != 'S') continue;
        if (!test_support::Eventually([this] { return may_answer_.load(); })) return;
        std::string answer = test_support::RowDescription({"name", "secret"});
        if (!user.starts_with("un")) answer += test_support::DataRow({user, user + "'s secret"});
        connection.Send(answer + test_support::CommandComplete("SELECT 1") + test_support::ReadyForQuery('I'));
      }
    };
  }
  std::shared_ptr<const Runtime> RuntimeFor(int port, const std::string& keys = "") {
    auto runtime = std::make_shared<Runtime>();
    runtime->config = ConfigOf("[pgweir]\nauth_user = \"asker\"\nserver_connect_timeout = \"10s\"\n" + keys +
                               "[databases.\"*\"]\nhost = \"127.0.0.1\"\nport = " + std::to_string(port) + "\n");
    return runtime;
  }
  void Make(int port, const std::string& keys = "") {
    auth_query_ = std::make_unique<AuthQuery>(DialRoom{loop_, resolver_, helpers_, hosts_}, RuntimeFor(port, keys));
  }
  void LookUp(const std::string& user, const std::string& database = "app") {
    ++waiting_;
    auth_query_->LookUp(database, user, [this](const LookedUp& found) {
      --waiting_;
      answers_.push_back(found);
    });
  }
  bool UntilAnswered() {
    return Until([this] { return waiting_ == 0; });
  }

  std::atomic<int> asked_{0};
  std::atomic<bool> may_answer_{true};
  HelperThreads helpers_;
  Resolver resolver_{control_};
  Hosts hosts_{1};
  std::unique_ptr<AuthQuery> auth_query_;
  std::vector<LookedUp> answers_;
  int waiting_ = 0;
};

TEST_F(AuthQueryTest, WhoWaitsForTheSameUserSharesOneQuestionAndItsAnswerIsKept) {
  may_answer_ = false;
  FakeServer server(Answers());
  Make(server.port());
  for (int i = 0; i < 10; ++i) LookUp("anna");
  ASSERT_TRUE(Until([&] { return asked_ == 1; }));
  for (int i = 0; i < 10; ++i) LookUp("anna");
  for (int i = 0; i < 10; ++i) Turn();
  EXPECT_FALSE(auth_query_->Find("app", "anna").has_value());
  may_answer_ = true;
  ASSERT_TRUE(UntilAnswered());
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(answers_.size(), 20u);
  for (const LookedUp& found : answers_) {
    EXPECT_EQ(found.kind, Kind::kFound);
    EXPECT_EQ(found.secret.Reveal(), "anna's secret");
  }
  const auto kept = auth_query_->Find("app", "anna");
  ASSERT_TRUE(kept.has_value());
  EXPECT_EQ(kept->secret.Reveal(), "anna's secret");
  EXPECT_EQ(kept->from, LookedUp::From::kCache);
  EXPECT_FALSE(auth_query_->Find("other", "anna").has_value()) << "another database may be another server";
  LookUp("unheard of");
  ASSERT_TRUE(UntilAnswered());
  EXPECT_EQ(answers_.back().kind, Kind::kUnknown);
  ASSERT_TRUE(auth_query_->Find("app", "unheard of").has_value());
}

// Who comes after the question was sent must see what is true after it.
TEST_F(AuthQueryTest, WithoutACacheALaterLoginAsksForItself) {
  may_answer_ = false;
  FakeServer server(Answers());
  Make(server.port(), "auth_query_cache_age = 0\n");
  LookUp("anna");
  ASSERT_TRUE(Until([&] { return asked_ == 1; }));
  LookUp("anna");
  ASSERT_TRUE(Until([&] { return asked_ == 2; }));
  LookUp("anna");
  LookUp("anna");
  for (int i = 0; i < 10; ++i) Turn();
  may_answer_ = true;
  ASSERT_TRUE(UntilAnswered());
  EXPECT_EQ(asked_, 3) << "the last two had not been asked for yet, so they share";
  EXPECT_EQ(server.accepted(), static_cast<int>(kAuthConnectionsPerPlace));
  EXPECT_FALSE(auth_query_->Find("app", "anna").has_value());
}

TEST_F(AuthQueryTest, TheConnectionIsAuthUsersWithAFixedSearchPath) {
  FakeServer server(Answers());
  Make(server.port(), "auth_query_cache_age = 0\n");
  for (int i = 0; i < 5; ++i) {
    LookUp("anna");
    ASSERT_TRUE(UntilAnswered());
  }
  EXPECT_EQ(server.accepted(), 1) << "one after another over the same";
  const auto startup = server.Startups().at(0);
  EXPECT_EQ(startup.Find("user"), "asker");
  EXPECT_EQ(startup.Find("database"), "app");
  EXPECT_EQ(startup.Find("search_path"), "pg_catalog, \"$user\", public");
}

TEST_F(AuthQueryTest, AServerThatCannotBeReachedIsNotTriedForEverybody) {
  FakeServerOptions refuses;
  refuses.welcome = test_support::ErrorResponse("FATAL", "53300", "full");
  FakeServer server(Answers(), refuses);
  Make(server.port());
  for (int i = 0; i < 5; ++i) LookUp("user" + std::to_string(i));
  ASSERT_TRUE(UntilAnswered());
  for (const LookedUp& found : answers_) {
    EXPECT_EQ(found.kind, Kind::kDown);
    EXPECT_NE(found.remark.find("full"), std::string::npos) << found.remark;
  }
  EXPECT_LE(server.accepted(), static_cast<int>(kAuthConnectionsPerPlace));
  EXPECT_FALSE(auth_query_->Find("app", "user0").has_value()) << "no answer is nothing to keep";
}

TEST_F(AuthQueryTest, AServerThatDoesNotAnswerIsGivenUp) {
  FakeServer server([](FakeConnection& connection) {
    while (connection.Receive()) {
    }
  });
  Make(server.port(), "[databases.app]\nhost = \"127.0.0.1\"\nport = " + std::to_string(server.port()) + "\nserver_connect_timeout = \"200ms\"\n");
  LookUp("anna");
  LookUp("bert");
  ASSERT_TRUE(UntilAnswered());
  for (const LookedUp& found : answers_) EXPECT_EQ(found.kind, Kind::kDown);
}

TEST_F(AuthQueryTest, AnEndInTheMiddleIsNoAnswer) {
  FakeServer server([](FakeConnection& connection) { connection.Receive(); });
  Make(server.port());
  LookUp("anna");
  ASSERT_TRUE(UntilAnswered());
  EXPECT_EQ(answers_.at(0).kind, Kind::kDown);
  EXPECT_EQ(server.accepted(), 1);
}

// The server's end of a connection that had rested and our next question cross on the way.
TEST_F(AuthQueryTest, AConnectionThatEndsAtItsSecondQuestionIsReplacedOnce) {
  for (const bool says_why : {false, true}) {
    FakeServer server([&](FakeConnection& connection) {
      int questions = 0;
      while (const auto message = connection.Receive()) {
        if (message->type != 'S') continue;
        if (++questions > 1) {
          if (says_why) connection.Send(test_support::ErrorResponse("FATAL", "57P01", "terminating connection"));
          return;
        }
        connection.Send(test_support::RowDescription({"a", "b"}) + test_support::DataRow({"anna", "s"}) +
                        test_support::CommandComplete("SELECT 1") + test_support::ReadyForQuery('I'));
      }
    });
    Make(server.port(), "auth_query_cache_age = 0\n");
    for (int i = 0; i < 2; ++i) {
      LookUp("anna");
      ASSERT_TRUE(UntilAnswered());
      EXPECT_EQ(answers_.back().kind, Kind::kFound);
    }
    EXPECT_EQ(server.accepted(), 2);
    auth_query_.reset();
  }
}

TEST_F(AuthQueryTest, GarbageIsNoAnswer) {
  for (const std::string& garbage : {test_support::CopyDone(), std::string("\0\0\0\0\0", 5), test_support::DataRow({"anna", "x"}),
                                     test_support::ReadyForQuery('T'), test_support::ReadyForQuery('I') + test_support::ReadyForQuery('I')}) {
    FakeServer server([&](FakeConnection& connection) {
      while (const auto message = connection.Receive()) {
        if (message->type == 'S') connection.Send(garbage);
      }
    });
    Make(server.port());
    LookUp("anna");
    ASSERT_TRUE(UntilAnswered());
    EXPECT_EQ(answers_.back().kind, Kind::kDown);
    EXPECT_FALSE(auth_query_->Find("app", "anna").has_value());
    auth_query_.reset();
  }
}

TEST_F(AuthQueryTest, ANewConfigurationAsksAnewForWhoWaitsAndKeepsNothingOfTheOld) {
  may_answer_ = false;
  FakeServer old_server(Answers());
  FakeServer server([](FakeConnection& connection) {
    while (const auto message = connection.Receive()) {
      if (message->type == 'S') {
        connection.Send(test_support::RowDescription({"a", "b"}) + test_support::DataRow({"anna", "the new one"}) +
                        test_support::CommandComplete("SELECT 1") + test_support::ReadyForQuery('I'));
      }
    }
  });
  Make(old_server.port());
  LookUp("anna");
  ASSERT_TRUE(Until([&] { return asked_ == 1; }));
  auth_query_->SetRuntime(RuntimeFor(server.port()));
  ASSERT_TRUE(UntilAnswered());
  EXPECT_EQ(answers_.at(0).secret.Reveal(), "the new one");
  EXPECT_EQ(auth_query_->Find("app", "anna")->secret.Reveal(), "the new one");
  auth_query_->SetRuntime(RuntimeFor(server.port()));
  EXPECT_FALSE(auth_query_->Find("app", "anna").has_value());
  may_answer_ = true;
}

TEST_F(AuthQueryTest, WaitingIsBounded) {
  may_answer_ = false;
  FakeServer server(Answers());
  Make(server.port());
  for (size_t i = 0; i <= kLookupsMax; ++i) LookUp("user" + std::to_string(i));
  ASSERT_TRUE(Until([&] { return answers_.size() == 1; }));
  EXPECT_EQ(answers_.at(0).kind, Kind::kTooMany);
  EXPECT_TRUE(Until([&] { return asked_ == static_cast<int>(kAuthConnectionsPerPlace); }));
  EXPECT_EQ(server.accepted(), static_cast<int>(kAuthConnectionsPerPlace));
  auth_query_.reset();
  may_answer_ = true;
}

// Databases that clients make up: idle connections make room for the next.
TEST_F(AuthQueryTest, ConnectionsAreBoundedOverAllPlaces) {
  FakeServer server(Answers());
  Make(server.port());
  for (size_t i = 0; i < 3 * kAuthConnectionsMax; ++i) {
    LookUp("anna", "database" + std::to_string(i));
    ASSERT_TRUE(UntilAnswered());
    EXPECT_EQ(answers_.back().kind, Kind::kFound);
  }
  EXPECT_TRUE(Until([&] { return server.open_connections() <= static_cast<int>(kAuthConnectionsMax); }));
}

TEST_F(AuthQueryTest, MayEndWhileItIsAwaited) {
  may_answer_ = false;
  FakeServer server(Answers());
  Make(server.port());
  LookUp("anna");
  ASSERT_TRUE(Until([&] { return asked_ == 1; }));
  LookUp("bert");
  auth_query_.reset();
  may_answer_ = true;
  for (int i = 0; i < 10; ++i) Turn();
  EXPECT_EQ(answers_.size(), 0u);
}

}  // namespace
}  // namespace proxy
