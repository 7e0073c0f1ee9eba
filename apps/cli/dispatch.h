#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/task.h"
#include "cli/command.h"
#include "cli/process.h"

namespace millrace::env {
class Shard;
}

namespace millrace::cli {

// What a command line asks for.
struct Invocation {
    std::string command;  // empty: none was named
    std::vector<std::string> words;
};

// Of `millrace topics --list` and of a link: `kafka-topics.sh --list` asks for the same.
Invocation read_invocation(std::span<const std::string> line, std::span<const Outsider> outsiders);

// Carries out a command of this room, help, completion and links; returns the exit code. Nothing
// that goes wrong with the command line or the cluster is more than one sentence on standard error.
Task<int> run(env::Shard& shard, Process& process, const Invocation& invocation,
              std::span<const Outsider> outsiders);

}  // namespace millrace::cli
