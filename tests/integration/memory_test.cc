// Memory stays flat: COPY of much more than fits, one huge row, and a client that does not read.
//
// PGWEIR_TEST_LARGE=1 uses the full sizes (1 GB of COPY, a row of 512 MB); otherwise a fifth of it.
#include <cstdlib>

#include "tests/integration/environment.h"

namespace integration {
namespace {

using namespace test_support;

constexpr size_t kMegabyte = 1024 * 1024;
constexpr size_t kMemoryBytesMax = 64 * kMegabyte;

bool IsLarge() {
  const char* large = std::getenv("PGWEIR_TEST_LARGE");
  return large != nullptr && *large == '1';
}
size_t CopyBytes() { return (IsLarge() ? 1024 : 200) * kMegabyte; }
size_t RowBytes() { return (IsLarge() ? 512 : 100) * kMegabyte; }

class MemoryTest : public IntegrationTest {
 protected:
  void SetUp() override { StartPgweir("default_pool_size = 2\n"); }
  void ExpectSmall() {
    if (IsDirect()) return;
    const size_t peak = pgweir().process().PeakResidentBytes();
    RecordProperty("peak_kilobytes", static_cast<int>(peak / 1024));
    EXPECT_GT(peak, 0u);
    EXPECT_LT(peak, kMemoryBytesMax);
  }
  // Reads messages without keeping their bodies, up to a type; how many bytes of bodies of `counted` there were.
  static size_t Discard(WireClient& client, char until, char counted) {
    size_t total = 0;
    while (true) {
      const auto head = client.ReadBytes(5);
      if (!head) throw std::runtime_error("the connection ended");
      size_t left = Int32At(*head, 1) - 4;
      if ((*head)[0] == 'E') throw std::runtime_error("error: " + client.ReadBytes(left).value_or(""));
      if ((*head)[0] == counted) total += left;
      while (left > 0) {
        const auto part = client.ReadBytes(std::min<size_t>(left, 65536));
        if (!part) throw std::runtime_error("the connection ended");
        left -= part->size();
      }
      if ((*head)[0] == until) return total;
    }
  }
};

TEST_F(MemoryTest, CopyOut) {
  WireClient client = ConnectWire();
  client.set_patience(Milliseconds(60'000));
  const size_t rows = CopyBytes() / 1000;
  client.Send(Query("COPY (SELECT repeat('x', 999) FROM generate_series(1, " + std::to_string(rows) + ")) TO STDOUT"));
  EXPECT_EQ(Discard(client, 'Z', 'd'), rows * 1000);
  ExpectSmall();
}

TEST_F(MemoryTest, CopyIn) {
  Connection setup = Connect();
  ASSERT_TRUE(setup.Query("DROP TABLE IF EXISTS copied_in; CREATE UNLOGGED TABLE copied_in (t text)").ok());
  WireClient client = ConnectWire();
  client.set_patience(Milliseconds(60'000));
  // A trigger that drops the rows: the way of the bytes is tested, not the disk.
  ASSERT_TRUE(
      setup
          .Query("CREATE OR REPLACE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
                 "CREATE TRIGGER skip BEFORE INSERT ON copied_in FOR EACH ROW EXECUTE FUNCTION skip()")
          .ok());
  client.Send(Query("COPY copied_in FROM STDIN"));
  client.ReadUntil('G');
  const std::string row = CopyData(std::string(65535, 'y') + "\n");
  for (size_t sent = 0; sent < CopyBytes(); sent += 65536) ASSERT_TRUE(client.Send(row));
  client.Send(CopyDone());
  const auto answer = client.ReadUntil('Z');
  ASSERT_EQ(answer[0].type, 'C') << (answer[0].type == 'E' ? ErrorField(answer[0], 'M') : "");
  ExpectSmall();
}

TEST_F(MemoryTest, OneHugeRow) {
  WireClient client = ConnectWire();
  client.set_patience(Milliseconds(60'000));
  client.Send(Query("SELECT repeat('r', " + std::to_string(RowBytes()) + ")"));
  EXPECT_EQ(Discard(client, 'Z', 'D'), RowBytes() + 6);
  ExpectSmall();
}

TEST_F(MemoryTest, OneHugeParameter) {
  WireClient client = ConnectWire();
  client.set_patience(Milliseconds(60'000));
  ASSERT_TRUE(client.Send(Parse("", "SELECT length($1::text)") + Bind("", "", {std::string(RowBytes(), 'p')}) +
                          Execute("") + Sync()));
  for (const Message& message : client.ReadUntil('Z')) {
    ASSERT_NE(message.type, 'E') << ErrorField(message, 'M');
    if (message.type == 'D') {
      EXPECT_EQ(RowValues(message)[0], std::to_string(RowBytes()));
    }
  }
  ExpectSmall();
}

TEST_F(MemoryTest, ClientThatDoesNotReadHoldsTheServerBack) {
  WireClient client = ConnectWire();
  client.set_patience(Milliseconds(60'000));
  const size_t rows = CopyBytes() / 1000;
  client.Send(Query("COPY (SELECT repeat('z', 999), 'slow reader' FROM generate_series(1, " + std::to_string(rows) +
                    ")) TO STDOUT"));
  Connection superuser(SharedCluster().SuperuserString());
  // PostgreSQL cannot write any more: everything on the way is as full as it gets.
  int blocked = 0;
  EXPECT_TRUE(Eventually([&] {
    const bool is_blocked = superuser.Value(
                                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND query LIKE "
                                "'COPY%slow reader%'") == "1";
    blocked = is_blocked ? blocked + 1 : 0;
    return blocked >= 20;
  }));
  ExpectSmall();
  EXPECT_EQ(Discard(client, 'Z', 'd'), rows * (1000 + 12));
  ExpectSmall();
}

}  // namespace
}  // namespace integration
