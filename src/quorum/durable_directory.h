#pragma once

#include <string>

#include "base/result.h"

namespace millrace::env {
class Disk;
}

namespace millrace::quorum {

// Makes a directory and its missing parents so that they survive a power cut. Blocking.
Result<> make_durable_directory(env::Disk& disk, const std::string& path);

}  // namespace millrace::quorum
