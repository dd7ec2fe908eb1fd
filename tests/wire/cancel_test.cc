// A cancel while a message of ours runs before the client's: it must not hit ours. Without the BEGIN that a deferred transaction
// sends first, its statement would be carried out and committed.
#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/fake_server.h"
#include "tests/wire/rig.h"

namespace wire {
namespace {

using namespace test_support;

// Answers a BEGIN when it may, and a SELECT when a cancel has come.
class SlowBegin {
 public:
  SlowBegin() : server_([this](FakeConnection& connection) { Serve(connection); }) {}

  int port() const { return server_.port(); }
  bool has_begin() const { return has_begin_; }
  void Begin() { may_begin_ = true; }
  size_t cancels() const { return server_.Cancels().size(); }

 private:
  void Serve(FakeConnection& connection) {
    while (const auto message = connection.Receive()) {
      if (message->type == 'X') return;
      const bool is_begin = message->body.starts_with("BEGIN");
      if (is_begin) {
        has_begin_ = true;
        Eventually([this] { return may_begin_.load(); });
        connection.Send(CommandComplete("BEGIN") + ReadyForQuery('T'));
      } else if (message->body.starts_with("SELECT")) {
        Eventually([this] { return cancels() > 0; });
        connection.Send(ErrorResponse("ERROR", "57014", "canceling statement due to user request") + ReadyForQuery('E'));
      } else {
        connection.Answer({"answered"}, message->body.starts_with("ROLLBACK") ? 'I' : 'T');
      }
    }
  }
  std::atomic<bool> has_begin_{false}, may_begin_{false};
  FakeServer server_;
};

// A cancel that is on its way would have come.
bool StaysWithoutCancel(const SlowBegin& server) {
  return !Eventually([&] { return server.cancels() > 0; }, Milliseconds(300));
}

struct Canceler {
  explicit Canceler(const PgweirProcess& pgweir, const WireClient& client) : socket(ConnectTcp(pgweir.port())) {
    socket.Send(CancelBytes(client.process_id(), client.key()));
  }
  WireSocket socket;
};

TEST(CancelTest, DoesNotHitABeginOfOurs) {
  SlowBegin server;
  PgweirProcess pgweir(ConfigFor(server.port(), "deferred_begin = true\n"));
  WireClient client(pgweir.port());
  ASSERT_TRUE(client.Login(kApp));
  client.Ask(Query("BEGIN"));
  client.Send(Query("SELECT 1"));
  ASSERT_TRUE(Eventually([&] { return server.has_begin(); }));
  Canceler canceler(pgweir, client);
  EXPECT_TRUE(StaysWithoutCancel(server));
  server.Begin();
  const auto answer = client.ReadUntil('Z');
  ASSERT_EQ(answer.size(), 2u);
  EXPECT_EQ(ErrorField(answer[0], 'C'), "57014");
  EXPECT_EQ(answer[1].body, "E");
  EXPECT_EQ(server.cancels(), 1u);
}

// The end of a client is a cancel, too.
TEST(CancelTest, OfAClientThatLeavesDoesNotHitABeginOfOurs) {
  SlowBegin server;
  PgweirProcess pgweir(ConfigFor(server.port(), "deferred_begin = true\n"));
  WireClient other(pgweir.port());
  {
    WireClient client(pgweir.port());
    ASSERT_TRUE(client.Login(kApp));
    client.Ask(Query("BEGIN"));
    client.Send(Query("SELECT 1"));
    ASSERT_TRUE(Eventually([&] { return server.has_begin(); }));
  }
  EXPECT_TRUE(StaysWithoutCancel(server));
  server.Begin();
  EXPECT_TRUE(Eventually([&] { return server.cancels() == 1; }));
  ASSERT_TRUE(other.Login(kApp));
  EXPECT_EQ(other.Value("INSERT 1"), "answered") << "over the same server";
}

}  // namespace
}  // namespace wire
