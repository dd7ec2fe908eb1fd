// What is left on the servers of a pool when all its clients have gone: nothing.
//
// Comes through pgweir with as many transactions at once as the pool has servers, so that each of them is seen, and
// asks each what its last clients have left. Threads: one.
#pragma once

#include <string>
#include <vector>

namespace walk {

// One line for each thing found, none when all is clean.
std::vector<std::string> FindLeftovers(int port, const std::string& database, int servers);

}  // namespace walk
