#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace millrace {

// What schema/*.msg says of the messages, as data: for whoever shows messages rather than acts on
// them. The structs and codecs of protocol/ say the same to the compiler.

// Both ends belong to it; {} is none.
struct VersionRange {
    std::int16_t first = 1;
    std::int16_t last = 0;

    constexpr bool contains(std::int16_t version) const {
        return first <= version && version <= last;
    }
};

enum class FieldType : std::uint8_t {
    boolean,
    int8,
    int16,
    uint16,
    int32,
    uint32,
    int64,
    float64,
    uuid,
    string,
    bytes,
    records,
    structure,
};

struct StructSchema;

struct FieldSchema {
    const char* name;  // as JSON has it: "leaderEpoch"
    FieldType type;    // of the elements of an array
    bool is_array;
    std::int16_t tag;  // -1: none
    VersionRange versions;
    VersionRange nullable;
    VersionRange tagged;
    VersionRange compact;           // where it has the flexible encoding
    const char* initial;            // the default in JSON; nullptr for a struct of defaults
    const StructSchema* structure;  // of FieldType::structure
};

struct StructSchema {
    std::span<const FieldSchema> fields;
};

struct MessageSchema {
    std::string_view name;  // of the C++ class: "OffsetCommitValue"
    VersionRange versions;
    VersionRange flexible;
    const StructSchema* body;
};
const MessageSchema* find_schema(std::string_view name);

// Topics whose records are messages, each with types of its own.
enum class RecordFamily : std::uint8_t { metadata, group, share, transaction, remote_log };

struct RecordSchema {
    RecordFamily family;
    std::int16_t type;
    std::string_view name;     // "FEATURE_LEVEL_RECORD"
    const MessageSchema* key;  // nullptr where records have no key
    const MessageSchema* value;
};
const RecordSchema* find_record_schema(RecordFamily family, std::int64_t type);

}  // namespace millrace
