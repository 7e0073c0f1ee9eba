#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace {
class Random;
}
namespace millrace::env {
class Disk;
}
namespace millrace::config {
class BrokerConfig;
}

namespace millrace::quorum {

// The words of `kafka-storage format`, as they were given.
struct FormatCommand {
    std::string cluster_id;                          // --cluster-id
    bool standalone = false;                         // --standalone
    bool no_initial_controllers = false;             // --no-initial-controllers
    std::optional<std::string> initial_controllers;  // ID@HOST:PORT:DIRECTORY-ID,...
    std::vector<std::string> features;               // each NAME=LEVEL
    std::optional<std::string> release_version;      // "4.3", "4.3-IV0"
    std::vector<std::string> scram;                  // each SCRAM-SHA-256=[name=...,...]
    bool ignore_formatted = false;
};

// Makes the directories of a new node: meta.properties and bootstrap.checkpoint in each of log.dirs
// and metadata.log.dir, and the first voters in the metadata log's where the quorum is dynamic.
// Returns what the tool prints. Errors carry the sentences of kafka-storage; nothing is written
// then unless it is the disk that failed. Blocking.
Result<std::string> format(env::Disk& disk, const config::BrokerConfig& config,
                           const FormatCommand& command, Random& random, Timestamp now);

struct StorageInfo {
    std::string text;   // what `kafka-storage info` prints
    bool sound = true;  // exit code 0
};
// Whether the directories are there, formatted, and of one node. Blocking.
Result<StorageInfo> storage_info(env::Disk& disk, const config::BrokerConfig& config);

}  // namespace millrace::quorum
