// A hostile server answers auth_query: AuthQueryReader is fed a stream that is cut into messages as the wire has them.
// Whatever comes, only one row with exactly the name that was asked for gives a secret, and what fails gives none.
#include "protocol/auth_query.h"
#include "protocol/message_writer.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace protocol;
  using Kind = AuthQueryAnswer::Kind;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  AuthQueryReader reader("anna");
  auto step = AuthQueryReader::Step::kContinue;
  bool has_name = false;
  while (step == AuthQueryReader::Step::kContinue && rest.size() >= 5) {
    const size_t length = ReadUint32(rest.data() + 1);
    if (length < 4 || length + 1 > rest.size()) break;
    const std::string body(rest.substr(5, length - 4));  // of its exact size
    has_name = has_name || body.find("anna") != std::string::npos;
    step = reader.OnMessage(rest[0], body);
    rest.remove_prefix(length + 1);
  }
  const AuthQueryAnswer& answer = reader.answer();
  Require(answer.secret.size() <= kLookedUpSecretBytesMax);
  Require(answer.secret.empty() || (answer.kind == Kind::kFound && has_name));
  Require(answer.kind != Kind::kFailed || !answer.remark.empty());
  Require(step != AuthQueryReader::Step::kBroken || answer.kind == Kind::kFailed);
  return 0;
}
