#include "protocol/client_login.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

using Step = ClientLogin::Step;

constexpr int kIterations = 4096;
const std::string kSalt = "0123456789abcdef";

std::string ScramSecret(std::string_view password) { return FormatVerifier(VerifierOf(DeriveKeys(password, kSalt, kIterations))); }

ClientLoginOptions Options(LoginMethod method, std::optional<std::string> secret) {
  ClientLoginOptions options;
  options.method = method;
  options.user = "anna";
  if (ClientLogin::NeedsDerivation(method, secret)) options.derived = VerifierOf(DeriveKeys(*secret, kSalt, kIterations));
  options.secret = std::move(secret);
  for (size_t i = 0; i < kLoginRandomBytes; ++i) options.random.push_back(static_cast<char>(200 + i));
  options.process_secret = "process secret";
  options.scram_iterations = kIterations;
  return options;
}

// What the server said, message by message, and how it ended.
struct Conversation {
  Step step = Step::kMalformed;
  std::vector<WrittenMessage> messages;
  std::string shape;  // type, code and size of each message, and the end
};

// Talks as a client that has `password` and does whatever the server asks for.
Conversation Talk(ClientLogin& login, std::string_view password) {
  Conversation conversation;
  ScramClient scram("clientnonceclientnonce");
  std::string out;
  conversation.step = login.Start(out);
  while (true) {
    const auto messages = Split(out);
    EXPECT_LE(messages.size(), 1u);
    for (const auto& message : messages) {
      EXPECT_EQ(message.type, 'R');
      EXPECT_GE(message.body.size(), 4u);
      conversation.messages.push_back(message);
      conversation.shape += std::to_string(ReadUint32(message.body.data())) + "/" + std::to_string(message.body.size()) + " ";
    }
    if (conversation.step != Step::kContinue || messages.empty()) break;
    const std::string& body = messages[0].body;
    const std::string_view rest = std::string_view(body).substr(4);
    std::string answer;
    switch (ReadUint32(body.data())) {
      case 3: answer = Z(password); break;
      case 5: answer = Z(Md5Response(Md5Secret("anna", password), rest)); break;
      case 10: answer = Z("SCRAM-SHA-256") + Big32(static_cast<uint32_t>(scram.First().size())) + scram.First(); break;
      case 11: {
        const auto challenge = scram.OnServerFirst(rest);
        EXPECT_TRUE(challenge);
        if (!challenge) return conversation;
        answer = scram.Final(DeriveKeys(password, challenge->salt, challenge->iterations));
        break;
      }
      default: ADD_FAILURE() << "unexpected request"; return conversation;
    }
    out.clear();
    const ExactCopy exact(answer);
    conversation.step = login.OnPasswordMessage(exact.view(), out);
  }
  if (conversation.step == Step::kAccepted && !conversation.messages.empty() && ReadUint32(conversation.messages.back().body.data()) == 12) {
    EXPECT_EQ(scram.OnServerFinal(std::string_view(conversation.messages.back().body).substr(4)), true);
  }
  conversation.shape += std::to_string(static_cast<int>(conversation.step));
  return conversation;
}

Conversation Talk(LoginMethod method, std::optional<std::string> secret, std::string_view password) {
  ClientLogin login(Options(method, std::move(secret)));
  return Talk(login, password);
}

uint32_t FirstRequest(const Conversation& conversation) {
  return conversation.messages.empty() ? 0 : ReadUint32(conversation.messages[0].body.data());
}

TEST(ClientLogin, EveryCellOfMethodAndSecret) {
  struct Cell {
    LoginMethod method;
    SecretKind kind;
    uint32_t request;  // the code of the first message
    bool can_succeed;
  };
  for (const Cell& cell : {Cell{LoginMethod::kPassword, SecretKind::kPlain, 3, true},
                           Cell{LoginMethod::kPassword, SecretKind::kMd5, 3, true},
                           Cell{LoginMethod::kPassword, SecretKind::kScram, 3, true},
                           Cell{LoginMethod::kMd5, SecretKind::kPlain, 5, true},
                           Cell{LoginMethod::kMd5, SecretKind::kMd5, 5, true},
                           Cell{LoginMethod::kMd5, SecretKind::kScram, 10, true},
                           Cell{LoginMethod::kScramSha256, SecretKind::kPlain, 10, true},
                           Cell{LoginMethod::kScramSha256, SecretKind::kMd5, 10, false},
                           Cell{LoginMethod::kScramSha256, SecretKind::kScram, 10, true}}) {
    SCOPED_TRACE(testing::Message() << static_cast<int>(cell.method) << " x " << static_cast<int>(cell.kind));
    const std::string secret = cell.kind == SecretKind::kPlain ? "pencil"
                               : cell.kind == SecretKind::kMd5 ? Md5Secret("anna", "pencil")
                                                               : ScramSecret("pencil");
    ClientLogin right(Options(cell.method, secret));
    const Conversation right_talk = Talk(right, "pencil");
    EXPECT_EQ(FirstRequest(right_talk), cell.request);
    EXPECT_EQ(right_talk.step, cell.can_succeed ? Step::kAccepted : Step::kRefused) << right.why();
    EXPECT_EQ(right.cleartext(), cell.request == 3 ? "pencil" : "");
    const bool has_keys = cell.request == 10 && cell.kind == SecretKind::kScram;
    ASSERT_EQ(right.scram_keys().has_value(), has_keys);
    if (has_keys) {
      const ScramKeys expected = DeriveKeys("pencil", kSalt, kIterations);
      EXPECT_EQ(right.scram_keys()->client_key, expected.client_key);
      EXPECT_EQ(right.scram_keys()->server_key, expected.server_key);
      EXPECT_EQ(right.scram_keys()->salt, kSalt);
      EXPECT_EQ(right.scram_keys()->iterations, kIterations);
    }

    ClientLogin wrong(Options(cell.method, secret));
    const Conversation wrong_talk = Talk(wrong, "Pencil");
    EXPECT_EQ(wrong_talk.step, Step::kRefused);
    EXPECT_EQ(wrong.cleartext(), "");
    EXPECT_FALSE(wrong.scram_keys());
    EXPECT_NE(wrong.why(), "");
    EXPECT_EQ(wrong.why().find("encil"), std::string::npos) << "a password in a log text";
    // The stored secret itself, typed as a password, opens nothing.
    if (cell.kind != SecretKind::kPlain) {
      EXPECT_EQ(Talk(cell.method, secret, secret).step, Step::kRefused);
    }

    // Unknown user: the same messages of the same sizes. (With md5 a stored SCRAM verifier shows, as in PostgreSQL.)
    if (!(cell.method == LoginMethod::kMd5 && cell.kind == SecretKind::kScram)) {
      ClientLogin unknown(Options(cell.method, std::nullopt));
      EXPECT_EQ(Talk(unknown, "pencil").shape, wrong_talk.shape);
      EXPECT_EQ(unknown.why(), "unknown user");
    }
  }
}

TEST(ClientLogin, TrustWantsAKnownUser) {
  EXPECT_EQ(Talk(LoginMethod::kTrust, "pencil", "").step, Step::kAccepted);
  EXPECT_EQ(Talk(LoginMethod::kTrust, "", "").step, Step::kAccepted);
  EXPECT_EQ(Talk(LoginMethod::kTrust, std::nullopt, "").step, Step::kRefused);
  EXPECT_TRUE(Talk(LoginMethod::kTrust, "pencil", "").messages.empty());
}

TEST(ClientLogin, CertAndPeerWantAKnownUserAndAnIdentityThatIsTheirs) {
  for (const LoginMethod method : {LoginMethod::kCert, LoginMethod::kPeer}) {
    ClientLoginOptions known = Options(method, "");
    ClientLogin unlooked(known);
    EXPECT_EQ(Talk(unlooked, "").step, Step::kRefused) << "nobody has looked";
    known.identity_fault = "the certificate is of 'bert'";
    ClientLogin other(known);
    EXPECT_EQ(Talk(other, "").step, Step::kRefused);
    EXPECT_EQ(other.why(), "the certificate is of 'bert'");
    known.identity_fault = "";
    ClientLogin right(known);
    const Conversation talk = Talk(right, "");
    EXPECT_EQ(talk.step, Step::kAccepted);
    EXPECT_TRUE(talk.messages.empty()) << "nothing before the welcome";
    known.secret.reset();
    ClientLogin unknown(known);
    EXPECT_EQ(Talk(unknown, "").step, Step::kRefused);
    EXPECT_EQ(unknown.why(), "unknown user");
  }
}

TEST(ClientLogin, WhoIsAskedNothingNeedsNoObject) {
  using Fault = std::optional<std::string>;
  for (const LoginMethod method : {LoginMethod::kTrust, LoginMethod::kCert, LoginMethod::kPeer, LoginMethod::kAny}) {
    EXPECT_TRUE(AsksNothing(method));
    for (const bool is_known : {false, true}) {
      for (const Fault& fault : {Fault(), Fault(""), Fault("the peer is 'bert'")}) {
        ClientLoginOptions options = Options(method, is_known ? std::optional<std::string>("pencil") : std::nullopt);
        options.identity_fault = fault;
        ClientLogin login(options);
        EXPECT_EQ(FaultUnasked(method, is_known, fault).empty(), Talk(login, "").step == Step::kAccepted);
        EXPECT_EQ(FaultUnasked(method, is_known, fault), login.why());
      }
    }
  }
  for (const LoginMethod method : {LoginMethod::kPassword, LoginMethod::kMd5, LoginMethod::kScramSha256, LoginMethod::kOutside}) {
    EXPECT_FALSE(AsksNothing(method));
    EXPECT_FALSE(FaultUnasked(method, true, "").empty()) << "it fails closed";
  }
}

TEST(ClientLogin, AnyLooksAtNothing) {
  for (const auto& secret : {std::optional<std::string>(), std::optional<std::string>(""), std::optional<std::string>("pencil")}) {
    ClientLogin login(Options(LoginMethod::kAny, secret));
    EXPECT_EQ(Talk(login, "").step, Step::kAccepted);
  }
}

TEST(ClientLogin, AnEmptySecretOpensNothing) {
  for (const LoginMethod method : {LoginMethod::kPassword, LoginMethod::kMd5, LoginMethod::kScramSha256}) {
    ClientLogin login(Options(method, ""));
    EXPECT_EQ(Talk(login, "").step, Step::kRefused);
    EXPECT_EQ(Talk(method, "", "x").shape, Talk(method, std::nullopt, "x").shape);
  }
  EXPECT_EQ(Talk(LoginMethod::kPassword, "pencil", "").step, Step::kRefused);
}

TEST(ClientLogin, AMalformedVerifierOpensNothing) {
  const std::string secret = "SCRAM-SHA-256$4096:x$y:z";
  for (const LoginMethod method : {LoginMethod::kPassword, LoginMethod::kMd5, LoginMethod::kScramSha256}) {
    EXPECT_EQ(Talk(method, secret, secret).step, Step::kRefused);
    EXPECT_EQ(Talk(method, secret, "pencil").step, Step::kRefused);
  }
}

TEST(ClientLogin, WithoutADerivedVerifierOrRandomnessItFailsClosed) {
  ClientLoginOptions options = Options(LoginMethod::kScramSha256, "pencil");
  options.derived.reset();
  ClientLogin no_verifier(options);
  EXPECT_EQ(Talk(no_verifier, "pencil").step, Step::kRefused);
  EXPECT_NE(no_verifier.why().find("derived"), std::string::npos);

  options = Options(LoginMethod::kPassword, "pencil");
  options.random.pop_back();
  ClientLogin no_randomness(options);
  std::string out;
  EXPECT_EQ(no_randomness.Start(out), Step::kRefused);
  EXPECT_TRUE(out.empty());
}

TEST(ClientLogin, NeedsDerivation) {
  EXPECT_TRUE(ClientLogin::NeedsDerivation(LoginMethod::kScramSha256, "pencil"));
  EXPECT_FALSE(ClientLogin::NeedsDerivation(LoginMethod::kScramSha256, ScramSecret("pencil")));
  EXPECT_FALSE(ClientLogin::NeedsDerivation(LoginMethod::kScramSha256, Md5Secret("anna", "pencil")));
  EXPECT_FALSE(ClientLogin::NeedsDerivation(LoginMethod::kScramSha256, std::nullopt));
  EXPECT_FALSE(ClientLogin::NeedsDerivation(LoginMethod::kScramSha256, ""));
  EXPECT_FALSE(ClientLogin::NeedsDerivation(LoginMethod::kMd5, "pencil"));
}

TEST(ClientLogin, SlowStepsAreAnnounced) {
  const auto is_slow = [](LoginMethod method, std::optional<std::string> secret) {
    ClientLogin login(Options(method, std::move(secret)));
    std::string out;
    login.Start(out);
    return login.IsNextStepSlow();
  };
  EXPECT_TRUE(is_slow(LoginMethod::kPassword, ScramSecret("pencil")));
  EXPECT_TRUE(is_slow(LoginMethod::kPassword, std::nullopt));
  EXPECT_FALSE(is_slow(LoginMethod::kPassword, "pencil"));
  EXPECT_FALSE(is_slow(LoginMethod::kPassword, Md5Secret("anna", "pencil")));
  EXPECT_FALSE(is_slow(LoginMethod::kScramSha256, ScramSecret("pencil")));
  EXPECT_FALSE(is_slow(LoginMethod::kMd5, std::nullopt));
}

TEST(ClientLogin, NoncesAndSaltsComeFromTheRandomness) {
  ClientLoginOptions options = Options(LoginMethod::kMd5, "pencil");
  ClientLogin login(options);
  EXPECT_EQ(Talk(login, "pencil").messages[0].body.substr(4), options.random.substr(18, 4));
  ClientLogin scram(Options(LoginMethod::kScramSha256, "pencil"));
  const Conversation talk = Talk(scram, "pencil");
  EXPECT_NE(talk.messages.at(1).body.find("r=clientnonceclientnonce" + Base64(options.random.substr(0, 18)) + ","), std::string::npos);
}

TEST(ClientLogin, AnUnknownUserMeetsTheSameSaltAgain) {
  const auto salt_of = [](std::optional<std::string> secret) {
    const Conversation talk = Talk(LoginMethod::kScramSha256, std::move(secret), "x");
    const std::string& body = talk.messages.at(1).body;
    return body.substr(body.find(",s="));
  };
  EXPECT_EQ(salt_of(std::nullopt), salt_of(std::nullopt));
  EXPECT_EQ(salt_of(std::nullopt), salt_of(Md5Secret("anna", "x")));
}

Step Answer(LoginMethod method, std::string_view body) {
  ClientLogin login(Options(method, "pencil"));
  std::string out;
  EXPECT_EQ(login.Start(out), Step::kContinue);
  out.clear();
  const ExactCopy exact(body);
  const Step step = login.OnPasswordMessage(exact.view(), out);
  if (step == Step::kMalformed || step == Step::kRefused) {
    EXPECT_TRUE(out.empty());
    EXPECT_NE(login.why(), "");
  }
  // Nothing comes after the end.
  if (step != Step::kContinue) {
    EXPECT_EQ(login.OnPasswordMessage(Z("pencil"), out), Step::kMalformed);
  }
  return step;
}

TEST(ClientLogin, MalformedPasswordMessages) {
  for (const LoginMethod method : {LoginMethod::kPassword, LoginMethod::kMd5}) {
    for (const std::string& body : {std::string(), std::string("pencil"), std::string("pen\0cil\0", 8), std::string("pencil\0\0", 8),
                                    std::string("\0\0", 2), std::string(kPasswordBytesMax, 'x') + '\0'}) {
      EXPECT_EQ(Answer(method, body), Step::kMalformed) << body.size();
    }
    EXPECT_EQ(Answer(method, Z("x")), Step::kRefused);
    EXPECT_EQ(Answer(method, Z("")), Step::kRefused);
    EXPECT_EQ(Answer(method, Z(std::string(kPasswordBytesMax - 1, 'x'))), Step::kRefused);
  }
}

TEST(ClientLogin, MalformedInitialSaslResponses) {
  const std::string first = "n,,n=,r=abc";
  const std::string whole = Z("SCRAM-SHA-256") + Big32(static_cast<uint32_t>(first.size())) + first;
  EXPECT_EQ(Answer(LoginMethod::kScramSha256, whole), Step::kContinue);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(Answer(LoginMethod::kScramSha256, whole.substr(0, size)), Step::kMalformed) << size;
  }
  for (const std::string& body :
       {whole + "x", Z("SCRAM-SHA-256") + Big32(0xffffffff), Z("SCRAM-SHA-256") + Big32(0xffffffff) + first,
        Z("SCRAM-SHA-256-PLUS") + Big32(11) + first, Z("") + Big32(11) + first, Z("scram-sha-256") + Big32(11) + first,
        Z("SCRAM-SHA-256") + Big32(0), Z("pencil")}) {
    EXPECT_EQ(Answer(LoginMethod::kScramSha256, body), Step::kMalformed);
  }
}

TEST(ClientLogin, MalformedFinalSaslResponse) {
  ClientLogin login(Options(LoginMethod::kScramSha256, "pencil"));
  std::string out;
  login.Start(out);
  ASSERT_EQ(login.OnPasswordMessage(Z("SCRAM-SHA-256") + Big32(11) + "n,,n=,r=abc", out), Step::kContinue);
  EXPECT_EQ(login.OnPasswordMessage("c=biws,r=abc,p=AAAA", out), Step::kMalformed);
}

TEST(ClientLogin, OutOfTurn) {
  ClientLogin login(Options(LoginMethod::kPassword, "pencil"));
  std::string out;
  EXPECT_EQ(login.OnPasswordMessage(Z("pencil"), out), Step::kMalformed) << "before Start";
  EXPECT_EQ(login.Start(out), Step::kMalformed);
  EXPECT_EQ(login.OnPasswordMessage(Z("pencil"), out), Step::kMalformed);
  EXPECT_TRUE(out.empty());
  ClientLogin trusted(Options(LoginMethod::kTrust, "pencil"));
  EXPECT_EQ(trusted.Start(out), Step::kAccepted);
  EXPECT_EQ(trusted.OnPasswordMessage(Z("pencil"), out), Step::kMalformed);
}

// --- outside: somebody else knows ---

TEST(ClientLogin, OutsideAsksForClearTextAndLeavesTheAnswerToTheCaller) {
  ClientLogin login(Options(LoginMethod::kOutside, std::nullopt));
  std::string out;
  ASSERT_EQ(login.Start(out), Step::kContinue);
  EXPECT_EQ(ReadUint32(Split(out).at(0).body.data()), 3u);
  EXPECT_FALSE(login.IsNextStepSlow()) << "the caller asks on a thread of its own";
  out.clear();
  ASSERT_EQ(login.OnPasswordMessage(Z("pencil"), out), Step::kAskOutside);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(login.cleartext(), "pencil");
  EXPECT_EQ(login.OnOutsideAnswer(""), Step::kAccepted);
  EXPECT_EQ(login.cleartext(), "pencil") << "for the servers";
  EXPECT_FALSE(login.scram_keys());
}

TEST(ClientLogin, OutsideRefusalForgetsThePassword) {
  ClientLogin login(Options(LoginMethod::kOutside, "pencil"));
  std::string out;
  login.Start(out);
  ASSERT_EQ(login.OnPasswordMessage(Z("pencil"), out), Step::kAskOutside) << "a secret of the configuration does not matter";
  EXPECT_EQ(login.OnOutsideAnswer("no such entry"), Step::kRefused);
  EXPECT_EQ(login.why(), "no such entry");
  EXPECT_EQ(login.cleartext(), "");
  EXPECT_EQ(login.OnOutsideAnswer(""), Step::kMalformed) << "a second answer changes nothing";
}

TEST(ClientLogin, OutsideIsNotAskedAboutAnEmptyOrMalformedPassword) {
  EXPECT_EQ(Answer(LoginMethod::kOutside, Z("")), Step::kRefused);
  EXPECT_EQ(Answer(LoginMethod::kOutside, "pencil"), Step::kMalformed);
  EXPECT_EQ(Answer(LoginMethod::kOutside, Z("pen") + Z("cil")), Step::kMalformed);
  ClientLogin login(Options(LoginMethod::kOutside, std::nullopt));
  std::string out;
  login.Start(out);
  EXPECT_EQ(login.OnOutsideAnswer(""), Step::kMalformed) << "nobody has been asked";
}

TEST(ClientLogin, OutsideSecondPasswordIsMalformed) {
  ClientLogin login(Options(LoginMethod::kOutside, std::nullopt));
  std::string out;
  login.Start(out);
  ASSERT_EQ(login.OnPasswordMessage(Z("one"), out), Step::kAskOutside);
  EXPECT_EQ(login.OnPasswordMessage(Z("two"), out), Step::kMalformed);
}

}  // namespace
}  // namespace protocol
