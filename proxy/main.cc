// pgweir [FILE] | check FILE | convert FILE.ini | health: the command line, and the one place that knows both proxy and
// admin. PgBouncer's flags mean what they mean there.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "admin/admin.h"
#include "proxy/background.h"
#include "proxy/commands.h"
#include "proxy/log.h"
#include "proxy/login_threads.h"
#include "proxy/process.h"

namespace {

int Complain(const std::string& text) {
  std::fprintf(stderr, "pgweir: %s\n", text.c_str());
  return 1;
}

int RunProxy(conf::LoadOptions options, const proxy::Background* background) {
  proxy::Process process(std::move(options));
  if (!process.Prepare()) return 1;
  admin::Admin admin(process);
  process.SetConsole(admin.console());
  if (!process.Start()) return 1;
  if (const auto http = admin.StartHttp(); !http) return Complain(http.error());
  if (background != nullptr) background->ReportStart();
  const int status = process.Run();
  process.StopWorkers();  // they post to the console: it must outlive them
  return status;
}

int RunInBackground(const conf::LoadOptions& options) {
  const auto loaded = conf::Load(options);
  if (!loaded) {
    for (const auto& mistake : loaded.error()) Complain(mistake.ToString());
    return 1;
  }
  const conf::Global& global = (*loaded)->global;
  if (global.logfile.empty() || global.pidfile.empty()) {
    return Complain("-d needs logfile and pidfile: nobody would see its log or know its process");
  }
  const auto background = proxy::Background::Enter();
  return background ? RunProxy(options, &*background) : Complain(background.error());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"pgweir: many PostgreSQL clients over a bounded pool of server connections"};
  app.set_version_flag("-V,--version", "pgweir " PGWEIR_VERSION);
  std::string file, user;
  std::vector<std::string> settings;
  int verbosity = 0;
  bool in_background = false, is_quiet = false, is_reboot = false;
  app.add_option("FILE", file,
                 "configuration: pgbouncer.ini, or TOML; without it the environment alone: PGWEIR_<KEY>, DATABASE_URL");
  app.add_option("-s,--set", settings, "KEY=VALUE of [pgweir], before file and environment")->type_name("KEY=VALUE");
  CLI::Option* daemon = app.add_flag("-d,--daemon", in_background, "go into the background once started; needs logfile and pidfile");
  CLI::Option* quiet = app.add_flag("-q,--quiet", is_quiet, "no log on stderr when there is no logfile");
  app.add_flag("-v,--verbose", verbosity, "log_level=debug; given again it changes nothing more");
  app.add_option("-u,--user", user, "run as this user of the system when started by root");
  app.add_flag("-R,--reboot", is_reboot, "refused: pgweir takes over from no running process");
  CLI::App* check = app.add_subcommand("check", "report every mistake of a configuration with file and line");
  bool connect = false;
  check->add_option("FILE", file, "configuration: pgbouncer.ini or TOML");
  check->add_flag("--connect", connect, "also log in to each database and compare the caps with its max_connections");
  CLI::App* convert = app.add_subcommand("convert", "print the TOML that means the same as a pgbouncer.ini");
  convert->add_option("FILE", file, "pgbouncer.ini")->required();
  CLI::App* health = app.add_subcommand("health", "ask the running pgweir whether it is ready; exit status 0 = yes");
  health->add_option("FILE", file, "configuration: pgbouncer.ini or TOML");
  for (CLI::App* command : {check, convert, health}) command->excludes(daemon)->excludes(quiet);  // they run no proxy
  CLI11_PARSE(app, argc, argv);
  if (is_reboot) {
    return Complain("-R is not supported: SIGTERM lets the running pgweir end its clients in order while a new one starts "
                    "on another port or machine; RELOAD changes the configuration without a restart");
  }
  if (verbosity > 0) settings.emplace_back("log_level=debug");
  if (!user.empty()) settings.push_back("user=" + user);
  const conf::LoadOptions options = proxy::LoadOptionsFor(file, settings);
  if (*check) return proxy::RunCheck(options, connect ? proxy::CheckDepth::kConnect : proxy::CheckDepth::kFile);
  if (*convert) return proxy::RunConvert(file);
  if (*health) return proxy::RunHealth(options);
  if (is_quiet) proxy::SilenceConsole();
  return proxy::EndProcess(in_background ? RunInBackground(options) : RunProxy(options, nullptr));
}
