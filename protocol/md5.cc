// PostgreSQL's md5 passwords. OpenSSL may refuse md5 (FIPS): then everything here is empty, and an empty answer proves nothing.
#include <openssl/evp.h>

#include "protocol/sasl.h"
#include "protocol/scram.h"

namespace protocol {

std::string Md5Hex(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_md5(), nullptr) != 1) return {};
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex.push_back(kDigits[digest[i] >> 4]);
    hex.push_back(kDigits[digest[i] & 15]);
  }
  return hex;
}

std::string Md5Secret(std::string_view user, std::string_view password) {
  std::string salted = std::string(password).append(user);
  const std::string hex = Md5Hex(salted);
  Wipe(salted);
  return hex.empty() ? hex : "md5" + hex;
}

std::string Md5Response(std::string_view md5_secret, std::string_view four_byte_salt) {
  if (KindOf(md5_secret) != SecretKind::kMd5) return {};
  const std::string hex = Md5Hex(std::string(md5_secret.substr(3)).append(four_byte_salt));
  return hex.empty() ? hex : "md5" + hex;
}

}  // namespace protocol
