#pragma once

#include <cstdint>
#include <string_view>

#include "records/record.h"

namespace millrace::cli {

class Output;

// What a perf test has read.
struct Consumption {
    std::int64_t records = 0;
    std::int64_t bytes = 0;  // of keys and values

    void add(const Record& record);
};

inline double megabytes(std::int64_t bytes) {
    return static_cast<double>(bytes) / (1024.0 * 1024.0);
}

// No record came for so long.
void warn_of_timeout(std::int64_t timeout_ms, Output& output);
// As metrics of the client, in this group of them.
void print_metrics(const Consumption& read, std::string_view group, std::string_view client_id,
                   Output& output);

}  // namespace millrace::cli
