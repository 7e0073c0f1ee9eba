#pragma once

#include "broker/partitions/partitions.h"

namespace millrace::broker {

// As a node that stops. The first error.
inline Task<Result<>> close_all(Partitions& partitions) {
    co_await partitions.stop();
    Result<> all;
    for (const Partitions::OpenLog& each : partitions.open_logs()) {
        Result<> closed = co_await partitions.close_log(each);
        if (all) all = closed;
    }
    co_return all;
}

}  // namespace millrace::broker
