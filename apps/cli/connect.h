#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "config/properties.h"

namespace millrace::env {
class Shard;
}
namespace millrace::client {
class Admin;
}

namespace millrace::cli {

class Arguments;
class Output;

// Every `KEY=VALUE` of a repeated flag; a value may be empty, a key alone has an empty one.
Result<> add_assignments(const Arguments& arguments, std::string_view flag,
                         config::Properties& into);

// What a client is made of: the file that one of `files` names, then every assignment. Those that
// tools had before and those they have now are flags of their own.
Result<config::Properties> client_properties(env::Shard& shard, const Arguments& arguments,
                                             std::initializer_list<std::string_view> files,
                                             std::initializer_list<std::string_view> assignments);

// The content of a file that a flag names.
Result<std::string> read_named_file(env::Shard& shard, std::string_view path);

// --bootstrap-server or --bootstrap-controller, one of them.
Result<> check_bootstrap(const Arguments& arguments);

// What a tool does with a cluster.
using AdminTool = Task<Result<>> (*)(client::Admin& admin, const Arguments& arguments,
                                     Output& output);
struct AdminRun {
    std::string_view prefix = {};             // in front of what went wrong
    std::vector<config::Property> more = {};  // of the admin, over those of --command-config
    int failed = 1;                           // the exit code when the cluster refuses
};
// With the properties of the file that an old name of --command-config names, if it is given.
Result<AdminRun> with_old_config(env::Shard& shard, const Arguments& arguments,
                                 std::string_view flag);
// Runs it with an admin of --command-config, then `more`, then --bootstrap-server or
// --bootstrap-controller. An Error is told; the exit code, 1 for a wrong command line.
Task<int> run_with_admin(env::Shard& shard, const Arguments& arguments, Output& output,
                         AdminTool tool, AdminRun how = {});

}  // namespace millrace::cli
