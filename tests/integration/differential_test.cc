// The same script, direct and through pgweir, byte for byte: only the cancel key and its process id may differ.
#include "tests/integration/environment.h"

namespace integration {
namespace {

using namespace test_support;

struct Step {
  std::string bytes;
  char until = 'Z';  // read up to this message ...
  int times = 1;     // ... so often
};
enum class Needs { kNothing, kSession };
struct Script {
  std::string name;
  std::vector<Step> steps;
  Needs needs = Needs::kNothing;
  Names startup = {};
};

std::string Ask(std::string_view sql, const Values& values = {}) {
  return Parse("", sql) + Bind("", "", values) + DescribePortal("") + Execute("") + Sync();
}

// A Bind with the formats given: 1 = binary.
std::string BindFormats(const Values& values, int parameter_format, int result_format) {
  const std::string row = DataRow(values).substr(5);
  return Message{'B', Text("") + Text("") + Int16Bytes(1) + Int16Bytes(parameter_format) + row + Int16Bytes(1) +
                          Int16Bytes(result_format)}
      .bytes();
}

std::vector<Script> SqlScripts() {
  std::vector<Script> scripts;
  const char* const kStatements[] = {
      "SELECT 1",
      "SELECT 1; SELECT 2",
      "",
      ";",
      ";;;",
      "-- comment",
      "SELECT",
      "SELECT NULL",
      "SELECT NULL, '', 'x'",
      "SELECT * FROM numbers ORDER BY i",
      "SELECT count(*), sum(i) FROM numbers",
      "SELECT 1/0",
      "SELECT 1; SELECT 1/0; SELECT 2",
      "SELEKT 1",
      "SELECT * FROM missing",
      "SELECT missing FROM numbers",
      "SELECT 'unterminated",
      "SELECT 'abc'::int",
      "BEGIN; SELECT 1; COMMIT",
      "BEGIN; SELECT 1/0; COMMIT",
      "ROLLBACK",
      "COMMIT",
      "BEGIN; ROLLBACK",
      "BEGIN; BEGIN; COMMIT",
      "DO $$ BEGIN RAISE NOTICE 'n'; RAISE WARNING 'w'; END $$",
      "SET LOCAL work_mem = '1MB'",
      "SHOW server_version",
      "SET application_name = 'changed'; SHOW application_name; RESET application_name",
      "SET TimeZone = 'Asia/Tokyo'; RESET TimeZone",
      "SELECT repeat('x', 300000)",
      "SELECT i, repeat('y', 100) FROM generate_series(1, 5000) i",
      "SELECT E'\\\\x00ff'::bytea, '{1,2,3}'::int[], now() - now(), 1.5::numeric, true",
      "EXPLAIN (COSTS OFF) SELECT * FROM numbers",
      "INSERT INTO numbers SELECT 100 WHERE false",
      "UPDATE numbers SET i = i WHERE i = -1",
      "DELETE FROM numbers WHERE i = -1",
      "INSERT INTO numbers SELECT 1 WHERE false RETURNING i",
      "COPY numbers TO STDOUT",
      "COPY (SELECT 1/0) TO STDOUT",
      "COPY (SELECT i FROM generate_series(1, 3000) i) TO STDOUT (FORMAT csv, HEADER)",
      "COPY missing TO STDOUT",
      "SELECT 1; COPY numbers TO STDOUT; SELECT 2",
      "VALUES (1, 'a'), (2, NULL)",
      "SELECT \"quoted\" FROM numbers",
      "CREATE TEMP TABLE t (i int) ON COMMIT DROP",
      "LOCK TABLE numbers",
      "SAVEPOINT outside",
      "DECLARE c CURSOR FOR SELECT 1",
      "SELECT '\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98'",
      "SELECT '\xff'",
      "PREPARE p AS SELECT 1; EXECUTE p; DEALLOCATE p",
      "EXECUTE never_prepared",
      "SELECT set_config('application_name', 'by function', true)",
      "TABLE numbers LIMIT 0",
      "SELECT g FROM generate_series(1, 0) g",
  };
  for (const char* sql : kStatements) {
    scripts.push_back({std::string("simple: ") + sql, {{Query(sql)}}});
    scripts.push_back({std::string("extended: ") + sql, {{Ask(sql), 'Z', 1}}});
  }
  return scripts;
}

std::vector<Script> ProtocolScripts() {
  const std::string huge(1'500'000, 'h');
  return {
      {"parameters", {{Ask("SELECT $1::text, $2::int, $3::text IS NULL", {"a", "2", std::nullopt})}}},
      {"binary",
       {{Parse("", "SELECT $1::bytea, $1::bytea = '\\x0001'") + BindFormats({std::string("\0\1", 2)}, 1, 1) +
         DescribePortal("") + Execute("") + Sync()}}},
      {"NUL in a text parameter", {{Ask("SELECT $1::text", {std::string("a\0b", 3)})}, {Query("SELECT 'after'")}}},
      {"wrong parameter count", {{Ask("SELECT $1::int", {})}, {Ask("SELECT 1", {"2"})}, {Query("SELECT 'after'")}}},
      {"bad parameter", {{Ask("SELECT $1::int", {"x"})}, {Query("SELECT 'after'")}}},
      {"huge parameter", {{Ask("SELECT length($1), md5($1)", {huge})}}},
      {"huge statement", {{Query("SELECT length('" + huge + "')")}, {Ask("SELECT length('" + huge + "')")}}},
      {"huge error", {{Query("DO $$ BEGIN RAISE EXCEPTION '%', repeat('e', 200000); END $$")}}},
      {"describe a statement", {{Parse("", "SELECT $1::int AS a, $2::text AS b") + DescribeStatement("") + Sync()}}},
      {"describe nothing there", {{DescribePortal("none") + Sync()}, {Query("SELECT 'after'")}}},
      {"row limits",
       {{Parse("", "SELECT i FROM generate_series(1, 10) i") + Bind("", "") + Execute("", 3) + Execute("", 3) +
         Execute("", 100) + Sync()}}},
      {"named portal over several executes in a transaction",
       {{Query("BEGIN")},
        {Parse("", "SELECT i FROM generate_series(1, 10) i") + Bind("cursor", "") + Execute("cursor", 4) + Sync()},
        {Execute("cursor", 4) + Sync()},
        {ClosePortal("cursor") + Sync()},
        {Execute("cursor", 1) + Sync()},
        {Query("ROLLBACK")}}},
      {"portal is gone after Sync", {{Parse("", "SELECT 1") + Bind("p", "") + Sync()}, {Execute("p") + Sync()}}},
      {"flush",
       {{Parse("", "SELECT 1") + Flush(), '1'}, {Bind("", "") + Flush(), '2'}, {Execute("") + Flush(), 'C'}, {Sync()}}},
      {"flush after an error",
       {{Parse("", "SELEKT") + Flush(), 'E'}, {Bind("", "") + Execute("") + Sync()}, {Query("SELECT 'after'")}}},
      {"empty statement", {{Ask("")}, {Parse("", "") + Bind("", "") + Execute("") + Execute("") + Sync()}}},
      {"only Sync", {{Sync()}, {Sync() + Sync() + Sync(), 'Z', 3}}},
      {"pipeline", {{Ask("SELECT 1") + Ask("SELECT 2") + Ask("SELECT 3"), 'Z', 3}}},
      {"pipeline with errors", {{Ask("SELECT 1") + Ask("SELECT 1/0") + Ask("SELEKT") + Ask("SELECT 4"), 'Z', 4}}},
      {"error skips up to Sync",
       {{Parse("", "SELECT 1/0") + Bind("", "") + Execute("") + Parse("", "SELECT 2") + Bind("", "") + Execute("") +
             DescribePortal("") + CloseStatement("x") + Flush() + Sync() + Ask("SELECT 3"),
         'Z', 2}}},
      {"simple between extended", {{Ask("SELECT 1") + Query("SELECT 2") + Ask("SELECT 3"), 'Z', 3}}},
      {"simple queries in one write",
       {{Query("SELECT 1") + Query("SELECT 1/0") + Query("") + Query("SELECT 2"), 'Z', 4}}},
      {"transaction in a pipeline",
       {{Ask("BEGIN") + Ask("SELECT 1") + Ask("SELECT 1/0") + Ask("SELECT 2") + Ask("ROLLBACK"), 'Z', 5}}},
      {"two syncs without work between",
       {{Parse("", "SELECT 1") + Bind("", "") + Execute("") + Sync() + Sync(), 'Z', 2}}},
      {"copy in", {{Query("COPY sink FROM STDIN"), 'G'}, {CopyData("1\n2\n") + CopyData("3\n") + CopyDone()}}},
      {"copy in, split rows",
       {{Query("COPY sink FROM STDIN"), 'G'}, {CopyData("1") + CopyData("\n") + CopyData("") + CopyDone()}}},
      {"copy in, empty", {{Query("COPY sink FROM STDIN"), 'G'}, {CopyDone()}}},
      {"copy in, given up", {{Query("COPY sink FROM STDIN"), 'G'}, {CopyFail("no more")}, {Query("SELECT 'after'")}}},
      {"copy in, bad data",
       {{Query("COPY sink FROM STDIN"), 'G'},
        {CopyData("x\n")},
        {CopyData("1\n") + CopyDone() + Query("SELECT 'after'")}}},
      {"copy in by extended protocol",
       {{Parse("", "COPY sink FROM STDIN") + Bind("", "") + Execute("") + Flush(), 'G'},
        {CopyData("1\n") + CopyDone() + Sync()},
        {Query("SELECT 'after'")}}},
      {"copy in with early Sync",
       {{Parse("", "COPY sink FROM STDIN") + Bind("", "") + Execute("") + Sync(), 'G'},
        {CopyData("1\n") + CopyDone() + Sync()},
        {Query("SELECT 'after'")}}},
      {"copy in by extended protocol, given up",
       {{Parse("", "COPY sink FROM STDIN") + Bind("", "") + Execute("") + Sync(), 'G'},
        {CopyFail("no") + Sync()},
        {Query("SELECT 'after'")}}},
      {"query instead of copy data",
       {{Query("COPY sink FROM STDIN"), 'G'}, {Query("SELECT 1"), 'Z', 1}, {Query("SELECT 'after'")}}},
      {"copy data out of place", {{CopyData("1\n") + CopyDone() + CopyFail("x") + Query("SELECT 'after'")}}},
      {"function call",
       {{Message{'F', Int32Bytes(177) + Int16Bytes(1) + Int16Bytes(1) + Int16Bytes(2) + Int32Bytes(4) + Int32Bytes(40) +
                          Int32Bytes(4) + Int32Bytes(2) + Int16Bytes(1)}
             .bytes()}}},
      {"function call that fails",
       {{Message{'F', Int32Bytes(1) + Int16Bytes(0) + Int16Bytes(0) + Int16Bytes(0)}.bytes()},
        {Query("SELECT 'after'")}}},
      {"terminate", {{Terminate()}}},
      {"terminate with work before it", {{Query("SELECT 1") + Terminate()}}},
      {"unknown message type", {{Message{'y', "??"}.bytes()}}},
      {"bad query string", {{Message{'Q', "no terminator"}.bytes()}}},
      {"latin1",
       {{Query("SELECT chr(228)")}, {Query("SELECT chr(8364)")}},
       Needs::kNothing,
       {{"client_encoding", "LATIN1"}}},
      {"startup settings",
       {{Query("SHOW TimeZone")}, {Query("SHOW work_mem")}},
       Needs::kNothing,
       {{"options", "-c TimeZone=Asia/Tokyo -c work_mem=3MB"}, {"application_name", "d"}}},
      {"named statements",
       {{Parse("s", "SELECT $1::int") + DescribeStatement("s") + Bind("", "s", {"1"}) + Execute("") + Sync()},
        {Bind("", "s", {"2"}) + Execute("") + Sync()},
        {Parse("s", "SELECT 2") + Sync()},
        {CloseStatement("s") + Sync()},
        {Bind("", "s", {"3"}) + Sync()},
        {CloseStatement("s") + Sync()},
        {Parse("s", "SELEKT") + Sync()},
        {DescribeStatement("s") + Sync()}},
       Needs::kSession},
      {"session state",
       {{Query("CREATE TEMP TABLE mine (i int)")},
        {Query("SELECT count(*) FROM mine")},
        {Query("PREPARE p AS SELECT 5")},
        {Query("EXECUTE p")},
        {Query("SET work_mem = '5MB'")},
        {Query("SHOW work_mem")},
        {Query("BEGIN; DECLARE held CURSOR WITH HOLD FOR SELECT generate_series(1, 3); COMMIT")},
        {Query("FETCH 2 FROM held")},
        {Query("DISCARD ALL")},
        {Query("EXECUTE p")}},
       Needs::kSession},
  };
}

class DifferentialTest : public IntegrationTest, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    Connection superuser(SharedCluster().SuperuserString("app"));
    // Made once, so that the oids in the answers are the same for both.
    ASSERT_TRUE(superuser
                    .Query("CREATE TABLE IF NOT EXISTS numbers (i int); TRUNCATE numbers; INSERT INTO numbers SELECT "
                           "generate_series(1, 20);"
                           "CREATE TABLE IF NOT EXISTS sink (i int); GRANT ALL ON numbers, sink TO app")
                    .ok());
    StartPgweir("pool_mode = \"" + GetParam() + "\"\ndefault_pool_size = 2\n");
  }

  static std::vector<Message> Run(int port, const Script& script) {
    WireClient client(port);
    Names startup = {{"user", "app"}, {"database", "app"}};
    startup.insert(startup.end(), script.startup.begin(), script.startup.end());
    std::vector<Message> all;
    client.Login(startup);
    all = client.login_messages();
    for (Message& message : all) {
      if (message.type == 'K') message.body.clear();
    }
    for (const Step& step : script.steps) {
      client.Send(step.bytes);
      for (int i = 0; i < step.times; ++i) {
        const auto part = client.ReadUntil(step.until);
        all.insert(all.end(), part.begin(), part.end());
      }
    }
    for (Message& message : all) {
      if (message.type == 'E') message.body = WithoutSourcePosition(message.body);
    }
    return all;
  }

  // A protocol violation is refused by pgweir itself: it has no source file of PostgreSQL to name. All else must agree.
  static std::string WithoutSourcePosition(const std::string& body) {
    if (body.find(std::string("VFATAL\0C08P01\0", 14)) == std::string::npos) return body;
    std::string kept;
    for (size_t at = 0; at < body.size() && body[at] != '\0';) {
      const size_t end = body.find('\0', at);
      if (body[at] != 'F' && body[at] != 'L' && body[at] != 'R') kept += body.substr(at, end - at + 1);
      at = end + 1;
    }
    return kept + '\0';
  }

  // For a failure message: types, and the first 200 bytes of each body with the zero bytes shown.
  static std::string Print(const std::vector<Message>& messages) {
    std::string text;
    for (const Message& message : messages) {
      std::string body = message.body.substr(0, 200);
      for (char& c : body) {
        if (c < ' ') c = '.';
      }
      text += std::string("  ") + message.type + " " + std::to_string(message.body.size()) + " " + body + "\n";
      if (text.size() > 4000) return text + "  [...]\n";
    }
    return text;
  }

  void Compare(const std::vector<Script>& scripts) {
    for (const Script& script : scripts) {
      if (script.needs == Needs::kSession && GetParam() != "session") continue;
      SCOPED_TRACE(script.name.substr(0, 200));
      try {
        const auto direct = Run(SharedCluster().port(), script);
        const auto through = Run(target_port(), script);
        EXPECT_TRUE(direct == through) << "direct:\n" << Print(direct) << "through pgweir:\n" << Print(through);
      } catch (const std::runtime_error& error) {
        ADD_FAILURE() << error.what();
      }
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, DifferentialTest, testing::Values("session", "transaction"),
                         [](const auto& test) { return test.param; });

TEST_P(DifferentialTest, Sql) { Compare(SqlScripts()); }
TEST_P(DifferentialTest, Protocol) { Compare(ProtocolScripts()); }

}  // namespace
}  // namespace integration
