// A hostile client: ClientLogin is fed messages, in each method and with each form of secret; and the parsers of secrets.
// Input: one byte chooses method and secret, then messages, each with a length of two bytes before it.
#include <algorithm>

#include "protocol/client_login.h"
#include "tests/fuzz/require.h"

namespace {

using namespace protocol;

constexpr unsigned kBound = 160;  // from here on over TLS, with channel binding on offer

// The secret is md5("pencil" + "anna"), or the verifier of "pencil", of one iteration.
std::optional<std::string> SecretOf(unsigned choice) {
  static const std::string kVerifier = FormatVerifier(VerifierOf(DeriveKeys("pencil", "salt", 1)));
  switch (choice % 5) {
    case 0: return std::nullopt;
    case 1: return "pencil";
    case 2: return Md5Secret("anna", "pencil");
    case 3: return kVerifier;
    default: return "";
  }
}

ClientLoginOptions OptionsOf(unsigned choice) {
  static const ScramVerifier kDerived = VerifierOf(DeriveKeys("pencil", "salt", 1));
  ClientLoginOptions options;
  options.method = static_cast<LoginMethod>(choice / 5 % 4);
  options.user = "anna";
  options.secret = SecretOf(choice);
  if (ClientLogin::NeedsDerivation(options.method, options.secret)) options.derived = kDerived;
  options.random.assign(kLoginRandomBytes, 'r');
  options.process_secret = "process";
  options.scram_iterations = 1;
  if (choice >= kBound) options.channel_binding.assign(32, 'h');
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (rest.empty()) return 0;
  const auto choice = static_cast<unsigned char>(rest[0]);
  rest.remove_prefix(1);
  if (const auto verifier = ParseVerifier(rest)) Require(ParseVerifier(FormatVerifier(*verifier)).has_value());
  if (const auto bytes = FromBase64(rest)) Require(Base64(*bytes) == rest);
  const std::string prepared = PreparePassword(rest);
  Require(rest.empty() || !prepared.empty());

  ClientLogin login(OptionsOf(choice));
  std::string out;
  ClientLogin::Step step = login.Start(out);
  while (step == ClientLogin::Step::kContinue && rest.size() >= 2) {
    const size_t length = static_cast<size_t>(static_cast<unsigned char>(rest[0])) << 8 | static_cast<unsigned char>(rest[1]);
    const std::string message(rest.substr(2, length));
    rest.remove_prefix(std::min(rest.size(), length + 2));
    step = login.OnPasswordMessage(message, out);
  }
  const bool opens = choice % 5 != 0 && (choice % 5 != 4 || choice / 5 % 4 == 0);
  if (step == ClientLogin::Step::kAccepted) Require(opens);
  if (step == ClientLogin::Step::kRefused || step == ClientLogin::Step::kMalformed) Require(!login.why().empty());
  if (step != ClientLogin::Step::kAccepted) Require(!login.scram_keys() && login.cleartext().empty());
  return 0;
}
