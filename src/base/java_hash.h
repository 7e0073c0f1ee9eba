#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

// The characters of a Java string of a UTF-8 text.
std::u16string java_chars(std::string_view text);
// String.hashCode of Java over the UTF-16 form of a UTF-8 text.
std::int32_t java_hash(std::string_view text);

}  // namespace millrace
