// The names of kinds and policies, and the spelling of the key: "track", or "track, listen=pin, temp_table=reject".
#include "conf/session_state.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conf/codecs.h"
#include "conf/nearest.h"

namespace conf {
namespace {

constexpr std::array<StatePolicy, 3> kPolicies = {StatePolicy::kTrack, StatePolicy::kPin, StatePolicy::kReject};

std::vector<std::string_view> PolicyNames() {
  std::vector<std::string_view> names;
  for (const StatePolicy policy : kPolicies) names.push_back(Name(policy));
  return names;
}

std::vector<std::string_view> KindNames() {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < kStateKinds; ++i) names.push_back(Name(static_cast<StateKind>(i)));
  return names;
}

std::optional<size_t> Find(std::string_view word, const std::vector<std::string_view>& words) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return std::nullopt;
  return static_cast<size_t>(found - words.begin());
}

// Reads the items one by one: perhaps a policy for all kinds, then kind=policy. A refusal completes "session_state ...".
class Reader {
 public:
  Parsed<SessionState> Read(const std::vector<std::string>& items) {
    for (const std::string& item : items) {
      const auto read = ReadItem(item);
      if (!read) return Refuse(read.error());
      is_behind_others_ = true;
    }
    return state_;
  }

 private:
  Parsed<void> ReadItem(std::string_view item) {
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) return ReadPolicyOfAll(item);
    return ReadPair(Trim(item.substr(0, equals)), Trim(item.substr(equals + 1)));
  }

  Parsed<void> ReadPolicyOfAll(std::string_view word) {
    const auto policy = Find(word, policies_);
    if (!policy) return Refuse(NotAPolicy(word));
    if (is_behind_others_) {
      return Refuse("must have the policy of all kinds, " + Quoted(word) + ", before those of single kinds, and only one");
    }
    state_.policies.fill(kPolicies[*policy]);
    return {};
  }

  Parsed<void> ReadPair(std::string_view kind_word, std::string_view policy_word) {
    const auto kind = Find(kind_word, kinds_);
    if (!kind) {
      return Refuse("must name a kind before =: " + JoinWords(kinds_) + ", not " + Quoted(kind_word) +
                    DidYouMean(kind_word, kinds_));
    }
    const auto policy = Find(policy_word, policies_);
    if (!policy) {
      return Refuse("must give " + std::string(kind_word) + " a policy: " + JoinWords(policies_) + ", not " +
                    Quoted(policy_word) + DidYouMean(policy_word, policies_));
    }
    if (std::exchange(is_given_[*kind], true)) return Refuse("must name " + std::string(kind_word) + " only once");
    state_.policies[*kind] = kPolicies[*policy];
    return {};
  }

  std::string NotAPolicy(std::string_view word) const {
    if (Find(word, kinds_)) return "must give a policy to " + Quoted(word) + ", such as " + std::string(word) + "=pin";
    std::vector<std::string_view> valid = policies_;
    valid.insert(valid.end(), kinds_.begin(), kinds_.end());
    return "must be made of " + JoinWords(policies_) + " and of kind=policy, not " + Quoted(word) + DidYouMean(word, valid);
  }

  const std::vector<std::string_view> policies_ = PolicyNames(), kinds_ = KindNames();
  SessionState state_;
  std::array<bool, kStateKinds> is_given_{};
  bool is_behind_others_ = false;
};

// The policy that most kinds have; of two, the first in kPolicies.
StatePolicy Commonest(const SessionState& state) {
  return *std::max_element(kPolicies.begin(), kPolicies.end(), [&state](StatePolicy left, StatePolicy right) {
    const auto& policies = state.policies;
    return std::count(policies.begin(), policies.end(), left) < std::count(policies.begin(), policies.end(), right);
  });
}

}  // namespace

std::string_view Name(StateKind kind) {
  switch (kind) {
    case StateKind::kSettings: return "settings";
    case StateKind::kTempTable: return "temp_table";
    case StateKind::kHoldCursor: return "hold_cursor";
    case StateKind::kAdvisoryLock: return "advisory_lock";
    case StateKind::kListen: return "listen";
    case StateKind::kLoad: return "load";
    case StateKind::kSequence: return "sequence";
    case StateKind::kCount_: break;
  }
  return "";
}

std::string_view Name(StatePolicy policy) {
  switch (policy) {
    case StatePolicy::kTrack: return "track";
    case StatePolicy::kPin: return "pin";
    case StatePolicy::kReject: return "reject";
  }
  return "";
}

Parsed<SessionState> SessionStateCodec::Parse(const Value& value) const {
  const auto items = ListCodec{.allowed = Allowed()}.Parse(value);
  if (!items) return Refuse(items.error());
  if (items->empty()) return Refuse("must be " + Allowed() + ", not empty");
  return Reader().Read(*items);
}

std::string SessionStateCodec::Format(const SessionState& state) const {
  const StatePolicy common = Commonest(state);
  std::vector<std::string> items = {std::string(Name(common))};
  for (size_t i = 0; i < kStateKinds; ++i) {
    const auto kind = static_cast<StateKind>(i);
    if (state.For(kind) != common) items.push_back(std::string(Name(kind)) + '=' + std::string(Name(state.For(kind))));
  }
  return JoinList(items);
}

std::string SessionStateCodec::Allowed() const { return JoinWords(PolicyNames()) + ", for single kinds also kind=policy"; }

}  // namespace conf
