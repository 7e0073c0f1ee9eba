#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "server/dump_log_output.h"

namespace millrace::env {
class Disk;
}

namespace millrace::server {

struct IndexDump {
    bool sanity_only = false;  // what a node checks when it starts
    bool quiet = false;        // compare with the log, without telling the entries
    std::int32_t max_message_size = 5 << 20;
    std::size_t batch_limit = default_inflated_limit;
};

// Tells an .index and compares it with the .log beside it. corrupt_message: the log does not hold
// what the index points at, or the sanity check failed.
Result<> dump_offset_index(env::Disk& disk, const std::string& path, const IndexDump& dump,
                           DumpOutput& output, Findings& findings);
// The same of a .timeindex, which needs the .index beside it too.
Result<> dump_time_index(env::Disk& disk, const std::string& path, const IndexDump& dump,
                         DumpOutput& output, Findings& findings);

}  // namespace millrace::server
