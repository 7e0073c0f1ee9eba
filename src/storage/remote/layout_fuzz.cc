#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "storage/remote/cached_indexes.h"
#include "storage/remote/layout.h"
#include "storage/remote/object_store.h"

// A name is that of a segment's object or of a cached index, and is spelled in one way only, or it
// is none. What names an object is a key.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace::storage::remote;
    std::string_view text = millrace::as_string({data, size});
    bool is_key = check_key(text).has_value();
    if (auto name = parse_key(text); name && is_key) {
        bool is_log = name->kind == ObjectKind::log;
        CHECK(text == (is_log ? log_key(name->segment) : indexes_key(name->segment)));
    }
    if (auto cached = parse_cached_index(text)) CHECK(cached->start >= 0);
    return 0;
}
