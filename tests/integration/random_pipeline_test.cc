// Random pipelines over prepared statements, direct and through pgweir with room for one, two or three statements on the server,
// byte for byte. Batches are in flight together, may fail anywhere, and use names that the batches before them make and close.
#include "tests/integration/environment.h"
#include "tests/sim/dice.h"

namespace integration {
namespace {

using namespace test_support;

class RandomPipeline {
 public:
  explicit RandomPipeline(uint64_t seed) : dice_(seed) {}

  struct Burst {
    std::string bytes, printed;
    int units = 0;  // ReadyForQuery messages that it gets
  };
  Burst Next() {
    Burst burst;
    for (int unit = 1 + Below(5); unit > 0; --unit) {
      if (Below(6) == 0) {
        Add(burst, OneQuery());
      } else {
        for (int left = 1 + Below(6); left > 0; --left) Add(burst, OneMessage());
        Add(burst, {Sync(), "S"});
      }
      ++burst.units;
      burst.printed += "\n";
    }
    return burst;
  }

 private:
  using Piece = std::pair<std::string, std::string>;
  static void Add(Burst& burst, const Piece& piece) {
    burst.bytes += piece.first;
    burst.printed += piece.second + "  ";
  }
  int Below(int limit) { return static_cast<int>(dice_.Below(static_cast<uint64_t>(limit))); }
  std::string Name() { return std::string(1, static_cast<char>('a' + Below(4))); }
  std::string Text() { return Below(8) == 0 ? "SELEKT" : "SELECT " + std::to_string(Below(4)); }

  Piece OneQuery() {
    const std::string name = Name();
    switch (Below(6)) {
      case 0: return Sql("SELECT 7");
      case 1: return Sql("SELECT 1/0");
      case 2: return Sql("DEALLOCATE " + name);
      case 3: return Sql("PREPARE " + name + " AS SELECT " + std::to_string(Below(4)));
      case 4: return Below(4) == 0 ? Sql("DEALLOCATE ALL") : Sql("EXECUTE " + name);
      default: return Sql("EXECUTE " + name);
    }
  }
  static Piece Sql(const std::string& sql) { return {Query(sql), "'" + sql + "'"}; }

  Piece OneMessage() {
    const std::string name = Name();
    switch (Below(12)) {
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
      case 9: return {Parse("", "EXECUTE " + name) + Bind("", "") + Execute(""), "'' EXECUTE " + name};
      case 10: return {Parse("", Text()) + Bind("", "") + Execute(""), "''"};
      default: return {Below(2) == 0 ? Flush() : Parse("", "SELECT 1/0") + Bind("", "") + Execute(""), "H or 1/0"};
    }
  }

  sim::Dice dice_;
};

class RandomPipelineTest : public IntegrationTest {
 protected:
  static WireClient Client(int port) {
    WireClient client(port);
    EXPECT_TRUE(client.Login({{"user", "app"}, {"database", "app"}}));
    return client;
  }
  static std::vector<Message> Ask(WireClient& client, const RandomPipeline::Burst& burst) {
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
      text += message.type;
      if (message.type == 'E') text += "(" + ErrorField(message, 'C') + " " + ErrorField(message, 'M') + ")";
      if (message.type == 'D') text += "(" + RowValues(message)[0].value_or("NULL") + ")";
      if (message.type == 'Z') text += "\n";
    }
    return text;
  }
};

TEST_F(RandomPipelineTest, AnswersAreThoseOfPostgresql) {
  const char* const chosen = std::getenv("PGWEIR_PIPELINE_SEEDS");
  const uint64_t seeds = chosen != nullptr ? std::stoull(chosen) : 30;
  for (const int room : {1, 2, 3}) {
    StartPgweir("pool_mode = \"transaction\"\nworkers = 1\ndefault_pool_size = 1\nmax_prepared_statements = " + std::to_string(room) + "\n");
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
      SCOPED_TRACE("room " + std::to_string(room) + ", seed " + std::to_string(seed));
      RandomPipeline pipeline(seed);
      WireClient direct = Client(SharedCluster().port()), through = Client(target_port());
      std::string sent;
      for (int i = 0; i < 12; ++i) {
        const auto burst = pipeline.Next();
        sent += burst.printed + "--\n";
        const std::string expected = Print(Ask(direct, burst)), got = Print(Ask(through, burst));
        ASSERT_EQ(expected, got) << "sent:\n" << sent;
      }
    }
  }
}

}  // namespace
}  // namespace integration
