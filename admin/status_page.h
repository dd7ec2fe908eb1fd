// What the HTTP endpoint says besides metrics: the page at "/" for a person, and the JSON of the probes.
//
// What: pure text making; every name from outside is escaped. Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "admin/metrics.h"
#include "proxy/control.h"

namespace admin {

std::string StatusPage(const proxy::Snapshot& snapshot, const ProcessFacts& facts, proxy::WallTime now);

// Why the process should get no new clients; empty = it is ready. Saturation is no reason.
std::vector<std::string> ReasonsAgainstReady(const ProcessFacts& facts);

// {"status":"ok"} or {"status":"unavailable","reasons":["draining"]}
std::string ProbeJson(const std::vector<std::string>& reasons);

std::string AgeText(std::chrono::seconds age);  // "3d 04:05:06"

}  // namespace admin
