// A hostile server: ServerLogin is fed a stream that is cut into messages as the wire has them (type, length, body).
// Input: one byte chooses the credentials, then the stream.
#include "protocol/message_writer.h"
#include "protocol/server_login.h"
#include "tests/fuzz/require.h"

namespace {

using namespace protocol;

constexpr int kAffordableIterations = 100;

ServerCredentials CredentialsOf(unsigned choice) {
  static const ScramKeys kKeys = DeriveKeys("pencil", "salt", 1);
  ServerCredentials credentials;
  credentials.user = "anna";
  if (choice & 1) credentials.secret = "pencil";
  if (choice & 2) credentials.secret = Md5Secret("anna", "pencil");
  if (choice & 4) credentials.keys = kKeys;
  return credentials;
}

ScramKeys KeysFor(const ScramClient::Challenge& challenge) {
  if (challenge.iterations <= kAffordableIterations) return DeriveKeys("pencil", challenge.salt, challenge.iterations);
  ScramKeys keys;
  keys.iterations = challenge.iterations;
  keys.salt = challenge.salt;
  keys.client_key.assign(32, 'c');
  keys.server_key.assign(32, 's');
  return keys;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (rest.empty()) return 0;
  const auto choice = static_cast<unsigned char>(rest[0]);
  ServerChannel channel{.is_encrypted = (choice & 8) != 0};
  if (choice & 16) channel.binding.assign(32, 'h');
  ServerLogin login(CredentialsOf(choice), "clientnonce", channel);
  rest.remove_prefix(1);
  std::string out;
  auto step = ServerLogin::Step::kContinue;
  bool asked_for_scram = false;
  bool sent_its_proof = false;
  while (step == ServerLogin::Step::kContinue && rest.size() >= 5) {
    const size_t length = ReadUint32(rest.data() + 1);
    if (length < 4 || length + 1 > rest.size()) break;
    const char type = rest[0];
    const std::string body(rest.substr(5, length - 4));
    rest.remove_prefix(length + 1);
    step = login.OnMessage(type, body, out);
    if (step == ServerLogin::Step::kNeedsKeys) {
      Require(login.challenge().iterations >= 1 && login.challenge().iterations <= kIterationsMax);
      step = login.OnKeys(KeysFor(login.challenge()), out);
      Require(step == ServerLogin::Step::kContinue);
    }
    if (type == 'R' && body.size() >= 4 && step == ServerLogin::Step::kContinue) {
      asked_for_scram = asked_for_scram || ReadUint32(body.data()) == 10;
      sent_its_proof = sent_its_proof || ReadUint32(body.data()) == 12;
    }
  }
  Require(out.size() < 10000);
  Require(login.server_error().size() <= kServerErrorBytesMax);
  Require(login.parameters().size() <= kServerParametersMax);
  Require(login.cancel_key().empty() || (login.cancel_key().size() >= 4 && login.cancel_key().size() <= 256));
  if (step == ServerLogin::Step::kReady) Require(!asked_for_scram || sent_its_proof);
  if (step == ServerLogin::Step::kMalformed) Require(!login.why().empty());
  if (step == ServerLogin::Step::kRefused) Require(!login.server_error().empty() && login.server_error().back() == '\0');
  return 0;
}
