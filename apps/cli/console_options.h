#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "cli/message_format.h"
#include "config/properties.h"

namespace millrace::env {
class Shard;
}

namespace millrace::cli {

class Arguments;
class Output;

// What the console consumers have in common.

// --formatter with its properties; with --format json the documents of this tool.
Result<std::unique_ptr<MessageFormat>> chosen_format(env::Shard& shard, const Arguments& arguments);

// The group, where --group, a file and a property name it: the same everywhere. Empty: nobody does.
Result<std::string> chosen_group(const Arguments& arguments, std::string_view in_file,
                                 const config::Properties& properties);

// --max-messages and --timeout-ms.
struct ShowingLimits {
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
    Duration idle = Duration::max();  // after the last record
};
ShowingLimits showing_limits(const Arguments& arguments);

// What is said at the end, and the exit code.
int console_outcome(const Arguments& arguments, const Result<>& shown, const Result<>& closed,
                    std::int64_t count, Output& output);

}  // namespace millrace::cli
