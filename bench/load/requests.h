#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "load/loads.h"

namespace millrace::bench {

// Requests are made once and sent again and again: nothing in them changes but what these say.

// Produce, version 8, of one batch to one partition.
struct ProduceTemplate {
    ProduceTemplate(const Target& target, int partition, int acks, const BatchShape& shape);

    std::vector<std::uint8_t> bytes;
    std::size_t batch_at = 0;
    std::size_t batch_size = 0;
    std::size_t first_value_at = 0;
    // Puts a number in front of the first record's value, and mends the CRC.
    void stamp(std::int64_t number);
};
// How many bytes a batch of this shape takes in a log.
std::size_t batch_size(const BatchShape& shape);
// Where the first record's value begins in it.
std::size_t value_position(const BatchShape& shape);

// The error code in an answer, which begins at its correlation id.
std::int16_t produce_error(Bytes answer, const Target& target);

// Fetch, version 11, of one partition.
struct FetchTemplate {
    FetchTemplate(const Target& target, int partition, std::int32_t most, std::int32_t max_wait_ms);
    void set_offset(std::int64_t offset);

    std::vector<std::uint8_t> bytes;

  private:
    std::size_t offset_at_ = 0;
};
// Of the answer to that: everything up to the records, from the correlation id on.
std::size_t fetch_prefix_size(const Target& target);
std::int16_t fetch_error(Bytes prefix, const Target& target);

}  // namespace millrace::bench
