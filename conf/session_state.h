// State that a session may leave on its server beyond a transaction, and what pgweir does about each kind of it.
//
// What: the value of the key session_state. Each kind has a policy of its own:
//   track   pgweir carries the state itself where it can (settings, LISTEN) and otherwise pins while the state lasts
//   pin     the server connection stays with the client while the state lasts
//   reject  the statement is refused with an error (SQLSTATE 0A000)
// Not here: how state is found and carried. A pool in session mode has no use for any of this.
// Threads: plain values. The names are the words of the key, of SHOW PINS and of the label `reason` in the metrics.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace conf {

enum class StateKind : uint8_t { kSettings, kTempTable, kHoldCursor, kAdvisoryLock, kListen, kLoad, kSequence, kCount_ };
inline constexpr size_t kStateKinds = static_cast<size_t>(StateKind::kCount_);

enum class StatePolicy : uint8_t { kTrack, kPin, kReject };

std::string_view Name(StateKind);  // "settings", "temp_table", ...
std::string_view Name(StatePolicy);

struct SessionState {
  std::array<StatePolicy, kStateKinds> policies{};  // by StateKind; default: all kTrack
  StatePolicy For(StateKind kind) const { return policies[static_cast<size_t>(kind)]; }
  friend bool operator==(const SessionState&, const SessionState&) = default;
};

}  // namespace conf
