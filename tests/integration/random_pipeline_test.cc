// Random pipelines, direct and through pgweir, byte for byte: batches are in flight together, may fail anywhere, and use what the batches
// before them make and undo. Prepared statements with room for one, two or three on the server, and settings.
#include "tests/integration/environment.h"
#include "tests/sim/dice.h"

namespace integration {
namespace {

using namespace test_support;

struct Burst {
  std::string bytes, printed;
  int units = 0;  // ReadyForQuery messages that it gets
};

class RandomPipeline {
 public:
  explicit RandomPipeline(uint64_t seed) : dice_(seed) {}
  virtual ~RandomPipeline() = default;

  Burst Next() {
    Burst burst;
    for (int unit = 1 + Below(7); unit > 0; --unit) {
      if (Below(6) == 0) {
        Add(burst, OneQuery());
      } else {
        for (int left = 1 + Below(8); left > 0; --left) Add(burst, OneMessage());
        Add(burst, {Sync(), "S"});
      }
      ++burst.units;
      burst.printed += "\n";
    }
    return burst;
  }

 protected:
  using Piece = std::pair<std::string, std::string>;
  virtual Piece OneQuery() = 0;
  virtual Piece OneMessage() = 0;
  int Below(int limit) { return static_cast<int>(dice_.Below(static_cast<uint64_t>(limit))); }
  std::string OneOf(const std::vector<std::string>& words) { return words[static_cast<size_t>(Below(static_cast<int>(words.size())))]; }
  static Piece Sql(const std::string& sql) { return {Query(sql), "'" + sql + "'"}; }
  static Piece ByUnnamed(const std::string& sql) { return {Parse("", sql) + Bind("", "") + Execute(""), "''(" + sql + ")"}; }

 private:
  static void Add(Burst& burst, const Piece& piece) {
    burst.bytes += piece.first;
    burst.printed += piece.second + "  ";
  }
  sim::Dice dice_;
};

class StatementPipeline final : public RandomPipeline {
 public:
  explicit StatementPipeline(uint64_t seed) : RandomPipeline(seed), describes_unnamed_(Below(2) == 0) {}

 private:
  std::string Name() { return std::string(1, static_cast<char>('a' + Below(4))); }
  std::string Text() { return Below(8) == 0 ? "SELEKT" : "SELECT " + std::to_string(Below(4)); }

  Piece OneQuery() override {
    const std::string name = Name();
    switch (Below(9)) {
      case 0: return Sql("SELECT 7");
      case 1: return Sql("SELECT 1/0");
      case 2: return Sql("DEALLOCATE " + name);
      case 3: return Sql("PREPARE " + name + " AS " + Text());
      case 4: return Sql(OneOf({"DEALLOCATE ALL", "DISCARD ALL", "BEGIN", "COMMIT", "ROLLBACK", "BEGIN; SELECT 8", "COMMIT; SELECT 9"}));
      case 5: return Sql("SAVEPOINT s; EXECUTE " + name + "; ROLLBACK TO s");
      case 6: return Sql("PREPARE " + name + " AS " + Text() + "; EXECUTE " + name);
      default: return Sql("EXECUTE " + name);
    }
  }

  Piece OneMessage() override {
    const std::string name = Name();
    switch (Below(16)) {
      case 0:
      case 1:
      case 2: {
        const std::string text = Text();
        return {Parse(name, text), "P " + name + " (" + text + ")"};
      }
      case 3:
      case 4:
      case 5: return {Bind("", name) + Execute(""), "B " + name};
      case 6: return {DescribeStatement(name), "D " + name};
      case 7:
      case 8: return {CloseStatement(name), "C " + name};
      case 9: return describes_unnamed_ ? ByUnnamed(Text()) : ByUnnamed("EXECUTE " + name);
      case 10:
      case 11: return ByUnnamed(Text());
      case 12: return ByUnnamed(OneOf({"DEALLOCATE " + name, "PREPARE " + name + " AS " + Text(), "DEALLOCATE ALL", "BEGIN", "COMMIT", "ROLLBACK"}));
      case 13: return {Bind("", "") + Execute(""), "B ''"};
      case 14: return describes_unnamed_ ? Piece{DescribeStatement(""), "D ''"} : ByUnnamed("EXECUTE " + name);
      default:
        if (Below(2) == 0) return {Flush(), "H"};
        return ByUnnamed("SELECT 1/0");
    }
  }

  // What a text "EXECUTE x" gives is found when it is parsed: where that is done again, x may be another, or there none. So it is either
  // described or used for that.
  bool describes_unnamed_;
};

// What every session carries, in every way in which it can be said and undone.
class SettingPipeline final : public RandomPipeline {
 public:
  using RandomPipeline::RandomPipeline;

 private:
  std::string Name() { return OneOf({"work_mem", "app.x", "TimeZone", "search_path", "default_transaction_read_only", "application_name"}); }
  std::string Value(const std::string& name) {
    const std::string digit = std::to_string(1 + Below(5));
    if (name == "work_mem") return "'" + digit + "MB'";
    if (name == "TimeZone") return OneOf({"'UTC'", "'Asia/Tokyo'", "'Europe/Rome'", "'no such place'"});
    if (name == "search_path") return OneOf({"public", "pg_catalog, public", "'nowhere'"});
    if (name == "default_transaction_read_only") return OneOf({"on", "off", "perhaps"});
    return "'v" + digit + "'";
  }
  std::string Sets() {
    const std::string name = Name();
    switch (Below(9)) {
      case 0: return "RESET " + name;
      case 1: return "SET LOCAL " + name + " = " + Value(name);
      case 2: return "SET " + name + " TO DEFAULT";
      case 3: return "SELECT set_config('app.x', 'c" + std::to_string(Below(4)) + "', " + OneOf({"false", "true"}) + ")";
      case 4: return OneOf({"RESET ALL", "DISCARD ALL", "SET TIME ZONE 'UTC'", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"});
      default: return "SET " + name + " = " + Value(name);
    }
  }
  std::string Shows() { return OneOf({"SHOW work_mem", "SELECT coalesce(current_setting('app.x', true), '')", "SHOW TimeZone", "SHOW search_path", "SHOW application_name",
                                      "SHOW default_transaction_read_only"}); }
  std::string Turns() { return OneOf({"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s", "RELEASE s", "SELECT 1/0", "SELECT 1"}); }
  std::string Any() {
    switch (Below(4)) {
      case 0: return Sets();
      case 1: return Turns();
      default: return Shows();
    }
  }
  Piece OneQuery() override {
    switch (Below(5)) {
      case 0: return Sql(Sets() + "; " + Any());
      case 1: return Sql(Any() + "; " + Sets());
      case 2: return Sql(Turns());
      default: return Sql(Any());
    }
  }
  Piece OneMessage() override {
    switch (Below(12)) {
      case 0: return {Parse("p", "SELECT set_config($1, $2, false)") + Bind("", "p", {{"app.x"}, {"b" + std::to_string(Below(4))}}) + Execute("") + CloseStatement("p"), "set_config($1)"};
      case 1: {
        const std::string text = Sets();
        return {Parse("q", text) + CloseStatement("q") + Parse("q", text) + Bind("", "q") + Execute("") + CloseStatement("q"), "q(" + text + ")"};
      }
      case 2: return {Flush(), "H"};
      default: return ByUnnamed(Any());
    }
  }
};

// One with a session of its own and one over shared servers, sent the same.
struct Pair {
  WireClient direct, through;
  std::unique_ptr<RandomPipeline> pipeline;
  std::string sent;
};
constexpr int kPairs = 3;  // as many servers: whoever is in a transaction keeps one, and the others change

class RandomPipelineTest : public IntegrationTest {
 protected:
  // So many of the pairs as could not go on to the end.
  template <typename Pipeline>
  int Walk(const std::string& config, uint64_t seed) {
    int given_up = 0;
    std::vector<Pair> pairs;
    for (uint64_t i = 0; i < kPairs; ++i)
      pairs.push_back({Client(SharedCluster().port()), Client(target_port()), std::make_unique<Pipeline>(seed * kPairs + i), ""});
    sim::Dice dice(seed);
    for (int turn = 0; turn < 12 * kPairs && !pairs.empty(); ++turn) {
      const auto at = pairs.begin() + static_cast<std::ptrdiff_t>(dice.Below(pairs.size()));
      const auto burst = at->pipeline->Next();
      at->sent += burst.printed + "--\n";
      const std::string expected = Print(Ask(at->direct, burst)), got = Print(Ask(at->through, burst));
      if (expected != got && CouldNotParse(expected, got)) {
        ++given_up;
        pairs.erase(at);
        continue;
      }
      EXPECT_EQ(expected, got) << config << "seed " << seed << ", sent:\n" << at->sent;
      if (expected != got) break;
      at->sent += expected + "--\n";
    }
    return given_up;
  }
  void Start(const std::string& more) {
    StartPgweir("pool_mode = \"transaction\"\nworkers = 1\ndefault_pool_size = " + std::to_string(kPairs) + "\n" + more);
  }
  static uint64_t Seeds() {
    const char* const chosen = std::getenv("PGWEIR_PIPELINE_SEEDS");
    return chosen != nullptr ? std::stoull(chosen) : 20;
  }

 private:
  static WireClient Client(int port) {
    WireClient client(port);
    EXPECT_TRUE(client.Login({{"user", "app"}, {"database", "app"}}));
    return client;
  }
  static std::vector<Message> Ask(WireClient& client, const Burst& burst) {
    client.Send(burst.bytes);
    std::vector<Message> all;
    for (int i = 0; i < burst.units; ++i) {
      const auto part = client.ReadUntil('Z');
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
  static std::string Print(const std::vector<Message>& messages) {
    std::string text;
    for (const Message& message : messages) {
      if (message.type == 'S') continue;  // it comes at another time
      text += message.type;
      if (message.type == 'E') text += "(" + ErrorField(message, 'C') + " " + ErrorField(message, 'M') + ")";
      if (message.type == 'D') text += "(" + RowValues(message)[0].value_or("NULL") + ")";
      if (message.type == 'Z') text += message.body + "\n";
    }
    return text;
  }
  // In an aborted transaction nothing can be parsed. Where PostgreSQL goes on with what was parsed before (it describes what gives no
  // rows), a server that does not have it can only say so: from there on the two are not in the same place.
  static bool CouldNotParse(const std::string& expected, const std::string& got) {
    const auto unit = std::mismatch(expected.begin(), expected.end(), got.begin(), got.end());
    const std::string before(expected.begin(), unit.first), rest(unit.second, got.end());
    const std::string mine = rest.substr(0, rest.find('\n'));
    return mine.find("25P02") != std::string::npos && mine.ends_with("ZE") && (before.find('Z') == std::string::npos || before.rfind("ZE\n") == before.rfind('Z'));
  }
};

TEST_F(RandomPipelineTest, StatementsAreThoseOfTheClient) {
  int given_up = 0;
  for (const char* room : {"1", "2", "3"}) {
    const std::string config = std::string("max_prepared_statements = ") + room + "\n";
    Start(config);
    for (uint64_t seed = 1; seed <= Seeds() && !HasFailure(); ++seed) given_up += Walk<StatementPipeline>(config, seed);
  }
  EXPECT_LE(given_up, static_cast<int>(Seeds()));
}

TEST_F(RandomPipelineTest, SettingsAreThoseOfTheClient) {
  Start("");
  for (uint64_t seed = 1; seed <= Seeds() && !HasFailure(); ++seed) EXPECT_EQ(Walk<SettingPipeline>("", seed), 0);
}

}  // namespace
}  // namespace integration
