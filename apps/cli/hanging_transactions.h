#pragma once

#include "base/result.h"
#include "base/task.h"

namespace millrace::client {
class Admin;
}

namespace millrace::cli {

class Arguments;
class Output;

// `kafka-transactions find-hanging`: transactions that are open in partitions for longer than any
// may be, and that no coordinator knows of (KIP-664).
Task<Result<>> find_hanging_transactions(client::Admin& admin, const Arguments& arguments,
                                         Output& output);

}  // namespace millrace::cli
