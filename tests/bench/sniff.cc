// The subject of tests/bench/sql_sniffer_instructions: sniffs one text so many times, and nothing else.
//
// usage: sniff COUNT <TEXT
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <string>

#include "protocol/sql_sniffer.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: sniff COUNT <TEXT\n";
    return 2;
  }
  const std::string sql((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
  protocol::SqlFlags flags = 0;
  for (long left = std::strtol(argv[1], nullptr, 10); left > 0; --left)
    flags |= protocol::Sniff(sql, protocol::Backslash::kLiteral);
  std::cout << flags << "\n";
  return 0;
}
