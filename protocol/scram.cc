#include "protocol/scram.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>

#include "protocol/sasl.h"

namespace protocol {
namespace {

constexpr std::string_view kVerifierPrefix = "SCRAM-SHA-256$";
constexpr std::string_view kMd5Prefix = "md5";
constexpr size_t kMd5HexBytes = 32;
constexpr size_t kMockSaltBytes = 16;  // as many as PostgreSQL gives to a stored verifier

bool StartsWith(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

// The part up to `delimiter`, which is taken away together with it; nothing when it is not there.
std::optional<std::string_view> TakeUntil(std::string_view& rest, char delimiter) {
  const size_t at = rest.find(delimiter);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view part = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return part;
}

}  // namespace

ScramVerifier::~ScramVerifier() { Wipe(server_key); }

ScramKeys::~ScramKeys() {
  Wipe(client_key);
  Wipe(server_key);
}

SecretKind KindOf(std::string_view secret) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (StartsWith(secret, kVerifierPrefix)) return SecretKind::kScram;
  if (secret.size() == kMd5Prefix.size() + kMd5HexBytes && StartsWith(secret, kMd5Prefix) &&
      std::all_of(secret.begin() + kMd5Prefix.size(), secret.end(), is_hex)) {
    return SecretKind::kMd5;
  }
  return SecretKind::kPlain;
}

std::optional<ScramVerifier> ParseVerifier(std::string_view secret) {
  if (!StartsWith(secret, kVerifierPrefix)) return std::nullopt;
  secret.remove_prefix(kVerifierPrefix.size());
  const auto iterations_text = TakeUntil(secret, ':');
  const auto salt_text = TakeUntil(secret, '$');
  const auto stored_key_text = TakeUntil(secret, ':');
  if (!iterations_text || !salt_text || !stored_key_text) return std::nullopt;

  const auto iterations = ParseIterations(*iterations_text);
  auto salt = FromBase64(*salt_text);
  auto stored_key = FromBase64(*stored_key_text);
  auto server_key = FromBase64(secret);
  if (!iterations || !salt || salt->empty() || salt->size() > kSaltBytesMax) return std::nullopt;
  if (!stored_key || stored_key->size() != kScramKeyBytes) return std::nullopt;
  if (!server_key || server_key->size() != kScramKeyBytes) return std::nullopt;
  ScramVerifier verifier;
  verifier.iterations = *iterations;
  verifier.salt = std::move(*salt);
  verifier.stored_key = std::move(*stored_key);
  verifier.server_key = std::move(*server_key);
  return verifier;
}

std::string FormatVerifier(const ScramVerifier& verifier) {
  std::string text(kVerifierPrefix);
  text.append(std::to_string(verifier.iterations)).append(":").append(Base64(verifier.salt));
  text.append("$").append(Base64(verifier.stored_key)).append(":").append(Base64(verifier.server_key));
  return text;
}

ScramKeys DeriveKeys(std::string_view password, std::string_view salt, int iterations) {
  std::string prepared = PreparePassword(password);
  std::string salted_password(kScramKeyBytes, '\0');
  if (PKCS5_PBKDF2_HMAC(prepared.data(), static_cast<int>(prepared.size()),
                        reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()), iterations,
                        EVP_sha256(), static_cast<int>(salted_password.size()),
                        reinterpret_cast<unsigned char*>(salted_password.data())) != 1) {
    std::abort();
  }
  ScramKeys keys;
  keys.iterations = iterations;
  keys.salt = salt;
  keys.client_key = HmacSha256(salted_password, "Client Key");
  keys.server_key = HmacSha256(salted_password, "Server Key");
  Wipe(prepared);
  Wipe(salted_password);
  return keys;
}

ScramVerifier VerifierOf(const ScramKeys& keys) {
  ScramVerifier verifier;
  verifier.iterations = keys.iterations;
  verifier.salt = keys.salt;
  verifier.stored_key = Sha256(keys.client_key);
  verifier.server_key = keys.server_key;
  return verifier;
}

ScramVerifier MockVerifier(std::string_view user, std::string_view process_secret, int iterations) {
  // A user name has no zero byte, so the three inputs of the HMAC never meet.
  const auto derive = [&](std::string_view purpose) {
    return HmacSha256(process_secret, std::string(user).append(1, '\0').append(purpose));
  };
  ScramVerifier verifier;
  verifier.iterations = iterations;
  verifier.salt = HmacSha256(process_secret, user).substr(0, kMockSaltBytes);
  verifier.stored_key = derive("stored");
  verifier.server_key = derive("server");
  return verifier;
}

}  // namespace protocol
