#pragma once

#include <span>
#include <string_view>

#include "base/task.h"
#include "cli/flag.h"

namespace millrace::env {
class Shard;
}

namespace millrace::cli {

class Arguments;
class Output;

// A sub-command: `kafka-features describe`.
struct Verb {
    std::string_view name;
    std::string_view summary;
    std::span<const Flag> flags;
};

// A tool, declared once: `millrace NAME`, and KAFKA_NAME or KAFKA_NAME.sh by link.
struct Command {
    std::string_view name;
    std::string_view kafka_name;
    std::string_view summary;
    std::span<const Flag> flags;
    std::span<const Verb> verbs = {};
    // The exit code; what went wrong has been said on `output` before.
    Task<int> (*run)(env::Shard&, const Arguments&, Output&);
};

// Every tool of this room, by name.
std::span<const Command* const> commands();
const Command* find_command(std::string_view name);

// A command that another room carries out: listed, completed and linked with the tools.
struct Outsider {
    std::string_view name;
    std::string_view kafka_name;  // empty: Kafka has no such program
    std::string_view summary;
};

}  // namespace millrace::cli
