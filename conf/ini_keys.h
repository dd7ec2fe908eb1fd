// PgBouncer's keys: what becomes of each in pgweir, its default, and what an operator must know about it.
//
// What: one table per section, and nothing else knows a name of PgBouncer's. Each key has one fate:
//   kMapped   is a key of pgweir; `reading` says how PgBouncer writes its value, `target` what pgweir calls it
//   kNoted    is about PgBouncer's insides: accepted, without effect; `remark` says why, for the log
//   kRefused  pgweir cannot honour it: anything but its default is a mistake; `remark` says why and what to do instead
// `remark` of a mapped key says what is different from PgBouncer; `convert` writes it beside the key.
// Threads: constant tables. Source: pgbouncer-facts.md, section 1 (PgBouncer 1.25 and its next version).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/units.h"
#include "conf/value.h"

namespace conf {

enum class IniFate : uint8_t { kMapped, kNoted, kRefused };

enum class IniReading : uint8_t {
  kText,
  kInteger,       // any base that C knows: 10, 0x0a, 012
  kSwitch,        // 0 or 1
  kSeconds,       // a plain number, with a fraction if need be
  kMilliseconds,  // a whole number
  kOctalMode,     // an integer: octal by its leading 0
  kVerbosity,     // 0 to 3, to log_level
  kAuthType,
  kTlsProtocols,
};

struct IniKey {
  std::string_view name;
  IniFate fate;
  IniReading reading = IniReading::kText;
  std::string_view default_value = "";  // as PgBouncer writes it; of a key of [databases], [users] or [peers]: only when refused
  std::string_view remark = "";
  std::string_view target = "";  // empty: the name itself
  std::string_view Target() const { return target.empty() ? name : target; }
};

const std::vector<IniKey>& IniGlobalKeys();    // [pgbouncer]
const std::vector<IniKey>& IniDatabaseKeys();  // the connection strings of [databases]
const std::vector<IniKey>& IniUserKeys();      // those of [users]
const std::vector<IniKey>& IniPeerKeys();      // those of [peers]

const IniKey* FindIniKey(const std::vector<IniKey>& keys, std::string_view name);

// The value as the key of pgweir takes it; a refusal completes "KEY ...".
Parsed<Value> ReadIniValue(IniReading reading, std::string_view text);

// A value of SHOW CONFIG, as PgBouncer writes it: seconds and milliseconds as plain numbers, switches as 0 and 1. `text` is a value as the
// key of pgweir shows it; keys that PgBouncer has not, and other readings, keep it.
std::string IniSpelling(std::string_view key, const std::string& text);

// What an empty [pgbouncer] section means: PgBouncer's defaults, and pgweir's own for the keys that PgBouncer has not.
const Global& IniDefaults();

}  // namespace conf
