#include "protocol/client_login.h"

#include <algorithm>

#include "protocol/message_writer.h"
#include "protocol/sasl.h"

namespace protocol {
namespace {

enum Authentication : int32_t {
  kCleartextPassword = 3,
  kMd5Password = 5,
  kSasl = 10,
  kSaslContinue = 11,
  kSaslFinalMessage = 12,
};

constexpr size_t kServerNonceRandomBytes = 18;  // PostgreSQL's, too: 24 characters of base64
constexpr size_t kMd5SaltBytes = 4;
constexpr const char* kUnknownUser = "unknown user";
static_assert(kServerNonceRandomBytes + kMd5SaltBytes <= kLoginRandomBytes);

bool NeedsSecret(LoginMethod method) {
  return method == LoginMethod::kPassword || method == LoginMethod::kMd5 || method == LoginMethod::kScramSha256;
}

// The text of a PasswordMessage: one zero byte, at the end.
std::optional<std::string_view> PasswordOf(std::string_view body) {
  if (body.empty() || body.find('\0') != body.size() - 1) return std::nullopt;
  return body.substr(0, body.size() - 1);
}

void WriteSasl(std::string& out, Authentication step, std::string_view message) {
  MessageWriter(out).Begin('R').Int32(step).Bytes(message).End();
}

}  // namespace

bool AsksNothing(LoginMethod method) {
  switch (method) {
    case LoginMethod::kTrust:
    case LoginMethod::kCert:
    case LoginMethod::kPeer:
    case LoginMethod::kAny: return true;
    case LoginMethod::kPassword:
    case LoginMethod::kMd5:
    case LoginMethod::kScramSha256:
    case LoginMethod::kOutside: break;
  }
  return false;
}

std::string FaultUnasked(LoginMethod method, bool is_known, const std::optional<std::string>& identity_fault) {
  if (!AsksNothing(method)) return "it has to be asked";
  if (method == LoginMethod::kAny) return "";
  if (method != LoginMethod::kTrust) {
    if (!identity_fault) return "nobody has looked who it is";
    if (!identity_fault->empty()) return *identity_fault;
  }
  return is_known ? "" : kUnknownUser;
}

ClientLogin::ClientLogin(ClientLoginOptions options) : options_(std::move(options)) {
  options_.scram_iterations = std::clamp(options_.scram_iterations, 1, kIterationsMax);
  if (options_.method == LoginMethod::kOutside) return;  // who is asked knows the users
  if (!options_.secret) {
    doom_ = kUnknownUser;
  } else if (options_.secret->empty() && NeedsSecret(options_.method)) {
    doom_ = "the user has no password";
  }
}

ClientLogin::~ClientLogin() {
  if (options_.secret) Wipe(*options_.secret);
  Wipe(options_.process_secret);
  Wipe(md5_secret_);
  Wipe(cleartext_);
}

bool ClientLogin::NeedsDerivation(LoginMethod method, const std::optional<std::string>& secret) {
  return method == LoginMethod::kScramSha256 && secret && !secret->empty() && KindOf(*secret) == SecretKind::kPlain;
}

ClientLogin::Step ClientLogin::Start(std::string& out) {
  if (state_ != State::kNew) return Malformed("login started twice");
  if (options_.random.size() < kLoginRandomBytes) return Refuse("login without randomness");
  switch (options_.method) {
    case LoginMethod::kTrust:
    case LoginMethod::kCert:
    case LoginMethod::kPeer:
    case LoginMethod::kAny: {
      std::string fault = FaultUnasked(options_.method, options_.secret.has_value(), options_.identity_fault);
      return fault.empty() ? Accept() : Refuse(std::move(fault));
    }
    case LoginMethod::kPassword:
    case LoginMethod::kOutside:
      MessageWriter(out).Begin('R').Int32(kCleartextPassword).End();
      state_ = State::kPassword;
      return Step::kContinue;
    case LoginMethod::kMd5:
      return doom_.empty() && KindOf(*options_.secret) == SecretKind::kScram ? StartScram(out) : StartMd5(out);
    case LoginMethod::kScramSha256:
      return StartScram(out);
  }
  return Refuse("unknown login method");
}

ClientLogin::Step ClientLogin::StartMd5(std::string& out) {
  if (!doom_.empty()) {
    md5_secret_ = Md5Secret(options_.user, options_.random);
  } else {
    const bool is_md5 = KindOf(*options_.secret) == SecretKind::kMd5;
    md5_secret_ = is_md5 ? *options_.secret : Md5Secret(options_.user, *options_.secret);
  }
  md5_salt_ = options_.random.substr(kServerNonceRandomBytes, kMd5SaltBytes);
  MessageWriter(out).Begin('R').Int32(kMd5Password).Bytes(md5_salt_).End();
  state_ = State::kMd5;
  return Step::kContinue;
}

ClientLogin::Step ClientLogin::StartScram(std::string& out) {
  std::optional<ScramVerifier> verifier;
  if (doom_.empty()) {
    switch (KindOf(*options_.secret)) {
      case SecretKind::kScram:
        verifier = ParseVerifier(*options_.secret);
        if (!verifier) doom_ = "the stored SCRAM verifier is malformed";
        break;
      case SecretKind::kPlain:
        verifier = options_.derived;
        if (!verifier) doom_ = "no verifier was derived from the stored password";
        break;
      case SecretKind::kMd5:
        doom_ = "a secret stored as md5 cannot be used with scram-sha-256";
        break;
    }
  }
  if (!verifier) verifier = MockVerifier(options_.user, options_.process_secret, options_.scram_iterations);
  scram_.emplace(*verifier, Base64(options_.random.substr(0, kServerNonceRandomBytes)), options_.channel_binding);
  MessageWriter writer(out);
  writer.Begin('R').Int32(kSasl);
  if (!options_.channel_binding.empty()) writer.Text(kScramSha256Plus);  // the better one first
  writer.Text(kScramSha256).Byte(0).End();
  state_ = State::kSaslFirst;
  return Step::kContinue;
}

bool ClientLogin::IsNextStepSlow() const {
  if (state_ != State::kPassword || options_.method == LoginMethod::kOutside) return false;
  return !doom_.empty() || KindOf(*options_.secret) == SecretKind::kScram;
}

ClientLogin::Step ClientLogin::OnPasswordMessage(std::string_view body, std::string& out) {
  if (body.size() > kPasswordBytesMax) return Malformed("password message is too long");
  switch (state_) {
    case State::kPassword: return OnCleartext(body);
    case State::kMd5: return OnMd5(body);
    case State::kSaslFirst: return OnSaslFirst(body, out);
    case State::kSaslFinal: return OnSaslFinal(body, out);
    case State::kNew:
    case State::kOutside:
    case State::kDone: break;
  }
  return Malformed("password message that was not asked for");
}

ClientLogin::Step ClientLogin::OnCleartext(std::string_view body) {
  const auto password = PasswordOf(body);
  if (!password) return Malformed("password message is not one zero-terminated text");
  if (password->empty()) return Refuse("empty password sent");
  if (options_.method == LoginMethod::kOutside) {
    cleartext_ = *password;
    state_ = State::kOutside;
    return Step::kAskOutside;
  }
  std::optional<ScramVerifier> verifier;
  if (!doom_.empty()) {
    // The same work as for a known user, so that the time it takes does not tell.
    verifier = MockVerifier(options_.user, options_.process_secret, options_.scram_iterations);
  } else if (KindOf(*options_.secret) == SecretKind::kScram) {
    verifier = ParseVerifier(*options_.secret);
    if (!verifier) return Refuse("the stored SCRAM verifier is malformed");
  }

  bool is_right = false;
  if (verifier) {
    const ScramVerifier tried = VerifierOf(DeriveKeys(*password, verifier->salt, verifier->iterations));
    is_right = ConstantTimeEquals(tried.stored_key, verifier->stored_key);
  } else if (KindOf(*options_.secret) == SecretKind::kMd5) {
    is_right = ConstantTimeEquals(Md5Secret(options_.user, *password), *options_.secret);
  } else {
    is_right = ConstantTimeEquals(*password, *options_.secret);
  }
  if (!doom_.empty()) return Refuse(doom_);
  if (!is_right) return Refuse("wrong password");
  cleartext_ = *password;
  return Accept();
}

ClientLogin::Step ClientLogin::OnOutsideAnswer(std::string fault) {
  if (state_ != State::kOutside) return Malformed("an answer to what was not asked");
  if (fault.empty()) return Accept();
  Wipe(cleartext_);
  return Refuse(std::move(fault));
}

ClientLogin::Step ClientLogin::OnMd5(std::string_view body) {
  const auto response = PasswordOf(body);
  if (!response) return Malformed("password message is not one zero-terminated text");
  const std::string expected = Md5Response(md5_secret_, md5_salt_);
  if (expected.empty()) return Refuse("OpenSSL refuses md5");
  const bool is_right = ConstantTimeEquals(*response, expected);
  if (!doom_.empty()) return Refuse(doom_);
  return is_right ? Accept() : Refuse("wrong password");
}

ClientLogin::Step ClientLogin::OnSaslFirst(std::string_view body, std::string& out) {
  const size_t name_end = body.find('\0');
  if (name_end == std::string_view::npos) return Malformed("SASL mechanism has no terminator");
  const std::string_view name = body.substr(0, name_end);
  const bool is_plus = name == kScramSha256Plus && !options_.channel_binding.empty();
  if (!is_plus && name != kScramSha256) return Malformed("client chose a SASL mechanism that was not offered");
  body.remove_prefix(name_end + 1);
  if (body.size() < 4 || ReadUint32(body.data()) != body.size() - 4) {
    return Malformed("length of the initial SASL response does not fit the message");
  }
  const auto server_first = scram_->OnClientFirst(body.substr(4), is_plus ? ScramMechanism::kPlus : ScramMechanism::kPlain);
  if (!server_first) return Malformed(server_first.error());
  WriteSasl(out, kSaslContinue, *server_first);
  state_ = State::kSaslFinal;
  return Step::kContinue;
}

ClientLogin::Step ClientLogin::OnSaslFinal(std::string_view body, std::string& out) {
  const auto final = scram_->OnClientFinal(body);
  if (!final) return Malformed(final.error());
  if (!doom_.empty()) return Refuse(doom_);
  if (!final->proven) return Refuse("wrong password");
  WriteSasl(out, kSaslFinalMessage, final->message);
  if (KindOf(*options_.secret) == SecretKind::kScram) scram_keys_ = final->keys;
  return Accept();
}

ClientLogin::Step ClientLogin::Accept() {
  state_ = State::kDone;
  return Step::kAccepted;
}

ClientLogin::Step ClientLogin::Refuse(std::string why) {
  state_ = State::kDone;
  why_ = std::move(why);
  return Step::kRefused;
}

ClientLogin::Step ClientLogin::Malformed(std::string why) {
  state_ = State::kDone;
  why_ = std::move(why);
  return Step::kMalformed;
}

}  // namespace protocol
