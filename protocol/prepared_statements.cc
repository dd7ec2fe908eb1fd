#include "protocol/prepared_statements.h"

#include <algorithm>


namespace protocol {

// --- a statement ---------------------------------------------------------------------------------------------------------

void Statement::OnDescribed(const ResultShape& shape) const {
  // Of two servers that see the same change at once only one raises the generation.
  const auto differs = [](std::atomic<uint64_t>& known, uint64_t now) {
    uint64_t before = known.load(std::memory_order_relaxed);
    if (now == 0 || before == now || !known.compare_exchange_strong(before, now, std::memory_order_relaxed)) return false;
    return before != 0;
  };
  const bool others = differs(parameters, shape.parameters());
  if (differs(columns, shape.columns()) || others) generation.fetch_add(1, std::memory_order_relaxed);
}

void Statement::OnOutdated() const {
  parameters.store(0, std::memory_order_relaxed);
  columns.store(0, std::memory_order_relaxed);
  generation.fetch_add(1, std::memory_order_relaxed);
}

// --- one client ----------------------------------------------------------------------------------------------------------

namespace {

constexpr uint32_t kNeverFits = 0xffffffff;  // a generation: to be closed and parsed anew at its next use
constexpr size_t kEntryBytes = 160;  // about what the map spends on one name beside its text

}  // namespace

ClientStatement* ClientStatements::Find(std::string_view name) {
  const auto found = names_.find(name.substr(0, kStatementNameBytes));
  return found == names_.end() ? nullptr : &found->second;
}

uint64_t ClientStatements::Put(std::string_view name, ClientStatement entry) {
  Erase(name);
  if (entry.put == 0) entry.put = ++puts_;
  const uint64_t id = entry.statement->id;
  const auto [at, is_new] = names_.emplace(std::string(name.substr(0, kStatementNameBytes)), std::move(entry));
  by_id_[id] = &at->first;
  bytes_ += kEntryBytes + at->first.size();
  return at->second.put;
}

void ClientStatements::Erase(std::string_view name) {
  const auto found = names_.find(name.substr(0, kStatementNameBytes));
  if (found == names_.end()) return;
  const auto by_id = by_id_.find(found->second.statement->id);
  if (by_id != by_id_.end() && by_id->second == &found->first) by_id_.erase(by_id);
  bytes_ -= kEntryBytes + found->first.size();
  names_.erase(found);
}

void ClientStatements::Clear() {
  names_.clear();
  by_id_.clear();
  closing_.clear();
  bytes_ = 0;
}

void ClientStatements::BeginClose(std::string_view name, uint64_t batch) {
  const ClientStatement* entry = Find(name);
  closing_.push_back({std::string(name.substr(0, kStatementNameBytes)), entry != nullptr ? entry->statement->id : 0, batch});
  Erase(name);
}

void ClientStatements::EndClose(std::string_view name) {
  const std::string_view key = name.substr(0, kStatementNameBytes);
  const auto at = std::find_if(closing_.begin(), closing_.end(), [key](const Closing& item) { return item.name == key; });
  if (at != closing_.end()) closing_.erase(at);
}

bool ClientStatements::IsClosing(std::string_view name, Batches now) const {
  const std::string_view key = name.substr(0, kStatementNameBytes);
  const auto may_come_back = [&](const Closing& item) { return item.name == key && now.IsUncertain(item.batch); };
  return std::any_of(closing_.begin(), closing_.end(), may_come_back);
}

bool ClientStatements::Has(const StatementRef& statement, Batches now) const {
  const uint64_t id = statement->id;
  const auto may_come_back = [&](const Closing& item) { return item.statement == id && now.IsUncertain(item.batch); };
  return by_id_.contains(id) || std::any_of(closing_.begin(), closing_.end(), may_come_back);
}

std::string_view ClientStatements::NameOf(std::string_view server_name) const {
  for (const auto& [id, name] : by_id_) {
    if (names_.find(*name)->second.statement->server_name == server_name) return *name;
  }
  return {};
}

// --- one server ----------------------------------------------------------------------------------------------------------

ServerStatements::Has ServerStatements::Use(const StatementRef& statement, Batches now) {
  for (const auto& [id, batch] : closing_) {
    if (id == statement->id && now.IsUncertain(batch)) return Has::kPending;
  }
  const auto found = index_.find(statement->id);
  if (found == index_.end()) return Has::kNo;
  if (found->second != order_.begin()) order_.splice(order_.begin(), order_, found->second);
  const Item& item = order_.front();
  if (now.IsUncertain(item.batch)) return Has::kPending;
  return item.generation == statement->generation.load(std::memory_order_relaxed) ? Has::kYes : Has::kStale;
}

uint64_t ServerStatements::Add(const StatementRef& statement, uint64_t batch, uint64_t view) {
  Remove(statement->id);
  order_.push_front({statement, statement->generation.load(std::memory_order_relaxed), ++parses_, batch, view});
  index_[statement->id] = order_.begin();
  return parses_;
}

bool ServerStatements::WasParsedUnder(uint64_t id, uint64_t view) const {
  const auto found = index_.find(id);
  return found != index_.end() && found->second->view == view;
}

void ServerStatements::Confirm(uint64_t id, uint64_t parse) {
  const auto found = index_.find(id);
  if (found != index_.end() && found->second->parse == parse) found->second->batch = 0;
}

void ServerStatements::Undo(uint64_t id, uint64_t parse) {
  const auto found = index_.find(id);
  if (found != index_.end() && found->second->parse == parse) Remove(id);
}

void ServerStatements::BeginClose(const StatementRef& statement, uint64_t batch) {
  Remove(statement->id);
  closing_.emplace_back(statement->id, batch);
}

void ServerStatements::EndClose(const StatementRef& statement) {
  const auto at = std::find_if(closing_.begin(), closing_.end(), [&](const auto& item) { return item.first == statement->id; });
  if (at != closing_.end()) closing_.erase(at);
}

// It is the least recently used one again.
void ServerStatements::UndoClose(const StatementRef& statement) {
  EndClose(statement);
  if (index_.contains(statement->id)) return;
  order_.push_back({.statement = statement, .generation = kNeverFits});
  index_[statement->id] = std::prev(order_.end());
}

void ServerStatements::MarkAllStale() {
  for (Item& item : order_) item.generation = kNeverFits;
}

void ServerStatements::Renew(uint64_t id) {
  const auto found = index_.find(id);
  if (found != index_.end()) found->second->generation = found->second->statement->generation.load(std::memory_order_relaxed);
}

void ServerStatements::Remove(uint64_t id) {
  const auto found = index_.find(id);
  if (found == index_.end()) return;
  order_.erase(found->second);
  index_.erase(found);
}

const ServerStatements::Named* ServerStatements::FindNamed(std::string_view name) const {
  for (const auto& [key, named] : named_) {
    if (key == name) return &named;
  }
  return nullptr;
}

std::vector<std::string> ServerStatements::NamesOfOthers(uint64_t client) const {
  std::vector<std::string> names;
  for (const auto& [name, named] : named_) {
    if (named.client != client) names.push_back(name);
  }
  return names;
}

void ServerStatements::PutNamed(std::string_view name, Named named) {
  EraseNamed(name);
  named_.emplace_back(name, std::move(named));
}

void ServerStatements::EraseNamed(std::string_view name) {
  std::erase_if(named_, [name](const auto& item) { return item.first == name; });
}

std::optional<std::string> ServerStatements::AnyNamed() const {
  if (named_.empty()) return std::nullopt;
  return named_.front().first;
}

void ServerStatements::Clear() {
  order_.clear();
  index_.clear();
  closing_.clear();
  named_.clear();
  unnamed = {};
}

// --- what is believed ----------------------------------------------------------------------------------------------------

void StatementLog::Confirm(uint32_t count, ServerStatements& server, ClientStatements* client) {
  using Kind = StatementChange::Kind;
  for (; count > 0 && !changes_.empty(); --count) {
    const StatementChange& change = changes_.front();
    const bool is_client_parse = change.kind == Kind::kClientParse || change.kind == Kind::kParse;
    if (change.kind == Kind::kServerClose) server.EndClose(change.statement);
    if (change.kind == Kind::kClientClose && client != nullptr) client->EndClose(change.name);
    if (change.kind == Kind::kServerParse || change.kind == Kind::kParse) server.Confirm(change.statement->id, change.parse);
    if (is_client_parse && client != nullptr) {
      ClientStatement* entry = client->Find(change.name);
      if (entry != nullptr && entry->put == change.put) entry->batch = 0;
    }
    changes_.pop_front();
  }
}

void StatementLog::Undo(uint32_t count, ServerStatements& server, ClientStatements* client) {
  if (count > changes_.size()) count = static_cast<uint32_t>(changes_.size());
  for (uint32_t i = count; i-- > 0;) UndoOne(changes_[i], server, client);
  changes_.erase(changes_.begin(), changes_.begin() + count);
}

void StatementLog::UndoOne(const StatementChange& change, ServerStatements& server, ClientStatements* client) {
  using Kind = StatementChange::Kind;
  switch (change.kind) {
    case Kind::kParse: server.Undo(change.statement->id, change.parse); [[fallthrough]];
    case Kind::kClientParse:
      if (client != nullptr) client->Erase(change.name);
      return;
    case Kind::kClientClose:
      if (client == nullptr) return;
      client->EndClose(change.name);
      if (change.old) client->Put(change.name, *change.old);
      return;
    case Kind::kServerParse: return server.Undo(change.statement->id, change.parse);
    case Kind::kServerClose: return server.UndoClose(change.statement);
    case Kind::kNamedParse:
    case Kind::kNamedExecute: return server.EraseNamed(change.name);
    case Kind::kNamedClose:
      // It is still there, in nobody's view: whoever names it closes it first.
      return server.PutNamed(change.name, {0, nullptr});
    case Kind::kWrongName:
    case Kind::kOutdated:
    case Kind::kDescribe:
    case Kind::kChannel:
    case Kind::kRefuse: return;
  }
}

void StatementLog::ForgetOld() {
  for (StatementChange& change : changes_) change.old.reset();
}

}  // namespace protocol
