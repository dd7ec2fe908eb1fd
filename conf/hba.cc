#include "conf/hba.h"

#include <algorithm>

namespace conf {

bool HbaRule::Fits(const HbaLogin& login) const {
  switch (connection) {
    case HbaConnection::kLocal:
      if (!login.is_local) return false;
      break;
    case HbaConnection::kHost:
      if (login.is_local) return false;
      break;
    case HbaConnection::kHostTls:
      if (login.is_local || !login.is_encrypted) return false;
      break;
    case HbaConnection::kHostClear:
      if (login.is_local || login.is_encrypted) return false;
      break;
  }
  if (address && !address->Contains(login.address, login.is_v6)) return false;
  if (!users.has_all && !users.names.contains(login.user)) return false;
  if (login.is_physical_replication) return databases.has_replication;
  return databases.has_all || (databases.has_same_user && login.database == login.user) ||
         databases.names.contains(login.database);
}

const HbaRule* HbaRules::Find(const HbaLogin& login) const {
  const auto found = std::find_if(rules.begin(), rules.end(), [&login](const HbaRule& rule) { return rule.Fits(login); });
  return found == rules.end() ? nullptr : &*found;
}

}  // namespace conf
