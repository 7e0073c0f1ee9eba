// Messages that Apache Kafka's own classes encoded, in tests/vectors.tsv.gz or the file that
// MILLRACE_VECTORS names. A line is class, version, kind, hex, and what it encodes to where that is
// not the same (tagged fields that say their default).

#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>
#include <zlib.h>

#include "base/random.h"
#include "protocol/all_messages.h"

namespace millrace {
namespace {

struct Vector {
    std::string name;
    const MessageInfo* message = nullptr;
    std::int16_t version = 0;
    std::string bytes;
    std::string expected;
};

std::string file_name() {
    const char* named = std::getenv("MILLRACE_VECTORS");
    return named != nullptr ? named : MILLRACE_SOURCE_DIR "/tests/vectors.tsv.gz";
}

std::string read_gzip(const std::string& path) {
    std::string text;
    gzFile file = gzopen(path.c_str(), "rb");
    if (file == nullptr) return text;
    char chunk[1 << 16];
    int size = 0;
    while ((size = gzread(file, chunk, sizeof chunk)) > 0)
        text.append(chunk, static_cast<std::size_t>(size));
    gzclose(file);
    return size < 0 ? std::string() : text;
}

std::string from_hex(const std::string& hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    return bytes;
}

std::string to_hex(std::string_view bytes) {
    std::string hex;
    for (char each : bytes) {
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(each));
        hex += digits;
    }
    return hex;
}

// org.apache.kafka.common.message.FetchRequestData is our FetchRequest.
const MessageInfo* message_of(const std::string& java_class) {
    std::string name = java_class.substr(java_class.rfind('.') + 1);
    if (const MessageInfo* found = find_message(name)) return found;
    if (name.ends_with("Data")) name.resize(name.size() - 4);
    return find_message(name);
}

std::vector<Vector> read_vectors() {
    std::vector<Vector> vectors;
    std::istringstream lines(read_gzip(file_name()));
    for (std::string line; std::getline(lines, line);) {
        std::vector<std::string> columns;
        std::istringstream cells(line);
        for (std::string cell; std::getline(cells, cell, '\t');) columns.push_back(cell);
        if (columns.size() == 3) columns.emplace_back();  // an empty message has an empty encoding
        if (columns.size() < 4) {
            ADD_FAILURE() << "not a line of vectors: " << line;
            continue;
        }
        bool differs = columns.size() > 4 && !columns[4].empty();
        vectors.push_back({columns[0], message_of(columns[0]),
                           static_cast<std::int16_t>(std::stoi(columns[1])), from_hex(columns[3]),
                           from_hex(columns[differs ? 4 : 3])});
    }
    return vectors;
}

TEST(Vectors, every_message_decodes_and_encodes_to_the_same_bytes) {
    std::vector<Vector> vectors = read_vectors();
    ASSERT_FALSE(vectors.empty()) << file_name() << " is missing or empty";
    std::set<const MessageInfo*> messages;
    for (const Vector& vector : vectors) {
        ASSERT_NE(vector.message, nullptr) << "no message is named like " << vector.name;
        messages.insert(vector.message);
        Bytes rest = as_bytes(vector.bytes);
        Result<Slice> made = vector.message->again(rest, vector.version);
        ASSERT_TRUE(made) << vector.name << " version " << vector.version << " "
                          << made.error().message << "\n"
                          << to_hex(vector.bytes);
        EXPECT_TRUE(rest.empty()) << vector.name << " version " << vector.version;
        EXPECT_EQ(to_hex(made->view()), to_hex(vector.expected))
            << vector.name << " version " << vector.version;
    }
    std::printf("%zu vectors of %zu messages\n", vectors.size(), messages.size());
}

TEST(Vectors, every_message_and_version_occurs) {
    if (std::getenv("MILLRACE_VECTORS") != nullptr) GTEST_SKIP() << "another file may have fewer";
    std::map<std::string_view, std::set<int>> seen;
    for (const Vector& vector : read_vectors())
        if (vector.message != nullptr) seen[vector.message->name].insert(vector.version);
    for (const MessageInfo& message : all_messages()) {
        for (int version = message.min_version; version <= message.max_version; ++version)
            EXPECT_TRUE(seen[message.name].contains(version)) << message.name << " " << version;
    }
}

// What survives a change of a few bytes says the same a second time.
TEST(Vectors, changed_vectors_decode_to_what_encodes_the_same) {
    const std::uint64_t seed = 414;
    SCOPED_TRACE(seed);
    Random random(seed);
    std::size_t decoded = 0;
    for (const Vector& vector : read_vectors()) {
        if (vector.message == nullptr) continue;
        for (int i = 0; i < 16; ++i) {
            std::string bytes = vector.bytes;
            for (std::uint64_t left = 1 + random.below(3); left > 0 && !bytes.empty(); --left)
                bytes[random.below(bytes.size())] =
                    static_cast<char>(random.chance(0.5) ? random.next() : random.below(4));
            Bytes rest = as_bytes(bytes);
            Result<Slice> first = vector.message->again(rest, vector.version);
            if (!first) continue;
            ++decoded;
            Bytes none = first->bytes();
            Result<Slice> second = vector.message->again(none, vector.version);
            ASSERT_TRUE(second && none.empty()) << vector.name << " " << to_hex(bytes);
            ASSERT_EQ(to_hex(first->view()), to_hex(second->view())) << vector.name;
        }
    }
    EXPECT_GT(decoded, 1000U);
}

}  // namespace
}  // namespace millrace
