#include "protocol/server_login.h"

#include <algorithm>

#include "protocol/message_writer.h"
#include "protocol/sasl.h"
#include "protocol/startup.h"

namespace protocol {
namespace {

enum Authentication : uint32_t {
  kOk = 0,
  kCleartextPassword = 3,
  kMd5Password = 5,
  kSasl = 10,
  kSaslContinue = 11,
  kSaslFinalMessage = 12,
};

constexpr size_t kCancelKeyBytesMin = 4;
constexpr const char* kHowToKnow =
    "clients that log in by trust, cert or peer bring none: keep this user's plain password, or give the database a user and password";
constexpr size_t kMd5SaltBytes = 4;

// The zero-terminated string at the front of `rest`, which is moved behind the zero; nothing when there is no zero.
std::optional<std::string_view> TakeText(std::string_view& rest) {
  const size_t end = rest.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view text = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return text;
}

// The whole fields of an ErrorResponse that fit into kServerErrorBytesMax, and what fits of the one after them.
std::string WellFormedError(std::string_view body) {
  std::string error;
  while (!body.empty() && body.front() != '\0') {
    const size_t room = kServerErrorBytesMax - error.size() - 2;  // the zeros of this field and of the message
    if (room == 0) break;
    const std::string_view field = body.substr(0, body.find('\0'));
    error.append(field.substr(0, room));
    error.push_back('\0');
    if (field.size() >= room) break;
    body.remove_prefix(std::min(field.size() + 1, body.size()));
  }
  error.push_back('\0');
  return error;
}

bool Fit(const ScramKeys& keys, const ScramClient::Challenge& challenge) {
  return keys.iterations == challenge.iterations && keys.salt == challenge.salt &&
         keys.client_key.size() == kScramKeyBytes && keys.server_key.size() == kScramKeyBytes;
}

}  // namespace

ServerLogin::ServerLogin(ServerCredentials credentials, std::string client_nonce, ServerChannel channel)
    : credentials_(std::move(credentials)), channel_(std::move(channel)), scram_(std::move(client_nonce), channel_.binding) {}

ServerLogin::~ServerLogin() {
  if (credentials_.secret) Wipe(*credentials_.secret);
}

ServerLogin::Step ServerLogin::Malformed(std::string why) {
  state_ = State::kEnded;
  why_ = std::move(why);
  return Step::kMalformed;
}

std::optional<SecretKind> ServerLogin::Kind() const {
  if (!credentials_.secret || credentials_.secret->empty()) return std::nullopt;
  return KindOf(*credentials_.secret);
}

ServerLogin::Step ServerLogin::OnMessage(char type, std::string_view body, std::string& out) {
  if (state_ == State::kEnded) return Malformed("the server's login has already ended");
  switch (type) {
    case 'E':
      state_ = State::kEnded;
      server_error_ = WellFormedError(body);
      return Step::kRefused;
    case 'N': return Step::kContinue;
    case 'R': return OnAuthentication(body, out);
    case 'v': return OnNegotiate(body);
    default: break;
  }
  if (state_ != State::kAuthenticated) return Malformed("the server sent a message that login does not allow before it is proven");
  switch (type) {
    case 'S': return OnParameterStatus(body);
    case 'K': return OnBackendKeyData(body);
    case 'Z': return OnReady(body);
    default: return Malformed("the server sent a message that login does not allow");
  }
}

ServerLogin::Step ServerLogin::OnAuthentication(std::string_view body, std::string& out) {
  if (body.size() < 4) return Malformed("the server sent an authentication request without a code");
  const uint32_t code = ReadUint32(body.data());
  const std::string_view rest = body.substr(4);
  if (code == kSaslContinue && state_ == State::kSaslFirst) return OnSaslContinue(rest, out);
  if (code == kSaslFinalMessage && state_ == State::kSaslFinal) return OnSaslFinal(rest);
  if (code == kOk) {
    const bool is_unproven = state_ == State::kSaslFirst || state_ == State::kSaslKeys || state_ == State::kSaslFinal;
    if (is_unproven) return Malformed("the server sent AuthenticationOk without having proven itself in SCRAM");
    if (state_ == State::kAuthenticated) return Malformed("the server sent AuthenticationOk twice");
    if (!rest.empty()) return Malformed("the server sent a malformed AuthenticationOk");
    state_ = State::kAuthenticated;
    return Step::kContinue;
  }
  if (state_ != State::kAuth) return Malformed("the server sent an authentication request that is out of turn");
  switch (code) {
    case kCleartextPassword:
      return rest.empty() ? SendCleartext(out) : Malformed("the server sent a malformed request for a password");
    case kMd5Password: return SendMd5(rest, out);
    case kSasl: return StartScram(rest, out);
    case kSaslContinue:
    case kSaslFinalMessage: return Malformed("the server sent a SASL message before it asked for SASL");
    default: break;
  }
  return Malformed("the server asks for authentication method " + std::to_string(code) +
                   "; pgweir can do trust, password, md5 and scram-sha-256");
}

ServerLogin::Step ServerLogin::SendCleartext(std::string& out) {
  if (Kind() != SecretKind::kPlain) {
    return Malformed(std::string("the server asks for a cleartext password, which is not known; ") + kHowToKnow);
  }
  MessageWriter(out).Begin('p').Text(*credentials_.secret).End();
  state_ = State::kPasswordSent;
  return Step::kContinue;
}

ServerLogin::Step ServerLogin::SendMd5(std::string_view salt, std::string& out) {
  if (salt.size() != kMd5SaltBytes) return Malformed("the server sent a malformed request for an md5 password");
  const auto kind = Kind();
  if (kind != SecretKind::kPlain && kind != SecretKind::kMd5) {
    return Malformed(std::string("the server asks for an md5 password, and no plain or md5 secret is known; ") + kHowToKnow);
  }
  std::string secret =
      kind == SecretKind::kMd5 ? *credentials_.secret : Md5Secret(credentials_.user, *credentials_.secret);
  const std::string response = Md5Response(secret, salt);
  Wipe(secret);
  if (response.empty()) return Malformed("the server asks for an md5 password, and OpenSSL refuses md5");
  MessageWriter(out).Begin('p').Text(response).End();
  state_ = State::kPasswordSent;
  return Step::kContinue;
}

ServerLogin::Step ServerLogin::StartScram(std::string_view mechanisms, std::string& out) {
  bool has_scram = false, has_plus = false;
  for (;;) {
    const auto mechanism = TakeText(mechanisms);
    if (!mechanism) return Malformed("the server sent a malformed list of SASL mechanisms");
    if (mechanism->empty()) break;
    has_scram = has_scram || *mechanism == kScramSha256;
    has_plus = has_plus || *mechanism == kScramSha256Plus;
  }
  if (!mechanisms.empty()) return Malformed("the server sent a malformed list of SASL mechanisms");
  // It believes to be on TLS with us: somebody between ended that.
  if (has_plus && !channel_.is_encrypted) return Malformed("the server offers SCRAM-SHA-256-PLUS over a connection that is not encrypted");
  const bool is_plus = has_plus && !channel_.binding.empty();
  if (!has_scram && !is_plus) return Malformed("the server offers no SASL mechanism that pgweir can do (SCRAM-SHA-256)");
  if (!credentials_.keys && Kind() != SecretKind::kPlain) {
    return Malformed(
        std::string("the server asks for scram-sha-256, and neither a plain password nor the keys of a client are known; ") +
        kHowToKnow + ", or let its clients log in by scram-sha-256 with the same verifier as the server's");
  }
  const std::string first = scram_.First(is_plus ? ScramMechanism::kPlus : ScramMechanism::kPlain);
  MessageWriter(out).Begin('p').Text(is_plus ? kScramSha256Plus : kScramSha256).Int32(static_cast<int32_t>(first.size())).Bytes(first).End();
  state_ = State::kSaslFirst;
  return Step::kContinue;
}

ServerLogin::Step ServerLogin::OnSaslContinue(std::string_view message, std::string& out) {
  auto challenge = scram_.OnServerFirst(message);
  if (!challenge) return Malformed(std::move(challenge.error()));
  challenge_ = std::move(*challenge);
  if (credentials_.keys && Fit(*credentials_.keys, challenge_)) return SendFinal(*credentials_.keys, out);
  if (Kind() != SecretKind::kPlain) {
    return Malformed(
        "the SCRAM keys of the client do not fit the server's salt and iterations; store the server's own verifier in pgweir, "
        "or configure a plain password for this user");
  }
  state_ = State::kSaslKeys;
  return Step::kNeedsKeys;
}

ServerLogin::Step ServerLogin::OnKeys(const ScramKeys& keys, std::string& out) {
  if (state_ != State::kSaslKeys) return Malformed("keys that were not asked for");
  if (!Fit(keys, challenge_)) return Malformed("keys for another salt or iteration count than the server's");
  derived_ = keys;
  return SendFinal(keys, out);
}

ServerLogin::Step ServerLogin::SendFinal(const ScramKeys& keys, std::string& out) {
  MessageWriter(out).Begin('p').Bytes(scram_.Final(keys)).End();
  state_ = State::kSaslFinal;
  return Step::kContinue;
}

ServerLogin::Step ServerLogin::OnSaslFinal(std::string_view message) {
  const auto is_proven = scram_.OnServerFinal(message);
  if (!is_proven) return Malformed(is_proven.error());
  if (!*is_proven) return Malformed("the server could not prove that it knows the password");
  state_ = State::kSaslDone;
  return Step::kContinue;
}

// We ask for 3.0 and for no options, so there is nothing to negotiate; PostgreSQL may say so all the same.
ServerLogin::Step ServerLogin::OnNegotiate(std::string_view body) {
  if (state_ != State::kAuth) return Malformed("the server negotiates the protocol version out of turn");
  if (body.size() != 8) return Malformed("the server negotiates protocol options that were not asked for");
  const uint32_t version = ReadUint32(body.data());
  const bool is_30 = version == kProtocol30 || version == 0;  // "minor version" in the documentation's words
  if (!is_30 || ReadUint32(body.data() + 4) != 0) return Malformed("the server negotiates a protocol that was not asked for");
  return Step::kContinue;
}

ServerLogin::Step ServerLogin::OnParameterStatus(std::string_view body) {
  const auto name = TakeText(body);
  const auto value = name ? TakeText(body) : std::nullopt;
  if (!value || name->empty() || !body.empty()) return Malformed("the server sent a malformed ParameterStatus");
  const auto known = std::find_if(parameters_.begin(), parameters_.end(), [&](const auto& p) { return p.first == *name; });
  if (known != parameters_.end()) {
    parameter_bytes_ -= known->second.size();
    known->second = *value;
    parameter_bytes_ += value->size();
  } else {
    if (parameters_.size() == kServerParametersMax) return Malformed("the server sent too many parameters");
    parameters_.emplace_back(*name, *value);
    parameter_bytes_ += name->size() + value->size();
  }
  if (parameter_bytes_ > kServerParameterBytesMax) return Malformed("the server sent parameters that are too long");
  return Step::kContinue;
}

ServerLogin::Step ServerLogin::OnBackendKeyData(std::string_view body) {
  if (body.size() < 4 + kCancelKeyBytesMin || body.size() > 4 + kCancelKeyBytesMax) {
    return Malformed("the server sent a cancel key that has not 4 to 256 bytes");
  }
  process_id_ = ReadUint32(body.data());
  cancel_key_ = body.substr(4);
  return Step::kContinue;
}

ServerLogin::Step ServerLogin::OnReady(std::string_view body) {
  if (body != "I") return Malformed("the server sent a ReadyForQuery that is not idle after login");
  state_ = State::kEnded;
  return Step::kReady;
}

}  // namespace protocol
