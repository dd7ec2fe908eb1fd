#include "protocol/sasl.h"
#include "protocol/scram.h"

namespace protocol {
namespace {

using Unexpected = tl::unexpected<std::string>;

// What is wrong with a message of any kind, or nothing.
std::optional<std::string> WrongAsAWhole(std::string_view message) {
  if (message.size() > kSaslMessageBytesMax) return "SCRAM message is too long";
  if (message.find('\0') != std::string_view::npos) return "SCRAM message contains a zero byte";
  return std::nullopt;
}

// What a channel binding flag means beside the mechanism that was chosen; nothing when they fit.
std::optional<std::string> WrongFlag(char flag, ScramMechanism chosen, bool was_offered) {
  const bool is_plus = chosen == ScramMechanism::kPlus;
  switch (flag) {
    case 'n': break;
    case 'y':
      // RFC 5802, section 6: somebody has taken our offer out of the list of mechanisms.
      if (was_offered && !is_plus) return "client believes that channel binding was not offered, but it was: a downgrade";
      break;
    case 'p':
      if (!is_plus) return "client asks for channel binding, which was not offered or not chosen";
      return std::nullopt;
    default: return "SCRAM message has no channel binding flag";
  }
  if (is_plus) return "client chose SCRAM-SHA-256-PLUS without channel binding";
  return std::nullopt;
}

// "n,,", "y,," or, for -PLUS, "p=tls-server-end-point,,": no authorization identity. Moves `rest` behind it.
tl::expected<std::string, std::string> TakeGs2Header(std::string_view& rest, ScramMechanism chosen, bool was_offered) {
  if (rest.empty()) return Unexpected("SCRAM message is empty");
  if (auto wrong = WrongFlag(rest.front(), chosen, was_offered)) return Unexpected(std::move(*wrong));
  if (chosen == ScramMechanism::kPlus) {
    if (rest.substr(0, kBoundHeader.size()) != kBoundHeader) {
      return Unexpected("client asks for another channel binding than tls-server-end-point, or for an authorization identity");
    }
    rest.remove_prefix(kBoundHeader.size());
    return std::string(kBoundHeader);
  }
  if (rest.substr(1, 3) == ",a=") return Unexpected("client asks for an authorization identity, which is not supported");
  if (rest.substr(1, 2) != ",,") return Unexpected("SCRAM message has a malformed GS2 header");
  std::string header(rest.substr(0, 3));
  rest.remove_prefix(3);
  return header;
}

}  // namespace

ScramServer::ScramServer(ScramVerifier verifier, std::string server_nonce, std::string channel_binding)
    : verifier_(std::move(verifier)), server_nonce_(std::move(server_nonce)), channel_binding_(std::move(channel_binding)) {}

tl::expected<std::string, std::string> ScramServer::OnClientFirst(std::string_view message, ScramMechanism chosen) {
  if (chosen == ScramMechanism::kPlus && channel_binding_.empty()) return Unexpected("SCRAM-SHA-256-PLUS was not offered");
  if (!server_first_.empty()) return Unexpected("client-first-message comes twice");
  if (auto wrong = WrongAsAWhole(message)) return Unexpected(std::move(*wrong));
  std::string_view bare = message;
  auto header = TakeGs2Header(bare, chosen, !channel_binding_.empty());
  if (!header) return Unexpected(std::move(header.error()));

  if (bare.substr(0, 2) == "m=") return Unexpected("client requires a SCRAM extension that is not supported");
  SaslAttributes attributes(bare);
  // The name is ignored, as PostgreSQL does: the startup packet has the one that counts.
  if (!attributes.Take('n')) return Unexpected("client-first-message has no user name");
  const auto nonce = attributes.Take('r');
  if (!nonce) return Unexpected("client-first-message has no nonce");
  if (!IsNonce(*nonce)) return Unexpected("nonce of the client is empty, too long or not printable");
  if (!attributes.OnlyExtensionsFollow()) return Unexpected("client-first-message has malformed or mandatory extensions");

  bound_ = std::move(*header);
  if (chosen == ScramMechanism::kPlus) bound_ += channel_binding_;
  client_first_bare_ = bare;
  client_nonce_ = *nonce;
  server_first_ = "r=" + client_nonce_ + server_nonce_ + ",s=" + Base64(verifier_.salt) +
                  ",i=" + std::to_string(verifier_.iterations);
  return server_first_;
}

tl::expected<ScramServer::Final, std::string> ScramServer::OnClientFinal(std::string_view message) {
  if (server_first_.empty()) return Unexpected("client-final-message comes before client-first-message");
  if (auto wrong = WrongAsAWhole(message)) return Unexpected(std::move(*wrong));

  SaslAttributes attributes(message);
  const auto bound = attributes.Take('c');
  if (!bound || !ConstantTimeEquals(*bound, Base64(bound_))) {
    return Unexpected("channel binding of the client does not fit: another certificate than ours, or a changed header");
  }
  if (attributes.Take('r') != client_nonce_ + server_nonce_) return Unexpected("nonce of the client changed");
  auto last = attributes.Next();
  while (last && last->name != 'p' && last->name != 'm') last = attributes.Next();
  if (!last || last->name != 'p' || !attributes.at_end()) return Unexpected("client-final-message does not end with a proof");
  const auto proof = FromBase64(last->value);
  if (!proof || proof->size() != kScramKeyBytes) return Unexpected("proof of the client is malformed");

  const std::string_view without_proof = message.substr(0, message.size() - last->value.size() - sizeof(",p=") + 1);
  const std::string auth_message = client_first_bare_ + "," + server_first_ + "," + std::string(without_proof);
  std::string client_key = Xor(*proof, HmacSha256(verifier_.stored_key, auth_message));
  Final final;
  final.proven = ConstantTimeEquals(Sha256(client_key), verifier_.stored_key);
  if (final.proven) {
    final.message = "v=" + Base64(HmacSha256(verifier_.server_key, auth_message));
    final.keys.iterations = verifier_.iterations;
    final.keys.salt = verifier_.salt;
    final.keys.client_key = client_key;
    final.keys.server_key = verifier_.server_key;
  }
  Wipe(client_key);
  return final;
}

}  // namespace protocol
