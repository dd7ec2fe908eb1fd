#include "tests/wire/simulated_statements.h"

#include <algorithm>

namespace wire {
namespace {

constexpr size_t kNameBytesMax = 63;  // NAMEDATALEN - 1: the hash table compares no more

std::string Key(const std::string& name) { return name.substr(0, kNameBytesMax); }

}  // namespace

bool SimulatedStatements::Store(const std::string& name, const std::string& sql) {
  const std::lock_guard lock(mutex_);
  if (!name.empty() && statements_.count(Key(name)) > 0) return false;
  statements_[Key(name)] = {sql, *schema_};
  names_max_ = std::max(names_max_, statements_.size() - statements_.count(""));
  return true;
}

std::optional<SimulatedStatements::Statement> SimulatedStatements::Find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = statements_.find(Key(name));
  return found == statements_.end() ? std::nullopt : std::optional(found->second);
}

bool SimulatedStatements::Drop(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return statements_.erase(Key(name)) > 0;
}

void SimulatedStatements::DropNamed() {
  const std::lock_guard lock(mutex_);
  std::erase_if(statements_, [](const auto& entry) { return !entry.first.empty(); });
}

void SimulatedStatements::Renew() {
  const std::lock_guard lock(mutex_);
  for (auto& [name, statement] : statements_) statement.schema = *schema_;
}

std::vector<std::string> SimulatedStatements::Names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, statement] : statements_) {
    if (!name.empty()) names.push_back(name);
  }
  return names;
}

size_t SimulatedStatements::names_max() const {
  const std::lock_guard lock(mutex_);
  return names_max_;
}

}  // namespace wire
