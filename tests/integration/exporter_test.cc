// Debian's prometheus-pgbouncer-exporter reads pgweir's console as it reads PgBouncer's: the same metrics with the same labels.
//
// Its collectors are asked one by one and not the daemon: 1.7 asks SHOW STATS for total_requests, which PgBouncer has not had
// since 1.8, and ends there. What a collector misses in PgBouncer may be missing in pgweir, too, and nothing else.
// install_deps.sh does not install it: its package enables and starts a service that listens on every address.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "tests/integration/proxy.h"
#include "tests/support/temporary_folder.h"

namespace integration {
namespace {

using namespace test_support;

constexpr const char* kExporter = "/usr/lib/python3/dist-packages/prometheus_pgbouncer_exporter/collectors.py";
// Prints a line for each metric, with its type and the names of its labels, or what the collector misses.
constexpr const char* kAsk = R"(
import sys
from prometheus_pgbouncer_exporter import collectors, utils
connection = utils.get_connection('admin', sys.argv[1], '127.0.0.1')
def tell(name, **arguments):
    try:
        for family in getattr(collectors, name)(connection=connection, **arguments).collect():
            labels = sorted({label for sample in family.samples for label in sample.labels})
            [float(sample.value) for sample in family.samples]
            print(name, family.name, family.type, ','.join(labels))
    except KeyError as missing:
        print(name, 'misses', missing)
for name in ('StatsCollector', 'PoolsCollector', 'DatabasesCollector'):
    tell(name, databases=None)
tell('ListsCollector')
)";

class ExporterTest : public testing::Test {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    if (access(kPgBouncer, X_OK) != 0) GTEST_SKIP() << kPgBouncer << " is not installed";
    if (!std::filesystem::exists(kExporter)) GTEST_SKIP() << "prometheus-pgbouncer-exporter is not installed";
  }
  std::vector<std::string> MetricsOf(const std::string& program) const {
    const TemporaryFolder folder;
    const int port = FreePort();
    WriteFile(folder.File("users.txt"), "\"app\" \"\"\n\"admin\" \"\"\n");
    WriteFile(folder.File("both.ini"), "[databases]\napp = host=127.0.0.1 port=" + std::to_string(SharedCluster().port()) +
                                           "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " + std::to_string(port) +
                                           "\nunix_socket_dir =\nauth_type = trust\nauth_file = " + folder.File("users.txt") + "\nadmin_users = admin\n");
    GiveToUnprivilegedUser(folder.path());
    const Proxy proxy(program, folder.File("both.ini"), port, folder.File("out"));
    Connection client("host=127.0.0.1 sslmode=disable user=app dbname=app port=" + std::to_string(port));
    EXPECT_EQ(client.Value("SELECT 1"), "1");
    const FinishedProcess asked = RunProgram({.arguments = {"/usr/bin/python3", "-c", kAsk, std::to_string(port)}});
    EXPECT_EQ(asked.exit_code, 0) << asked.output;
    std::vector<std::string> lines;
    std::istringstream stream(asked.output);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    std::sort(lines.begin(), lines.end());
    return lines;
  }
};

TEST_F(ExporterTest, MetricsAndLabelsAreThoseOfTheOther) {
  const auto theirs = MetricsOf(kPgBouncer), ours = MetricsOf(PgweirProcess::Binary());
  EXPECT_EQ(ours, theirs);
  EXPECT_GE(theirs.size(), 16u) << "1 that misses something, 2 of pools, 2 of databases, 12 of lists";
}

}  // namespace
}  // namespace integration
