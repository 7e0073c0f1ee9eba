#pragma once

#include "base/result.h"
#include "base/task.h"
#include "cli/process.h"

namespace millrace::cli {

// Ends with the work, or with an interrupt, which is no error.
Task<Result<>> until_interrupted(Process& process, Task<Result<>> work);

}  // namespace millrace::cli
