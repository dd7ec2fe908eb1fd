// pgweir [FILE] | check FILE | health: the command line, and the one place that knows both proxy and admin.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "admin/admin.h"
#include "proxy/commands.h"
#include "proxy/process.h"

namespace {

int RunProxy(conf::LoadOptions options) {
  proxy::Process process(std::move(options));
  if (!process.Prepare()) return 1;
  admin::Admin admin(process);
  process.SetConsole(admin.console());
  if (!process.Start()) return 1;
  if (const auto http = admin.StartHttp(); !http) {
    std::fprintf(stderr, "pgweir: %s\n", http.error().c_str());
    return 1;
  }
  const int status = process.Run();
  process.StopWorkers();  // they post to the console: it must outlive them
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"pgweir: many PostgreSQL clients over a bounded pool of server connections"};
  app.set_version_flag("-V,--version", "pgweir " PGWEIR_VERSION);
  std::string file;
  std::vector<std::string> settings;
  app.add_option("FILE", file, "configuration (TOML); without it the environment alone: PGWEIR_<KEY>, DATABASE_URL");
  app.add_option("-s,--set", settings, "KEY=VALUE of [pgweir], before file and environment")->type_name("KEY=VALUE");
  CLI::App* check = app.add_subcommand("check", "report every mistake of a configuration with file and line");
  bool connect = false;
  check->add_option("FILE", file, "configuration (TOML)");
  check->add_flag("--connect", connect, "also log in to each database and compare the caps with its max_connections");
  CLI::App* health = app.add_subcommand("health", "ask the running pgweir whether it is ready; exit status 0 = yes");
  health->add_option("FILE", file, "configuration (TOML)");
  CLI11_PARSE(app, argc, argv);
  const conf::LoadOptions options = proxy::LoadOptionsFor(file, settings);
  if (*check) return proxy::RunCheck(options, connect ? proxy::CheckDepth::kConnect : proxy::CheckDepth::kFile);
  if (*health) return proxy::RunHealth(options);
  return RunProxy(options);
}
