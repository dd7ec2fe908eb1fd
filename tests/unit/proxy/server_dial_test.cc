// ServerDial: one answer per dial, the next host when one fails, and an end at any moment. TLS, SCRAM and the refusals of a
// real PostgreSQL are in tests/wire and tests/integration, through Server.
#include "proxy/server_dial.h"

#include <sys/socket.h>

#include <algorithm>
#include <optional>

#include "tests/support/fake_dns.h"
#include "tests/support/fake_server.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/proxy/loop_fixture.h"

namespace proxy {
namespace {

using test_support::FakeConnection;
using test_support::FakeServer;
using test_support::FakeServerOptions;

constexpr char kNoAddress[] = "/nowhere";  // a Unix socket that is not there: refused at once

class ServerDialTest : public LoopTest, private SocketHandler {
 protected:
  using Answer = tl::expected<DialedServer, pool::OpenFailure>;

  DialOptions To(std::vector<conf::Host> hosts) {
    DialOptions options;
    options.target.hosts = std::move(hosts);
    options.target.dbname = "shop";
    options.target.credentials.user = "app";
    options.target.connect_timeout = pool::Duration(10'000'000);
    return options;
  }
  static conf::Host At(const FakeServer& server) { return {"127.0.0.1", static_cast<uint16_t>(server.port())}; }
  void Start(DialOptions options) {
    dial_ = std::make_unique<ServerDial>(DialRoom{loop_, resolver_, helpers_, hosts_}, std::move(options), [this](Answer answer) {
      dial_.reset();  // allowed inside the call
      ++answers_;
      answer_.emplace(std::move(answer));
      if (*answer_) (*answer_)->socket->HandTo(*this);
    });
    dial_->Start();
  }
  void OnReadable() override { ++readable_; }
  void OnWritable() override {}
  void OnDrained() override {}
  void OnBroken() override {}

  HelperThreads helpers_;
  Resolver resolver_{control_};
  Hosts hosts_{1};
  std::unique_ptr<ServerDial> dial_;
  std::optional<Answer> answer_;
  int answers_ = 0, readable_ = 0;
};

TEST_F(ServerDialTest, WhatIsOpenedIsHandedOverWhole) {
  FakeServer server([](FakeConnection& connection) {
    connection.Receive();
    connection.Send(test_support::NoticeResponse("for the owner"));
    connection.Receive();
  });
  Start(To({At(server)}));
  ASSERT_TRUE(Until([&] { return answer_.has_value(); }));
  ASSERT_TRUE(answer_->has_value()) << answer_->error().cause;
  DialedServer& opened = **answer_;
  EXPECT_EQ(opened.where, "127.0.0.1:" + std::to_string(server.port()));
  EXPECT_EQ(opened.peer_host, "127.0.0.1");
  EXPECT_EQ(opened.process_id, 1000u);
  EXPECT_EQ(opened.cancel_key, FakeServerOptions().key);
  EXPECT_EQ(opened.parameters, FakeServerOptions().parameters);
  EXPECT_EQ(opened.tls, nullptr);
  EXPECT_EQ(server.Startups().at(0).Find("user"), "app");
  EXPECT_EQ(server.Startups().at(0).Find("database"), "shop");
  EXPECT_EQ(readable_, 0);
  ASSERT_TRUE(opened.socket->Write(test_support::Query("select 1")));
  EXPECT_TRUE(Until([&] { return readable_ > 0; })) << "the socket has its new handler";
  EXPECT_EQ(answers_, 1);
}

TEST_F(ServerDialTest, TheNextHostIsTriedWhenOneFails) {
  FakeServerOptions refuses;
  refuses.welcome = test_support::ErrorResponse("FATAL", "28000", "no entry");
  FakeServer first(FakeServer::EchoScript(), refuses), second;
  Start(To({{kNoAddress, 1}, At(first), At(second)}));
  ASSERT_TRUE(Until([&] { return answer_.has_value(); }));
  ASSERT_TRUE(answer_->has_value()) << answer_->error().cause;
  EXPECT_EQ((*answer_)->where, "127.0.0.1:" + std::to_string(second.port()));
  EXPECT_EQ(first.accepted(), 1);
}

TEST_F(ServerDialTest, AFailureSaysWhatTheServerSaid) {
  FakeServerOptions refuses;
  refuses.welcome = test_support::ErrorResponse("FATAL", "28000", "no entry");
  FakeServer server(FakeServer::EchoScript(), refuses);
  Start(To({At(server)}));
  ASSERT_TRUE(Until([&] { return answer_.has_value(); }));
  ASSERT_FALSE(answer_->has_value());
  EXPECT_EQ(answer_->error().kind, pool::OpenFailure::Kind::kRefused);
  EXPECT_NE(answer_->error().cause.find("login refused: no entry"), std::string::npos);
  EXPECT_FALSE(answer_->error().server_error.empty());
}

TEST_F(ServerDialTest, AStateThatPassesIsNoRefusal) {
  for (const char* sqlstate : {"57P03", "53300", "57P01"}) {
    FakeServerOptions starting;
    starting.welcome = test_support::ErrorResponse("FATAL", sqlstate, "later");
    FakeServer server(FakeServer::EchoScript(), starting);
    answer_.reset();
    Start(To({At(server)}));
    ASSERT_TRUE(Until([&] { return answer_.has_value(); }));
    ASSERT_FALSE(answer_->has_value());
    EXPECT_EQ(answer_->error().kind, pool::OpenFailure::Kind::kUnreachable) << sqlstate;
    EXPECT_TRUE(answer_->error().server_error.empty());
  }
}

TEST_F(ServerDialTest, WhatFailsAtOnceIsSaidBeforeStartReturns) {
  Start(To({{kNoAddress, 1}, {kNoAddress, 2}}));
  ASSERT_TRUE(answer_.has_value());
  EXPECT_FALSE(answer_->has_value());
  EXPECT_EQ(answers_, 1);
}

TEST_F(ServerDialTest, OneDeadlineForEverything) {
  FakeServerOptions silent;
  silent.login = [](FakeConnection& connection, const std::string&) { return connection.ReadBytes(1).has_value(); };
  FakeServer server(FakeServer::EchoScript(), silent);
  DialOptions options = To({At(server), At(server)});
  options.target.connect_timeout = pool::Duration(50'000);
  Start(std::move(options));
  ASSERT_TRUE(Until([&] { return answer_.has_value(); }));
  ASSERT_FALSE(answer_->has_value());
  EXPECT_EQ(answer_->error().kind, pool::OpenFailure::Kind::kUnreachable);
}

// A name service that says nothing has its share of the time, and no more; what it says later is for nobody.
TEST_F(ServerDialTest, TheNextHostIsTriedWhenTheNameServiceIsSilent) {
  test_support::FakeDns dns;
  test_support::TemporaryFolder folder;
  test_support::WriteFile(folder.File("resolv.conf"), dns.ResolvConf());
  dns.Say("db.example", {.addresses = {}, .how = test_support::DnsReply::How::kNotAtAll});
  conf::Global global;
  global.resolv_conf = folder.File("resolv.conf");
  ASSERT_EQ(resolver_.Configure(global), "");
  FakeServer server;
  DialOptions options = To({{"db.example", 5432}, At(server)});
  options.target.connect_timeout = pool::Duration(500'000);  // the lookup gives up by itself after a second
  Start(std::move(options));
  ASSERT_TRUE(Until([&] { return answer_.has_value(); }));
  ASSERT_TRUE(answer_->has_value()) << answer_->error().cause;
  EXPECT_EQ((*answer_)->where, "127.0.0.1:" + std::to_string(server.port()));
  EXPECT_TRUE(Until([&] { return resolver_.UnderWay().under_way == 0; }));
  EXPECT_EQ(answers_, 1);
  Start(To({{"db.example", 5432}}));
  ASSERT_TRUE(Until([&] { return answers_ == 2; }));
  ASSERT_FALSE(answer_->has_value());
  EXPECT_NE(answer_->error().cause.find("name lookup"), std::string::npos) << answer_->error().cause;
}

// --- connect_query -------------------------------------------------------------------------------------------------------

// Answers the connect_query with `answer`, and the question behind it with one setting.
FakeServer::Script AnswersConnectQuery(const std::string& answer) {
  return [answer](FakeConnection& connection) {
    if (!connection.Receive()) return;
    connection.Send(answer);
    if (!connection.Receive()) return;
    connection.Send(test_support::DataRow({"set", "work_mem", "9MB", "session"}) + test_support::CommandComplete("SELECT 1") +
                    test_support::ReadyForQuery('I'));
    connection.Receive();
  };
}

TEST_F(ServerDialTest, AConnectQueryIsRunBeforeTheServerIsHandedOver) {
  FakeServer server(AnswersConnectQuery(test_support::ParameterStatus("TimeZone", "Asia/Tokyo") + test_support::CommandComplete("SET") +
                                        test_support::ReadyForQuery('I')));
  DialOptions options = To({At(server)});
  options.connect_query = "SET TimeZone = 'Asia/Tokyo'; SET work_mem = '9MB'";
  Start(std::move(options));
  ASSERT_TRUE(Until([&] { return answer_.has_value(); }));
  ASSERT_TRUE(answer_->has_value()) << answer_->error().cause;
  const DialedServer& opened = **answer_;
  EXPECT_EQ(opened.settings, (std::vector<protocol::Setting>{{"work_mem", "9MB"}}));
  const auto is_zone = [](const protocol::Setting& setting) { return setting == protocol::Setting{"TimeZone", "Asia/Tokyo"}; };
  EXPECT_EQ(std::count_if(opened.parameters.begin(), opened.parameters.end(), is_zone), 1);
  EXPECT_EQ(opened.process_id, 1000u);
}

TEST_F(ServerDialTest, AConnectQueryThatFailsIsARefusedLoginAndTheHostLives) {
  FakeServer server(AnswersConnectQuery(test_support::ErrorResponse("ERROR", "42P01", "no such table") + test_support::ReadyForQuery('I')));
  DialOptions options = To({At(server)});
  options.connect_query = "SELECT 1 FROM nowhere";
  Start(options);
  ASSERT_TRUE(Until([&] { return answer_.has_value(); }));
  ASSERT_FALSE(answer_->has_value());
  EXPECT_EQ(answer_->error().kind, pool::OpenFailure::Kind::kRefused);
  EXPECT_NE(answer_->error().cause.find("connect_query failed: no such table"), std::string::npos) << answer_->error().cause;
  EXPECT_FALSE(answer_->error().server_error.empty());
  ASSERT_EQ(hosts_.Rows().size(), 1u);
  EXPECT_EQ(hosts_.Rows()[0].failures, 0u);
}

TEST_F(ServerDialTest, AConnectQueryThatDoesWhatItMustNotIsTold) {
  FakeServer server(AnswersConnectQuery(test_support::CommandComplete("BEGIN") + test_support::ReadyForQuery('T')));
  DialOptions options = To({At(server)});
  options.connect_query = "BEGIN";
  Start(options);
  ASSERT_TRUE(Until([&] { return answer_.has_value(); }));
  ASSERT_FALSE(answer_->has_value());
  EXPECT_EQ(answer_->error().kind, pool::OpenFailure::Kind::kRefused) << "waiting would not help";
  EXPECT_NE(answer_->error().cause.find("connect_query failed: it left a transaction open"), std::string::npos) << answer_->error().cause;
}

TEST_F(ServerDialTest, AConnectQueryThatDoesNotEndIsBoundedAndTheHostLives) {
  FakeServer server([](FakeConnection& connection) {
    while (connection.Receive()) {
    }
  });
  DialOptions options = To({At(server)});
  options.target.connect_timeout = pool::Duration(50'000);
  options.connect_query = "SELECT pg_sleep(3600)";
  Start(options);
  ASSERT_TRUE(Until([&] { return answer_.has_value(); }));
  ASSERT_FALSE(answer_->has_value());
  EXPECT_NE(answer_->error().cause.find("connect_query has not ended in time"), std::string::npos) << answer_->error().cause;
  ASSERT_EQ(hosts_.Rows().size(), 1u);
  EXPECT_EQ(hosts_.Rows()[0].failures, 0u);
}

TEST_F(ServerDialTest, ADialMayEndWhileItsLookupOrItsServerIsAwaited) {
  Start(To({{"localhost", 1}}));
  dial_.reset();
  FakeServerOptions silent;
  silent.login = [](FakeConnection& connection, const std::string&) { return connection.ReadBytes(1).has_value(); };
  FakeServer server(FakeServer::EchoScript(), silent);
  Start(To({At(server)}));
  ASSERT_TRUE(Until([&] { return server.accepted() == 1; }));
  dial_.reset();
  bool is_looked_up = false;
  resolver_.Resolve({"localhost", 1}, loop_, [&](Resolved) { is_looked_up = true; });
  EXPECT_TRUE(Until([&] { return is_looked_up; }));
  EXPECT_EQ(answers_, 0);
}

}  // namespace
}  // namespace proxy
