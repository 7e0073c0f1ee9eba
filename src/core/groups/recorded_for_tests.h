#pragma once

#include <cstdint>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "core/groups/consumer_records.h"
#include "core/metadata/delta.h"
#include "core/metadata/image.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

namespace millrace::groups {

// What the tables in recorded/ say: fields between tabs, messages and records in hex.

inline std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts(1);
    for (char c : text) {
        if (c == separator) {
            parts.emplace_back();
        } else {
            parts.back() += c;
        }
    }
    return parts;
}

inline Slice unhex(const std::string& text) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        bytes.push_back(static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16)));
    return Slice::copy(bytes);
}

inline std::string hex(Bytes bytes) {
    std::string text;
    for (std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
    return text;
}

template <typename Message>
Message decoded(const std::string& text, std::int16_t version) {
    Slice bytes = unhex(text);
    Reader reader(bytes);
    Result<Message> message = Message::decode(reader, version);
    EXPECT_TRUE(message);
    return message ? *std::move(message) : Message();
}

template <typename Message>
std::string encoded(const Message& message, std::int16_t version) {
    Writer writer;
    EXPECT_TRUE(message.encode(writer, version));
    Slice bytes = std::move(writer).finish_in_memory();
    return hex(bytes);
}

inline std::vector<GroupRecord> recorded_records(const std::string& field) {
    std::vector<GroupRecord> records;
    if (field == "-") return records;
    for (const std::string& each : split(field, ',')) {
        std::vector<std::string> parts = split(each, '=');
        GroupRecord record{unhex(parts[0]), std::nullopt};
        if (!parts[1].empty()) record.value = unhex(parts[1]);
        records.push_back(std::move(record));
    }
    return records;
}

// The image after the records of a line "metadata".
inline metadata::ImagePtr image_after(const metadata::Image& image, const std::string& offset,
                                      const std::string& records) {
    metadata::Delta delta(image);
    for (const std::string& value : split(records, ',')) {
        Slice bytes = unhex(value);
        auto record = metadata::decode(bytes.bytes());
        EXPECT_TRUE(record) << record.error().message;
        Result<> applied = delta.apply(record->message);
        EXPECT_TRUE(applied) << applied.error().message;
    }
    return std::make_shared<const metadata::Image>(std::move(delta).finish(std::stoll(offset), 1));
}

// The lines of recorded/`name`, or of the file that the environment's `variable` names.
inline std::vector<std::vector<std::string>> recorded_lines(const std::string& name,
                                                            const char* variable) {
    const char* named = std::getenv(variable);
    std::ifstream table(named != nullptr ? std::string(named)
                                         : MILLRACE_SOURCE_DIR "/src/core/groups/recorded/" + name);
    EXPECT_TRUE(table.is_open()) << name;
    std::vector<std::vector<std::string>> lines;
    std::string line;
    while (std::getline(table, line)) lines.push_back(split(line, '\t'));
    return lines;
}

}  // namespace millrace::groups
