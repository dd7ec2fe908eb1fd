// The keys that [pgweir], [databases.X] and [users.X] share, and how a descriptor is made from a codec and a field.
//
// Internal to the key table (keys_global.cc, keys_sections.cc). Threads: see keys.h.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "conf/codecs.h"
#include "conf/keys.h"

namespace conf {

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

// `field` gives the member of a section: a member pointer, or a lambda [](auto& section) -> auto&.
template <typename Section, typename Codec, typename Field>
Key<Section> MakeKey(std::string_view name, Codec codec, Field field, std::string_view description) {
  Key<Section> key;
  key.name = name;
  key.allowed = codec.Allowed();
  key.description = description;
  key.get = [codec, field](const Section& section) -> std::optional<std::string> {
    const auto& member = std::invoke(field, section);
    if constexpr (IsOptional<std::decay_t<decltype(member)>>::value) {
      if (!member) return std::nullopt;
      return codec.Format(*member);
    } else {
      return codec.Format(member);
    }
  };
  key.set = [codec, field](Section& section, const Value& value) -> Accepted {
    auto parsed = codec.Parse(value);
    if (!parsed) return Refuse(parsed.error());
    std::invoke(field, section) = std::move(*parsed);
    return {};
  };
  return key;
}

inline constexpr Duration kLongest = std::chrono::hours(24 * 365);
inline constexpr Duration kLeakThresholdLeast = std::chrono::seconds(2);
inline constexpr int kMostConnections = 1'000'000;

inline IntegerCodec Count(int min, int max, std::string_view note = "") {
  return {.min = min, .max = max, .note = note};
}
inline DurationCodec Time(Duration min = Duration(0), Duration max = kLongest, std::string_view note = "") {
  return {.min = min, .max = max, .note = note, .automatic = ""};
}
inline DurationCodec TimeOrAutomatic(Duration max) { return {.min = Duration(0), .max = max, .note = "", .automatic = "auto"}; }
inline Parsed<std::string> CheckServerName(std::string text) {
  constexpr size_t kLongestName = 63;  // NAMEDATALEN - 1: PostgreSQL would cut it silently
  if (text.size() > kLongestName) return Refuse("must not be longer than 63 bytes, PostgreSQL's limit for a name");
  return text;
}
inline TextCodec ServerNameCodec() { return {.allowed = "a name", .check = CheckServerName}; }
// "" in a section is the global one.
inline Parsed<std::string> CheckAuthQuery(std::string text) {
  if (!text.empty() && text.find("$1") == std::string::npos) return Refuse("must ask for one user: $1 stands for the name");
  return text;
}
inline TextCodec AuthQueryCodec() { return {.allowed = "a query with $1", .check = CheckAuthQuery, .permitted_controls = "\t\r\n"}; }
inline Parsed<std::string> CheckAuthDatabase(std::string text) {
  if (IsConsoleName(text)) return Refuse("must be a database with users in it; " + Quoted(text) + " is the console");
  return text;
}
inline TextCodec DatabaseNameCodec() { return {.allowed = "a database", .check = CheckAuthDatabase}; }
inline WordCodec<PoolMode> PoolModes() {
  return {{{"session", PoolMode::kSession}, {"transaction", PoolMode::kTransaction}, {"statement", PoolMode::kStatement}}};
}

inline WordCodec<QueueFlow> QueueFlows() {
  return {{{"user", QueueFlow::kUser}, {"application", QueueFlow::kApplication}, {"address", QueueFlow::kAddress}}};
}

template <typename Section>
void AppendPoolKeys(std::vector<Key<Section>>& keys, std::string_view pool_size_name) {
  using std::chrono::hours;
  using std::chrono::milliseconds;
  const auto add = [&keys](std::string_view name, auto codec, auto member, std::string_view description) {
    keys.push_back(MakeKey<Section>(
        name, codec, [member](auto& section) -> auto& { return section.keys.*member; }, description));
  };
  add("pool_mode", PoolModes(), &PoolKeys::pool_mode,
      "when a server returns to the pool: at the end of the session, of the transaction, or of each statement");
  add(pool_size_name, Count(1, 100'000, "a pool needs at least one server: 0 is not \"unlimited\" here, name a number"),
      &PoolKeys::pool_size, "servers per pool, that is per database and user");
  add("min_pool_size", Count(0, 100'000), &PoolKeys::min_pool_size, "servers kept open although nobody needs them");
  add("min_guaranteed", Count(0, 100'000), &PoolKeys::min_guaranteed,
      "servers that a pool need not share with others under a cap: below it, the pool gets the next place that is free, and "
      "up to it, none is taken from it; 0 = the pools that want more share alike");
  add("reserve_pool_size", Count(0, 100'000), &PoolKeys::reserve_pool_size,
      "extra servers per pool when a client has waited reserve_pool_timeout; 0 = none");
  add("reserve_pool_timeout", Time(), &PoolKeys::reserve_pool_timeout,
      "how long a client waits before the reserve is opened; shorter than query_wait_timeout");
  add("max_waiting", Count(1, 100'000'000, "a new pool has nobody served without a wait for its first connect"),
      &PoolKeys::max_waiting, "clients that may wait for a server of one pool; the next is refused at once");
  add("query_wait_timeout", Time(milliseconds(1), hours(24), "waiting must have an end: name the longest you accept"),
      &PoolKeys::query_wait_timeout, "longest wait of a query for a server; then the query gets an error");
  add("queue_target", TimeOrAutomatic(hours(1)), &PoolKeys::queue_target,
      "a pool in which nobody waits less than this for a whole queue_interval is overloaded: until it is not, whoever "
      "has waited longer is refused; auto = a quarter of what clients wait before they give up by themselves, while they do; "
      "0 = off");
  add("queue_interval", Time(milliseconds(1), hours(1)), &PoolKeys::queue_interval,
      "how long the wait must stay above queue_target; longer than a usual burst lasts");
  add("queue_flow", QueueFlows(), &PoolKeys::queue_flow,
      "clients of a pool that share a turn while they wait: those of one login user, application_name or address; the "
      "flows get equal server time");
  add("leak_threshold", Time(Duration(0), kLongest), &PoolKeys::leak_threshold,
      "a server that a client holds longer is told in the log, and when it comes back; 0 = off, else at least 2s");
  add("server_lifetime", Time(), &PoolKeys::server_lifetime,
      "age at which a server is replaced, never inside a transaction; 0 = each is used once");
  add("server_lifetime_jitter", FractionCodec{}, &PoolKeys::server_lifetime_jitter,
      "up to this part of server_lifetime is taken off at random, so that servers do not all end together");
  add("server_idle_timeout", Time(), &PoolKeys::server_idle_timeout,
      "an unused server above min_pool_size is closed after this time; 0 = never");
  add("server_check_delay", Time(), &PoolKeys::server_check_delay,
      "a server that was idle longer is checked by server_check_query before use; 0 = always");
  add("server_check_query", TextCodec{.permitted_controls = "\t\r\n"}, &PoolKeys::server_check_query,
      "the check: \"<empty>\" is an empty query, \"\" is no check");
  add("server_reset_query", TextCodec{.permitted_controls = "\t\r\n"}, &PoolKeys::server_reset_query,
      "cleans a server after a client in session mode; \"\" = nothing is cleaned");
  add("server_connect_timeout", Time(milliseconds(1), hours(1), "a connect must have an end"),
      &PoolKeys::server_connect_timeout, "name service, TCP, TLS and login of a server together");
  add("server_login_retry", Time(), &PoolKeys::server_login_retry,
      "longest pause before the next attempt after a failed connect or login");
  add("failover_hold_timeout", Time(), &PoolKeys::failover_hold_timeout,
      "how long clients wait while no server can be reached, before they are told why; 0 = until query_wait_timeout");
  add("max_parallel_connects", Count(1, 1000), &PoolKeys::max_parallel_connects,
      "servers of a pool that may be logging in at the same time");
  add("session_state", SessionStateCodec{}, &PoolKeys::session_state,
      "state of a session that outlives a transaction, for all kinds or kind by kind: track = pgweir carries it itself "
      "where it can (settings, listen) and else keeps the server with the client while it lasts; pin = keeps the server "
      "with the client while it lasts; reject = the statement gets an error");
  add("session_state_verify", BoolCodec{}, &PoolKeys::session_state_verify,
      "ask the server for such state at every release, also when no statement hinted at it; finds what functions did");
  add("max_prepared_statements", Count(0, 100'000), &PoolKeys::max_prepared_statements,
      "named prepared statements kept per server; 0 = they pass unchanged and do not outlive a transaction");
  add("deferred_begin", BoolCodec{}, &PoolKeys::deferred_begin,
      "a BEGIN takes no server before the first statement of its transaction");
  add("query_timeout", Time(), &PoolKeys::query_timeout, "a query that runs longer is cancelled; 0 = off");
  add("transaction_timeout", Time(), &PoolKeys::transaction_timeout,
      "a transaction that lasts longer is ended; 0 = off");
  add("idle_transaction_timeout", Time(), &PoolKeys::idle_transaction_timeout,
      "a client that idles inside a transaction longer is ended; 0 = off");
  add("client_idle_timeout", Time(), &PoolKeys::client_idle_timeout,
      "a client that idles outside a transaction longer is ended; 0 = off");
}

}  // namespace conf
