#include "tests/support/pgweir_process.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <sstream>

#include "tests/support/wire_socket.h"

namespace test_support {
namespace {

constexpr size_t kPrintedLogBytesMax = 20'000;

bool HasLineFor(const std::string& text, const std::string& key) {
  return std::regex_search("\n" + text, std::regex("\n[ \t]*" + key + "[ \t]*="));
}

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

bool IsOpen(int port) {
  try {
    ConnectTcp(port);
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

}  // namespace

bool PgweirProcess::IsListening() const { return IsOpen(port_); }

std::string PgweirProcess::Binary() {
  for (const char* name : {"PGWEIR_TEST_BINARY", "PGWEIR_BINARY"}) {
    if (const char* other = std::getenv(name); other != nullptr) return other;
  }
  return PGWEIR_BINARY;
}

PgweirProcess::PgweirProcess(const PgweirConfig& config, const Options& options)
    : config_file_(folder_.File("pgweir.toml")),
      log_file_(folder_.File("log")),
      port_(options.port != 0 ? options.port : FreePort()),
      http_port_(FreePort()) {
  if (!std::filesystem::exists(Binary()))
    throw std::runtime_error("no binary " + Binary() + ": build the target pgweir");
  GiveToUnprivilegedUser(folder_.path());
  WriteConfig(config);
  ChildOptions child;
  child.arguments = {Binary(), config_file_};
  child.arguments.insert(child.arguments.end(), options.arguments.begin(), options.arguments.end());
  child.environment = options.environment;
  child.open_files_max = options.open_files_max;
  child.output_file = log_file_;
  child.user = UnprivilegedUser();
  process_ = std::make_unique<ChildProcess>(child);
  // The HTTP endpoint comes last.
  const bool has_http = !HasLineFor(config.global, "http_listen_port");
  const bool listens = Eventually([&] {
    if (!process_->IsRunning()) throw std::runtime_error("pgweir did not start:\n" + log());
    return IsOpen(port_) && (!has_http || IsOpen(http_port_));
  });
  if (!listens) throw TimedOut("pgweir does not listen:\n" + log());
}

PgweirProcess::~PgweirProcess() {
  const bool has_crashed = !process_->IsRunning() && process_->WaitExit().value_or(0) > 128;
  if (has_crashed) ADD_FAILURE() << "pgweir died of signal " << process_->WaitExit().value_or(0) - 128;
  if (testing::Test::HasFailure() || has_crashed) {
    std::string text = log();
    if (text.size() > kPrintedLogBytesMax) text = "[...]" + text.substr(text.size() - kPrintedLogBytesMax);
    std::fprintf(stderr, "---- log of pgweir ----\n%s---- end of log ----\n", text.c_str());
  }
}

std::string PgweirProcess::Toml(const PgweirConfig& config) const {
  const std::pair<std::string, std::string> own[] = {
      {"listen_addr", "\"127.0.0.1\""},
      {"listen_port", std::to_string(port_)},
      {"unix_socket_dir", Quoted(folder_.path())},
      {"http_listen_port", std::to_string(http_port_)},
      {"auth_type", "\"trust\""},
      {"auth_file", "\"userlist.txt\""},
      {"admin_users", "[\"admin\"]"},
      {"stats_users", "[\"watcher\"]"},
      {"drain_delay", "\"0s\""},
      {"workers", "2"},
      {"min_workers", "2"},
  };
  std::string text = "[pgweir]\n";
  for (const auto& [key, value] : own) {
    if (!HasLineFor(config.global, key)) text += key + " = " + value + "\n";
  }
  return text + config.global + "\n" + config.sections + "\n";
}

void PgweirProcess::WriteConfig(const PgweirConfig& config) const {
  std::string users;
  for (const auto& [name, secret] : config.users) users += Quoted(name) + " " + Quoted(secret) + "\n";
  WriteFile(folder_.File("userlist.txt"), users);
  WriteFile(config_file_, Toml(config));
}

void PgweirProcess::Reload(const PgweirConfig& config) {
  WriteConfig(config);
  process_->Signal(SIGHUP);
}

bool PgweirProcess::WaitForLog(const std::string& expression, Milliseconds patience) const {
  const std::regex wanted(expression);
  return Eventually(
      [&] {
        std::istringstream lines(log());
        for (std::string line; std::getline(lines, line);) {
          if (std::regex_search(line, wanted)) return true;
        }
        return false;
      },
      patience);
}


double PgweirProcess::Metric(const std::string& name, const std::vector<std::string>& labels) const {
  WireSocket http = ConnectTcp(http_port_);
  http.Send("GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
  std::string answer;
  for (std::string part; !(part = http.ReadAvailable(kPatience)).empty();) answer += part;
  std::istringstream lines(answer);
  double sum = -1;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name + "{") && !line.starts_with(name + " ")) continue;
    const auto has = [&line](const std::string& label) { return line.find(label) != std::string::npos; };
    if (!std::all_of(labels.begin(), labels.end(), has)) continue;
    sum = (sum < 0 ? 0 : sum) + std::stod(line.substr(line.rfind(' ') + 1));
  }
  return sum;
}

std::string PgweirProcess::ConnectionString(const std::string& user, const std::string& database) const {
  return "host=127.0.0.1 port=" + std::to_string(port_) + " user='" + user + "' dbname='" + database +
         "' sslmode=disable gssencmode=disable";
}

}  // namespace test_support
