#include <algorithm>

#include "protocol/sasl.h"
#include "protocol/scram.h"

namespace protocol {
namespace {

using Unexpected = tl::unexpected<std::string>;

constexpr size_t kQuotedBytesMax = 100;

// A server's words, fit for a log line.
std::string Quoted(std::string_view text) {
  std::string quoted(text.substr(0, kQuotedBytesMax));
  std::replace_if(quoted.begin(), quoted.end(), [](char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return quoted;
}

}  // namespace

ScramClient::ScramClient(std::string client_nonce, std::string channel_binding)
    : client_nonce_(std::move(client_nonce)),
      channel_binding_(std::move(channel_binding)),
      bound_(channel_binding_.empty() ? "n,," : "y,,"),
      client_first_bare_("n=,r=" + client_nonce_) {}

ScramClient::~ScramClient() { Wipe(server_key_); }

// The name stays empty: PostgreSQL takes the one of the startup packet.
std::string ScramClient::First(ScramMechanism chosen) {
  if (chosen == ScramMechanism::kPlain) return bound_ + client_first_bare_;
  bound_ = std::string(kBoundHeader) + channel_binding_;
  return std::string(kBoundHeader) + client_first_bare_;
}

tl::expected<ScramClient::Challenge, std::string> ScramClient::OnServerFirst(std::string_view message) {
  if (!server_first_.empty()) return Unexpected("the server's first SCRAM message comes twice");
  if (message.size() > kSaslMessageBytesMax) return Unexpected("the server's first SCRAM message is too long");
  SaslAttributes attributes(message);
  const auto nonce = attributes.Take('r');
  if (!nonce) return Unexpected("the server's first SCRAM message has no nonce");
  // A server that adds nothing of its own could replay an older exchange.
  if (!IsNonce(*nonce) || nonce->size() <= client_nonce_.size() || nonce->substr(0, client_nonce_.size()) != client_nonce_) {
    return Unexpected("the server's SCRAM nonce does not extend ours, is too long or not printable");
  }
  const auto salt_text = attributes.Take('s');
  const auto salt = salt_text ? FromBase64(*salt_text) : std::nullopt;
  if (!salt || salt->empty() || salt->size() > kSaltBytesMax) return Unexpected("the server's SCRAM salt is malformed");
  const auto iterations_text = attributes.Take('i');
  const auto iterations = iterations_text ? ParseIterations(*iterations_text) : std::nullopt;
  if (!iterations) {
    return Unexpected("the server's SCRAM iteration count is not in 1.." + std::to_string(kIterationsMax));
  }
  if (!attributes.OnlyExtensionsFollow()) return Unexpected("the server's SCRAM extensions are not supported");

  server_first_ = message;
  combined_nonce_ = *nonce;
  return Challenge{.salt = *salt, .iterations = *iterations};
}

std::string ScramClient::Final(const ScramKeys& keys) {
  const std::string without_proof = "c=" + Base64(bound_) + ",r=" + combined_nonce_;
  auth_message_ = client_first_bare_ + "," + server_first_ + "," + without_proof;
  server_key_ = keys.server_key;
  const std::string proof = Xor(keys.client_key, HmacSha256(Sha256(keys.client_key), auth_message_));
  return without_proof + ",p=" + Base64(proof);
}

tl::expected<bool, std::string> ScramClient::OnServerFinal(std::string_view message) {
  if (auth_message_.empty()) return Unexpected("the server's last SCRAM message comes too early");
  if (message.size() > kSaslMessageBytesMax) return Unexpected("the server's last SCRAM message is too long");
  SaslAttributes attributes(message);
  const auto attribute = attributes.Next();
  if (attribute && attribute->name == 'e') return Unexpected("the server ended SCRAM with \"" + Quoted(attribute->value) + "\"");
  const auto signature = attribute && attribute->name == 'v' ? FromBase64(attribute->value) : std::nullopt;
  if (!signature || signature->size() != kScramKeyBytes || !attributes.OnlyExtensionsFollow()) {
    return Unexpected("the server's last SCRAM message is malformed");
  }
  return ConstantTimeEquals(*signature, HmacSha256(server_key_, auth_message_));
}

}  // namespace protocol
