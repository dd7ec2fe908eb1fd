// PgBouncer's spellings of values, and its defaults.
#include <charconv>
#include <cmath>

#include "conf/ini_keys.h"
#include "conf/keys.h"
#include "conf/nearest.h"

namespace conf {
namespace {

Parsed<Value> ReadAuthType(std::string_view text) {
  if (text == "password") return Refuse("must be written plain, as PgBouncer has it in auth_type");
  return PlainText{text == "plain" ? "password" : std::string(text)};
}

// 0x1f, 017 and 15 are numbers to PgBouncer's strtol.
Parsed<int64_t> ReadInteger(std::string_view text) {
  const Parsed<int64_t> refusal = Refuse("must be a whole number, not " + Quoted(text));
  std::string_view digits = text;
  const bool is_negative = digits.starts_with('-');
  if (is_negative || digits.starts_with('+')) digits.remove_prefix(1);
  int base = 10;
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    base = 16;
    digits.remove_prefix(2);
  } else if (digits.size() > 1 && digits.front() == '0') {
    base = 8;
    digits.remove_prefix(1);
  }
  uint32_t number = 0;  // no key takes more
  const char* last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, number, base);
  if (digits.empty() || error != std::errc() || end != last) return refusal;
  return is_negative ? -static_cast<int64_t>(number) : static_cast<int64_t>(number);
}

Parsed<Value> ReadSwitch(std::string_view text) {
  if (text == "0") return false;
  if (text == "1") return true;
  return Refuse("must be 0 or 1, not " + Quoted(text));
}

Parsed<Value> ReadSeconds(std::string_view text) {
  double seconds = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, seconds);
  if (error != std::errc() || end != last || text.empty() || !std::isfinite(seconds)) {
    return Refuse("must be a number of seconds without a unit, not " + Quoted(text));
  }
  return seconds;
}

Parsed<Value> ReadMilliseconds(std::string_view text) {
  return ReadInteger(text).map([](int64_t number) -> Value { return PlainText{std::to_string(number) + "ms"}; });
}

Parsed<Value> ReadOctalMode(std::string_view text) {
  const auto mode = ReadInteger(text);
  if (!mode) return Refuse(mode.error());
  if (*mode < 0 || *mode > 0777) {
    return Refuse("must be permission bits up to 0777, not " + Quoted(text) + "; octal needs a 0 in front");
  }
  return PlainText{FormatOctalMode(static_cast<int>(*mode))};
}

Parsed<Value> ReadVerbosity(std::string_view text) {
  const auto verbosity = ReadInteger(text);
  if (!verbosity || *verbosity < 0 || *verbosity > 3) return Refuse("must be 0 to 3, not " + Quoted(text));
  return PlainText{*verbosity == 0 ? "info" : "debug"};
}

}  // namespace

Parsed<Value> ReadIniValue(IniReading reading, std::string_view text) {
  switch (reading) {
    case IniReading::kText: break;
    case IniReading::kInteger: return ReadInteger(text).map([](int64_t number) -> Value { return number; });
    case IniReading::kSwitch: return ReadSwitch(text);
    case IniReading::kSeconds: return ReadSeconds(text);
    case IniReading::kMilliseconds: return ReadMilliseconds(text);
    case IniReading::kOctalMode: return ReadOctalMode(text);
    case IniReading::kVerbosity: return ReadVerbosity(text);
    case IniReading::kAuthType: return ReadAuthType(text);
    case IniReading::kTlsProtocols: return PlainText{text == "legacy" ? "all" : std::string(text)};
  }
  return PlainText{std::string(text)};
}

std::string IniSpelling(std::string_view key, const std::string& text) {
  const IniKey* known = FindIniKey(IniGlobalKeys(), key);
  if (known == nullptr || known->fate != IniFate::kMapped) return text;
  if (known->reading == IniReading::kSwitch) return text == "true" ? "1" : text == "false" ? "0" : text;
  if (known->reading != IniReading::kSeconds && known->reading != IniReading::kMilliseconds) return text;
  const auto duration = ParseDuration(text);
  if (!duration) return text;
  const int64_t unit = known->reading == IniReading::kSeconds ? 1'000'000 : 1'000;
  const int64_t rest = duration->count() % unit;
  std::string number = std::to_string(duration->count() / unit);
  if (rest == 0) return number;
  std::string decimals = std::to_string(unit + rest).substr(1);
  while (decimals.back() == '0') decimals.pop_back();
  return number + '.' + decimals;
}

const Global& IniDefaults() {
  static const Global global = [] {
    Global defaults = DefaultGlobal();
    for (const IniKey& key : IniGlobalKeys()) {
      if (key.fate != IniFate::kMapped) continue;
      // both tables are constant, and a test walks them
      (void)FindKey(GlobalKeys(), key.Target())->set(defaults, *ReadIniValue(key.reading, key.default_value));
    }
    defaults.auth_query_cache_age = Duration(0);  // it has no cache
    defaults.keys.max_waiting = defaults.max_client_conn;
    defaults.keys.queue_target = Duration(0);  // nobody is refused for overload
    defaults.pam_service = "pgbouncer";
    // Whoever brings PgBouncer's configuration has alerts and parsers for its lines.
    defaults.log_format = LogFormat::kPgBouncer;
    return defaults;
  }();
  return global;
}

}  // namespace conf
