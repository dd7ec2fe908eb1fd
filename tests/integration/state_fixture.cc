#include "tests/integration/state_fixture.h"

#include <algorithm>

namespace integration {

using namespace test_support;

double StateTest::Metric(const std::string& name, const std::vector<std::string>& labels) { return pgweir().Metric(name, labels); }

std::vector<std::string> StateTest::Pins(Connection& admin) {
  const Result rows = admin.Query("SHOW PINS");
  if (!rows.ok()) throw std::runtime_error(rows.error());
  std::vector<std::string> reasons;
  for (int row = 0; row < rows.rows(); ++row) reasons.push_back(rows.Value(row, "reason"));
  std::sort(reasons.begin(), reasons.end());
  return reasons;
}

std::string StateTest::ClientColumn(Connection& admin, const std::string& application_name, const std::string& column) {
  const Result rows = admin.Query("SHOW CLIENTS");
  for (int row = 0; row < rows.rows(); ++row) {
    if (rows.Value(row, "application_name") == application_name) return rows.Value(row, column);
  }
  return "no row";
}

bool StateTest::WaitUntilFree(Connection& admin, const std::string& user) const {
  return Eventually([&] {
    const bool is_busy =
        PoolNumber(admin, "sv_active", "app", user) > 0 || PoolNumber(admin, "sv_tested", "app", user) > 0;
    return !is_busy && Pins(admin).empty();
  });
}

void AsSuperuser(const std::string& sql, const std::string& database) {
  Connection superuser(SharedCluster().SuperuserString(database));
  const Result result = superuser.Query(sql);
  if (!result.ok()) throw std::runtime_error(result.error());
}

AfterTest::~AfterTest() {
  Connection superuser(SharedCluster().SuperuserString("app"));
  const Result result = superuser.Query(sql_);
  if (!result.ok()) ADD_FAILURE() << sql_ << ": " << result.error();
}

}  // namespace integration
