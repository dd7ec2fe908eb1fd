#include "conf/database_url.h"

#include <algorithm>

#include "conf/hosts.h"
#include "conf/keys.h"
#include "conf/nearest.h"

namespace conf {
namespace {

constexpr std::string_view kForm = "must look like postgres://user:password@host:5432/dbname";
constexpr size_t kLongestName = 63;

int HexDigit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

bool HasControlCharacters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char character) {
    return static_cast<unsigned char>(character) < 0x20 || character == 0x7f;
  });
}

class UrlParser {
 public:
  Parsed<DatabaseUrl> Parse(std::string_view text) {
    text = Trim(text);
    const size_t scheme_end = text.find("://");
    const std::string_view scheme = text.substr(0, scheme_end);
    if (scheme_end == std::string_view::npos || (scheme != "postgres" && scheme != "postgresql")) {
      return Refuse(std::string(kForm));
    }
    text.remove_prefix(scheme_end + 3);
    const size_t query_start = text.find('?');
    const std::string_view query =
        query_start == std::string_view::npos ? std::string_view() : text.substr(query_start + 1);
    text = text.substr(0, query_start);
    const size_t slash = text.find('/');
    const std::string_view authority = text.substr(0, slash);
    const std::string_view dbname = slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
    // each step leaves its refusal in error_ and says whether to go on
    if (TakeUser(authority) && TakeDatabase(dbname) && TakeParameters(query) && FinishHosts() && CheckNames())
        return url_;
    return Refuse(error_);
  }

 private:
  bool Fail(std::string error) {
    error_ = std::move(error);
    return false;
  }

  bool Decode(std::string_view text, std::string& decoded) {
    auto result = PercentDecode(text);
    if (!result) return Fail(result.error());
    decoded = std::move(*result);
    return true;
  }

  bool TakeUser(std::string_view authority) {
    // the last @: one inside the password should be %40, but often is not
    const size_t at = authority.rfind('@');
    hosts_ = at == std::string_view::npos ? authority : authority.substr(at + 1);
    if (at == std::string_view::npos) return true;
    const std::string_view login = authority.substr(0, at);
    const size_t colon = login.find(':');
    if (!Decode(login.substr(0, colon), url_.user)) return false;
    if (colon == std::string_view::npos) return true;
    std::string password;
    if (!Decode(login.substr(colon + 1), password)) return false;
    url_.password = Secret(std::move(password));
    return true;
  }

  bool TakeDatabase(std::string_view dbname) {
    if (dbname.find('/') != std::string_view::npos) {
      return Fail("has a '/' too many: one in a password or database name is written %2F");
    }
    if (!Decode(dbname, url_.dbname)) return false;
    if (url_.dbname.empty()) url_.dbname = url_.user;
    if (url_.dbname.empty()) return Fail("must name a database: " + std::string(kForm.substr(10)));
    return true;
  }

  bool TakeParameters(std::string_view query) {
    while (!query.empty()) {
      const size_t end = query.find('&');
      const std::string_view pair = query.substr(0, end);
      query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
      const size_t equals = pair.find('=');
      std::string name, value;
      if (equals == std::string_view::npos) return Fail("must write each parameter after ? as name=value");
      if (!Decode(pair.substr(0, equals), name) || !Decode(pair.substr(equals + 1), value)) return false;
      if (!TakeParameter(name, value)) return false;
    }
    return true;
  }

  bool TakeParameter(const std::string& name, const std::string& value) {
    if (name == "sslmode") return TakeSslMode(value);
    if (name == "application_name") {
      url_.application_name = value;
      return true;
    }
    if (name == "host") {
      query_hosts_ = SplitList(value);
      return !query_hosts_.empty() || Fail("must name a host in ?host=");
    }
    if (name == "port") {
      const auto port = ParsePort(value);
      if (!port) return Fail("has a wrong ?port=: " + port.error());
      port_ = *port;
      return true;
    }
    // the name alone is quoted: a '?' inside a password would make the rest of it the name
    const std::vector<std::string_view> known{"sslmode", "application_name", "host", "port"};
    if (const auto nearest = NearestName(name, known)) {
      return Fail("has an unknown parameter after ?; did you mean '" + *nearest + "'?");
    }
    return Fail(
        "has an unknown parameter after ?; known are sslmode, application_name, host and port, everything else has a key "
        "in [pgweir], such as server_tls_ca_file for sslrootcert");
  }

  bool TakeSslMode(const std::string& value) {
    Global scratch;
    const Key<Global>* key = FindKey(GlobalKeys(), "server_tls_sslmode");
    if (!key->set(scratch, PlainText{value})) return Fail("has a wrong sslmode; it must be " + key->allowed);
    url_.sslmode = scratch.server_tls.mode;
    return true;
  }

  bool FinishHosts() {
    if (hosts_.find('%') != std::string_view::npos) {
      std::string decoded;  // postgres://%2Fvar%2Frun%2Fpostgresql/db is libpq's other way to name a socket
      if (!Decode(hosts_, decoded)) return false;
      if (query_hosts_.empty()) query_hosts_ = SplitList(decoded);
    } else if (query_hosts_.empty()) {
      query_hosts_ = SplitList(hosts_);
    }
    if (query_hosts_.empty()) query_hosts_.emplace_back(kDefaultSocketFolder);
    auto hosts = ParseHosts(query_hosts_);
    if (!hosts) {
      return Fail("has a wrong host or port; write host:5432 or [ipv6]:5432, and @ : / ? in a user or password as %40 "
                  "%3A %2F %3F");
    }
    url_.hosts = std::move(*hosts);
    for (Host& host : url_.hosts) {
      if (host.port == 0) host.port = port_;
    }
    return true;
  }

  bool CheckNames() {
    if (url_.dbname.size() > kLongestName || url_.user.size() > kLongestName) {
      return Fail("must not have a user or database longer than 63 bytes");
    }
    for (const std::string_view name : {std::string_view(url_.dbname), std::string_view(url_.user),
                                        std::string_view(url_.application_name)}) {
      if (HasControlCharacters(name)) return Fail("must not contain control characters");
    }
    return true;
  }

  DatabaseUrl url_;
  std::string_view hosts_;
  std::vector<std::string> query_hosts_;
  uint16_t port_ = kDefaultPort;
  std::string error_;
};

}  // namespace

Parsed<std::string> PercentDecode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = text.size() - i > 2 ? HexDigit(text[i + 1]) : -1;
    const int low = text.size() - i > 2 ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return Refuse("has a % without two hexadecimal digits; a % itself is written %25");
    const char byte = static_cast<char>(high * 16 + low);
    if (byte == '\0') return Refuse("must not contain a NUL byte (%00)");
    decoded += byte;
    i += 2;
  }
  if (decoded.find('\0') != std::string::npos) return Refuse("must not contain a NUL byte");
  return decoded;
}

Parsed<DatabaseUrl> ParseDatabaseUrl(std::string_view text) { return UrlParser().Parse(text); }

}  // namespace conf
