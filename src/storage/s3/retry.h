#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/random.h"
#include "base/time.h"

namespace millrace::storage::s3 {

// A request is sent at most so often.
inline constexpr int most_attempts = 5;

// Whether an answer says that the same request may fare better later: the server or a proxy is
// overloaded or failed, or the body was garbled on its way.
inline bool may_pass(long status, std::string_view code) {
    if (status == 408 || status == 429 || status >= 500) return status != 501 && status != 505;
    for (std::string_view passing : {"RequestTimeout", "SlowDown", "OperationAborted", "BadDigest",
                                     "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch",
                                     "IncompleteBody", "Throttling", "ThrottlingException"}) {
        if (code == passing) return true;
    }
    return false;
}

// Before the attempt behind `failed` failures, the first of which is 1: at random up to a bound
// that doubles, so that those whom one outage struck do not come back at once.
inline Duration pause_after(int failed, Random& random) {
    constexpr std::int64_t first_ms = 200;
    constexpr std::int64_t longest_ms = 5'000;
    std::int64_t most = std::min(longest_ms, first_ms << std::min(failed - 1, 10));
    return Duration::milliseconds(random.between(most / 4, most));
}

}  // namespace millrace::storage::s3
