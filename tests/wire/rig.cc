#include "tests/wire/rig.h"

namespace wire {

using namespace test_support;

PgweirConfig ConfigFor(int server_port, const std::string& global, int pool_size) {
  PgweirConfig config;
  config.global =
      "pool_mode = \"transaction\"\nserver_login_retry = \"50ms\"\nlog_connections = false\n"
      "log_disconnections = false\ndefault_pool_size = " +
      std::to_string(pool_size) + "\n" + global;
  config.sections = "[databases.\"*\"]\nhost = \"127.0.0.1\"\nport = " + std::to_string(server_port) + "\n";
  return config;
}

Rig::Rig(const std::string& global, int pool_size)
    : pgweir_(ConfigFor(postgres_.port(), global, pool_size)), observer_(Client()) {}

Rig::~Rig() {
  for (const std::string& problem : postgres_.Problems()) ADD_FAILURE() << "the simulated PostgreSQL: " << problem;
}

WireClient Rig::Client() {
  WireClient client(pgweir_.port());
  if (!client.Login(kApp)) throw std::runtime_error("login failed: " + ErrorField(client.error(), 'M'));
  return client;
}

testing::AssertionResult Rig::ObserverIsServed() {
  return GetsItsAnswer(observer_, "observer-" + std::to_string(++asked_));
}

testing::AssertionResult GetsItsAnswer(WireClient& client, const std::string& id) {
  const std::string expected =
      RowDescription({"column"}) + DataRow({id}) + CommandComplete("SELECT 1") + ReadyForQuery('I');
  if (!client.Send(Query("echo " + id))) return testing::AssertionFailure() << "its connection is closed";
  std::string got;
  try {
    for (const Message& message : client.ReadUntil('Z')) got += message.bytes();
  } catch (const TimedOut&) {
    return testing::AssertionFailure() << "no answer for " << id;
  }
  if (got == expected) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "asked for " << id << " and got " << testing::PrintToString(got);
}

}  // namespace wire
