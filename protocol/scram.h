// SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677), both roles, and md5 passwords (PostgreSQL documentation, "Password Authentication",
// "SASL Authentication"). Bytes in, bytes out: no sockets, no clocks. Randomness is an argument, so tests are exact.
//
// Channel binding is tls-server-end-point (RFC 5929): the hash of the server's certificate, which proxy/tls knows, is an
// argument. Who relays a login from one TLS connection to another one has another certificate, so the proof does not fit there.
// Who could bind must say so: "y" tells the server that its -PLUS did not arrive, and it refuses, since somebody took it away.
//
// Threads: values; PBKDF2 (DeriveKeys) is the only slow part and is called on a helper thread by proxy when it has to be
// called at all. Compares of proofs and signatures take constant time. Secrets in here are wiped when destroyed.
// Limits: a SASL message is at most kSaslMessageBytesMax, a nonce kNonceBytesMax, a salt kSaltBytesMax, iterations
// 1..kIterationsMax: a hostile server may send anything.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace protocol {

inline constexpr size_t kSaslMessageBytesMax = 4096;
inline constexpr size_t kNonceBytesMax = 1024;
inline constexpr size_t kSaltBytesMax = 1024;
inline constexpr int kIterationsMax = 10'000'000;

// What PostgreSQL stores as SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>
struct ScramVerifier {
  int iterations = 4096;
  std::string salt;                    // raw bytes
  std::string stored_key, server_key;  // 32 raw bytes each
  ~ScramVerifier();
};

// What a client needs to prove itself without the password: the pass-through of a client's own keys, and the cache of a
// derived plain password. Valid only for the same salt and iterations.
struct ScramKeys {
  int iterations = 0;
  std::string salt;
  std::string client_key, server_key;  // 32 raw bytes each
  ~ScramKeys();
  ScramKeys() = default;
  ScramKeys(const ScramKeys&) = default;
  ScramKeys& operator=(const ScramKeys&) = default;
};

enum class SecretKind : uint8_t { kPlain, kMd5, kScram };
SecretKind KindOf(std::string_view secret);  // by form: "md5" + 32 hex digits, "SCRAM-SHA-256$...", else plain

std::optional<ScramVerifier> ParseVerifier(std::string_view secret);
std::string FormatVerifier(const ScramVerifier&);
// SASLprep (RFC 4013) as PostgreSQL does it: a password that is not valid UTF-8, or that preparation forbids, is used as it is.
std::string PreparePassword(std::string_view password);
// Prepares the password itself. Iterations are 1..kIterationsMax: who takes them from outside has checked that.
ScramKeys DeriveKeys(std::string_view password, std::string_view salt, int iterations);
ScramVerifier VerifierOf(const ScramKeys&);
// A verifier that nobody can satisfy, the same at each try for the same name (salt from HMAC(process_secret, user)):
// unknown users see the same conversation as known ones.
ScramVerifier MockVerifier(std::string_view user, std::string_view process_secret, int iterations);

// All three are empty when OpenSSL refuses md5 (FIPS).
std::string Md5Hex(std::string_view bytes);
std::string Md5Secret(std::string_view user, std::string_view password);               // "md5" + md5(password user)
std::string Md5Response(std::string_view md5_secret, std::string_view four_byte_salt);  // "md5" + md5(hex salt)
bool ConstantTimeEquals(std::string_view a, std::string_view b);
std::string Base64(std::string_view);
std::optional<std::string> FromBase64(std::string_view);

enum class ScramMechanism : uint8_t { kPlain, kPlus };

// The server's side of one exchange (toward our clients).
class ScramServer {
 public:
  // channel_binding: of the connection, when -PLUS was offered, else empty.
  ScramServer(ScramVerifier verifier, std::string server_nonce, std::string channel_binding = "");
  // client-first-message -> server-first-message, or why it is malformed. `chosen` by the client.
  tl::expected<std::string, std::string> OnClientFirst(std::string_view message, ScramMechanism chosen = ScramMechanism::kPlain);
  struct Final {
    bool proven = false;
    std::string message;        // server-final-message when proven
    ScramKeys keys;             // the client's keys, for pass-through, when proven
  };
  // client-final-message; a malformed one is an error, a wrong proof is proven = false
  tl::expected<Final, std::string> OnClientFinal(std::string_view message);

 private:
  ScramVerifier verifier_;
  std::string server_nonce_, channel_binding_, client_nonce_, client_first_bare_, server_first_;
  std::string bound_;  // the GS2 header, and with -PLUS the binding behind it: what the client must repeat
};

// The client's side (toward servers).
class ScramClient {
 public:
  // channel_binding: of the connection, empty = it has none.
  explicit ScramClient(std::string client_nonce, std::string channel_binding = "");
  ~ScramClient();
  ScramClient(const ScramClient&) = default;
  ScramClient& operator=(const ScramClient&) = default;
  std::string First(ScramMechanism chosen = ScramMechanism::kPlain);
  // What server-first asked for; then the caller derives or finds keys and calls Final.
  struct Challenge {
    std::string salt;
    int iterations = 0;
  };
  tl::expected<Challenge, std::string> OnServerFirst(std::string_view message);
  std::string Final(const ScramKeys& keys);
  // server-final-message; false = the server did not prove that it knows the verifier
  tl::expected<bool, std::string> OnServerFinal(std::string_view message);

 private:
  std::string client_nonce_, channel_binding_, bound_, client_first_bare_, server_first_, combined_nonce_, auth_message_, server_key_;
};

}  // namespace protocol
