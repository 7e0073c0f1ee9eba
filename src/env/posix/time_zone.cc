#include "env/posix/time_zone.h"

#include <ctime>

namespace millrace::env::posix {

Duration ahead_of_utc(Timestamp time) {
    auto seconds = static_cast<std::time_t>(time / 1000);
    std::tm local{};
    localtime_r(&seconds, &local);
    return Duration::seconds(local.tm_gmtoff);
}

}  // namespace millrace::env::posix
