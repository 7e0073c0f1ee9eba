#pragma once

#include <span>
#include <string>
#include <string_view>

namespace millrace::server {

// A command that works on a node's own files and processes, rather than over the network.
struct ServerCommand {
    std::string_view name;        // "storage"
    std::string_view kafka_name;  // of Kafka's script, without .sh: "kafka-storage"; may be ""
    std::string_view summary;     // one line, for the list of commands
    // Takes what stands behind the command's name; returns the exit code.
    int (*run)(std::span<const std::string> arguments);
};

std::span<const ServerCommand> server_commands();

int serve(std::span<const std::string> arguments);           // serve.cc
int quickstart(std::span<const std::string> arguments);      // quickstart.cc
int storage(std::span<const std::string> arguments);         // storage.cc
int dump_log(std::span<const std::string> arguments);        // dump_log.cc
int metadata_shell(std::span<const std::string> arguments);  // metadata_shell.cc

}  // namespace millrace::server
