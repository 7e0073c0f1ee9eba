#include "cli/interrupts.h"

#include <utility>

namespace millrace::cli {

Task<Result<>> until_interrupted(Process& process, Task<Result<>> work) {
    Cancellation& current = co_await current_cancellation();
    Cancellation interrupted(current);
    Interruptible interruptible(process, interrupted);
    try {
        co_return co_await std::move(work).under(interrupted);
    } catch (const Cancelled&) {
        if (current.requested()) throw;
    }
    co_return Result<>();
}

}  // namespace millrace::cli
