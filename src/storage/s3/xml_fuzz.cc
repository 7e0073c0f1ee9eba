#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "storage/s3/answers.h"
#include "storage/s3/xml.h"

// Any bytes are an answer of the server or an Error; what is escaped is read back.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace::storage::s3;
    std::string_view text = millrace::as_string({data, size});
    std::size_t given = 0;
    (void)read_xml(text, [&](std::string_view path, std::string_view value) {
        CHECK(!path.empty());
        given += value.size();
    });
    CHECK(given <= size);
    (void)parse_upload_id(text);
    if (auto listing = parse_listing(text)) {
        std::size_t keys = 0;
        for (const std::string& key : listing->keys) keys += key.size();
        CHECK(keys <= size);
    }
    Complaint complaint = parse_complaint(text);
    CHECK(complaint.message.size() <= 300);
    for (char c : complaint.code + complaint.message + complaint.region) CHECK(c != '\n');

    std::string again;
    auto read = read_xml("<a>" + escape_xml(text) + "</a>",
                         [&](std::string_view, std::string_view value) { again = value; });
    CHECK(read && again == text);
    return 0;
}
