#include <cstddef>
#include <cstdint>
#include <fmt/core.h>
#include <string>

#include "base/check.h"
#include "base/crc32c.h"
#include "storage/remote/indexes_header.h"

// Any text is a header, written as it was read, or an Error; with the checksum that it would need.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using millrace::storage::remote::IndexesHeader;
    millrace::Bytes bytes(data, size);
    (void)IndexesHeader::parse(millrace::as_string(bytes), "fuzz");

    std::string text(millrace::as_string(bytes));
    text += fmt::format("end {:08x}\n\n", millrace::crc32c(bytes));
    auto header = IndexesHeader::parse(text, "fuzz");
    if (header) CHECK(header->to_text() == text);
    return 0;
}
