#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "storage/remote/layout.h"

namespace millrace::storage::remote {

// The beginning of a .indexes object: lines that say what segment it is and where each index lies
// behind them, in the order of IndexType (docs/tiered-storage.md). What an operator needs to
// rebuild the metadata of what is stored.
struct IndexesHeader {
    struct Part {
        std::uint64_t offset = 0;  // in the object
        std::uint64_t size = 0;    // below 4 GiB
        std::uint32_t crc = 0;     // CRC32C of its bytes

        bool operator==(const Part&) const = default;
    };

    RemoteLogSegment segment;
    std::array<Part, index_types> parts;

    Part& part(IndexType type) { return parts[static_cast<std::size_t>(type)]; }
    const Part& part(IndexType type) const { return parts[static_cast<std::size_t>(type)]; }
    bool operator==(const IndexesHeader&) const = default;

    // At most `longest` bytes. The parts' offsets are what their sizes make them.
    std::string to_text() const;
    // Of the object `name`, whose first bytes `text` are: `longest` of them suffice.
    // corrupt_message naming the line; kafka_storage_error for a version that is not known here.
    static Result<IndexesHeader> parse(std::string_view text, std::string_view name);

    static constexpr std::size_t longest = 2048;
};

}  // namespace millrace::storage::remote
