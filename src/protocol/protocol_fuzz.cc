// Every message in every version: two bytes choose the message, one the version. What decodes must
// encode to bytes that decode to something that encodes the same.

#include <cstdint>

#include "protocol/all_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    if (size < 3) return 0;
    std::span<const MessageInfo> messages = all_messages();
    const MessageInfo& message = messages[(data[0] << 8U | data[1]) % messages.size()];
    int versions = message.max_version - message.min_version + 1;
    auto version = static_cast<std::int16_t>(message.min_version + data[2] % versions);

    Bytes rest(data + 3, size - 3);
    Result<Slice> first = message.again(rest, version);
    if (!first) {
        CHECK(first.error().message.contains(message.name));
        return 0;
    }
    Bytes none = first->bytes();
    Result<Slice> second = message.again(none, version);
    CHECK(second && none.empty());
    CHECK(first->view() == second->view());
    return 0;
}
