#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::cli {

struct Outsider;
class Process;

// The names under which a link to the program acts as a tool: kafka-topics, kafka-topics.sh, …
std::vector<std::string> link_names(std::span<const Outsider> outsiders);
// The command that a program of this name is: "kafka-topics.sh" is topics. Empty: none.
std::string_view command_of_link(std::string_view program, std::span<const Outsider> outsiders);
// Makes all links in the directory, which exists; returns how many.
Result<int> make_links(std::string_view directory, std::span<const Outsider> outsiders,
                       Process& process);

}  // namespace millrace::cli
