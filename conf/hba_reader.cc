// The text of auth_hba_file to rules, with every mistake in it.
#include <filesystem>
#include <utility>

#include "conf/draft.h"
#include "conf/hba.h"
#include "conf/hba_words.h"
#include "conf/nearest.h"
#include "conf/user_list.h"

namespace conf {
namespace {

enum class Column : uint8_t { kDatabases, kUsers };

struct MethodWord {
  std::string_view word;
  AuthType method;
};
constexpr MethodWord kMethods[] = {{"trust", AuthType::kTrust},
                                   {"reject", AuthType::kReject},
                                   {"password", AuthType::kPassword},
                                   {"md5", AuthType::kMd5},
                                   {"scram-sha-256", AuthType::kScramSha256},
                                   {"cert", AuthType::kCert},
                                   {"peer", AuthType::kPeer},
                                   {"pam", AuthType::kPam},
                                   {"ldap", AuthType::kLdap}};

std::string ReasonAgainstMethod(const std::string& word) {
  if (word == "plain") return "it is called password in this file";
  if (word == "ident") return "pgweir asks no ident server; for Unix sockets use peer";
  if (word == "gss" || word == "sspi") return "pgweir has no GSSAPI; use cert or scram-sha-256";
  if (word == "radius" || word == "bsd" || word == "oauth") return "pgweir has no such logins; use scram-sha-256";
  if (word == "any") return "it would ignore the user's name, which the line has just looked at; use trust";
  std::vector<std::string_view> words;
  for (const MethodWord& known : kMethods) words.push_back(known.word);
  return "methods are trust, reject, password, md5, scram-sha-256, cert, peer, pam and ldap" + DidYouMean(word, words);
}

// 255.255.0.0 is 16; -1 for a mask with a hole.
int PrefixOf(const AddressRange& mask) {
  const int all_bits = mask.is_v6 ? 128 : 32;
  const auto is_set = [&mask](int bit) { return (mask.bytes[bit / 8] & (0x80 >> (bit % 8))) != 0; };
  int bits = 0;
  while (bits < all_bits && is_set(bits)) ++bits;
  for (int bit = bits; bit < all_bits; ++bit) {
    if (is_set(bit)) return -1;
  }
  return bits;
}

class HbaReader {
 public:
  HbaReader(std::string file, const ReadText& read) : file_(std::move(file)), read_(read) {}

  tl::expected<HbaRules, std::vector<Mistake>> Read(std::string_view text) {
    ForEachLine(text, file_, [this](std::vector<HbaField> fields) { ReadRule(std::move(fields)); });
    if (!mistakes_.empty()) return tl::unexpected(std::move(mistakes_));
    return std::move(rules_);
  }

 private:
  // Where the line at hand is; mistakes are told there.
  struct Place {
    std::string file;
    int line = 0;
  };

  // Once: a file of names may be read for several lines.
  void Add(std::string text) {
    Mistake mistake{.file = place_.file, .line = place_.line, .text = std::move(text)};
    if (told_.insert(mistake.ToString()).second) mistakes_.push_back(std::move(mistake));
  }

  template <typename Handle>
  void ForEachLine(std::string_view text, const std::string& file, Handle handle) {
    const Place outer = std::exchange(place_, Place{file, 0});
    while (!text.empty() && !is_full_) {
      const size_t end = text.find('\n');
      const std::string_view line = text.substr(0, end);
      text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
      ++place_.line;
      auto fields = SplitFields(line);
      if (!fields) {
        Add("a line that " + fields.error());
      } else if (!fields->empty()) {
        handle(std::move(*fields));
      }
    }
    place_ = outer;
  }

  // A limit was passed: told once, and nothing more is read.
  void BeFull(const std::string& what) {
    if (!is_full_) Add(what);
    is_full_ = true;
  }

  // --- the names of a column ---

  // A word that stands for more than its text; false: it is a name.
  bool TakeKeyword(const HbaWord& word, Column column, HbaNames& names) {
    if (word.is_quoted) return false;
    const bool is_database = column == Column::kDatabases;
    if (word.text == "all") {
      names.has_all = true;
    } else if (is_database && word.text == "sameuser") {
      names.has_same_user = true;
    } else if (is_database && word.text == "replication") {
      names.has_replication = true;
    } else if (is_database && (word.text == "samerole" || word.text == "samegroup")) {
      Add(Quoted(word.text) + " is not supported: pgweir does not know who is a member of which role; list the databases");
    } else if (!is_database && word.text.starts_with('+')) {
      Add(Quoted(word.text) + " is not supported: pgweir does not know who is a member of which role; list the users");
    } else if (word.text.starts_with('/')) {
      Add(Quoted(word.text) + " is not supported: pgweir takes no regular expressions; list the names, or quote a name that begins so");
    } else {
      return false;
    }
    return true;
  }

  void ReadName(const HbaWord& word, Column column, HbaNames& names, int depth) {
    if (!word.is_quoted && word.text.starts_with('@')) return ReadNameFile(word.text.substr(1), column, names, depth);
    if (TakeKeyword(word, column, names)) return;
    const size_t longest = column == Column::kUsers ? kLongestUser : kLongestDatabase;
    if (const std::string fault = NameFault(word.text, longest); !fault.empty()) {
      return Add(std::string(column == Column::kUsers ? "user " : "database ") + Quoted(word.text) + " " + fault);
    }
    if (names.names.insert(word.text).second && ++name_count_ > kHbaNamesMax) {
      BeFull("more than " + std::to_string(kHbaNamesMax) + " names; use all, or fewer lines");
    }
  }

  void ReadNameFile(const std::string& name, Column column, HbaNames& names, int depth) {
    if (name.empty()) return Add("@ must be followed by the name of a file");
    if (depth == kHbaIncludeDepthMax) return Add("@" + name + " is nested too deeply; does it name itself?");
    if (++include_count_ > kHbaIncludesMax) return BeFull("more than " + std::to_string(kHbaIncludesMax) + " files are named by @");
    const std::string path = (std::filesystem::path(place_.file).parent_path() / name).string();
    const auto content = read_(path);
    if (!content) return Add("@" + name + ": " + content.error());
    ForEachLine(*content, path, [&](const std::vector<HbaField>& fields) {
      for (const HbaField& field : fields) {
        for (const HbaWord& word : field) ReadName(word, column, names, depth + 1);
      }
    });
  }

  HbaNames ReadNames(const HbaField& field, Column column) {
    HbaNames names;
    for (const HbaWord& word : field) ReadName(word, column, names, 0);
    return names;
  }

  // --- the rest of a line ---

  // One word that may not be a list.
  const HbaWord* Single(const HbaField& field, const char* what) {
    if (field.size() == 1) return &field.front();
    Add(std::string("the ") + what + " must be one word, not a list; double quotes keep a comma in a word");
    return nullptr;
  }

  // The address of a host line, which takes one field or, with a mask, two; the number of fields, 0 after a mistake.
  size_t ReadAddress(const std::vector<HbaField>& fields, HbaRule& rule) {
    const HbaWord* word = Single(fields[3], "address");
    if (word == nullptr) return 0;
    if (word->Is("all")) return 1;
    const std::string& text = word->text;
    if (word->Is("samehost") || word->Is("samenet")) {
      Add(Quoted(text) + " is not supported: pgweir does not compare with the addresses of this machine; write them");
      return 0;
    }
    const bool has_prefix = text.find('/') != std::string::npos;
    auto range = ParseAddressRange(text);
    if (!range) {
      const bool is_name = text.find_first_not_of("0123456789abcdefABCDEF.:/") != std::string::npos;
      Add(is_name ? "address " + Quoted(text) + " is not supported: pgweir looks up no host names here; write all, 10.0.0.0/8 or ::1/128"
                  : "address " + range.error());
      return 0;
    }
    rule.address = *range;
    if (has_prefix) return 1;
    const HbaWord* mask_word = fields.size() > 4 ? Single(fields[4], "mask") : nullptr;
    const auto mask = mask_word != nullptr && mask_word->text.find('/') == std::string::npos ? ParseAddressRange(mask_word->text)
                                                                                             : Parsed<AddressRange>(Refuse(""));
    if (!mask || mask->is_v6 != range->is_v6) {
      Add("address " + Quoted(text) + " must be followed by a mask, or have a prefix such as " + text + (range->is_v6 ? "/128" : "/32"));
      return 0;
    }
    rule.address->prefix_bits = PrefixOf(*mask);
    if (rule.address->prefix_bits < 0) {
      Add("mask " + Quoted(mask_word->text) + " must be ones followed by zeros, such as 255.255.255.0");
      return 0;
    }
    if (const auto whole = ParseAddressRange(FormatAddressRange(*rule.address)); !whole) {
      Add("address " + whole.error());
      return 0;
    }
    return 2;
  }

  bool ReadMethod(const HbaField& field, HbaRule& rule) {
    const HbaWord* word = Single(field, "method");
    if (word == nullptr) return false;
    for (const MethodWord& known : kMethods) {
      if (!word->Is(known.word)) continue;
      rule.method = known.method;
      return true;
    }
    Add("method " + Quoted(word->text) + " is not supported: " + ReasonAgainstMethod(word->text));
    return false;
  }

  void ReadOption(const std::string& name, const std::string& value, HbaRule& rule) {
    if (rule.method == AuthType::kPam) {
      if (name != "pamservice") return Add("option " + Quoted(name) + " is not supported by the method pam: only pamservice= is");
      if (!rule.pam_service.empty()) return Add("option pamservice is given twice");
      if (const std::string fault = PamServiceFault(value); !fault.empty()) return Add("option pamservice " + fault);
      rule.pam_service = value;
      return;
    }
    if (name == "pamservice" || IsLdapOption(name)) {
      return Add("option " + name + " belongs to the method " + (name == "pamservice" ? "pam" : "ldap") + ", not to " + std::string(Name(rule.method)));
    }
    if (name != "map") {
      return Add("option " + Quoted(name) + " is not supported: only map= is, for cert and peer" +
                 (name == "clientcert" ? "; the method cert asks for a certificate, client_tls_sslmode = verify-full asks everybody" : ""));
    }
    if (rule.method != AuthType::kCert && rule.method != AuthType::kPeer) {
      return Add("option map belongs to the methods cert and peer, not to " + std::string(Name(rule.method)));
    }
    if (!rule.map.empty()) return Add("option map is given twice");
    rule.map = value;
    if (rule.map.empty()) Add("option map must name a map of auth_ident_file");
  }

  void ReadOptions(const std::vector<HbaField>& fields, size_t first, HbaRule& rule) {
    LdapPairs pairs;
    bool is_whole = true;
    for (size_t i = first; i < fields.size(); ++i) {
      const HbaWord* word = Single(fields[i], "option");
      const size_t equals = word == nullptr ? std::string::npos : word->text.find('=');
      if (word != nullptr && equals == std::string::npos) {
        // behind ldapbindpasswd it may be the rest of a password
        const std::string which = rule.method == AuthType::kLdap ? "an option" : "option " + Quoted(word->text);
        Add(which + " must be written NAME=VALUE" + (rule.method == AuthType::kLdap ? ", in double quotes if there are blanks in it" : "; map= is for cert and peer, pamservice= for pam"));
      }
      is_whole = is_whole && equals != std::string::npos;
      if (equals == std::string::npos) continue;
      const std::string name = word->text.substr(0, equals), value = word->text.substr(equals + 1);
      if (rule.method == AuthType::kLdap) pairs.emplace_back(name, value);
      else ReadOption(name, value, rule);
    }
    if (rule.method != AuthType::kLdap || !is_whole) return;
    auto options = ReadLdapOptions(pairs);
    if (options) rule.ldap = std::move(*options);
    else for (std::string& mistake : options.error()) Add(std::move(mistake));
  }

  std::optional<HbaConnection> ReadConnection(const HbaField& field) {
    const HbaWord* word = Single(field, "type");
    if (word == nullptr) return std::nullopt;
    if (word->Is("local")) return HbaConnection::kLocal;
    if (word->Is("host")) return HbaConnection::kHost;
    if (word->Is("hostssl")) return HbaConnection::kHostTls;
    if (word->Is("hostnossl")) return HbaConnection::kHostClear;
    const std::string& text = word->text;
    if (text == "hostgssenc" || text == "hostnogssenc") {
      Add("type " + Quoted(text) + " is not supported: pgweir has no GSSAPI; use host, hostssl or hostnossl");
    } else if (text.starts_with("include")) {
      Add(Quoted(text) + " is not supported: PgBouncer has no such lines; put the lines themselves here");
    } else {
      Add("type " + Quoted(text) + " must be local, host, hostssl or hostnossl" + DidYouMean(text, {"local", "host", "hostssl", "hostnossl"}));
    }
    return std::nullopt;
  }

  void CheckMethodFits(const HbaRule& rule) {
    const bool is_local = rule.connection == HbaConnection::kLocal;
    if (rule.method == AuthType::kPeer && !is_local) Add("method peer is for local lines: only a Unix socket tells who is there");
    if (rule.method == AuthType::kCert && (is_local || rule.connection == HbaConnection::kHostClear)) {
      Add("method cert is for hostssl lines: a certificate comes by TLS only");
    }
  }

  void ReadRule(std::vector<HbaField> fields) {
    HbaRule rule{.file = place_.file, .line = place_.line};
    const auto connection = ReadConnection(fields.front());
    if (!connection) return;
    rule.connection = *connection;
    const bool is_local = *connection == HbaConnection::kLocal;
    if (fields.size() < (is_local ? 4u : 5u)) {
      return Add(is_local ? "the line is too short; local lines are: local DATABASES USERS METHOD"
                          : "the line is too short; host lines are: host DATABASES USERS ADDRESS METHOD");
    }
    rule.databases = ReadNames(fields[1], Column::kDatabases);
    rule.users = ReadNames(fields[2], Column::kUsers);
    const size_t address_fields = is_local ? 0 : ReadAddress(fields, rule);
    const size_t method_at = 3 + address_fields;
    if (!is_local && address_fields == 0) return;
    if (method_at >= fields.size()) return Add("the method is missing behind the address");
    if (ReadMethod(fields[method_at], rule)) {
      CheckMethodFits(rule);
      ReadOptions(fields, method_at + 1, rule);
    }
    rules_.rules.push_back(std::move(rule));
    if (rules_.rules.size() > kHbaRulesMax) BeFull("more than " + std::to_string(kHbaRulesMax) + " lines");
  }

  const std::string file_;
  const ReadText& read_;
  Place place_;
  HbaRules rules_;
  std::vector<Mistake> mistakes_;
  std::set<std::string> told_;
  size_t name_count_ = 0, include_count_ = 0;
  bool is_full_ = false;
};

}  // namespace

tl::expected<HbaRules, std::vector<Mistake>> ParseHba(std::string_view text, const std::string& file, const ReadText& read) {
  return HbaReader(file, read).Read(text);
}

}  // namespace conf
