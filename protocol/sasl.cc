#include "protocol/sasl.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "protocol/scram.h"

namespace protocol {
namespace {

const unsigned char* AsBytes(std::string_view text) {
  // OpenSSL takes a null key for "the same key as before"
  return reinterpret_cast<const unsigned char*>(text.data() == nullptr ? "" : text.data());
}

constexpr std::string_view kBase64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNotBase64 = 64;

constexpr std::array<uint8_t, 256> ValuesOfBase64() {
  std::array<uint8_t, 256> values{};
  for (uint8_t& value : values) value = kNotBase64;
  for (uint8_t i = 0; i < 64; ++i) values[static_cast<unsigned char>(kBase64Alphabet[i])] = i;
  return values;
}
constexpr std::array<uint8_t, 256> kBase64Values = ValuesOfBase64();

// Both are looked up once: at each use OpenSSL 3 would search its providers, which costs more than the hash itself (crypto(7),
// "Implicit fetching").
const EVP_MD* Method() {
  static const EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return method;
}

// Copied for each use, by any thread. The key is a stand-in: without one it could not be copied.
EVP_MAC_CTX* HmacTemplate() {
  static EVP_MAC_CTX* const context = [] {
    EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    EVP_MAC_CTX* made = mac == nullptr ? nullptr : EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);  // the context has it
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    return made != nullptr && EVP_MAC_init(made, AsBytes("-"), 1, parameters) == 1 ? made : nullptr;
  }();
  return context;
}

struct FreeMac {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }  // wipes what it holds of the key
};

}  // namespace

std::string HmacSha256(std::string_view key, std::string_view message) {
  std::string digest(kScramKeyBytes, '\0');
  size_t size = 0;
  const std::unique_ptr<EVP_MAC_CTX, FreeMac> context(HmacTemplate() == nullptr ? nullptr : EVP_MAC_CTX_dup(HmacTemplate()));
  if (!context || EVP_MAC_init(context.get(), AsBytes(key), key.size(), nullptr) != 1 ||
      EVP_MAC_update(context.get(), AsBytes(message), message.size()) != 1 ||
      EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(digest.data()), &size, digest.size()) != 1 || size != kScramKeyBytes) {
    std::abort();
  }
  return digest;
}

std::string Sha256(std::string_view bytes) {
  std::string digest(kScramKeyBytes, '\0');
  if (EVP_Digest(AsBytes(bytes), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, Method(), nullptr) != 1) {
    std::abort();
  }
  return digest;
}

std::string Xor(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) std::abort();
  std::string result(a);
  for (size_t i = 0; i < b.size(); ++i) result[i] = static_cast<char>(result[i] ^ b[i]);
  return result;
}

void Wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

bool ConstantTimeEquals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(AsBytes(a), AsBytes(b), a.size()) == 0;
}

std::string Base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const std::string_view group = bytes.substr(i, 3);
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) bits = bits << 8 | (j < group.size() ? static_cast<unsigned char>(group[j]) : 0u);
    for (size_t j = 0; j < 4; ++j) {
      text.push_back(j <= group.size() ? kBase64Alphabet[bits >> (18 - 6 * j) & 63] : '=');
    }
  }
  return text;
}

// Strict, unlike EVP_DecodeBlock: no white space, padding only at the end, no stray bits in the last group.
std::optional<std::string> FromBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < 2 && !text.empty() && text.back() == '=') {
    text.remove_suffix(1);
    ++padding;
  }
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const uint32_t value = kBase64Values[static_cast<unsigned char>(c)];
    if (value == kNotBase64) return std::nullopt;
    bits = bits << 6 | value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xff));
    bits &= (1u << count) - 1;
  }
  if (bits != 0) return std::nullopt;
  return bytes;
}

bool IsNonce(std::string_view text) {
  return !text.empty() && text.size() <= kNonceBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f && c != ','; });
}

std::optional<int> ParseIterations(std::string_view text) {
  if (text.empty() || text.size() > 10) return std::nullopt;
  int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  if (value < 1 || value > kIterationsMax) return std::nullopt;
  return static_cast<int>(value);
}

std::optional<SaslAttributes::Attribute> SaslAttributes::Next() {
  if (at_end_) return std::nullopt;
  const std::string_view text = rest_.substr(0, rest_.find(','));
  const bool is_letter = !text.empty() && ((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z'));
  if (!is_letter || text.size() < 2 || text[1] != '=') {
    rest_ = {};  // the next call fails, too: an empty text is no attribute
    return std::nullopt;
  }
  at_end_ = text.size() == rest_.size();
  rest_.remove_prefix(at_end_ ? rest_.size() : text.size() + 1);
  return Attribute{.name = text[0], .value = text.substr(2)};
}

std::optional<std::string_view> SaslAttributes::Take(char name) {
  const auto attribute = Next();
  if (!attribute || attribute->name != name) return std::nullopt;
  return attribute->value;
}

bool SaslAttributes::OnlyExtensionsFollow() {
  while (!at_end_) {
    const auto attribute = Next();
    if (!attribute || attribute->name == 'm') return false;
  }
  return true;
}

}  // namespace protocol
