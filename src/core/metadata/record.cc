#include "core/metadata/record.h"

#include <fmt/format.h>
#include <limits>
#include <type_traits>
#include <utility>

#include "protocol/reader.h"
#include "protocol/writer.h"

namespace millrace::metadata {
namespace {

constexpr std::uint32_t frame_version = 1;

// One row for each alternative of MetadataRecord, in its order.
struct RecordType {
    std::int16_t type;
    std::int16_t min_version;
    std::int16_t max_version;
    Result<MetadataRecord> (*decode)(Reader&, std::int16_t version);
};

template <typename Message>
Result<MetadataRecord> decode_as(Reader& reader, std::int16_t version) {
    ASSIGN_OR_RETURN(Message message, Message::decode(reader, version));
    return MetadataRecord(std::move(message));
}

template <typename Message>
constexpr RecordType type_row() {
    return {Message::record_type, Message::min_version, Message::max_version, decode_as<Message>};
}

template <typename Variant>
struct Table;
template <typename... Messages>
struct Table<std::variant<Messages...>> {
    static constexpr RecordType rows[] = {type_row<Messages>()...};
};

const RecordType* find_type(std::uint32_t type) {
    for (const RecordType& row : Table<MetadataRecord>::rows) {
        if (row.type == static_cast<std::int64_t>(type)) return &row;
    }
    return nullptr;
}

}  // namespace

std::string_view name_of(const MetadataRecord& record) {
    static constexpr std::string_view names[] = {
        "RegisterBrokerRecord",
        "UnregisterBrokerRecord",
        "TopicRecord",
        "PartitionRecord",
        "ConfigRecord",
        "PartitionChangeRecord",
        "FenceBrokerRecord",
        "UnfenceBrokerRecord",
        "RemoveTopicRecord",
        "DelegationTokenRecord",
        "UserScramCredentialRecord",
        "FeatureLevelRecord",
        "ClientQuotaRecord",
        "ProducerIdsRecord",
        "BrokerRegistrationChangeRecord",
        "AccessControlEntryRecord",
        "RemoveAccessControlEntryRecord",
        "NoOpRecord",
        "ZkMigrationStateRecord",
        "RemoveUserScramCredentialRecord",
        "BeginTransactionRecord",
        "EndTransactionRecord",
        "AbortTransactionRecord",
        "RemoveDelegationTokenRecord",
        "RegisterControllerRecord",
        "ClearElrRecord",
    };
    static_assert(std::size(names) == std::variant_size_v<MetadataRecord>);
    return names[record.index()];
}

std::int16_t type_of(const MetadataRecord& record) {
    return Table<MetadataRecord>::rows[record.index()].type;
}

Result<Slice> encode(const VersionedRecord& record) {
    Writer writer;
    writer.write_uvarint(frame_version);
    writer.write_uvarint(static_cast<std::uint32_t>(type_of(record.message)));
    writer.write_uvarint(static_cast<std::uint32_t>(record.version));
    RETURN_IF_ERROR(
        std::visit([&](const auto& message) { return message.encode(writer, record.version); },
                   record.message));
    return std::move(writer).finish_in_memory();
}

Result<VersionedRecord> decode(Bytes value) {
    Reader reader(value);
    std::uint32_t frame = reader.read_uvarint("frame version");
    std::uint32_t type = reader.read_uvarint("type");
    std::uint32_t version = reader.read_uvarint("version");
    if (!reader.ok()) return fail(reader.error("metadata record"));
    if (frame != frame_version) {
        return fail(ErrorCode::unsupported_version,
                    fmt::format("metadata record of frame version {}; only 1 is known", frame));
    }
    const RecordType* row = find_type(type);
    if (row == nullptr) {
        return fail(ErrorCode::unsupported_version,
                    fmt::format("metadata record of type {}, which is not known; a newer version "
                                "may have written it",
                                type));
    }
    if (version > static_cast<std::uint32_t>(row->max_version) ||
        static_cast<std::int64_t>(version) < row->min_version) {
        return fail(ErrorCode::unsupported_version,
                    fmt::format("metadata record of type {} in version {}; known are {} to {}",
                                type, version, row->min_version, row->max_version));
    }
    auto known_version = static_cast<std::int16_t>(version);
    ASSIGN_OR_RETURN(MetadataRecord message, row->decode(reader, known_version));
    if (reader.remaining() > 0) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("{} bytes behind a {}", reader.remaining(), name_of(message)));
    }
    return VersionedRecord{std::move(message), known_version};
}

}  // namespace millrace::metadata
