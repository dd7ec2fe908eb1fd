// RESET and SET ... TO DEFAULT go back to what the client gave at its start, as PostgreSQL's do: the same scripts,
// direct and through pgweir, whose servers know nothing of these values but by set_config.
#include <map>

#include "tests/integration/state_fixture.h"

namespace integration {
namespace {

using namespace test_support;

struct Outcome {
  std::vector<Message> answers;                 // without ParameterStatus, which may be told more often
  std::map<std::string, std::string> reported;  // the last of each
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  for (const Message& message : outcome.answers) {
    std::string body = message.body.substr(0, 120);
    for (char& c : body) {
      if (c < ' ') c = '.';
    }
    if (message.type != 'T') out << "\n  " << message.type << " " << body;
  }
  for (const auto& [name, value] : outcome.reported) out << "\n  S " << name << "=" << value;
  return out;
}

struct Value {
  const char *name, *set, *reset, *set_to_default;
};
const Value kValues[] = {
    {"work_mem", "SET work_mem = '92MB'", "RESET work_mem", "SET work_mem TO DEFAULT"},
    {"search_path", "SET search_path = public", "RESET \"search_path\"", "SET SESSION search_path = DEFAULT"},
    {"application_name", "SET application_name = 'changed'", "RESET application_name",
     "SET application_name TO DEFAULT"},
    {"DateStyle", "SET DateStyle = ISO, YMD", "RESET datestyle", "SET DATESTYLE = default"},
    {"app.own", "SET app.own = 'changed'", "RESET app.own", "SET app.own TO DEFAULT"},
    {"TimeZone", "SET TIME ZONE 'Europe/Rome'", "RESET TIME ZONE", "SET TIME ZONE DEFAULT"},
    {"lock_timeout", "SET lock_timeout = '93s'", "RESET lock_timeout", "SET lock_timeout TO DEFAULT"},  // not given
};

class SessionResetTest : public StateTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    StartPgweir("pool_mode = \"" + std::string(GetParam()) + "\"\ndefault_pool_size = 1\nworkers = 1\n");
  }
  // Each text is a write of its own and is read to its ReadyForQuery messages.
  struct Step {
    std::string bytes;
    int readies = 1;
  };
  static Outcome Run(int port, const std::vector<Step>& steps) {
    WireClient client(port);
    if (!client.Login({{"user", "app"},
                       {"database", "app"},
                       {"application_name", "began"},
                       {"options", "-c work_mem=91MB -c search_path=pg_catalog -c DateStyle=German -c app.own=began "
                                   "-c TimeZone=Asia/Tokyo"}})) {
      throw std::runtime_error("login: " + ErrorField(client.error(), 'M'));
    }
    Outcome outcome;
    for (const char* name : {"application_name", "DateStyle", "TimeZone"}) {
      outcome.reported[name] = client.parameters().at(name);
    }
    for (const Step& step : steps) {
      client.Send(step.bytes);
      for (int i = 0; i < step.readies; ++i) {
        for (Message& message : client.ReadUntil('Z')) {
          if (message.type != 'S') {
            outcome.answers.push_back(std::move(message));
            continue;
          }
          const size_t end = message.body.find('\0');
          outcome.reported[message.body.substr(0, end)] = message.body.substr(end + 1, message.body.size() - end - 2);
        }
      }
    }
    return outcome;
  }
  void Compare(const std::vector<Step>& steps) {
    EXPECT_EQ(Run(target_port(), steps), Run(SharedCluster().port(), steps));
  }
  // The statements one by one: by simple queries, by batches, and each kind in one write.
  void CompareEach(const std::vector<std::string>& statements) {
    std::vector<Step> simple, extended;
    Step simple_at_once{"", 0}, extended_at_once{"", 0};
    std::string trace;
    for (const std::string& sql : statements) {
      const std::string batch = Parse("", sql) + Bind("", "") + Execute("") + Sync();
      simple.push_back({Query(sql)});
      extended.push_back({batch});
      simple_at_once = {simple_at_once.bytes + Query(sql), simple_at_once.readies + 1};
      extended_at_once = {extended_at_once.bytes + batch, extended_at_once.readies + 1};
      trace += sql + "; ";
    }
    SCOPED_TRACE(trace);
    Compare(simple);
    Compare({simple_at_once});
    Compare(extended);
    Compare({extended_at_once});
  }
};

TEST_P(SessionResetTest, OutsideOfATransaction) {
  for (const Value& value : kValues) {
    const std::string show = std::string("SHOW ") + value.name;
    for (const char* reset : {value.reset, value.set_to_default, "RESET ALL", "DISCARD ALL"}) {
      CompareEach({show, reset, show, value.set, show, reset, show, "SELECT 1", show});
    }
  }
}

TEST_P(SessionResetTest, InsideOfATransaction) {
  for (const Value& value : kValues) {
    const std::string show = std::string("SHOW ") + value.name;
    for (const char* reset : {value.reset, value.set_to_default, "RESET ALL"}) {
      for (const char* end : {"COMMIT", "ROLLBACK"}) {
        CompareEach({value.set, "BEGIN", reset, show, end, show});
        CompareEach({"BEGIN", value.set, reset, show, value.set, show, end, show});
        CompareEach({value.set, "BEGIN", "SAVEPOINT s", reset, show, "ROLLBACK TO s", show, end, show});
        CompareEach({value.set, "BEGIN", reset, "SELECT 1/0", end, show});
      }
    }
  }
}

// What was not carried out, or was undone, has reset nothing.
TEST_P(SessionResetTest, AFailedResetResetsNothing) {
  for (const Value& value : kValues) {
    SCOPED_TRACE(value.name);
    const Step show{Query(std::string("SHOW ") + value.name)}, set{Query(value.set)}, begin{Query("BEGIN")};
    const Step savepoint{Query("SAVEPOINT s")}, back{Query("ROLLBACK TO s")}, end{Query("COMMIT")};
    const std::string reset = value.reset;
    Compare({set, begin, savepoint, {Query(reset + "; SELECT 1/0")}, back, show, end, show});
    Compare({set, begin, savepoint, {Query(reset + "; SELEKT")}, back, show, end, show});
    const std::string run = Bind("", "") + Execute("") + Sync();
    Compare({set, {Parse("", reset) + Bind("", "") + Sync()}, {Parse("", "SELECT 1") + run}, show});
    Compare({set, begin, {Parse("", reset) + Bind("", "", {"1"}) + Execute("") + Sync()}, {Query("ROLLBACK")}, show});
  }
}

// What was set, and not reset, stays.
TEST_P(SessionResetTest, OnlyWhatIsResetIsReset) {
  const std::vector<std::string> shows = {"SHOW work_mem", "SHOW search_path", "SHOW DateStyle", "SHOW app.own"};
  const std::vector<std::vector<std::string>> scripts = {
      {"SET work_mem = '92MB'", "RESET DateStyle"},
      {"RESET work_mem", "SET work_mem = '92MB'", "RESET DateStyle"},
      {"RESET ALL", "SET work_mem = '92MB'", "SET search_path TO DEFAULT"},
      {"RESET ALL", "SELECT set_config('app.own', 'changed', false)", "RESET work_mem"},
      {"SET app.own = ''", "RESET work_mem", "SET DateStyle TO DEFAULT"},
  };
  for (const bool is_transaction : {false, true}) {
    for (std::vector<std::string> script : scripts) {
      if (is_transaction) script.insert(script.begin(), "BEGIN");
      script.insert(script.end(), shows.begin(), shows.end());
      if (is_transaction) script.emplace_back("COMMIT");
      CompareEach(script);
    }
  }
}

TEST_P(SessionResetTest, BehindOtherCommandsInOneString) {
  for (const char* begin : {"", "BEGIN; "}) {
    for (const Value& value : kValues) {
      for (const char* reset : {value.reset, value.set_to_default, "RESET ALL"}) {
        const std::string together = begin + std::string("SELECT 1; ") + value.set + "; " + reset;
        SCOPED_TRACE(together);
        const Step show{Query(std::string("SHOW ") + value.name)}, end{Query("COMMIT")};
        Compare({{Query(together)}, show, end, show});
        Compare({{Query(together + "; " + value.set)}, show, end, show});
        Compare({{Query(together + "; SELECT 1/0")}, show, {Query("ROLLBACK")}, show});
      }
    }
    SCOPED_TRACE(begin);
    const Step show{Query("SELECT current_setting('work_mem'), current_setting('app.own')")}, end{Query("COMMIT")};
    Compare({{Query(std::string(begin) + "RESET ALL; SET work_mem = '92MB'")}, show, end, show});
    Compare({{Query(std::string(begin) + "SET work_mem = '92MB'; RESET app.own")}, show, end, show});
  }
}

TEST_P(SessionResetTest, ByPreparedStatements) {
  for (const Value& value : kValues) {
    SCOPED_TRACE(value.name);
    const Step show{Query(std::string("SHOW ") + value.name)};
    for (const char* reset : {value.reset, value.set_to_default, "RESET ALL"}) {
      const Step run{Bind("", "r") + Execute("") + Sync()};
      const Step prepare{Parse("r", reset) + Sync()}, set{Query(value.set)}, begin{Query("BEGIN")};
      Compare({prepare, set, run, show, begin, set, run, show, {Query("COMMIT")}, show});
      Compare({prepare, set, begin, run, show, {Query("ROLLBACK")}, show, {CloseStatement("r") + Sync()}, run});
      Compare({set, begin, {Parse("", reset) + Sync()}, {Bind("p", "") + Sync()}, {Execute("p") + Sync()}, show});
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, SessionResetTest, testing::Values("transaction", "session"),
                         [](const auto& mode) { return std::string(mode.param); });

}  // namespace
}  // namespace integration
