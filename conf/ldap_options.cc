#include "conf/ldap_options.h"

#include <algorithm>
#include <map>
#include <optional>

#include "conf/hba_words.h"
#include "conf/ldap_url.h"
#include "conf/nearest.h"
#include "conf/units.h"

namespace conf {
namespace {

const std::vector<std::string_view> kNames = {
    "ldapserver", "ldapport",   "ldapscheme",     "ldaptls",             "ldapprefix",       "ldapsuffix",
    "ldapbasedn", "ldapbinddn", "ldapbindpasswd", "ldapsearchattribute", "ldapsearchfilter", "ldapurl"};

constexpr std::string_view kBindPassword = "ldapbindpasswd";

// An attribute's name, with options behind it at most.
bool IsAttribute(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char character) {
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9') || character == '-' || character == '.' || character == ';';
  });
}

std::string InDoubleQuotes(std::string_view text) {
  std::string quoted = "\"";
  for (const char character : text) quoted.append(character == '"' ? 2 : 1, character);
  return quoted + '"';
}

class Reader {
 public:
  tl::expected<LdapOptions, std::vector<std::string>> Read(const LdapPairs& pairs) {
    std::string before;
    for (const auto& [name, value] : pairs) {
      Take(name, value, before);
      before = name;
    }
    if (const auto url = Find("ldapurl")) TakeUrl(*url);
    TakeServers();
    TakeWay();
    if (!mistakes_.empty()) return tl::unexpected(std::move(mistakes_));
    return std::move(options_);
  }

 private:
  void Add(std::string text) { mistakes_.push_back(std::move(text)); }

  void Take(const std::string& name, const std::string& value, const std::string& before) {
    // it may be the rest of the password
    if (!IsLdapOption(name) && before == kBindPassword) return Add("an unknown option stands behind ldapbindpasswd; a password with blanks stands in double quotes");
    if (!IsLdapOption(name)) return Add("option " + Quoted(name) + " is not supported by the method ldap" + DidYouMean(name, kNames));
    if (value.empty()) return Add("option " + name + " must not be empty; leave it out instead");
    if (!given_.emplace(name, value).second) Add("option " + name + " is given twice");
  }

  std::optional<std::string> Find(std::string_view name) const {
    const auto found = given_.find(name);
    return found == given_.end() ? std::nullopt : std::optional(found->second);
  }

  // What the URL says, as if it stood in options of its own.
  void TakeUrl(const std::string& text) {
    options_.has_search = true;
    const auto url = ParseLdapUrl(text);
    if (!url) return Add("option ldapurl " + url.error());
    options_.scope = url->scope;
    const auto add = [this](const char* name, const std::string& value) {
      if (value.empty()) return;
      if (!given_.emplace(name, value).second) Add("option " + std::string(name) + " is given twice: ldapurl says it, too");
    };
    add("ldapserver", url->host);
    add("ldapscheme", url->is_ldaps ? "ldaps" : "ldap");
    add("ldapport", url->port == 0 ? "" : std::to_string(url->port));
    add("ldapbasedn", url->base_dn);
    add("ldapsearchattribute", url->filter.empty() ? url->attribute : "");  // PostgreSQL's way with both
    add("ldapsearchfilter", url->filter);
  }

  void TakeServers() {
    const std::string scheme = Find("ldapscheme").value_or("ldap");
    if (scheme != "ldap" && scheme != "ldaps") Add("option ldapscheme must be ldap or ldaps, not " + Quoted(scheme));
    const std::string tls = Find("ldaptls").value_or("0");
    if (tls != "0" && tls != "1") Add("option ldaptls must be 0 or 1, not " + Quoted(tls));
    options_.has_start_tls = tls == "1";
    if (options_.has_start_tls && scheme == "ldaps") Add("option ldaptls = 1 is for ldap: with ldaps the connection begins with TLS");
    std::string port = scheme == "ldaps" ? "636" : "389";
    if (const auto given = Find("ldapport")) {
      const auto number = ParseInteger(*given);
      if (!number || *number < 1 || *number > 65535) return Add("option ldapport must be a whole number from 1 to 65535, not " + Quoted(*given));
      port = std::to_string(*number);
    }
    std::string servers = Find("ldapserver").value_or("");
    std::replace(servers.begin(), servers.end(), ' ', ',');
    for (const std::string& host : SplitList(servers)) {
      if (!IsLdapHost(host)) Add("option ldapserver must name hosts without port, not " + Quoted(host) + "; the port is ldapport, [...] is around an IPv6 address");
      options_.uris.push_back(scheme + "://" + host + ":" + port);
    }
    if (options_.uris.size() > kLdapServersMax) Add("option ldapserver must not name more than " + std::to_string(kLdapServersMax) + " hosts");
    if (options_.uris.empty() && !given_.contains("ldapurl")) Add("the method ldap needs the option ldapserver or ldapurl");
  }

  void TakeWay() {
    options_.prefix = Find("ldapprefix").value_or("");
    options_.suffix = Find("ldapsuffix").value_or("");
    options_.base_dn = Find("ldapbasedn").value_or("");
    options_.bind_dn = Find("ldapbinddn").value_or("");
    options_.bind_password = Secret(Find("ldapbindpasswd").value_or(""));
    options_.filter = Find("ldapsearchfilter").value_or("");
    options_.attribute = Find("ldapsearchattribute").value_or("uid");
    const bool has_around = !options_.prefix.empty() || !options_.suffix.empty();
    options_.has_search = options_.has_search || !options_.base_dn.empty();
    const bool has_search_options = options_.has_search || given_.contains("ldapbinddn") || given_.contains("ldapbindpasswd") ||
                                    given_.contains("ldapsearchattribute") || given_.contains("ldapsearchfilter");
    if (has_around && has_search_options) {
      Add("options ldapprefix and ldapsuffix (simple bind) cannot stand beside those of search and bind: ldapurl, ldapbasedn, "
          "ldapbinddn, ldapbindpasswd, ldapsearchattribute, ldapsearchfilter");
    } else if (!has_around && !options_.has_search) {
      Add("the method ldap needs the option ldapprefix or ldapsuffix (simple bind), or ldapbasedn or ldapurl (search and bind)");
    }
    if (given_.contains("ldapsearchattribute") && given_.contains("ldapsearchfilter")) {
      Add("options ldapsearchattribute and ldapsearchfilter exclude each other");
    }
    if (!IsAttribute(options_.attribute)) Add("option ldapsearchattribute must be the name of one attribute, not " + Quoted(options_.attribute));
    if (!options_.filter.empty() && options_.filter.find(kLdapUserName) == std::string::npos) {
      Add("option ldapsearchfilter must hold $username, or everybody would be found");
    }
    if (options_.bind_dn.empty() != options_.bind_password.empty()) {
      Add("options ldapbinddn and ldapbindpasswd need each other; without both the search is made by nobody");
    }
  }

  LdapOptions options_;
  std::map<std::string, std::string, std::less<>> given_;
  std::vector<std::string> mistakes_;
};

}  // namespace

std::string ShownLdapOptions(const LdapOptions& options) {
  const auto fields = SplitFields(options.text.Reveal());
  if (!fields) return "";
  std::string shown;
  for (const HbaField& field : *fields) {
    const std::string name = field.front().text.substr(0, field.front().text.find('='));
    const std::string value = name == kBindPassword ? "***" : field.front().text.substr(name.size() + 1);
    const bool needs_quotes = value.find_first_of(" ,#\"") != std::string::npos;
    shown += (shown.empty() ? "" : " ") + name + "=" + (needs_quotes ? InDoubleQuotes(value) : value);
  }
  return shown;
}

bool IsLdapOption(std::string_view name) { return std::find(kNames.begin(), kNames.end(), name) != kNames.end(); }

tl::expected<LdapOptions, std::vector<std::string>> ReadLdapOptions(const LdapPairs& pairs) { return Reader().Read(pairs); }

tl::expected<LdapOptions, std::vector<std::string>> ParseLdapOptions(std::string_view text) {
  const auto refuse = [](std::string mistake) { return tl::unexpected(std::vector<std::string>{std::move(mistake)}); };
  const auto fields = SplitFields(text);
  if (!fields) return refuse("it " + fields.error());
  LdapPairs pairs;
  for (const HbaField& field : *fields) {
    if (field.size() != 1) return refuse("an option with a comma stands in double quotes, such as ldapbasedn=\"dc=example,dc=net\"");
    const std::string& word = field.front().text;
    const size_t equals = word.find('=');
    // it may be the rest of a password, so it is not shown
    if (equals == std::string::npos) return refuse("option " + std::to_string(pairs.size() + 1) + " must be written NAME=VALUE, in double quotes if there are blanks in it");
    pairs.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  auto options = ReadLdapOptions(pairs);
  if (options) options->text = Secret(std::string(text));
  return options;
}

}  // namespace conf
