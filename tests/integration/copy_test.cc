// COPY in both directions and all its ways to fail, in session and transaction mode.
#include "tests/integration/environment.h"

namespace integration {
namespace {

using namespace test_support;

class CopyTest : public IntegrationTest, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    // As few servers as possible: a phantom request left behind by a COPY shows as a hang or a wrong answer at once.
    const std::string size = GetParam() == "session" ? "3" : "1";
    StartPgweir("pool_mode = \"" + GetParam() + "\"\ndefault_pool_size = " + size + "\n");
    connection_ = Connect();
    ASSERT_TRUE(connection_.Query("DROP TABLE IF EXISTS copied; CREATE TABLE copied (i int, t text)").ok());
  }
  void ExpectUsable() {
    EXPECT_EQ(PQtransactionStatus(connection_.get()), PQTRANS_IDLE);
    EXPECT_EQ(connection_.Value("SELECT 'still ' || 'here'"), "still here");
  }
  static std::string Types(const std::vector<Message>& messages) {
    std::string types;
    for (const Message& message : messages) types += message.type;
    return types;
  }
  Connection connection_;
};
INSTANTIATE_TEST_SUITE_P(Modes, CopyTest, testing::Values("session", "transaction"),
                         [](const auto& test) { return test.param; });

TEST_P(CopyTest, InAndOut) {
  ASSERT_EQ(connection_.Query("COPY copied FROM STDIN").status(), PGRES_COPY_IN);
  for (int i = 0; i < 20000; ++i) connection_.PutCopy(std::to_string(i) + "\ttext " + std::to_string(i) + "\n");
  EXPECT_EQ(connection_.EndCopy().tag(), "COPY 20000");
  ExpectUsable();
  ASSERT_EQ(connection_.Query("COPY (SELECT * FROM copied ORDER BY i) TO STDOUT").status(), PGRES_COPY_OUT);
  int count = 0;
  while (auto row = connection_.GetCopy()) {
    ASSERT_EQ(*row, std::to_string(count) + "\ttext " + std::to_string(count) + "\n");
    ++count;
  }
  EXPECT_EQ(count, 20000);
  EXPECT_EQ(connection_.Collect().at(0).tag(), "COPY 20000");
  ExpectUsable();
}

TEST_P(CopyTest, ClientGivesUp) {
  ASSERT_EQ(connection_.Query("COPY copied FROM STDIN").status(), PGRES_COPY_IN);
  connection_.PutCopy("1\tone\n");
  const Result failed = connection_.EndCopy("changed my mind");
  EXPECT_EQ(failed.sqlstate(), "57014");
  ExpectUsable();
  EXPECT_EQ(connection_.Value("SELECT count(*) FROM copied"), "0");
}

TEST_P(CopyTest, ServerRefusesTheData) {
  ASSERT_EQ(connection_.Query("COPY copied FROM STDIN").status(), PGRES_COPY_IN);
  connection_.PutCopy("not a number\tone\n");
  // The client goes on sending while the error is already on its way.
  for (int i = 0; i < 2000; ++i) connection_.PutCopy(std::to_string(i) + "\t" + std::string(500, 'x') + "\n");
  EXPECT_EQ(connection_.EndCopy().sqlstate(), "22P02");
  ExpectUsable();
}

TEST_P(CopyTest, FailureInsideATransaction) {
  ASSERT_TRUE(connection_.Query("BEGIN").ok());
  ASSERT_EQ(connection_.Query("COPY copied FROM STDIN").status(), PGRES_COPY_IN);
  connection_.PutCopy("bad\n");
  EXPECT_EQ(connection_.EndCopy().sqlstate(), "22P02");
  EXPECT_EQ(PQtransactionStatus(connection_.get()), PQTRANS_INERROR);
  ASSERT_TRUE(connection_.Query("ROLLBACK").ok());
  ExpectUsable();
}

TEST_P(CopyTest, OutFailsInTheMiddle) {
  ASSERT_EQ(connection_.Query("COPY (SELECT 1/(5000 - i) FROM generate_series(1, 10000) i) TO STDOUT").status(),
            PGRES_COPY_OUT);
  while (connection_.GetCopy()) continue;
  EXPECT_EQ(connection_.Collect().at(0).sqlstate(), "22012");
  ExpectUsable();
}

TEST_P(CopyTest, SeveralInOneQuery) {
  ASSERT_EQ(connection_.Query("COPY copied FROM STDIN; COPY copied FROM STDIN; SELECT count(*) FROM copied").status(),
            PGRES_COPY_IN);
  connection_.PutCopy("1\ta\n");
  EXPECT_EQ(connection_.EndCopy().status(), PGRES_COPY_IN);
  connection_.PutCopy("2\tb\n");
  EXPECT_EQ(connection_.EndCopy().Value(), "2");
  ExpectUsable();
}

// The Sync that ends an extended COPY may be sent before the data (libpq does it); PostgreSQL ignores Syncs during COPY
// in.
TEST_P(CopyTest, ExtendedWithEarlySync) {
  WireClient wire = ConnectWire();
  wire.Send(Parse("", "COPY copied FROM STDIN") + Bind("", "") + Execute("") + Sync());
  ASSERT_EQ(Types(wire.ReadUntil('G')), "12G");
  wire.Send(CopyData("1\tone\n") + Sync() + CopyData("2\ttwo\n") + Sync() + CopyDone() + Sync());
  const auto answer = wire.ReadUntil('Z');
  EXPECT_EQ(Types(answer), "CZ");
  EXPECT_EQ(answer[0].body, Text("COPY 2"));
  EXPECT_EQ(wire.Value("SELECT 'next'"), "next");
  EXPECT_EQ(wire.Value("SELECT count(*) FROM copied"), "2");
}

TEST_P(CopyTest, ExtendedFailureThenLateCopyDone) {
  WireClient wire = ConnectWire();
  wire.Send(Parse("", "COPY copied FROM STDIN") + Bind("", "") + Execute(""));
  ASSERT_EQ(Types(wire.ReadUntil('G')), "12G");
  wire.Send(CopyData("bad\n"));
  EXPECT_EQ(Types(wire.ReadUntil('E')), "E");
  // Everything up to Sync is discarded after the error.
  wire.Send(CopyData("1\tone\n") + CopyDone() + Sync());
  EXPECT_EQ(Types(wire.ReadUntil('Z')), "Z");
  EXPECT_EQ(wire.Value("SELECT 'next'"), "next");
}

TEST_P(CopyTest, SimpleFailureThenLateCopyDone) {
  WireClient wire = ConnectWire();
  wire.Send(Query("COPY copied FROM STDIN"));
  ASSERT_EQ(Types(wire.ReadUntil('G')), "G");
  wire.Send(CopyData("bad\n"));
  EXPECT_EQ(Types(wire.ReadUntil('Z')), "EZ");
  // The server is free again; these arrive afterwards, belong to nobody, and are ignored by PostgreSQL too.
  wire.Send(CopyData("1\tone\n") + CopyDone());
  EXPECT_EQ(wire.Value("SELECT 'next'"), "next");
  EXPECT_EQ(Connect().Value("SELECT 'another client'"), "another client");
  EXPECT_EQ(connection_.Value("SELECT count(*) FROM copied"), "0");
}

TEST_P(CopyTest, BinaryFormat) {
  ASSERT_EQ(
      connection_.Query("COPY (SELECT i, repeat('z', 100) FROM generate_series(1, 100) i) TO STDOUT (FORMAT binary)")
          .status(),
      PGRES_COPY_OUT);
  std::vector<std::string> chunks;
  while (auto chunk = connection_.GetCopy()) chunks.push_back(*chunk);
  connection_.Collect();
  ASSERT_EQ(connection_.Query("COPY copied FROM STDIN (FORMAT binary)").status(), PGRES_COPY_IN);
  for (const std::string& chunk : chunks) connection_.PutCopy(chunk);
  EXPECT_EQ(connection_.EndCopy().tag(), "COPY 100");
}

}  // namespace
}  // namespace integration
