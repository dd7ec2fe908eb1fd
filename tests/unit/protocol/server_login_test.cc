#include "protocol/server_login.h"

#include <gtest/gtest.h>

#include "protocol/error_catalog.h"
#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

using Step = ServerLogin::Step;

constexpr int kIterations = 7;
const std::string kSalt = "0123456789abcdef";
const std::string kMechanisms = Big32(10) + Z("SCRAM-SHA-256-PLUS") + Z("SCRAM-SHA-256") + '\0';

ServerCredentials Plain(std::string secret = "pencil") { return {.user = "anna", .secret = std::move(secret), .keys = {}}; }
ServerLogin Login(ServerCredentials credentials = Plain()) { return ServerLogin(std::move(credentials), "clientnonce", {.is_encrypted = true}); }

// Gives one message from an exactly sized buffer.
Step Give(ServerLogin& login, char type, std::string_view body, std::string& out) {
  const ExactCopy exact(body);
  return login.OnMessage(type, exact.view(), out);
}
Step Give(ServerLogin& login, char type, std::string_view body) {
  std::string out;
  return Give(login, type, body, out);
}

ServerLogin LoggedIn() {
  ServerLogin login = Login();
  EXPECT_EQ(Give(login, 'R', Big32(0)), Step::kContinue);
  return login;
}

// Brings a login to the point where the server has sent its first SCRAM message.
struct Scram {
  explicit Scram(ServerCredentials credentials, std::string_view password = "pencil")
      : server(VerifierOf(DeriveKeys(password, kSalt, kIterations)), "servernonce"), login(std::move(credentials), "clientnonce", {.is_encrypted = true}) {
    std::string out;
    EXPECT_EQ(Give(login, 'R', kMechanisms, out), Step::kContinue);
    const auto messages = Split(out);
    EXPECT_EQ(messages.at(0).type, 'p');
    const std::string head = Z("SCRAM-SHA-256");
    const std::string& body = messages.at(0).body;
    EXPECT_EQ(body.substr(0, head.size()), head);
    EXPECT_EQ(ReadUint32(body.data() + head.size()), body.size() - head.size() - 4);
    const auto first = server.OnClientFirst(std::string_view(body).substr(head.size() + 4));
    EXPECT_TRUE(first);
    server_first = *first;
  }
  Step GiveFirst() { return Give(login, 'R', Big32(11) + server_first, sent); }
  // The server's answer to what was sent, and whether the proof was right.
  ScramServer::Final Check() {
    const auto final = server.OnClientFinal(Split(sent).at(0).body);
    EXPECT_TRUE(final);
    return final.value_or(ScramServer::Final());
  }
  ScramServer server;
  ServerLogin login;
  std::string server_first, sent;
};

TEST(ServerLogin, TrustAndWhatFollows) {
  ServerLogin login = Login({.user = "anna", .secret = {}, .keys = {}});
  EXPECT_EQ(Give(login, 'N', "anything"), Step::kContinue);
  EXPECT_EQ(Give(login, 'R', Big32(0)), Step::kContinue);
  EXPECT_EQ(Give(login, 'S', Z("server_version") + Z("15.1")), Step::kContinue);
  EXPECT_EQ(Give(login, 'S', Z("TimeZone") + Z("UTC")), Step::kContinue);
  EXPECT_EQ(Give(login, 'S', Z("TimeZone") + Z("CET")), Step::kContinue);
  EXPECT_EQ(Give(login, 'S', Z("empty") + Z("")), Step::kContinue);
  EXPECT_EQ(Give(login, 'N', ""), Step::kContinue);
  EXPECT_EQ(Give(login, 'K', Big32(4711) + "abcd"), Step::kContinue);
  EXPECT_EQ(Give(login, 'Z', "I"), Step::kReady);
  EXPECT_EQ(login.parameters(),
            (std::vector<std::pair<std::string, std::string>>{{"server_version", "15.1"}, {"TimeZone", "CET"}, {"empty", ""}}));
  EXPECT_EQ(login.process_id(), 4711u);
  EXPECT_EQ(login.cancel_key(), "abcd");
  EXPECT_EQ(Give(login, 'Z', "I"), Step::kMalformed) << "after the end";
}

TEST(ServerLogin, CleartextWantsAPlainPassword) {
  ServerLogin login = Login();
  std::string out;
  EXPECT_EQ(Give(login, 'R', Big32(3), out), Step::kContinue);
  EXPECT_EQ(Split(out).at(0).body, Z("pencil"));
  EXPECT_EQ(Give(login, 'R', Big32(3), out), Step::kMalformed) << "asked twice";

  for (const std::optional<std::string>& secret :
       {std::optional<std::string>(), std::optional<std::string>(""), std::optional(Md5Secret("anna", "pencil")),
        std::optional<std::string>("SCRAM-SHA-256$x")}) {
    ServerLogin other = Login({.user = "anna", .secret = secret, .keys = {}});
    out.clear();
    EXPECT_EQ(Give(other, 'R', Big32(3), out), Step::kMalformed);
    EXPECT_TRUE(out.empty());
    EXPECT_NE(other.why().find("password"), std::string::npos);
  }
}

TEST(ServerLogin, Md5TakesPlainAndMd5) {
  const std::string request = Big32(5) + "salt";
  const std::string right = Z(Md5Response(Md5Secret("anna", "pencil"), "salt"));
  for (const std::string& secret : {std::string("pencil"), Md5Secret("anna", "pencil")}) {
    ServerLogin login = Login(Plain(secret));
    std::string out;
    EXPECT_EQ(Give(login, 'R', request, out), Step::kContinue);
    EXPECT_EQ(Split(out).at(0).body, right);
    EXPECT_EQ(Give(login, 'R', Big32(0)), Step::kContinue);
    EXPECT_EQ(Give(login, 'Z', "I"), Step::kReady);
  }
  ServerLogin scram = Login(Plain("SCRAM-SHA-256$x"));
  EXPECT_EQ(Give(scram, 'R', request), Step::kMalformed);
  for (const std::string& body : {Big32(5), Big32(5) + "sal", Big32(5) + "salty"}) {
    ServerLogin login = Login();
    EXPECT_EQ(Give(login, 'R', body), Step::kMalformed);
  }
}

TEST(ServerLogin, ScramWithAPlainPasswordAsksForKeys) {
  Scram scram(Plain());
  ASSERT_EQ(scram.GiveFirst(), Step::kNeedsKeys);
  EXPECT_TRUE(scram.sent.empty());
  EXPECT_EQ(scram.login.challenge().salt, kSalt);
  EXPECT_EQ(scram.login.challenge().iterations, kIterations);
  const ScramKeys keys = DeriveKeys("pencil", kSalt, kIterations);
  ASSERT_EQ(scram.login.OnKeys(keys, scram.sent), Step::kContinue);
  const auto final = scram.Check();
  ASSERT_TRUE(final.proven);
  EXPECT_EQ(Give(scram.login, 'R', Big32(12) + final.message), Step::kContinue);
  EXPECT_EQ(Give(scram.login, 'R', Big32(0)), Step::kContinue);
  EXPECT_EQ(Give(scram.login, 'Z', "I"), Step::kReady);
  ASSERT_TRUE(scram.login.derived_keys());
  EXPECT_EQ(scram.login.derived_keys()->client_key, keys.client_key);
}

TEST(ServerLogin, ScramWithFittingKeysNeedsNoDerivation) {
  for (const std::optional<std::string>& secret : {std::optional<std::string>(), std::optional<std::string>("SCRAM-SHA-256$x")}) {
    Scram scram({.user = "anna", .secret = secret, .keys = DeriveKeys("pencil", kSalt, kIterations)});
    ASSERT_EQ(scram.GiveFirst(), Step::kContinue);
    const auto final = scram.Check();
    ASSERT_TRUE(final.proven);
    EXPECT_EQ(Give(scram.login, 'R', Big32(12) + final.message), Step::kContinue);
    EXPECT_EQ(Give(scram.login, 'R', Big32(0)), Step::kContinue);
    EXPECT_FALSE(scram.login.derived_keys()) << "nothing was derived";
  }
}

TEST(ServerLogin, KeysThatDoNotFit) {
  for (const ScramKeys& keys : {DeriveKeys("pencil", "another salt", kIterations), DeriveKeys("pencil", kSalt, kIterations + 1)}) {
    Scram alone({.user = "anna", .secret = {}, .keys = keys});
    EXPECT_EQ(alone.GiveFirst(), Step::kMalformed);
    EXPECT_NE(alone.login.why().find("do not fit"), std::string::npos);
    Scram with_password({.user = "anna", .secret = "pencil", .keys = keys});
    EXPECT_EQ(with_password.GiveFirst(), Step::kNeedsKeys);
    EXPECT_EQ(with_password.login.OnKeys(keys, with_password.sent), Step::kMalformed);
    EXPECT_TRUE(with_password.sent.empty());
  }
  Scram short_keys(Plain());
  ASSERT_EQ(short_keys.GiveFirst(), Step::kNeedsKeys);
  ScramKeys keys = DeriveKeys("pencil", kSalt, kIterations);
  keys.client_key.pop_back();
  EXPECT_EQ(short_keys.login.OnKeys(keys, short_keys.sent), Step::kMalformed);
}

TEST(ServerLogin, ScramNeedsAPasswordOrKeys) {
  for (const std::optional<std::string>& secret :
       {std::optional<std::string>(), std::optional<std::string>(""), std::optional(Md5Secret("anna", "pencil")),
        std::optional(FormatVerifier(VerifierOf(DeriveKeys("pencil", kSalt, kIterations))))}) {
    ServerLogin login = Login({.user = "anna", .secret = secret, .keys = {}});
    std::string out;
    EXPECT_EQ(Give(login, 'R', kMechanisms, out), Step::kMalformed);
    EXPECT_TRUE(out.empty());
  }
}

TEST(ServerLogin, AServerThatSkipsItsOwnProof) {
  Scram at_first(Plain());
  EXPECT_EQ(Give(at_first.login, 'R', Big32(0)), Step::kMalformed);
  Scram at_keys(Plain());
  ASSERT_EQ(at_keys.GiveFirst(), Step::kNeedsKeys);
  EXPECT_EQ(Give(at_keys.login, 'R', Big32(0)), Step::kMalformed);
  Scram at_final({.user = "anna", .secret = {}, .keys = DeriveKeys("pencil", kSalt, kIterations)});
  ASSERT_EQ(at_final.GiveFirst(), Step::kContinue);
  EXPECT_EQ(Give(at_final.login, 'R', Big32(0)), Step::kMalformed);
  EXPECT_NE(at_final.login.why().find("proven"), std::string::npos);
  Scram ready({.user = "anna", .secret = {}, .keys = DeriveKeys("pencil", kSalt, kIterations)});
  ASSERT_EQ(ready.GiveFirst(), Step::kContinue);
  EXPECT_EQ(Give(ready.login, 'Z', "I"), Step::kMalformed);
}

TEST(ServerLogin, AServerWithoutTheVerifierCannotProveItself) {
  for (const std::string& message : {"v=" + Base64(std::string(32, 'v')), std::string("v="), std::string(), std::string("e=other-error")}) {
    Scram scram({.user = "anna", .secret = {}, .keys = DeriveKeys("pencil", kSalt, kIterations)});
    ASSERT_EQ(scram.GiveFirst(), Step::kContinue);
    EXPECT_EQ(Give(scram.login, 'R', Big32(12) + message), Step::kMalformed);
    EXPECT_EQ(Give(scram.login, 'R', Big32(0)), Step::kMalformed) << "after the end";
  }
}

TEST(ServerLogin, HostileFirstScramMessages) {
  const std::string salt = ",s=" + Base64(kSalt);
  for (const std::string& message :
       {std::string(), std::string("r="), "r=clientnonce" + salt + ",i=7", "r=other" + salt + ",i=7", "r=clientnonce,x" + salt + ",i=7",
        "r=clientnonce" + std::string(1 << 20, 'n') + salt + ",i=7", "r=clientnoncex" + salt + ",i=0", "r=clientnoncex" + salt + ",i=-1",
        "r=clientnoncex" + salt + ",i=1000000000000", "r=clientnoncex" + salt + ",i=2147483647", std::string("r=clientnoncex,s=,i=7"),
        "r=clientnoncex,s=" + Base64(std::string(kSaltBytesMax + 1, 's')) + ",i=7"}) {
    Scram scram(Plain());
    EXPECT_EQ(Give(scram.login, 'R', Big32(11) + message), Step::kMalformed) << message.substr(0, 60);
  }
}

TEST(ServerLogin, SaslOutOfTurn) {
  for (const uint32_t code : {11u, 12u}) {
    ServerLogin login = Login();
    EXPECT_EQ(Give(login, 'R', Big32(code) + "r=x"), Step::kMalformed);
  }
  Scram twice(Plain());
  EXPECT_EQ(Give(twice.login, 'R', kMechanisms), Step::kMalformed);
  Scram early(Plain());
  EXPECT_EQ(Give(early.login, 'R', Big32(12) + "v="), Step::kMalformed);
  Scram repeated(Plain());
  ASSERT_EQ(repeated.GiveFirst(), Step::kNeedsKeys);
  EXPECT_EQ(repeated.GiveFirst(), Step::kMalformed);
  ServerLogin no_question = Login();
  std::string out;
  EXPECT_EQ(no_question.OnKeys(DeriveKeys("pencil", kSalt, kIterations), out), Step::kMalformed);
  EXPECT_TRUE(out.empty());
}

TEST(ServerLogin, MechanismLists) {
  for (const std::string& list : {std::string(), std::string("SCRAM-SHA-256"), Z("SCRAM-SHA-256"), Z("SCRAM-SHA-256") + Z("") + "x",
                                  std::string(1, '\0'), Z("SCRAM-SHA-256-PLUS") + '\0', Z("scram-sha-256") + '\0'}) {
    ServerLogin login = Login();
    EXPECT_EQ(Give(login, 'R', Big32(10) + list), Step::kMalformed) << list;
  }
}

TEST(ServerLogin, MethodsThatAreNotSpokenAreNamed) {
  for (const uint32_t code : {1u, 2u, 4u, 6u, 7u, 8u, 9u, 13u, 0xffffffffu}) {
    ServerLogin login = Login();
    EXPECT_EQ(Give(login, 'R', Big32(code)), Step::kMalformed);
    EXPECT_NE(login.why().find(std::to_string(code)), std::string::npos);
  }
  for (size_t size = 0; size < 4; ++size) {
    ServerLogin login = Login();
    EXPECT_EQ(Give(login, 'R', std::string(size, '\0')), Step::kMalformed);
  }
  ServerLogin trailing = Login();
  EXPECT_EQ(Give(trailing, 'R', Big32(0) + "x"), Step::kMalformed);
  ServerLogin twice = LoggedIn();
  EXPECT_EQ(Give(twice, 'R', Big32(0)), Step::kMalformed);
}

TEST(ServerLogin, EveryOtherMessageType) {
  for (int type = 0; type < 256; ++type) {
    const char c = static_cast<char>(type);
    if (c != 'E' && c != 'N' && c != 'R' && c != 'v') {
      ServerLogin before = Login();
      EXPECT_EQ(Give(before, c, "I"), Step::kMalformed) << type;
    }
    if (c != 'E' && c != 'N' && c != 'S' && c != 'K' && c != 'Z') {
      ServerLogin after = LoggedIn();
      EXPECT_EQ(Give(after, c, Big32(0)), Step::kMalformed) << type;
    }
  }
}

TEST(ServerLogin, CancelKeySizes) {
  for (const size_t size : {4u, 5u, 32u, 255u, 256u}) {
    ServerLogin login = LoggedIn();
    EXPECT_EQ(Give(login, 'K', Big32(0x80000001) + std::string(size, 'k')), Step::kContinue);
    EXPECT_EQ(login.cancel_key(), std::string(size, 'k'));
    EXPECT_EQ(login.process_id(), 0x80000001u);
  }
  for (const size_t size : {0u, 3u, 257u, 100000u}) {
    ServerLogin login = LoggedIn();
    EXPECT_EQ(Give(login, 'K', Big32(1) + std::string(size, 'k')), Step::kMalformed) << size;
  }
  for (size_t size = 0; size < 4; ++size) {
    ServerLogin login = LoggedIn();
    EXPECT_EQ(Give(login, 'K', std::string(size, 'k')), Step::kMalformed);
  }
}

TEST(ServerLogin, ParameterStatusLimits) {
  for (const std::string& body : {std::string(), std::string("name"), Z("name"), Z("name") + "value", Z("name") + Z("value") + "x",
                                  Z("") + Z("value")}) {
    ServerLogin login = LoggedIn();
    EXPECT_EQ(Give(login, 'S', body), Step::kMalformed);
  }
  ServerLogin many = LoggedIn();
  for (size_t i = 0; i < kServerParametersMax; ++i) ASSERT_EQ(Give(many, 'S', Z("n" + std::to_string(i)) + Z("v")), Step::kContinue);
  EXPECT_EQ(Give(many, 'S', Z("n0") + Z("again")), Step::kContinue) << "a new value is no new parameter";
  EXPECT_EQ(Give(many, 'S', Z("one more") + Z("v")), Step::kMalformed);

  ServerLogin large = LoggedIn();
  EXPECT_EQ(Give(large, 'S', Z("n") + Z(std::string(kServerParameterBytesMax - 1, 'v'))), Step::kContinue);
  EXPECT_EQ(Give(large, 'S', Z("n") + Z("v")), Step::kContinue) << "the large value is gone";
  EXPECT_EQ(Give(large, 'S', Z("n") + Z(std::string(kServerParameterBytesMax, 'v'))), Step::kMalformed);
}

TEST(ServerLogin, ReadyForQueryMustBeIdle) {
  for (const std::string& body : {std::string(), std::string("T"), std::string("E"), std::string("II"), std::string(1, '\0')}) {
    ServerLogin login = LoggedIn();
    EXPECT_EQ(Give(login, 'Z', body), Step::kMalformed);
  }
}

TEST(ServerLogin, ErrorResponseIsKeptAsSent) {
  std::string out;
  WriteError(out, ErrorCode::kPasswordFailed, "anna");
  const std::string body = Split(out).at(0).body;
  for (ServerLogin login : {Login(), LoggedIn()}) {
    EXPECT_EQ(Give(login, 'E', body), Step::kRefused);
    EXPECT_EQ(login.server_error(), body);
    EXPECT_EQ(ParseErrorFields(login.server_error()).sqlstate, "28P01");
    EXPECT_EQ(Give(login, 'R', Big32(0)), Step::kMalformed) << "after the end";
  }
  Scram scram(Plain());
  ASSERT_EQ(scram.GiveFirst(), Step::kNeedsKeys);
  EXPECT_EQ(Give(scram.login, 'E', body), Step::kRefused);
}

TEST(ServerLogin, HostileErrorResponsesBecomeWellFormed) {
  const std::pair<std::string, std::string> cases[] = {
      {"", std::string(1, '\0')},
      {std::string(1, '\0'), std::string(1, '\0')},
      {"M", Z("M") + '\0'},
      {"Mno terminator", Z("Mno terminator") + '\0'},
      {Z("Mno end"), Z("Mno end") + '\0'},
      {Z("Mno sqlstate") + '\0', Z("Mno sqlstate") + '\0'},
      {Z("Mwell") + '\0' + "trailing", Z("Mwell") + '\0'},
  };
  for (const auto& [body, kept] : cases) {
    ServerLogin login = Login();
    EXPECT_EQ(Give(login, 'E', body), Step::kRefused);
    EXPECT_EQ(login.server_error(), kept);
    EXPECT_EQ(ParseErrorFields(login.server_error()).sqlstate, "");
  }
}

TEST(ServerLogin, LongErrorResponsesAreCutAtTheLimit) {
  // Around the limit: a last field that fits, that just fits, that is cut, and one that starts where no room is left.
  for (size_t first = kServerErrorBytesMax - 12; first < kServerErrorBytesMax + 4; ++first) {
    const std::string body = Z("M" + std::string(first, 'm')) + Z("Dd") + '\0';
    ServerLogin login = Login();
    EXPECT_EQ(Give(login, 'E', body), Step::kRefused);
    const std::string& kept = login.server_error();
    EXPECT_LE(kept.size(), kServerErrorBytesMax);
    EXPECT_EQ(kept.substr(kept.size() - 2), std::string(2, '\0'));
    EXPECT_EQ(kept.find(std::string(2, '\0')), kept.size() - 2) << "an empty field in the middle ends the message";
    EXPECT_EQ(kept == body, body.size() <= kServerErrorBytesMax) << first;
  }
  ServerLogin login = Login();
  EXPECT_EQ(Give(login, 'E', std::string(10 << 20, 'M')), Step::kRefused);
  EXPECT_EQ(login.server_error().size(), kServerErrorBytesMax);
}

TEST(ServerLogin, NegotiateProtocolVersion) {
  for (const uint32_t version : {0x00030000u, 0u}) {
    ServerLogin login = Login();
    EXPECT_EQ(Give(login, 'v', Big32(version) + Big32(0)), Step::kContinue);
    EXPECT_EQ(Give(login, 'R', Big32(0)), Step::kContinue);
  }
  for (const std::string& body : {std::string(), Big32(0x00030000), Big32(0x00030002) + Big32(0), Big32(0x00020000) + Big32(0),
                                  Big32(0x00030000) + Big32(1), Big32(0x00030000) + Big32(1) + Z("_pq_.x"), Big32(0x00030000) + Big32(0) + "x"}) {
    ServerLogin login = Login();
    EXPECT_EQ(Give(login, 'v', body), Step::kMalformed);
  }
  ServerLogin late = LoggedIn();
  EXPECT_EQ(Give(late, 'v', Big32(0x00030000) + Big32(0)), Step::kMalformed);
}

TEST(ServerLogin, NoWhyHoldsTheSecret) {
  ServerLogin login = Login(Plain("hunter2"));
  EXPECT_EQ(Give(login, 'R', Big32(9)), Step::kMalformed);
  EXPECT_EQ(login.why().find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace protocol
