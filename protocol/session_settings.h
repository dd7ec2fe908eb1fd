// The settings that belong to a client and follow it over shared servers.
//
// What: Settings is what one client wants beyond the server's defaults: the values it gave at startup (any GUC) and every later
// change of a parameter that the server reports (ParameterStatus). ServerSettings is what one server has now. Compare says what
// must be replayed before that client may use that server; Replay writes it as messages whose answers we keep to ourselves.
// Values are replayed with set_config and bound parameters, so that no quoting, encoding or list syntax can change them;
// parameters that the client does not have are put back to the server's default.
// Threads: Settings is immutable and shared; ServerSettings belongs to its server. Limits: kSettingsMax per client.
// Source: PostgreSQL documentation, "Asynchronous Operations" (ParameterStatus), set_config.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace protocol {

inline constexpr size_t kSettingsMax = 64;

using Setting = std::pair<std::string, std::string>;

// The server's spelling of a reported parameter that a session can set ("datestyle" -> "DateStyle"), or empty.
std::string_view TrackedName(std::string_view name);

// Each name once, sorted: later values win; tracked names get the server's spelling, the others lower case.
std::vector<Setting> Canonical(std::vector<Setting> given);
// Into such a list, under a name that is spelled so.
void PutSetting(std::vector<Setting>& values, std::string_view name, std::string_view value);

class Settings {
 public:
  Settings() = default;
  static std::shared_ptr<const Settings> From(std::vector<Setting> given);  // Canonical
  std::shared_ptr<const Settings> With(std::string_view name, std::string_view value) const;
  std::shared_ptr<const Settings> Without(std::string_view name) const;
  const std::string* Find(std::string_view name) const;
  const std::vector<Setting>& values() const { return values_; }
  bool HasUnreported() const;
  // Everything that may change what a text means when it is parsed: all but a few that certainly do not.
  const std::string& reading_key() const { return reading_key_; }
  // standard_conforming_strings is off here, so that backslashes escape in '...'; nullopt: it is not among these.
  std::optional<bool> escapes() const { return escapes_; }
  friend bool operator==(const Settings&, const Settings&) = default;

 private:
  void MakeReadingKey();
  std::vector<Setting> values_;  // sorted by name
  std::string reading_key_;
  std::optional<bool> escapes_;
};
using SettingsRef = std::shared_ptr<const Settings>;

struct SettingsDifference {
  std::vector<std::string> reset;
  std::vector<Setting> set;
  bool empty() const { return reset.empty() && set.empty(); }
  // Something in it decides what the session may do: it must be known to have succeeded before anything else runs.
  bool MustBeAwaited() const;
};

class ServerSettings {
 public:
  // At login: what the server reported are its defaults.
  void Begin(const std::vector<Setting>& parameters);
  // What connect_query has set, reported or not: defaults that RESET and DISCARD ALL do not know.
  void SetAtConnect(const std::vector<Setting>& settings);
  const std::vector<Setting>& at_connect() const { return at_connect_; }
  const std::string* AtConnect(std::string_view name) const;
  // ParameterStatus. True when it is a tracked parameter.
  bool OnReported(std::string_view name, std::string_view value);
  // What the server was found to have of a setting that it does not report (session_check).
  void OnFound(std::string_view name, std::string_view value);
  void OnFoundDefault(std::string_view name);
  void OnDiscardAll();
  void OnForeignReset();  // a query of the operator's own has reset what it likes
  std::vector<std::string> ExtraNames() const;

  SettingsDifference Compare(const Settings& wanted) const;
  // The replay of `wanted` succeeded.
  void OnReplayed(const SettingsRef& wanted);
  // Cheap test for the usual case: nothing changed since this very client (or one with equal settings) was here.
  bool IsSynced(const SettingsRef& wanted) const { return !changed_ && synced_ == wanted; }
  // The linked client's settings became `wanted` because the server reported so.
  void OnFollowed(const SettingsRef& wanted) { synced_ = wanted; }
  const std::string* Reported(std::string_view name) const;
  bool escapes() const { return escapes_; }  // as the server reported last; looked at for every text
  // What must be set to have the reported settings that `wanted` (a reading_key) stands for, where they differ from those of `now`.
  std::vector<Setting> DifferenceOfReading(std::string_view wanted, std::string_view now) const;

 private:
  std::vector<Setting> base_;      // tracked, as at login
  std::vector<Setting> reported_;  // tracked, now; the same names in the same order as base_
  std::vector<Setting> extras_;    // not reported, set by a replay or at connect
  std::vector<Setting> at_connect_;
  SettingsRef synced_;
  bool changed_ = false;
  bool escapes_ = false;
};

// Parse, Bind, Execute and Close of one statement that sets these, under this name of statement and portal.
inline constexpr std::string_view kSetConfigTypes = "PBECC";
enum class SettingScope : uint8_t { kSession, kTransaction };  // kTransaction: as SET LOCAL, it ends with the transaction
void WriteSetConfig(std::string& out, const std::vector<Setting>& settings, std::string_view name, SettingScope scope);
// SET as a command: unlike set_config it takes no snapshot, so that SET TRANSACTION may still follow. Not every value can be written
// into a text: nullopt then. The messages run it under this name of statement and portal; their types are kSetConfigTypes.
std::optional<std::string> SetCommand(const Setting& setting);
// Those of the settings that can; they are taken out.
std::vector<std::string> TakeSetCommands(std::vector<Setting>& settings);
void WriteCommand(std::string& out, std::string_view sql, std::string_view name);
// Appends the messages of a replay: `types` gets the type of each, in order. Returns how many ReadyForQuery will come back.
int WriteReplay(std::string& out, const SettingsDifference& difference, std::string& types);

}  // namespace protocol
