#pragma once

#include <span>
#include <string>

namespace millrace::cli {

struct Command;
struct Outsider;

// What `millrace NAME --help` says: usage, then a line a flag.
std::string help_of(const Command& command);
// What `millrace --help` says: a line a command.
std::string overview(std::span<const Outsider> outsiders);
// The version that tools say: Kafka's, whose behaviour they have, and Millrace's.
std::string version();

}  // namespace millrace::cli
