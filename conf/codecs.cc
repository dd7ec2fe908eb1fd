#include "conf/codecs.h"

#include <algorithm>

#include "conf/hosts.h"
#include "conf/nearest.h"

namespace conf {
namespace {

// The value as a refusal shows it: what was written, or what kind of thing it is.
std::string Shown(const Value& value) {
  struct Visitor {
    std::string operator()(const PlainText& plain) const { return Quoted(plain.text); }
    std::string operator()(const std::string& text) const { return "the text " + Quoted(text); }
    std::string operator()(int64_t number) const { return std::to_string(number); }
    std::string operator()(double number) const { return "the fraction " + std::to_string(number); }
    std::string operator()(bool truth) const { return truth ? "true" : "false"; }
    std::string operator()(const std::vector<std::string>&) const { return "a list"; }
    std::string operator()(const Unusable& unusable) const { return unusable.what; }
  };
  return std::visit(Visitor{}, value);
}

std::string MustBe(const std::string& allowed, const Value& value) {
  return "must be " + allowed + ", not " + Shown(value);
}

// The text of a quoted string or of plain text; nullptr for every other type.
const std::string* TextOf(const Value& value) {
  if (const auto* plain = std::get_if<PlainText>(&value)) return &plain->text;
  return std::get_if<std::string>(&value);
}

bool HasControlCharacters(std::string_view text, std::string_view permitted) {
  return std::any_of(text.begin(), text.end(), [permitted](char character) {
    const auto byte = static_cast<unsigned char>(character);
    return (byte < 0x20 || byte == 0x7f) && permitted.find(character) == std::string_view::npos;
  });
}

std::string WithNote(std::string text, std::string_view note) {
  if (!note.empty()) text += "; " + std::string(note);
  return text;
}

}  // namespace

Parsed<int> IntegerCodec::Parse(const Value& value) const {
  int64_t number = 0;
  if (const auto* plain = std::get_if<PlainText>(&value)) {
    const auto parsed = ParseInteger(plain->text);
    if (!parsed) return Refuse(MustBe(Allowed(), value));
    number = *parsed;
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    number = *integer;
  } else {
    return Refuse(MustBe(Allowed(), value));
  }
  if (number < min || number > max) return Refuse(WithNote(MustBe(Allowed(), value), note));
  return static_cast<int>(number);
}

std::string IntegerCodec::Format(int number) const { return std::to_string(number); }

std::string IntegerCodec::Allowed() const {
  return "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
}

Parsed<Duration> DurationCodec::Parse(const Value& value) const {
  Parsed<Duration> parsed = Refuse(MustBe(Allowed(), value));
  if (const std::string* text = TextOf(value); text != nullptr && !automatic.empty() && *text == automatic) return kAutomatic;
  if (const std::string* text = TextOf(value)) {
    parsed = ParseDuration(*text);
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    parsed = SecondsToDuration(static_cast<double>(*integer));
  } else if (const auto* fraction = std::get_if<double>(&value)) {
    parsed = SecondsToDuration(*fraction);
  }
  if (!parsed) return parsed;
  if (*parsed < min || *parsed > max) return Refuse(WithNote(MustBe(Allowed(), value), note));
  return parsed;
}

std::string DurationCodec::Format(Duration duration) const {
  return duration == kAutomatic ? std::string(automatic) : FormatDuration(duration);
}

std::string DurationCodec::Allowed() const {
  const std::string word = automatic.empty() ? "" : "\"" + std::string(automatic) + "\", or ";
  return word + "a time from " + FormatDuration(min) + " to " + FormatDuration(max);
}

Parsed<double> FractionCodec::Parse(const Value& value) const {
  if (const std::string* text = TextOf(value)) return ParseFraction(*text);
  double fraction = -1;
  if (const auto* number = std::get_if<double>(&value)) fraction = *number;
  if (const auto* number = std::get_if<int64_t>(&value)) fraction = static_cast<double>(*number);
  if (!(fraction >= 0 && fraction <= 1)) return Refuse(MustBe(Allowed(), value));
  return fraction;
}

std::string FractionCodec::Format(double fraction) const { return FormatFraction(fraction); }
std::string FractionCodec::Allowed() const { return "from 0% to 100%, written \"10%\" or 0.1"; }

Parsed<bool> BoolCodec::Parse(const Value& value) const {
  if (const auto* plain = std::get_if<PlainText>(&value)) return ParseBool(plain->text);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth;
  return Refuse(MustBe(Allowed(), value));
}

std::string BoolCodec::Format(bool value) const { return value ? "true" : "false"; }
std::string BoolCodec::Allowed() const { return "true or false"; }

Parsed<int> OctalModeCodec::Parse(const Value& value) const {
  // a bare 777 would be decimal in TOML, so a number is refused rather than guessed at
  if (const std::string* text = TextOf(value)) return ParseOctalMode(*text);
  return Refuse(MustBe(Allowed(), value));
}

std::string OctalModeCodec::Format(int mode) const { return FormatOctalMode(mode); }
std::string OctalModeCodec::Allowed() const { return "octal permission bits in quotes, such as \"0770\""; }

Parsed<std::string> TextCodec::Parse(const Value& value) const {
  const std::string* text = TextOf(value);
  if (text == nullptr) return Refuse(MustBe(allowed, value));
  if (HasControlCharacters(*text, permitted_controls)) {
    return Refuse("must not contain control characters, as in " + Quoted(*text));
  }
  if (text->size() > kMaxText) return Refuse("must not be longer than " + std::to_string(kMaxText) + " bytes");
  return check == nullptr ? Parsed<std::string>(*text) : check(*text);
}

std::string TextCodec::Format(const std::string& text) const { return text; }
std::string TextCodec::Allowed() const { return allowed; }

Parsed<std::vector<std::string>> ListCodec::Parse(const Value& value) const {
  std::vector<std::string> items;
  if (const std::string* text = TextOf(value)) {
    items = SplitList(*text);
  } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& item : *list) {
      // a comma inside would make two items of it when SHOW CONFIG's text is given back
      if (Trim(item).empty() || item.find(',') != std::string::npos) {
        return Refuse("must not contain the item " + Quoted(item) + ": write one name per item");
      }
      items.emplace_back(Trim(item));
    }
  } else {
    return Refuse(MustBe(allowed + ", as \"a, b\" or [\"a\", \"b\"]", value));
  }
  if (items.size() > kMaxItems) return Refuse("must not have more than " + std::to_string(kMaxItems) + " items");
  for (const std::string& item : items) {
    if (HasControlCharacters(item, "")) {
      return Refuse("must not contain control characters, as in " + Quoted(item));
    }
  }
  return check == nullptr ? Parsed<std::vector<std::string>>(std::move(items)) : check(std::move(items));
}

std::string ListCodec::Format(const std::vector<std::string>& items) const { return JoinList(items); }
std::string ListCodec::Allowed() const { return allowed; }

Parsed<std::vector<AddressRange>> AddressRangesCodec::Parse(const Value& value) const {
  const auto items = ListCodec{.allowed = Allowed()}.Parse(value);
  if (!items) return Refuse(items.error());
  std::vector<AddressRange> ranges;
  for (const std::string& item : *items) {
    const auto range = ParseAddressRange(item);
    if (!range) return Refuse(range.error());
    ranges.push_back(*range);
  }
  return ranges;
}

std::string AddressRangesCodec::Format(const std::vector<AddressRange>& ranges) const {
  std::vector<std::string> items;
  for (const AddressRange& range : ranges) items.push_back(FormatAddressRange(range));
  return JoinList(items);
}

std::string AddressRangesCodec::Allowed() const { return "a list of addresses or ranges such as 10.0.0.0/8"; }

Parsed<std::vector<Host>> HostsCodec::Parse(const Value& value) const {
  const auto items = ListCodec{.allowed = Allowed()}.Parse(value);
  if (!items) return Refuse(items.error());
  return ParseHosts(*items);
}

std::string HostsCodec::Format(const std::vector<Host>& hosts) const { return FormatHosts(hosts); }
std::string HostsCodec::Allowed() const { return "a list of hosts: host, host:port, [ipv6]:port, /folder or @abstract"; }

Parsed<LdapOptions> LdapOptionsCodec::Parse(const Value& value) const {
  const std::string* text = TextOf(value);
  if (text == nullptr) return Refuse("must be text in quotes");
  if (text->size() > kMaxText) return Refuse("must not be longer than " + std::to_string(kMaxText) + " bytes");
  if (Trim(*text).empty()) return LdapOptions{};
  auto options = ParseLdapOptions(*text);
  if (options) return std::move(*options);
  std::string mistakes = "is wrong";
  for (const std::string& mistake : options.error()) mistakes += (&mistake == &options.error().front() ? ": " : "; ") + mistake;
  return Refuse(mistakes);
}

std::string LdapOptionsCodec::Format(const LdapOptions& options) const { return ShownLdapOptions(options); }
std::string LdapOptionsCodec::Allowed() const { return "options of the method ldap"; }

Parsed<Secret> SecretCodec::Parse(const Value& value) const {
  const std::string* text = TextOf(value);
  if (text == nullptr) return Refuse("must be text in quotes");
  if (text->empty()) return Refuse("must not be empty");
  if (text->find('\0') != std::string::npos) return Refuse("must not contain a NUL byte");
  if (text->size() > kMaxText) return Refuse("must not be longer than " + std::to_string(kMaxText) + " bytes");
  return Secret(*text);
}

std::string SecretCodec::Format(const Secret&) const { return ""; }
std::string SecretCodec::Allowed() const { return "text"; }

std::string JoinWords(const std::vector<std::string_view>& words) {
  std::string joined;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) joined += i + 1 == words.size() ? " or " : ", ";
    joined += words[i];
  }
  return joined;
}

Parsed<size_t> ParseWord(const Value& value, const std::vector<std::string_view>& words) {
  const std::string* text = TextOf(value);
  if (text == nullptr) return Refuse(MustBe(JoinWords(words), value));
  for (size_t i = 0; i < words.size(); ++i) {
    if (*text == words[i]) return i;
  }
  return Refuse(MustBe(JoinWords(words), value) + DidYouMean(*text, words));
}

}  // namespace conf
