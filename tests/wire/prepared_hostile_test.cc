// Servers that lie about a Parse that pgweir made on behalf of a client: that server is closed, the client hears an
// error or the end, and nobody hears another's answer.
//
// A client prepares on the first server connection, which then goes; what it runs next must be prepared on the second,
// and that one puts something else in the place of ParseComplete. The connections after it behave.
// Threads: the server's scripts run on their own; what they share is atomic.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "tests/wire/rig.h"
#include "tests/wire/simulated_session.h"

namespace wire {
namespace {

using namespace test_support;

constexpr std::string_view kText = "echo $1 /*of a client*/";
constexpr int kLiar = 1;  // the connection that lies

struct Lie {
  std::string name;
  std::string instead;  // of ParseComplete
  enum class Then : uint8_t { kGoesOn, kEnds } then = Then::kGoesOn;
};

std::string Typed(char type, const std::string& body = "") { return Message{type, body}.bytes(); }

std::vector<Lie> Lies() {
  const std::string complete = Typed('1');
  return {{"missing", ""},
          {"doubled", complete + complete},
          {"a row before", DataRow({"another's"}) + complete},
          {"a row behind", complete + DataRow({"another's"})},
          {"BindComplete", Typed('2')},
          {"CloseComplete", Typed('3')},
          {"NoData", Typed('n')},
          {"CommandComplete", CommandComplete("PARSE")},
          {"ReadyForQuery", ReadyForQuery('I')},
          {"ParseComplete and ReadyForQuery", complete + ReadyForQuery('I')},
          {"an unknown type", Typed('?')},
          {"a length that lies", "1" + Int32Bytes(3)},
          {"a length of a gigabyte", "1" + Int32Bytes(0x3fffffff)},
          {"half of it, and the end", complete.substr(0, 3), Lie::Then::kEnds},
          {"it, and the end", complete, Lie::Then::kEnds},
          {"the end", "", Lie::Then::kEnds}};
}

class LyingServer {
 public:
  explicit LyingServer(const Lie& lie) : lie_(lie) {
    FakeServerOptions options;
    options.record = FakeServerOptions::Record::kNothing;
    server_ = std::make_unique<FakeServer>([this](FakeConnection& connection) { Serve(connection); }, options);
  }
  int port() const { return server_->port(); }
  int accepted() const { return server_->accepted(); }
  bool has_lied() const { return has_lied_; }
  bool liar_is_closed() const { return liar_is_closed_; }

 private:
  // What the session says from the Parse of the text on, with the lie in it.
  bool Lies(FakeConnection& connection, std::string bytes) {
    const size_t at = bytes.find(Typed('1'));
    if (at == std::string::npos) return connection.Send(bytes);
    has_lied_ = true;
    const std::string rest = lie_.then == Lie::Then::kGoesOn ? bytes.substr(at + Typed('1').size()) : "";
    connection.Send(bytes.substr(0, at) + lie_.instead + rest);
    if (lie_.then == Lie::Then::kEnds) connection.Close();
    return lie_.then != Lie::Then::kEnds;
  }
  void Serve(FakeConnection& connection) {
    bool is_open = true, is_told = false;
    SimulatedSession session([&](const std::string& bytes) {
      const bool lies = is_told && !has_lied_;
      is_open = is_open && (lies ? Lies(connection, bytes) : connection.Send(bytes));
    });
    while (is_open) {
      const auto message = connection.Receive();
      if (!message) break;
      if (message->type == 'Q' && message->body == Text("go")) break;
      is_told = is_told || (connection.number() == kLiar && message->body.find(kText) != std::string::npos);
      if (!session.On(*message)) break;
    }
    if (connection.number() == kLiar) liar_is_closed_ = true;
  }

  const Lie lie_;
  std::atomic<bool> has_lied_{false}, liar_is_closed_{false};
  std::unique_ptr<FakeServer> server_;  // the last one: its threads use the others
};

std::string Use(std::string_view name, const Values& values) { return Bind("", name, values) + Execute(""); }

class LyingServerTest : public testing::TestWithParam<size_t> {};

// What the client may hear: its own row, and an error or an end. The error.
std::string ExpectNothingOfOthers(WireClient& client) {
  try {
    for (const Message& message : client.ReadUntil('Z')) {
      EXPECT_TRUE(message.type != 'D' || RowValues(message) == Values{"own"}) << testing::PrintToString(message.body);
      EXPECT_NE(message.type, '1');
      if (message.type == 'E') return ErrorField(message, 'M') + ": " + ErrorField(message, 'D');
    }
  } catch (const TimedOut&) {
    ADD_FAILURE() << "neither an answer nor an end";
  }
  return "";
}

TEST_P(LyingServerTest, IsClosed) {
  const Lie lie = Lies()[GetParam()];
  SCOPED_TRACE(lie.name);
  LyingServer server(lie);
  PgweirProcess pgweir(ConfigFor(server.port(), "max_prepared_statements = 200\ncancel_wait_timeout = \"200ms\"\n"));
  WireClient client(pgweir.port()), other(pgweir.port());
  ASSERT_TRUE(client.Login(kApp) && other.Login(kApp));
  ASSERT_EQ(client.Ask(Parse("s", kText) + Use("s", {"own"}) + Sync()).size(), 5u);
  other.Ask(Query("go"));
  WireClient next(pgweir.port());
  ASSERT_TRUE(next.Login(kApp));

  ASSERT_TRUE(client.Send(Use("s", {"own"}) + Sync()));
  const std::string error = ExpectNothingOfOthers(client);
  EXPECT_TRUE(server.has_lied()) << error;
  client.Close();
  EXPECT_TRUE(GetsItsAnswer(next, "next"));
  std::string types;
  for (const Message& message : next.Ask(Parse("s", kText) + Use("s", {"of next"}) + Sync())) {
    types += message.type;
    EXPECT_TRUE(message.type != 'D' || RowValues(message) == Values{"of next"});
  }
  EXPECT_EQ(types, "12DCZ");
  const bool is_closed = Eventually([&] { return server.liar_is_closed(); });
  EXPECT_TRUE(is_closed);
  EXPECT_GE(server.accepted(), kLiar + 2);
}

INSTANTIATE_TEST_SUITE_P(All, LyingServerTest, testing::Range(size_t{0}, Lies().size()));

}  // namespace
}  // namespace wire
