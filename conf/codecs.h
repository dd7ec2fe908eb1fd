// Types of values: how each reads a Value, checks its range, and writes it back.
//
// What: small value types for the key table. Parse gives the value or a text that completes "KEY ..."; Format is the
// spelling of SHOW CONFIG; Allowed names the type and range, for messages and documents.
// Limits: text of at most kMaxText bytes without NUL (PostgreSQL's messages end strings with it), lists of kMaxItems.
// Threads: none; constant after construction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/config.h"
#include "conf/units.h"
#include "conf/value.h"

namespace conf {

inline constexpr size_t kMaxText = 4096;
inline constexpr size_t kMaxItems = 10000;

struct IntegerCodec {
  int min, max;
  std::string_view note;  // added to the refusal of a number out of range: why, or what to write
  Parsed<int> Parse(const Value& value) const;
  std::string Format(int number) const;
  std::string Allowed() const;
};

struct DurationCodec {
  Duration min, max;
  std::string_view note;
  std::string_view automatic;  // the word for kAutomatic; empty = there is none
  Parsed<Duration> Parse(const Value& value) const;
  std::string Format(Duration duration) const;
  std::string Allowed() const;
};

struct FractionCodec {
  Parsed<double> Parse(const Value& value) const;
  std::string Format(double fraction) const;
  std::string Allowed() const;
};

struct BoolCodec {
  Parsed<bool> Parse(const Value& value) const;
  std::string Format(bool value) const;
  std::string Allowed() const;
};

struct OctalModeCodec {
  Parsed<int> Parse(const Value& value) const;
  std::string Format(int mode) const;
  std::string Allowed() const;
};

// Text; `check` refuses what the key cannot use, or is empty.
struct TextCodec {
  std::string allowed = "text";
  Parsed<std::string> (*check)(std::string text) = nullptr;
  std::string_view permitted_controls = "";  // a query may have lines
  Parsed<std::string> Parse(const Value& value) const;
  std::string Format(const std::string& text) const;
  std::string Allowed() const;
};

// "a, b" or ["a", "b"].
struct ListCodec {
  std::string allowed = "a list of names";
  Parsed<std::vector<std::string>> (*check)(std::vector<std::string> items) = nullptr;
  Parsed<std::vector<std::string>> Parse(const Value& value) const;
  std::string Format(const std::vector<std::string>& items) const;
  std::string Allowed() const;
};

struct AddressRangesCodec {
  Parsed<std::vector<AddressRange>> Parse(const Value& value) const;
  std::string Format(const std::vector<AddressRange>& ranges) const;
  std::string Allowed() const;
};

struct HostsCodec {
  Parsed<std::vector<Host>> Parse(const Value& value) const;
  std::string Format(const std::vector<Host>& hosts) const;
  std::string Allowed() const;
};

// "track", or "track, listen=pin, temp_table=reject". In session_state.cc.
struct SessionStateCodec {
  Parsed<SessionState> Parse(const Value& value) const;
  std::string Format(const SessionState& state) const;  // the commonest policy, then the kinds that differ
  std::string Allowed() const;
};

// auth_ldap_options. Never quotes what it was given: a password may be in it.
struct LdapOptionsCodec {
  Parsed<LdapOptions> Parse(const Value& value) const;
  std::string Format(const LdapOptions& options) const;  // without the password
  std::string Allowed() const;
};

// Never quotes what it was given.
struct SecretCodec {
  Parsed<Secret> Parse(const Value& value) const;
  std::string Format(const Secret& secret) const;
  std::string Allowed() const;
};

// One of a few words. The words live in an array that the codec borrows.
std::string JoinWords(const std::vector<std::string_view>& words);
Parsed<size_t> ParseWord(const Value& value, const std::vector<std::string_view>& words);

template <typename Enum>
struct WordCodec {
  std::vector<std::pair<std::string_view, Enum>> words;

  std::vector<std::string_view> Names() const {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : words) names.push_back(name);
    return names;
  }
  Parsed<Enum> Parse(const Value& value) const {
    return ParseWord(value, Names()).map([this](size_t index) { return words[index].second; });
  }
  std::string Format(Enum wanted) const {
    for (const auto& [name, value] : words) {
      if (value == wanted) return std::string(name);
    }
    return "";
  }
  std::string Allowed() const { return JoinWords(Names()); }
};

}  // namespace conf
