#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/dump_log_index.h"
#include "server/dump_log_output.h"
#include "server/dump_log_records.h"

namespace millrace::env {
class Disk;
}

namespace millrace::server {

struct DumpOptions {
    std::vector<std::string> files;
    bool json = false;
    std::string working_directory;  // for whole paths in messages; "": as they were given
    RecordDump records;
    IndexDump index;
};

// What the command line asks for; an exit code where it asks for help or the version, or is wrong,
// which is then already told.
struct DumpArguments {
    DumpOptions options;
    std::optional<int> exit_code;
};
DumpArguments parse_dump_arguments(std::span<const std::string> arguments, TextSink& sink);

// Tells the files one after the other, and then what was found not to fit. Returns the exit code:
// the first file that cannot be read to its end is the last.
int dump_files(env::Disk& disk, const DumpOptions& options, TextSink& sink);

}  // namespace millrace::server
