// Replication connections at byte level: one server for one client, everything passed on as it is, whole, split at every byte and
// cut at every byte in both directions.
#include <gtest/gtest.h>

#include <atomic>
#include <algorithm>
#include <csignal>
#include <iterator>
#include <map>
#include <memory>
#include <thread>

#include "tests/support/wire_barrier.h"
#include "tests/wire/rig.h"

namespace wire {
namespace {

using namespace test_support;

const Names kReplicator = {{"user", "app"}, {"database", "app"}, {"replication", "database"}};

struct Turn {
  std::string client, server;
};

std::string Rows(const std::string& value, const std::string& tag) {
  return RowDescription({"column"}) + DataRow({value}) + CommandComplete(tag) + ReadyForQuery('I');
}
const std::string kCopyBoth = Message{'W', std::string("\0\0\0", 3)}.bytes();
const std::string kWal = CopyData("w" + std::string(24, 'h') + std::string(90, '\0') + "Q\0\0\0\4");

// A command, a stream with data, keepalives and status updates, its end from the client's side, a command again.
const std::vector<Turn>& Conversation() {
  static const std::vector<Turn> turns = {
      {Query("IDENTIFY_SYSTEM"), Rows("system", "IDENTIFY_SYSTEM")},
      {Query("FAIL"), ErrorResponse("ERROR", "42601", "syntax error") + ReadyForQuery('I')},
      {Query("START_REPLICATION"), kCopyBoth + kWal + CopyData("keepalive")},
      {CopyData("rstatus"), CopyData("answer to rstatus")},
      {CopyData("h") + CopyData(std::string(40, 'X')), CopyData("answer to h") + CopyData("answer to " + std::string(40, 'X'))},
      {CopyDone(), CopyDone() + CommandComplete("COPY 0") + ReadyForQuery('I')},
      {Query("SHOW x"), Rows("shown", "SHOW")},
  };
  return turns;
}

std::string AnswerTo(const Message& message) {
  if (message.type == 'd') return CopyData("answer to " + message.body);
  if (message.type == 'Q' && message.body.starts_with("ORDINARY")) return Rows("ordinary", "SELECT 1");
  for (const Turn& turn : Conversation()) {
    if (turn.client == message.bytes()) return turn.server;
  }
  if (message.type == 'Q') return CommandComplete("DISCARD ALL") + ReadyForQuery('I');  // pgweir's own, between clients
  return "";
}

std::string AllOf(std::string Turn::* side) {
  std::string bytes;
  for (const Turn& turn : Conversation()) bytes += turn.*side;
  return bytes;
}

// Answers as a walsender does; a fault counts the bytes of answers from the moment it is set.
class Walsender {
 public:
  Walsender() : server_([this](FakeConnection& connection) { Serve(connection); }) {}
  ~Walsender() {
    for (const std::string& problem : server_.Problems()) ADD_FAILURE() << problem;
  }
  FakeServer& server() { return server_; }
  int port() const { return server_.port(); }
  void SplitAt(size_t at) { left_ = at, fault_ = Fault::kSplit; }
  void CutAt(size_t at) { left_ = at, fault_ = Fault::kCut; }
  void HoldAnswers() { holds_ = true; }
  void LetGo() { holds_ = false; }
  bool IsHolding() const { return is_holding_; }

 private:
  enum class Fault : uint8_t { kNone, kSplit, kCut };
  void Serve(FakeConnection& connection) {
    while (const auto message = connection.Receive()) {
      if (message->type == 'X') return;
      is_holding_ = holds_.load();
      if (holds_ && !Eventually([this] { return !holds_; })) throw TimedOut("nobody lets the answer go");
      if (!Write(connection, AnswerTo(*message))) return;
    }
  }
  bool Write(FakeConnection& connection, const std::string& bytes) {
    const size_t left = left_;
    if (fault_ == Fault::kNone || left >= bytes.size()) {
      left_ = left - std::min(left, bytes.size());
      return connection.Send(bytes);
    }
    const Fault fault = fault_.exchange(Fault::kNone);
    if (fault == Fault::kSplit) return connection.SendSplit(bytes, left);
    connection.Send(bytes.substr(0, left));
    return false;
  }
  std::atomic<Fault> fault_{Fault::kNone};
  std::atomic<size_t> left_{0};
  std::atomic<bool> holds_{false}, is_holding_{false};
  FakeServer server_;
};

class ReplicationTest : public testing::Test {
 protected:
  void Start(const std::string& global = "", int pool_size = 1) {
    pgweir_ = std::make_unique<PgweirProcess>(ConfigFor(walsender_.port(), global, pool_size));
  }
  WireClient Replicator(const Names& startup = kReplicator) {
    WireClient client(pgweir_->port());
    if (!client.Login(startup)) throw std::runtime_error("login failed: " + ErrorField(client.error(), 'M'));
    return client;
  }
  Message Refusal(const Names& startup) {
    WireClient client(pgweir_->port());
    EXPECT_FALSE(client.Login(startup));
    return client.error();
  }
  static testing::AssertionResult Run(WireClient& client, size_t split_at = std::string::npos) {
    size_t sent = 0;
    for (const Turn& turn : Conversation()) {
      const bool is_split = split_at > sent && split_at < sent + turn.client.size();
      const bool has_left = is_split ? client.SendSplit(turn.client, split_at - sent) : client.Send(turn.client);
      if (!has_left) return testing::AssertionFailure() << "could not be sent";
      sent += turn.client.size();
      const auto got = client.ReadBytes(turn.server.size());
      if (!got) return testing::AssertionFailure() << "the connection ended";
      if (*got != turn.server) return testing::AssertionFailure() << testing::PrintToString(*got) << " and not " << testing::PrintToString(turn.server);
    }
    return testing::AssertionSuccess();
  }
  void Stream(WireClient& client) {
    const Turn& start = Conversation()[2];
    ASSERT_TRUE(client.Send(start.client));
    ASSERT_EQ(client.ReadBytes(start.server.size()), start.server);
  }
  static testing::AssertionResult Streams(WireClient& client) {
    if (!client.Send(CopyData("alive?"))) return testing::AssertionFailure() << "its connection is closed";
    const std::string expected = CopyData("answer to alive?");
    const auto got = client.ReadBytes(expected.size());
    return got == expected ? testing::AssertionSuccess() : testing::AssertionFailure() << testing::PrintToString(got.value_or("the end"));
  }
  std::string Received(int connection) {
    EXPECT_TRUE(Eventually([&] { return walsender_.server().open_connections() == 0; }));
    std::string bytes;
    for (const Message& message : walsender_.server().Received(connection)) bytes += message.bytes();
    return bytes;
  }

  Walsender walsender_;
  std::unique_ptr<PgweirProcess> pgweir_;
};

// --- what passes ---------------------------------------------------------------------------------------------------------

TEST_F(ReplicationTest, WholeAndWithTheClientSplitAtEveryByte) {
  Start();
  WireClient client = Replicator();
  std::string expected;
  for (const size_t at : Cuts(AllOf(&Turn::client).size())) {
    ASSERT_TRUE(Run(client, at)) << "split at " << at;
    expected += AllOf(&Turn::client);
  }
  EXPECT_EQ(client.ReadAvailable(Milliseconds(0)), "");
  client.Send(Terminate());
  EXPECT_TRUE(client.AtEnd());
  EXPECT_EQ(Received(0), expected + Terminate());
}

TEST_F(ReplicationTest, WithTheServerSplitAtEveryByte) {
  Start();
  WireClient client = Replicator();
  for (const size_t at : Cuts(AllOf(&Turn::server).size())) {
    walsender_.SplitAt(at);
    ASSERT_TRUE(Run(client)) << "split at " << at;
  }
}

TEST_F(ReplicationTest, ByteByByte) {
  Start();
  WireClient client = Replicator();
  for (const Turn& turn : Conversation()) {
    ASSERT_TRUE(client.SendByteByByte(turn.client));
    ASSERT_EQ(client.ReadBytes(turn.server.size()), turn.server);
  }
}

// --- ends ----------------------------------------------------------------------------------------------------------------

// The pool has one place: the next client gets in only when the server of the one before has gone.
TEST_F(ReplicationTest, WithTheClientCutAtEveryByte) {
  Start();
  const std::string all = AllOf(&Turn::client);
  int connection = 0;
  for (const size_t at : Cuts(all.size())) {
    WireClient client = Replicator();
    size_t left = at;
    for (const Turn& turn : Conversation()) {
      ASSERT_TRUE(client.Send(turn.client.substr(0, left)));
      if (left < turn.client.size()) break;
      left -= turn.client.size();
      if (left == 0) break;  // gone before it reads the answer
      ASSERT_EQ(client.ReadBytes(turn.server.size()), turn.server);
    }
    ASSERT_TRUE(at % 4 < 2 || WaitUntilRead(client.fd()));
    if (at % 2 == 0) client.Close();
    else client.Reset();
    std::string received = Received(connection++);
    if (received.ends_with(Terminate())) received.resize(received.size() - Terminate().size());
    ASSERT_TRUE(all.starts_with(received)) << "cut at " << at << ": " << testing::PrintToString(received);
  }
  WireClient next = Replicator();
  EXPECT_TRUE(Run(next));
  EXPECT_EQ(walsender_.server().accepted(), connection + 1);
}

TEST_F(ReplicationTest, WithTheServerCutAtEveryByte) {
  Start();
  const std::string all = AllOf(&Turn::server);
  std::vector<size_t> boundaries;
  for (size_t at = 0; at < all.size(); at += 1 + Int32At(all, at + 1)) boundaries.push_back(at);
  for (const size_t at : Cuts(all.size())) {
    if (at == all.size()) continue;
    WireClient client = Replicator();
    walsender_.CutAt(at);
    std::string heard;
    for (const Turn& turn : Conversation()) {
      client.Send(turn.client);
      const auto got = heard.size() + turn.server.size() <= at ? client.ReadBytes(turn.server.size()) : std::nullopt;
      if (!got) break;
      heard += *got;
    }
    // Less than a head, or than a ReadyForQuery, is not passed on: something can still be said.
    const size_t begun = *std::prev(std::upper_bound(boundaries.begin(), boundaries.end(), at));
    const bool is_boundary = at - begun < (all[begun] == 'Z' ? 6 : 5);
    const size_t passed = is_boundary ? begun : at;
    const auto tail = client.ReadBytes(passed - heard.size());
    ASSERT_TRUE(tail.has_value()) << "cut at " << at;
    heard += *tail;
    ASSERT_EQ(heard, all.substr(0, passed));
    if (!is_boundary) {
      ASSERT_TRUE(client.AtEnd()) << "cut at " << at << ", inside of a message: nothing can be said";
      continue;
    }
    char before = 'Z';
    for (const size_t begin : boundaries) {
      if (begin < begun) before = all[begin];
    }
    if (before == 'E' || before == 'C') {
      ASSERT_TRUE(client.AtEnd()) << "cut at " << at << ", PostgreSQL has said its last word";
      continue;
    }
    const auto message = client.ReadMessage();
    ASSERT_TRUE(message && message->type == 'E') << "cut at " << at;
    ASSERT_EQ(ErrorField(*message, 'S') + ErrorField(*message, 'C'), "FATAL08006");
    ASSERT_TRUE(client.AtEnd());
  }
  WireClient next = Replicator();
  EXPECT_TRUE(Run(next));
}

TEST_F(ReplicationTest, AFatalErrorOfTheServerIsTheLastWord) {
  const std::string fatal = ErrorResponse("FATAL", "57P01", "terminating walsender");
  FakeServer server([&](FakeConnection& connection) {
    connection.Receive();
    connection.Send(kCopyBoth + kWal + fatal);
  });
  PgweirProcess pgweir(ConfigFor(server.port()));
  WireClient client(pgweir.port());
  ASSERT_TRUE(client.Login(kReplicator));
  client.Send(Query("START_REPLICATION"));
  EXPECT_EQ(client.ReadBytes(kCopyBoth.size() + kWal.size() + fatal.size()), kCopyBoth + kWal + fatal);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(ReplicationTest, WhatWasAskedBeforeTerminateIsAnswered) {
  Start();
  walsender_.HoldAnswers();
  WireClient client = Replicator();
  client.Send(Conversation()[0].client + Terminate());
  ASSERT_TRUE(Eventually([&] { return walsender_.IsHolding(); }));
  walsender_.LetGo();
  EXPECT_EQ(client.ReadBytes(Conversation()[0].server.size()), Conversation()[0].server);
  EXPECT_TRUE(client.AtEnd());
  EXPECT_EQ(Received(0), Conversation()[0].client + Terminate());
  EXPECT_TRUE(walsender_.server().Cancels().empty());
}

TEST_F(ReplicationTest, WhatRunsIsCanceledWhenItsClientLeaves) {
  Start();
  walsender_.HoldAnswers();
  WireClient client = Replicator();
  client.Send(Conversation()[0].client);
  ASSERT_TRUE(Eventually([&] { return walsender_.IsHolding(); }));
  client.Close();
  EXPECT_TRUE(Eventually([&] { return walsender_.server().Cancels().size() == 1; }));
  walsender_.LetGo();
  WireClient next = Replicator();
  Stream(next);
  next.Close();
  EXPECT_TRUE(Eventually([&] { return walsender_.server().open_connections() == 0; }));
  EXPECT_EQ(walsender_.server().Cancels().size(), 1u) << "a stream sees by itself that nobody listens";
}

TEST_F(ReplicationTest, AServerThatBreaksTheProtocolEnds) {
  FakeServer server([&](FakeConnection& connection) {
    connection.Receive();
    connection.Send(kCopyBoth + (connection.number() == 0 ? "\xfe\xfe\xfe\xfe\xfe\xfe" : Message{'Z', "II"}.bytes()));
    while (connection.Receive()) continue;
  });
  PgweirProcess pgweir(ConfigFor(server.port()));
  for (int i = 0; i < 2; ++i) {
    WireClient client(pgweir.port());
    ASSERT_TRUE(client.Login(kReplicator));
    client.Send(Query("START_REPLICATION"));
    EXPECT_EQ(client.ReadBytes(kCopyBoth.size()), kCopyBoth);
    const auto message = client.ReadMessage();
    ASSERT_TRUE(message && message->type == 'E');
    EXPECT_EQ(ErrorField(*message, 'C'), "08006");
    EXPECT_TRUE(client.AtEnd());
  }
}

TEST_F(ReplicationTest, AClientThatBreaksTheProtocolIsTold) {
  Start();
  for (const std::string& bytes : {Password("x"), std::string("d\0\0\0\3", 5), std::string("\xfe\xfe\xfe\xfe\xfe")}) {
    WireClient client = Replicator();
    Stream(client);
    client.Send(bytes);
    const auto message = client.ReadMessage();
    ASSERT_TRUE(message && message->type == 'E');
    EXPECT_EQ(ErrorField(*message, 'S') + ErrorField(*message, 'C'), "FATAL08P01");
    EXPECT_TRUE(client.AtEnd());
  }
}

// --- its server ----------------------------------------------------------------------------------------------------------

TEST_F(ReplicationTest, TheStartupGoesOnAndTheWelcomeComesBack) {
  PgweirConfig config = ConfigFor(walsender_.port(), "ignore_startup_parameters = [\"ignored\"]\napplication_name_add_host = true\n");
  config.sections = "[databases.app]\nhost = \"127.0.0.1\"\nport = " + std::to_string(walsender_.port()) +
                    "\ndbname = \"other\"\ntimezone = \"CET\"\n";
  config.sections += "connect_query = \"SELECT 1\"\n";  // for servers that clients share
  pgweir_ = std::make_unique<PgweirProcess>(config);
  WireClient client = Replicator({{"user", "app"},
                                  {"database", "app"},
                                  {"options", "-c datestyle=ISO -d 3"},
                                  {"ignored", "x"},
                                  {"application_name", "standby"},
                                  {"TimeZone", "UTC"},
                                  {"replication", "database"}});
  WireClient physical = [&] {
    pgweir_ = std::make_unique<PgweirProcess>(config);
    return Replicator({{"user", "app"}, {"database", "app"}, {"replication", "yes"}});
  }();
  const auto startups = walsender_.server().Startups();
  ASSERT_EQ(startups.size(), 2u);
  EXPECT_EQ(startups[0].Find("user"), "app");
  EXPECT_EQ(startups[0].Find("database"), "other");
  EXPECT_EQ(startups[0].Find("options"), "-c datestyle=ISO -d 3");
  EXPECT_EQ(startups[0].Find("application_name"), "standby") << "synchronous_standby_names knows it by that";
  EXPECT_EQ(startups[0].Find("TimeZone"), "UTC") << "the client's own";
  EXPECT_EQ(startups[0].Find("ignored"), "");
  EXPECT_EQ(startups[0].Find("replication"), "database");
  EXPECT_EQ(startups[1].Find("TimeZone"), "CET");
  EXPECT_EQ(startups[1].Find("replication"), "true");
  std::map<std::string, std::string> expected;
  for (const auto& [name, value] : FakeServerOptions().parameters) expected[name] = value;
  EXPECT_EQ(physical.parameters(), expected);
  EXPECT_NE(physical.process_id(), 1001u) << "the key is pgweir's own";
  physical.Send(Terminate());
  EXPECT_TRUE(physical.AtEnd());
  EXPECT_EQ(Received(1), Terminate()) << "no connect_query";
}

TEST_F(ReplicationTest, NobodyElseUsesItsServer) {
  Start("", 2);
  WireClient first(pgweir_->port()), second(pgweir_->port());
  ASSERT_TRUE(first.Login(kApp));
  WireClient replicator = Replicator();
  ASSERT_TRUE(second.Login(kApp));
  EXPECT_EQ(first.Value("ORDINARY"), "ordinary");
  EXPECT_EQ(second.Value("ORDINARY"), "ordinary");
  EXPECT_EQ(walsender_.server().accepted(), 2) << "both go over the one that they share";
  EXPECT_TRUE(Run(replicator));
  replicator.Close();
  EXPECT_TRUE(Eventually([&] { return walsender_.server().open_connections() == 1; }));
  WireClient next = Replicator();
  EXPECT_TRUE(Run(next));
  EXPECT_EQ(walsender_.server().accepted(), 3);
}

TEST_F(ReplicationTest, AnIdleServerGoesForItWhereThePoolIsFull) {
  Start();
  WireClient ordinary(pgweir_->port());
  ASSERT_TRUE(ordinary.Login(kApp));
  EXPECT_EQ(ordinary.Value("ORDINARY"), "ordinary");
  WireClient replicator = Replicator();
  EXPECT_TRUE(Run(replicator));
  EXPECT_EQ(walsender_.server().open_connections(), 1);
  ordinary.Send(Query("ORDINARY"));
  replicator.Close();
  EXPECT_EQ(ordinary.ReadUntil('Z').size(), 4u) << "its own answer";
}

TEST_F(ReplicationTest, WhoFindsThePoolFullWaitsAndIsTold) {
  Start("query_wait_timeout = \"100ms\"\n");
  WireClient first = Replicator();
  Stream(first);
  const Message refusal = Refusal(kReplicator);
  EXPECT_EQ(ErrorField(refusal, 'S') + ErrorField(refusal, 'C'), "FATAL53300");
  EXPECT_NE(ErrorField(refusal, 'D').find("size 1, active 1"), std::string::npos) << ErrorField(refusal, 'D');
  EXPECT_TRUE(Streams(first));
}

// Word for word, also what ordinary clients would have to wait for.
TEST_F(ReplicationTest, ARefusalOfTheServerIsTheClients) {
  for (const char* sqlstate : {"57P03", "53300", "28000", "42501"}) {
    FakeServerOptions options;
    options.login = [sqlstate](FakeConnection& connection, const std::string& answer) {
      if (connection.startup().Find("replication").empty()) return connection.Send(answer);
      connection.Send(ErrorResponse("FATAL", sqlstate, "not now"));
      return false;
    };
    FakeServer server(FakeServer::EchoScript(), options);
    PgweirProcess pgweir(ConfigFor(server.port()));
    WireClient client(pgweir.port()), ordinary(pgweir.port());
    EXPECT_FALSE(client.Login(kReplicator));
    EXPECT_EQ(ErrorField(client.error(), 'S'), "FATAL");
    EXPECT_EQ(ErrorField(client.error(), 'C'), sqlstate);
    EXPECT_EQ(ErrorField(client.error(), 'M'), "not now");
    ASSERT_TRUE(ordinary.Login(kApp)) << "that says nothing about the others";
    EXPECT_EQ(ordinary.Value("hello"), "hello");
  }
}

TEST_F(ReplicationTest, WithoutAServerTheCauseIsTold) {
  int port = 0;
  {
    FakeServer gone;
    port = gone.port();
  }
  PgweirProcess pgweir(ConfigFor(port));
  WireClient client(pgweir.port());
  EXPECT_FALSE(client.Login(kReplicator));
  EXPECT_EQ(ErrorField(client.error(), 'S') + ErrorField(client.error(), 'C'), "FATAL57P03");
  EXPECT_NE(ErrorField(client.error(), 'D').find("refused"), std::string::npos) << ErrorField(client.error(), 'D');
}

TEST_F(ReplicationTest, WhatCannotBeReplicated) {
  PgweirConfig config = ConfigFor(walsender_.port());
  config.sections = "[databases.app]\nhost = \"127.0.0.1\"\nport = " + std::to_string(walsender_.port()) + "\n";
  pgweir_ = std::make_unique<PgweirProcess>(config);
  EXPECT_EQ(ErrorField(Refusal({{"user", "app"}, {"database", "app"}, {"replication", "maybe"}}), 'C'), "22023");
  EXPECT_EQ(ErrorField(Refusal({{"user", "admin"}, {"database", "pgweir"}, {"replication", "database"}}), 'C'), "0A000");
  const Message unknown = Refusal({{"user", "app"}, {"database", "replication"}, {"replication", "true"}});
  EXPECT_EQ(ErrorField(unknown, 'C'), "3D000");
  EXPECT_NE(ErrorField(unknown, 'D').find("give [databases] an entry of that name"), std::string::npos);
}

// --- clocks, cancel, drain -----------------------------------------------------------------------------------------------

TEST_F(ReplicationTest, NoClockCountsWhileSomethingRuns) {
  Start("query_timeout = \"500ms\"\ntransaction_timeout = \"500ms\"\nidle_transaction_timeout = \"500ms\"\nclient_idle_timeout = \"500ms\"\n", 3);
  WireClient streams = Replicator();
  Stream(streams);
  walsender_.HoldAnswers();
  WireClient busy = Replicator();
  busy.Send(Conversation()[0].client);
  // Clocks of the same lengths, set later, have run out three times.
  for (int i = 0; i < 3; ++i) {
    WireClient ordinary(pgweir_->port());
    ASSERT_TRUE(ordinary.Login(kApp));
    EXPECT_TRUE(ordinary.ReadMessage().has_value()) << "client_idle_timeout";
  }
  walsender_.LetGo();
  EXPECT_EQ(busy.ReadBytes(Conversation()[0].server.size()), Conversation()[0].server);
  EXPECT_TRUE(Streams(streams));
  // Now nothing runs there.
  const auto message = busy.ReadMessage();
  ASSERT_TRUE(message && message->type == 'E');
  EXPECT_EQ(ErrorField(*message, 'C'), "57P05");
  EXPECT_TRUE(Streams(streams));
}

TEST_F(ReplicationTest, ACancelRequestGoesToItsServer) {
  Start();
  WireClient client = Replicator();
  const auto cancel = [&] {
    WireSocket socket = ConnectTcp(pgweir_->port());
    socket.Send(CancelBytes(client.process_id(), client.key()));
    EXPECT_TRUE(socket.AtEnd());
  };
  cancel();
  EXPECT_TRUE(walsender_.server().Cancels().empty()) << "nothing runs";
  Stream(client);
  cancel();
  EXPECT_TRUE(Eventually([&] { return walsender_.server().Cancels().size() == 1; }));
  EXPECT_EQ(walsender_.server().Cancels()[0].first, 1000u);
  EXPECT_TRUE(Streams(client));
}

TEST_F(ReplicationTest, ADrainEndsStreamsAndLetsBackupsEnd) {
  Start("shutdown_timeout = \"60s\"\n", 3);
  WireClient streams = Replicator(), idle = Replicator();
  Stream(streams);
  walsender_.HoldAnswers();
  WireClient busy = Replicator();
  busy.Send(Conversation()[0].client);
  ASSERT_TRUE(Eventually([&] { return walsender_.IsHolding(); }));
  pgweir_->process().Signal(SIGTERM);
  for (WireClient* client : {&streams, &idle}) {
    const auto message = client->ReadMessage();
    ASSERT_TRUE(message && message->type == 'E');
    EXPECT_EQ(ErrorField(*message, 'C'), "57P01");
    EXPECT_TRUE(client->AtEnd());
  }
  EXPECT_TRUE(pgweir_->process().IsRunning());
  walsender_.LetGo();
  EXPECT_EQ(busy.ReadBytes(Conversation()[0].server.size()), Conversation()[0].server);
  const auto message = busy.ReadMessage();
  ASSERT_TRUE(message && message->type == 'E');
  EXPECT_EQ(ErrorField(*message, 'C'), "57P01");
  EXPECT_EQ(pgweir_->process().WaitExit(), 0);
}

// --- back-pressure -------------------------------------------------------------------------------------------------------

constexpr size_t kMegabyte = 1024 * 1024, kFlood = 64 * kMegabyte, kMemoryBytesMax = 40 * kMegabyte;

// True when what has been counted does not grow any more: everything on the way is as full as it gets.
bool StandsStill(const std::atomic<size_t>& counted) {
  size_t before = 0;
  int still = 0;
  return Eventually([&] {
    const size_t now = counted;
    still = now == before && now > 0 ? still + 1 : 0;
    before = now;
    return still >= 40;
  });
}

// Not run with a sanitizer, whose own memory is in the measure (Makefile).
class ReplicationMemoryTest : public ReplicationTest {};

TEST_F(ReplicationMemoryTest, AClientThatDoesNotReadHoldsItsServerBack) {
  std::atomic<size_t> sent{0};
  FakeServer server([&](FakeConnection& connection) {
    connection.Receive();
    connection.Send(kCopyBoth);
    const std::string part = CopyData(std::string(65536, 'x'));
    while (sent < kFlood && connection.Send(part)) sent += part.size();
    while (connection.Receive()) continue;
  });
  PgweirProcess pgweir(ConfigFor(server.port()));
  WireClient client(pgweir.port());
  ASSERT_TRUE(client.Login(kReplicator));
  client.Send(Query("START_REPLICATION"));
  ASSERT_TRUE(StandsStill(sent));
  EXPECT_LT(sent, kFlood);
  EXPECT_EQ(client.ReadBytes(kCopyBoth.size()), kCopyBoth);
  size_t read = 0;
  while (read < kFlood) {
    const auto part = client.ReadBytes(65541);
    ASSERT_TRUE(part.has_value());
    read += part->size();
  }
  EXPECT_LT(pgweir.process().PeakResidentBytes(), kMemoryBytesMax);
}

TEST_F(ReplicationMemoryTest, AServerThatDoesNotReadHoldsItsClientBack) {
  std::atomic<bool> reads{false};
  std::atomic<size_t> received{0}, sent{0};
  FakeServer server(
      [&](FakeConnection& connection) {
        connection.Receive();
        connection.Send(kCopyBoth);
        Eventually([&] { return reads.load(); }, Milliseconds(30'000));
        while (const auto message = connection.Receive()) received += message->bytes().size();
      },
      {.record = FakeServerOptions::Record::kNothing});
  PgweirProcess pgweir(ConfigFor(server.port()));
  WireClient client(pgweir.port());
  client.set_patience(Milliseconds(60'000));
  ASSERT_TRUE(client.Login(kReplicator));
  client.Send(Query("START_REPLICATION"));
  ASSERT_EQ(client.ReadBytes(kCopyBoth.size()), kCopyBoth);
  const std::string part = CopyData(std::string(65536, 'y'));
  std::thread sender([&] {
    while (sent < kFlood && client.Send(part)) sent += part.size();
  });
  EXPECT_TRUE(StandsStill(sent));
  EXPECT_LT(sent, kFlood);
  reads = true;
  sender.join();
  EXPECT_TRUE(Eventually([&] { return received >= kFlood; }));
  EXPECT_LT(pgweir.process().PeakResidentBytes(), kMemoryBytesMax);
}

}  // namespace
}  // namespace wire
