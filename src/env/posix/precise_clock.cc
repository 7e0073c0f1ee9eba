#include "env/posix/precise_clock.h"

#include <time.h>

namespace millrace::env::posix {

Time precise_now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return Time::from_ns(time.tv_sec * 1'000'000'000 + time.tv_nsec);
}

}  // namespace millrace::env::posix
