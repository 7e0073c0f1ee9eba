#pragma once

#include <string>

#include "base/result.h"
#include "server/dump_log_output.h"

namespace millrace::env {
class Disk;
}

namespace millrace::server {

// Tells a .snapshot of producers. One that is broken is told as a problem, and no error, as in
// Kafka's tool. It is read whole: a producer takes 46 bytes, and above 1 GiB it is an error.
Result<> dump_producers(env::Disk& disk, const std::string& path, DumpOutput& output);

// Tells a .txnindex. corrupt_message: an entry of a version that is not known.
Result<> dump_aborted(env::Disk& disk, const std::string& path, DumpOutput& output);

}  // namespace millrace::server
