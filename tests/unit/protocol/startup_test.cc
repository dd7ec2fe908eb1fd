#include "protocol/startup.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

std::string Untyped(std::string_view rest) { return Big32(static_cast<uint32_t>(rest.size() + 4)).append(rest); }

std::string Packet(uint32_t version, const Settings& parameters) {
  std::string rest = Big32(version);
  for (const auto& [name, value] : parameters) rest += Z(name) + Z(value);
  return Untyped(rest + '\0');
}

StartupMessage MustParse(std::string_view packet) {
  const StartupResult result = ParseStartup(packet);
  EXPECT_EQ(result.kind, StartupKind::kStartup) << result.error.message;
  EXPECT_EQ(result.consumed, packet.size());
  return result.startup;
}

ErrorReport MustRefuse(std::string_view packet) {
  const StartupResult result = ParseStartup(packet);
  EXPECT_EQ(result.kind, StartupKind::kMalformed);
  EXPECT_FALSE(result.error.message.empty());
  return result.error;
}

TEST(Startup, TakesAMessageApart) {
  const auto message = MustParse(Packet(kProtocol30, {{"user", "anna"},
                                                      {"database", "shop"},
                                                      {"DateStyle", "ISO, DMY"},
                                                      {"application_name", "psql"},
                                                      {"replication", "database"}}));
  EXPECT_EQ(message.version, kProtocol30);
  EXPECT_EQ(message.user, "anna");
  EXPECT_EQ(message.database, "shop");
  EXPECT_EQ(message.replication, Replication::kLogical);
  EXPECT_EQ(message.settings, (Settings{{"DateStyle", "ISO, DMY"}, {"application_name", "psql"}}));
  EXPECT_TRUE(message.unknown_protocol_options.empty());
}

TEST(Startup, DatabaseIsTheUserWhenAbsentOrEmpty) {
  EXPECT_EQ(MustParse(Packet(kProtocol30, {{"user", "anna"}})).database, "anna");
  EXPECT_EQ(MustParse(Packet(kProtocol30, {{"user", "anna"}, {"database", ""}})).database, "anna");
}

TEST(Startup, TheLaterOfTwoWins) {
  const auto message = MustParse(Packet(kProtocol30, {{"user", "anna"}, {"user", "bert"}, {"options", "-ca=1"}, {"options", "-cb=2"}}));
  EXPECT_EQ(message.user, "bert");
  EXPECT_EQ(message.settings, (Settings{{"b", "2"}}));
}

TEST(Startup, ReplicationIsReadAsPostgresqlDoes) {
  const auto read = [](const char* value) { return MustParse(Packet(kProtocol30, {{"user", "a"}, {"replication", value}})).replication; };
  for (const char* value : {"", "0", "off", "OFF", "of", "false", "F", "no", "n"}) EXPECT_EQ(read(value), Replication::kNone) << value;
  for (const char* value : {"1", "on", "ON", "true", "t", "Tru", "yes", "y"}) EXPECT_EQ(read(value), Replication::kPhysical) << value;
  EXPECT_EQ(read("database"), Replication::kLogical);
  for (const char* value : {"o", "offf", "00", "11", "Database", "databas", "truee", "physical"}) {
    const auto error = MustRefuse(Packet(kProtocol30, {{"user", "a"}, {"replication", value}}));
    EXPECT_EQ(error.sqlstate, "22023") << value;
    EXPECT_EQ(error.message, "invalid value for parameter \"replication\": \"" + std::string(value) + "\"");
  }
}

TEST(Startup, OptionsOfReplicationStayAsTheyAre) {
  const std::string options = "-c datestyle=ISO -d 3 --work-mem=8MB";
  const auto message = MustParse(Packet(kProtocol30, {{"user", "a"}, {"options", options}, {"replication", "true"}, {"TimeZone", "UTC"}}));
  EXPECT_EQ(message.options, options);
  EXPECT_EQ(message.settings, (Settings{{"TimeZone", "UTC"}}));
  EXPECT_EQ(MustParse(Packet(kProtocol30, {{"user", "a"}, {"options", "-ca=1"}})).options, "") << "taken apart";
}

TEST(Startup, OptionsComeBeforeNamedParameters) {
  const auto message = MustParse(Packet(kProtocol30, {{"user", "a"}, {"TimeZone", "UTC"}, {"options", "-c timezone=CET -c Application_Name=x"}}));
  EXPECT_EQ(message.settings, (Settings{{"timezone", "CET"}, {"Application_Name", "x"}, {"TimeZone", "UTC"}}));
}

TEST(Startup, BadOptionIsNamed) {
  const ErrorReport error = MustRefuse(Packet(kProtocol30, {{"user", "a"}, {"options", "-c a=1 -d 5"}}));
  EXPECT_EQ(error.code, ErrorCode::kUnsupportedStartupOption);
  EXPECT_NE(error.message.find("-d"), std::string::npos);
}

TEST(Startup, NoUser) {
  EXPECT_EQ(MustRefuse(Packet(kProtocol30, {})).code, ErrorCode::kNoUserName);
  EXPECT_EQ(MustRefuse(Packet(kProtocol30, {{"database", "shop"}})).code, ErrorCode::kNoUserName);
  EXPECT_EQ(MustRefuse(Packet(kProtocol30, {{"user", ""}})).code, ErrorCode::kNoUserName);
}

TEST(Startup, UserNameLimit) {
  EXPECT_EQ(MustParse(Packet(kProtocol30, {{"user", std::string(126, 'u')}})).user.size(), 126u);
  EXPECT_EQ(MustParse(Packet(kProtocol30, {{"user", std::string(127, 'u')}})).user.size(), 127u);
  EXPECT_EQ(MustRefuse(Packet(kProtocol30, {{"user", std::string(128, 'u')}})).code, ErrorCode::kUserNameTooLong);
}

TEST(Startup, ParameterLimit) {
  Settings parameters{{"user", "a"}};
  while (parameters.size() < kStartupParametersMax - 1) parameters.emplace_back("x", "1");
  EXPECT_EQ(MustParse(Packet(kProtocol30, parameters)).settings.size(), kStartupParametersMax - 2);
  parameters.emplace_back("x", "1");
  EXPECT_EQ(MustParse(Packet(kProtocol30, parameters)).settings.size(), kStartupParametersMax - 1);
  parameters.emplace_back("x", "1");
  EXPECT_EQ(MustRefuse(Packet(kProtocol30, parameters)).code, ErrorCode::kStartupLayout);
}

TEST(Startup, OptionsCountAgainstTheParameterLimit) {
  std::string options;
  for (size_t i = 0; i < kStartupParametersMax; ++i) options += "-ca=1 ";
  EXPECT_EQ(MustParse(Packet(kProtocol30, {{"user", "a"}, {"options", options}})).settings.size(), kStartupParametersMax);
  EXPECT_EQ(MustRefuse(Packet(kProtocol30, {{"user", "a"}, {"options", options + "-ca=1"}})).code, ErrorCode::kStartupLayout);
}

TEST(Startup, LengthLimits) {
  for (const uint32_t length : {0u, 4u, 7u, 10001u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    const ErrorReport error = MustRefuse(Big32(length));
    EXPECT_EQ(error.code, ErrorCode::kStartupLayout);
    EXPECT_NE(error.message.find(std::to_string(length)), std::string::npos);
  }
  for (const uint32_t length : {8u, 9u, 9999u, 10000u}) {
    EXPECT_EQ(ParseStartup(Big32(length)).kind, StartupKind::kIncomplete);
  }
  const std::string head = Packet(kProtocol30, {{"user", "a"}, {"x", ""}});
  const std::string longest = Packet(kProtocol30, {{"user", "a"}, {"x", std::string(kStartupBytesMax - head.size(), 'y')}});
  ASSERT_EQ(longest.size(), kStartupBytesMax);
  MustParse(longest);
}

TEST(Startup, TerminatorMustBeTheLastByte) {
  const std::string head = Big32(kProtocol30) + Z("user") + Z("a");
  for (const std::string& rest : {std::string(), std::string("x"), std::string("\0\0", 2), std::string("\0x", 2),
                                  std::string("name\0", 5), std::string("name\0value", 10), std::string("name\0value\0", 11)}) {
    EXPECT_EQ(MustRefuse(Untyped(head + rest)).code, ErrorCode::kStartupLayout);
  }
  MustParse(Untyped(head + Z("x") + Z("") + '\0'));  // an empty value is no terminator
}

TEST(Startup, VersionsThatAreNot3) {
  for (const uint32_t version : {0u, 0x00020000u, 0x00040000u, 0x04d21631u, 0xffffffffu}) {
    const ErrorReport error = MustRefuse(Packet(version, {{"user", "a"}}));
    EXPECT_EQ(error.code, ErrorCode::kUnsupportedProtocol);
  }
  EXPECT_NE(MustRefuse(Packet(0x00020000, {})).message.find("2.0"), std::string::npos);
}

TEST(Startup, TlsHelloIsNotConsumed) {
  for (const std::string bytes : {"\x16", "\x16\x03\x01", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc"}) {
    const auto result = ParseStartup(bytes);
    EXPECT_EQ(result.kind, StartupKind::kTlsHello);
    EXPECT_EQ(result.consumed, 0u);
  }
}

TEST(Startup, EncryptionRequests) {
  const auto ssl = ParseStartup(Untyped(Big32(80877103)) + "more");
  EXPECT_EQ(ssl.kind, StartupKind::kSslRequest);
  EXPECT_EQ(ssl.consumed, 8u);
  const auto gss = ParseStartup(Untyped(Big32(80877104)));
  EXPECT_EQ(gss.kind, StartupKind::kGssEncRequest);
  EXPECT_EQ(gss.consumed, 8u);
  EXPECT_EQ(MustRefuse(Untyped(Big32(80877103) + "x")).code, ErrorCode::kStartupLayout);
  EXPECT_EQ(MustRefuse(Untyped(Big32(80877104) + "x")).code, ErrorCode::kStartupLayout);
}

TEST(Startup, CancelKeySizes) {
  for (const size_t size : {4u, 5u, 32u, 255u, 256u}) {
    const std::string key(size, '\0');
    std::string packet;
    WriteCancelRequest(packet, 0xfedcba98, key);
    const auto result = ParseStartup(packet);
    EXPECT_EQ(result.kind, StartupKind::kCancelRequest);
    EXPECT_EQ(result.cancel_process_id, 0xfedcba98u);
    EXPECT_EQ(result.cancel_key, key);
    EXPECT_EQ(result.consumed, packet.size());
  }
  for (const size_t size : {0u, 3u, 257u, 9000u}) {
    std::string packet;
    WriteCancelRequest(packet, 1, std::string(size, 'k'));
    EXPECT_EQ(MustRefuse(packet).code, ErrorCode::kStartupLayout) << size;
  }
  EXPECT_EQ(MustRefuse(Untyped(Big32(80877102) + "abc")).code, ErrorCode::kStartupLayout);
}

TEST(Startup, EveryPrefixIsIncompleteAndReadsNoByteTooMany) {
  std::string cancel;
  WriteCancelRequest(cancel, 7, std::string(32, 'k'));
  for (const std::string& packet : {Packet(kProtocol32, {{"user", "anna"}, {"options", "-c a=b\\ c"}, {"_pq_.x", "y"}}), cancel,
                                    Untyped(Big32(80877103))}) {
    for (size_t size = 0; size < packet.size(); ++size) {
      const ExactCopy prefix(std::string_view(packet).substr(0, size));
      const auto result = ParseStartup(prefix.view());
      EXPECT_EQ(result.kind, StartupKind::kIncomplete) << size;
      EXPECT_EQ(result.consumed, 0u);
    }
    const ExactCopy whole(packet);
    EXPECT_EQ(ParseStartup(whole.view()).consumed, packet.size());
    // What follows belongs to somebody else.
    EXPECT_EQ(ParseStartup(packet + "following").consumed, packet.size());
  }
}

TEST(Startup, EveryCorruptedByteGivesAnAnswer) {
  const std::string packet = Packet(kProtocol30, {{"user", "anna"}, {"database", "d"}, {"options", "-c a=b"}, {"replication", "0"}});
  for (size_t at = 0; at < packet.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string corrupted = packet;
      corrupted[at] = static_cast<char>(value);
      const ExactCopy copy(corrupted);
      const auto result = ParseStartup(copy.view());
      EXPECT_LE(result.consumed, corrupted.size());
      EXPECT_EQ(result.kind == StartupKind::kMalformed, !result.error.message.empty());
      if (result.kind == StartupKind::kStartup) {
        EXPECT_FALSE(result.startup.user.empty());
      }
    }
  }
}

TEST(Options, SwitchesAndEscapes) {
  Settings settings;
  std::string bad;
  ASSERT_TRUE(ParseOptions("  -c search_path=a,b -cwork_mem=4MB\t--statement-timeout=5s  -c x=a\\ b\\\\c -c e= -c two=1=2 ", settings, bad));
  EXPECT_EQ(settings, (Settings{{"search_path", "a,b"},
                                {"work_mem", "4MB"},
                                {"statement_timeout", "5s"},
                                {"x", "a b\\c"},
                                {"e", ""},
                                {"two", "1=2"}}));
  settings.clear();
  EXPECT_TRUE(ParseOptions("", settings, bad));
  EXPECT_TRUE(ParseOptions(" \t\n\v\f\r", settings, bad));
  EXPECT_TRUE(settings.empty());
}

TEST(Options, EveryOtherSwitchIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"-d 5", "-d"},     {"-c", "-c"},       {"-c name", "-c name"}, {"--name", "--name"}, {"--", "--"},
      {"--=x", "--=x"},   {"-c =x", "-c =x"}, {"word", "word"},       {"\\", ""},           {"-C a=b", "-C"},
      {"-cname", "-cname"}, {"-ca=1 -", "-"}};
  for (const auto& [options, named] : cases) {
    Settings settings;
    std::string bad = "unset";
    EXPECT_FALSE(ParseOptions(options, settings, bad)) << options;
    EXPECT_EQ(bad, named) << options;
  }
}

TEST(Negotiation, WhoNeedsIt) {
  struct Case {
    uint32_t asked;
    bool needs;
    uint32_t negotiated;
  };
  for (const Case& c : {Case{0x00030000, false, kProtocol30}, Case{0x00030001, false, kProtocol30}, Case{0x00030002, false, kProtocol32},
                        Case{0x00030003, true, kProtocol32}, Case{0x0003270f, true, kProtocol32}}) {
    const auto message = MustParse(Packet(c.asked, {{"user", "a"}}));
    EXPECT_EQ(NeedsNegotiation(message), c.needs) << c.asked;
    EXPECT_EQ(NegotiatedVersion(message), c.negotiated) << c.asked;
  }
}

TEST(Negotiation, UnknownOptionsAreListedAndNotSettings) {
  const auto message = MustParse(Packet(kProtocol30, {{"user", "a"}, {"_pq_.one", "1"}, {"x", "y"}, {"_pq_.two", ""}}));
  EXPECT_EQ(message.settings, (Settings{{"x", "y"}}));
  ASSERT_TRUE(NeedsNegotiation(message));
  std::string out;
  WriteNegotiateProtocolVersion(out, message);
  const auto messages = Split(out);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].type, 'v');
  EXPECT_EQ(messages[0].body, Big32(kProtocol30) + Big32(2) + Z("_pq_.one") + Z("_pq_.two"));
}

TEST(WriteStartup, IsReadBackTheSame) {
  const Settings settings{{"application_name", "x"}, {"DateStyle", "ISO"}, {"", "would end the packet"}, {"options", "-c a=b"}};
  std::string out;
  WriteStartup(out, "anna", "shop", settings);
  const auto message = MustParse(out);
  EXPECT_EQ(message.version, kProtocol30);
  EXPECT_EQ(message.user, "anna");
  EXPECT_EQ(message.database, "shop");
  EXPECT_EQ(message.settings, (Settings{{"a", "b"}, {"application_name", "x"}, {"DateStyle", "ISO"}}));
}

}  // namespace
}  // namespace protocol
