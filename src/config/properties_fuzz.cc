#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"
#include "config/properties.h"

// Any bytes are a file or an Error, and what was read can be written so that it is read again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    std::string_view text = as_string({data, size});
    auto properties = config::Properties::parse(text);
    if (!properties) return 0;

    std::string written;
    auto append = [&](std::string_view plain) {
        for (char c : plain) {
            if (c == '\n') {
                written += "\\n";
            } else if (c == '\r') {
                written += "\\r";
            } else {
                written += '\\';
                // A letter behind a backslash may mean something else.
                if (c == 't' || c == 'n' || c == 'r' || c == 'f' || c == 'u') written.pop_back();
                written += c;
            }
        }
    };
    int line = 0;
    for (const config::Property& property : properties->all()) {
        CHECK(property.line > line);
        line = property.line;
        append(property.key);
        written += '=';
        append(property.value);
        written += '\n';
    }
    auto again = config::Properties::parse(written);
    CHECK(again && again->all().size() == properties->all().size());
    for (std::size_t i = 0; i < again->all().size(); ++i) {
        CHECK(again->all()[i].key == properties->all()[i].key);
        CHECK(again->all()[i].value == properties->all()[i].value);
    }
    return 0;
}
