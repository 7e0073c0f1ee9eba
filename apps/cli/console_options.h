#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/message_format.h"
#include "config/properties.h"

namespace millrace::env {
class Shard;
}

namespace millrace::cli {

class Arguments;

// What the console consumers have in common.

// --formatter with its properties; with --format json the documents of this tool.
Result<std::unique_ptr<MessageFormat>> chosen_format(env::Shard& shard, const Arguments& arguments);

// The group, where --group, a file and a property name it: the same everywhere. Empty: nobody does.
Result<std::string> chosen_group(const Arguments& arguments, std::string_view in_file,
                                 const config::Properties& properties);

}  // namespace millrace::cli
