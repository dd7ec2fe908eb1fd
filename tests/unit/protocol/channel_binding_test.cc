// SCRAM-SHA-256-PLUS: who binds to the same certificate gets in, and nobody is talked out of binding unnoticed.
#include <gtest/gtest.h>

#include "protocol/client_login.h"
#include "protocol/sasl.h"
#include "protocol/server_login.h"
#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

constexpr ScramMechanism kPlain = ScramMechanism::kPlain, kPlus = ScramMechanism::kPlus;
const std::string kBinding(32, 'h'), kAnotherBinding(32, 'i');

ScramKeys Keys() { return DeriveKeys("pencil", "salty salt", 7); }
ScramServer Server(const std::string& binding = kBinding) { return ScramServer(VerifierOf(Keys()), "server", binding); }

// "proven", "wrong password", or why it was refused.
std::string Exchange(ScramServer server, ScramClient client, ScramMechanism chosen) {
  const auto first = server.OnClientFirst(client.First(chosen), chosen);
  if (!first) return first.error();
  EXPECT_TRUE(client.OnServerFirst(*first));
  const auto final = server.OnClientFinal(client.Final(Keys()));
  if (!final) return final.error();
  if (!final->proven) return "wrong password";
  EXPECT_EQ(client.OnServerFinal(final->message), true);
  return "proven";
}

TEST(ChannelBinding, EachAgainstTheOther) {
  for (const size_t size : {32u, 48u, 64u}) {
    const std::string binding(size, '\xff');
    EXPECT_EQ(Exchange(Server(binding), ScramClient("client", binding), kPlus), "proven");
  }
  EXPECT_EQ(Exchange(Server(""), ScramClient("client"), kPlain), "proven");
  EXPECT_EQ(Exchange(Server(""), ScramClient("client", kBinding), kPlain), "proven") << "y: the server cannot";
  EXPECT_EQ(Exchange(Server(), ScramClient("client"), kPlain), "proven") << "n: the client cannot";
}

TEST(ChannelBinding, AnotherCertificateDoesNotFit) {
  EXPECT_NE(Exchange(Server(), ScramClient("client", kAnotherBinding), kPlus).find("does not fit"), std::string::npos);
  EXPECT_NE(Exchange(Server(), ScramClient("client", kBinding.substr(1)), kPlus).find("does not fit"), std::string::npos);
  EXPECT_NE(Exchange(Server(), ScramClient("client", kBinding + "h"), kPlus).find("does not fit"), std::string::npos);
}

TEST(ChannelBinding, WhoCouldHaveBoundIsToldOfADowngrade) {
  EXPECT_NE(Exchange(Server(), ScramClient("client", kBinding), kPlain).find("downgrade"), std::string::npos);
}

TEST(ChannelBinding, FlagsThatDoNotFitTheMechanism) {
  const auto take = [](std::string_view header, ScramMechanism chosen, const std::string& binding) {
    ScramServer server = Server(binding);
    const ExactCopy message(std::string(header) + "n=,r=abc");
    return server.OnClientFirst(message.view(), chosen).has_value();
  };
  EXPECT_TRUE(take("p=tls-server-end-point,,", kPlus, kBinding));
  EXPECT_TRUE(take("n,,", kPlain, kBinding));
  EXPECT_TRUE(take("y,,", kPlain, ""));
  for (const char* header : {"n,,", "y,,", "p=tls-unique,,", "p=tls-exporter,,", "p=,,", "p,,", "p=tls-server-end-point,a=x,", "p=tls-server-end-point,",
                             "p=tls-server-end-pointx,,", "P=tls-server-end-point,,", ""}) {
    EXPECT_FALSE(take(header, kPlus, kBinding)) << header;
  }
  EXPECT_FALSE(take("p=tls-server-end-point,,", kPlain, kBinding));
  EXPECT_FALSE(take("p=tls-server-end-point,,", kPlain, ""));
  EXPECT_FALSE(take("p=tls-server-end-point,,", kPlus, "")) << "not offered";
}

// The last message repeats header and certificate; whatever else stands there is refused before the proof is looked at.
TEST(ChannelBinding, TamperedBindings) {
  const auto final_with = [](const std::string& bound) {
    ScramServer server = Server();
    EXPECT_TRUE(server.OnClientFirst("p=tls-server-end-point,,n=,r=abc", kPlus));
    return server.OnClientFinal("c=" + bound + ",r=abcserver,p=" + Base64(std::string(32, 'p')));
  };
  const std::string header(kBoundHeader);
  EXPECT_TRUE(final_with(Base64(header + kBinding)).has_value()) << "a wrong proof is no error";
  for (const std::string& bound : {std::string(), std::string("biws"), std::string("eSws"), Base64(header), Base64(kBinding), Base64(header + kAnotherBinding),
                                   Base64("y,," + kBinding), Base64("n,,"), Base64(header + kBinding + "x"), Base64("p=tls-unique,," + kBinding)}) {
    EXPECT_FALSE(final_with(bound).has_value()) << bound;
  }
  const std::string right = Base64(header + kBinding);
  for (size_t i = 0; i < right.size(); ++i) EXPECT_FALSE(final_with(right.substr(0, i)).has_value());
}

// --- the whole login -----------------------------------------------------------------------------------------------------

ClientLoginOptions Options(const std::string& binding, bool is_known = true) {
  ClientLoginOptions options;
  options.user = "anna";
  if (is_known) options.secret = FormatVerifier(VerifierOf(Keys()));
  options.random.assign(kLoginRandomBytes, 'r');
  options.process_secret = "process";
  options.scram_iterations = 7;
  options.channel_binding = binding;
  return options;
}

std::string OfferOf(const ClientLoginOptions& options) {
  ClientLogin login(options);
  std::string out;
  EXPECT_EQ(login.Start(out), ClientLogin::Step::kContinue);
  return Split(out).at(0).body.substr(4);
}

std::string Initial(std::string_view mechanism, std::string_view message) {
  return Z(mechanism) + Big32(static_cast<uint32_t>(message.size())).append(message);
}

TEST(ChannelBinding, IsOfferedWhereThereIsACertificate) {
  EXPECT_EQ(OfferOf(Options("")), Z("SCRAM-SHA-256") + '\0');
  EXPECT_EQ(OfferOf(Options(kBinding)), Z("SCRAM-SHA-256-PLUS") + Z("SCRAM-SHA-256") + '\0');
  EXPECT_EQ(OfferOf(Options(kBinding, false)), OfferOf(Options(kBinding))) << "an unknown user sees the same";
}

TEST(ChannelBinding, AMechanismThatWasNotOfferedIsMalformed) {
  ClientLogin login(Options(""));
  std::string out;
  login.Start(out);
  EXPECT_EQ(login.OnPasswordMessage(Initial("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc"), out), ClientLogin::Step::kMalformed);
  ClientLogin downgraded(Options(kBinding));
  downgraded.Start(out);
  EXPECT_EQ(downgraded.OnPasswordMessage(Initial("SCRAM-SHA-256", "y,,n=,r=abc"), out), ClientLogin::Step::kMalformed);
  EXPECT_NE(downgraded.why().find("downgrade"), std::string::npos);
}

// Our own two sides against each other; the keys of the client pass through as without binding.
std::string LogIn(ClientLogin& server, ServerLogin& client, std::string* chosen = nullptr) {
  std::string to_client, to_server;
  auto step = server.Start(to_client);
  while (true) {
    for (const auto& message : Split(std::exchange(to_client, ""))) {
      const auto answer = client.OnMessage(message.type, message.body, to_server);
      if (answer == ServerLogin::Step::kNeedsKeys) client.OnKeys(DeriveKeys("pencil", client.challenge().salt, client.challenge().iterations), to_server);
      if (answer == ServerLogin::Step::kMalformed) return client.why();
    }
    if (step == ClientLogin::Step::kAccepted) return "accepted";
    if (step != ClientLogin::Step::kContinue) return server.why();
    const auto messages = Split(std::exchange(to_server, ""));
    if (messages.empty()) return "silence";
    if (chosen != nullptr && chosen->empty()) *chosen = messages[0].body.substr(0, messages[0].body.find('\0'));
    step = server.OnPasswordMessage(messages[0].body, to_client);
  }
}

std::string LogIn(const std::string& offered, ServerChannel channel, std::string* chosen = nullptr) {
  ClientLogin server(Options(offered));
  ServerLogin client({.user = "anna", .secret = "pencil", .keys = {}}, "clientnonce", std::move(channel));
  const std::string outcome = LogIn(server, client, chosen);
  EXPECT_EQ(server.scram_keys().has_value(), outcome == "accepted");
  return outcome;
}

TEST(ChannelBinding, IsChosenWhereItCanBe) {
  std::string chosen;
  EXPECT_EQ(LogIn(kBinding, {.is_encrypted = true, .binding = kBinding}, &chosen), "accepted");
  EXPECT_EQ(chosen, "SCRAM-SHA-256-PLUS");
  chosen.clear();
  EXPECT_EQ(LogIn("", {.is_encrypted = true, .binding = kBinding}, &chosen), "accepted");
  EXPECT_EQ(chosen, "SCRAM-SHA-256");
  chosen.clear();
  EXPECT_EQ(LogIn(kBinding, {.is_encrypted = true, .binding = ""}, &chosen), "accepted") << "our side of the certificate has no hash";
  EXPECT_EQ(chosen, "SCRAM-SHA-256");
  EXPECT_EQ(LogIn("", {}), "accepted");
}

TEST(ChannelBinding, SomebodyInTheMiddleIsNoticed) {
  EXPECT_NE(LogIn(kBinding, {.is_encrypted = true, .binding = kAnotherBinding}).find("does not fit"), std::string::npos);
  EXPECT_NE(LogIn(kBinding, {}).find("not encrypted"), std::string::npos) << "TLS ends before us";
}

TEST(ChannelBinding, AServerThatOffersOnlyPlus) {
  const std::string offer = Big32(10) + Z("SCRAM-SHA-256-PLUS") + '\0';
  std::string out;
  ServerLogin able({.user = "anna", .secret = "pencil", .keys = {}}, "nonce", {.is_encrypted = true, .binding = kBinding});
  EXPECT_EQ(able.OnMessage('R', offer, out), ServerLogin::Step::kContinue);
  ServerLogin unable({.user = "anna", .secret = "pencil", .keys = {}}, "nonce", {.is_encrypted = true, .binding = ""});
  EXPECT_EQ(unable.OnMessage('R', offer, out), ServerLogin::Step::kMalformed);
}

}  // namespace
}  // namespace protocol
