#include "server/commands.h"

namespace millrace::server {

std::span<const ServerCommand> server_commands() {
    static constexpr ServerCommand commands[] = {
        {"server", "kafka-server-start", "run a node: server FILE [--override KEY=VALUE]...",
         serve},
        {"quickstart", "", "format where needed and run a node with few questions", quickstart},
        {"storage", "kafka-storage", "format log directories, or tell what is in them", storage},
        {"dump-log", "kafka-dump-log", "print and check segments, indexes and snapshots", dump_log},
        {"metadata-shell", "kafka-metadata-shell", "show the metadata of a cluster as a tree",
         metadata_shell},
    };
    return commands;
}

}  // namespace millrace::server
