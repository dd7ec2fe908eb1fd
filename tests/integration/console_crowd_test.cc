// The console before thousands of clients: every one of them is in its tables once, also while others come and go, also for a reader
// that takes its time. How long it takes is measured by tests/bench/console.

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "tests/integration/environment.h"
#include "tests/integration/open_files.h"

namespace integration {
namespace {

using namespace test_support;

constexpr int kClients = 3000;
constexpr int kComing = 40;  // while one answer is gathered

class ConsoleCrowdTest : public IntegrationTest {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    if (!RaiseOpenFiles(kClients + 500)) GTEST_SKIP() << "the hard limit of open files is too low";
    StartPgweir("default_pool_size = 5\nmax_client_conn = 10000\n");
  }
  void Open(int count) {
    for (int i = 0; i < count; ++i) {
      WireClient client(pgweir().port());
      if (!client.Login({{"user", "app"}, {"database", "app"}, {"application_name", NameOf(clients_.size())}})) {
        throw std::runtime_error("login: " + ErrorField(client.error(), 'M'));
      }
      clients_.push_back(std::move(client));
    }
  }
  static std::string NameOf(size_t number) { return "c" + std::to_string(number); }
  // How often each name is in it.
  static std::map<std::string, int> NamesIn(const Result& result) {
    std::map<std::string, int> names;
    for (int row = 0; row < result.rows(); ++row) ++names[result.Value(row, "application_name")];
    return names;
  }
  static bool IsEachOnce(const Result& result) {
    std::set<std::string> ids;
    for (int row = 0; row < result.rows(); ++row) ids.insert(result.Value(row, "id"));
    return ids.size() == static_cast<size_t>(result.rows());
  }
  static void ExpectOnce(const std::map<std::string, int>& names, size_t from, size_t to) {
    int missing = 0, more = 0;
    for (size_t i = from; i < to; ++i) {
      const auto found = names.find(NameOf(i));
      if (found == names.end()) ++missing;
      else if (found->second > 1) ++more;
    }
    EXPECT_EQ(missing, 0) << "of " << to - from;
    EXPECT_EQ(more, 0) << "of " << to - from;
  }
  std::vector<WireClient> clients_;
};

// The tables of the workers grow several times while they are walked: the console is asked without a pause.
TEST_F(ConsoleCrowdTest, EveryClientIsThereOnceWhileOthersCome) {
  Connection admin = Admin();
  std::atomic<size_t> opened{0};
  std::atomic<bool> is_over{false};
  std::string wrong;
  std::thread asker([&] {
    while (!is_over && wrong.empty()) {
      const size_t before = opened;
      const Result result = admin.Query("SHOW CLIENTS");
      const auto names = NamesIn(result);
      if (!IsEachOnce(result)) wrong = "one is there twice";
      for (size_t i = 0; i < before; ++i) {
        if (names.find(NameOf(i)) == names.end()) wrong = NameOf(i) + " is missing, of " + std::to_string(before);
      }
    }
  });
  while (clients_.size() < kClients) {
    Open(1);
    opened = clients_.size();
  }
  is_over = true;
  asker.join();
  EXPECT_EQ(wrong, "");
  const Result all = admin.Query("SHOW CLIENTS");
  EXPECT_EQ(all.rows(), static_cast<int>(clients_.size()) + 1) << "and the asker itself";
  ExpectOnce(NamesIn(all), 0, clients_.size());
  EXPECT_EQ(admin.Value("SELECT cl_active FROM pools WHERE database = 'app'"), std::to_string(clients_.size()));
  EXPECT_EQ(admin.Query("SELECT id FROM clients WHERE application_name = 'c1234'").rows(), 1);
  EXPECT_EQ(admin.Query("SHOW SOCKETS").rows() >= all.rows(), true);
}

TEST_F(ConsoleCrowdTest, WhoStaysIsThereWhileOthersGo) {
  Open(kClients);
  Connection admin = Admin();
  for (int round = 0; round < 20; ++round) {
    admin.Send("SHOW CLIENTS");
    admin.Flush();
    for (int i = 0; i < kComing; ++i) clients_.pop_back();
    const Result result = admin.Next();
    ASSERT_TRUE(result.ok()) << result.error();
    admin.Collect();
    ExpectOnce(NamesIn(result), 0, clients_.size());
    ASSERT_TRUE(IsEachOnce(result));
  }
  EXPECT_EQ(admin.Query("KILL WHERE application_name LIKE 'c1%' AND database = 'app'").ok(), true);
  std::set<std::string> killed;
  for (size_t i = 0; i < clients_.size(); ++i) {
    if (NameOf(i).starts_with("c1")) killed.insert(NameOf(i));
  }
  EXPECT_TRUE(Eventually([&] {
    return admin.Query("SHOW CLIENTS").rows() == static_cast<int>(clients_.size() - killed.size()) + 1;
  }));
}

// Both sides of a lease tell of each other what is true of the same moment.
TEST_F(ConsoleCrowdTest, ClientsAndTheirServersAgree) {
  Open(300);
  Connection admin = Admin();
  std::vector<Connection> busy;
  for (int i = 0; i < 5; ++i) {
    busy.push_back(Connect());
    ASSERT_TRUE(busy.back().Query("BEGIN").ok());
  }
  const Result holders = admin.Query("SHOW HOLDERS");
  ASSERT_TRUE(holders.ok()) << holders.error();
  EXPECT_EQ(holders.rows(), 5);
  const Result sockets = admin.Query("SHOW SOCKETS");
  std::map<std::string, std::string> link_of;
  for (int row = 0; row < sockets.rows(); ++row) link_of[sockets.Value(row, "ptr")] = sockets.Value(row, "link");
  EXPECT_EQ(link_of.size(), static_cast<size_t>(sockets.rows())) << "each once";
  int linked = 0;
  for (const auto& [ptr, link] : link_of) {
    if (link.empty()) continue;
    ++linked;
    EXPECT_EQ(link_of[link], ptr);
  }
  EXPECT_EQ(linked, 10);
}

// An answer of megabytes before a reader that stops: it waits, and the worker's other clients do not.
TEST_F(ConsoleCrowdTest, ASlowReaderGetsItAll) {
  Open(kClients);
  WireClient admin(pgweir().port());
  ASSERT_TRUE(admin.Login({{"user", "admin"}, {"database", "pgbouncer"}}));
  ASSERT_TRUE(admin.Send(Query("SHOW SOCKETS")));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(admin.Send(Query("SHOW CLIENTS")));  // more than the kernel's buffers hold
  for (const size_t i : {size_t{0}, size_t{1}, clients_.size() - 1}) EXPECT_EQ(clients_[i].Value("SELECT 'alive'"), "alive");
  const auto rows = [&] {
    int count = 0;
    for (const auto& message : admin.ReadUntil('Z')) count += message.type == 'D' ? 1 : 0;
    return count;
  };
  EXPECT_GT(rows(), kClients);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(rows(), kClients + 1);
  EXPECT_FALSE(admin.Value("SHOW VERSION").empty());
}

// It ends in the middle of its answer: nobody else notices, and the next one is served.
TEST_F(ConsoleCrowdTest, AReaderThatLeavesInTheMiddle) {
  Open(kClients);
  for (int i = 0; i < 3; ++i) {
    WireClient admin(pgweir().port());
    ASSERT_TRUE(admin.Login({{"user", "admin"}, {"database", "pgbouncer"}}));
    ASSERT_TRUE(admin.Send(Query("SHOW SOCKETS") + Query("SHOW SOCKETS")));
    ASSERT_TRUE(admin.ReadMessage().has_value());
  }
  Connection admin = Admin();
  EXPECT_EQ(clients_[0].Value("SELECT 'alive'"), "alive");
  EXPECT_TRUE(Eventually([&] { return admin.Query("SHOW CLIENTS").rows() == kClients + 1; }));
}

}  // namespace
}  // namespace integration
