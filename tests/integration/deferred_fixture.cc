#include "tests/integration/deferred_fixture.h"

namespace integration {

using namespace test_support;

namespace {

std::string Print(const std::vector<Message>& messages) {
  std::string text;
  for (const Message& message : messages) {
    std::string body = message.body.substr(0, 200);
    for (char& c : body) {
      if (c < ' ') c = '.';
    }
    text += std::string("  ") + message.type + " " + body + "\n";
  }
  return text;
}

}  // namespace

void DeferredTest::SetUp() {
  NEEDS_PGWEIR();
  // Made once, so that the oids in the answers are the same for both.
  AsSuperuser("CREATE TABLE IF NOT EXISTS deferred_rows (i int PRIMARY KEY); GRANT ALL ON deferred_rows TO PUBLIC");
  AsSuperuser("TRUNCATE deferred_rows");
}

void DeferredTest::StartDeferring(const std::string& global) { StartWithOneServer("deferred_begin = true\n" + global); }

std::vector<Message> DeferredTest::Play(WireClient& client, const Exchanges& script) {
  std::vector<Message> all;
  for (const Exchange& exchange : script) {
    client.Send(exchange.bytes);
    for (const char type : exchange.until) {
      const auto part = client.ReadUntil(type);
      all.insert(all.end(), part.begin(), part.end());
    }
  }
  return all;
}

std::vector<Message> DeferredTest::Run(int port, const Exchanges& script) {
  WireClient client(port);
  if (!client.Login({{"user", "app"}, {"database", "app"}})) throw std::runtime_error("login");
  return Play(client, script);
}

void DeferredTest::Compare(const Exchanges& script) {
  Exchange in_one;
  in_one.until.clear();
  for (const Exchange& exchange : script) {
    in_one.bytes += exchange.bytes;
    in_one.until += exchange.until;
  }
  try {
    const auto direct = Run(SharedCluster().port(), script);
    const auto through = Run(target_port(), script);
    EXPECT_TRUE(direct == through) << "direct:\n" << Print(direct) << "through pgweir:\n" << Print(through);
    // In copy mode PostgreSQL gives up what was sent ahead of its answer: such a script is not the same in one write.
    if (in_one.until.find('G') != std::string::npos) return;
    const auto pipelined = Run(target_port(), {in_one});
    EXPECT_TRUE(direct == pipelined) << "direct:\n" << Print(direct) << "in one write:\n" << Print(pipelined);
  } catch (const std::runtime_error& error) {
    ADD_FAILURE() << error.what();
  }
}

void DeferredTest::HoldServer() {
  holder_ = Connect("app", "app", "application_name=holder");
  ASSERT_TRUE(holder_.Query("BEGIN; SELECT 1").ok());
}

void DeferredTest::LetGo() { ASSERT_TRUE(holder_.Query("COMMIT").ok()); }

void DeferredTest::ExpectOnlyTheHolderHasAServer() {
  Connection admin = Admin();
  EXPECT_EQ(PoolNumber(admin, "sv_active"), 1);
  EXPECT_EQ(PoolNumber(admin, "cl_waiting"), 0);
  EXPECT_EQ(ServersOf("app"), 1);
  EXPECT_EQ(PQtransactionStatus(holder_.get()), PQTRANS_INTRANS);
  EXPECT_NE(ClientColumn(admin, "holder", "link"), "");
}

void DeferredTest::ExpectFree() {
  Connection admin = Admin();
  EXPECT_TRUE(WaitUntilFree(admin));
  EXPECT_EQ(PoolNumber(admin, "cl_waiting"), 0);
}

WireClient DeferredTest::ConnectDeferred() {
  WireClient client(target_port());
  if (!client.Login({{"user", "app"}, {"database", "app"}, {"application_name", "deferred"}})) {
    throw std::runtime_error("login");
  }
  EXPECT_EQ(Said(client.Ask(Query("BEGIN"))), "C BEGIN, Z T");
  return client;
}

std::string Batch(std::string_view sql, const Values& values) {
  return Parse("", sql) + Bind("", "", values) + DescribePortal("") + Execute("") + Sync();
}

std::string Said(const std::vector<Message>& messages) {
  std::string text;
  for (const Message& message : messages) {
    if (!text.empty()) text += ", ";
    text += message.type;
    if (message.type == 'Z') text += std::string(" ") + message.body[0];
    if (message.type == 'C') text += " " + message.body.substr(0, message.body.size() - 1);
    if (message.type == 'D') text += " " + RowValues(message).front().value_or("NULL");
    if (message.type == 'E' || message.type == 'N') {
      text += " " + ErrorField(message, 'S') + " " + ErrorField(message, 'C') + " " + ErrorField(message, 'M');
    }
  }
  return text;
}

}  // namespace integration
