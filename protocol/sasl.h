// What both roles of SCRAM share: HMAC and SHA-256 over strings, wiping, and a reader for "a=value,b=value" messages.
//
// Not here: the exchange (scram_server.cc, scram_client.cc), stored verifiers (scram.cc).
// Threads: pure functions and values. Views point into the message that was given. Limits: those of scram.h; nothing here
// allocates more than its input. A failure inside OpenSSL's SHA-256 (out of memory) is a broken invariant: abort.
// Source: RFC 5802, sections 5.1 and 7.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace protocol {

inline constexpr size_t kScramKeyBytes = 32;
inline constexpr std::string_view kScramSha256 = "SCRAM-SHA-256", kScramSha256Plus = "SCRAM-SHA-256-PLUS";
inline constexpr std::string_view kBoundHeader = "p=tls-server-end-point,,";

std::string HmacSha256(std::string_view key, std::string_view message);
std::string Sha256(std::string_view bytes);
std::string Xor(std::string_view a, std::string_view b);  // of the same size
void Wipe(std::string& secret);

// 1..kNonceBytesMax printable ASCII characters and no comma.
bool IsNonce(std::string_view text);
// Decimal digits only, 1..kIterationsMax.
std::optional<int> ParseIterations(std::string_view text);

// Reads one attribute after the other. Once something is malformed, nothing more comes.
class SaslAttributes {
 public:
  explicit SaslAttributes(std::string_view message) : rest_(message), at_end_(message.empty()) {}
  struct Attribute {
    char name = 0;
    std::string_view value;
  };
  std::optional<Attribute> Next();
  // The next attribute's value if it has this name.
  std::optional<std::string_view> Take(char name);
  // Reads what is left: true when these are well-formed optional extensions, which RFC 5802 wants ignored.
  bool OnlyExtensionsFollow();
  bool at_end() const { return at_end_; }

 private:
  std::string_view rest_;
  bool at_end_;
};

}  // namespace protocol
