#pragma once

#include "base/random.h"
#include "base/time.h"

namespace millrace::client {

// Pauses that double with each failure, a fifth up or down at random so that clients that failed
// together do not come back together (KIP-580).
struct Backoff {
    Duration first = Duration::milliseconds(100);
    Duration most = Duration::milliseconds(1000);

    // `failures` counts from 1.
    Duration after(int failures, Random& random) const;
};

}  // namespace millrace::client
