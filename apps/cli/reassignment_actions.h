#pragma once

#include "base/result.h"
#include "base/task.h"

namespace millrace::client {
class Admin;
}

namespace millrace::cli {

class Arguments;
class Output;

// What kafka-reassign-partitions does, one function an action.
Task<Result<>> generate_reassignment(client::Admin& admin, const Arguments& arguments,
                                     Output& output);
Task<Result<>> execute_reassignment(client::Admin& admin, const Arguments& arguments,
                                    Output& output);
Task<Result<>> verify_reassignment(client::Admin& admin, const Arguments& arguments,
                                   Output& output);
Task<Result<>> cancel_reassignment(client::Admin& admin, const Arguments& arguments,
                                   Output& output);
Task<Result<>> list_reassignments(client::Admin& admin, const Arguments& arguments, Output& output);

}  // namespace millrace::cli
