#include "admin/admin.h"

namespace admin {

Admin::Admin(proxy::Control& control)
    : control_(control),
      console_(control, StatsWindow::Time::clock::now()),
      http_(control),
      timer_(
          control.base(), [this] { return control_.config()->global.stats_period; }, [this] { OnTick(); }),
      load_timer_(
          control.base(), [] { return kLoadSampleEvery; }, [this] { OnLoadTick(); }) {}

tl::expected<void, std::string> Admin::StartHttp() {
  const auto config = control_.config();
  if (config->global.http_listen_port == 0) return {};
  const auto port =
      http_.Listen(config->global.http_listen_addr, static_cast<uint16_t>(config->global.http_listen_port));
  if (!port) return tl::unexpected(port.error());
  return {};
}

void Admin::OnTick() {
  control_.Collect(proxy::Collecting::kTotals, [this, alive = std::weak_ptr(alive_)](proxy::Snapshot snapshot) {
    if (!alive.expired()) console_.OnStatsPeriod(std::move(snapshot), StatsWindow::Time::clock::now());
  });
}

void Admin::OnLoadTick() {
  control_.Collect(proxy::Collecting::kTotals, [this, alive = std::weak_ptr(alive_)](const proxy::Snapshot& snapshot) {
    if (!alive.expired()) console_.OnLoadSample(snapshot, LoadWindow::Time::clock::now());
  });
}

}  // namespace admin
