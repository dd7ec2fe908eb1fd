// What is left on the servers of a pool when all its clients have gone: nothing.
//
// Comes through pgweir with as many transactions at once as the pool has servers, so that each of them is seen, and
// asks each what its last clients have left. Its settings must be those of a client that comes straight to PostgreSQL;
// of prepared statements only pgweir's own may stay. Threads: one.
#pragma once

#include <string>
#include <vector>

namespace walk {

struct Place {
  int port = 0;
  std::string database;
};

// One line for each thing found, none when all is clean.
std::vector<std::string> FindLeftovers(const Place& pool, const Place& direct, int servers);

}  // namespace walk
