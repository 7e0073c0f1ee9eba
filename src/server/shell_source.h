#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "core/metadata/image_tree.h"
#include "env/disk.h"

namespace millrace::server {

// What metadata-shell shows.
struct ShellSource {
    metadata::ImagePtr image;
    metadata::Provenance provenance;
    std::unique_ptr<env::FileLock> lock;  // of the directory it comes from
};

// A snapshot of the metadata log, whatever its name. Errors name the file.
Result<ShellSource> read_snapshot_file(env::Disk& disk, const std::string& path);
// The latest snapshot in a log directory and the log behind it, to the last whole batch, whether it
// was committed or not. The directory's lock keeps a node away meanwhile:
// duplicate_broker_registration when one has it.
Result<ShellSource> read_log_directory(env::Disk& disk, const std::string& path);

}  // namespace millrace::server
