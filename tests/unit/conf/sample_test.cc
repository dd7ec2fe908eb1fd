// The key table and the annotated sample, held against each other.
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "conf/keys.h"
#include "tests/unit/conf/load_fixture.h"

namespace conf {
namespace {

std::string Sample() {
  std::ostringstream text;
  text << std::ifstream(PGWEIR_SOURCE_DIR "/conf/pgweir.toml").rdbuf();
  return text.str();
}

// "# key = value" of one part of the sample, without the #.
std::map<std::string, std::string> KeyLines(const std::string& part) {
  std::map<std::string, std::string> lines;
  const std::regex form("^(?:# )?([a-z0-9_]+) = (.*)$");
  std::istringstream stream(part);
  for (std::string line; std::getline(stream, line);) {
    std::smatch match;
    if (std::regex_match(line, match, form)) lines.emplace(match[1], line.substr(line.starts_with("# ") ? 2 : 0));
  }
  return lines;
}

std::string Part(const std::string& from, const std::string& to) {
  const std::string sample = Sample();
  const size_t start = sample.find(from);
  EXPECT_NE(start, std::string::npos) << from;
  return sample.substr(start, to.empty() ? std::string::npos : sample.find(to, start) - start);
}

TEST(Sample, LoadsAsItIs) {
  LoadOptions options;
  options.file = PGWEIR_SOURCE_DIR "/conf/pgweir.toml";
  const auto result = Load(options);
  ASSERT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
  EXPECT_EQ((*result)->global, DefaultGlobal());
  EXPECT_NE((*result)->FindDatabase("any"), nullptr);
}

TEST(Sample, HasEveryGlobalKeyWithItsDefault) {
  const auto lines = KeyLines(Part("\n[pgweir]", "\n[databases"));
  EXPECT_EQ(lines.size(), GlobalKeys().size());
  for (const auto& key : GlobalKeys()) {
    const auto line = lines.find(std::string(key.name));
    ASSERT_NE(line, lines.end()) << key.name;
    const auto result = Loading().Text(With(line->second));
    ASSERT_TRUE(result.has_value()) << line->second << testing::PrintToString(Mistakes(result));
    EXPECT_EQ(key.get((*result)->global), key.get(DefaultGlobal())) << line->second;
    EXPECT_THAT(SourceOf(**result, line->first), testing::EndsWith("from pgweir.toml:2"));
  }
}

TEST(Sample, HasEveryKeyOfASection) {
  const auto check = [](const auto& keys, const std::string& header, const std::map<std::string, std::string>& lines) {
    EXPECT_EQ(lines.size(), keys.size());
    for (const auto& key : keys) {
      const auto line = lines.find(std::string(key.name));
      ASSERT_NE(line, lines.end()) << key.name;
      Loading loading;
      loading.files = {{"shop.password", "x"}};
      const std::string user = key.name.starts_with("password") && header == "[databases.x]" ? "user = \"u\"\n" : "";
      const auto result = loading.Text(With("", header + "\n" + user + line->second + "\n[databases.any]\n"));
      EXPECT_TRUE(result.has_value()) << line->second << testing::PrintToString(Mistakes(result));
    }
  };
  check(DatabaseKeys(), "[databases.x]", KeyLines(Part("# [databases.shop]", "[users.app]")));
  check(UserKeys(), "[users.x]", KeyLines(Part("# [users.reporting]", "# [peers.2]")));
}

TEST(Sample, HasEveryKeyOfAPeer) {
  const auto lines = KeyLines(Part("# [peers.2]", ""));
  EXPECT_EQ(lines.size(), PeerKeys().size());
  std::string section = "[peers.2]\n";
  for (const auto& key : PeerKeys()) {
    ASSERT_TRUE(lines.contains(std::string(key.name))) << key.name;
    section += lines.at(std::string(key.name)) + "\n";
  }
  const auto result = Loading().Text(With("peer_id = 1", section));
  EXPECT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
}

TEST(KeyTable, TextOfEveryDefaultIsAcceptedAndChangesNothing) {
  for (const auto& key : GlobalKeys()) {
    Global global = DefaultGlobal();
    ASSERT_TRUE(key.set(global, PlainText{key.get(DefaultGlobal()).value()}).has_value()) << key.name;
    EXPECT_EQ(global, DefaultGlobal()) << key.name;
    EXPECT_FALSE(key.description.empty()) << key.name;
  }
}

TEST(KeyTable, RowsAreEveryKeySorted) {
  const auto result = Loading().Text(With(""));
  ASSERT_TRUE(result.has_value());
  ASSERT_EQ((*result)->rows.size(), GlobalKeys().size());
  for (size_t i = 1; i < (*result)->rows.size(); ++i) EXPECT_LT((*result)->rows[i - 1].key, (*result)->rows[i].key);
  EXPECT_EQ(SourceOf(**result, "query_wait_timeout"), "5s from default");
  EXPECT_EQ(SourceOf(**result, "pool_mode"), "transaction from default");
}

}  // namespace
}  // namespace conf
