#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::storage::s3 {

// Walks an S3 answer: calls `leaf` at the end of each element that has none inside it, with the
// names on the way there ("ListBucketResult/Contents/Key") and its text, decoded. Both last until
// `leaf` returns. Attributes, comments and processing instructions are passed over.
// kafka_storage_error: it is no such document, has a DOCTYPE, or is nested deeper than answers are.
Result<> read_xml(std::string_view text,
                  const std::function<void(std::string_view path, std::string_view text)>& leaf);

// Text as it stands in an element.
std::string escape_xml(std::string_view text);

}  // namespace millrace::storage::s3
