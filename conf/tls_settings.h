// TLS of one side, toward clients or toward servers, as the configuration has it.
//
// What: plain values, a part of Config (config.h); proxy/tls builds contexts from it. Threads: a value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace conf {

enum class TlsMode : uint8_t { kDisable, kAllow, kPrefer, kRequire, kVerifyCa, kVerifyFull };
std::string_view Name(TlsMode);

struct TlsSettings {
  TlsMode mode = TlsMode::kDisable;
  std::string key_file, cert_file, ca_file;
  std::string protocols = "secure";  // secure = tlsv1.2,tlsv1.3; all = every version OpenSSL still has; or a list
  std::string ciphers = "default";   // TLS up to 1.2, OpenSSL's syntax
  std::string tls13_ciphers;         // TLS 1.3 suites, empty = OpenSSL's default
  std::string dheparams = "auto";    // client side only: auto, none or a file
  std::string ecdhcurve = "auto";    // client side only: auto, none or a group list
  friend bool operator==(const TlsSettings&, const TlsSettings&) = default;
};

}  // namespace conf
