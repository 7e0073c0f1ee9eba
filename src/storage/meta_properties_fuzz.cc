#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"
#include "storage/meta_properties.h"

// Any text names a directory's owner or is an Error; what was read is written so that it is read
// again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace::storage;
    auto meta = MetaProperties::parse(millrace::as_string({data, size}), "fuzz");
    if (!meta) return 0;
    CHECK(meta->version == 0 || (meta->node_id && meta->cluster_id));
    // No cluster's id has blanks; as a value of a file they would need more than is written.
    auto is_blank = [](unsigned char c) { return c <= ' '; };
    if (meta->cluster_id && std::ranges::any_of(*meta->cluster_id, is_blank)) return 0;
    auto again = MetaProperties::parse(meta->to_text(0), "fuzz");
    CHECK(again && *again == *meta);
    return 0;
}
