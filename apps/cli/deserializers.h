#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace millrace::cli {

// Appends the text that a deserializer of Kafka's gives for the bytes. Error serialization: bytes
// that are none of its kind.
using Deserializer = Result<> (*)(Bytes bytes, std::string& out);

// By Java's class name, "org.apache.kafka.common.serialization.LongDeserializer" or the last part
// of it alone. Error invalid_config for classes that are not built in.
Result<Deserializer> find_deserializer(std::string_view class_name);

bool is_utf8(Bytes bytes);
std::string base64(Bytes bytes);

}  // namespace millrace::cli
