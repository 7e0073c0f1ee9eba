#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace millrace {

// Text as Java makes it of bytes that should be UTF-8: what is none becomes U+FFFD. In pure ASCII
// and other well-formed text nothing changes.
void append_utf8(std::string& to, std::string_view bytes);

// A JSON string, escaped as Jackson does: quotes, backslashes and control characters only.
void append_quoted(std::string& to, std::string_view bytes);

// Base64 with padding, as Jackson has binary values, in quotes.
void append_quoted_base64(std::string& to, Bytes bytes);

}  // namespace millrace
