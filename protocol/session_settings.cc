#include "protocol/session_settings.h"

#include <algorithm>
#include <array>
#include <optional>

#include "protocol/message_writer.h"

namespace protocol {
namespace {

// GUC_REPORT and settable in a session, PostgreSQL 12 to 18. session_authorization and role are not among them: they change
// who the session is, and are never copied to another server.
constexpr std::array<std::string_view, 9> kTracked = {
    "application_name", "client_encoding",             "DateStyle",   "default_transaction_read_only", "IntervalStyle",
    "scram_iterations", "search_path", "standard_conforming_strings", "TimeZone"};

// Settings of running, reporting and limits: a text means the same whatever they say. Sorted.
constexpr std::array<std::string_view, 16> kNeverRead = {
    "application_name", "client_min_messages", "effective_cache_size", "extra_float_digits", "idle_in_transaction_session_timeout",
    "idle_session_timeout", "jit", "lock_timeout", "log_min_messages", "maintenance_work_mem", "plan_cache_mode",
    "random_page_cost", "statement_timeout", "synchronous_commit", "temp_buffers", "work_mem"};
static_assert(std::is_sorted(kNeverRead.begin(), kNeverRead.end()));

constexpr std::string_view kConformingStrings = "standard_conforming_strings";

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return Lower(x) == Lower(y); });
}

const std::string* FindIn(const std::vector<Setting>& values, std::string_view name) {
  for (const auto& [key, value] : values) {
    if (key == name) return &value;
  }
  return nullptr;
}

void MakeCanonical(std::string& name) {
  const std::string_view tracked = TrackedName(name);
  if (tracked.empty()) std::transform(name.begin(), name.end(), name.begin(), Lower);
  else if (tracked != name) name = tracked;
}

std::string CanonicalName(std::string_view name) {
  std::string canonical(name);
  MakeCanonical(canonical);
  return canonical;
}

// A GUC name, part by part: RESET "app"."x"
std::string QuoteName(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '.') quoted += "\".\"";
    else if (c == '"') quoted += "\"\"";
    else quoted += c;
  }
  return quoted + '"';
}

}  // namespace

std::string_view TrackedName(std::string_view name) {
  // As a server spells it, most of the time: at each login all that it reports are asked for.
  const auto same = std::find(kTracked.begin(), kTracked.end(), name);
  if (same != kTracked.end()) return *same;
  for (const std::string_view tracked : kTracked) {
    if (EqualsIgnoringCase(tracked, name)) return tracked;
  }
  return {};
}

void PutSetting(std::vector<Setting>& values, std::string_view name, std::string_view value) {
  const auto at = std::lower_bound(values.begin(), values.end(), name, [](const Setting& s, std::string_view n) { return s.first < n; });
  if (at != values.end() && at->first == name) {
    at->second = value;
  } else {
    values.emplace(at, name, value);
  }
}

std::vector<Setting> Canonical(std::vector<Setting> given) {
  for (auto& [name, value] : given) MakeCanonical(name);
  const auto is_wrong = [](const Setting& one, const Setting& next) { return one.first >= next.first; };
  if (std::adjacent_find(given.begin(), given.end(), is_wrong) == given.end()) return given;
  std::vector<Setting> sorted;
  sorted.reserve(given.size());
  for (const auto& [name, value] : given) PutSetting(sorted, name, value);
  return sorted;
}

std::shared_ptr<const Settings> Settings::From(std::vector<Setting> given) {
  auto settings = std::make_shared<Settings>();
  settings->values_ = Canonical(std::move(given));
  settings->MakeReadingKey();
  return settings;
}

std::shared_ptr<const Settings> Settings::With(std::string_view name, std::string_view value) const {
  auto settings = std::make_shared<Settings>(*this);
  PutSetting(settings->values_, CanonicalName(name), value);
  settings->MakeReadingKey();
  return settings;
}

std::shared_ptr<const Settings> Settings::Without(std::string_view name) const {
  auto settings = std::make_shared<Settings>(*this);
  const std::string key = CanonicalName(name);
  std::erase_if(settings->values_, [&key](const Setting& setting) { return setting.first == key; });
  settings->MakeReadingKey();
  return settings;
}

bool Settings::HasUnreported() const {
  return std::any_of(values_.begin(), values_.end(), [](const Setting& setting) { return TrackedName(setting.first).empty(); });
}

void Settings::MakeReadingKey() {
  const std::string* strings = Find(kConformingStrings);
  escapes_ = strings != nullptr ? std::optional(*strings == "off") : std::nullopt;
  reading_key_.clear();
  for (const auto& [name, value] : values_) {
    if (std::binary_search(kNeverRead.begin(), kNeverRead.end(), std::string_view(name))) continue;
    reading_key_.append(name).append(1, '\0').append(value).append(1, '\0');
  }
}

const std::string* Settings::Find(std::string_view name) const { return FindIn(values_, name); }

void ServerSettings::Begin(const std::vector<Setting>& parameters) {
  for (const auto& [name, value] : parameters) {
    if (!TrackedName(name).empty()) PutSetting(base_, TrackedName(name), value);
  }
  reported_ = base_;
  const std::string* strings = Reported(kConformingStrings);
  escapes_ = strings != nullptr && *strings == "off";
}

void ServerSettings::SetAtConnect(const std::vector<Setting>& settings) {
  for (const auto& [name, value] : settings) {
    const std::string key = CanonicalName(name);
    PutSetting(at_connect_, key, value);
    if (FindIn(reported_, key) == nullptr) PutSetting(extras_, key, value);
  }
}

const std::string* ServerSettings::AtConnect(std::string_view name) const { return FindIn(at_connect_, name); }

bool ServerSettings::OnReported(std::string_view name, std::string_view value) {
  const std::string_view tracked = TrackedName(name);
  if (tracked.empty()) return false;
  const std::string* now = FindIn(reported_, tracked);
  if (now == nullptr) PutSetting(base_, tracked, value);
  if (now == nullptr || *now != value) {
    PutSetting(reported_, tracked, value);
    if (tracked == kConformingStrings) escapes_ = value == "off";
    changed_ = true;
  }
  return true;
}

void ServerSettings::OnFound(std::string_view name, std::string_view value) {
  if (!TrackedName(name).empty() && FindIn(reported_, TrackedName(name)) != nullptr) return;  // known by ParameterStatus
  const std::string* has = FindIn(extras_, name);
  if (has != nullptr && *has == value) return;
  PutSetting(extras_, name, value);
  changed_ = true;
}

void ServerSettings::OnFoundDefault(std::string_view name) {
  if (std::erase_if(extras_, [name](const Setting& extra) { return extra.first == name; }) > 0) changed_ = true;
}

void ServerSettings::OnDiscardAll() {
  changed_ = true;
  extras_.clear();
}

void ServerSettings::OnForeignReset() {
  if (std::erase_if(extras_, [this](const Setting& extra) { return AtConnect(extra.first) != nullptr; }) > 0) changed_ = true;
}

std::vector<std::string> ServerSettings::ExtraNames() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : extras_) names.push_back(name);
  return names;
}

SettingsDifference ServerSettings::Compare(const Settings& wanted) const {
  SettingsDifference difference;
  for (size_t i = 0; i < base_.size(); ++i) {
    const std::string* value = wanted.Find(base_[i].first);
    const std::string& want = value != nullptr ? *value : base_[i].second;
    if (reported_[i].second != want) difference.set.emplace_back(base_[i].first, want);
  }
  for (const auto& [name, value] : wanted.values()) {
    if (FindIn(reported_, name) != nullptr) continue;  // done above
    const std::string* has = FindIn(extras_, name);
    if (has == nullptr || *has != value) difference.set.emplace_back(name, value);
  }
  for (const auto& [name, value] : at_connect_) {
    if (wanted.Find(name) != nullptr || FindIn(reported_, name) != nullptr) continue;
    const std::string* has = FindIn(extras_, name);
    if (has == nullptr || *has != value) difference.set.emplace_back(name, value);
  }
  for (const auto& [name, value] : extras_) {
    if (wanted.Find(name) == nullptr && AtConnect(name) == nullptr) difference.reset.push_back(name);
  }
  // PostgreSQL ends the role with the session authorization that it was taken under.
  constexpr std::string_view kAuthorization = "session_authorization", kRole = "role";
  const std::string* role = wanted.Find(kRole);
  if (role == nullptr) role = AtConnect(kRole);
  const bool ends_role = FindIn(difference.set, kAuthorization) != nullptr ||
                         std::find(difference.reset.begin(), difference.reset.end(), kAuthorization) != difference.reset.end();
  if (ends_role && role != nullptr && FindIn(difference.set, kRole) == nullptr) difference.set.emplace_back(kRole, *role);
  return difference;
}

void ServerSettings::OnReplayed(const SettingsRef& wanted) {
  extras_.clear();
  for (const std::vector<Setting>* settings : {&std::as_const(at_connect_), &wanted->values()}) {
    for (const auto& [name, value] : *settings) {
      if (FindIn(reported_, name) == nullptr) PutSetting(extras_, name, value);
    }
  }
  changed_ = false;
  synced_ = wanted;
}

const std::string* ServerSettings::Reported(std::string_view name) const { return FindIn(reported_, name); }

namespace {

// The value of a setting in a reading_key.
std::optional<std::string_view> FindInKey(std::string_view key, std::string_view name) {
  while (!key.empty()) {
    const size_t name_end = key.find('\0');
    const size_t value_end = name_end == std::string_view::npos ? name_end : key.find('\0', name_end + 1);
    if (value_end == std::string_view::npos) return std::nullopt;
    if (key.substr(0, name_end) == name) return key.substr(name_end + 1, value_end - name_end - 1);
    key.remove_prefix(value_end + 1);
  }
  return std::nullopt;
}

}  // namespace

std::vector<Setting> ServerSettings::DifferenceOfReading(std::string_view wanted, std::string_view now) const {
  std::vector<Setting> difference;
  if (wanted == now) return difference;
  for (const auto& [name, value] : base_) {
    if (std::binary_search(kNeverRead.begin(), kNeverRead.end(), std::string_view(name))) continue;
    const std::string_view want = FindInKey(wanted, name).value_or(value);
    if (want != FindInKey(now, name).value_or(value)) difference.emplace_back(name, want);
  }
  return difference;
}

namespace {

// Who the session is, before and behind everything else: a lesser role may not be allowed to set the rest.
int RankOf(std::string_view name) { return name == "role" ? 2 : name == "session_authorization" ? 1 : 0; }
bool IsEncoding(const Setting& setting) { return setting.first == "client_encoding"; }

std::string ResetCommand(const std::string& name) {
  if (name == "session_authorization") return "RESET SESSION AUTHORIZATION;";
  return "RESET " + QuoteName(name) + ";";
}

}  // namespace

bool SettingsDifference::MustBeAwaited() const {
  constexpr std::array<std::string_view, 4> kDeciding = {"role", "row_security", "session_authorization", "session_replication_role"};
  const auto decides = [&](std::string_view name) { return std::find(kDeciding.begin(), kDeciding.end(), name) != kDeciding.end(); };
  return std::any_of(reset.begin(), reset.end(), decides) ||
         std::any_of(set.begin(), set.end(), [&](const Setting& setting) { return decides(setting.first); });
}

namespace {

// No client may find them afterwards.
void WriteRunAndClose(std::string& out, std::string_view name) {
  MessageWriter(out).Begin('E').Text(name).Int32(0).End();
  MessageWriter(out).Begin('C').Byte('P').Text(name).End();
  MessageWriter(out).Begin('C').Byte('S').Text(name).End();
}

}  // namespace

void WriteSetConfig(std::string& out, const std::vector<Setting>& settings, std::string_view name, SettingScope scope) {
  std::string sql = "SELECT ";
  for (size_t i = 0; i < settings.size(); ++i) {
    sql += (i > 0 ? ", " : "") + ("pg_catalog.set_config($" + std::to_string(2 * i + 1) + ", $" + std::to_string(2 * i + 2) + (scope == SettingScope::kTransaction ? ", true)" : ", false)"));
  }
  MessageWriter(out).Begin('P').Text(name).Text(sql).Int16(0).End();
  MessageWriter bind(out);
  bind.Begin('B').Text(name).Text(name).Int16(0).Int16(static_cast<int16_t>(2 * settings.size()));
  for (const auto& [key, value] : settings) {
    bind.Int32(static_cast<int32_t>(key.size())).Bytes(key);
    bind.Int32(static_cast<int32_t>(value.size())).Bytes(value);
  }
  bind.Int16(0).End();
  WriteRunAndClose(out, name);
}

std::optional<std::string> SetCommand(const Setting& setting) {
  // Lists of names, whose spelling SET would change; and letters that may be others in the client's encoding.
  constexpr std::array<std::string_view, 4> kLists = {"local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces"};
  const auto& [name, value] = setting;
  const bool is_plain = std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (!is_plain || std::find(kLists.begin(), kLists.end(), std::string_view(name)) != kLists.end()) return std::nullopt;
  std::string sql = "SET " + QuoteName(name) + " TO E'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') sql += c;
    sql += c;
  }
  return sql + "'";
}

std::vector<std::string> TakeSetCommands(std::vector<Setting>& settings) {
  std::vector<std::string> commands;
  std::erase_if(settings, [&commands](const Setting& setting) {
    auto sql = SetCommand(setting);
    if (sql) commands.push_back(std::move(*sql));
    return sql.has_value();
  });
  return commands;
}

void WriteCommand(std::string& out, std::string_view sql, std::string_view name) {
  MessageWriter(out).Begin('P').Text(name).Text(sql).Int16(0).End();
  MessageWriter(out).Begin('B').Text(name).Text(name).Int16(0).Int16(0).Int16(0).End();
  WriteRunAndClose(out, name);
}

int WriteReplay(std::string& out, const SettingsDifference& wanted, std::string& types) {
  SettingsDifference difference = wanted;
  std::stable_sort(difference.reset.begin(), difference.reset.end(), [](auto& a, auto& b) { return RankOf(a) > RankOf(b); });
  std::stable_sort(difference.set.begin(), difference.set.end(), [](auto& a, auto& b) { return RankOf(a.first) < RankOf(b.first); });
  int ready = 0;
  if (!difference.reset.empty()) {
    std::string sql;
    for (const std::string& name : difference.reset) sql += ResetCommand(name);
    WriteQuery(out, sql);
    types += 'Q';
    ++ready;
  }
  if (difference.set.empty()) return ready;
  // The letters of the others are in the client's encoding.
  const auto others = std::stable_partition(difference.set.begin(), difference.set.end(), IsEncoding);
  for (const auto& part : {std::vector<Setting>(difference.set.begin(), others), std::vector<Setting>(others, difference.set.end())}) {
    if (part.empty()) continue;
    types += kSetConfigTypes;
    WriteSetConfig(out, part, "", SettingScope::kSession);
  }
  types += 'S';
  WriteSync(out);
  return ready + 1;
}

}  // namespace protocol
