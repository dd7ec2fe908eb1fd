#include "proxy/dns_client.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "proxy/log.h"

namespace proxy {

// One family's half of a lookup. evdns holds a pointer to it until it has answered.
struct DnsClient::Query {
  DnsClient* client = nullptr;
  uint64_t lookup = 0;
  sa_family_t family = AF_UNSPEC;
  evdns_request* request = nullptr;  // under way
  NameAnswer answer;
};

struct DnsClient::Lookup {
  std::array<Query, 2> queries;
  Done done;
  std::unique_ptr<Timer> other_family;
  bool is_told = false;
};

namespace {

constexpr int kFileFlags = DNS_OPTION_SEARCH | DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC;

std::string WhatIsWrong(int code) {
  switch (code) {
    case 0: return "";
    case 1: return "it cannot be opened";
    case 3: return "it is too large";
    case 6: return "it names no name server: it needs a line such as nameserver 10.0.0.2";
    default: return "it cannot be read";
  }
}

void LogWarning(int is_warning, const char* text) {
  if (is_warning != 0) Log(Level::kWarning, "dns", {{"cause", text}});
}

}  // namespace

DnsClient::DnsClient(ControlLoop& home) : home_(home), loop_(home.loop()) {}

DnsClient::~DnsClient() {
  for (auto& [id, lookup] : lookups_) lookup->other_family.reset();
  if (base_ != nullptr) evdns_base_free(base_, 0);
}

std::string DnsClient::Configure(const std::string& resolv_conf) {
  if (base_ == nullptr) {
    evdns_set_log_fn(LogWarning);
    base_ = evdns_base_new(home_.base(), 0);
    if (base_ == nullptr) return "out of memory";
  }
  evdns_base_clear_nameservers_and_suspend(base_);
  evdns_base_search_clear(base_);
  // What an earlier file said must not stay: evdns's defaults.
  for (const auto& [option, value] : {std::pair{"timeout:", "5"}, {"attempts:", "3"}, {"ndots:", "1"}, {"max-timeouts:", "3"},
                                      {"max-inflight:", "64"}, {"randomize-case:", "1"}}) {
    evdns_base_set_option(base_, option, value);
  }
  const int code = evdns_base_resolv_conf_parse(base_, kFileFlags, resolv_conf.c_str());
  evdns_base_resume(base_);
  return WhatIsWrong(code);
}

tl::expected<void, std::string> DnsClient::Check(const std::string& resolv_conf) {
  ControlLoop loop;
  const std::string wrong = DnsClient(loop).Configure(resolv_conf);
  if (wrong.empty()) return {};
  return tl::unexpected("resolv_conf (" + resolv_conf + "): " + wrong);
}

void DnsClient::LookUp(const std::string& name, Done done) {
  const uint64_t id = ++last_id_;
  Lookup& lookup = *(lookups_[id] = std::make_unique<Lookup>());
  lookup.done = std::move(done);
  for (size_t i = 0; i < lookup.queries.size(); ++i) {
    Query& query = lookup.queries[i];
    query.client = this;
    query.lookup = id;
    query.family = i == 0 ? AF_INET : AF_INET6;
    if (base_ == nullptr) continue;
    query.request = i == 0 ? evdns_base_resolve_ipv4(base_, name.c_str(), 0, OnAnswer, &query)
                           : evdns_base_resolve_ipv6(base_, name.c_str(), 0, OnAnswer, &query);
    // It has not taken the question: the name is not one.
    if (query.request == nullptr) query.answer = {NameAnswer::Kind::kNoSuchName, {}, "name lookup: not a host name"};
  }
  if (lookup.queries[0].request == nullptr && lookup.queries[1].request == nullptr) loop_.Post([this, id] { Finish(id); });
}

void DnsClient::OnAnswer(int result, char, int count, int ttl, void* addresses, void* arg) {
  auto& query = *static_cast<Query*>(arg);
  query.client->Take(query, result, count, ttl, addresses);
}

void DnsClient::Take(Query& query, int result, int count, int ttl, const void* addresses) {
  query.request = nullptr;
  NameAnswer& answer = query.answer;
  if (result == DNS_ERR_NONE && count > 0) {
    answer.kind = NameAnswer::Kind::kAddresses;
    answer.ttl = std::chrono::seconds(std::max(ttl, 0));  // RFC 2181: with the highest bit it is none
    const size_t size = query.family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr);
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      const SocketAddress address = SocketAddress::OfIp(query.family, static_cast<const char*>(addresses) + i * size);
      if (!Contains(answer.addresses, address)) answer.addresses.push_back(address);
    }
  } else {
    const bool is_answer = result == DNS_ERR_NOTEXIST || result == DNS_ERR_NODATA || result == DNS_ERR_NONE;
    answer.kind = is_answer ? NameAnswer::Kind::kNoSuchName : NameAnswer::Kind::kNotKnown;
    answer.error = std::string("name lookup: ") + (result == DNS_ERR_NONE ? "no address" : evdns_err_to_string(result));
  }
  Lookup& lookup = *lookups_.at(query.lookup);
  const Query& other = lookup.queries[query.family == AF_INET ? 1 : 0];
  if (other.request == nullptr) return Finish(query.lookup);
  if (answer.kind != NameAnswer::Kind::kAddresses || lookup.is_told) return;
  lookup.other_family = std::make_unique<Timer>(loop_, [this, id = query.lookup] { Finish(id); });
  lookup.other_family->Start(kOtherFamilyWait);
}

// Tells what there is. A query that is still under way keeps its place until evdns has ended it.
void DnsClient::Finish(uint64_t id) {
  Lookup& lookup = *lookups_.at(id);
  const bool is_over = std::all_of(lookup.queries.begin(), lookup.queries.end(), [](const Query& query) { return query.request == nullptr; });
  if (lookup.other_family) lookup.other_family->Stop();
  if (!lookup.is_told) {
    lookup.is_told = true;
    NameAnswer all;
    for (const Query& query : lookup.queries) {
      using Kind = NameAnswer::Kind;
      const NameAnswer& half = query.answer;
      if (half.kind == Kind::kAddresses) {
        all.kind = Kind::kAddresses;
        all.ttl = std::min(all.ttl, half.ttl);
        all.addresses.insert(all.addresses.end(), half.addresses.begin(), half.addresses.end());
      } else if (half.kind == Kind::kNotKnown) {
        all.unknown_family = query.family;
      }
    }
    if (all.kind != NameAnswer::Kind::kAddresses) {
      // That nothing is known of one family is more than that there is nothing in the other.
      const NameAnswer& first = lookup.queries[0].answer;
      all = first.kind == NameAnswer::Kind::kNotKnown ? first : lookup.queries[1].answer;
      if (all.error.empty()) all.error = "name lookup: no name server can be asked";
    }
    // In a later turn, so that nobody is called inside evdns.
    loop_.Post([done = std::move(lookup.done), all = std::move(all)] { done(all); });
  }
  // Not now: the timer may be the one that has called.
  if (is_over) loop_.Post([this, id] { lookups_.erase(id); });
}

}  // namespace proxy
