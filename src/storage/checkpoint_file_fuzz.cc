#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"
#include "storage/checkpoint_file.h"
#include "storage/partition_metadata.h"

// Any text is a checkpoint or an Error; what was read is written so that it is read again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    using namespace millrace::storage;
    std::string_view text = as_string({data, size});
    if (auto checkpoint = parse_offset_checkpoint(text, "fuzz")) {
        auto again = parse_offset_checkpoint(to_text(*checkpoint), "fuzz");
        CHECK(again && *again == *checkpoint);
    }
    if (auto topic_id = parse_partition_metadata(text, "fuzz")) {
        auto again = parse_partition_metadata(partition_metadata_text(*topic_id), "fuzz");
        CHECK(again && *again == *topic_id);
    }
    return 0;
}
