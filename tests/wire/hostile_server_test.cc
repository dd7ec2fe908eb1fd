// Servers that lie, at login and later: the client gets an error or an end, never a hang; pgweir lives, and the slot is
// freed.
//
// Each case has a database of its own, and so a pool of its own; the first server connection of a database is hostile,
// the ones after it behave. All cases run at once.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <set>

#include "tests/wire/rig.h"
#include "tests/wire/simulated_session.h"

namespace wire {
namespace {

using namespace test_support;

struct Case {
  std::string name;
  std::string bytes;  // what the server says instead of its login answer, or of the answer to the first query
  enum class Then : uint8_t { kWait, kClose } then = Then::kWait;
  enum class Slot : uint8_t { kFreed, kFreedWithItsClient } slot = Slot::kFreed;
};

// A fake PostgreSQL whose first connection per database plays a case.
class HostileServer {
 public:
  enum class When : uint8_t { kLogin, kQuery };
  HostileServer(std::vector<Case> cases, When when) : cases_(std::move(cases)) {
    FakeServerOptions options;
    options.record = FakeServerOptions::Record::kNothing;
    if (when == When::kLogin) {
      options.login = [this](FakeConnection& connection, const std::string& answer) {
        const Case* hostile = TakeCase(connection.startup().Find("database"));
        return hostile != nullptr ? Play(connection, *hostile) : connection.Send(answer);
      };
    }
    server_ =
        std::make_unique<FakeServer>([this, when](FakeConnection& connection) { Serve(connection, when); }, options);
  }
  int port() const { return server_->port(); }
  const std::vector<Case>& cases() const { return cases_; }
  int Connections(const std::string& database) const {
    int count = 0;
    for (const FakeStartup& startup : server_->Startups()) count += startup.Find("database") == database;
    return count;
  }

 private:
  const Case* TakeCase(const std::string& database) {
    const std::lock_guard lock(mutex_);
    if (database.rfind("case", 0) != 0 || !played_.insert(database).second) return nullptr;
    return &cases_.at(std::stoul(database.substr(4)));
  }
  // Says it, and waits for the other side to end the connection.
  static bool Play(FakeConnection& connection, const Case& hostile) {
    connection.Send(hostile.bytes);
    if (hostile.then == Case::Then::kClose) {
      connection.Close();
      return false;
    }
    while (connection.ReadBytes(1)) {
    }
    return false;
  }
  void Serve(FakeConnection& connection, When when) {
    const Case* hostile = when == When::kQuery ? TakeCase(connection.startup().Find("database")) : nullptr;
    bool open = true;
    SimulatedSession session([&](const std::string& bytes) { open = open && connection.Send(bytes); });
    while (open) {
      const auto message = connection.Receive();
      if (!message) return;
      if (hostile != nullptr) {
        Play(connection, *hostile);
        return;
      }
      if (!session.On(*message)) return;
    }
  }

  const std::vector<Case> cases_;
  std::mutex mutex_;  // guards played_
  std::set<std::string> played_;
  std::unique_ptr<FakeServer> server_;  // the last one: its threads use the others
};

Names ToDatabase(size_t number) { return {{"user", "app"}, {"database", "case" + std::to_string(number)}}; }

std::string Typed(char type, const std::string& body) { return Message{type, body}.bytes(); }
std::string Auth(int64_t kind, const std::string& rest = "") { return Typed('R', Int32Bytes(kind) + rest); }

std::vector<Case> LoginCases() {
  std::vector<Case> cases;
  const auto add = [&cases](const std::string& name, const std::string& bytes, Case::Then then = Case::Then::kWait) {
    cases.push_back({name, bytes, then});
  };
  for (const int64_t kind : {1LL, 2LL, 3LL, 4LL, 5LL, 6LL, 7LL, 8LL, 9LL, 10LL, 11LL, 12LL, 13LL, 0xffffffffLL})
    add("authentication " + std::to_string(kind), Auth(kind));
  for (size_t size = 0; size < 4; ++size) add("authentication of few bytes", Typed('R', std::string(size, '\0')));
  for (size_t size = 0; size < 6; ++size) add("md5 salt of any size", Auth(5, std::string(size, 's')));
  for (const size_t size : {0u, 1u, 30u, 9000u}) {
    add("SASL nonce of any length",
        Auth(10, Text("SCRAM-SHA-256") + '\0') + Auth(11, "r=" + std::string(size, 'n') + ",s=c2FsdA==,i=4096"));
  }
  add("SASL without mechanisms", Auth(10, std::string(1, '\0')));
  add("SASL with a list that does not end", Auth(10, "SCRAM-SHA-256"));
  add("SASL of garbage", Auth(10, Text("SCRAM-SHA-256") + '\0') + Auth(11, std::string(100, '\xff')));
  add("error without fields", Typed('E', ""));
  add("error without SQLSTATE", Typed('E', "M" + Text("go away") + '\0'));
  add("error without terminator", Typed('E', "SFATAL"));
  add("error of zeros", Typed('E', std::string(50, '\0')));
  for (const int64_t length : {0LL, 3LL, 0x3fffffffLL, 0x7fffffffLL, 0x80000000LL, 0xffffffffLL}) {
    for (const char type : std::string("RESKZNv"))
      add(std::string(1, type) + " of length " + std::to_string(length),
          std::string(1, type) + Int32Bytes(length) + "xxxx");
  }
  std::string endless = AuthenticationOk();
  for (int i = 0; i < 20'000; ++i) endless += ParameterStatus("parameter" + std::to_string(i), std::string(100, 'v'));
  add("endless parameters", endless);
  add("parameter without zeros", AuthenticationOk() + Typed('S', "name"));
  add("parameter without value", AuthenticationOk() + Typed('S', Text("name")));
  for (const size_t size : {0u, 3u, 4u, 5u, 7u, 261u, 5000u})
    add("key data of " + std::to_string(size), AuthenticationOk() + Typed('K', std::string(size, 'k')));
  add("ReadyForQuery at once", ReadyForQuery('I'));
  add("ReadyForQuery without a status", AuthenticationOk() + Typed('Z', ""));
  add("ReadyForQuery with a wrong status", AuthenticationOk() + ReadyForQuery('X'));
  add("ReadyForQuery in a transaction", AuthenticationOk() + ReadyForQuery('T'));
  add("rows", AuthenticationOk() + DataRow({"x"}));
  add("more than its login", AuthenticationOk() + ReadyForQuery('I') + DataRow({"x"}));
  add("authenticated twice", AuthenticationOk() + AuthenticationOk());
  add("garbage", std::string(1000, '\xfe'));
  add("another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n");
  add("nothing", "", Case::Then::kClose);
  return cases;
}

// Anything but a hang: the login is refused, or a later server connection took its place.
TEST(HostileServerTest, AtLogin) {
  HostileServer server(LoginCases(), HostileServer::When::kLogin);
  PgweirProcess pgweir(ConfigFor(server.port(), "server_connect_timeout = \"1s\"\n"));
  std::vector<WireClient> clients;
  for (size_t i = 0; i < server.cases().size(); ++i) {
    clients.emplace_back(pgweir.port());
    ASSERT_TRUE(clients.back().Send(StartupBytes(ToDatabase(i))));
  }
  for (size_t i = 0; i < clients.size(); ++i) {
    SCOPED_TRACE(server.cases()[i].name);
    try {
      if (clients[i].FinishLogin("app", "")) {
        EXPECT_TRUE(GetsItsAnswer(clients[i], "x"));
      } else if (clients[i].error().type == 'E') {
        EXPECT_EQ(ErrorField(clients[i].error(), 'C').size(), 5u);
        EXPECT_EQ(ErrorField(clients[i].error(), 'S'), "FATAL");
      }
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
  // Every slot is free again: what comes next is served by a server connection of its own.
  for (size_t i = 0; i < clients.size(); ++i) {
    SCOPED_TRACE(server.cases()[i].name);
    const bool is_served = Eventually([&] {
      WireClient next(pgweir.port());
      return next.Login(ToDatabase(i)) && GetsItsAnswer(next, "next");
    });
    EXPECT_TRUE(is_served);
  }
}

TEST(HostileServerTest, AfterSslRequest) {
  for (const std::string& answer :
       {std::string("S") + std::string(500, '\xfe'), std::string("N") + std::string(500, '\xfe'), std::string("E"),
        std::string("X"), ErrorResponse("FATAL", "53300", "too many")}) {
    FakeServerOptions options;
    options.answer_to_ssl_request = answer;
    FakeServer server(FakeServer::EchoScript(), options);
    PgweirProcess pgweir(ConfigFor(server.port(), "server_tls_sslmode = \"prefer\"\nquery_wait_timeout = \"500ms\"\n"));
    WireClient client(pgweir.port());
    EXPECT_FALSE(client.Login(kApp)) << testing::PrintToString(answer);
    EXPECT_EQ(ErrorField(client.error(), 'C'), "57P03") << ErrorField(client.error(), 'M');
  }
}

std::vector<Case> QueryCases() {
  std::vector<Case> cases;
  const auto add = [&cases](const std::string& name, const std::string& bytes, Case::Then then = Case::Then::kWait) {
    cases.push_back({name, bytes, then});
  };
  const std::string head = RowDescription({"column"});
  const std::string answer = head + DataRow({"x"}) + CommandComplete("SELECT 1") + ReadyForQuery('I');
  for (const char type : std::string("123tVWRKv"))
    add(std::string("unasked ") + type, Typed(type, std::string(8, '\0')));
  for (int type = 0; type < 256; ++type) {
    if (std::strchr("123tVWRKvTDdCEtANSnsIZGHc", type) == nullptr || type == 0)
      add("type " + std::to_string(type), Typed(static_cast<char>(type), "xxxx"));
  }
  for (const int64_t length : {0LL, 3LL, 0x3fffffffLL, 0x7fffffffLL, 0x80000000LL, 0xffffffffLL}) {
    for (const char type : std::string("TDCEZNSA"))
      add(std::string(1, type) + " of length " + std::to_string(length),
          head + std::string(1, type) + Int32Bytes(length) + "x");
  }
  add("two ReadyForQuery", answer + ReadyForQuery('I'));
  add("an answer twice", answer + answer);
  add("a row after the answer", answer + DataRow({"y"}));
  add("a part of a row after the answer", answer + DataRow({"y"}).substr(0, 3));
  cases.back().slot = Case::Slot::kFreedWithItsClient;  // it might be a notice: its end decides
  add("ReadyForQuery without a status", head + Typed('Z', ""));
  add("ReadyForQuery with a wrong status", head + ReadyForQuery('X'));
  add("ReadyForQuery of two bytes", head + Typed('Z', "II"));
  add("FATAL in the middle of a result, and the end",
      head + DataRow({"x"}) + ErrorResponse("FATAL", "57P01", "terminating"), Case::Then::kClose);
  add("FATAL in the middle of a result, and more",
      head + DataRow({"x"}) + ErrorResponse("FATAL", "57P01", "terminating") + DataRow({"y"}));
  add("FATAL and no end", ErrorResponse("FATAL", "57P01", "terminating"));
  add("error without fields", Typed('E', "") + ReadyForQuery('Q'));
  add("garbage", std::string(1000, '\xfe'));
  add("half a row, and the end", head + DataRow({"x"}).substr(0, 8), Case::Then::kClose);
  add("nothing, and the end", "", Case::Then::kClose);
  return cases;
}

// The client hears at most what the server said, then an error or the end; and whoever comes next is served by another
// server.
TEST(HostileServerTest, LaterOn) {
  HostileServer server(QueryCases(), HostileServer::When::kQuery);
  PgweirProcess pgweir(ConfigFor(server.port(), "cancel_wait_timeout = \"200ms\"\n"));
  WireClient good(pgweir.port());
  ASSERT_TRUE(good.Login(kApp));
  std::vector<WireClient> clients;
  for (size_t i = 0; i < server.cases().size(); ++i) {
    clients.emplace_back(pgweir.port());
    ASSERT_TRUE(clients.back().Login(ToDatabase(i)));
    ASSERT_TRUE(clients.back().Send(Query("echo first")));
  }
  EXPECT_TRUE(GetsItsAnswer(good, "good"));
  for (size_t i = 0; i < clients.size(); ++i) {
    SCOPED_TRACE(server.cases()[i].name);
    try {
      const std::vector<Message> heard = clients[i].ReadUntil('Z');
      const bool is_ready = !heard.empty() && heard.back().type == 'Z';
      EXPECT_TRUE(!is_ready || heard.back().body == "I");
      for (const Message& message : heard) EXPECT_TRUE(std::strchr("TDCEZ", message.type) != nullptr) << message.type;
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    if (server.cases()[i].slot == Case::Slot::kFreedWithItsClient) clients[i].Close();
    WireClient next(pgweir.port());
    ASSERT_TRUE(next.Login(ToDatabase(i)));
    EXPECT_TRUE(GetsItsAnswer(next, "next-" + std::to_string(i)));
    EXPECT_GE(server.Connections("case" + std::to_string(i)), 2);
  }
  EXPECT_TRUE(GetsItsAnswer(good, "still good"));
}

}  // namespace
}  // namespace wire
